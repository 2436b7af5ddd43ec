"""Between cells: by how much, how surely, how often one is better, and how many seeds it would take to see it."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import nctdtr, stdtr, stdtrit

from bench.lazy import Lazy
from bench.stats.cells import bootstrap_interval
from bench.stats.metric import CELL, Floats, Metric, Tasks, score_table
from bench.stats.moderated import LEVEL, fitted_prior, resolution, row_means, row_variances

if TYPE_CHECKING:
    import scipy.stats as distributions
else:
    distributions = Lazy("scipy.stats")  # half a second that only a rank test is worth

MOST_SEEDS = 100_000
MOST_EXACT = 50  # differences whose signs are counted out


def probability_of_improvement(x: ArrayLike, y: ArrayLike) -> float:
    """P(a draw of x is above one of y), ties a half: `mean over i, j of [x_i > y_j] + [x_i = y_j] / 2`.

    `x` [n], `y` [m]: scores of which more is better, a diverged lane's already at the worst.
    Source: Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, 2021.
    """
    return (1 + cliffs_delta(x, y)) / 2


def cliffs_delta(x: ArrayLike, y: ArrayLike) -> float:
    """Effect size in ranks: P(x > y) - P(x < y), from -1 to 1; 0 where neither is above the other.

    Source: Cliff, Dominance Statistics, 1993.
    """
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    above: Floats = np.sign(np.greater.outer(a, b) * 1.0 - np.less.outer(a, b))
    return float(above.mean())


def cohens_dz(difference: ArrayLike) -> float:
    """Effect size of paired differences [n]: mean(d) / sd(d), what a paired t test sees; 0 where all are 0.

    Source: Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, section 2.3.5.
    """
    d = np.asarray(difference, dtype=float)
    mean, spread = d.mean(), d.std(ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return 0.0 if mean == 0 else float(mean / spread)


def holm(p_values: ArrayLike) -> Floats:
    """Holm's adjusted p-values [n] of a family of tests: `max over j <= i of min(1, (n - j + 1) p_(j))`.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(np.minimum(1, p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def signed_rank(differences: ArrayLike) -> Floats:
    """Two-sided p-values [rows] of Wilcoxon's signed-rank test on each row of differences [rows, n].

    NaN are left out, zero differences too; a row without any other has p = 1. Exact up to 50 differences, equal ones
    sharing their mean rank. Below six differences p cannot fall below 5 %: at n = 5 the least is 1/16.
    Source: Wilcoxon, Individual Comparisons by Ranking Methods, 1945.
    """
    rows = np.atleast_2d(np.asarray(differences, dtype=float))
    return np.array([_signed_rank(row[np.isfinite(row) & (row != 0)]) for row in rows])


def _signed_rank(row: Floats) -> float:
    if not len(row):
        return 1.0
    if len(row) > MOST_EXACT:
        return float(distributions.wilcoxon(row, method="asymptotic").pvalue)
    twice = (2 * distributions.rankdata(np.abs(row))).astype(int)  # whole numbers, where ranks are shared as well
    ways = np.zeros(twice.sum() + 1)  # in which a sum of ranks comes about, over all signs
    ways[0] = 1
    for rank in twice:
        ways[rank:] += ways[:-rank].copy()
    positive = int(twice[row > 0].sum())
    low = min(positive, int(twice.sum()) - positive)
    return float(min(1.0, 2 * ways[: low + 1].sum() / 2.0 ** len(row)))


def seeds_needed(
    difference: float, spread: float, power: float = 0.8, level: float = LEVEL, comparisons: int = 1
) -> int | None:
    """The fewest seeds with which a paired t test sees `difference` with probability `power`.

    `spread` is the standard deviation of the seed-by-seed differences; the test is two-sided at
    `level / comparisons`. Power is that of the noncentral t: P(|T| > t_crit) at n - 1 degrees of freedom with
    noncentrality sqrt(n) difference / spread. None where more than 100,000 would be needed.
    Source: Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, section 2.3.5.
    """
    effect = abs(difference) / spread if spread > 0 else np.inf
    if not effect > 0 or _power(MOST_SEEDS, effect, level / comparisons) < power:
        return None
    low, high = 1, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(middle, effect, level / comparisons) >= power else (middle, high)
    return high


def smallest_seen(seeds: int, power: float = 0.8, level: float = LEVEL, comparisons: int = 1) -> float:
    """The smallest difference that so many `seeds` see with probability `power`, in standard deviations of it.

    What `seeds_needed` asks, the other way round, to three digits. Fewer than two seeds see none: infinite.
    """
    if seeds < 2:
        return np.inf
    low, high = 0.0, 1.0
    while _power(seeds, high, level / comparisons) < power:
        high *= 2
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if _power(seeds, middle, level / comparisons) >= power else (middle, high)
    return high


