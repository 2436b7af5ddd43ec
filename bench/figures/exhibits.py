"""Exhibits: what networks made, as pictures a person can judge. Arrays in, SVG out."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Circle, Rectangle
from numpy.typing import ArrayLike, NDArray

from bench.figures import svg
from bench.figures.style import PALETTE, Style
from bench.stats import Pair, cell_label
from bench.verdicts import Verdict

Array = NDArray[np.float64]
Arrays = Mapping[Pair, ArrayLike]
Meta = Mapping[str, Any]
PLAIN = Style(PALETTE[0], "o", "-")
DOTS: dict[str, Any] = {"alpha": 0.8, "lw": 2.2, "solid_capstyle": "round"}
WIDE = 10.2  # inches of figures of lines
PIXELS = (2.4, 1.6)  # most inches of a picture's width, most of its height
MOST_POINTS, MOST_LINES, BOX_ROWS = 400, 6, 2
SPREAD = ("leader", "median", "worst")


def chosen(table: pd.DataFrame, verdict: Verdict, arrays: Arrays) -> dict[Pair, str]:
    """The cells of a task's `convergence` table to show, and why each: the leader, the median and the worst by rank.

    Only cells that have an exhibit count; one of them stands for itself alone where there are fewer than three. Of
    those with the leader's own mean that is said instead.
    """
    ranked = table[table["rank"].notna()].sort_values(["rank", "steps_to_target"], kind="stable")
    pairs = [p for p in ranked[["activation", "optimizer"]].itertuples(index=False, name=None) if p in arrays]
    pairs = sorted(pairs, key=lambda pair: pair != verdict.winner)  # of equal ranks the one that the verdict names
    ranks = ranked.set_index(["activation", "optimizer"])["rank"]
    if not pairs:
        return {}
    places = (0, (len(pairs) - 1) // 2, len(pairs) - 1)
    found: dict[Pair, str] = {}
    for place, word in zip(places, SPREAD, strict=True):
        equal = ranks[pairs[place]] == ranks[pairs[0]]
        found.setdefault(pairs[place], "same mean" if equal and place else word)
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
    labels = {pair: f"{cell_label(*pair)} ({cells[pair]})" for pair in shown}
    drawn = {pair: styles.get(pair[1], PLAIN) for pair in shown}
    who = ", ".join(labels.values())
    finding = f"{meta['title']}: {who}."
    reading = f"{READINGS[kind]} The first evaluation seed of each cell, not a mean. The cells were chosen by rank."
    draw = EXHIBITS[kind]
    return svg.figure(
        f"{prefix}-{kind}", str(meta["title"]), lambda: draw(shown, meta, labels, drawn), finding, reading
    )


# The kinds


def images(shown: Mapping[Pair, Array], meta: Meta, labels: Mapping[Pair, str], drawn: Mapping[Pair, Style]) -> Canvas:
    """Arrays [n, height, width, 1 or 3] in 0..1, row after row; `meta["rows"]` names the rows."""
    return _rasters({pair: _mosaic(array, len(_rows(meta))) for pair, array in shown.items()}, meta, labels)


def masks(shown: Mapping[Pair, Array], meta: Meta, labels: Mapping[Pair, str], drawn: Mapping[Pair, Style]) -> Canvas:
    """Arrays [n, height, width] of class indices; in `rows` as images are. Class 0 is grey."""
    colors = np.array([[0.9, 0.9, 0.9], *[[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in PALETTE]])
    tiles = {
        pair: _mosaic(colors[np.where(a > 0, 1 + (a.astype(int) - 1) % len(PALETTE), 0)], len(_rows(meta)))
        for pair, a in shown.items()
    }
    return _rasters(tiles, meta, labels)


def boxes(shown: Mapping[Pair, Array], meta: Meta, labels: Mapping[Pair, str], drawn: Mapping[Pair, Style]) -> Canvas:
    """Arrays [n, 8 + height width]: the predicted x, y, width, height as shares of the picture, the true ones, and the
    picture in 0..1, of `meta["size"]` = (height, width)."""
    high, wide = meta["size"]
    columns = math.ceil(len(next(iter(shown.values()))) / BOX_ROWS)
    canvas, axes = _panels(labels, _raster_size(BOX_ROWS * (high + 1) - 1, columns * (wide + 1) - 1))
    for pair, array in shown.items():
        ax = axes[pair]
        _show(ax, _mosaic(array[:, 8:].reshape(-1, high, wide), BOX_ROWS))
        for number, row in enumerate(array):
            for box, color, dash in ((row[4:8], "#ffffff", "-"), (row[:4], PALETTE[1], (0, (2.5, 1)))):
                x, y, w, h = np.nan_to_num(box) * [wide, high, wide, high]
                place = (x + number % columns * (wide + 1) - 0.5, y + number // columns * (high + 1) - 0.5)
                for ink, width, line in (("#000000", 2.6, "-"), (color, 1.3, dash)):  # seen on light and on dark
                    ax.add_patch(Rectangle(place, w, h, fill=False, edgecolor=ink, ls=line, lw=width))
    return canvas


def points(shown: Mapping[Pair, Array], meta: Meta, labels: Mapping[Pair, str], drawn: Mapping[Pair, Style]) -> Canvas:
    """Arrays [n, 2], thinned evenly to 400, over grey discs of `meta["reference_radius"]` at `meta["reference"]`."""
    reference, radius = np.asarray(meta["reference"], dtype=float), float(meta["reference_radius"])
    canvas, axes = _panels(labels, (2.4, 2.4))
    limits = _limits(np.concatenate([reference - radius, reference + radius]))
    for pair, array in shown.items():
        for place in reference:
            axes[pair].add_patch(Circle((place[0], place[1]), radius, color=svg.INK, alpha=0.18, lw=0))
        own = _thinned(array, MOST_POINTS)
        inside = own[((own >= limits[:, 0]) & (own <= limits[:, 1])).all(axis=1)]
        axes[pair].plot(*_dots(inside, limits), **DOTS | {"color": drawn[pair].color})
        axes[pair].set(xlim=limits[0], ylim=limits[1], aspect="equal")
    _label_left(axes)
    return canvas


def path(shown: Mapping[Pair, Array], meta: Meta, labels: Mapping[Pair, str], drawn: Mapping[Pair, Style]) -> Canvas:
    """Arrays [evaluations, 2] from a ring to a marker, over the contours of `meta["z"]` [len(y), len(x)] at `x`, `y`,
    with a star at each of `meta["minima"]` [m, 2]."""
    x, y, z = (np.asarray(meta[key], dtype=float) for key in "xyz")
    levels = np.unique(np.quantile(z[np.isfinite(z)], np.linspace(0.02, 0.95, 9)))
    canvas, axes = _panels(labels, (2.6, 2.6))
    for pair, array in shown.items():
        ax, color = axes[pair], drawn[pair].color
        ax.contour(x, y, z, levels=levels, colors=svg.INK, alpha=0.25, linewidths=0.6, linestyles="solid")
        known = array[np.isfinite(array).all(axis=1)]
        ax.plot(*known.T, color=color, marker=".", ms=4, lw=1.2)
        ax.plot(*known[:1].T, ls="", marker="o", ms=6.5, color=color, mfc="none")
        ax.plot(*known[-1:].T, ls="", marker=drawn[pair].marker, ms=6.5, color=color)
        minima = np.asarray(meta.get("minima", np.empty((0, 2))), dtype=float).reshape(-1, 2)
        ax.plot(*minima.T, ls="", marker="*", ms=8, mew=0, color=svg.INK)
        ax.set(xlim=(x.min(), x.max()), ylim=(y.min(), y.max()))
    _label_left(axes)
    return canvas


def series(shown: Mapping[Pair, Array], meta: Meta, labels: Mapping[Pair, str], drawn: Mapping[Pair, Style]) -> Canvas:
    """Arrays [lines, t]; where `meta["rows"]` names them, the first is the truth and the other is drawn over it."""
    over = len(_rows(meta)) > 1
    canvas = Canvas(figsize=(WIDE if len(shown) > 1 else WIDE * 0.65, 2.1))
    axes = canvas.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False).ravel()
    for ax, (pair, array) in zip(axes, shown.items(), strict=True):
        if over:
            ax.plot(array[0], color=svg.INK, alpha=0.35, lw=2.4)
        for line in array[1:] if over else array[:MOST_LINES]:
            ax.plot(line, color=drawn[pair].color, lw=1.2, alpha=1 if over else 0.6)
        ax.margins(x=0)
        ax.locator_params(axis="y", nbins=4)
        ax.set_title(svg.label(labels[pair]), loc="left", fontweight="bold")
        ax.set_xlabel(svg.label(meta.get("x", "")))
    return canvas


Draw = Callable[[Mapping[Pair, Array], Meta, Mapping[Pair, str], Mapping[Pair, Style]], Canvas]
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
    "boxes": "Dashed: predicted; white: true.",
    "path": "From the ring to the filled marker, a point an evaluation; lines of equal height; stars: the minima.",
    "series": "Colour: what the network did; grey, where there is one: the truth.",
}


# What the kinds share


def _rasters(tiles: Mapping[Pair, Array], meta: Meta, labels: Mapping[Pair, str]) -> Canvas:
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
    width = max(PIXELS[0], min(3.4, PIXELS[0] * wide / max(high, 1) / 2))
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


def _panels(labels: Mapping[Pair, str], size: tuple[float, float]) -> tuple[Canvas, dict[Pair, Axes]]:
    widest = max(size[0], 0.075 * max(map(len, labels.values())))
    canvas = Canvas(figsize=(widest * len(labels) * 1.12, size[1] + 0.35))
    axes = canvas.subplots(1, len(labels), squeeze=False).ravel()
    canvas.subplots_adjust(left=0.02, right=0.98, wspace=0.12 + (widest - size[0]) / widest, top=0.9, bottom=0.02)
    for ax, label in zip(axes, labels.values(), strict=True):
        ax.set_title(svg.label(label), loc="left", fontweight="bold")
    return canvas, dict(zip(labels, axes, strict=True))


def _label_left(axes: Mapping[Pair, Axes]) -> None:
    """Numbers beside the first panel alone: all have one axis."""
    for ax in list(axes.values())[1:]:
        ax.tick_params(labelleft=False)


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
