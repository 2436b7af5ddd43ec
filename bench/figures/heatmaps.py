"""Heatmaps: activation by optimizer, the longer side down, one colour a cell."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle

from bench import stats
from bench.figures import svg
from bench.figures.style import ink_on
from bench.findings.verdicts import Verdict
from bench.labels import NO_ACTIVATION, few_cells, mean_rank, steps
from bench.stats import Pair

BRIGHT_IS_GOOD = "crest_r"
DARK_IS_MUCH = "ch:s=.25,rot=-.25,light=.93,dark=.35"
Outline = tuple[float, str]  # width and line
LEADER, TIED, NOISY = (2.4, "-"), (0.8, "-"), (0.9, ":")
NOISY_TOLD = "; dotted: cannot either, but is so far behind that it is its noise which hides that"
SLANTED_FROM = 7  # characters of a column's label
COLUMN, ROW, LOW_ROW, MANY_ROWS = 0.6, 0.36, 0.26, 24  # inches; rows beyond so many are low
BAR = (1.6, 0.11)  # inches of the bar of colours
NOISE, SHARE, DIGIT = 4, 0.02, 0.005  # half widths; of the way from the baseline; of the value: no difference below


@dataclass(frozen=True)
class Grid:
    """What a heatmap holds: `values` colour the cells, `text` stands in them: [activation, optimizer].

    `label` says what the colours are, `told(value)` one of them.
    """

    values: pd.DataFrame
    text: pd.DataFrame
    limits: tuple[float, float]
    label: str
    told: Callable[[float], str]
    scale: str = BRIGHT_IS_GOOD
    hatched: Iterable[Pair] = ()
    outlined: Mapping[Pair, Outline] = field(default_factory=dict)


def metric_heatmap(prefix: str, table: pd.DataFrame, verdict: Verdict, baseline: float) -> svg.Figure:
    """The mean test metric of every cell of one task."""
    metric = verdict.metric
    values = _pivot(table, "test_metric")
    near = verdict.near
    outlined = dict.fromkeys(verdict.tied, NOISY) | dict.fromkeys(near, TIED)
    outlined |= {verdict.winner: LEADER} if verdict.winner else {}
    noisy = NOISY_TOLD * (len(near) < len(verdict.tied))
    lost = _pairs(table[table["diverged_share"] > 0])
    signed = values * metric.sign
    span = limits(signed, least_difference(verdict, baseline)) if verdict.winner else (0.0, 1.0)
    unit = f" in {metric.unit}" if metric.unit else ""
    label = f"test {metric.name}{unit}, mean of {stats.told_seeds(table)}"
    text = values.map(metric.show)
    grid = Grid(signed, text, span, label, lambda v: metric.show(v * metric.sign), hatched=lost, outlined=outlined)
    reading = (
        f"Test {metric.name}{unit}, averaged over fresh seeds, each cell at its own best learning rate. "
        f"Brighter is better ({'higher' if metric.sign > 0 else 'lower'}).{metric_ends(signed, span, metric)} "
        f"Thick outline: the leader; thin outline: cannot be told from it{noisy}."
        + (f" Hatched: at least one {stats.noun(table)} diverged and counts as the worst." if lost else "")
    )
    finding = _metric_finding(table, metric) if verdict.winner else verdict.sentence
    title = f"Test {metric.name}"
    return svg.figure(f"{prefix}-metric", title, lambda: _draw(grid), finding, reading)


def rank_heatmap(prefix: str, board: pd.DataFrame, first: Pair, level: Iterable[Pair], over: str) -> svg.Figure:
    """The mean rank of every cell over the tasks of a run, or their data sets: `over` names them and says how many."""
    values, known = -_pivot(board, "mean_rank"), board.dropna(subset="mean_rank")
    outlined = dict.fromkeys(level, TIED) | {first: LEADER}
    text = values.map(lambda v: mean_rank(-v))
    grid = Grid(values, text, limits(values), f"mean rank over {over}", lambda v: mean_rank(-v), outlined=outlined)
    extremes = (known[known["mean_rank"] == end(known["mean_rank"])] for end in (min, max))
    best, worst = (f"{mean_rank(end['mean_rank'].iloc[0])} with {few_cells(_pairs(end))}" for end in extremes)
    reading = (
        f"Rank among all cells, averaged over {over}. Brighter is better (lower)."
        f"{ends(values, grid.limits, grid.told)} Thick outline: the best"
        f"{'; thin outline: cannot be told from it' * (len(outlined) > 1)}."
    )
    return svg.figure(f"{prefix}-ranks", "Mean rank", lambda: _draw(grid), f"From {best} to {worst}.", reading)


def steps_heatmap(prefix: str, table: pd.DataFrame, target: str) -> svg.Figure | None:
    """The median number of steps that every cell of one task needs to reach the target; None where none does."""
    if not np.isfinite(table["steps_to_target"]).any():
        return None
    values = _pivot(table, "steps_to_target")
    soonest = _pairs(table[table["steps_to_target"] == table["steps_to_target"].min()])
    text = values.map(lambda v: "no data" if pd.isna(v) else steps(v) if np.isfinite(v) else "–")
    label = f"steps to the target, median of {stats.told_seeds(table)}"
    outlined = dict.fromkeys(soonest, LEADER)
    grid = Grid(-values, text, limits(-values), label, lambda v: steps(-v), outlined=outlined)
    reading = (
        f"Steps until the validation score first reaches {target}, median over the evaluation seeds. "
        f"The brighter the sooner; outlined the soonest.{ends(-values, grid.limits, grid.told)} "
        "A dash: missed, which counts as never."
    )
    finding = _steps_finding(table, soonest, target)
    return svg.figure(f"{prefix}-steps", "Steps to the target", lambda: _draw(grid), finding, reading)


def diverged_heatmap(prefix: str, lanes: pd.DataFrame) -> svg.Figure | None:
    """The share of all networks of every cell of one task that diverged; None where none did."""
    trained = lanes[lanes["status"] != "interrupted"]
    diverged = trained["status"] == "diverged"
    if not diverged.any():
        return None
    table = diverged.groupby([trained[c] for c in stats.CELL[1:]], sort=False).mean().rename("share").reset_index()
    values = _pivot(table, "share")
    text = values.map(lambda v: "no data" if pd.isna(v) else f"{v * 100:.0f} %")
    label = f"share of a cell's {stats.noun(lanes, 2)} that diverged, tuning and evaluation"
    most_shown = max(table["share"].max(), 0.5)
    grid = Grid(values, text, (0.0, most_shown), label, lambda v: f"{v * 100:.0f} %", scale=DARK_IS_MUCH)
    most = _pairs(table[table["share"] == table["share"].max()])
    late = diverged[trained["phase"] == "evaluate"]
    finding = (
        f"In tuning and evaluation {int(diverged.sum()):,} of {len(trained):,} {stats.noun(lanes, 2)} diverged, the "
        f"largest share with {few_cells(most)}: {table['share'].max() * 100:.0f} %; in evaluation alone "
        f"{int(late.sum()):,} of {len(late):,}."
    )
    reading = f"Share of a cell's {stats.noun(lanes, 2)}, in tuning and evaluation, that diverged. Darker is more."
    return svg.figure(f"{prefix}-diverged", "Share that diverged", lambda: _draw(grid), finding, reading)


def _metric_finding(table: pd.DataFrame, metric: stats.Metric) -> str:
    ranked = table[table["rank"].notna()]
    best, worst = (ranked[ranked["rank"] == end] for end in (ranked["rank"].min(), ranked["rank"].max()))
    if len(best) == len(ranked) > 1:
        return f"{metric.told(best['test_metric'].iloc[0])} with each of the {len(ranked)} cells."
    first, last = (f"{metric.told(end['test_metric'].iloc[0])} with {few_cells(_pairs(end))}" for end in (best, worst))
    return f"From {first} to {last}." if len(ranked) > 1 else f"{first}."


def _steps_finding(table: pd.DataFrame, soonest: list[Pair], target: str) -> str:
    where, what = ("", "steps") if stats.noun(table) == "run" else (" on validation data", "training steps")
    missed = int(np.isinf(table["steps_to_target"]).sum())
    least = table["steps_to_target"].min()
    rest = f"; {missed} of {len(table)} cells miss it." if missed else "."
    return f"Soonest at {target}{where}: {few_cells(soonest)}, after {steps(least)} {what}{rest}"


def _pairs(table: pd.DataFrame) -> list[Pair]:
    return list(table[["activation", "optimizer"]].itertuples(index=False, name=None))


def _pivot(table: pd.DataFrame, column: str) -> pd.DataFrame:
    rows, columns = (list(dict.fromkeys(table[c])) for c in ("activation", "optimizer"))
    return table.pivot(index="activation", columns="optimizer", values=column).reindex(index=rows, columns=columns)


def least_difference(verdict: Verdict, baseline: float) -> float:
    """The least that may go from the darkest to the brightest colour: less is noise, or of no account."""
    noise = NOISE * float(np.nan_to_num(verdict.half_width))
    return max(noise, SHARE * abs(verdict.mean - baseline), DIGIT * abs(verdict.mean))


def limits(values: pd.DataFrame, least: float = 0.0) -> tuple[float, float]:
    """The values of the darkest and the brightest colour, at least `least` apart.

    Most colours go to the better half of the cells, whatever the worst of them did.
    """
    finite = values.to_numpy(dtype=float)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return 0.0, 1.0
    best, low, middle = finite.max(), finite.min(), np.median(finite)
    low = max(low, best - 4 * (best - middle)) if best > middle else low
    return min(low, best - max(least, 1e-12)), best


def ends(values: pd.DataFrame, span: tuple[float, float], told: Callable[[float], str]) -> str:
    """Where the colours of `values` [cells] end, if some are worse than the darkest of `span`: a sentence, else ""."""
    finite = values.to_numpy(dtype=float)
    finite = finite[np.isfinite(finite)]
    worse = int((finite < span[0]).sum())
    return f" Colours end at {told(span[0])}; worse cells all look alike ({worse} of {len(finite)})." * (worse > 0)


def metric_ends(signed: pd.DataFrame, span: tuple[float, float], metric: stats.Metric) -> str:
    """The same of a metric's values times its sign."""
    return ends(signed, span, lambda value: metric.told(value * metric.sign))


