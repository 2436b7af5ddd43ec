"""Costs, ratios and break-even on frames whose answers are known; devices are made up, no GPU is claimed."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from bench.stats import throughput as stats


def row(step_s: float = 1e-3, spread: float = 0.1, **given: Any) -> dict[str, Any]:
    """One timing; `spread` is half of the interval's width in logarithms."""
    values = {
        "task": "t", "activation": "relu", "optimizer": "sgd", "device": "cpu", "precision": "float32",
        "batch_size": 64, "width": 4, "workers": 1, "trace_s": 0.0, "compile_s": 1.0, "transfer_s": 0.0,
        "first_run_s": 0.0, "working_bytes": 100, "carry_bytes": 10, "noisy": "no",
    }  # fmt: skip
    values |= given
    ends = {"step_s_low": step_s * np.exp(-spread), "step_s_high": step_s * np.exp(spread)}
    rate = values["width"] / step_s
    lanes = values["width"] * values["workers"]
    return {**values, **ends, "step_s_median": step_s, "lane_steps_per_s": rate, "lanes": lanes}


def test_a_summary_is_of_the_raw_samples() -> None:
    found = stats.summary([1.0] * 9 + [2.0] * 11)
    assert found["step_s_median"] == 2.0
    assert (found["step_s_min"], found["step_s_p95"], found["samples"]) == (1.0, 2.0, 20)
    assert found["step_s_low"] <= 2.0 <= found["step_s_high"]
    assert found["noisy"] == "unstable"
    assert stats.summary([1.0] * 10)["noisy"] == "no"


def test_the_geometric_mean_of_a_ratio_and_its_inverse_is_one() -> None:
    middle, low, high = stats.geometric_mean(pd.Series([2.0, 0.5]))
    assert middle == pytest.approx(1.0)
    assert low < 1 < high and low * high == pytest.approx(1.0)
    assert np.isnan(stats.geometric_mean(pd.Series(dtype=float))[0])
    assert np.isnan(stats.geometric_mean(pd.Series([3.0]))[1])


def test_all_cells_are_as_fast_as_their_mean_with_its_t_interval_and_what_differs_from_run_to_run() -> None:
    ratios = pd.DataFrame({"ratio": [0.5, 2.0, 1.0, np.nan, 0.0]}).assign(low=0.1, high=9.0)
    found = stats.Speedup.over(ratios, 0.0)
    low, high = scipy_stats.t.interval(0.95, 2, 0, np.log(2) / np.sqrt(3))
    assert [found.middle, found.low, found.high, found.cells] == pytest.approx([1, np.exp(low), np.exp(high), 3])
    wider = stats.Speedup.over(ratios, 0.5)
    assert np.log(wider.high) == pytest.approx(np.hypot(high, np.log(1.5))) == pytest.approx(-np.log(wider.low))


def test_a_single_cell_has_its_own_interval_and_none_has_no_speed() -> None:
    ratios = pd.DataFrame({"ratio": [3.0], "low": [2.0], "high": [5.0]})
    one, none = stats.Speedup.over(ratios, 0.1), stats.Speedup.over(ratios[:0], 0.1)
    assert (one.middle, one.low, one.high) == (3.0, 2.0, 5.0)
    assert one.sentence("a", "b") == "b trains 3.00 times as fast as a (2.00 to 5.00)."
    assert none.sentence("a", "b") == "Speeds were not measured."
    few = stats.Speedup(1.01, np.nan, np.nan, 1).sentence("a", "b")
    assert few == "b trains 1.01 times as fast as a, by too few samples to tell how surely."
    assert stats.Speedup.over(ratios / 100, 0.1).slower(0.1, "cells") == []  # it is judged as a cell


def test_a_cost_is_relative_to_the_reference_in_the_same_setting() -> None:
    frame = pd.DataFrame(
        [
            row(1e-3), row(2e-3, activation="gelu", working_bytes=150), row(1e-2, width=8),
            row(3e-2, width=8, activation="gelu"), row(9.0, optimizer="adam", activation="gelu"),  # no partner
        ]
    )  # fmt: skip
    costs = stats.relative_cost(frame, "activation", "relu")
    assert costs["ratio"].tolist() == pytest.approx([2.0, 3.0])
    assert costs["memory_ratio"].tolist() == [1.5, 1.0]
    half = np.hypot(0.1, 0.1)
    assert costs["ratio_low"][0] == pytest.approx(2 * np.exp(-half))
    assert costs["ratio_high"][0] == pytest.approx(2 * np.exp(half))
    (mean,) = stats.mean_cost(costs, "activation").to_dict("records")
    assert mean["ratio"] == pytest.approx(6**0.5) and mean["cells"] == 2


