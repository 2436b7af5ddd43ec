"""Statistics of a run: frame in, frame out, every random draw seeded.

One rule stands before all others: a lane that diverged or failed has the worst value its metric can have, before any
mean, interval or rank. A lane that was interrupted was never measured and counts nowhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

CELL = ["task", "activation", "optimizer"]
CONVERGENCE = [
    *CELL,
    *("learning_rate", "at_grid_edge", "seeds", "test_metric", "ci_low", "ci_high"),
    *("steps_to_target", "seconds_to_target", "diverged_share", "rank"),
]
Floats = NDArray[np.float64]
Tasks = Mapping[str, Mapping[str, Any]]
Pair = tuple[str, str]


@dataclass(frozen=True)
class Metric:
    """How the metric of a task is read: its direction, its worst value, and how a person is shown it."""

    name: str
    direction: str
    unit: str
    scale: float
    worst: float

    @classmethod
    def of(cls, task: Mapping[str, Any]) -> "Metric":
        """The metric of one entry of a manifest's `tasks`."""
        entry = task["metric"]
        worst, scale = float(entry["worst"]), float(entry["scale"])
        return cls(entry["name"], entry["direction"], entry["unit"], scale, worst)

    @property
    def sign(self) -> int:
        """+1 where more is better, -1 where less is."""
        return 1 if self.direction == "maximize" else -1

    def show(self, value: float) -> str:
        """The value as a person reads it, without its unit."""
        if pd.isna(value):
            return "no data"
        if np.isinf(value):
            return "∞" if value > 0 else "−∞"
        shown = float(value) * self.scale
        if self.scale != 1:
            return f"{shown:.1f}"
        return f"{shown:,.0f}" if abs(shown) >= 1000 else f"{shown:.3g}"

    def plain(self, value: float) -> str:
        """A value that somebody set, such as a target: all its digits, and its unit."""
        return f"{value * self.scale:g}{f' {self.unit}' if self.unit else ''}"

    def told(self, value: float, half_width: float = np.nan) -> str:
        """The value with its uncertainty and its unit: `97.8 % ± 0.4`."""
        unit = f" {self.unit}" if self.unit and np.isfinite(value) else ""
        spread = f" ± {self.show(half_width)}" if np.isfinite(half_width) else ""
        return f"{self.show(value)}{unit}{spread}"


@dataclass(frozen=True)
class Verdict:
    """Who leads a task, how sure that is, and who cannot be told from it."""

    task: str
    winner: Pair | None
    mean: float
    half_width: float
    tied: tuple[Pair, ...]
    cells: int
    seeds: int
    metric: Metric

    @property
    def sentence(self) -> str:
        """The verdict as one sentence."""
        if self.winner is None:
            return "No cell was evaluated, so there is nothing to compare."
        if self.mean == self.metric.worst:
            lost = "Every evaluated network diverged" if np.isfinite(self.mean) else "Every cell lost a network to divergence"
            return f"{lost}, so there is nothing to compare."
        who = cell_label(*self.winner)
        value = f"{self.metric.told(self.mean, self.half_width)} test {self.metric.name}"
        return _sentence(who, value, others=self.cells - 1, tied=len(self.tied))


def _sentence(who: str, value: str, others: int, tied: int) -> str:
    if others == 0:
        return f"{who} reaches {value}; it is the only cell, so there is nothing to compare it with."
    rest = f"{others} other cell{'s' * (others > 1)}"
    if tied == 0:
        return f"{who} leads at {value}; it can be told from {'each of ' * (others > 1)}the {rest}."
    if tied == others:
        return f"{who} has the best mean, {value}, but {'none of ' * (others > 1)}the {rest} can{'not' * (others == 1)} be told from it."
    return f"{who} leads at {value}; {tied} of the {rest} cannot be told from it."


def cell_label(activation: str, optimizer: str) -> str:
    """A cell's name: `relu + adam`, or the optimizer alone where a task has no activation."""
    return optimizer if activation == "none" else f"{activation} + {optimizer}"


def half_width(low: float, high: float) -> float:
    """Half of an interval's width; NaN where either end is infinite or missing."""
    return (high - low) / 2 if np.isfinite(low) and np.isfinite(high) else np.nan


