"""What tuning saw: closed forms, and flags where there is cause for them."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored import evaluated
from synthetic import REGRESSION, make_run, task_entry

from bench import stats

INF = float("inf")
ACCURACY = {"t": task_entry(baseline=0.1)}
RMSE = {"t": REGRESSION | {"baseline": 80.0}}


def seen(values: list[float], rates: list[float] | None = None) -> pd.DataFrame:
    """What tuning saw of one cell, at rates 0.001, 0.01, ..."""
    grid = rates or [10.0 ** (i - 3) for i in range(len(values))]
    frame = pd.DataFrame({"learning_rate": grid, "validation_metric": values})
    return frame.assign(task="t", activation="a", optimizer="x")


@pytest.mark.parametrize("tasks, values, equal", [(ACCURACY, [0.5, 0.9, 0.9], 2), (RMSE, [5.0, 5.0, 9.0], 2)])
def test_trials_of_equal_means_are_counted_where_they_are_the_best(
    tasks: dict[str, dict[str, object]], values: list[float], equal: int
) -> None:
    rows = seen(values).rename(columns={"validation_metric": "mean"})
    lanes = pd.concat([rows.assign(seed=seed, phase="tune", status="ok") for seed in (0, 1)], ignore_index=True)
    lanes["validation_metric"] = lanes["mean"] + np.where(lanes["seed"] == 0, 0.01, -0.01)  # equal in the mean alone
    found = stats.equal_trials(lanes, tasks)
    assert found[["activation", "trials", "equal"]].to_numpy().tolist() == [["a", 3, equal]]
    lanes.loc[lanes["learning_rate"] == 0.01, "validation_metric"] += 1e-5
    assert stats.equal_trials(lanes, tasks).empty
    assert stats.equal_trials(lanes[:0], tasks).empty


def test_of_a_halving_the_last_rung_says_what_was_equal() -> None:
    first = seen([0.9, 0.9, 0.9]).assign(steps=100)
    last = seen([0.95, 0.94]).assign(steps=300)
    lanes = pd.concat([first, last]).assign(seed=0, phase="tune", status="ok")
    assert stats.equal_trials(lanes, ACCURACY).empty
    assert list(stats.equal_trials(lanes[lanes["steps"] == 100], ACCURACY)["equal"]) == [3]
    infinite = first.assign(status="diverged", seed=0, phase="tune")
    assert list(stats.equal_trials(infinite, RMSE)["equal"]) == [3]


def test_expected_best_is_the_mean_over_all_draws() -> None:
    assert stats.expected_best([1, 2, 3, 4])[1] == pytest.approx(10 / 3)
    values = [3.0, 1.0, 4.0, 1.0, 5.0]
    every = [np.mean([max(draw) for draw in combinations(values, k)]) for k in range(1, 6)]
    assert list(stats.expected_best(values)) == pytest.approx(every)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=9))
def test_expected_best_rises_from_the_mean_to_the_best(values: list[float]) -> None:
    found = stats.expected_best(values)
    assert found[0] == pytest.approx(np.mean(values), abs=1e-9)
    assert found[-1] == pytest.approx(max(values), abs=1e-9)
    assert (np.diff(found) >= -1e-9).all()


def test_a_diverged_trial_counts_only_where_it_can_be_the_best() -> None:
    found = stats.expected_best([-INF, 1.0, 2.0])
    assert found[0] == -INF
    assert found[1] == pytest.approx(5 / 3)


def test_best_so_far_is_in_the_metric_s_direction() -> None:
    found = stats.best_so_far(seen([70.0, 60.0, 50.0]), RMSE)
    assert list(found["trials"]) == [1, 2, 3]
    assert list(found["expected"]) == pytest.approx([60, 160 / 3, 50])


@pytest.mark.parametrize(
    ("tasks", "values", "decades", "opened"),
    [
        (ACCURACY, [0.1, 0.5, 0.9, 0.5, 0.1], 0.2, False),  # 5 % of 0.8 is 0.04, of a slope of 0.4 a decade
        (ACCURACY, [0.9, 0.9, 0.9], 2.0, True),
        (ACCURACY, [0.9, 0.1, 0.9], 0.05, True),
        (RMSE, [80.0, 70.0, 60.0, INF], 0.1, False),
        (ACCURACY, [0.05, 0.08], np.nan, False),
    ],
)
def test_the_good_region_of_straight_slopes_is_known(
    tasks: stats.Tasks, values: list[float], decades: float, opened: bool
) -> None:
    found = stats.good_region(seen(values), tasks).iloc[0]
    assert found["decades"] == pytest.approx(decades, nan_ok=True)
    assert found["open"] == opened
    assert np.log10(found["high"] / found["low"]) == pytest.approx(decades, nan_ok=True)


@pytest.mark.parametrize(
    ("default", "rate", "gain", "beaten"),
    [(0.01, 0.01, 0.3, True), (0.02, 0.01, 0.3, True), (0.1, 0.1, 0.0, False), (np.nan, np.nan, np.nan, False)],
)
def test_the_default_s_column_is_the_nearest_rate(default: float, rate: float, gain: float, beaten: bool) -> None:
    found = stats.default_against_tuned(seen([0.5, 0.6, 0.9]), ACCURACY, {"x": default}).iloc[0]
    assert found["default_rate"] == pytest.approx(rate, nan_ok=True)
    assert found["gain"] == pytest.approx(gain, nan_ok=True)
    assert found["tuned_rate"] == 0.1
    assert found["beaten"] == beaten


def test_a_default_far_from_the_grid_has_no_column() -> None:
    found = stats.default_against_tuned(seen([0.5, 0.6, 0.9]), ACCURACY, {"x": 10.0}).iloc[0]
    assert np.isnan(found["default_metric"])


def test_a_default_that_diverges_gains_without_end() -> None:
    found = stats.default_against_tuned(seen([60.0, INF]), RMSE, {"x": 0.01}).iloc[0]
    assert found["gain"] == INF


CONTAINS = {"adam": frozenset({"momentum", "sgd"}), "momentum": frozenset({"sgd"})}
GOOD = [0.90, 0.91, 0.92, 0.93, 0.94]


@pytest.mark.parametrize(("tasks", "sign"), [(ACCURACY, 1), (RMSE, -1)])
def test_a_method_that_loses_to_a_case_of_itself_is_under_tuned(tasks: stats.Tasks, sign: int) -> None:
    low = np.array(GOOD) - sign * np.array([0.3, 0.31, 0.29, 0.3, 0.3])
    found = stats.under_tuned(evaluated({"adam": list(low), "momentum": GOOD, "sgd": list(low)}), tasks, CONTAINS)
    assert list(found[["optimizer", "contained"]].itertuples(index=False, name=None)) == [("adam", "momentum")]
    assert found["difference"].item() == pytest.approx(0.3 * sign)


def test_a_method_that_wins_or_cannot_be_told_is_not() -> None:
    near = [0.91, 0.90, 0.92, 0.94, 0.93]
    assert stats.under_tuned(evaluated({"adam": near, "momentum": GOOD}), ACCURACY, CONTAINS).empty
    assert stats.under_tuned(evaluated({"momentum": near, "rmsprop": GOOD}), ACCURACY, CONTAINS).empty
    assert stats.under_tuned(evaluated({}), ACCURACY, CONTAINS).empty


def test_a_task_that_was_not_begun_has_no_rates() -> None:
    empty = make_run(["relu"], ["sgd"], {"a": task_entry()}).lanes.iloc[:0]
    assert stats.learning_rate_sensitivity(empty, {"a": task_entry()}).empty
    assert stats.default_against_tuned(
        stats.learning_rate_sensitivity(empty, {"a": task_entry()}), {"a": task_entry()}, {}
    ).empty


def searched(metric: list[float], rates: list[float], b1: list[float], chosen: int) -> pd.DataFrame:
    """Lanes of a cell whose trials differ in b1 too, one seed each, and the evaluation of one of them."""
    tuned = pd.DataFrame({"learning_rate": rates, "b1": b1, "validation_metric": metric, "phase": "tune", "seed": 0})
    picked = tuned.iloc[[chosen]].assign(phase="evaluate", seed=[1], validation_metric=0.5)
    frame = pd.concat([tuned, picked], ignore_index=True).assign(test_metric=0.5, steps_to_target=3.0, status="ok")
    frame["hyperparameters"] = [f'{{"b1": {value}}}' for value in frame["b1"]]
    return frame.assign(task="t", activation="a", optimizer="x", steps=9, lane=frame.index)


def test_trials_of_the_same_rate_are_told_apart() -> None:
    lanes = searched([0.5, 0.9, 0.7], [0.1, 0.1, 0.1], [0.5, 0.6, 0.7], chosen=2)
    found = stats.learning_rate_sensitivity(lanes, ACCURACY)
    assert list(found["validation_metric"]) == [0.5, 0.9, 0.7]
    assert list(found["chosen"]) == [False, False, True]
    before = stats.learning_rate_sensitivity(lanes[lanes["phase"] == "tune"], ACCURACY)
    assert list(before["chosen"]) == [False, True, False]
    assert list(stats.best_so_far(found, ACCURACY)["expected"]) == pytest.approx([0.7, 0.8333333, 0.9])


def test_a_rate_alone_says_nothing_of_a_search_over_more() -> None:
    found = stats.learning_rate_sensitivity(searched([0.5, 0.9], [0.01, 0.1], [0.5, 0.6], chosen=1), ACCURACY)
    assert stats.several_searched(found)
    assert stats.good_region(found, ACCURACY)["decades"].isna().all()
    assert stats.default_against_tuned(found, ACCURACY, {"x": 0.1})["default_rate"].isna().all()
    same = stats.learning_rate_sensitivity(searched([0.5, 0.9], [0.01, 0.1], [0.5, 0.5], chosen=1), ACCURACY)
    assert not stats.several_searched(same)
    assert stats.default_against_tuned(same, ACCURACY, {"x": 0.1})["default_rate"].item() == 0.1


def test_a_halving_is_seen_as_its_first_rung_saw_it() -> None:
    lanes = searched([0.5, 0.9, 0.1], [0.01, 0.1, 1.0], [0.5, 0.6, 0.7], chosen=1)
    later = lanes.iloc[[1]].assign(steps=27, validation_metric=0.99)
    found = stats.learning_rate_sensitivity(pd.concat([lanes, later], ignore_index=True), ACCURACY)
    assert list(found["validation_metric"]) == [0.5, 0.9, 0.1]


@pytest.mark.parametrize(
    ("rate", "flagged"), [(1e-4, True), (1.5e-4, True), (1.7e-4, False), (0.1, False), (0.7, True)]
)
def test_a_rate_near_an_end_of_its_range_is_flagged(rate: float, flagged: bool) -> None:
    lanes = searched([0.5, 0.9], [0.01, rate], [0.5, 0.6], chosen=1)
    times = pd.DataFrame(columns=[*stats.CELL, "step_s_median", "width"])
    ranges = {"x": {"learning_rate": {"low": 1e-4, "high": 1.0}, "b1": {"low": 0.5, "high": 0.6}}}
    row = stats.convergence(lanes, times, ACCURACY, ranges).iloc[0]
    assert row["at_grid_edge"] == flagged
    assert row["hyperparameters"] == '{"b1": 0.6}'
    assert "hyperparameters" not in stats.convergence(lanes, times, ACCURACY)
