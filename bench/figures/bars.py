"""Bars: how fast networks train, and where the time went."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch

from bench.figures import svg
from bench.figures.style import PALETTE, Style
from bench.stats import cell_label, noun

PLAIN = "#7d8590"
ROW, LETTER = 0.24, 0.08  # inches a bar, and a letter of its label
LEAST_LABELLED = 0.08  # of the whole bar


def throughput(prefix: str, speeds: pd.DataFrame, styles: Mapping[str, Style]) -> svg.Figure | None:
    """Lane-steps a second by activation and by optimizer; None where nothing was timed."""
    timed = speeds[np.isfinite(speeds["lane_steps_per_s"].astype(float))]
    if timed.empty:
        return None
    sides = {side: _spread(timed, side) for side in ("activation", "optimizer")}
    fast, slow = (timed.loc[timed["lane_steps_per_s"].agg(f)] for f in ("idxmax", "idxmin"))
    first, last = (cell_label(row["activation"], row["optimizer"]) for row in (fast, slow))
    speed, ratio = fast["lane_steps_per_s"], fast["lane_steps_per_s"] / slow["lane_steps_per_s"]
    rest = f", {ratio:.1f} times as fast as {last}" if len(timed) > 1 else ""
    finding = f"{first} is fastest at {speed:,.0f} lane-steps a second{rest}."
    reading = (
        f"Lane-steps a second of one worker while all were busy; a lane is one {noun(speeds)} in training. "
        "Bar: median over the other side of the grid; line: its slowest to its fastest. Longer is cheaper."
    )
    return svg.figure(
        f"{prefix}-throughput", "How fast they train", lambda: _draw_speeds(sides, styles), finding, reading
    )


def times(prefix: str, buckets: pd.DataFrame, workers: int) -> svg.Figure:
    """Where the workers' time went, as one bar that adds up to workers x wall time."""
    total = float(buckets["seconds"].sum())
    shares, wall_s = buckets["seconds"] / total, total / max(workers, 1)
    largest = shares.sort_values(ascending=False, kind="stable").index[:2]
    parts = " and ".join(f"{buckets['bucket'][i]} {shares[i] * 100:.0f} %" for i in largest)
    finding = f"Of {total:.1f} worker-seconds ({workers} × {wall_s:.1f} s) the largest shares are {parts}."
    whole = f"{workers} worker{'s' * (workers != 1)} × {wall_s:.1f} s of wall time"
    reading = (
        f"Seconds of all workers by what they did, together {whole}. Start: processes and imports; "
        "load: data; trace and compile: programs; rows: handing over results; wait: nothing to do."
    )
    return svg.figure(f"{prefix}-times", "Where the time went", lambda: _draw_times(buckets, shares), finding, reading)


def _spread(timed: pd.DataFrame, side: str) -> pd.DataFrame:
    return (
        timed.groupby(side, sort=False)["lane_steps_per_s"]
        .agg(["min", "median", "max"])
        .sort_values("median", kind="stable")
    )


def _draw_speeds(sides: Mapping[str, pd.DataFrame], styles: Mapping[str, Style]) -> Canvas:
    most = max(len(side) for side in sides.values())
    canvas = Canvas(figsize=(10.2, 0.5 + ROW * most))
    axes = canvas.subplots(1, 2, sharex=True)
    gap = 0.5 + LETTER * max(map(len, sides["optimizer"].index.astype(str)))
    canvas.subplots_adjust(wspace=2 * gap / max(7.9 - gap, 2))
    for ax, (side, spread) in zip(axes, sides.items(), strict=True):
        colors = [styles[label].color if side == "optimizer" else PLAIN for label in spread.index]
        _draw_side(ax, spread, colors, most)
        ax.set_title(f"by {side}", loc="left", fontweight="bold")
        ax.set_xlabel("lane-steps per second")
    return canvas


def _draw_side(ax: Axes, spread: pd.DataFrame, colors: list[str], rows: int) -> None:
    places = np.arange(len(spread)) + rows - len(spread)  # the shorter side stands at the top
    ax.barh(places, spread["median"], color=colors, height=0.62, alpha=0.85)
    ax.hlines(places, spread["min"], spread["max"], colors=svg.INK, linewidth=1)
    ax.set_yticks(places, [svg.label(label) for label in spread.index])
    ax.set_ylim(-0.6, rows - 0.4)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.locator_params(axis="x", nbins=5)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)


def _draw_times(buckets: pd.DataFrame, shares: "pd.Series[float]") -> Canvas:
    canvas = Canvas(figsize=(10.2, 0.62))
    ax = canvas.subplots()
    starts = shares.cumsum() - shares
    colors = [PALETTE[i % len(PALETTE)] for i in range(len(buckets))]
    ax.barh(0, shares, left=starts, color=colors, height=1, edgecolor=svg.PAPER, linewidth=1)
    for name, start, share in zip(buckets["bucket"], starts, shares, strict=True):
        if share >= LEAST_LABELLED:
            ax.text(
                start + share / 2,
                0,
                svg.label(name),
                ha="center",
                va="center",
                color="white",
                fontweight="bold",
            )
    handles = [Patch(color=color) for color in colors]
    rows = zip(buckets["bucket"], buckets["seconds"], shares, strict=True)
    labels = [f"{svg.label(name)} {seconds:.1f} s, {share * 100:.0f} %" for name, seconds, share in rows]
    canvas.legend(handles, labels, ncols=4, loc="upper left", bbox_to_anchor=(0.12, 0.08), frameon=False)
    ax.set(xlim=(0, 1), ylim=(-0.5, 0.5))
    ax.set_axis_off()
    return canvas