def test_settings_of_one_task_are_averaged_before_the_interval_over_tasks() -> None:
    costs = pd.DataFrame(
        [("a", 2.0), ("a", 2.0), ("a", 2.0), ("b", 1.0), ("c", 4.0)], columns=["task", "ratio"]
    ).assign(activation="gelu", memory_ratio=1.0, state_ratio=1.0)
    (mean,) = stats.mean_cost(costs, "activation").to_dict("records")
    expected = stats.geometric_mean(pd.Series([2.0, 1.0, 4.0]))
    assert [mean[name] for name in stats.RATIO] == pytest.approx(expected)
    assert (mean["median"], mean["highest"], mean["dearest"]) == (pytest.approx(2.0), pytest.approx(4.0), "c")
    assert (mean["tasks"], mean["cells"]) == (3, 5)
    (alone,) = stats.mean_cost(costs.assign(task="a"), "activation").to_dict("records")
    assert [alone[name] for name in stats.RATIO] == pytest.approx(stats.geometric_mean(costs["ratio"]))
    assert (alone["tasks"], alone["cells"]) == (1, 5)


def test_state_counts_what_an_optimizer_keeps() -> None:
    frame = pd.DataFrame([row(), row(optimizer="adam", carry_bytes=30)])
    assert stats.relative_cost(frame, "optimizer", "sgd")["state_ratio"].tolist() == [3.0]


def two_devices() -> pd.DataFrame:
    """Two cores of 1,000 lane-steps a second; a device of 100, 1,000 and 10,000 at widths 1, 10 and 100."""
    cpu = [row(4e-3, width=4, workers=2, compile_s=1.0)]
    gpu = [row(1e-2, device="gpu", width=width, compile_s=9.0) for width in (1, 10, 100)]
    return pd.DataFrame(cpu + gpu)


def test_devices_are_compared_each_at_its_best() -> None:
    (found,) = stats.against(two_devices()).to_dict("records")
    assert found["ratio"] == pytest.approx(10_000 / 2_000)
    assert (found["width"], found["width_other"]) == (100, 4)
    assert found["ratio_low"] < 5 < found["ratio_high"]
    assert stats.against(two_devices().query("device == 'cpu'")).empty


def test_the_fastest_cell_stands_beside_those_that_share_its_measurement_or_cannot_be_told_from_it() -> None:
    frame = pd.DataFrame(
        [
            row(1e-3), row(1.1e-3, width=2), row(1e-3, activation="gelu"), row(1.1e-3, activation="tanh"),
            row(1.2e-3, activation="tanh"), row(1.05e-3, optimizer="adam"), row(2e-3, activation="silu"),
        ]
    )  # fmt: skip
    found = stats.Beside.fastest(frame)
    assert (found.shared, found.level) == (1, 2)
    assert str(found) == "; 1 other shares its measurement and 2 more cannot be told from it"
    assert str(stats.Beside(3, 0)) == "; 3 others share its measurement"
    assert str(stats.Beside(0, 1)) == "; 1 other cannot be told from it"
    assert str(stats.Beside.fastest(frame[:1])) == ""
    few = frame.assign(noisy="few")
    assert str(stats.Beside.fastest(few)) == f"{found}, by few samples of each"
    assert str(stats.Beside.fastest(few[:1])) == "", "there is none to tell it from"
    once = frame.assign(step_s_low=np.nan, step_s_high=np.nan)
    assert stats.Beside.fastest(once) == stats.Beside(1, 0), "one sample has no interval"


def test_where_one_device_overtakes_the_other() -> None:
    (found,) = stats.overtakes(two_devices(), "lanes").to_dict("records")
    assert found["lanes"] == 100  # at 10 lanes it makes 1,000 of the CPU's 2,000
    slow = two_devices().query("width < 100")
    assert stats.overtakes(slow, "lanes")["lanes"].tolist() == [np.inf]


def test_at_which_batch_size() -> None:
    steps = {"cpu": (1e-3, 1e-2), "gpu": (2e-3, 3e-3)}
    rows = [row(s, device=d, batch_size=b) for d, both in steps.items() for s, b in zip(both, (32, 256), strict=True)]
    assert stats.overtakes(pd.DataFrame(rows), "batch_size")["batch_size"].tolist() == [256]


def test_a_longer_start_is_paid_after_so_many_steps() -> None:
    (found,) = stats.break_even(two_devices()).to_dict("records")
    assert found["steps"] == pytest.approx((9 - 1) / (1 / 2_000 - 1 / 10_000))
    slow = two_devices().query("width < 100")
    assert stats.break_even(slow)["steps"].tolist() == [np.inf]
    early = two_devices().assign(compile_s=1.0)
    assert stats.break_even(early)["steps"].tolist() == [0.0]


def test_seconds_to_target_are_steps_over_the_rate_of_each_device() -> None:
    reached = pd.DataFrame({"task": ["t"], "activation": ["relu"], "optimizer": ["sgd"], "steps_to_target": [400.0]})
    found = stats.seconds_to_target(reached, two_devices()).set_index("device")["seconds"]
    assert found["cpu"] == pytest.approx(0.2) and found["gpu"] == pytest.approx(0.04)
    missed = stats.seconds_to_target(reached.assign(steps_to_target=np.inf), two_devices())
    assert np.isinf(missed["seconds"]).all()
