"""The statistics, each against an answer known beforehand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored import ACCURACY, NO_TIMES, R2, RMSE, evaluated, lanes
from synthetic import REGRESSION, make_run, task_entry

from bench import stats
from bench.stats import Metric
from bench.tasks import TASKS

NAN = float("nan")


def test_every_lane_is_counted_though_four_of_twelve_diverge() -> None:
    frame = evaluated({"x": [0.9, np.nan, 0.8, np.nan, 0.7, 0.6], "y": [0.9, np.nan, 0.8, np.nan, 0.7, 0.6]})
    table = stats.convergence(frame, NO_TIMES, ACCURACY)
    assert table["seeds"].sum() == 12
    assert (table["diverged_share"] * table["seeds"]).sum() == pytest.approx(4)
    tuned = stats.learning_rate_sensitivity(frame.assign(phase="tune"), ACCURACY)
    assert tuned["lanes"].sum() == 12


def test_interquartile_mean_is_known_and_divergence_does_not_raise_it() -> None:
    table = np.arange(8.0).reshape(4, 2)
    assert stats.iqm(table) == 3.5
    table[3, 1] = np.nan
    assert stats.iqm(table, worst=0.0) == 2.5


@pytest.mark.parametrize("tasks, expected", [(ACCURACY, 0.6), (RMSE, np.inf), (R2, -np.inf)])
def test_a_diverged_lane_counts_as_the_worst(tasks: stats.Tasks, expected: float) -> None:
    table = stats.convergence(evaluated({"x": [0.9, 0.9, np.nan]}), NO_TIMES, tasks)
    assert table["test_metric"].item() == pytest.approx(expected)


@pytest.mark.parametrize("tasks, first", [(ACCURACY, "high"), (RMSE, "low")])
def test_rank_one_is_the_best_in_the_metric_s_direction(tasks: stats.Tasks, first: str) -> None:
    frame = evaluated({"high": [0.9, 0.8], "low": [0.4, 0.3], "lost": [np.nan, 0.9]})
    table = stats.convergence(frame, NO_TIMES, tasks).set_index("optimizer")
    assert table.loc[first, "rank"] == 1
    assert table.loc["lost", "rank"] == (2 if tasks is ACCURACY else 3)


def test_equal_means_share_the_mean_rank_in_whatever_order_they_were_added_up() -> None:
    values = [0.1, 0.2, 0.3, 0.7]
    frame = evaluated({"x": values, "y": values[::-1], "z": [0.0] * 4})
    assert list(stats.convergence(frame, NO_TIMES, ACCURACY)["rank"]) == [1.5, 1.5, 3.0]


def test_the_target_s_median_is_infinite_when_most_seeds_miss() -> None:
    frame = evaluated({"x": [0.9] * 5})
    frame["steps_to_target"] = [10.0, 20.0, np.inf, 40.0, 50.0]
    assert stats.convergence(frame, NO_TIMES, ACCURACY)["steps_to_target"].item() == 40
    frame["steps_to_target"] = [10.0, 20.0, np.inf, np.inf, np.nan]
    assert stats.convergence(frame, NO_TIMES, ACCURACY)["steps_to_target"].item() == np.inf


def test_seconds_are_steps_times_seconds_of_a_step_shared_by_the_chunk() -> None:
    times = pd.DataFrame(
        {"task": ["t"], "activation": ["a"], "optimizer": ["x"], "step_s_median": [0.02], "width": [4]}
    )
    table = stats.convergence(evaluated({"x": [0.9], "y": [0.9]}), times, ACCURACY).set_index("optimizer")
    assert table.loc["x", "seconds_to_target"] == pytest.approx(10 * 0.02 / 4)
    assert np.isnan(table.loc["y", "seconds_to_target"])


@pytest.mark.parametrize("grid, chosen, edge", [([0.1, 1], 1, True), ([0.01, 0.1, 1], 0.1, False), ([0.1], 0.1, False)])
def test_a_chosen_rate_at_the_edge_of_its_grid_is_flagged(grid: list[float], chosen: float, edge: bool) -> None:
    rows = [("tune", "x", rate, 0, "ok", 0.5, 10.0) for rate in grid]
    table = stats.convergence(lanes([*rows, ("evaluate", "x", chosen, 1, "ok", 0.5, 10.0)]), NO_TIMES, ACCURACY)
    assert table["at_grid_edge"].item() is edge


def test_a_cell_that_was_not_evaluated_has_a_row_without_numbers() -> None:
    rows = [("tune", "x", 0.1, 0, "ok", 0.5, 10.0), ("evaluate", "x", 0.1, 1, "interrupted", np.nan, np.inf)]
    table = stats.convergence(lanes(rows), NO_TIMES, ACCURACY)
    assert list(table.columns) == stats.CONVERGENCE
    assert table["seeds"].item() == 0
    assert table[["test_metric", "ci_low", "steps_to_target", "rank"]].isna().all(axis=None)


def test_an_interrupted_lane_counts_nowhere_and_a_failed_one_as_the_worst() -> None:
    frame = evaluated({"x": [0.9, 0.9, 0.9]})
    frame.loc[2, "status"] = "interrupted"
    assert stats.convergence(frame, NO_TIMES, ACCURACY)["test_metric"].item() == pytest.approx(0.9)
    frame.loc[2, "status"] = "failed"
    assert stats.convergence(frame, NO_TIMES, ACCURACY)["test_metric"].item() == pytest.approx(0.6)


def test_no_lanes_give_an_empty_table_with_the_columns() -> None:
    assert list(stats.convergence(evaluated({}), NO_TIMES, ACCURACY).columns) == stats.CONVERGENCE


def test_the_same_seed_gives_the_same_interval_and_another_another() -> None:
    values = np.random.default_rng(0).normal(size=20)
    assert stats.bootstrap_interval(values) == stats.bootstrap_interval(values)
    assert stats.bootstrap_interval(values, seed=1) != stats.bootstrap_interval(values)


def test_constant_values_have_an_interval_of_no_width() -> None:
    low, high = stats.bootstrap_interval([0.1] * 7)
    assert low == high == pytest.approx(0.1)


def test_one_value_has_no_interval_and_infinite_values_have_infinite_ends() -> None:
    assert np.isnan(stats.bootstrap_interval([0.5])).all()
    low, high = stats.bootstrap_interval([1.0, 2.0, 3.0, np.inf])
    assert np.isfinite(low)
    assert high == np.inf


@pytest.mark.parametrize("size, share", [(3, 0.75), (5, 0.84), (10, 0.90), (30, 0.94)])
def test_the_interval_covers_as_often_as_the_report_says(size: int, share: float) -> None:
    samples = np.random.default_rng(size).normal(size=(1500, size))
    ends = np.array([stats.bootstrap_interval(sample, resamples=600) for sample in samples])
    assert ((ends[:, 0] <= 0) & (ends[:, 1] >= 0)).mean() == pytest.approx(share, abs=0.03)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12))
def test_the_interval_lies_within_the_values(values: list[float]) -> None:
    low, high = stats.bootstrap_interval(values, resamples=200)
    slack = 1e-9 * (1 + max(map(abs, values)))
    assert min(values) - slack <= low <= high <= max(values) + slack


def test_selection_on_validation_data_leaves_the_test_score_honest() -> None:
    rng = np.random.default_rng(0)
    cells, rates = 400, 20
    frame = pd.DataFrame(
        {"optimizer": np.repeat(np.arange(cells), rates), "learning_rate": np.tile(np.arange(rates) + 1.0, cells)}
    )
    frame = frame.assign(task="t", activation="a", phase="tune", status="ok", seed=0)
    frame["validation_metric"], frame["test_metric"] = rng.normal(size=(2, len(frame)))
    best = (
        stats.best_learning_rates(stats.learning_rate_sensitivity(frame, R2), R2).rename("learning_rate").reset_index()
    )
    picked = frame.merge(best, on=["optimizer", "learning_rate"])
    assert len(picked) == cells
    assert abs(picked["test_metric"].mean()) < 3 / np.sqrt(cells)
    assert picked["validation_metric"].mean() == pytest.approx(1.87, abs=0.1)


@pytest.mark.parametrize("tasks, best", [(ACCURACY, 0.1), (RMSE, 0.01)])
def test_the_best_rate_is_best_in_the_metric_s_direction_and_never_a_diverged_one(
    tasks: stats.Tasks, best: float
) -> None:
    rows = [
        ("tune", "x", 0.01, 0, "ok", 0.5, 1.0),
        ("tune", "x", 0.1, 0, "ok", 0.6, 1.0),
        ("tune", "x", 1.0, 0, "diverged", np.nan, 1.0),
    ]
    table = stats.learning_rate_sensitivity(lanes(rows), tasks)
    assert table.loc[table["chosen"], "learning_rate"].item() == best
    assert list(table["diverged_share"]) == [0, 0, 1]


def test_the_rate_that_was_evaluated_is_the_chosen_one() -> None:
    rows = [("tune", "x", rate, 0, "ok", rate, 1.0) for rate in (0.1, 0.2, 0.3)]
    table = stats.learning_rate_sensitivity(lanes([*rows, ("evaluate", "x", 0.2, 1, "ok", 0.5, 1.0)]), ACCURACY)
    assert table.loc[table["chosen"], "learning_rate"].item() == 0.2


@pytest.mark.parametrize("tasks, low", [(ACCURACY, 0.0), (R2, -np.inf)])
def test_bands_are_quartiles_and_fall_where_lanes_diverge(tasks: stats.Tasks, low: float) -> None:
    frame = evaluated({"x": [0.1, 0.2, 0.3, 0.4, 0.5]})
    after = [np.nan, np.nan, 0.3, 0.4, 0.5]
    curves = pd.concat(
        [
            pd.DataFrame({"lane": range(5), "step": step, "validation_metric": values})
            for step, values in ((0, frame["test_metric"]), (9, after))
        ]
    )
    bands = stats.curve_bands(curves, frame, tasks).set_index("step")[["low", "middle", "high"]]
    assert list(bands.loc[0]) == pytest.approx([0.2, 0.3, 0.4])
    assert list(bands.loc[9]) == pytest.approx([low, 0.3, 0.4])


def test_bands_of_nothing_are_empty() -> None:
    run = make_run(["relu"], ["adam"], keep_evaluated=0)
    bands = stats.curve_bands(run.curves, run.lanes, run.manifest["tasks"])
    assert bands.empty
    assert {"low", "middle", "high", "step"} <= set(bands.columns)


@pytest.mark.parametrize(
    "value, half, told",
    [
        (0.978, 0.004, "97.8 % ± 0.4"),
        (0.978, np.nan, "97.8 %"),
        (np.nan, np.nan, "no data"),
        (1.0, 0.0, "100.0 % ± 0.0"),
    ],
)
def test_a_share_is_told_in_percent(value: float, half: float, told: str) -> None:
    assert Metric.of(task_entry()).told(value, half) == told


def test_a_spread_is_told_with_the_digits_of_its_value() -> None:
    assert Metric.of(REGRESSION).told(54.321, 0.31567) == "54.3 ± 0.3"
    assert Metric.of(REGRESSION).told(0.4567, 0.0316) == "0.457 ± 0.032"


def test_a_small_spread_brings_decimals_and_whole_values_keep_theirs() -> None:
    psnr = Metric("PSNR", "maximize", "dB", 1, -np.inf)
    assert psnr.told(25.8123, 0.0312) == "25.81 dB ± 0.03"
    assert psnr.told(99.0, 0.97) == "99.0 dB ± 1.0"
    assert Metric.of(task_entry()).told(0.9712, 0.0003) == "97.12 % ± 0.03"


@pytest.mark.parametrize(
    ("values", "half_widths", "leader", "shown"),
    [
        ([99.0, 99.7, 101.0], [1.2, 2.0, 3.0], np.nan, ["99.0", "99.7", "101.0"]),
        ([25.8, 25.1], [0.5, 0.5], 0.03, ["25.80", "25.10"]),
        ([0.349, -2.24, -np.inf], [0.005, 0.2, np.nan], 0.0048, ["0.349", "−2.240", "−∞"]),
        ([500.0, 499.96], [0.0, 0.2], 0.0, ["500.0", "500.0"]),
        ([-0.04, 1234.5], [0.3, 0.4], np.nan, ["0.0", "1,234"]),
        ([99.0, 99.7], [np.nan, np.nan], np.nan, ["99.0", "99.7"]),
        ([np.nan], [np.nan], np.nan, ["no data"]),
    ],
)
def test_a_column_has_the_decimals_of_its_intervals(
    values: list[float], half_widths: list[float], leader: float, shown: list[str]
) -> None:
    fitted = Metric("PSNR", "maximize", "dB", 1, -np.inf).fitted(values, half_widths, leader)
    assert [fitted.show(value) for value in values] == shown


def test_a_difference_is_told_like_its_column_and_never_as_nothing() -> None:
    psnr, accuracy = Metric("PSNR", "maximize", "dB", 1, -np.inf).fitted([99.0], [1.2]), Metric.of(task_entry())
    assert [psnr.difference(value) for value in (0.698, -0.698, 0.003, 0.0)] == [
        "0.7 dB",
        "0.7 dB",
        "0.003 dB",
        "0.0 dB",
    ]
    assert accuracy.difference(0.0123) == "1.2 points"
    assert psnr.difference(2e-06) == "less than 0.001 dB"


def test_a_minus_is_a_minus_and_a_power_of_ten_one() -> None:
    discrepancy = TASKS["digits_gan"].metric.described()
    assert Metric.of({"metric": discrepancy}).told(0.1592) == "159.2 ×10⁻³"
    assert Metric.of(REGRESSION).told(-2.24) == "−2.24"
    assert Metric.of(REGRESSION).plain(-3) == "−3"


@pytest.mark.parametrize("value, told", [(54.321, "54.3"), (12345.6, "12,346"), (np.inf, "∞"), (0.01234, "0.0123")])
def test_a_plain_number_is_told_with_three_digits(value: float, told: str) -> None:
    assert Metric.of(REGRESSION).told(value) == told


def test_many_values_are_resampled_in_parts_and_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=37)
    whole = stats.bootstrap_interval(values, resamples=1_000)
    monkeypatch.setattr("bench.stats.cells.MOST_PLACES", 37 * 130)
    assert stats.bootstrap_interval(values, resamples=1_000) == whole


@pytest.mark.parametrize("tasks", [ACCURACY, RMSE])
def test_a_seed_collapsed_that_gains_less_than_a_quarter_of_the_median(tasks: stats.Tasks) -> None:
    """Over a baseline of 0.101, or less than one of 77."""
    good, short, lost = (0.901, 0.31, 0.29) if tasks is ACCURACY else (37.0, 66.0, 68.0)
    scores = {"a": [good] * 4 + [lost], "b": [good] * 4 + [short], "c": [good] * 4 + [NAN], "d": [lost] * 4 + [short]}
    assert dict(stats.collapsed(evaluated(scores), tasks)) == {("t", "a", "a"): 1}


@pytest.mark.parametrize(
    ("value", "samples", "error"), [(0.971, 359, 0.00886), (0.5, 100, 0.05), (1.0, 359, np.nan), (0.9, 0, np.nan)]
)
def test_the_sampling_error_of_an_accuracy_is_known(value: float, samples: int, error: float) -> None:
    found = Metric.of(task_entry()).sampling_error(value, samples)
    assert found == pytest.approx(error, rel=1e-2, nan_ok=True)
    assert np.isnan(Metric.of(REGRESSION).sampling_error(0.5, 100))
