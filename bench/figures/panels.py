"""Small multiples: one panel an activation, one line an optimizer."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from bench import stats
from bench.figures import svg
from bench.figures.style import PALETTE, Style
from bench.labels import NO_ACTIVATION, few_cells, joined
from bench.stats import Metric

ACROSS = 3  # panels side by side
TOP, TITLE = 0.95, 0.29  # where the panels end, of the figure; inches that their titles take above that
FAINT: dict[str, Any] = {"color": svg.INK, "alpha": 0.3, "lw": 0.6}  # lines of optimizers beyond the palette
TARGET: dict[str, Any] = {"color": svg.INK, "alpha": 0.7, "lw": 0.8, "ls": (0, (2, 2))}
BASELINE: dict[str, Any] = {"color": svg.INK, "alpha": 0.7, "lw": 0.8, "ls": (0, (7, 2))}
FAR = 0.5  # of the range without it: a target that lies further from the best is left out
BELOW = (
    0.25  # of the way from the baseline to the best: what an axis of scores shows of what is worse than the baseline
)
CHOSEN: dict[str, Any] = {"marker": "o", "ms": 8, "mfc": "none", "mew": 1.1, "ls": "", "color": svg.INK}
OFF: dict[str, Any] = {"ms": 5, "mfc": svg.PAPER, "mew": 1.1, "ls": "", "color": svg.INK}  # a triangle that points out
LOST: dict[str, Any] = {"marker": "x", "ms": 5, "mew": 1.2, "ls": "", "color": svg.INK}
Limits = tuple[float, float]
Marks = list[tuple[Line2D, str]]  # what a legend says beside the optimizers


def curves(
    prefix: str,
    bands: pd.DataFrame,
    table: pd.DataFrame,
    task: Mapping[str, Any],
    styles: Mapping[str, Style],
    light: bool = False,
) -> svg.Figure:
    """The validation metric against the step: median and quartiles over the evaluation seeds."""
    metric, target, baseline = Metric.of(task), float(task["target"]), float(task["baseline"])
    shown, scaled = _shown(table, styles), _scaled(bands, ["low", "middle", "high"], metric)
    limits = _curve_limits(scaled, metric, target, baseline)
    places, off = _places(table), _ends_off(scaled, limits)
    edge, height = ("v", 0.06) if metric.sign > 0 else ("^", 0.94)

    def draw() -> Canvas:
        canvas, axes = _panels(list(dict.fromkeys(table["activation"])), _axis_label(metric), "step")
        for activation, panel in scaled.groupby("activation", sort=False):
            _draw_bands(axes[str(activation)], panel, shown, places, light)
        for activation, cells in off.groupby("activation", sort=False):
            _draw_off(axes[str(activation)], cells["optimizer"], shown, places, edge, height)
        for ax in axes.values():
            ax.set(xlim=_ends_of(scaled["step"]), ylim=limits)
        marks = [(Line2D([], [], marker=edge, **OFF), "ends off the axis")] * (len(off) > 0)
        marks += [*_level(axes, target, metric, TARGET, f"target, {metric.plain(target)}"),
                  *_baseline(axes, baseline, metric)]  # fmt: skip
        _legend(canvas, shown, len(styles) - len(shown), marks)
        return canvas

    title = "How the runs descend" if stats.noun(table) == "run" else "How the networks learn"
    seeds = stats.told_seeds(table, "evaluation seed")
    band = "bands stand in each cell's own section; " if light else "band: the middle half of them; "
    reading = (
        f"Validation {metric.name} against the training step at each cell's chosen learning rate. "
        f"Line: median over {seeds}; {band}{_dotted(target, metric, limits)}{_left_out(scaled, off, limits)}"
    )
    return svg.figure(f"{prefix}-curves", title, draw, _curve_finding(bands, metric), reading)


def sensitivity(
    prefix: str,
    rates: pd.DataFrame,
    table: pd.DataFrame,
    task: Mapping[str, Any],
    styles: Mapping[str, Style],
    light: bool = False,
    searched: bool = False,
    rung: str = "",
) -> svg.Figure:
    """The mean validation metric against the learning rate, as tuning saw it on a grid or where it `searched`.

    `rung` is after how many steps, where tuning halves: see `tuning.first_rung`.
    """
    metric, shown, baseline = Metric.of(task), _shown(table, styles), float(task["baseline"])
    limits = _rate_limits(rates["validation_metric"], metric, baseline)
    values = rates["validation_metric"] * metric.scale
    lost = rates["diverged_share"] > 0
    worse = ~values.between(*limits) & values.notna()
    off = worse & ~lost
    clipped = rates.assign(value=np.clip(values, *limits), lost=lost, off=off)
    edge, places = "v" if metric.sign > 0 else "^", _places(table)

    def draw() -> Canvas:
        canvas, axes = _panels(list(dict.fromkeys(table["activation"])), _axis_label(metric), "learning rate")
        for activation, panel in clipped.groupby("activation", sort=False):
            _draw_rates(axes[str(activation)], panel, shown, places, light, edge)
        room = 0.06 * (limits[1] - limits[0])
        for ax in axes.values():
            ax.set(xscale="log", xlim=_ends_of(rates["learning_rate"], log=True))
            ax.set_ylim(limits[0] - room, limits[1] + room)
            ax.xaxis.set_major_locator(LogLocator(numticks=6))
            ax.xaxis.set_minor_locator(NullLocator())
            ax.xaxis.set_major_formatter(lambda rate, _: f"{rate:g}")
        marks = [(Line2D([], [], **CHOSEN), "chosen"), (Line2D([], [], **LOST), "some diverged")]
        marks += [(Line2D([], [], marker=edge, **OFF), "off the axis")] * bool(off.any())
        _legend(canvas, shown, len(styles) - len(shown), [*marks, *_baseline(axes, baseline, metric)])
        return canvas

    where = "at each learning rate of the grid" if not searched else "of each trial, at its learning rate"
    beyond = _beyond(worse, lost)
    alone = " Markers without a line: trials that differ in more than their rate." if searched else ""
    reading = (
        f"Validation {metric.name}, averaged over the tuning {stats.noun(table, 2)} {where}. "
        f"Ring: the {'trial' if searched else 'rate'} chosen for evaluation; "
        f"cross: at least one {stats.noun(table)} diverged, which counts as the worst score.{beyond}{alone} "
        f"A wide plateau forgives a careless choice; a ring at either end asks for a wider "
        f"{'range' if searched else 'grid'}."
    )
    finding = _rate_finding(rates, metric, baseline, rung)
    return svg.figure(f"{prefix}-rates", "How much the learning rate matters", draw, finding, reading)


# What stands in a panel


def _draw_bands(
    ax: Axes, panel: pd.DataFrame, shown: Mapping[str, Style], places: Mapping[str, int], light: bool
) -> None:
    for optimizer, line in panel.groupby("optimizer", sort=False):
        style, mark = shown.get(str(optimizer)), f"o:{places[str(optimizer)]}"
        step, middle = line["step"].to_numpy(), line["middle"].to_numpy()
        if style is None:
            ax.plot(step, middle, gid=mark, **FAINT)
            continue
        if not light:
            low, high = line["low"].to_numpy(), line["high"].to_numpy()
            ax.fill_between(step, low, high, color=style.color, alpha=0.16, lw=0, gid=mark)
        every: Any = [len(line) - 1] if light else max(1, len(line) // 4)
        drawn = {"color": style.color, "ls": style.dash, "marker": style.marker, "markevery": every}
        ax.plot(step, middle, lw=1.3, ms=3.2, gid=mark, **drawn)


def _draw_off(
    ax: Axes, optimizers: Iterable[str], shown: Mapping[str, Style], places: Mapping[str, int], edge: str, height: float
) -> None:
    """A triangle for each cell that ends off the axis, side by side at its edge from the right."""
    labels = list(optimizers)
    for x, label in zip(0.96 - min(0.07, 0.92 / len(labels)) * np.arange(len(labels)), labels, strict=True):
        color = shown[label].color if label in shown else FAINT["color"]
        look = OFF | {"marker": edge, "color": color, "transform": ax.transAxes}
        ax.plot(x, height, gid=f"o:{places[label]}", **look)


def _draw_rates(
    ax: Axes, panel: pd.DataFrame, shown: Mapping[str, Style], places: Mapping[str, int], light: bool, edge: str
) -> None:
    for optimizer, line in panel.sort_values("learning_rate").groupby("optimizer", sort=False):
        style, mark = shown.get(str(optimizer)), f"o:{places[str(optimizer)]}"
        x, y, off, lost = (line[column].to_numpy() for column in ("learning_rate", "value", "off", "lost"))
        scattered = stats.several_searched(line)  # a rate alone does not tell a trial: no line joins them
        if style is None:
            ax.plot(x, y, gid=mark, **FAINT | ({"ls": "none", "marker": "."} if scattered else {}))
            continue
        places_marked = [0, len(line) - 1] if light and not scattered else range(len(line))
        every = [i for i in places_marked if not off[i]]
        dash = "none" if scattered else style.dash
        ax.plot(x, y, color=style.color, ls=dash, marker=style.marker, markevery=every, lw=1.2, ms=3.6, gid=mark)
        for sign, rows in ((OFF | {"marker": edge}, off), (LOST, lost), (CHOSEN, line["chosen"].to_numpy())):
            if rows.any():
                ax.plot(x[rows], y[rows], gid=mark, **sign | {"color": style.color})


def _places(table: pd.DataFrame) -> dict[str, int]:
    """Where each optimizer stands in the table's order: what a page calls it."""
    return {str(label): i for i, label in enumerate(dict.fromkeys(table["optimizer"]))}


