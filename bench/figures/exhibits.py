"""Exhibits: what networks made, as pictures a person can judge. Arrays in, SVG out."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Circle, Patch, Rectangle
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import RectBivariateSpline

from bench.figures import svg
from bench.figures.style import PALETTE, Style
from bench.findings.verdicts import Verdict
from bench.stats import Pair, cell_label

Array = NDArray[np.float64]
Arrays = Mapping[Pair, ArrayLike]
Meta = Mapping[str, Any]
Heads = Mapping[Pair, tuple[str, str]]  # of each panel: the cell, and why it is shown
PLAIN = Style(PALETTE[0], "o", "-")
DOTS: dict[str, Any] = {"alpha": 0.8, "lw": 2.2, "solid_capstyle": "round"}
PIXELS = (2.0, 2.2)  # most inches of a picture's width, most of its height
PLANE = (2.1, 2.1)  # inches of a plane
FINE = 301  # points a side of the heights that contours are drawn of
NOTHING = "#e6e6e6"  # class 0
RIGHT, WRONG = "#ffffff", "#ff9a4d"  # letters on a dark picture
MOST_POINTS, MOST_LINES, BOX_ROWS = 400, 6, 2
SPREAD = ("leader", "median", "worst")


def chosen(table: pd.DataFrame, verdict: Verdict, arrays: Arrays) -> dict[Pair, str]:
    """The cells of a task's `convergence` table to show, and why each: the leader, the median and the worst by rank.

    Only cells that have an exhibit count; one of them stands for itself alone where there are fewer than three. Of
    those with the leader's own mean that is said instead. How many seeds diverged is said, as no exhibit is of these.
    """
    ranked = table[table["rank"].notna()].sort_values(["rank", "steps_to_target"], kind="stable")
    pairs = [p for p in ranked[["activation", "optimizer"]].itertuples(index=False, name=None) if p in arrays]
    pairs = sorted(pairs, key=lambda pair: pair != verdict.winner)  # of equal ranks the one that the verdict names
    of = ranked.set_index(["activation", "optimizer"])
    ranks, lost = of["rank"], (of["diverged_share"] * of["seeds"]).round().astype(int)
    if not pairs:
        return {}
    places = (0, (len(pairs) - 1) // 2, len(pairs) - 1)
    found: dict[Pair, str] = {}
    for place, word in zip(places, SPREAD, strict=True):
        equal = ranks[pairs[place]] == ranks[pairs[0]]
        told = f", {lost[pairs[place]]} of {of['seeds'][pairs[place]]} diverged" * bool(lost[pairs[place]])
        found.setdefault(pairs[place], f"{'same mean' if equal and place else word}{told}")
    return found


def exhibit(
    kind: str, prefix: str, arrays: Arrays, meta: Meta, cells: Mapping[Pair, str], styles: Mapping[str, Style]
) -> svg.Figure | None:
    """The exhibit of `cells` (see `chosen`); None where no cell has one.

    `kind` is a key of `EXHIBITS`, which says what shape of array each kind takes and what of `meta`, a task's `shown`;
    `meta["title"]` is the figure's title.
    """
    shown = {pair: np.asarray(arrays[pair], dtype=float) for pair in cells if pair in arrays}
    if not shown:
        return None
    labels = {pair: (cell_label(*pair), cells[pair]) for pair in shown}
    drawn = {pair: styles.get(pair[1], PLAIN) for pair in shown}
    who = "; ".join(f"{word}: {cell}" for cell, word in labels.values())
    finding = f"{who[0].upper()}{who[1:]}."
    reading = (
        f"{READINGS[kind]} One evaluation seed of each cell, not a mean: that of its middle test score or, of those "
        "whose output was kept, the nearest to it. The cells were chosen by rank."
    )
    draw = EXHIBITS[kind]
    return svg.figure(
        f"{prefix}-{kind}", str(meta["title"]), lambda: draw(shown, meta, labels, drawn), finding, reading
    )


# The kinds


def images(shown: Mapping[Pair, Array], meta: Meta, labels: Heads, drawn: Mapping[Pair, Style]) -> Canvas:
    """Arrays [n, height, width, 1 or 3] in 0..1, row after row; `meta["rows"]` names the rows."""
    return _rasters({pair: _mosaic(array, len(_rows(meta))) for pair, array in shown.items()}, meta, labels)


def masks(shown: Mapping[Pair, Array], meta: Meta, labels: Heads, drawn: Mapping[Pair, Style]) -> Canvas:
    """Arrays [n, height, width] of class indices; in `rows` as images are. `meta["classes"]` names them, 0 is grey."""
    names = meta.get("classes") or [f"class {i}" for i in range(1 + int(max(np.max(a) for a in shown.values())))]
    colors = [NOTHING, *(PALETTE[i % len(PALETTE)] for i in range(len(names) - 1))]
    paints = np.array([to_rgb(color) for color in colors])
    canvas = _rasters(
        {pair: _mosaic(paints[a.astype(int)], len(_rows(meta))) for pair, a in shown.items()}, meta, labels
    )
    canvas.legend(
        [Patch(color=color) for color in colors], [svg.label(name) for name in names], loc="upper left",
        ncols=min(len(names), 11), bbox_to_anchor=(0, 0), frameon=False, fontsize=8,
        handlelength=0.9, handletextpad=0.4, columnspacing=1.1, borderpad=0.3,
    )  # fmt: skip
    return canvas


def boxes(shown: Mapping[Pair, Array], meta: Meta, labels: Heads, drawn: Mapping[Pair, Style]) -> Canvas:
    """Arrays [n, 10 + height width]: the predicted x, y, width, height as shares of the picture, the true ones, the
    predicted class, the true one, and the picture in 0..1, of `meta["size"]` = (height, width). Older runs have no
    classes."""
    high, wide = meta["size"]
    columns = math.ceil(len(next(iter(shown.values()))) / BOX_ROWS)
    canvas, axes = _panels(labels, _raster_size(BOX_ROWS * (high + 1) - 1, columns * (wide + 1) - 1))
    for pair, array in shown.items():
        ax = axes[pair]
        before = array.shape[1] - high * wide
        _show(ax, _mosaic(array[:, before:].reshape(-1, high, wide), BOX_ROWS))
        for number, row in enumerate(array):
            corner = number % columns * (wide + 1), number // columns * (high + 1)
            _name_class(ax, corner, row[8:before])
            for box, color, dash in ((row[4:8], "#ffffff", "-"), (row[:4], PALETTE[1], (0, (2.5, 1)))):
                x, y, w, h = np.nan_to_num(box) * [wide, high, wide, high]
                place = (x + corner[0] - 0.5, y + corner[1] - 0.5)
                for ink, width, line in (("#000000", 2.6, "-"), (color, 1.3, dash)):  # seen on light and on dark
                    ax.add_patch(Rectangle(place, w, h, fill=False, edgecolor=ink, ls=line, lw=width))
    return canvas


def _name_class(ax: Axes, corner: tuple[float, float], classes: Array) -> None:
    """The predicted class at the corner of a picture and, if it is another, the true one."""
    if classes.size:
        predicted, true = (f"{value:.0f}" for value in classes)
        text, color = (predicted, RIGHT) if predicted == true else (f"{predicted} ≠ {true}", WRONG)
        behind = {"boxstyle": "square,pad=0.1", "color": "#000000", "alpha": 0.6, "lw": 0}
        ax.text(*corner, text, color=color, fontsize=7, fontweight="bold", ha="left", va="top", bbox=behind)


def points(shown: Mapping[Pair, Array], meta: Meta, labels: Heads, drawn: Mapping[Pair, Style]) -> Canvas:
    """Arrays [n, 2], thinned evenly to 400, over grey discs of `meta["reference_radius"]` at `meta["reference"]`."""
    reference, radius = np.asarray(meta["reference"], dtype=float), float(meta["reference_radius"])
    canvas, axes = _panels(labels, PLANE)
    limits = _limits(np.concatenate([reference - radius, reference + radius]))
    for pair, array in shown.items():
        for place in reference:
            axes[pair].add_patch(Circle((place[0], place[1]), radius, color=svg.INK, alpha=0.18, lw=0))
        own = _thinned(array, MOST_POINTS)
        inside = own[((own >= limits[:, 0]) & (own <= limits[:, 1])).all(axis=1)]
        axes[pair].plot(*_dots(inside, limits), **DOTS | {"color": drawn[pair].color})
        axes[pair].set(xlim=limits[0], ylim=limits[1], aspect="equal", xlabel="x₁")
        _tell_outside(
            axes[pair], int((~((array >= limits[:, 0]) & (array <= limits[:, 1])).all(axis=1)).sum()), len(array)
        )
    _label_left(axes)
    return canvas


def path(shown: Mapping[Pair, Array], meta: Meta, labels: Heads, drawn: Mapping[Pair, Style]) -> Canvas:
    """Arrays [evaluations, 2] from a ring to a marker, over the contours of `meta["z"]` [len(y), len(x)] at `x`, `y`,
    with a star at each of `meta["minima"]` [m, 2]."""
    x, y, z = heights(meta)
    levels = np.unique(np.quantile(z[np.isfinite(z)], np.linspace(0.02, 0.95, 7)))
    canvas, axes = _panels(labels, PLANE)
    for pair, array in shown.items():
        ax, color = axes[pair], drawn[pair].color
        _draw_contours(ax, x, y, z, levels)
        known = array[np.isfinite(array).all(axis=1)]
        ax.plot(*known.T, color=color, marker=".", ms=4, lw=1.2)
        ax.plot(*known[:1].T, ls="", marker="o", ms=6.5, color=color, mfc="none")
        ax.plot(*known[-1:].T, ls="", marker=drawn[pair].marker, ms=6.5, color=color)
        minima = np.asarray(meta.get("minima", np.empty((0, 2))), dtype=float).reshape(-1, 2)
        ax.plot(*minima.T, ls="", marker="*", ms=8, mew=0, color=svg.INK)
        ax.set(xlim=(x.min(), x.max()), ylim=(y.min(), y.max()), xlabel="x₁")
    _label_left(axes)
    return canvas


def series(shown: Mapping[Pair, Array], meta: Meta, labels: Heads, drawn: Mapping[Pair, Style]) -> Canvas:
    """Arrays [lines, t]; where `meta["rows"]` names them, the first is the truth and the other is drawn over it.

    `meta["x"]` and `meta["y"]` name the axes; the first x is `meta["start"]`, the next one `meta["step"]` on.
    """
    over = len(_rows(meta)) > 1
    canvas = Canvas(figsize=(svg.WIDTH if len(shown) > 1 else svg.WIDTH * 0.65, 1.9))
    axes = canvas.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False).ravel()
    canvas.subplots_adjust(wspace=0.1)
    axes[0].set_ylabel(svg.label(meta["y"]))
    for ax, (pair, array) in zip(axes, shown.items(), strict=True):
        x = meta.get("start", 0) + meta.get("step", 1) * np.arange(array.shape[1])
        if over:
            ax.plot(x, array[0], color=svg.INK, alpha=0.35, lw=2.4)
        for line in array[1:] if over else array[:MOST_LINES]:
            ax.plot(x, line, color=drawn[pair].color, lw=1.2, alpha=1 if over else 0.6)
        ax.margins(x=0)
        ax.locator_params(axis="y", nbins=4)
        _head(ax, *labels[pair])
        ax.set_xlabel(svg.label(meta["x"]))
        if over:
            low, high = _around(array[0])
            ax.set_ylim(low, high)  # all panels have one axis, and one truth
            given = array[1:][np.isfinite(array[1:])]
            _tell_outside(ax, int(((given < low) | (given > high)).sum()), given.size)
    return canvas


Draw = Callable[[Mapping[Pair, Array], Meta, Heads, Mapping[Pair, Style]], Canvas]
EXHIBITS: dict[str, Draw] = {
    "images": images,
    "points": points,
    "masks": masks,
    "boxes": boxes,
    "path": path,
    "series": series,
}
READINGS = {
    "images": "Pictures as the network was given and gave them.",
    "points": "Colour: what the network drew; grey: where the data are that it was to imitate.",
    "masks": "One colour a class, grey the background.",
    "boxes": "Dashed: predicted; white: true. Number, where there is one: the predicted class, after ≠ the true one.",
    "path": "From the ring to the filled marker, a point an evaluation; lines of equal height; stars: the minima.",
    "series": "Colour: what the network did; grey, where there is one: the truth.",
}


# What the kinds share


def _rasters(tiles: Mapping[Pair, Array], meta: Meta, labels: Heads) -> Canvas:
    names = [svg.label(name) for name in _rows(meta)]
    high, wide = next(iter(tiles.values())).shape[:2]
    canvas, axes = _panels(labels, _raster_size(high, wide))
    for place, (pair, tile) in enumerate(tiles.items()):
        _show(axes[pair], tile)
        axes[pair].set_yticks(
            (np.arange(len(names)) + 0.5) * high / len(names) - 0.5, names if place == 0 else [""] * len(names)
        )
        axes[pair].tick_params(length=0)
    return canvas


def _rows(meta: Meta) -> list[str]:
    """The names of an exhibit's rows: one without a name where the task names none."""
    return [str(name) for name in meta.get("rows", [""])]


