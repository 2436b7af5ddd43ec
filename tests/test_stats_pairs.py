"""Comparisons between cells, each against another library's numbers or an answer known beforehand."""

import itertools
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, ttest_rel, wilcoxon
from test_stats import ACCURACY, R2, RMSE, evaluated

from bench import stats
from bench.stats.moderated import lenders, moderated_tests

NAN = float("nan")


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_improvement_one_way_and_the_other_add_up_to_one(x: list[int], y: list[int]) -> None:
    one, other = stats.probability_of_improvement(x, y), stats.probability_of_improvement(y, x)
    assert one + other == pytest.approx(1)
    assert stats.cliffs_delta(x, y) == pytest.approx(one - other)


def test_a_standardised_difference_is_mean_over_deviation() -> None:
    assert stats.cohens_dz([1.0, 2.0, 3.0]) == 2
    assert stats.cohens_dz([0.0, 0.0]) == 0
    assert stats.cohens_dz([0.1, 0.1]) > 1e6 or np.isinf(stats.cohens_dz([0.1, 0.1]))


def by_every_sign(row: np.ndarray) -> float:
    """Wilcoxon's test by enumerating all signs."""
    ranks = rankdata(np.abs(row))
    sums = np.array([ranks[np.array(signs) > 0].sum() for signs in itertools.product((-1, 1), repeat=len(row))])
    far = abs(ranks[row > 0].sum() - ranks.sum() / 2)
    return float((np.abs(sums - ranks.sum() / 2) >= far - 1e-9).mean())


def test_signed_ranks_agree_with_scipy_and_five_seeds_cannot_reach_five_percent() -> None:
    rows = np.random.default_rng(0).normal(0.5, 1, (3, 9))
    assert stats.signed_rank(rows) == pytest.approx([wilcoxon(row).pvalue for row in rows])
    tied = np.array([[1.0, 2, 2, -1, 3, 3, 3], [0.5, -0.5, 0.5, 1, 1, -2, 4]])
    assert stats.signed_rank(tied) == pytest.approx([by_every_sign(row) for row in tied])
    assert stats.signed_rank([1.0, 2, 3, 4, 5]).item() == 1 / 16
    assert stats.signed_rank([0.0, 0, NAN]).item() == 1