@lru_cache(maxsize=32)
def _resamples(size: int, resamples: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, size, (resamples, size))


def bootstrap_interval(
    values: ArrayLike, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean.

    The `(1 ± confidence) / 2` quantiles of the means of `resamples` draws with replacement of `values` [n].
    Fewer than two values have no interval: (NaN, NaN). Infinite values give infinite ends. An interval from few values
    is too short: at 95 % it covers 75, 81, 90, 94 % of the time for n = 3, 5, 10, 30.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    sample = np.asarray(values, dtype=float)
    if len(sample) < 2 or np.isnan(sample).any():
        return np.nan, np.nan
    means = sample[_resamples(len(sample), resamples, seed)].mean(axis=1)
    tail = (1 - confidence) / 2
    # no interpolation: between a finite and an infinite mean it has no answer
    low, high = np.quantile(means, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


def iqm(values: ArrayLike, worst: float = np.nan) -> float:
    """Interquartile mean: the mean of `values` [...] without the lowest and the highest quarter of them.

    NaN becomes `worst` first, so that a diverged lane never helps.
    Source: Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, 2021.
    """
    ordered = np.sort(np.nan_to_num(np.asarray(values, dtype=float).ravel(), nan=worst, posinf=np.inf, neginf=-np.inf))
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def scores(frame: pd.DataFrame, column: str, tasks: Tasks) -> Floats:
    """`frame[column]` [rows] with the task's worst value where a lane diverged, failed or is not a number."""
    worst = frame["task"].map({name: Metric.of(task).worst for name, task in tasks.items()}).to_numpy(dtype=float)
    values = frame[column].to_numpy(dtype=float)
    bad = np.isnan(values) | frame["status"].isin(["diverged", "failed"]).to_numpy()
    return np.where(bad, worst, values)


def _finished(lanes: pd.DataFrame, phase: str) -> pd.DataFrame:
    return lanes[(lanes["phase"] == phase) & (lanes["status"] != "interrupted")]


def convergence(lanes: pd.DataFrame, throughput: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """One row a cell, in the order of the lanes: what its evaluation seeds reached, how surely, how soon.

    `test_metric` is the mean over the evaluation seeds, `ci_low` and `ci_high` its bootstrap interval;
    `steps_to_target` the median (infinite when missed); `seconds_to_target` = steps x seconds of a step / width of the
    chunk, so the amortised seconds of one worker for one network. `rank` is within the task, 1 the best, ties share
    the mean rank. A cell that was not evaluated has NaN.
    """
    if lanes.empty:
        return pd.DataFrame({column: pd.Series(dtype=object) for column in CONVERGENCE})
    done = _finished(lanes, "evaluate").copy()
    done["test_metric"] = scores(done, "test_metric", tasks)
    evaluated = {key: done.iloc[rows] for key, rows in done.groupby(CELL, sort=False).indices.items()}
    grids = lanes[lanes["phase"] == "tune"].groupby(CELL)["learning_rate"].agg(["min", "max"])
    seconds = (throughput["step_s_median"] / throughput["width"]).groupby([throughput[c] for c in CELL]).median()
    cells = lanes[CELL].drop_duplicates().itertuples(index=False, name=None)
    rows = [_cell(key, evaluated.get(key), grids, seconds) for key in cells]
    table = pd.DataFrame(rows)
    signed = table["test_metric"] * table["task"].map({name: -Metric.of(task).sign for name, task in tasks.items()})
    table["rank"] = signed.groupby(table["task"]).rank(method="average")
    return table[CONVERGENCE]


def _cell(
    key: tuple[str, str, str], evaluated: pd.DataFrame | None, grids: pd.DataFrame, seconds: "pd.Series[float]"
) -> dict[str, Any]:
    row: dict[str, Any] = dict(zip(CELL, key, strict=True))
    if evaluated is None:
        missing = [c for c in CONVERGENCE[3:] if c not in ("at_grid_edge", "seeds", "rank")]
        return row | {"at_grid_edge": False, "seeds": 0} | dict.fromkeys(missing, np.nan)
    values = evaluated["test_metric"].to_numpy()
    rate = float(evaluated["learning_rate"].iloc[0])
    steps = float(np.median(evaluated["steps_to_target"].fillna(np.inf)))
    low, high = bootstrap_interval(values)
    return row | {
        "learning_rate": rate,
        "at_grid_edge": _at_edge(rate, *grids.loc[key]) if key in grids.index else False,
        "seeds": len(values),
        "test_metric": float(values.mean()),
        "ci_low": low,
        "ci_high": high,
        "steps_to_target": steps,
        "seconds_to_target": steps * float(seconds.get(key, np.nan)) if np.isfinite(steps) else np.inf,
        "diverged_share": float((evaluated["status"] == "diverged").mean()),
    }


def _at_edge(rate: float, low: float, high: float) -> bool:
    return bool(low < high and np.isclose([low, high], rate, rtol=1e-6, atol=0).any())


def learning_rate_sensitivity(lanes: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """What tuning saw: one row for each cell and learning rate.

    Columns: the cell, `learning_rate`, `validation_metric` (mean over tuning seeds), `lanes`, `diverged_share`, and
    `chosen`: the rate that was evaluated or, where none was yet, the best one.
    """
    tuned = _finished(lanes, "tune")
    tuned = tuned.assign(
        validation_metric=scores(tuned, "validation_metric", tasks), diverged=tuned["status"] == "diverged"
    )
    groups = tuned.groupby([*CELL, "learning_rate"], sort=False)
    table = groups.agg(
        validation_metric=("validation_metric", "mean"), lanes=("seed", "size"), diverged_share=("diverged", "mean")
    ).reset_index()
    evaluated = _finished(lanes, "evaluate").groupby(CELL)["learning_rate"].first()
    rate = evaluated.combine_first(best_learning_rates(table, tasks)).rename("rate")
    chosen = table.join(rate, on=CELL)["rate"] if len(table) else pd.Series(dtype=float)
    table["chosen"] = np.isclose(table["learning_rate"], chosen, rtol=1e-6, atol=0)
    return table


def best_learning_rates(sensitivity: pd.DataFrame, tasks: Tasks) -> "pd.Series[float]":
    """The rate of each cell with the best mean on validation data; the lowest of several."""
    signs = sensitivity["task"].map({name: -Metric.of(task).sign for name, task in tasks.items()})
    ranked = sensitivity.assign(order=sensitivity["validation_metric"] * signs)
    ranked = ranked.sort_values(["order", "learning_rate"], kind="stable")
    return ranked.groupby(CELL, sort=False)["learning_rate"].first()


def curve_bands(
    curves: pd.DataFrame, lanes: pd.DataFrame, tasks: Tasks, column: str = "validation_metric"
) -> pd.DataFrame:
    """Median and quartiles of `column` over the evaluation seeds of each cell at each step.

    Columns: the cell, `step`, `low` (25 %), `middle` (50 %), `high` (75 %). After a divergence a lane has the worst
    value, so the band falls to it.
    """
    done = _finished(lanes, "evaluate")
    joined = curves[["lane", "step", column]].merge(done[["lane", *CELL]], on="lane").assign(status="ok")
    # quantiles interpolate, and between two infinities they have no answer: a huge number stands in
    joined["value"] = np.nan_to_num(scores(joined, column, tasks), posinf=1e300, neginf=-1e300)
    bands = joined.groupby([*CELL, "step"], sort=False)["value"].quantile([0.25, 0.5, 0.75]).unstack()
    bands = bands.mask(bands > 1e200, np.inf).mask(bands < -1e200, -np.inf)
    return bands.set_axis(["low", "middle", "high"], axis=1).reset_index().sort_values([*CELL, "step"], kind="stable")


def holm(p_values: ArrayLike) -> Floats:
    """Holm's adjusted p-values [n] of a family of tests: `max over j <= i of min(1, (n - j + 1) p_(j))`.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(np.minimum(1, p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def against_best(lanes: pd.DataFrame, tasks: Tasks, task: str, best: Pair) -> pd.DataFrame:
    """Each other evaluated cell of `task` against `best`: paired t test over seeds, two-sided, Holm over the cells.

    Every cell is evaluated with the same seeds, hence the same first weights and order of data: the difference is
    taken seed by seed. `t = mean(d) / sqrt((var(d) + q²/6) / n)`, where q is the smallest gap between two scores of
    the task: scores counted in steps of q carry the variance q²/12 each, so that equal differences on few seeds are
    not mistaken for certainty. An infinite score stands at the worst finite one. Fewer than two shared seeds: p = 1.
    Columns: activation, optimizer, difference, p_value (adjusted), tied (p_value of 5 % or more).
    """
    done = _finished(lanes[lanes["task"] == task], "evaluate")
    done = done.assign(score=scores(done, "test_metric", tasks))
    table = done.pivot_table(index=CELL[1:], columns="seed", values="score", sort=False)
    values = _finite(table, Metric.of(tasks[task]).sign)
    if best not in values.index:
        return pd.DataFrame(columns=[*CELL[1:], "difference", "p_value", "tied"])
    difference = values.sub(values.loc[best]).drop(index=best)
    p = holm(_paired_t(difference.to_numpy(), _resolution(values.to_numpy())))
    result = difference.mean(axis=1).rename("difference").reset_index()
    return result.assign(p_value=p, tied=p >= 0.05)


def _finite(table: pd.DataFrame, sign: int) -> pd.DataFrame:
    finite = table.to_numpy()[np.isfinite(table.to_numpy())]
    worst = sign * (sign * finite).min() if len(finite) else 0.0
    return table.replace([np.inf, -np.inf], worst)


def _resolution(values: Floats) -> float:
    gaps = np.diff(np.unique(values[np.isfinite(values)]))
    gaps = gaps[gaps > 1e-7]  # closer than that is float32's rounding
    return float(gaps.min()) if len(gaps) else 0.0


def _paired_t(difference: Floats, resolution: float) -> Floats:
    """Two-sided p-values [cells] of differences [cells, seeds], NaN where a seed is missing."""
    p = np.ones(len(difference))
    count = np.isfinite(difference).sum(axis=1)
    rows = count >= 2
    n, d = count[rows], difference[rows]
    mean = np.nanmean(d, axis=1) if len(d) else np.empty(0)
    spread = np.sqrt((np.nanvar(d, axis=1, ddof=1) + resolution**2 / 6) / n) if len(d) else np.empty(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(mean == 0, 0.0, np.abs(mean) / spread)
    p[rows] = 2 * stdtr(n - 1, -t)
    return p


def leader(table: pd.DataFrame, task: str) -> "pd.Series[Any] | None":
    """The row of the best evaluated cell of `task`; among equals the one soonest at the target, then the first."""
    rows = table[(table["task"] == task) & table["rank"].notna()]
    return rows.sort_values(["rank", "steps_to_target"], kind="stable").iloc[0] if len(rows) else None


def indistinguishable(lanes: pd.DataFrame, tasks: Tasks, task: str, best: Pair) -> tuple[Pair, ...]:
    """The cells of `task` that cannot be told from `best` at 5 %: see `against_best`."""
    table = against_best(lanes, tasks, task, best)
    return tuple(table.loc[table["tied"].astype(bool), CELL[1:]].itertuples(index=False, name=None))


def verdict(lanes: pd.DataFrame, table: pd.DataFrame, tasks: Tasks, task: str) -> Verdict:
    """The verdict on `task` from a run's lanes and its `convergence` table."""
    metric, best = Metric.of(tasks[task]), leader(table, task)
    evaluated = table[(table["task"] == task) & (table["seeds"] > 0)]
    if best is None:
        return Verdict(task, None, np.nan, np.nan, (), 0, 0, metric)
    winner = (str(best["activation"]), str(best["optimizer"]))
    tied = indistinguishable(lanes, tasks, task, winner)
    spread = half_width(best["ci_low"], best["ci_high"])
    mean, seeds = float(best["test_metric"]), int(best["seeds"])
    return Verdict(task, winner, mean, spread, tied, len(evaluated), seeds, metric)
