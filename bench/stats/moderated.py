"""Tests between cells that lend each other their noise: a few seeds say little of one cell's, all cells say more."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri, polygamma, psi, stdtr

from bench.stats.metric import Floats

LEVEL = 0.05  # of a whole family of tests
OWN_SHARE = 0.05  # of a level, spent on a pair's own differences
ROUNDING = 4 * 2.0**-23  # scores are float32: what is closer, as a share of the largest of them, is no step
FAR_NOISIER = 1e-3  # the chance below which a cell of another's noise would not look as quiet as this one does


def resolution(values: Floats) -> float:
    """The smallest step between two of `values` [...]; a score in steps of q carries the variance q²/12."""
    found = np.unique(values[np.isfinite(values)])
    gaps = np.diff(found)
    gaps = gaps[gaps > ROUNDING * np.abs(found).max(initial=0)]
    return float(gaps.min()) if len(gaps) else 0.0


def lenders(values: Floats, best: int) -> NDArray[np.bool_]:
    """The cells [cells] of `values` [cells, seeds] whose noise may be that of row `best`, or of those in front with it.

    Left out are cells that a paired t test alone tells from `best` at 5 %, one-sided and not corrected for its many
    uses: what is far behind may be far noisier or never have learned anything. And cells so noisy that `best`, were it
    one of them, would look as quiet as it does once in 1,000 times: an F test of the two variances.
    """
    difference, step = values[best] - values, resolution(values) ** 2 / 12
    count = np.isfinite(difference).sum(axis=1)
    own = row_variances(difference) + 2 * step
    freedom = np.maximum(np.isfinite(values).sum(axis=1) - 1, 1)
    noise = row_variances(values) + step
    with np.errstate(divide="ignore", invalid="ignore"):
        t = row_means(difference) / np.sqrt(own / count)
        far = (count >= 2) & (stdtr(np.maximum(count - 1, 1), -t) < LEVEL)
        noisier = noise > noise[best] * fdtri(freedom, freedom[best], 1 - FAR_NOISIER)
    found: NDArray[np.bool_] = ~(far | noisier)
    found[best] = True
    return found


def moderated_tests(values: Floats, pairs: NDArray[np.int64], usable: NDArray[np.bool_]) -> Floats:
    """Two-sided p-values [m], not adjusted, of `values[i] - values[j]` for `pairs` [m, 2] of rows i, j.

    `values` [cells, seeds], NaN where a cell lacks a seed; `usable` [cells] says which cells speak for the noise.

    1. Residuals without the means of cells and seeds give each cell a variance s² with n - 1 degrees of freedom.
    2. Over the usable cells a prior is fitted: log s² varies as log F(n - 1, d0) does, which gives its degrees of
       freedom d0; its variance s0² is that of the fit or the mean s², whichever is more. The more alike cells
       are, the larger is d0.
    3. Each cell's variance becomes (d0 s0² + (n - 1) s²) / (d0 + n - 1); that of j, the better one, at least s0²:
       it was picked for being high, and among noisy cells the lucky one looks quiet.
    4. A pair's variance is the sum of both or that of its own paired differences, whichever is more, so that a
       cell noisier than the rest is judged by its own noise.
    5. t = mean(d) / sqrt(variance / n), with d0 + n - 1 degrees of freedom, at most those of the usable cells
       together.
    6. Noise lent by others can hide a pair that stands far apart on every seed, so that a paired t test of its own
       differences counts too: p = min(p of 5 / 0.95, p of its own / 0.05), Bonferroni's inequality with unequal parts.

    Fewer than three usable cells lend nothing (d0 = 0): p is that of each pair's own paired t test. Fewer than two
    shared seeds: p = 1.
    Source: Smyth, Linear Models and Empirical Bayes Methods for Assessing Differential Expression, 2004, for 2
    and 3; the guards are ours, see docs/statistics.md for what they hold to.
    """
    step = resolution(values) ** 2 / 12
    counts = np.isfinite(values).sum(axis=1)
    usable = usable & (counts >= 2)
    own = _cell_variances(values, usable) + step
    freedom, prior = fitted_prior(own[usable], counts[usable] - 1.0)
    mine = np.maximum(counts - 1.0, 0)
    moderated = (freedom * prior + np.where(mine > 0, mine * own, 0)) / np.maximum(freedom + mine, 1e-300)
    difference = values[pairs[:, 0]] - values[pairs[:, 1]]
    paired, seeds = row_variances(difference) + 2 * step, np.isfinite(difference).sum(axis=1) - 1
    alone = _t_tests(difference, paired, seeds)
    if not freedom:
        return alone
    both = moderated[pairs[:, 0]] + np.maximum(moderated[pairs[:, 1]], prior)
    together = max(float(mine[usable].sum() - mine[usable].max(initial=0)), 1.0)
    lent = _t_tests(difference, np.maximum(both, paired), np.minimum(freedom + seeds, np.maximum(together, seeds)))
    found: Floats = np.minimum(lent / (1 - OWN_SHARE), alone / OWN_SHARE)
    return np.minimum(found, 1)


def _t_tests(difference: Floats, variance: Floats, freedom: Floats) -> Floats:
    """Two-sided p-values [m] of the rows of `difference` [m, seeds], each of that `variance` and `freedom` [m]."""
    shared, mean = np.isfinite(difference).sum(axis=1), row_means(difference)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(mean == 0, 0.0, np.abs(mean) / np.sqrt(variance / shared))
        found: Floats = np.where(shared >= 2, 2 * stdtr(np.maximum(freedom, 1), -t), 1.0)
    return found


def row_means(values: Floats) -> Floats:
    count = np.isfinite(values).sum(axis=1)
    found: Floats = np.nansum(values, axis=1) / np.maximum(count, 1)
    return found


def row_variances(values: Floats) -> Floats:
    count = np.isfinite(values).sum(axis=1)
    off = values - row_means(values)[:, None]
    found: Floats = np.nansum(off**2, axis=1) / np.maximum(count - 1, 1)
    return found


def _cell_variances(values: Floats, usable: NDArray[np.bool_]) -> Floats:
    """Variances [cells] of what cell and seed do not explain, the seeds' effects read off the c usable cells alone.

    A usable cell's residual holds 1 - 1 / c of its noise, another's 1 + 1 / c.
    """
    off = values - row_means(values)[:, None]
    off = off - row_means(off[usable].T)[None, :]
    usables, count = int(usable.sum()), np.isfinite(values).sum(axis=1)
    held = np.where(usable, usables - 1, usables + 1) / max(usables, 1)
    found: Floats = np.nansum(off**2, axis=1) / np.maximum(count - 1, 1) / np.maximum(held, 1e-9)
    return found


def fitted_prior(variances: Floats, freedom: Floats) -> tuple[float, float]:
    """Degrees of freedom d0 and variance s0² of the prior that `variances` [cells] come from."""
    if len(variances) < 3 or not (variances > 0).all():
        return 0.0, 0.0
    half = freedom / 2
    logs = np.log(variances) - psi(half) + np.log(half)
    excess = float(logs.var(ddof=1) - polygamma(1, half).mean())
    if excess <= 1e-6:
        return 1e6, float(max(np.exp(logs.mean()), variances.mean()))
    d0 = 2 * _trigamma_inverse(excess)
    fitted = np.exp(logs.mean() + psi(d0 / 2) - np.log(d0 / 2))
    return d0, float(max(fitted, variances.mean()))


def _trigamma_inverse(value: float) -> float:
    """x > 0 with ψ'(x) = value, by Newton's steps on 1 / ψ', which is nearly straight. Smyth 2004, appendix."""
    x = 0.5 + 1 / value
    for _ in range(50):
        now = float(polygamma(1, x))
        step = now * (1 - now / value) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-9 * x:
            break
    return x
