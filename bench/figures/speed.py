"""What a throughput run measured: costs, rates against width and batch size, the roofline."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from bench.figures import svg
from bench.figures.style import PALETTE, plain_ticks, styled
from bench.stats.throughput import scaling

AXES = {"width": "width, lanes a chunk", "batch_size": "batch size"}


def costs(name: str, costs_by_side: Sequence[tuple[str, str, pd.DataFrame]]) -> svg.Figure | None:
    """Step time relative to the reference: a point and interval an entry, a panel for each (side, reference, costs)."""
    shown = [one for one in costs_by_side if not one[2].empty]
    if not shown:
        return None
    dearest = [(side, reference, costs.iloc[-1]) for side, reference, costs in shown]
    finding = " ".join(
        f"The costliest {side} is {row[side] if row['ratio'] >= 1 else f'{reference}, then {row[side]}'}: "
        f"{row['ratio']:.2f} times the step of {reference}."
        for side, reference, row in dearest
    )
    reading = (
        "Time of a step over that of the reference in the same setting: geometric mean over tasks of each one's mean "
        "over its settings, line: its 95 % t interval over tasks; of a single task, both over its settings. Left of 1 "
        "is cheaper than the reference."
    )

    def draw() -> Canvas:
        rows = max(len(costs) for _, _, costs in shown)
        canvas = Canvas(figsize=(svg.WIDTH / 2 * len(shown), 0.8 + 0.27 * rows))
        axes = canvas.subplots(1, len(shown), squeeze=False)[0]
        canvas.subplots_adjust(wspace=0.5)
        for ax, (side, reference, costs) in zip(axes, shown, strict=True):
            places = np.arange(len(costs))[::-1]
            ends = np.abs(costs[["ratio_low", "ratio_high"]].to_numpy().T - costs["ratio"].to_numpy())
            ax.axvline(1.0, color=svg.INK, lw=0.8, alpha=0.6)
            ax.errorbar(costs["ratio"], places, xerr=np.nan_to_num(ends), fmt="o", ms=5, color=PALETTE[0], lw=1.2)
            ax.set_yticks(places, [svg.label(name) for name in costs[side]])
            ax.set_ylim(-0.6, len(costs) - 0.4)
            ax.set_title(f"by {side}", loc="left", fontweight="bold")
            ax.set_xlabel(svg.label(f"step time / that of {reference}"))
            ax.locator_params(axis="x", nbins=5)
            ax.grid(axis="y", visible=False)
        return canvas

    return svg.figure(name, "What a step costs", draw, finding, reading)


def rates(name: str, frame: pd.DataFrame, axis: str) -> svg.Figure | None:
    """Lane-steps a second against `axis` (width or batch_size), a line a task and device; None for one value."""
    if frame[axis].nunique() < 2:
        return None
    table = scaling(frame, axis)
    best = table.loc[table["rate"].idxmax()]
    finding = (
        f"{best['task']} reaches {best['rate']:,.0f} lane-steps a second at {axis.replace('_', ' ')} {best[axis]:,}."
    )
    reading = (
        "Steps of single networks a second, of the whole device with all its busy workers; the fastest cell, "
        "at the best of the other settings; line: the 95 % interval that its step time gives. Both axes are "
        "logarithmic; the vertical one spans whole decades."
    )
    lines = list(table.groupby(["task", "device"], sort=False))

    def draw() -> Canvas:
        canvas = Canvas(figsize=(5.2, 3.2))
        ax = canvas.subplots()
        for i, (_, line) in enumerate(lines):
            ends = np.abs(line[["rate_low", "rate_high"]].to_numpy().T - line["rate"].to_numpy())
            ax.errorbar(line[axis], line["rate"], yerr=ends, **_style(i), ms=4, lw=1.2, capsize=3)
        ax.set(xscale="log", yscale="log", xlabel=AXES[axis], ylabel="lane-steps per second")
        ax.set_ylim(10 ** np.floor(np.log10(table["rate"].min())), 10 ** np.ceil(np.log10(table["rate"].max())))
        ticks = sorted(table[axis].unique())
        ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        ax.xaxis.minorticks_off()
        plain_ticks(ax.yaxis)
        _legend(canvas, [f"{task}, {device}" for (task, device), _ in lines], _style)
        return canvas

    return svg.figure(name, f"Speed against {AXES[axis]}", draw, finding, reading)


def roofline(name: str, frame: pd.DataFrame) -> svg.Figure | None:
    """FLOP/s against operational intensity under the measured ceilings of one worker.

    Source: Williams, Waterman and Patterson, Roofline: An Insightful Visual Performance Model, 2009.
    """
    if frame.empty:
        return None
    ceilings = frame.groupby("device", sort=False)[["gemm_flops_per_s", "triad_bytes_per_s"]].median()
    best = frame.loc[frame["peak_share"].idxmax()]
    finding = (
        f"The largest share of the rate of a large product is {best['peak_share'] * 100:.0f} %, by {best['task']}."
    )
    reading = (
        "FLOP of a step's forward and backward pass, a second, of one worker while all were busy, against FLOP for "
        "each byte that a step moves at least if nothing stays in a cache. Level line: a large matrix product measured "
        "beside the cells; slope: a stream (triad). Points above the slope live in the cache."
    )
    tasks = list(dict.fromkeys(frame["task"]))

    def draw() -> Canvas:
        canvas = Canvas(figsize=(5.2, 3.4))
        ax = canvas.subplots()
        low, high = frame["intensity"].min() / 3, frame["intensity"].max() * 3
        across = np.geomspace(low, high, 200)
        for _, (flops, bytes_) in ceilings.iterrows():
            ax.plot(across, np.minimum(across * bytes_, flops), color=svg.INK, lw=1.1, alpha=0.7)
        for i, task in enumerate(tasks):
            points = frame[frame["task"] == task]
            ax.plot(points["intensity"], points["flops_per_s"], **_points(i), ms=5, alpha=0.8)
        ax.set(xscale="log", yscale="log", xlabel="FLOP per byte", ylabel="FLOP per second")
        plain_ticks(ax.xaxis)
        plain_ticks(ax.yaxis)
        _legend(canvas, tasks, _points)
        return canvas

    return svg.figure(name, "Roofline", draw, finding, reading)


def _style(i: int) -> dict[str, Any]:
    style = styled(i)
    return {"color": style.color, "marker": style.marker, "ls": style.dash}


def _points(i: int) -> dict[str, Any]:
    return _style(i) | {"ls": ""}


def _legend(canvas: Canvas, labels: Sequence[str], style: Callable[[int], dict[str, Any]]) -> None:
    handles = [Line2D([], [], **style(i), ms=5) for i in range(len(labels))]
    canvas.legend(
        handles, [svg.label(text) for text in labels], loc="center left", bbox_to_anchor=(0.93, 0.5), frameon=False
    )
