"""Moderated tests against their definition, written out number by number, and the prior against draws from one."""

from math import inf, log, sqrt

import numpy as np
import pytest
from scipy.special import polygamma, psi
from scipy.stats import t as student

from bench.stats.moderated import _trigamma_inverse, fitted_prior, moderated_tests, resolution


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def two_sided(differences: list[float], variance: float, freedom: float) -> float:
    statistic = abs(mean(differences)) / sqrt(variance / len(differences))
    return float(2 * student.sf(statistic, freedom))


def as_defined(values: np.ndarray, worse: int, better: int, usable: list[int]) -> float:
    """p of the six steps of `moderated_tests`, for cells that all have all seeds; scores are not in steps."""
    cells, seeds = values.shape
    rows = [list(map(float, row)) for row in values]
    own_means = [mean(row) for row in rows]
    effects = [mean([rows[i][s] - own_means[i] for i in usable]) for s in range(seeds)]
    variances = []
    for i in range(cells):
        squares = sum((rows[i][s] - own_means[i] - effects[s]) ** 2 for s in range(seeds))
        share = (len(usable) - 1 if i in usable else len(usable) + 1) / len(usable)
        variances.append(squares / (seeds - 1) / share)
    half = (seeds - 1) / 2
    logs = [log(variances[i]) - float(psi(half)) + log(half) for i in usable]
    excess = sum((x - mean(logs)) ** 2 for x in logs) / (len(logs) - 1) - float(polygamma(1, half))
    low, high = 1e-3, 1e9  # ψ' falls: halved until it is met
    for _ in range(200):
        middle = sqrt(low * high)
        low, high = (middle, high) if float(polygamma(1, middle)) > excess else (low, middle)
    d0 = 2 * low
    fitted = float(np.exp(mean(logs) + float(psi(d0 / 2)) - log(d0 / 2)))
    s0 = max(fitted, mean([variances[i] for i in usable]))
    moderated = [(d0 * s0 + (seeds - 1) * v) / (d0 + seeds - 1) for v in variances]
    differences = [a - b for a, b in zip(rows[worse], rows[better], strict=True)]
    paired = sum((d - mean(differences)) ** 2 for d in differences) / (seeds - 1)
    variance = max(moderated[worse] + max(moderated[better], s0), paired)
    freedom = min(d0 + seeds - 1, (len(usable) - 1) * (seeds - 1))
    lent, alone = two_sided(differences, variance, freedom), two_sided(differences, paired, seeds - 1)
    return min(lent / 0.95, alone / 0.05, 1.0)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("usable", [list(range(8)), [0, 1, 2, 3], [0, 2, 5]], ids=len)
def test_p_values_are_those_of_the_definition(seed: int, usable: list[int]) -> None:
    random = np.random.default_rng(seed)
    noise = np.array([[0.2], [0.5], [1.0], [1.5], [0.1], [2.5], [1.0], [0.7]])
    values = noise * random.normal(size=(8, 5)) + random.normal(size=5) + 0.8 * np.arange(8)[:, None]
    pairs = np.array([[i, j] for i in range(8) for j in range(8) if i != j])
    found = moderated_tests(values, pairs, np.isin(np.arange(8), usable))
    expected = [as_defined(values, i, j, usable) for i, j in pairs]
    # The smallest step between forty random numbers adds a little of its own.
    assert found == pytest.approx(expected, rel=2e-2)


@pytest.mark.parametrize(("d0", "seeds"), [(8.0, 5), (3.0, 5), (20.0, 10)])
def test_the_prior_of_drawn_variances_is_found(d0: float, seeds: int) -> None:
    random = np.random.default_rng(0)
    true = 4.0 * d0 / random.chisquare(d0, 40_000)
    seen = true * random.chisquare(seeds - 1, 40_000) / (seeds - 1)
    freedom, variance = fitted_prior(seen, np.full(40_000, seeds - 1.0))
    assert freedom == pytest.approx(d0, rel=0.1)
    assert variance == pytest.approx(max(4.0, seen.mean()), rel=0.05)


def test_cells_as_noisy_as_each_other_have_a_prior_that_says_all() -> None:
    random = np.random.default_rng(0)
    freedom, variance = fitted_prior(4.0 * random.chisquare(4, 10_000) / 4, np.full(10_000, 4.0))
    assert freedom > 50
    assert variance == pytest.approx(4.0, rel=0.05)


@pytest.mark.parametrize("variances", [[], [1.0, 2.0], [1.0, 0.0, 2.0]])
def test_of_too_few_variances_or_none_there_is_no_prior(variances: list[float]) -> None:
    assert fitted_prior(np.array(variances), np.full(len(variances), 4.0)) == (0.0, 0.0)


@pytest.mark.parametrize("x", [1e-2, 0.3, 1.0, 7.5, 1e3])
def test_the_inverse_of_the_trigamma_function(x: float) -> None:
    assert _trigamma_inverse(float(polygamma(1, x))) == pytest.approx(x, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-7, 1.0, 1e7])
def test_a_step_is_one_at_any_scale(scale: float) -> None:
    values = scale * np.array([[0.25, 0.75], [0.5, np.nan], [1.0, -inf]])
    assert resolution(values) == pytest.approx(0.25 * scale)
    assert resolution(np.append(values, values[0] * (1 + 2e-7))) == pytest.approx(0.25 * scale)  # float32's rounding


@pytest.mark.parametrize("scale", [1e-7, 1e5])
def test_p_values_do_not_depend_on_the_unit(scale: float) -> None:
    values = np.random.default_rng(1).normal(size=(6, 5)).round(2)
    pairs = np.array([[0, 1], [2, 3]])
    expected = moderated_tests(values, pairs, np.ones(6, bool))
    assert moderated_tests(scale * values, pairs, np.ones(6, bool)) == pytest.approx(expected, rel=1e-6)