def _shown(table: pd.DataFrame, styles: Mapping[str, Style]) -> dict[str, Style]:
    """The optimizers drawn in colour: all, or where they outnumber the colours those with the best cells."""
    best = table.groupby("optimizer", sort=False)["rank"].min().fillna(np.inf).sort_values(kind="stable")
    chosen = set(best.index[: len(PALETTE)])
    return {label: style for label, style in styles.items() if label in chosen}


# Axes


def _panels(activations: Sequence[str], ylabel: str, xlabel: str) -> tuple[Canvas, dict[str, Axes]]:
    count, columns = len(activations), min(len(activations), ACROSS)
    rows = -(-count // columns)
    share, height = {1: (0.7, 2.4), 2: (0.5, 2.4)}.get(count, (1 / ACROSS, 1.6))
    titles = ["" if activation == NO_ACTIVATION else svg.name(activation) for activation in activations]
    more = (svg.most_lines(titles) - 1) * svg.LINE_HEIGHT
    canvas = Canvas(figsize=(columns * share * svg.WIDTH, rows * (height + more) - more))
    axes = canvas.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    left = 0.65 / canvas.get_figwidth()
    canvas.subplots_adjust(left=left, right=0.99, top=TOP, bottom=0.08, wspace=0.1, hspace=0.3 + more / (0.7 * height))
    canvas.supylabel(svg.label(ylabel), x=0, fontsize=9)  # one for all rows, whose own would run into each other
    for ax in axes[count:]:
        ax.set_axis_off()
    for index, ax in enumerate(axes):
        ax.set_autoscale_on(False)  # limits are set; autoscaling shared axes at every line takes half the time
        ax.set_in_layout(index in (0, columns * (rows - 1)) or index % columns == columns - 1)  # the rest lies inside
        ax.set_gid(f"a:{index}")
    for index, (title, ax) in enumerate(zip(titles, axes, strict=False)):
        lowest = index + columns >= count
        ax.tick_params(labelbottom=lowest)
        ax.set_xlabel(xlabel if lowest else "")
        ax.set_title(title, loc="left", fontweight="bold")
    return canvas, dict(zip(activations, axes, strict=False))


def _level(axes: Mapping[str, Axes], value: float, metric: Metric, line: dict[str, Any], label: str) -> Marks:
    """A level line through all panels and its entry of the legend; none where it lies outside of the axis."""
    low, high = next(iter(axes.values())).get_ylim()
    if not low <= value * metric.scale <= high:
        return []
    for ax in axes.values():
        ax.axhline(value * metric.scale, **line)
    return [(Line2D([], [], **line), label)]


def _baseline(axes: Mapping[str, Axes], value: float, metric: Metric) -> Marks:
    return _level(axes, value, metric, BASELINE, f"baseline, {metric.told(value)}")


def _legend(canvas: Canvas, shown: Mapping[str, Style], others: int, more: Iterable[tuple[Line2D, str]]) -> None:
    lines = {label: Line2D([], [], color=s.color, marker=s.marker, ls=s.dash, ms=4.5) for label, s in shown.items()}
    entries = [(line, svg.name(label)) for label, line in lines.items()]
    entries += [(Line2D([], [], **FAINT), f"{others} others")] * (others > 0)
    handles, labels = zip(*entries, *more, strict=True)
    widths = [0.6 + 0.085 * svg.longest([label]) for label in labels]
    above = TITLE + (svg.most_lines(ax.get_title(loc="left") for ax in canvas.axes) - 1) * svg.LINE_HEIGHT
    room = canvas.get_figwidth() * 0.95
    columns = len(labels) if sum(widths) <= room else max(1, int(room / max(widths)))
    canvas.legend(
        handles,
        labels,
        ncols=columns,
        loc="lower left",
        bbox_to_anchor=(0.05, TOP + above / canvas.get_figheight()),
        frameon=False,
        borderpad=0,
    )


def _axis_label(metric: Metric) -> str:
    return f"validation {metric.name}" + (f" ({metric.unit})" if metric.unit else "")


def _scaled(frame: pd.DataFrame, columns: list[str], metric: Metric) -> pd.DataFrame:
    return frame.assign(**{c: frame[c].where(np.isfinite(frame[c])) * metric.scale for c in columns})


def _ends(bands: pd.DataFrame) -> pd.DataFrame:
    return bands[bands["step"] == bands["step"].max()]


def _ends_off(bands: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    """The ends of those cells that end outside of the axis."""
    ends = _ends(bands)
    return ends[~ends["middle"].between(*limits)]


def _dotted(target: float, metric: Metric, limits: Limits) -> str:
    within = limits[0] <= target * metric.scale <= limits[1]
    return "dotted: the target." if within else f"the target, {metric.plain(target)}, lies beyond the axis."


def _curve_limits(bands: pd.DataFrame, metric: Metric, target: float, baseline: float) -> Limits:
    """From the best, or a target not far from it, down to all but the worst fiftieth of the medians after step 0.

    But no lower than a little below the baseline, or than where the middle cell ends if that is worse: a few bad cells
    do not rule it.
    """
    middle = metric.sign * bands.loc[bands["step"] > 0, "middle"].dropna()
    if middle.empty:
        return 0.0, metric.scale
    aim, least = (metric.sign * value * metric.scale for value in (target, baseline))
    ends = (metric.sign * _ends(bands)["middle"]).fillna(-np.inf)
    best = middle.max()
    worst = max(middle.quantile(0.02), min(least - BELOW * (max(best, aim) - least), ends.median()))
    if aim - best <= FAR * (best - worst):
        best = max(best, aim)
    room = 0.05 * max(best - worst, 1e-9)
    low, high = sorted((metric.sign * (worst - room), metric.sign * (best + room)))
    return low, high


def _rate_limits(values: "pd.Series[float]", metric: Metric, baseline: float) -> Limits:
    """From the best to a little below the baseline: what is worse than that is drawn at the edge.

    Where nothing beats the baseline, most of the range goes to the better half of the points.
    """
    signed = metric.sign * metric.scale * values[np.isfinite(values)]
    level = metric.sign * metric.scale * baseline
    best = signed.max() if len(signed) else level + 1
    least = level - BELOW * (best - level) if best > level else best - 4 * (best - signed.median())
    worst = max(signed.min(), least) if len(signed) else level
    low, high = sorted((metric.sign * worst, metric.sign * best))
    return low, max(high, low + 1e-9)


def _ends_of(values: "pd.Series[Any]", log: bool = False) -> Limits:
    """The ends of an axis that holds `values`, with a little room beside them."""
    low, high = (float(np.log10(v)) if log else float(v) for v in (values.min(), values.max()))
    room = 0.05 * (high - low) or 0.5
    return (10 ** (low - room), 10 ** (high + room)) if log else (low - room, high + room)


def _beyond(worse: "pd.Series[bool]", lost: "pd.Series[bool]") -> str:
    """How many points are `worse` than the axis of learning rates shows, and where they stand; "" without any."""
    if not worse.any():
        return ""
    marks = [name for name, some in (("triangles", worse & ~lost), ("crosses", worse & lost)) if some.any()]
    are, it = ("is", "It stands") if worse.sum() == 1 else ("are", "They stand")
    return (
        f" {worse.sum()} of {len(worse)} points {are} worse than the axis shows. {it} at its edge and not at "
        f"{'its' if worse.sum() == 1 else 'their'} score: {joined(marks)}."
    )


def _left_out(bands: pd.DataFrame, off: pd.DataFrame, limits: Limits) -> str:
    """What of the curves lies outside of the axis, in sentences."""
    cells = bands[stats.CELL].apply(tuple, axis=1)
    early = ~bands["middle"].between(*limits) & ~cells.isin(cells[off.index])  # of those that end inside
    ends, marks = ("ends", "a triangle") if len(off) == 1 else ("end", "triangles")
    return " The axis leaves out the worst of the first steps." * bool(early.any()) + (
        f" {len(off)} of {cells.nunique()} cells {ends} outside the axis: {marks} at its edge." if len(off) else ""
    )


# What a figure says


def _curve_finding(bands: pd.DataFrame, metric: Metric) -> str:
    last, ends = bands["step"].max(), _ends(bands)
    low, high = (
        f"{metric.told(end)} ({few_cells(ends.loc[ends['middle'] == end, stats.CELL[1:]].itertuples(index=False))})"
        for end in (ends["middle"].min(), ends["middle"].max())
    )
    if low == high:
        return f"After {last:,} steps the median is {low}."
    best, worst = (high, low) if metric.sign > 0 else (low, high)
    return f"After {last:,} steps the medians of the cells lie between {best} and {worst}."


def _rate_finding(rates: pd.DataFrame, metric: Metric, baseline: float, rung: str) -> str:
    ordered = rates.assign(signed=metric.sign * rates["validation_metric"]).sort_values("learning_rate", kind="stable")
    cells = [rows for _, rows in ordered.groupby(stats.CELL, sort=False)]
    alone = [rows["signed"].to_numpy() for rows in cells if not stats.several_searched(rows)]
    triples = [_best_and_beside(values) for values in alone if len(values) > 1]
    if not triples:
        return "Only one learning rate was tried." if alone else "Every cell searched more than its learning rate."
    middle = [metric.sign * float(np.median(side)) for side in zip(*triples, strict=True)]
    best, better, worse = (_over(value, metric, baseline) for value in middle)
    beside = f"the next one tried reaches {better} on its better side, {worse} on its worse"
    head = f"After {rung} of tuning the" if rung else "The"
    return f"{head} middle cell reaches {best} at its best learning rate; {beside}."


def _over(value: float, metric: Metric, baseline: float) -> str:
    """A score, in words where it is no better than the baseline: what all but diverged has no size."""
    return metric.told(value) if metric.sign * (value - baseline) > 0 else "no better than the baseline"


def _best_and_beside(values: stats.Floats) -> tuple[float, float, float]:
    """The best of `values` along the grid, more is better, its better and its worse neighbour: at an end the same."""
    best = int(np.argmax(values))
    beside = [values[i] for i in (best - 1, best + 1) if 0 <= i < len(values)]
    return values[best], max(beside), min(beside)
