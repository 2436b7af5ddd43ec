"""Bars: how fast networks train, and where the time went."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter

from bench.figures import svg
from bench.figures.style import PALETTE, Style, ink_on
from bench.labels import counted
from bench.stats import cell_label, noun
from bench.stats.throughput import Beside

PLAIN = "#7d8590"
ROW, LETTER = 0.24, 0.08  # inches a bar, and a letter of its label
LEAST_LABELLED = 0.12  # of the whole bar
HATCHES = ("", "////", "....")  # of parts that have the colour of an earlier one
WHOSE = {"cpu": "one worker while all were busy", "gpu": "the whole GPU, on which workers take turns"}
PARTS = {  # of a worker's time: what it does, as a sentence calls it, and what that means
    "start": ("starting", "processes and imports"),
    "load": ("loading", "reading data"),
    "order": ("ordering", "drawing the order of samples"),
    "transfer": ("transferring", "arguments to the device"),
    "trace": ("tracing", "Python to programs"),
    "compile": ("compiling", "programs to machine code"),
    "first_run": ("first runs", "a program's first step"),
    "fetch": ("fetching", "results from the device"),
    "warm_up": ("warming up", "runs before the clock counts"),
    "ceilings": ("measuring ceilings", "what the machine can do at most"),
    "steps": ("timed steps", "steps that were timed"),
    "train": ("training", "steps of training"),
    "evaluate": ("evaluating", "scoring on data held back"),
    "rows": ("handing over rows", "handing over results"),
    "wait": ("waiting", "nothing to do, or another's turn"),
}


def throughput(prefix: str, speeds: pd.DataFrame, styles: Mapping[str, Style]) -> svg.Figure | None:
    """Lane-steps a second by activation and by optimizer; None where nothing was timed."""
    timed = speeds[np.isfinite(speeds["lane_steps_per_s"].astype(float))]
    if timed.empty:
        return None
    sides = {side: _spread(timed, side) for side in ("activation", "optimizer") if timed[side].nunique() > 1}
    sides = sides or {"optimizer": _spread(timed, "optimizer")}
    fast, slow = (timed.loc[timed["lane_steps_per_s"].agg(f)] for f in ("idxmax", "idxmin"))
    first, last = (cell_label(row["activation"], row["optimizer"]) for row in (fast, slow))
    speed, ratio = fast["lane_steps_per_s"], fast["lane_steps_per_s"] / slow["lane_steps_per_s"]
    rest = f", {ratio:.1f} times as fast as {last}" if len(timed) > 1 else ""
    finding = f"{first} is fastest at {speed:,.0f} lane-steps a second{rest}{Beside.fastest(timed)}."
    if len(timed) > 1 and (timed["noisy"] == "few").all():  # the machine drifts over a run by more than cells differ
        middle, least = timed["lane_steps_per_s"].median(), slow["lane_steps_per_s"]
        finding = (
            f"{least:,.0f} to {speed:,.0f} lane-steps a second, {middle:,.0f} in the middle, by few samples of each "
            "cell: which is faster, a throughput suite says."
        )
    spread = "Bar: median over the other side of the grid; line: its slowest to its fastest. " * (len(sides) > 1)
    reading = (
        f"Lane-steps a second of {WHOSE[timed['device'].iloc[0]]}; a lane is one {noun(speeds)} in training. "
        f"{spread}Longer is cheaper."
    )
    return svg.figure(
        f"{prefix}-throughput", "How fast they train", lambda: _draw_speeds(sides, styles), finding, reading
    )


def workers_of(execution: Mapping[str, Any]) -> list[int]:
    """The numbers of workers that the sessions of a run had, in their order; equal ones in turn once."""
    told = [session["workers"] for session in execution.get("sessions", [])] or [execution["workers"]]
    return [number for number, _ in groupby(told)]


def times(prefix: str, buckets: pd.DataFrame, workers: Sequence[int]) -> svg.Figure:
    """Where the workers' time went, as one bar that adds up to workers x wall time, session by session."""
    total = float(buckets["seconds"].sum())
    shares = buckets["seconds"] / total
    largest = shares.sort_values(ascending=False, kind="stable").index[:2]
    first, *others = ((PARTS[buckets["bucket"][i]][0], f"{shares[i] * 100:.0f} %") for i in largest)
    took = ", ".join([" took ".join(first), *map(" ".join, others)])
    if len(workers) == 1:
        (number,), wall_s = workers, total / max(workers[0], 1)
        product = f"{number} × {wall_s:,.1f} s"
        whole = f", together {counted(number, 'worker')} × {wall_s:,.1f} s of wall time"
    else:
        product, whole = f"of {', then '.join(map(str, workers))} workers", ""
    finding = f"Of {total:,.1f} worker-seconds ({product}) {took}."
    told = "; ".join(f"{_plain(name)}: {PARTS[name][1]}" for name in buckets["bucket"])
    reading = f"Seconds of all workers by what they did{whole}. {told[:1].upper()}{told[1:]}."
    return svg.figure(f"{prefix}-times", "Where the time went", lambda: _draw_times(buckets, shares), finding, reading)


