"""Between cells: by how much, how surely, how often one is better, and how many seeds it would take to see it."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import nctdtr, stdtrit

from bench.lazy import Lazy
from bench.stats.metric import Floats
from bench.stats.moderated import LEVEL

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


POWER = 0.8  # the chance of seeing a difference that counts as seeing it


def seeds_needed(difference: float, spread: float, comparisons: int = 1) -> int | None:
    """The fewest seeds with which a paired t test sees `difference` with probability `POWER`.

    `spread` is the standard deviation of the seed-by-seed differences; the test is two-sided at
    `LEVEL / comparisons`. Power is that of the noncentral t: P(|T| > t_crit) at n - 1 degrees of freedom with
    noncentrality sqrt(n) difference / spread. None where more than 100,000 would be needed.
    Source: Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, section 2.3.5.
    """
    effect = abs(difference) / spread if spread > 0 else np.inf
    if not effect > 0 or _power(MOST_SEEDS, effect, LEVEL / comparisons) < POWER:
        return None
    low, high = 1, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(middle, effect, LEVEL / comparisons) >= POWER else (middle, high)
    return high


def smallest_seen(seeds: int, comparisons: int = 1) -> float:
    """The smallest difference that so many `seeds` see with probability `POWER`, in standard deviations of it.

    What `seeds_needed` asks, the other way round, to three digits. Fewer than two seeds see none: infinite.
    """
    if seeds < 2:
        return np.inf
    low, high = 0.0, 1.0
    while _power(seeds, high, LEVEL / comparisons) < POWER:
        high *= 2
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if _power(seeds, middle, LEVEL / comparisons) >= POWER else (middle, high)
    return high


def _power(seeds: int, effect: float, level: float) -> float:
    if not np.isfinite(effect):
        return 1.0
    shift = np.sqrt(seeds) * effect
    critical = stdtrit(seeds - 1, 1 - level / 2)
    if shift - critical > 8:  # where the noncentral distribution is costly and its tail beyond doubles
        return 1.0
    return float(1 - nctdtr(seeds - 1, shift, critical))