def _power(seeds: int, effect: float, level: float) -> float:
    if not np.isfinite(effect):
        return 1.0
    shift = np.sqrt(seeds) * effect
    critical = stdtrit(seeds - 1, 1 - level / 2)
    if shift - critical > 8:  # where the noncentral distribution is costly and its tail beyond doubles
        return 1.0
    return float(1 - nctdtr(seeds - 1, shift, critical))


def paired_differences(lanes: pd.DataFrame, tasks: Tasks, task: str, base: tuple[str, str]) -> pd.DataFrame:
    """Each other evaluated cell of `task` against `base`, seed by seed.

    Columns: activation, optimizer, `seeds` (shared), `difference` (mean, cell - base, in the metric's own
    direction), `ci_low` and `ci_high` (95 % bootstrap over the paired differences), `improvement` (probability
    that a seed of the cell's is better than one of the base's), `cliffs_delta` and
    `cohens_dz` (both positive where the cell is the better) and `wilcoxon` (p of the signed-rank test, with Holm over
    the cells).
    """
    sign, table = Metric.of(tasks[task]).sign, score_table(lanes, tasks, task)
    reference = table.loc[base].to_numpy()
    others = table.drop(index=[base])
    differences = others.to_numpy() - reference
    both = zip(others.to_numpy(), differences, strict=True)
    rows = [_paired(row, reference, d[np.isfinite(d)], sign) for row, d in both]
    found = pd.DataFrame(rows, columns=PAIRED, index=others.index)
    return found.assign(wilcoxon=holm(signed_rank(differences)) if len(others) else []).reset_index()


PAIRED = ["seeds", "difference", "ci_low", "ci_high", "improvement", "cliffs_delta", "cohens_dz"]


def _paired(row: Floats, reference: Floats, difference: Floats, sign: int) -> list[float]:
    delta = cliffs_delta(sign * row[np.isfinite(row)], sign * reference[np.isfinite(reference)])
    if not len(difference):
        return [0, np.nan, np.nan, np.nan, (1 + delta) / 2, delta, np.nan]
    effect = sign * cohens_dz(difference) if len(difference) > 1 else np.nan
    interval = bootstrap_interval(difference)
    return [len(difference), float(difference.mean()), *interval, (1 + delta) / 2, delta, effect]


def between_runs(first: pd.DataFrame, second: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """Each cell that two runs evaluated: second - first, and whether they differ at 5 %, Holm over all cells.

    `first`, `second`: lanes. Two-sided t tests of the means; where both runs have the same seeds, of the differences
    seed by seed. The noise of a cell is its own or, where that is less, what it becomes beside all others of the task:
    see `stats.moderated_tests`. Columns: the cell, `difference`, `paired`, `p_value` (adjusted), `differs`.
    """
    both = {task: [score_table(lanes, tasks, task) for lanes in (first, second)] for task in tasks}
    found = pd.concat([_between(*tables).assign(task=task) for task, tables in both.items()], ignore_index=True)
    found["p_value"] = holm(found["p_value"])
    return found.assign(differs=found["p_value"] < LEVEL)[[*CELL, "difference", "paired", "p_value", "differs"]]


def _between(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """The tests of one task, of two tables [cells, seeds]; p-values not adjusted."""
    cells = first.index.intersection(second.index)
    one, two = first.loc[cells], second.loc[cells]
    paired = set(one.columns) == set(two.columns)
    a, b = one.to_numpy(), two.reindex(columns=one.columns).to_numpy() if paired else two.to_numpy()
    step = resolution(np.concatenate([a.ravel(), b.ravel()])) ** 2 / 12
    if paired:
        n = m = np.isfinite(b - a).sum(axis=1)
        freedom, variance = n - 1.0, row_variances(b - a) / 2 + step
        difference = row_means(b - a)
    else:
        n, m = np.isfinite(a).sum(axis=1), np.isfinite(b).sum(axis=1)
        freedom = n + m - 2.0
        squares = row_variances(a) * np.maximum(n - 1, 0) + row_variances(b) * np.maximum(m - 1, 0)
        variance, difference = squares / np.maximum(freedom, 1) + step, row_means(b) - row_means(a)
    usable = (freedom > 0) & (np.minimum(n, m) > 0)
    lent, prior = fitted_prior(variance[usable], freedom[usable])
    noise = np.maximum(variance, (lent * prior + freedom * variance) / np.maximum(lent + freedom, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(difference == 0, 0.0, np.abs(difference) / np.sqrt(noise * (1 / n + 1 / m)))
    p = np.where(usable, 2 * stdtr(np.maximum(lent + freedom, 1), -t), 1.0)
    return cells.to_frame(index=False).assign(difference=difference, paired=paired, p_value=p)
