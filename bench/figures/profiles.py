"""Performance profiles: how soon each cell is done next to the soonest, over all tasks."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from bench.figures import svg
from bench.figures.style import DASHES, MARKERS, PALETTE
from bench.labels import joined
from bench.stats import Pair, cell_label

MOST = 6  # cells that have a colour
INK_OF_ALL = 8.0  # so many lines of the rest, one upon the other, are as dark as the ink


def profiles(prefix: str, curves: pd.DataFrame, scores: "pd.Series[float]", tasks: int) -> svg.Figure | None:
    """The share of `tasks` done against the ratio to the soonest; None where no cell reached a target.

    `curves`: columns activation, optimizer, ratio, share; `scores`: the area of each cell (activation, optimizer), the
    best first, of which six have a colour.
    """
    if not curves["share"].any():
        return None
    best: list[Pair] = list(scores.index)
    area = f"{scores.iloc[0]:.2f}"
    equal = [cell_label(*pair) for pair, score in scores.items() if f"{score:.2f}" == area]  # as a person reads it
    have = "has" if len(equal) == 1 else "have"
    others = f", of {len(best)} cells" if len(best) > 1 else ""
    finding = (
        f"{_names(equal)} {have} the largest area under {'its' if have == 'has' else 'the'} curve, {area}{others}."
    )
    drawn = f"In colour: the {MOST} of the largest area; grey: the other {len(best) - MOST}. " * (len(best) > MOST)
    reading = (
        "Share of the tasks in which a cell is at the target within so many times the steps of the soonest cell; "
        f"a target that was missed is never reached. {drawn}Up and to the left is better. At 1: the share in which "
        "it is the soonest itself."
    )
    return svg.figure(
        f"{prefix}-profiles", "How soon, over all tasks", lambda: _draw(curves, best, tasks), finding, reading
    )


def _names(cells: Sequence[str]) -> str:
    """Cells that are alike: the first few by name."""
    more = len(cells) - 3
    return joined([*cells[:3], f"{more} more"] if more > 1 else cells)


def _draw(curves: pd.DataFrame, best: Sequence[Pair], tasks: int) -> Canvas:
    canvas = Canvas(figsize=(5, 3.2))
    ax = canvas.subplots()
    lines = dict(iter(curves.groupby(["activation", "optimizer"], sort=False)))
    rest = best[MOST:]
    faint: dict[str, Any] = {
        "color": svg.INK,
        "alpha": min(0.3, max(0.04, INK_OF_ALL / max(1, len(rest)) / 3)),
        "lw": 0.6,
    }
    for pair in rest:
        ax.plot(lines[pair]["ratio"], lines[pair]["share"], drawstyle="steps-post", **faint)
    for place, pair in reversed(list(enumerate(best[:MOST]))):
        line, style = lines[pair], {"color": PALETTE[place], "marker": MARKERS[place], "ls": DASHES[place % 4]}
        ax.plot(
            line["ratio"], line["share"], drawstyle="steps-post", lw=1.5, ms=4, markevery=[-1], zorder=3,
            label=svg.label(cell_label(*pair)), **style,
        )  # fmt: skip
    ax.set(
        xlabel="steps, as a multiple of the soonest cell's", ylabel=f"share of the {tasks} tasks", ylim=(-0.03, 1.03)
    )
    handles, labels = ([*reversed(part)] for part in ax.get_legend_handles_labels())
    if rest:
        handles, labels = [*handles, Line2D([], [], color=svg.INK, alpha=0.3, lw=0.8)], [*labels, f"{len(rest)} others"]
    canvas.legend(handles, labels, loc="center left", bbox_to_anchor=(0.93, 0.5), frameon=False)
    return canvas
