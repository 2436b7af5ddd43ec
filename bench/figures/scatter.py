"""Two runs against each other: seconds to target, a point a cell."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from bench.figures import svg
from bench.figures.style import Style, plain_ticks

RATIOS = (0.01, 0.1, 1.0, 10.0, 100.0)  # diagonals: how many times as long


def seconds_scatter(
    prefix: str, cells: pd.DataFrame, names: tuple[str, str], of: str, styles: Mapping[str, Style]
) -> svg.Figure | None:
    """Seconds to target of the second run against the first, both on log axes; None where no cell has both.

    `of` is whose seconds they are.
    """
    both = cells[np.isfinite(cells["seconds_ratio"]) & (cells["seconds_ratio"] > 0)]
    if both.empty:
        return None
    sooner = int((both["seconds_ratio"] > 1).sum())
    finding = f"{names[1]} is sooner at the target in {sooner} of {len(both)} cells that reach it in both runs."
    reading = (
        f"Seconds of {of} for one network until the target. Across: {names[0]}; up: {names[1]}. "
        "On the full diagonal both take as long, on a dotted one ten or a hundred times as long. "
        "Below it the second is sooner."
    )
    return svg.figure(
        f"{prefix}-seconds", "Seconds to the target", lambda: _draw(both, names, styles), finding, reading
    )


def _draw(both: pd.DataFrame, names: tuple[str, str], styles: Mapping[str, Style]) -> Canvas:
    canvas = Canvas(figsize=(5.2, 4.6))
    ax = canvas.subplots()
    values = both[["seconds_a", "seconds_b"]].to_numpy(dtype=float)
    low, high = values.min() / 1.6, values.max() * 1.6
    for ratio in RATIOS:
        ax.plot(
            [low, high], [low * ratio, high * ratio], color=svg.INK, lw=0.8, ls="-" if ratio == 1 else ":", alpha=0.5
        )
    for optimizer, points in both.groupby("optimizer", sort=False):
        style = styles[str(optimizer)]
        ax.plot(
            points["seconds_a"], points["seconds_b"], ls="", marker=style.marker, color=style.color, ms=5.5, alpha=0.85
        )
    ax.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    for axis, name in zip((ax.xaxis, ax.yaxis), names, strict=True):
        plain_ticks(axis, "s", decades=high / low > 100)
        axis.set_label_text(svg.label(name))
    shown = [label for label in styles if label in set(both["optimizer"])]
    handles = [Line2D([], [], color=styles[o].color, marker=styles[o].marker, ls="", ms=5.5) for o in shown]
    canvas.legend(handles, [svg.label(o) for o in shown], loc="center left", bbox_to_anchor=(0.93, 0.5), frameon=False)
    return canvas