def _raster_size(high: int, wide: int) -> tuple[float, float]:
    """Inches of a picture of so many pixels: as large as `PIXELS` allows, wider for what is very wide."""
    width = max(PIXELS[0], min(2.6, PIXELS[0] * wide / max(high, 1) / 2))
    scale = min(width / wide, max(PIXELS[1], width / 2) / high)
    return wide * scale, high * scale


def _mosaic(array: Array, rows: int) -> Array:
    """Pictures [n, height, width(, channels)] as one [height, width, 4] of `rows` rows, a clear pixel between them."""
    pictures = array[..., None] if array.ndim == 3 else array
    pictures = np.repeat(pictures, 3, axis=-1) if pictures.shape[-1] == 1 else pictures[..., :3]
    count, high, wide = pictures.shape[:3]
    columns = math.ceil(count / rows)
    sheet = np.zeros((rows * (high + 1) - 1, columns * (wide + 1) - 1, 4))
    for number, picture in enumerate(np.clip(np.nan_to_num(pictures), 0, 1)):
        y, x = number // columns * (high + 1), number % columns * (wide + 1)
        sheet[y : y + high, x : x + wide] = np.concatenate([picture, np.ones((high, wide, 1))], axis=-1)
    return sheet


def _show(ax: Axes, sheet: Array) -> None:
    ax.imshow(sheet, interpolation="none", resample=False)
    ax.set_xticks([]), ax.set_yticks([])
    ax.grid(False)
    ax.set_frame_on(False)


