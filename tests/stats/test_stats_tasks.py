"""Across tasks: Demšar's example, scipy's numbers, and refusals in words."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import friedmanchisquare
from scored import ACCURACY, NO_TIMES, evaluated

from bench import stats
from bench.errors import InputError

INF, NAN = float("inf"), float("nan")


def ranks(scores: np.ndarray) -> pd.DataFrame:
    """Ranks [entrants, tasks] of scores [tasks, entrants], of which more is better."""
    return pd.DataFrame(scores).rank(axis=1, ascending=False).T


def profile(rows: list[list[float]], max_ratio: float = 4.0) -> list[float]:
    return list(stats.performance_profile(pd.DataFrame(rows), max_ratio).scores)


def test_demsar_s_example_comes_out() -> None:
    """Demšar 2006, section 3.2.2: four variants of C4.5 on fourteen data sets."""
    chi2, f, p = stats.friedman(np.array([3.143, 2.000, 2.893, 1.964]), 14)
    assert (chi2, f) == pytest.approx((9.28, 3.69), abs=0.01)
    assert p == pytest.approx(0.02, abs=0.002)
    assert stats.critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


def test_without_ties_chi_squared_is_scipy_s() -> None:
    scores = np.random.default_rng(0).normal(size=(8, 5))
    chi2, _, _ = stats.friedman(ranks(scores).mean(axis=1).to_numpy(), 8)
    assert chi2 == pytest.approx(friedmanchisquare(*scores.T).statistic)


@pytest.mark.parametrize(("entrants", "q"), [(2, 1.960), (4, 2.569), (7, 2.949), (10, 3.164)])
def test_the_critical_difference_has_the_published_quantiles(entrants: int, q: float) -> None:
    """Demšar 2006, table 5."""
    expected = q * np.sqrt(entrants * (entrants + 1) / (6 * 20))
    assert stats.critical_difference(entrants, 20) == pytest.approx(expected, rel=1e-3)


def test_all_tied_is_no_difference_and_not_nan() -> None:
    found = stats.rank_test(pd.DataFrame(np.full((3, 6), 2.0)))
    assert (found.chi2, found.p_value) == (0, 1)
    assert "No difference" in found.sentence
    assert found.level == [0, 1, 2]
    assert found.wilcoxon is not None and (found.wilcoxon.dropna() == 1).all()


def test_always_the_same_order_is_told() -> None:
    found = stats.rank_test(pd.DataFrame(np.tile(np.arange(1.0, 5)[:, None], 12)))
    assert found.p_value == 0
    assert found.level == [0, 1]
    assert "Mean ranks over 12 tasks differ" in found.sentence and "too few" not in found.sentence


@pytest.mark.parametrize(("entrants", "tasks", "least"), [(90, 6, 1.0), (4, 6, 3 / 32), (4, 8, 3 / 128)])
def test_no_wilcoxon_test_of_so_many_goes_below_its_least_p(entrants: int, tasks: int, least: float) -> None:
    found = stats.rank_test(pd.DataFrame(np.tile(np.arange(1.0, entrants + 1)[:, None], tasks)))
    assert found.wilcoxon is not None and found.wilcoxon.min() == pytest.approx(found.least_p) == pytest.approx(least)
    assert not found.too_few  # as Nemenyi's test tells the first from the last


def test_blocks_that_differ_and_tell_no_two_apart_are_too_few() -> None:
    found = stats.RankTest(pd.Series([20.0, 45.0, 83.0]), 6, 1.0, 1.65, 0.0006, 64.2)
    assert found.too_few and "no mean ranks are 64.20 apart (Nemenyi)" in found.sentence
    for change in ({"p_value": 0.2}, {"critical_difference": 60.0}, {"tasks": 9}):
        assert not dataclasses.replace(found, **change).too_few


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (np.ones((3, 1)), "1 task is too few"),
        (np.ones((3, 4)), "4 tasks are too few for a test across tasks, which takes at least 5"),
        (np.array([[1, 1, 1, 1, NAN], [2, 2, 2, 2, 1]]), "1 of the 2 were not evaluated on every task"),
        (np.ones((1, 9)), "nothing to compare"),
    ],
)
def test_what_cannot_be_tested_is_refused_in_words(table: np.ndarray, words: str) -> None:
    found = stats.rank_test(pd.DataFrame(table))
    assert words in found.sentence
    assert np.isnan([found.chi2, found.f, found.p_value, found.critical_difference]).all()


def test_ranks_of_optimizers_are_of_the_mean_ranks_of_their_cells() -> None:
    rows = [("t", a, o, r) for a, o, r in (("x", "p", 1.0), ("x", "q", 2.0), ("y", "p", 4.0), ("y", "q", 3.0))]
    table = pd.DataFrame(rows, columns=[*stats.CELL, "rank"])
    assert list(stats.rank_table(table)["t"]) == [1, 2, 4, 3]
    assert list(stats.rank_table(table, ("optimizer",))["t"]) == [1.5, 1.5]
    assert list(stats.rank_table(table, ("activation",))["t"]) == [1, 2]


def test_equal_scores_that_float32_rounds_apart_share_their_rank() -> None:
    """357 of 360 right over ten seeds, as two cells came to it."""
    frame = evaluated({"x": [0.9916666686] * 3, "y": [0.9916666626] * 3, "z": [0.9916668] * 3})
    table = stats.convergence(frame, NO_TIMES, ACCURACY)
    assert list(table["rank"]) == [2.5, 2.5, 1.0]


def test_flips_are_counted_pair_by_pair() -> None:
    table = pd.DataFrame({"s": [1.0, 2, 3, 4], "t": [4.0, 3, 2, 1], "u": [1.0, 2, 4, 3], "v": [1.5, 1.5, 3, NAN]})
    found = stats.rank_flips(table).set_index(["first", "second"])
    assert found.loc[("s", "t"), "share"] == 1
    assert found.loc[("s", "u"), "flips"] == 1
    assert found.loc[("s", "v"), "pairs"] == 2


def test_the_profile_s_area_is_known() -> None:
    assert profile([[10, INF], [20, 30]]) == pytest.approx([0.5, 5 / 6])
    assert profile([[INF, INF], [INF, INF]]) == [0, 0]
    assert profile([[0, 5], [0, 20]]) == pytest.approx([1, 0.5])


@given(st.lists(st.lists(st.integers(1, 50) | st.just(INF), min_size=3, max_size=3), min_size=1, max_size=5))
def test_a_dominated_entrant_changes_no_score(rows: list[list[float]]) -> None:
    worse = [2 * max(row[j] for row in rows) for j in range(3)]
    assert profile([*rows, worse])[:-1] == profile(rows)


@given(st.lists(st.lists(st.integers(1, 50) | st.just(INF), min_size=3, max_size=3), min_size=2, max_size=4))
def test_the_score_is_the_area_under_the_curve(rows: list[list[float]]) -> None:
    curves, scores = stats.performance_profile(pd.DataFrame(rows))
    widths = np.diff(curves.index.to_numpy())
    area = (curves.to_numpy()[:-1] * widths[:, None]).sum(axis=0) / 3
    assert list(scores) == pytest.approx(list(area))
    assert (np.diff(curves.to_numpy(), axis=0) >= 0).all()


def test_times_that_are_missing_are_refused() -> None:
    with pytest.raises(InputError, match="missing"):
        profile([[1, NAN]])
    with pytest.raises(InputError, match="more than 1"):
        profile([[1, 2]], max_ratio=1)
