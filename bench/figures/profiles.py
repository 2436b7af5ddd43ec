"""Performance profiles: how soon each cell is done next to the soonest, over all tasks."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure as Canvas

from bench.figures import svg
from bench.figures.panels import FAINT
from bench.figures.style import DASHES, MARKERS, PALETTE
from bench.stats import Pair, cell_label

MOST = 6  # cells that have a colour
MOST_FAINT = 60


def profiles(prefix: str, curves: pd.DataFrame, best: Sequence[Pair], tasks: int) -> svg.Figure | None:
    """The share of `tasks` done against the ratio to the soonest; None where no cell reached a target.

    `curves`: columns activation, optimizer, ratio, share; `best`: the cells by score, of which six have a colour.
    """
    if not curves["share"].any():
        return None
    first = cell_label(*best[0])
    others = f", the best of {len(best)} cells" if len(best) > 1 else ""
    finding = f"{first} has the largest area under its curve{others}."
    reading = (
        "Share of the tasks in which a cell is at the target within so many times the steps of the soonest cell; "
        "a target that was missed is never reached. Up and to the left is better. At 1: the share in which it is "
        "the soonest itself."
    )
    return svg.figure(
        f"{prefix}-profiles", "How soon, over all tasks", lambda: _draw(curves, best, tasks), finding, reading
    )


def _draw(curves: pd.DataFrame, best: Sequence[Pair], tasks: int) -> Canvas:
    canvas = Canvas(figsize=(6.4, 3.4))
    ax = canvas.subplots()
    lines = dict(iter(curves.groupby(["activation", "optimizer"], sort=False)))
    for pair in best[MOST : MOST + MOST_FAINT]:
        ax.plot(lines[pair]["ratio"], lines[pair]["share"], drawstyle="steps-post", **FAINT)
    for place, pair in reversed(list(enumerate(best[:MOST]))):
        line, style = lines[pair], {"color": PALETTE[place], "marker": MARKERS[place], "ls": DASHES[place % 4]}
        ax.plot(
            line["ratio"], line["share"], drawstyle="steps-post", lw=1.5, ms=4, markevery=[-1], zorder=3,
            label=svg.label(cell_label(*pair)), **style,
        )  # fmt: skip
    ax.set(
        xlabel="steps, as a multiple of the soonest cell's", ylabel=f"share of the {tasks} tasks", ylim=(-0.03, 1.03)
    )
    handles, labels = ax.get_legend_handles_labels()
    canvas.legend(handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(0.93, 0.5), frameon=False)
    return canvas