def _plain(bucket: str) -> str:
    """The name of a part of the time, in words."""
    return bucket.replace("_", " ")


def _spread(timed: pd.DataFrame, side: str) -> pd.DataFrame:
    return (
        timed.groupby(side, sort=False)["lane_steps_per_s"]
        .agg(["min", "median", "max"])
        .sort_values("median", kind="stable")
    )


def _draw_speeds(sides: Mapping[str, pd.DataFrame], styles: Mapping[str, Style]) -> Canvas:
    most = max(len(side) for side in sides.values())
    lines = svg.most_lines(svg.name(label) for side in sides.values() for label in side.index)
    row = max(ROW, lines * svg.LINE_HEIGHT + 0.06)
    canvas = Canvas(figsize=(svg.WIDTH * len(sides) / 2, 0.5 + row * most))
    axes = canvas.subplots(1, len(sides), sharex=True, squeeze=False)[0]
    *_, right = sides.values()
    gap = 0.3 + LETTER * svg.longest(map(svg.name, right.index))
    canvas.subplots_adjust(wspace=2 * gap / max(0.775 * svg.WIDTH - gap, 2))
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
    ax.set_yticks(places, [svg.name(label) for label in spread.index])
    ax.set_ylim(-0.6, rows - 0.4)
    ax.xaxis.set_major_formatter(EngFormatter())
    ax.locator_params(axis="x", nbins=4)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)


def _draw_times(buckets: pd.DataFrame, shares: "pd.Series[float]") -> Canvas:
    canvas = Canvas(figsize=(svg.WIDTH, 0.5))
    ax = canvas.subplots()
    starts = shares.cumsum() - shares
    colors = [PALETTE[i % len(PALETTE)] for i in range(len(buckets))]
    looks: list[dict[str, Any]] = [
        {"facecolor": color, "edgecolor": svg.PAPER, "lw": 1, "hatch": HATCHES[i // len(PALETTE) % len(HATCHES)]}
        for i, color in enumerate(colors)
    ]
    for start, share, look in zip(starts, shares, looks, strict=True):
        ax.barh(0, share, left=start, height=1, **look)
    for name, start, share, color in zip(buckets["bucket"], starts, shares, colors, strict=True):
        if share >= LEAST_LABELLED:
            ax.text(
                start + share / 2,
                0,
                svg.label(_plain(name)),
                ha="center",
                va="center",
                color=ink_on(color),
                fontweight="bold",
            )
    handles = [Patch(**look) for look in looks]
    rows = zip(buckets["bucket"], buckets["seconds"], shares, strict=True)
    labels = [f"{svg.label(_plain(name))} {seconds:,.1f} s, {share * 100:.0f} %" for name, seconds, share in rows]
    canvas.legend(handles, labels, ncols=3, loc="upper left", bbox_to_anchor=(0.12, 0.08), frameon=False)
    ax.set(xlim=(0, 1), ylim=(-0.5, 0.5))
    ax.set_axis_off()
    return canvas