def _draw(grid: Grid) -> Canvas:
    across = len(grid.values.columns) > len(grid.values)
    values, text = (grid.values.T, grid.text.T) if across else (grid.values, grid.text)  # the longer side runs down
    rows, columns = values.shape
    name = svg.most_lines(map(svg.name, values.index)) * svg.LINE_HEIGHT + 0.06
    wide, high = columns * COLUMN, rows * max(ROW if rows <= MANY_ROWS else LOW_ROW, name)
    canvas = Canvas(figsize=(wide, high))
    ax = canvas.add_axes((0, 0, 1, 1))
    finite = values.astype(float).replace([np.inf, -np.inf], np.nan)
    colors, norm = sns.color_palette(grid.scale, as_cmap=True), Normalize(*grid.limits, clip=True)
    sns.heatmap(
        finite, ax=ax, cmap=colors, vmin=norm.vmin, vmax=norm.vmax, cbar=False, linewidths=1.5, linecolor=svg.PAPER,
        xticklabels=False, yticklabels=False,
    )  # fmt: skip
    inks = finite.map(lambda value: svg.INK if pd.isna(value) else ink_on(colors(norm(value))))
    for row, column in np.ndindex(finite.shape):
        look = {"color": inks.iat[row, column], "alpha": 0.65 if pd.isna(finite.iat[row, column]) else 1}
        ax.text(column + 0.5, row + 0.5, text.iat[row, column], ha="center", va="center", **look)
    _mark(ax, inks, grid, across)
    _name(ax, values)
    bar = canvas.add_axes((0.02 / wide, -(BAR[1] + 0.12) / high, BAR[0] / wide, BAR[1] / high))
    _draw_bar(bar, grid, colors, bool((finite < grid.limits[0]).any(axis=None)))
    return canvas


