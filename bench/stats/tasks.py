"""Across tasks: ranks and their tests, performance profiles, and what changes from one task to another.

Blocks are tasks, never seeds: seeds of one task are not independent evidence about another.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import fdtrc, ndtr

from bench.errors import InputError
from bench.stats.metric import CELL, Floats
from bench.stats.moderated import LEVEL
from bench.stats.pairs import holm, signed_rank

FEWEST_TASKS = 5
CELLS = tuple(CELL[1:])


def rank_table(convergence: pd.DataFrame, by: tuple[str, ...] = CELLS) -> pd.DataFrame:
    """Ranks of entrants x tasks, 1 the best, equal ones share the mean rank; NaN where an entrant is missing.

    `by` names what an entrant is: a cell, or `("optimizer",)`, `("activation",)`, which stand in a task at the mean
    rank of their cells.
    """
    found = convergence.groupby([*by, "task"], sort=False)["rank"].mean().unstack("task")
    ordered = found.reindex(columns=convergence["task"].drop_duplicates())
    return ordered.round(9).rank(method="average")


@dataclass(frozen=True)
class RankTest:
    """Whether entrants differ over tasks, or other `blocks`.

    `refusal` says in words why there is no answer; then numbers are NaN.

    `mean_ranks` [entrants], 1 the best; `chi2` Friedman's statistic, `f` Iman and Davenport's, `p_value` that of
    f; `critical_difference` Nemenyi's, of mean ranks at 5 %; `wilcoxon` [entrants] the signed-rank p of each against
    the best mean rank, with Holm; NaN of the best itself.
    """

    mean_ranks: "pd.Series[float]"
    tasks: int
    chi2: float = np.nan
    f: float = np.nan
    p_value: float = np.nan
    critical_difference: float = np.nan
    wilcoxon: "pd.Series[float] | None" = None
    refusal: str = ""
    blocks: str = "tasks"

    @property
    def level(self) -> list[object]:
        """The entrants whose mean rank is within the critical difference of the best; all where none differ."""
        if self.refusal or not self.p_value < LEVEL:
            return list(self.mean_ranks.index)
        near = self.mean_ranks <= self.mean_ranks.min() + self.critical_difference
        return list(self.mean_ranks.index[near])

    @property
    def least_p(self) -> float:
        """Wilcoxon's p with Holm of an entrant that is behind the best in every block: it cannot be less."""
        return min(1.0, (len(self.mean_ranks) - 1) * 2.0 ** (1 - self.tasks))

    @property
    def too_few(self) -> bool:
        """Whether the entrants differ on the whole, but over too few blocks to tell any two of them apart."""
        return self.p_value < LEVEL <= self.least_p and len(self.level) == len(self.mean_ranks)

    @property
    def sentence(self) -> str:
        """What the test found, in words."""
        if self.refusal:
            return self.refusal
        over = f"{self.tasks} {self.blocks}"
        test = f"Friedman, F = {self.f:.2f}, p = {self.p_value:.2g}"
        if not self.p_value < LEVEL:
            return f"No difference between the {len(self.mean_ranks)} over {over} can be told ({test})."
        head, apart = f"Mean ranks over {over} differ on the whole ({test})", f"{self.critical_difference:.2f} apart"
        if self.too_few:
            few = f"{over} are too few to tell any two of {len(self.mean_ranks)} apart"
            behind = f"even one that is behind the best on every one has p = {self.least_p:.2g} (Wilcoxon, with Holm)"
            return f"{head}, but {few}: no mean ranks are {apart} (Nemenyi), and {behind}."
        return f"{head}; two that are less than {apart} cannot be told from each other (Nemenyi)."


def rank_test(ranks: pd.DataFrame, blocks: str = "tasks") -> RankTest:
    """Friedman's test, Nemenyi's critical difference, and Wilcoxon's tests with Holm, of `ranks` [entrants, tasks].

    `blocks` is what words call the columns. Refused in words: fewer than two entrants, fewer than five tasks, an
    entrant that lacks a task. Where all are tied everywhere there is no difference: chi2 = 0, p = 1. Wilcoxon's test is
    on differences of ranks, as tasks have different metrics.
    Source: Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, 2006.
    """
    mean_ranks = ranks.mean(axis=1)
    refusal = _refusal(ranks, blocks)
    if refusal:
        return RankTest(mean_ranks, ranks.shape[1], refusal=refusal, blocks=blocks)
    chi2, f, p = friedman(mean_ranks.to_numpy(), ranks.shape[1])
    critical = critical_difference(len(ranks), ranks.shape[1])
    return RankTest(mean_ranks, ranks.shape[1], chi2, f, p, critical, _wilcoxon(ranks, mean_ranks), blocks=blocks)


def _refusal(ranks: pd.DataFrame, blocks: str) -> str:
    entrants, count = ranks.shape
    if entrants < 2:
        return "There is nothing to compare across tasks: fewer than two entrants."
    if count < FEWEST_TASKS:
        noun = f"{blocks.removesuffix('s')} is" if count == 1 else f"{blocks} are"
        return f"{count} {noun} too few for a test across {blocks}, which takes at least {FEWEST_TASKS}."
    lacking = int(ranks.isna().any(axis=1).sum())
    if lacking:
        return (
            f"{lacking} of the {entrants} were not evaluated on every task, and incomplete blocks cannot be "
            "ranked: no test across tasks."
        )
    return ""


