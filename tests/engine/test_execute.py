"""Shards to rows: what is kept of an outcome, and what becomes of a shard that memory is too small for."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from bench.activations import ACTIVATIONS, Activation
from bench.engine import execute, mesh
from bench.engine.compile import Compiled, compile_lowered
from bench.engine.execute import rounded, typical
from bench.engine.train import Outcome
from bench.errors import Raised
from bench.optimizers import OPTIMIZERS, Optimizer
from bench.planning import plan, suite
from bench.planning.lanes import Lane
from bench.planning.program import Program
from bench.planning.shard import Result, Shard
from bench.running import calls
from bench.tasks import TASKS


def test_exhibits_keep_three_digits_and_what_is_no_number() -> None:
    values = np.random.default_rng(0).normal(0, 10 ** np.linspace(-3, 30, 400)).astype(np.float32)
    np.testing.assert_allclose(rounded(values), values, rtol=2**-11)
    assert len(np.unique(rounded(values).view(np.uint32) & np.uint32(0x1FFF))) == 1
    special = np.array([0.0, 1.0, -0.5, np.inf, -np.inf, np.nan], np.float32)
    np.testing.assert_array_equal(rounded(special), special)


@pytest.mark.parametrize(("task", "middle"), [("digits_mlp", 4), ("digits_gan", 3)])
def test_the_lane_of_the_middle_score_is_kept_of_each_cell(task: str, middle: int) -> None:
    scores = [
        0.9,
        np.nan,
        0.1,
        0.3,
        0.2,
        np.inf,
    ]  # two without a score are the worst; of the two in the middle the better
    rows = [
        {"activation": activation, "optimizer": "adam", "lane": f"{activation}{i}", "test_metric": score}
        for activation in ("relu", "tanh")
        for i, score in enumerate(scores)
    ]
    metric = TASKS[task].metric
    assert typical(rows, metric) == [f"relu{middle}", f"tanh{middle}"]
    assert typical(rows[:1], metric) == ["relu0"]
    assert typical([], metric) == []


COMPILED: dict[int, Compiled] = {}  # by width: every test is of the same program


def compiled_once(width: int, lowered: Any) -> Compiled:
    if width not in COMPILED:
        COMPILED[width] = compile_lowered(lowered)
    return COMPILED[width]


class Memory:
    """A worker's memory, for so many lanes at once: too small a one ends a compilation or, if late, a call."""

    def __init__(self, lanes: int, *, late: bool, error: Exception) -> None:
        self.lanes, self.late, self.error = lanes, late, error

    def __call__(self, lowered: Any) -> Any:
        width = lowered.in_avals[0][0].seed.shape[0]
        if not self.late:
            self.need(width)
        compiled = compiled_once(width, lowered)

        def call(*arguments: Any) -> Any:
            self.need(width)
            return compiled.call(*arguments)

        return compiled._replace(call=call)

    def need(self, lanes: int) -> None:
        if lanes > self.lanes:
            raise self.error


FULL = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes.")
ENOUGH = Memory(4, late=False, error=FULL)


@pytest.fixture
def shard() -> Shard:
    """Six lanes of one cell and three of another, planned four at a time."""
    program = Program(
        task=TASKS["wine_mlp"], activations=(ACTIVATIONS["relu"],), optimizers=(OPTIMIZERS["sgd"], OPTIMIZERS["adam"]),
        batch_size=32, full_batch=False, steps=8, eval_every=4, width=4, mixed=False,
    )  # fmt: skip
    cells = [("sgd", seed) for seed in range(6)] + [("adam", seed) for seed in range(3)]
    lanes = [Lane(f"{opt}/{seed}", "wine_mlp", "relu", opt, "evaluate", 0.01, seed) for opt, seed in cells]
    return Shard("00000-evaluate-000", program, tuple(lanes))


def trained(shard: Shard, monkeypatch: pytest.MonkeyPatch, memory: Memory = ENOUGH) -> Result:
    """By a worker that has nothing loaded, and memory for four lanes unless told otherwise."""
    monkeypatch.setattr(execute, "_LOADED", {})
    monkeypatch.setattr(execute, "_HALVED", defaultdict(int))
    monkeypatch.setattr(execute, "compile_lowered", memory)
    return execute.execute(shard)


@pytest.mark.parametrize("late, error", [(False, FULL), (True, FULL), (True, MemoryError())])
@pytest.mark.parametrize("lanes, halved", [(2, 1), (1, 2)])
def test_out_of_memory_halves_the_width(
    shard: Shard, monkeypatch: pytest.MonkeyPatch, late: bool, error: Exception, lanes: int, halved: int
) -> None:
    whole = trained(shard, monkeypatch)
    assert (whole.timing["width"], whole.timing["halved"]) == (4, 0)
    assert [chunk["lanes"] for chunk in whole.timing["chunks"]] == [4, 2, 3]
    found = trained(shard, monkeypatch, Memory(lanes, late=late, error=error))
    assert (found.timing["width"], found.timing["halved"]) == (lanes, halved)
    assert [chunk["lanes"] for chunk in found.timing["chunks"]] == {2: [2, 2, 2, 2, 1], 1: [1] * 9}[lanes]
    assert {chunk["width"] for chunk in found.timing["chunks"]} == {lanes}
    assert [row["lane"] for row in found.rows] == [lane.id for lane in shard.lanes]
    for row, other in zip(found.rows, whole.rows, strict=True):
        np.testing.assert_allclose(row["curve_validation_loss"], other["curve_validation_loss"], rtol=1e-4)
    again = execute.execute(shard)  # the worker has learnt its lesson
    assert again.timing["compile_s"] == 0
    assert again.timing["halved"] == halved


