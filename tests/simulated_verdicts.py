"""How often the truly best cell is lost: run as a script, this prints the table of docs/statistics.md."""

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from bench.findings.verdicts import best_set
from bench.stats import LEVEL, holm
from bench.stats.moderated import Floats, row_means, row_variances

BestSet = Callable[[Floats], NDArray[np.bool_]]

# How noisy each of n cells is; the first is the one that is truly best.
SPREADS: dict[str, Callable[[NDArray[np.int64]], Floats]] = {
    "alike": lambda i: np.ones(len(i)),
    "the best noisier": lambda i: 1 + 2.0 * (i == 0),
    "the best much noisier": lambda i: 1 + 9.0 * (i == 0),
    "the best quieter": lambda i: 1 - 0.9 * (i == 0),
    "one much noisier": lambda i: 1 + 9.0 * (i == len(i) - 1),
    "three noisier": lambda i: 1 + 2.0 * (i >= len(i) - 3),
    "three far noisier": lambda i: 1 + 29.0 * (i >= len(i) - 3),
    "half noisier": lambda i: 1 + 2.0 * (i % 2 == 1),
    "half much noisier": lambda i: 1 + 9.0 * (i % 2 == 1),
    "all unlike": lambda i: np.geomspace(0.3, 3, len(i))[::-1],
    "all unlike, the best quietest": lambda i: np.geomspace(0.3, 3, len(i)),
    "noisier as scores fall": lambda i: 1 + i / len(i),
}
TAILS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Floats]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy": lambda rng, shape: rng.standard_t(3, size=shape),
    "ceiling": lambda rng, shape: -np.log1p(np.exp(-rng.normal(size=shape))),  # as of a log-odds that is squashed
    "lucky": lambda rng, shape: rng.exponential(size=shape),
    "unlucky": lambda rng, shape: -rng.exponential(size=shape),
}


def lost(
    tails: str,
    spread: str,
    seeds: int,
    replicates: int,
    gap: float = 0.0,
    cells: int = 20,
    chosen: BestSet = best_set,
    looks: tuple[int, ...] = (),
) -> float:
    """How often the truly best of `cells`, by mean, is not in the set of those that may be it.

    `looks` are numbers of seeds after which that is asked, by default `seeds`: lost after one of them is lost.
    """
    rng = np.random.default_rng(1)
    draws = TAILS[tails](rng, (replicates, cells, seeds))
    draws = (draws - TAILS[tails](rng, (1_000_000,)).mean()) * SPREADS[spread](np.arange(cells))[:, None]
    means = -gap * np.linspace(0, 1, cells)[:, None]
    scores = (one + means + rng.normal(size=(1, seeds)) for one in draws)
    return float(np.mean([not all(chosen(one[:, :count])[0] for count in looks or (seeds,)) for one in scores]))


def told_apart(chosen: BestSet = best_set, cells: int = 42, replicates: int = 100) -> float:
    """How many of `cells`, evenly spread over five standard deviations of a score, are told from the leader."""
    rng = np.random.default_rng(0)
    means = -np.linspace(0, 5, cells)[:, None]
    draws = [means + rng.normal(size=(cells, 5)) + rng.normal(size=5) for _ in range(replicates)]
    return float(np.mean([(~chosen(one)).sum() for one in draws]))


def collapsing(others: int, seeds: int, replicates: int, chosen: BestSet = best_set) -> float:
    """How often the truly best of 42 cells is lost to `others` that are 0.6 points better, but for a rare seed.

    One in ten of their seeds is 50 points worse, so that their true mean is 4.4 points behind. The noise is 0.5 points.
    """
    rng, means = np.random.default_rng(3), 0.95 - np.linspace(0, 0.03, 42)
    means[1 : others + 1] = 0.956
    lost = 0
    for _ in range(replicates):
        values = means[:, None] + 0.005 * rng.normal(size=(42, seeds))
        values[1 : others + 1] -= 0.5 * (rng.random((others, seeds)) < 0.1)
        lost += not chosen(values)[0]
    return lost / replicates


