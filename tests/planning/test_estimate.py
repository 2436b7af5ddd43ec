"""How long a plan is said to take, against what runs took."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench import kinds
from bench.cli import app
from bench.hardware import machine, rates
from bench.planning import plan, suite
from bench.planning.estimate import PRICES, SLOWEST, SPREAD, estimate, price, slowness
from bench.planning.program import PROFILES
from bench.storage import store
from bench.tasks import TASKS
from bench.throughput import plan as throughput

RESULTS = Path(__file__).parents[2] / "results"
CORE = 252e9  # FLOP/s of a large product where the runs of throughput suites were made


@pytest.fixture(autouse=True)
def unmeasured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which nothing was measured yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def changed(**keys: Any) -> suite.Suite:
    return suite.parse(suite.read("quick").described() | keys)


def facts(workers: int = 2, busy: int | None = None, device: str = "cpu", **keys: Any) -> dict[str, Any]:
    return estimate(plan.make(changed(**keys), device), workers, busy)


def seconds(**keys: Any) -> int:
    return int(facts(**keys)["estimated_s"])


def took(run: str) -> float:
    """Seconds from the start of a committed run to its last shard."""
    (session,) = json.loads((RESULTS / run / "manifest.json").read_text())["execution"]["sessions"]
    return float(session["finished"] - session["started"])


@pytest.mark.parametrize("run", ["quick", "standard", "throughput", "throughput_quick"])
def test_the_committed_runs_took_what_is_estimated_within_a_third(run: str) -> None:
    made = json.loads((RESULTS / run / "manifest.json").read_text())["execution"]
    rates.remember("cpu", made.get("gemm_flops_per_s", CORE))  # not all were made on the same machine
    wanted = kinds.read(run)
    found = (
        estimate(plan.make(wanted), 2) if isinstance(wanted, suite.Suite) else throughput.make(wanted, ["cpu"]).facts()
    )
    assert took(run) / 1.33 < found["estimated_s"] < took(run) * 1.33
    assert found["estimated_range_s"][0] < took(run) < found["estimated_range_s"][1]


def test_every_family_of_the_throughput_suite_took_what_is_estimated() -> None:
    journal = store.read_journal(RESULTS / "throughput")  # a line a group of nine cells
    measured = {entry["group"]["task"]: entry["wall_s"] for entry in journal}
    groups = throughput.make(kinds.read("throughput"), ["cpu"], 1).groups
    found = {group.programs[0].task.name: throughput.group_s(group, CORE) for group in groups}
    assert {task: found[task] for task in measured} == pytest.approx(measured, rel=0.33)
    assert sum(found[task] for task in measured) == pytest.approx(sum(measured.values()), rel=0.2)


def test_it_counts_the_cores_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, told in (([1], "1 worker of "), ([0, 2, 4], "3 workers of ")):
        monkeypatch.setattr("bench.planning.devices.cores", lambda cores=cores: cores)
        shown = json.loads(CliRunner().invoke(app, ["plan", "quick", "--json"]).stdout)
        assert shown["assumed"].startswith(told)
    assert seconds(workers=1, steps=5000) > 1.8 * seconds(workers=2, steps=5000)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes are pinned on Linux alone")
def test_a_core_that_is_taken_away_is_not_counted() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert machine.cores() == [min(before)] and machine.describe()["cores"] == 1
    finally:
        os.sched_setaffinity(0, before)


def test_a_measured_machine_narrows_the_range() -> None:
    wide = facts(steps=5000)
    rates.remember("cpu", 100e9)
    narrow = facts(steps=5000)
    assert "60 to 270 GFLOP/s" in wide["assumed"] and "nothing was measured here" in wide["assumed"]
    assert "100 GFLOP/s" in narrow["assumed"]
    (low, high), (least, most) = narrow["estimated_range_s"], wide["estimated_range_s"]
    assert least < low < narrow["estimated_s"] < high < most
    assert high / low == pytest.approx(SPREAD**2, rel=0.05)


def test_a_slow_machine_takes_longer() -> None:
    rates.remember("cpu", 252e9)
    fast = seconds(steps=50_000)
    rates.remember("cpu", 63e9)
    assert seconds(steps=50_000) == pytest.approx(4 * fast, rel=0.05)


def test_a_slow_machine_compiles_longer_but_not_without_end() -> None:
    """Three programs of two optimizers took 15.6 s on two cores of 42 GFLOP/s each, of which 2 s were training."""
    few = {"steps": 100, "activations": ["relu", "tanh"], "optimizers": ["adam", "sgd"]}
    tasks = ["wine_mlp", "digits_mlp", "diabetes_mlp"]
    rates.remember("cpu", 42e9)
    found = facts(tasks=tasks, **few)
    assert found["estimated_range_s"][0] < 15.6 < found["estimated_range_s"][1]
    assert 15.6 / 1.33 < found["estimated_s"] < 15.6 * 1.33
    assert slowness(1e9, "cpu") == slowness(50e9, "cpu") == SLOWEST
    assert slowness(500e9, "cpu") == slowness(1e12, "gpu") == 1


def test_it_grows_with_the_work() -> None:
    assert seconds(steps=50_000) > 10 * seconds(steps=500)


def test_evaluations_count() -> None:
    assert seconds(steps=10_000, eval_every=1) > 1.5 * seconds(steps=10_000, eval_every=1000)


def test_a_run_on_a_gpu_took_what_is_estimated() -> None:
    session = json.loads((RESULTS / "quick_gpu" / "manifest.json").read_text())["execution"]
    rates.remember("gpu", session["gemm_flops_per_s"])
    found = facts(workers=session["workers"], busy=session["busy"], device="gpu")
    assert found["assumed"].startswith("1 GPU of 49,881 GFLOP/s"), "its three workers take turns"
    assert took("quick_gpu") / 1.33 < found["estimated_s"] < took("quick_gpu") * 1.33


def test_a_gpu_waits_for_launches_however_narrow_its_chunks_are() -> None:
    rates.remember("gpu", 1e15)
    grids = [{"low": 1e-3, "high": 1e-3 * number, "num": number} for number in (1, 9)]
    narrow, wide = (facts(device="gpu", steps=50_000, learning_rates=grid) for grid in grids)
    assert narrow["estimated_s"] > 0.7 * wide["estimated_s"]


@pytest.mark.parametrize("device", PROFILES)
def test_it_says_what_it_assumes(device: str) -> None:
    found = facts(device=device)
    assert "GFLOP/s" in found["assumed"] and "nothing was measured here" in found["assumed"]
    assert isinstance(found["estimated_s"], int) and found["estimated_s"] > 0


def test_prices_are_of_tasks_and_kinds_that_there_are() -> None:
    assert PRICES.keys() <= TASKS.keys() | {task.kind for task in TASKS.values()}
    assert price(TASKS["wine_mlp"]) == price(TASKS["mnist_mlp"]) != price(TASKS["mnist_cnn"])
    wide = TASKS["digits_segmentation"].configured({"width": 8})
    assert price(wide) == PRICES["segmentation"]
    assert price(TASKS["digits_lstm"]) == PRICES["digits_lstm"]