def test_memory_too_small_for_one_lane_is_an_error(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(jax.errors.JaxRuntimeError, match="Out of memory"):
        trained(shard, monkeypatch, Memory(0, late=True, error=FULL))


@pytest.mark.parametrize("lanes, width", [(4, 4), (2, 2)])
def test_two_devices_halve_what_each_has(shard: Shard, monkeypatch: pytest.MonkeyPatch, lanes: int, width: int) -> None:
    monkeypatch.setattr(mesh, "count", lambda: 2)
    found = trained(shard, monkeypatch, Memory(lanes, late=False, error=FULL))
    assert (found.timing["width"], found.timing["halved"]) == (width, {4: 0, 2: 1}[width])
    with pytest.raises(jax.errors.JaxRuntimeError, match="Out of memory"):
        trained(shard, monkeypatch, Memory(1, late=False, error=FULL))


def test_what_is_no_want_of_memory_is_not_tried_again(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    error = jax.errors.JaxRuntimeError("INTERNAL: no such thing")
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        trained(shard, monkeypatch, Memory(2, late=True, error=error))
    assert not any(execute._HALVED.values())


def test_what_evaluation_takes_is_no_training(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    def timed(loaded: Any, lanes: list[Lane], windows: np.ndarray, timing: execute.Timing) -> Any:
        return original(loaded, lanes, windows, timing)[
            0
        ], 10.0 if windows.any() else 1.0  # one without steps has no windows

    original = execute._timed
    monkeypatch.setattr(execute, "_timed", timed)
    found = trained(shard, monkeypatch).timing
    assert [chunk["seconds"] for chunk in found["chunks"]] == [10.0] * 3
    assert (found["train_s"], found["evaluate_s"]) == (3 * 9.0, 1.0 + 3 * 1.0), "it was measured once"


def test_waiting_for_a_turn_is_no_training(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def turn() -> Iterator[None]:
        time.sleep(0.2)
        yield

    monkeypatch.setattr("bench.hardware.turns.turn", turn)
    found = trained(shard, monkeypatch).timing
    assert found["turn_s"] >= 0.2 * 4 and found["train_s"] + found["evaluate_s"] < 0.2 * 4, "three chunks, one without"
    assert found["finished"] - found["started"] >= found["turn_s"] + found["train_s"] + found["evaluate_s"]


def test_chunks_tell_how_many_lanes_are_of_each_activation(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "_LOADED", {})
    cells, both = [("tanh", "sgd"), ("relu", "sgd"), ("relu", "adam")], (ACTIVATIONS["relu"], ACTIVATIONS["tanh"])
    found = execute.execute(of_cells(shard, cells, activations=both, mixed=True)).timing
    told = [(chunk["optimizer"], chunk["activations"]) for chunk in found["chunks"]]
    assert told == [("sgd", {"tanh": 2, "relu": 2}), ("adam", {"relu": 2})]


# --- rows -----------------------------------------------------------------------------------------------------------


def outcome(metric: float, loss: float = 0.5) -> Outcome:
    """Of one lane of the shard of these tests that was not stopped, with the same before the first step and after."""
    curve = np.full((1, 3), loss, np.float32)
    score = np.full((1, 3), metric, np.float32)
    one = np.ones(1, np.float32)
    return Outcome(
        train_loss=curve, validation_loss=curve, validation_metric=score, test_loss=one, test_metric=one,
        stopped_at=np.full(1, -1), trace=None, exhibit=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "loss, status, stopped_at", [(0.5, "ok", None), (np.nan, "diverged", 8), (np.inf, "diverged", 8)]
)
def test_a_lane_that_ends_without_a_finite_loss_has_diverged(
    shard: Shard, loss: float, status: str, stopped_at: int | None
) -> None:
    row = execute.row(shard, shard.lanes[0], outcome(0.5, loss), 0)
    assert (row["status"], row["stopped_at"]) == (status, stopped_at)
    assert np.isnan(row["test_metric"]) == (status == "diverged")


@pytest.mark.parametrize("target", [0.1, 0.3, 0.7, 0.9, 0.95])
@pytest.mark.parametrize("direction, worse", [("maximize", -1), ("minimize", 1)])
def test_a_target_reached_exactly_is_reached(shard: Shard, target: float, direction: str, worse: int) -> None:
    metric = replace(shard.program.task.metric, direction=direction)
    program = replace(shard.program, task=replace(shard.program.task, target=target, metric=metric))
    reached = np.float32(target)
    missed = np.nextafter(reached, np.float32(worse * np.inf))
    for score, step in ((reached, 0.0), (missed, np.inf)):
        found = execute.row(replace(shard, program=program), shard.lanes[0], outcome(float(score)), 0)
        assert found["steps_to_target"] == step


# --- what raises ----------------------------------------------------------------------------------------------------


def unlucky(*_: object, **__: object) -> Any:
    raise ValueError("no such luck")


BAD, WORSE = Activation("bad", unlucky), Optimizer("worse", unlucky, "")


def of_cells(shard: Shard, cells: list[tuple[str, str]], **changes: Any) -> Shard:
    """The shard with two lanes of each of these cells; its program with these changes."""
    lanes = [Lane(f"{a}/{o}/{s}", "wine_mlp", a, o, "evaluate", 0.01, s) for a, o in cells for s in range(2)]
    return replace(shard, program=replace(shard.program, **changes), lanes=tuple(lanes))


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("side, faulty", [("activations", BAD), ("optimizers", WORSE)])
def test_what_raises_while_it_is_traced_costs_its_own_lanes_alone(
    shard: Shard, monkeypatch: pytest.MonkeyPatch, side: str, faulty: Any, mixed: bool
) -> None:
    entries = getattr(shard.program, side)
    spoiled = (entries[0], faulty, *entries[1:])
    cells = [("bad", "sgd"), ("relu", "sgd")] if faulty is BAD else [("relu", "worse"), ("relu", "sgd")]
    monkeypatch.setattr(execute, "compile_lowered", compile_lowered)
    monkeypatch.setattr(execute, "_LOADED", {})
    given = of_cells(shard, cells, **{side: spoiled}, mixed=mixed)
    found = execute.execute(given)
    assert found.timing["error"].startswith("ValueError: no such luck (test_execute.py, line ")
    assert [(row["lane"], row["status"]) for row in found.rows] == [
        (lane.id, "ok" if i >= 2 else "failed") for i, lane in enumerate(given.lanes)
    ]
    assert np.isnan(found.rows[0]["test_loss"]) and found.rows[0]["steps_to_target"] == np.inf
    whole = execute.execute(of_cells(shard, cells[1:], mixed=mixed))
    assert "error" not in whole.timing
    assert repr(found.rows[2:]) == repr(whole.rows)
    assert execute.execute(given).timing["trace_s"] == 0, "it is found out once"
    with pytest.raises(Raised, match="no such luck"):
        execute.execute(of_cells(shard, cells[:1], **{side: spoiled}, mixed=mixed))


def test_where_all_raise_it_is_the_fault_of_the_whole(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "_LOADED", {})
    awful = Activation("awful", unlucky)
    for changes in ({"activations": (BAD,)}, {"activations": (BAD, awful)}, {"optimizers": (WORSE,)}):
        with pytest.raises(ValueError, match="no such luck"):
            execute.execute(of_cells(shard, [("bad", "sgd")], **changes))
    assert not execute._LOADED


def of_file(path: Path, seed: int) -> Shard:
    """A shard of a task whose data are drawn anew and written over what was there."""
    random = np.random.default_rng(seed)
    parts = {"train": 40, "test": 20}
    arrays = {f"x_{part}": random.normal(size=(n, 3)) for part, n in parts.items()}
    arrays |= {f"y_{part}": random.normal(size=n) for part, n in parts.items()}
    np.savez(path, allow_pickle=False, **arrays)
    made = plan.make(
        suite.parse(
            {"name": "own", "tasks": [{"file": str(path), "model": "mlp"}], "activations": ["tanh"],
             "optimizers": ["sgd"], "steps": 2, "batch_size": 8, "eval_every": 1,
             "learning_rates": {"low": 0.1, "high": 0.1, "num": 1}, "seeds": {"tune": 1, "evaluate": 1}}
        )
    )  # fmt: skip
    return made.tune_shards(made.blocks[0])[0]


def test_tasks_of_the_same_data_share_them() -> None:
    execute.begin("another")
    tasks = [TASKS["wine_mlp"], TASKS["wine_mlp"].configured({"width": 7}), TASKS["digits_mlp"]]
    first, other, third = (execute._data(task) for task in tasks)
    assert first is other is execute._data(tasks[0])
    assert third is not first


def test_a_worker_that_outlives_a_run_forgets_its_data(tmp_path: Path) -> None:
    first = calls.execute(of_file(tmp_path / "d.npz", 0), "first")
    shard = of_file(tmp_path / "d.npz", 1)
    second = calls.execute(shard, "second")
    assert (second.timing["load_s"] > 0, calls.execute(shard, "second").timing["load_s"]) == (True, 0)
    alone = calls.execute(shard, "alone")
    assert second.rows[0]["validation_loss"] == alone.rows[0]["validation_loss"] != first.rows[0]["validation_loss"]
    assert execute._ORDERS
    execute.begin("the next")
    assert not execute._ORDERS, "the orders of samples, too, are large"