def _draw_bar(ax: Axes, grid: Grid, colors: Colormap, clipped: bool) -> None:
    """The colours, what both ends stand for and of what; `clipped`: lower values have the colour of the lower end."""
    ax.imshow(np.linspace(0, 1, 64)[None], cmap=colors, aspect="auto", interpolation="none", resample=False)
    ends = [grid.told(value) for value in grid.limits]
    ax.set_xticks([0, 63], ["… " * clipped + ends[0], ends[1]])
    ax.set_yticks([])
    ax.tick_params(length=0, labelsize=8)
    ax.set_frame_on(False)
    ax.grid(False)
    ax.annotate(svg.label(grid.label), (1, 0.5), (14, 0), "axes fraction", textcoords="offset points", va="center")


def _mark(ax: Axes, inks: pd.DataFrame, grid: Grid, across: bool) -> None:
    """Hatch and outline cells, the outlines in the ink of their letters and off the edge: seen on any colour."""
    places = {
        ((column, row) if across else (row, column)): (x, y)
        for y, row in enumerate(inks.index)
        for x, column in enumerate(inks.columns)
    }
    for pair in grid.hatched:
        ax.add_patch(Rectangle(places[pair], 1, 1, fill=False, hatch="////", edgecolor=svg.PAPER, lw=0, alpha=0.6))
    for pair, (width, line) in grid.outlined.items():
        x, y = places[pair]
        look = {"edgecolor": inks.iat[y, x], "lw": width, "ls": line}
        ax.add_patch(Rectangle((x + 0.06, y + 0.1), 0.88, 0.8, fill=False, **look))


def _name(ax: Axes, values: pd.DataFrame) -> None:
    """Labels above the columns and left of the rows; long ones above slanted."""
    axes = (values.columns, values.index)
    columns, rows = (["" if label == NO_ACTIVATION else svg.name(label) for label in axis] for axis in axes)
    slanted = svg.longest(columns) > SLANTED_FROM
    turned = {"rotation": 35, "ha": "left", "rotation_mode": "anchor"} if slanted else {"rotation": 0}
    ax.set(xlabel="", ylabel="")
    ax.grid(False)
    ax.xaxis.tick_top()
    ax.set_xticks(np.arange(len(columns)) + 0.5, columns, **turned)
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows, rotation=0)
    ax.tick_params(length=0)
