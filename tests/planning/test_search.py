"""Points beyond a grid: Sobol's sequence beside scipy's, scales with known middles, rungs that cost alike."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import qmc

from bench.planning.search import (
    BITS,
    MOST_AXES,
    SAMPLERS,
    SCALES,
    net,
    rungs,
    searched,
    single_precision,
    sobol,
    spread,
    values_told,
)


def test_every_axis_is_scipy_s() -> None:
    ours = np.array([net(300, axis) for axis in range(MOST_AXES)]).T / 2**BITS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 300 is no power of two
        theirs = qmc.Sobol(MOST_AXES, scramble=False, bits=BITS).random(300)
    assert (ours == theirs).all()


@pytest.mark.parametrize("axis", range(MOST_AXES))
@pytest.mark.parametrize("seed", [0, 7])
def test_a_shift_leaves_one_point_in_every_sixteenth(axis: int, seed: int) -> None:
    found = sobol(16, axis, seed)
    assert sorted(int(16 * u) for u in found) == list(range(16))


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_draws_hang_on_the_seed_and_the_axis_alone(sampler: Callable[[int, int, int], list[float]]) -> None:
    found = sampler(32, 1, 0)
    assert sampler(64, 1, 0)[:32] == found
    assert sampler(32, 1, 1) != found
    assert sampler(32, 2, 0) != found
    assert all(0 <= u < 1 for u in found)
    assert abs(np.mean(sampler(4096, 1, 0)) - 0.5) < 0.02


@pytest.mark.parametrize(
    ("scale", "low", "high", "middle"),
    [("log", 1e-4, 1.0, 1e-2), ("linear", -1.0, 3.0, 1.0), ("one_minus", 0.9, 0.999, 0.99)],
)
def test_the_middle_of_a_scale_is_known(scale: str, low: float, high: float, middle: float) -> None:
    assert spread(0.5, low, high, scale) == pytest.approx(middle)
    assert (spread(0, low, high, scale), spread(1, low, high, scale)) == pytest.approx((low, high))
    assert {"log", "linear", "one_minus"} == set(SCALES)


def test_a_number_is_rounded_to_what_a_float32_holds() -> None:
    assert single_precision(0.999) == float(np.float32(0.999)) != 0.999


@pytest.mark.parametrize(
    ("trials", "eta", "expected"),
    [
        (27, 3, [(27, 27), (9, 9), (3, 3), (1, 1)]),
        (20, 3, [(20, 9), (6, 3), (2, 1)]),
        (16, 4, [(16, 16), (4, 4), (1, 1)]),
        (5, 4, [(5, 4), (1, 1)]),
    ],
)
def test_each_rung_keeps_one_in_eta_for_eta_times_as_long(
    trials: int, eta: int, expected: list[tuple[int, int]]
) -> None:
    assert rungs(trials, eta) == expected


def test_what_a_run_searched_is_in_its_manifest() -> None:
    ranges = {"learning_rate": {"low": 0.1, "high": 1.0}, "b1": {"low": 0.5, "high": 0.9}}
    assert searched({"optimizers": {"sgd": {}, "adam": {"searched": ranges}}}) == {"adam": ranges}
    assert values_told({"b1": 0.81234567, "b2": 0.999}, ranges) == "b1=0.8123"