def _panels(labels: Heads, size: tuple[float, float]) -> tuple[Canvas, dict[Pair, Axes]]:
    widest = max(size[0], 0.064 * max(len(cell) for cell, _ in labels.values()))
    canvas = Canvas(figsize=(widest * len(labels) * 1.08, size[1] + 0.35))
    axes = canvas.subplots(1, len(labels), squeeze=False).ravel()
    canvas.subplots_adjust(left=0.02, right=0.98, wspace=0.12 + (widest - size[0]) / widest, top=0.9, bottom=0.02)
    for ax, head in zip(axes, labels.values(), strict=True):
        _head(ax, *head)
    return canvas, dict(zip(labels, axes, strict=True))


def _head(ax: Axes, cell: str, word: str) -> None:
    """Two lines above a panel."""
    ax.set_title(svg.label(word), loc="left", fontweight="bold", pad=15)
    ax.annotate(svg.label(cell), (0, 1), (0, 4), "axes fraction", textcoords="offset points", fontsize=8)


def _tell_outside(ax: Axes, count: int, of: int) -> None:
    """How many points a panel's axis leaves out."""
    if count:
        text = f"{count:,} of {of:,} points outside"
        ax.annotate(text, (0.03, 0.03), xycoords="axes fraction", fontsize=8, color=svg.INK)


