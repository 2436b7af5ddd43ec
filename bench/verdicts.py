"""The verdict on a task: who leads, how sure that is, and which cells cannot be told from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.stats import (
    CELL,
    Floats,
    Metric,
    Pair,
    Tasks,
    cell_label,
    holm,
    moderated_tests,
    score_table,
    seeds_needed,
    smallest_seen,
)
from bench.stats.moderated import LEVEL, lenders


@dataclass(frozen=True)
class Verdict:
    """Who leads a task, how sure that is, and who cannot be told from it.

    There is no winner where nothing was evaluated or nothing survived. `mean`, `half_width` (of its interval) and
    learning `rate` are the winner's, `cells` and `seeds` what was evaluated, of `planned` cells. `lost` are the cells
    that lost more seeds than the winner, and how many: they are no equals of it, whatever a test says. `how` is what
    became of networks that did not survive.
    """

    task: str
    winner: Pair | None
    mean: float
    half_width: float
    tied: tuple[Pair, ...]
    cells: int
    seeds: int
    metric: Metric
    at_end: int = 0  # how many cells, if several, reach the best value of the metric on every seed
    steps: float = np.inf  # of the winner to the target
    planned: int = 0
    rate: float = np.nan
    lost: Mapping[Pair, int] = field(default_factory=dict)
    how: str = "diverged"

    @property
    def sentence(self) -> str:
        """The verdict as one sentence, and another where cells are missing."""
        rest = f" Only {self.cells} of {self.planned} cells were evaluated." if 1 < self.cells < self.planned else ""
        return self._found() + rest

    def _found(self) -> str:
        if self.winner is None and self.cells == 0:
            return "No cell was evaluated, so there is nothing to compare."
        if self.winner is None:
            lost = "Every evaluated network" if np.isfinite(self.mean) else "A network of every cell"
            return f"{lost} {self.how}, so there is nothing to compare."
        who = cell_label(*self.winner)
        value = f"{self.metric.told(self.mean, self.half_width)} test {self.metric.name}"
        if self.at_end:
            return self._at_end(who, f"{self.metric.told(self.mean)} test {self.metric.name}") + self._losses()
        if self.cells == 1:
            only = f"one of {self.planned} cells that was evaluated" if self.planned > 1 else "cell"
            return f"{who} reaches {value}; it is the only {only}, so there is nothing to compare it with."
        others = self.cells - 1 - len(self.lost)
        if others == 0:
            rest = "the other cell" if self.cells == 2 else f"each of the {self.cells - 1} other cells"
            return f"{who} leads at {value}; {rest} {self.how} on {self._more_seeds()}."
        return _sentence(who, value, others, tied=len(self.tied)) + self._losses()

    def _losses(self) -> str:
        """That cells were left out of the comparison, as a sentence; "" where none was."""
        count = len(self.lost)
        return f" Another {count if count > 1 else 'one'} {self.how} on {self._more_seeds()}." if count else ""

    def _more_seeds(self) -> str:
        return f"{min(self.lost.values())} of its {self.seeds} seeds" if len(self.lost) == 1 else "more seeds than it"

    def _at_end(self, who: str, value: str) -> str:
        every = "Both" if self.cells == 2 else f"All {self.cells}"
        count = every if self.at_end == self.cells else f"{self.at_end} of {self.cells}"
        end = "ceiling" if self.metric.sign > 0 else "floor"
        after = (
            f"; the soonest at the target is {who}, after {self.steps:,.0f} steps" if np.isfinite(self.steps) else ""
        )
        more = len(self.tied) - (self.at_end - 1)
        rest = f" {more} more cannot be told from them." if more > 0 else ""
        return f"{count} cells reach the {end}, {value}, on every seed{after}.{rest}"


def _sentence(who: str, value: str, others: int, tied: int) -> str:
    if others == 1 and tied:
        return f"{who} has the best mean, {value}, but the other cell cannot be told from it."
    if others == 1:
        return f"{who} leads at {value}; the other cell can be told from it."
    if tied == 0:
        return f"{who} leads at {value}; each of the {others} other cells can be told from it."
    if tied == others:
        return f"{who} has the best mean, {value}, but none of the {others} other cells can be told from it."
    head = f"has the best mean, {value}, but" if 2 * tied > others else f"leads at {value};"
    return f"{who} {head} {tied} of the {others} other cells cannot be told from it."


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
    best, own = leader(table, task), table[table["task"] == task]
    metric = _metric(Metric.of(tasks[task]), own, best)
    cells = int((table["seeds"] > 0).groupby(table["task"]).sum().get(task, 0))
    if best is None:
        return Verdict(task, None, np.nan, np.nan, (), 0, 0, metric)
    mean, seeds, planned = float(best["test_metric"]), int(best["seeds"]), len(own)
    how = " or ".join(status for status in LOST if (_lost(lanes, task)["status"] == status).any()) or "diverged"
    if mean == metric.worst:
        return Verdict(task, None, mean, np.nan, (), cells, seeds, metric, planned=planned, how=how)
    winner = (str(best["activation"]), str(best["optimizer"]))
    others = against_best(lanes, tasks, task, winner).set_index(CELL[1:])
    count = int((np.isclose(own["test_metric"], metric.best, rtol=1e-5) & (own["rank"] == best["rank"])).sum())
    return Verdict(
        task,
        winner,
        mean,
        _half_width(best["ci_low"], best["ci_high"]),
        tuple(others.index[others["tied"]]),
        cells,
        seeds,
        metric,
        at_end=count if count > 1 else 0,
        steps=float(best["steps_to_target"]),
        planned=planned,
        rate=float(best["learning_rate"]),
        lost=others["lost"][others["more_lost"]].to_dict(),
        how=how,
    )


def _metric(metric: Metric, table: pd.DataFrame, best: "pd.Series[Any] | None") -> Metric:
    """The metric with the decimals of one task's `table`, led by `best`."""
    if best is None:
        return metric
    ends = table["ci_low"], table["ci_high"]
    own = _half_width(best["ci_low"], best["ci_high"])
    return metric.fitted(table["test_metric"], [_half_width(low, high) for low, high in zip(*ends, strict=True)], own)