def equals_told(cells: int, seeds: int, replicates: int, chosen: BestSet = best_set) -> float:
    """How often one or more of equal cells is told from the one that happens to lead."""
    rng = np.random.default_rng(4)
    return float(np.mean([(~chosen(rng.normal(size=(cells, seeds)))).any() for _ in range(replicates)]))


def far_told(tails: str, seeds: int, replicates: int, chosen: BestSet = best_set) -> float:
    """How often a quiet cell, far behind a quiet leader, is told from it beside a third one that is ten times as noisy.

    Far are thirty standard deviations: two cells are too few to lend a third their noise.
    """
    rng = np.random.default_rng(2)
    draws = TAILS[tails](rng, (replicates, 3, seeds)) * np.array([1.0, 10.0, 1.0])[:, None]
    means = np.array([0.0, -5.0, -30.0])[:, None]
    found = [(one, chosen(one)) for one in draws + means]
    return float(np.mean([not inside[2] for one, inside in found if one.mean(axis=1).argmax() == 0]))


def _in_front(values: Floats, p: Floats, best: int) -> NDArray[np.bool_]:
    others = np.arange(len(values)) != best
    inside = np.ones(len(values), bool)
    inside[others] = holm(p[others]) >= LEVEL
    return inside


def paired_t(values: Floats) -> NDArray[np.bool_]:
    """Paired t tests against the best mean, two-sided."""
    best = int(values.mean(axis=1).argmax())
    difference = values[best] - values
    with np.errstate(invalid="ignore"):
        t = row_means(difference) / np.sqrt(row_variances(difference) / values.shape[1])
    return _in_front(values, 2 * stdtr(values.shape[1] - 1, -np.abs(t)), best)


def one_variance(values: Floats) -> NDArray[np.bool_]:
    """The two-way analysis of variance's one variance for all cells, one-sided."""
    best, (cells, seeds) = int(values.mean(axis=1).argmax()), values.shape
    residual = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    freedom = (cells - 1) * (seeds - 1)
    t = row_means(values[best] - values) / np.sqrt(2 * (residual**2).sum() / freedom / seeds)
    return _in_front(values, stdtr(freedom, -t), best)


def welch(values: Floats) -> NDArray[np.bool_]:
    """Welch's test without the seeds' means, one-sided."""
    best, seeds = int(values.mean(axis=1).argmax()), values.shape[1]
    variance = row_variances(values - values.mean(axis=0)) / seeds
    both = variance + variance[best]
    freedom = both**2 * (seeds - 1) / (variance**2 + variance[best] ** 2)
    return _in_front(values, stdtr(freedom, -row_means(values[best] - values) / np.sqrt(both)), best)


METHODS = {
    "this test": best_set,
    "paired t tests, Holm": paired_t,
    "one pooled variance, one-sided": one_variance,
    "Welch, one-sided, seeds' means removed": welch,
}


def main(seeds: int = 5, cells: int = 42, replicates: int = 1000) -> None:
    print("| | " + " | ".join(TAILS) + " | told apart |\n" + "|---" * (len(TAILS) + 2) + "|")
    for name, chosen in METHODS.items():
        worst = {
            tails: max(
                (lost(tails, spread, seeds, replicates, gap, cells, chosen), spread)
                for spread in SPREADS
                for gap in (0.0, 1.0)
            )
            for tails in TAILS
        }
        shares = " | ".join(f"{100 * share:.1f} ({spread})" for share, spread in worst.values())
        print(f"| {name} | {shares} | {told_apart(chosen):.1f} |", flush=True)
    for tails in TAILS:
        least = max(lost(tails, spread, 20, replicates, 0.0, cells, looks=(5, 10, 20)) for spread in SPREADS)
        print(f"{tails}: lost at one of three looks, after 5, 10 and 20 seeds: {100 * least:.1f} %", flush=True)
    for count in (5, 10):
        rare = ", ".join(f"{100 * collapsing(others, count, replicates):.0f}" for others in (1, 3, 10))
        equal = ", ".join(f"{100 * equals_told(size, count, replicates):.0f}" for size in (42, 90))
        print(f"{count} seeds: lost to 1, 3, 10 cells that rarely collapse: {rare} %; told of 42, 90 equals: {equal} %")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
