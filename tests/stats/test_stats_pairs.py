"""Comparisons between cells, each against another library's numbers or an answer known beforehand."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, ttest_rel, wilcoxon

from bench import stats
from bench.stats.moderated import lenders, moderated_tests

NAN = float("nan")


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_improvement_one_way_and_the_other_add_up_to_one(x: list[int], y: list[int]) -> None:
    one, other = stats.probability_of_improvement(x, y), stats.probability_of_improvement(y, x)
    assert one + other == pytest.approx(1)
    assert stats.cliffs_delta(x, y) == pytest.approx(one - other)


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


def test_a_hundred_cells_are_compared_in_a_moment() -> None:
    values = np.random.default_rng(0).normal(size=(1000, 10))
    began = time.perf_counter()
    pairs = np.column_stack([np.arange(1, 1000), np.zeros(999, int)])
    moderated_tests(values, pairs, lenders(values, 0))
    assert time.perf_counter() - began < 2