def _half_width(low: float, high: float) -> float:
    return (high - low) / 2 if np.isfinite(low) and np.isfinite(high) else np.nan


def against_best(lanes: pd.DataFrame, tasks: Tasks, task: str, best: Pair) -> pd.DataFrame:
    """Each other evaluated cell of `task` against `best`: two-sided moderated t tests, with Holm over the cells.

    Every cell is evaluated with the same seeds, hence the same first weights and order of data: differences are
    taken seed by seed, and the noise is that of all cells which are not far behind: `stats.moderated_tests`. Cells that
    lost a seed to divergence do not speak for it. An infinite score stands at the worst finite one.

    What it holds to, by simulation: the truly best cell is `best` or tied with it more than 95 times in 100, save in
    the extremes that docs/statistics.md names. It does not hold to telling no equal cells apart: `best` was picked for
    being high, so among many equal cells some will be.
    Source: Hsu, Multiple Comparisons: Theory and Methods, 1996, chapter 4, for the reading as a set of
    possible bests. Columns: activation, optimizer, `difference` (mean, cell - best), `p_value` (adjusted), `lost`
    (seeds), `more_lost` (than `best` lost) and `tied`: a p_value of 5 % or more and no more seeds lost. A cell that
    lost more is not the equal of `best` because its scores became so scattered that no test tells them from anything.
    """
    table = score_table(lanes, tasks, task)
    place, lost = table.index.get_loc(best), _seeds_lost(lanes, task, table)
    p = against_row(Metric.of(tasks[task]).sign * table.to_numpy(), place, lost == 0)
    more = lost > lost[place]
    result = table.sub(table.loc[best]).mean(axis=1).rename("difference").reset_index()
    result = result.assign(p_value=p, lost=lost, more_lost=more, tied=(p >= LEVEL) & ~more)
    return result.drop(index=[place]).reset_index(drop=True)


def against_row(values: Floats, best: int, usable: NDArray[np.bool_] | None = None) -> Floats:
    """The adjusted p-values [cells] of `values` [cells, seeds], more being better, against row `best`: there 1."""
    others = np.delete(np.arange(len(values)), best)
    lending = lenders(values, best) & (True if usable is None else usable)
    p = np.ones(len(values))
    p[others] = holm(moderated_tests(values, np.column_stack([others, np.full(len(others), best)]), lending))
    return p


def best_set(values: Floats) -> NDArray[np.bool_]:
    """Which rows of `values` [cells, seeds], more being better, may be the best: the best mean and all tied with it."""
    found: NDArray[np.bool_] = against_row(values, int(np.nanmean(values, axis=1).argmax())) >= LEVEL
    return found


LOST = ("diverged", "failed")


def _lost(lanes: pd.DataFrame, task: str) -> pd.DataFrame:
    """The evaluation lanes of `task` that did not survive."""
    return lanes[(lanes["task"] == task) & (lanes["phase"] == "evaluate") & lanes["status"].isin(LOST)]


def _seeds_lost(lanes: pd.DataFrame, task: str, table: pd.DataFrame) -> NDArray[np.int64]:
    """How many seeds each cell [cells] of `table` lost."""
    counts = _lost(lanes, task).groupby(CELL[1:]).size()
    found: NDArray[np.int64] = counts.reindex(table.index, fill_value=0).to_numpy(np.int64)
    return found


def power_line(lanes: pd.DataFrame, table: pd.DataFrame, tasks: Tasks, task: str, metric: Metric) -> str:
    """What difference from the leader of `task` its seeds can see, and how many it would take to see half of that.

    A sentence, or "" without numbers. The noise is the median over the cells of the standard deviation of their
    differences to the leader, the level that of the first of Holm's tests. See `stats.smallest_seen`.
    """
    best = leader(table, task)
    if best is None:
        return ""
    scores = score_table(lanes, tasks, task)
    others = scores.sub(scores.loc[(best["activation"], best["optimizer"])]).drop(index=[tuple(best[CELL[1:]])])
    spread = float(others.std(axis=1, ddof=1).median()) if len(others) else np.nan
    if not spread > 0:
        return ""
    seeds = int(best["seeds"])
    seen = smallest_seen(seeds, comparisons=len(others))
    half = seeds_needed(seen / 2, 1.0, comparisons=len(others))
    return (
        f"In four of five runs {seeds} seeds see a difference of {metric.difference(seen * spread)} from the leader, "
        f"{seen:.1f} times what it varies by from seed to seed; half of that would take {half:,} seeds."
    )