@pytest.mark.parametrize(("effect", "seeds"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_seeds_needed_are_those_of_the_tables_of_power(effect: float, seeds: int) -> None:
    """Cohen 1988; the same as of G*Power for a two-sided paired t test at 5 % and 80 %."""
    assert stats.seeds_needed(effect, 1.0) == seeds


def test_seeds_needed_see_the_difference_as_often_as_asked() -> None:
    needed = stats.seeds_needed(0.5, 0.8)
    assert needed
    draws = np.random.default_rng(0).normal(0.5, 0.8, (4000, needed))
    assert (ttest_rel(draws, 0 * draws, axis=1).pvalue < 0.05).mean() == pytest.approx(0.81, abs=0.02)


def test_seeds_needed_grow_with_the_comparisons_and_end_where_there_is_nothing_to_see() -> None:
    assert (stats.seeds_needed(0.5, 1.0, comparisons=41) or 0) > 34
    assert stats.seeds_needed(0.0, 1.0) is None
    assert stats.seeds_needed(1e-6, 1.0) is None
    assert stats.seeds_needed(0.5, 0.0) == 2


def test_two_cells_are_the_paired_t_test() -> None:
    values = np.random.default_rng(0).normal(size=(2, 7))
    found = moderated_tests(values, np.array([[0, 1]]), np.array([True, True]))
    assert found.item() == pytest.approx(ttest_rel(*values).pvalue, rel=1e-3)


def test_equally_noisy_cells_lend_each_other_their_noise() -> None:
    """With forty cells and five seeds the test is nearly that of a known variance."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(40, 5)) + rng.normal(size=5)
    values[1] = values[0] - 2.5 + 0.1 * rng.normal(size=5)
    pair = np.array([[1, 0]])
    lent = moderated_tests(values, pair, np.ones(40, bool)).item()
    assert 2e-5 < lent < 3e-4  # of z = 2.5 / sqrt(2 / 5)
    alone = moderated_tests(values[[0, 1]], pair, np.ones(2, bool)).item()
    assert alone < lent  # the two happen to agree from seed to seed: one pair of five is not believed


def test_a_cell_noisier_than_the_rest_is_judged_by_its_own_noise() -> None:
    rng = np.random.default_rng(2)
    values = 0.01 * rng.normal(size=(20, 5))
    values[0] = [1, -1, 1, -1, -0.5]
    p = moderated_tests(values, np.array([[0, 5]]), np.ones(20, bool)).item()
    assert p > 0.3


def test_what_is_far_behind_does_not_speak_for_those_in_front() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(30, 5))
    values[20:] = -100 + 20 * rng.normal(size=(10, 5))
    best = int(values.mean(axis=1).argmax())
    assert not lenders(values, best)[20:].any()
    assert lenders(values, best)[best]


def test_missing_seeds_cost_only_themselves() -> None:
    values = np.random.default_rng(4).normal(size=(6, 8))
    values[3] -= 10
    values[3, :6] = NAN
    values[4, 1:] = NAN
    p = moderated_tests(values, np.array([[3, 0], [4, 0]]), np.ones(6, bool))
    assert p[0] < 0.01
    assert p[1] == 1


def test_paired_differences_are_in_the_metric_s_direction() -> None:
    frame = evaluated({"a": [1.0, 2.0, 3.0, 4.0], "b": [0.5, 1.4, 2.6, 3.5]})
    for tasks, sign in ((R2, -1), (RMSE, 1)):
        row = stats.paired_differences(frame, tasks, "t", ("a", "a")).iloc[0]
        assert row["difference"] == pytest.approx(-0.5)
        assert row["ci_low"] <= row["difference"] <= row["ci_high"]
        assert np.sign(row["cohens_dz"]) == np.sign(row["cliffs_delta"]) == sign
        assert row["improvement"] == pytest.approx((1 + row["cliffs_delta"]) / 2)
        assert row["wilcoxon"] == pytest.approx(0.125)


def test_a_lost_seed_lowers_the_improvement() -> None:
    kept = stats.paired_differences(evaluated({"a": [0.5] * 3, "b": [0.9] * 3}), ACCURACY, "t", ("a", "a"))
    lost = stats.paired_differences(evaluated({"a": [0.5] * 3, "b": [0.9, 0.9, NAN]}), ACCURACY, "t", ("a", "a"))
    assert lost["improvement"].item() < kept["improvement"].item() == 1


CELLS, SEEDS = 12, 5
LANES = evaluated({str(i): [0.0] * SEEDS for i in range(CELLS)})


def run_of(rng: np.random.Generator, first_seed: int, kind: str = "normal") -> pd.DataFrame:
    """Lanes of twelve cells, each with a mean and a noise of its own."""
    shape = CELLS, SEEDS
    noise = rng.standard_t(3, shape) if kind == "heavy" else rng.normal(size=shape)
    scores = np.linspace(0, 3, CELLS)[:, None] + np.linspace(0.2, 2, CELLS)[:, None] * noise
    return LANES.assign(test_metric=scores.ravel(), seed=LANES["seed"] + first_seed)


@pytest.mark.parametrize(
    ("kind", "second"), [("normal", SEEDS), ("heavy", 0)], ids=["other seeds", "same, heavy tails"]
)
def test_two_runs_of_the_same_cells_rarely_differ(kind: str, second: int) -> None:
    """A/A: 100 replicates, "differs" in at most 5 of them."""
    rng = np.random.default_rng(0)
    both = [(run_of(rng, 0, kind), run_of(rng, second, kind)) for _ in range(100)]
    differ = [stats.between_runs(one, two, R2)["differs"].any() for one, two in both]
    assert sum(differ) <= 5


def test_two_runs_that_differ_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    one, two = run_of(rng, 0), run_of(rng, SEEDS)
    two.loc[two["optimizer"] == "0", "test_metric"] += 2
    found = stats.between_runs(one, two, R2).set_index("optimizer")
    assert list(found.index[found["differs"]]) == ["0"]
    assert found.loc["0", "difference"] == pytest.approx(2, abs=0.6)
    assert stats.between_runs(one, one, R2)["p_value"].eq(1).all()


def test_a_hundred_cells_are_compared_in_a_moment() -> None:
    values = np.random.default_rng(0).normal(size=(1000, 10))
    began = time.perf_counter()
    pairs = np.column_stack([np.arange(1, 1000), np.zeros(999, int)])
    moderated_tests(values, pairs, lenders(values, 0))
    assert time.perf_counter() - began < 2
