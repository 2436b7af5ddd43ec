"""The verdict on a task: who leads, how sure that is, and which cells cannot be told from it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import stdtr

from bench.stats import CELL, Floats, Metric, Pair, Tasks, cell_label, finished, scores

LEVEL = 0.05  # of the whole family of tests


@dataclass(frozen=True)
class Verdict:
    """Who leads a task, how sure that is, and who cannot be told from it.

    There is no winner where nothing was evaluated or nothing survived. `mean` and `half_width` (of its
    interval) are the winner's, `cells` and `seeds` what was evaluated.
    """

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
        if self.winner is None and self.cells == 0:
            return "No cell was evaluated, so there is nothing to compare."
        if self.winner is None:
            lost = "Every evaluated network" if np.isfinite(self.mean) else "A network of every cell"
            return f"{lost} diverged, so there is nothing to compare."
        who = cell_label(*self.winner)
        value = f"{self.metric.told(self.mean, self.half_width)} test {self.metric.name}"
        return _sentence(who, value, others=self.cells - 1, tied=len(self.tied))


def _sentence(who: str, value: str, others: int, tied: int) -> str:
    if others == 0:
        return f"{who} reaches {value}; it is the only cell, so there is nothing to compare it with."
    if others == 1:
        return f"{who} leads at {value}; the other cell can{'not' * tied} be told from it."
    if tied == 0:
        return f"{who} leads at {value}; each of the {others} other cells can be told from it."
    if tied == others:
        return f"{who} has the best mean, {value}, but none of the {others} other cells can be told from it."
    return f"{who} leads at {value}; {tied} of the {others} other cells cannot be told from it."


def leader(table: pd.DataFrame, task: str) -> "pd.Series[Any] | None":
    """The row of the best evaluated cell of `task`; of equals the one soonest at the target."""
    rows = table[(table["task"] == task) & table["rank"].notna()]
    return rows.sort_values(["rank", "steps_to_target"], kind="stable").iloc[0] if len(rows) else None


def indistinguishable(lanes: pd.DataFrame, tasks: Tasks, task: str, best: Pair) -> tuple[Pair, ...]:
    """The cells of `task` that cannot be told from `best` at 5 %: see `against_best`."""
    table = against_best(lanes, tasks, task, best)
    return tuple(table.loc[table["tied"], CELL[1:]].itertuples(index=False, name=None))


def verdict(lanes: pd.DataFrame, table: pd.DataFrame, tasks: Tasks, task: str) -> Verdict:
    """The verdict on `task` from a run's lanes and its `convergence` table."""
    metric, best = Metric.of(tasks[task]), leader(table, task)
    cells = int((table["seeds"] > 0).groupby(table["task"]).sum().get(task, 0))
    if best is None:
        return Verdict(task, None, np.nan, np.nan, (), 0, 0, metric)
    mean, seeds = float(best["test_metric"]), int(best["seeds"])
    if mean == metric.worst:
        return Verdict(task, None, mean, np.nan, (), cells, seeds, metric)
    winner = (str(best["activation"]), str(best["optimizer"]))
    tied = indistinguishable(lanes, tasks, task, winner)
    spread = _half_width(best["ci_low"], best["ci_high"])
    return Verdict(task, winner, mean, spread, tied, cells, seeds, metric)


def _half_width(low: float, high: float) -> float:
    return (high - low) / 2 if np.isfinite(low) and np.isfinite(high) else np.nan


def against_best(lanes: pd.DataFrame, tasks: Tasks, task: str, best: Pair) -> pd.DataFrame:
    """Each other evaluated cell of `task` against `best`: two-sided paired t tests, with Holm over the cells.

    Every cell is evaluated with the same seeds, hence the same first weights and order of data: the
    difference d is taken seed by seed. `t = mean(d) / sqrt((var(d) + q²/6) / n)`, where q is the smallest gap
    between two scores of the task: scores counted in steps of q carry the variance q²/12 each, so that equal
    differences on few seeds are not mistaken for certainty. An infinite score stands at the worst finite one.
    Fewer than two shared seeds: p = 1.

    What it holds to: the truly best cell is `best` or tied with it at least 95 times in 100. It does not hold
    to telling no equal cells apart: `best` was picked for being high, so among many equal cells some will be.
    Source: Hsu, Multiple Comparisons: Theory and Methods, 1996, chapter 4, for the reading as a set of
    possible bests. Columns: activation, optimizer, difference, p_value (adjusted), tied (p_value of 5 % or
    more).
    """
    done = finished(lanes[lanes["task"] == task], "evaluate")
    done = done.assign(score=scores(done, "test_metric", tasks))
    table = done.pivot_table(index=CELL[1:], columns="seed", values="score", sort=False)
    values = _finite(table, Metric.of(tasks[task]).sign)
    difference = values.sub(values.loc[best]).drop(index=best)
    p = holm(_paired_t(difference.to_numpy(), resolution(values.to_numpy())))
    result = difference.mean(axis=1).rename("difference").reset_index()
    return result.assign(p_value=p, tied=p >= LEVEL)


def _finite(table: pd.DataFrame, sign: int) -> pd.DataFrame:
    finite = table.to_numpy()[np.isfinite(table.to_numpy())]
    worst = sign * (sign * finite).min() if len(finite) else 0.0
    return table.replace([np.inf, -np.inf], worst)


def resolution(values: Floats) -> float:
    """The smallest gap between any two of `values` that is not float32's rounding; 0 where there is none."""
    gaps = np.diff(np.unique(values[np.isfinite(values)]))
    gaps = gaps[gaps > 1e-7]  # closer than that is float32's rounding
    return float(gaps.min()) if len(gaps) else 0.0


def _paired_t(difference: Floats, resolution: float) -> Floats:
    """Two-sided p-values [cells] of differences [cells, seeds], NaN where a seed is missing."""
    p = np.ones(len(difference))
    count = np.isfinite(difference).sum(axis=1)
    rows = count >= 2
    if not rows.any():
        return p
    n, d = count[rows], difference[rows]
    mean, variance = np.nanmean(d, axis=1), np.nanvar(d, axis=1, ddof=1) + resolution**2 / 6
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(mean == 0, 0.0, np.abs(mean) / np.sqrt(variance / n))
    p[rows] = 2 * stdtr(n - 1, -t)
    return p


def holm(p_values: ArrayLike) -> Floats:
    """Holm's adjusted p-values [n] of a family of tests: `max over j <= i of min(1, (n - j + 1) p_(j))`.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(np.minimum(1, p[order] * np.arange(len(p), 0, -1)))
    return adjusted
