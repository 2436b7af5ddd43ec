"""How many times as fast: a point a cell and setting with its interval, a row a task, and the mean of each row."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from bench.figures import svg
from bench.figures.style import PALETTE
from bench.labels import significant
from bench.stats.throughput import geometric_mean

ROWS = {"task": "{}", "precision": "{}", "batch_size": "batch {}"}  # what a row's name tells, where it varies
CELLS = ("activation", "optimizer")  # what it tells where none of those does
PLACES = {"task": "on", "precision": "in", "batch_size": "at", "activation": "with", "optimizer": "with"}
LOOKS = {  # whether the interval is above 1, below it, holds it or is not known: colour, marker, and its inside
    "faster": (PALETTE[2], "o", PALETTE[2]),
    "slower": (PALETTE[1], "s", PALETTE[1]),
    "level": (svg.INK, "o", svg.INK),
    "unknown": (svg.INK, "o", "none"),
}
MARKS = {
    "faster": "green: faster, by its interval",
    "slower": "orange squares: slower",
    "level": "grey: not told apart",
    "unknown": "open: too few samples for an interval",
}
SPREAD = 0.62  # of a row's height, for its points
LONG = 4  # times from one end of the axis to the other
HEIGHT, POINTS, POINT = 0.26, 3.0, 0.07  # inches: of a row; of all points in it and, at most, of one


def ratios(name: str, found: pd.DataFrame, fast: str, slow: str) -> svg.Figure | None:
    """How many times as fast `fast` is as `slow`; None where nothing was measured of both.

    `found` has a row a timing: its cell, maybe precision and batch_size, and the ratio of rates with the ends of its
    interval.
    """
    found = found[np.isfinite(found["ratio"].astype(float)) & (found["ratio"] > 0)]
    if found.empty:
        return None
    telling = _telling(found)
    groups, place = list(_rows(found, telling)), PLACES[telling[0]]
    means = {label: geometric_mean(rows["ratio"])[0] for label, rows in groups}
    ends = sorted(means, key=lambda label: means[label])
    least, most = ends[0], ends[-1]
    finding = f"{place.capitalize()} {most} {fast} is {significant(means[most])} times as fast as {slow}"
    finding += f", {place} {least} {significant(means[least])} times." if len(groups) > 1 else "."
    kinds = set(_kinds(found))
    legend = "; ".join(text for kind, text in MARKS.items() if kind in kinds)
    reading = (
        f"Lane-steps a second of {fast} over those of {slow}: right of 1 {fast} is faster. A point: a cell in a "
        f"setting, with its 95 % interval; {legend}. Upright line and number: geometric mean of the row."
    )
    return svg.figure(name, f"How many times as fast {fast} is", lambda: _draw(groups, fast, slow), finding, reading)


def _telling(found: pd.DataFrame) -> list[str]:
    """The columns whose values a row of the figure has in common."""
    several = [key for key in (*ROWS, *CELLS) if key in found and found[key].nunique() > 1]
    return [key for key in several if key in ROWS] or several[:1] or ["task"]


def _rows(found: pd.DataFrame, telling: list[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """What each row of the figure is called, and its points."""
    for keys, rows in found.groupby(telling, sort=False):
        yield ", ".join(ROWS.get(name, "{}").format(key) for name, key in zip(telling, keys, strict=True)), rows


def _kinds(found: pd.DataFrame) -> list[str]:
    low, high = found["ratio_low"], found["ratio_high"]
    return list(np.select([low.isna(), low > 1, high < 1], ["unknown", "faster", "slower"], "level"))


def _draw(groups: list[tuple[str, pd.DataFrame]], fast: str, slow: str) -> Canvas:
    each = min(POINTS / sum(len(rows) for _, rows in groups), POINT)
    heights = [HEIGHT + each * len(rows) for _, rows in groups]
    edges = np.concatenate([[0.0], np.cumsum(heights)])
    canvas = Canvas(figsize=(svg.WIDTH * 0.72, 0.6 + edges[-1]))
    ax = canvas.subplots()
    ax.set_xscale("log")
    ax.axvline(1.0, color=svg.INK, lw=0.9, alpha=0.7)
    for (top, bottom), (_, rows) in zip(pairwise(edges), groups, strict=True):
        _row(ax, rows.sort_values("ratio", kind="stable", ascending=False), top, bottom)
    centers = (edges[:-1] + edges[1:]) / 2
    ax.set_yticks(centers, [svg.name(label) for label, _ in groups])
    ax.set_ylim(edges[-1], 0)
    for edge in edges[1:-1]:
        ax.axhline(edge, color=svg.INK, lw=0.5, alpha=0.15)
    _ticks(ax)
    ax.set_xlabel(svg.label(f"rate of {fast} / rate of {slow}"))
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0, pad=7)
    return canvas


def _row(ax: Axes, rows: pd.DataFrame, top: float, bottom: float) -> None:
    ratio, low, high = (rows[key].to_numpy(dtype=float) for key in ("ratio", "ratio_low", "ratio_high"))
    places = (top + bottom) / 2 + (bottom - top) * SPREAD * _steps(len(rows))
    kinds, ends = np.array(_kinds(rows)), np.nan_to_num(np.abs(np.array([low, high]) - ratio))
    for kind, (color, marker, inside) in LOOKS.items():
        own = kinds == kind
        if own.any():
            ax.errorbar(
                ratio[own], places[own], xerr=ends[:, own], fmt=marker, color=color, mfc=inside, ms=4, lw=1.0,
                alpha=0.6 if color == svg.INK else 1.0,
            )  # fmt: skip
    if len(rows) > 1:
        mean = geometric_mean(rows["ratio"])[0]
        ax.plot([mean, mean], [top + 0.03, bottom - 0.03], color=svg.INK, lw=1.6)
        ax.annotate(
            significant(mean), (1.0, (top + bottom) / 2), (6, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center", fontsize="small", color=svg.INK,
        )  # fmt: skip


def _steps(count: int) -> np.ndarray:
    """Places of so many points across a row, from -1/2 to 1/2, evenly."""
    return np.linspace(-0.5, 0.5, count) if count > 1 else np.zeros(1)


def _ticks(ax: Axes) -> None:
    """Plain numbers, such as 0.5, 1, 2 and 10; on a short axis evenly apart."""
    low, high = ax.get_xlim()
    ax.set_xlim(min(low, 0.93), max(high, 1.07))
    low, high = ax.get_xlim()
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if high / low > LONG else MaxNLocator(6))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    ax.xaxis.set_minor_locator(NullLocator())
