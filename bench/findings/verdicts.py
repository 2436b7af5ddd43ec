"""The verdict on a task: who leads, how sure that is, and which cells cannot be told from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.labels import few_cells, significant, steps
from bench.stats import (
    CELL,
    Floats,
    Metric,
    Pair,
    Tasks,
    cell_label,
    finished,
    holm,
    moderated_tests,
    score_table,
    scores,
    seeds_needed,
    smallest_seen,
)
from bench.stats.moderated import LEVEL, lenders

LEADER, TIED, LOST_MORE = "leader", "level", "lost"
NOISY = "noisy"  # of those that are level, for a figure: see `Verdict.near`


@dataclass(frozen=True)
class Verdict:
    """Who leads a task, how sure that is, and who cannot be told from it.

    There is no winner where nothing was evaluated or nothing survived. `mean`, `half_width` (of its interval) and
    learning `rate` are the winner's, `cells` and `seeds` what was evaluated, of `planned` cells. `equals` are the cells
    of the best mean, the winner first, and their steps to the target. `lost` are the cells that lost more seeds than
    the winner, and how many: they are no equals of it, whatever a test says. `how` is what became of networks that did
    not survive. `seen` is the difference from the winner that the seeds see in four of five runs, 0 where unknown.
    `against` has of each other cell its mean less the winner's, seed by seed, and the adjusted p-value of that.
    """

    task: str
    winner: Pair | None
    mean: float
    half_width: float
    tied: tuple[Pair, ...]
    cells: int
    seeds: int
    metric: Metric
    equals: Mapping[Pair, float] = field(default_factory=dict)
    planned: int = 0
    rate: float = np.nan
    lost: Mapping[Pair, int] = field(default_factory=dict)
    how: str = "diverged"
    seen: float = 0.0
    against: Mapping[Pair, tuple[float, float]] = field(default_factory=dict)

    def mark(self, pair: Pair) -> str:
        """What it says of a cell: `leader`, `level` (cannot be told from it), `lost` (more seeds) or nothing."""
        marks = {LEADER: pair == self.winner, TIED: pair in self.tied, LOST_MORE: pair in self.lost}
        return next((name for name, holds in marks.items() if holds), "")

    @property
    def near(self) -> tuple[Pair, ...]:
        """Those of `tied` whose mean is no farther behind than the seeds can see.

        Of the others it is their own noise, or too few seeds of them, that no test tells them from the winner.
        """
        behind = {pair: -self.metric.sign * self.against[pair][0] for pair in self.tied}
        return tuple(pair for pair in self.tied if behind[pair] <= self.seen)

    @property
    def at_end(self) -> bool:
        """Whether several cells reach the best value of the metric on every seed."""
        return len(self.equals) > 1 and bool(np.isclose(self.mean, self.metric.best, rtol=1e-5))

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
        who, others = cell_label(*self.winner), self.cells - 1
        value = f"{self.metric.told(self.mean, self.half_width)} test {self.metric.name}"
        if self.at_end:
            return self._at_end(f"{self.metric.told(self.mean)} test {self.metric.name}")
        if others == 0:
            only = f"one of {self.planned} cells that was evaluated" if self.planned > 1 else "cell"
            return f"{who} reaches {value}; it is the only {only}, so there is nothing to compare it with."
        if others == len(self.lost):
            rest = "the other cell" if others == 1 else f"each of the {others} other cells"
            return f"{who} leads at {value}; {rest} {self._fell()}."
        if len(self.equals) > 1:
            value = f"{value} (equalled by {few_cells(pair for pair in self.equals if pair != self.winner)})"
        head = f"has the best mean, {value}, but" if 2 * len(self.tied) > others else f"leads at {value};"
        return f"{who} {head} {self._told_apart(others)}."

    def _told_apart(self, others: int) -> str:
        """How many of so many others can or cannot be told from the winner, and what became of those that were lost."""
        tied, lost = len(self.tied), len(self.lost)
        count, can = (tied, "cannot") if tied else (others - lost, "can")
        if others == 1:
            return f"the other cell {can} be told from it"
        if count == others:
            return f"{'none' if tied else 'each'} of the {others} other cells can be told from it"
        return "; ".join([f"{count} of the {others} other cells {can} be told from it", *self._losses(others - count)])

    def _losses(self, rest: int) -> list[str]:
        """That cells of the `rest` were left out of the comparison; empty where none was."""
        lost = len(self.lost)
        if not lost:
            return []
        if lost == rest:
            return [f"the {'other one' if lost == 1 else f'other {lost}'} {self._fell()}"]
        return [f"{'one' if lost == 1 else lost} of the rest {self._fell()}"]

    def _fell(self) -> str:
        """What became of the lost cells."""
        (first, *more) = self.lost.values()
        return f"{self.how} on {'more seeds than the leader' if more else f'{first} of its {self.seeds} seeds'}"

    def _at_end(self, value: str) -> str:
        ends = len(self.equals)
        every = "Both" if self.cells == 2 else f"All {self.cells}"
        count = every if ends == self.cells else f"{ends} of {self.cells}"
        end = "ceiling" if self.metric.sign > 0 else "floor"
        least = min(self.equals.values())
        soonest = few_cells(pair for pair, steps in self.equals.items() if steps == least)
        after = f"; soonest at the target: {soonest}, after {steps(least)} steps" if np.isfinite(least) else ""
        more = len(self.tied) - (ends - 1)
        level = [f"{more} more cannot be told from them"] * (more > 0)
        rest = "; ".join([*level, *self._losses(self.cells - ends - more)])
        rest = f" {rest[0].upper()}{rest[1:]}." if rest else ""
        return f"{count} cells reach the {end}, {value}, on every seed{after}.{rest}"


def leader(table: pd.DataFrame, task: str) -> "pd.Series[Any] | None":
    """The row of the best evaluated cell of `task`; of equals the one soonest at the target."""
    rows = table[(table["task"] == task) & table["rank"].notna()]
    return rows.sort_values(["rank", "steps_to_target"], kind="stable").iloc[0] if len(rows) else None


def verdict(lanes: pd.DataFrame, table: pd.DataFrame, tasks: Tasks, task: str) -> Verdict:
    """The verdict on `task` from a run's lanes and its `convergence` table."""
    best, own = leader(table, task), table[table["task"] == task]
    metric = _metric(Metric.of(tasks[task]), own, best)
    cells = int((table["seeds"] > 0).groupby(table["task"]).sum().get(task, 0))
    if best is None:
        return Verdict(task, None, np.nan, np.nan, (), 0, 0, metric)
    mean, seeds, planned = float(best["test_metric"]), int(best["seeds"]), len(own)
    how = [status for status in LOST if (_lost(lanes, task)["status"] == status).any()]
    if mean == metric.worst:
        how += _at_worst(lanes, tasks, task)
        return Verdict(task, None, mean, np.nan, (), cells, seeds, metric, planned=planned, how=" or ".join(how))
    winner = (str(best["activation"]), str(best["optimizer"]))
    others = against_best(lanes, tasks, task, winner).set_index(CELL[1:])
    equals = own[own["rank"] == best["rank"]].sort_values("steps_to_target", kind="stable")
    return Verdict(
        task,
        winner,
        mean,
        _half_width(best["ci_low"], best["ci_high"]),
        tuple(others.index[others["tied"]]),
        cells,
        seeds,
        metric,
        equals=equals.set_index(CELL[1:])["steps_to_target"].to_dict(),
        planned=planned,
        rate=float(best["learning_rate"]),
        lost=others["lost"][others["more_lost"]].to_dict(),
        how=" or ".join(how) or "diverged",
        seen=_seen(others, seeds),
        against={row.Index: (row.difference, row.p_value) for row in others.itertuples()},
    )