def friedman(mean_ranks: Floats, tasks: int) -> tuple[float, float, float]:
    """Friedman's chi², Iman and Davenport's F and its p-value, from mean ranks [k] over N tasks.

    chi² = 12 N / (k (k + 1)) (Σ R² - k (k + 1)² / 4), F = (N - 1) chi² / (N (k - 1) - chi²) with k - 1 and
    (k - 1)(N - 1) degrees of freedom. Without correction for ties, which makes it careful.
    Source: Demšar 2006, section 3.2.2; Iman and Davenport 1980.
    """
    k = len(mean_ranks)
    chi2 = max(0.0, 12 * tasks / (k * (k + 1)) * (float((mean_ranks**2).sum()) - k * (k + 1) ** 2 / 4))
    rest = tasks * (k - 1) - chi2
    if rest < 1e-9:
        return chi2, np.inf, 0.0
    f = (tasks - 1) * chi2 / rest
    return chi2, f, float(fdtrc(k - 1, (k - 1) * (tasks - 1), f))


def critical_difference(entrants: int, tasks: int) -> float:
    """Nemenyi's at 5 %: mean ranks of k entrants over N tasks that differ by less cannot be told apart.

    CD = q / √2 sqrt(k (k + 1) / (6 N)), q the 95 % quantile of the range of k standard normals. Source:
    Nemenyi 1963; Demšar 2006, section 3.2.2.
    """
    q = _range_quantile(1 - LEVEL, entrants)
    return q / np.sqrt(2) * float(np.sqrt(entrants * (entrants + 1) / (6 * tasks)))


def _range_quantile(share: float, count: int) -> float:
    """q with P(max - min of `count` standard normals <= q) = `share`: scipy's takes seconds and integrates twice.

    P = k ∫ φ(z) (Φ(z) - Φ(z - q))^(k - 1) dz, by the trapezoidal rule, which is exact to doubles for such a bell.
    """
    z = np.linspace(-9, 9, 721)
    weight = count * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    low, high = 0.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        within = float((weight * (ndtr(z) - ndtr(z - middle)) ** (count - 1)).sum())
        low, high = (middle, high) if within < share else (low, middle)
    return high


def _wilcoxon(ranks: pd.DataFrame, mean_ranks: "pd.Series[float]") -> "pd.Series[float]":
    best = int(mean_ranks.to_numpy().argmin())
    others = np.delete(np.arange(len(ranks)), best)
    values = ranks.to_numpy()
    found = pd.Series(np.nan, index=ranks.index)
    found.iloc[others] = holm(signed_rank(values[others] - values[best]))
    return found


def rank_flips(ranks: pd.DataFrame) -> pd.DataFrame:
    """For each two tasks of `ranks` [entrants, tasks]: of the pairs that both order, how many they order differently.

    Columns: `first`, `second` (tasks), `pairs` (ordered by both, ties in neither), `flips` and `share` of them.
    Half of the pairs flip where one task says nothing about the other.
    """
    rows = []
    columns = list(ranks.columns)
    upper = np.triu_indices(len(ranks), 1)
    order = {task: np.sign(np.subtract.outer(r, r))[upper] for task, r in ((t, ranks[t].to_numpy()) for t in columns)}
    for i, first in enumerate(columns):
        for second in columns[i + 1 :]:
            product = np.nan_to_num(order[first] * order[second])
            pairs, flips = int((product != 0).sum()), int((product < 0).sum())
            rows.append((first, second, pairs, flips, flips / pairs if pairs else np.nan))
    return pd.DataFrame(rows, columns=["first", "second", "pairs", "flips", "share"])


class PerformanceProfile(NamedTuple):
    """`curves`: one row a ratio (index), one column an entrant, the share of tasks done; `scores`: area, 0 to 1."""

    curves: pd.DataFrame
    scores: "pd.Series[float]"


def performance_profile(times: pd.DataFrame, max_ratio: float = 4.0) -> PerformanceProfile:
    """How soon each entrant is done next to the fastest, over all tasks.

    `times` [entrants, tasks], in any unit, infinite where the target was missed. r = time / least time of the
    task; a curve is the share of tasks with r <= ratio, from 1 to `max_ratio`, and an entrant's score the area under
    it over its width: `mean over tasks of clip((max_ratio - r) / (max_ratio - 1), 0, 1)`. A task that all
    miss counts 0 for all. An entrant that is nowhere the fastest changes no other's score. Raises `InputError`
    where a time is missing or negative.
    Source: Dolan and Moré, Benchmarking Optimization Software with Performance Profiles, 2002; the area as in Dahl et
    al., Benchmarking Neural Network Training Algorithms, 2023.
    """
    values = times.to_numpy(dtype=float)
    if np.isnan(values).any() or (values < 0).any():
        raise InputError("performance profile: got a time that is missing or negative; expected all, inf for a miss")
    if not max_ratio > 1:
        raise InputError(f"performance profile: got max_ratio {max_ratio:g}; expected more than 1")
    least = values.min(axis=0, initial=np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(values == least, 1.0, values / least)
    ratios = np.where(np.isfinite(values), ratios, np.inf)
    area = np.clip((max_ratio - ratios) / (max_ratio - 1), 0, 1).mean(axis=1) if values.size else np.zeros(len(times))
    at = np.unique([1.0, max_ratio, *ratios[ratios <= max_ratio]])
    shares = (ratios[None] <= at[:, None, None]).mean(axis=2) if values.size else np.zeros((len(at), len(times)))
    curves = pd.DataFrame(shares, index=pd.Index(at, name="ratio"), columns=times.index)
    return PerformanceProfile(curves, pd.Series(area, index=times.index, name="score"))