def _label_left(axes: Mapping[Pair, Axes]) -> None:
    """Numbers beside the first panel alone, as all have one axis, and below none that would meet the next panel's."""
    first, *others = axes.values()
    first.set_ylabel("x₂")
    for ax in axes.values():
        ax.locator_params(axis="x", nbins=5, prune="upper")
    for ax in others:
        ax.tick_params(labelleft=False)


def heights(meta: Meta) -> tuple[Array, Array, Array]:
    """x, y and z of a fine grid, interpolated by cubic splines: those of f itself, where z is its logarithm."""
    x, y, z = (np.asarray(meta[key], dtype=float) for key in "xyz")
    logarithmic = meta.get("logarithmic", "log10" in meta["title"])  # which older runs say in the title alone
    f = 10**z if logarithmic else z
    fine_x, fine_y = (np.linspace(axis.min(), axis.max(), FINE) for axis in (x, y))
    spline = RectBivariateSpline(y, x, f, kx=min(3, len(y) - 1), ky=min(3, len(x) - 1))
    fine = np.maximum(spline(fine_y, fine_x), f.min())
    return fine_x, fine_y, np.log10(fine) if logarithmic else fine


def _draw_contours(ax: Axes, x: Array, y: Array, z: Array, levels: Array) -> None:
    """Lines of equal height, each level as one line, of which matplotlib leaves out points that nobody would see."""
    found = ax.contour(x, y, z, levels=levels)
    found.remove()
    gap = np.full((1, 2), np.nan)
    for pieces in found.allsegs:
        if pieces:
            line = np.concatenate([part for piece in pieces for part in (piece, gap)])
            ax.plot(*line.T, color=svg.INK, alpha=0.25, lw=0.6)


def _around(truth: Array) -> tuple[float, float]:
    """The range of a truth and half of it on either side."""
    finite = truth[np.isfinite(truth)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    room = 0.5 * (high - low) or 0.5
    return float(low - room), float(high + room)


def _thinned(array: Array, most: int) -> Array:
    return array[np.linspace(0, len(array) - 1, min(len(array), most)).round().astype(int)] if len(array) else array


def _dots(array: Array, limits: Array) -> tuple[Array, Array]:
    """Points as one line of strokes too short to see but for their round ends: a third of the size of markers."""
    stroke = np.array([1e-3 * (limits[0, 1] - limits[0, 0]), 0.0])
    x, y = np.stack([array, array + stroke, np.full_like(array, np.nan)], axis=1).reshape(-1, 2).T
    return x, y


def _limits(array: Array) -> Array:
    """[2, 2]: lowest and highest of each coordinate with room beside them, for most of a reference."""
    finite = array[np.isfinite(array).all(axis=1)]
    if not len(finite):
        return np.array([[0.0, 1.0], [0.0, 1.0]])
    low, high = finite.min(axis=0), finite.max(axis=0)
    room = 0.15 * np.maximum(high - low, 1e-9)
    limits: Array = np.stack([low - room, high + room], axis=1)
    return limits