def cells(lanes: pd.DataFrame, table: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """The `convergence` table with what the verdict on its task says of each cell.

    Columns beside its own: `verdict` (leader, level, lost, or behind; empty without a score or a leader), the
    `difference` of its mean from the leader's, and the `p_value` of that.
    """
    found = {task: verdict(lanes, table, tasks, task) for task in tasks}
    rows = list(zip(table["task"], zip(table["activation"], table["optimizer"], strict=True), strict=True))
    scored = table["test_metric"].notna() & table["task"].map({t: v.winner is not None for t, v in found.items()})
    told = [found[task].mark(pair) or "behind" * bool(has) for (task, pair), has in zip(rows, scored, strict=True)]
    against = [found[task].against.get(pair, (np.nan, np.nan)) for task, pair in rows]
    columns = dict(zip(("difference", "p_value"), np.array(against, dtype=float).reshape(-1, 2).T, strict=True))
    return table.assign(verdict=told, **columns)


def _at_worst(lanes: pd.DataFrame, tasks: Tasks, task: str) -> list[str]:
    """What is so of networks that were carried through and yet have the worst score there is; empty without any."""
    metric, done = Metric.of(tasks[task]), finished(lanes[lanes["task"] == task], "evaluate")
    if not (scores(done[done["status"] == "ok"], "test_metric", tasks) == metric.worst).any():
        return []
    end = f"of {metric.told(metric.worst)}, the worst there is" if np.isfinite(metric.worst) else "that is not finite"
    return [f"has a test {metric.name} {end}"]


def _seen(others: pd.DataFrame, seeds: int) -> float:
    """The difference from the leader that so many `seeds` see in four of five runs, 0 where nothing tells.

    The noise is the median, over the `others` of `against_best` that lost no more seeds than the leader, of the
    standard deviation of their paired differences over the seeds that both kept: a score that stands in for a lost seed
    is no noise. The level is that of the first of Holm's tests. See `stats.smallest_seen`.
    """
    spreads = others.loc[~others["more_lost"], "spread"]
    if spreads.isna().all():
        return 0.0
    return float(smallest_seen(seeds, comparisons=len(others)) * spreads.median())


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
    possible bests. Columns: activation, optimizer, `difference` (mean, cell - best), its `spread` (standard deviation
    over the seeds that both kept), `p_value` (adjusted), `lost` (seeds), `more_lost` (than `best` lost) and `tied`: a
    p_value of 5 % or more and no more seeds lost. A cell that lost more is not the equal of `best` because its scores
    became so scattered that no test tells them from anything.
    """
    table = score_table(lanes, tasks, task)
    place, lost = table.index.get_loc(best), seeds_lost(lanes, task, table)
    p = against_row(Metric.of(tasks[task]).sign * table.to_numpy(), place, lost == 0)
    more = lost > lost[place]
    paired, survived = table.sub(table.loc[best]), table.mask(_fallen(lanes, task, table))
    spread = survived.sub(survived.loc[best]).std(axis=1)
    result = pd.DataFrame({"difference": paired.mean(axis=1), "spread": spread}).reset_index()
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
    """The evaluation lanes of `task` that did not survive, of cells that have a score."""
    done = finished(lanes[lanes["task"] == task], "evaluate")
    return done[done["status"].isin(LOST)]


def _fallen(lanes: pd.DataFrame, task: str, table: pd.DataFrame) -> pd.DataFrame:
    """Which seeds each cell of `table` [cells, seeds] lost."""
    fallen = pd.DataFrame(False, table.index, table.columns)
    for activation, optimizer, seed in _lost(lanes, task)[[*CELL[1:], "seed"]].itertuples(index=False, name=None):
        fallen.loc[(activation, optimizer), seed] = True
    return fallen


def seeds_lost(lanes: pd.DataFrame, task: str, table: pd.DataFrame) -> NDArray[np.int64]:
    """How many seeds each cell [cells] of `table` lost."""
    counts = _lost(lanes, task).groupby(CELL[1:]).size()
    found: NDArray[np.int64] = counts.reindex(table.index, fill_value=0).to_numpy(np.int64)
    return found


def power_line(found: Verdict) -> str:
    """What difference from the leader the seeds can see, and how many it would take to see half of that.

    A sentence, or "" where that is not known. See `Verdict.seen`.
    """
    if not found.seen > 0:
        return ""
    spreads = smallest_seen(found.seeds, comparisons=found.cells - 1)
    half = seeds_needed(spreads / 2, 1.0, comparisons=found.cells - 1)
    text = (
        f"With {found.seeds:,} seeds there is an 80 % chance to detect a cell {found.metric.difference(found.seen)} "
        f"behind the leader ({significant(spreads, 2)} standard deviations of the paired difference)"
    )
    return f"{text}; half of that gap would need {half:,} seeds." if half else f"{text}."
