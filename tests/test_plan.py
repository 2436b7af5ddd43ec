"""Plans: every lane once, few programs, chunks that waste little, and sizes that are refused before they are built."""

import dataclasses
import time
from collections import Counter
from itertools import pairwise
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import plan
from bench.activations import ACTIVATIONS
from bench.errors import InputError
from bench.estimate import estimate
from bench.locate import suite_files
from bench.optimizers import OPTIMIZERS
from bench.suite import parse, read
from bench.tasks import TASKS

SEVEN = ["sigmoid", "tanh", "relu", "leaky_relu", "prelu", "elu", "maxout"]
SIX = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"]


def described(**changes: Any) -> dict[str, Any]:
    return {
        "name": "small", "tasks": ["wine_mlp"], "activations": SEVEN, "optimizers": SIX,
        "steps": 40, "batch_size": 32, "eval_every": 10,
        "learning_rates": {"low": 1e-3, "high": 1.0, "num": 3}, "seeds": {"tune": 2, "evaluate": 3}, **changes,
    }  # fmt: skip


def made(device: str = "cpu", **changes: Any) -> plan.Plan:
    return plan.make(parse(described(**changes)), device)


def shards(whole: plan.Plan) -> list[plan.Shard]:
    """All shards; each cell's evaluation as if its first learning rate had been chosen."""
    found = []
    for block in whole.blocks:
        found += whole.tune_shards(block)
        found += whole.evaluate_shards(block, {cell: cell.learning_rates[0] for cell in block.cells})
    return found


some = st.fixed_dictionaries(
    {
        "tasks": st.lists(st.sampled_from(sorted(TASKS)), min_size=1, max_size=2, unique=True),
        "activations": st.lists(st.sampled_from(sorted(ACTIVATIONS)), min_size=1, max_size=4, unique=True),
        "optimizers": st.lists(st.sampled_from(sorted(OPTIMIZERS)), min_size=1, max_size=12, unique=True),
        "steps": st.integers(10, 5000),
        "learning_rates": st.builds(lambda num: {"low": 1e-4, "high": 1.0, "num": num}, st.integers(2, 9)),
        "seeds": st.fixed_dictionaries({"tune": st.integers(1, 5), "evaluate": st.integers(1, 12)}),
    }
)


@given(some, st.sampled_from(["cpu", "gpu"]))
@settings(deadline=None, max_examples=40)
def test_every_lane_is_in_one_shard(changes: dict[str, Any], device: str) -> None:
    whole = made(device, **changes)
    lanes = [lane.id for shard in shards(whole) for lane in shard.lanes]
    assert len(lanes) == len(set(lanes)) == whole.lanes
    assert set(lanes) == {lane.id for lane in whole.planned()}
    assert sum(shard.lane_steps for shard in shards(whole)) == whole.lane_steps
    suite = whole.suite
    expected = [(t, a, o) for t in suite.tasks for a in changes["activations"] for o in changes["optimizers"]]
    assert sorted(cell[:3] for cell in whole.cells) == sorted(expected)
    names = [shard.id for shard in shards(whole)]
    assert len(set(names)) == len(names)


@given(some, st.sampled_from(["cpu", "gpu"]))
@settings(deadline=None, max_examples=20)
def test_a_shard_holds_one_phase_and_whole_chunks_of_its_program(changes: dict[str, Any], device: str) -> None:
    whole = made(device, **changes)
    for shard in shards(whole):
        program = shard.program
        assert len({lane.phase for lane in shard.lanes}) == 1
        assert {lane.activation for lane in shard.lanes} <= {a.label for a in program.activations}
        assert {lane.optimizer for lane in shard.lanes} <= {o.label for o in program.optimizers}
        assert len(shard.lanes) * program.steps <= max(plan.SHARD_LANE_STEPS, program.width * program.steps)
        assert program.mixed or len({lane.activation for lane in shard.lanes}) == 1
        alone = any(optimizer.alone for optimizer in program.optimizers)
        assert program.width == 1 or not alone


@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize("task", TASKS)
def test_six_optimizers_by_seven_activations_are_few_programs(task: str, device: str) -> None:
    assert len(made(device, tasks=[task]).programs) <= 6


def test_the_facts_of_quick() -> None:
    quick = plan.make(read("quick"))
    assert (len(quick.cells), quick.lanes, len(quick.programs), quick.lane_steps) == (42, 630, 3, 315_000)
    weights = [64 * 128, 128 * 128, 128 * 10]
    assert TASKS["digits_mlp"].flops == 6 * sum(weights) - 2 * weights[0]
    assert quick.flops == 315_000 * 64 * TASKS["digits_mlp"].flops


@pytest.mark.parametrize("file", suite_files(), ids=lambda file: file.stem)
@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_every_suite_plans(file: Any, device: str) -> None:
    whole = plan.make(read(file), device)
    assert whole.lanes == sum(1 for _ in whole.planned())
    assert estimate(whole)["estimated_s"] > 0


def test_all_activations_and_all_optimizers_are_all() -> None:
    assert {a.name for a in read("all_activations").activations} == set(ACTIVATIONS)
    assert {o.name for o in read("all_optimizers").optimizers} == set(OPTIMIZERS)


def test_learning_rates_and_seeds_never_change_a_program() -> None:
    programs = [program.id for program in made().programs]
    rates = {"low": 1e-5, "high": 2.0, "num": 3}
    other = made(learning_rates=rates, seeds={"tune": [7, 8], "evaluate": [1, 2, 3]})
    assert [program.id for program in other.programs] == programs
    assert other.sha256 != made().sha256
    assert len({made(**{key: 20}).programs[0].id for key in ("steps", "batch_size", "eval_every")} - {*programs}) == 3


def test_an_optimizers_own_grid_is_honoured_and_multipliers_are_centred() -> None:
    own = {"name": "adam", "learning_rates": {"low": 0.1, "high": 0.2, "num": 2}}
    whole = made(optimizers=["sgd", own, "prodigy"], activations=["relu"])
    grids = {cell.optimizer: cell.learning_rates for cell in whole.cells}
    assert grids["sgd"] == (0.001, 0.0316228, 1.0)
    assert grids["adam"] == (0.1, 0.2)
    assert grids["prodigy"] == pytest.approx((1000**-0.5, 1.0, 1000**0.5), rel=1e-5) and grids["prodigy"][1] == 1.0


def test_a_full_batch_is_the_training_part() -> None:
    (program,) = made(optimizers=["gradient_descent"], activations=["relu"]).programs
    assert program.full_batch and program.batch_size == TASKS["wine_mlp"].samples.train


@given(st.integers(1, 10_000), st.data())
@settings(deadline=None, max_examples=100)
def test_windows_cover_all_steps_without_a_gap(steps: int, data: st.DataObject) -> None:
    program = made(activations=["relu"], optimizers=["sgd"]).programs[0]
    every = data.draw(st.integers(1, steps))
    windows = dataclasses.replace(program, steps=steps, eval_every=every).windows
    assert windows[0] == (0, 0) and windows[-1][1] == steps
    assert all(end == begin for (_, end), (begin, _) in pairwise(windows))
    assert all(0 < end - begin <= every for begin, end in windows[1:])
    assert len(windows) == 1 + ceil(steps / every)


@given(st.lists(st.integers(1, 600), min_size=1, max_size=2), st.sampled_from(sorted(plan.PROFILES)))
@settings(deadline=None, max_examples=100)
def test_no_other_width_costs_less(counts: list[int], device: str) -> None:
    profile = plan.PROFILES[device]

    def cost(width: int) -> float:
        return sum(ceil(count / width) * (width + profile.overhead) for count in counts)

    width = plan.chunk_width(counts, profile)
    assert 1 <= width <= profile.max_width
    assert cost(width) == min(map(cost, range(1, profile.max_width + 1)))


def test_a_billion_lanes_are_refused_without_building_them() -> None:
    began = time.perf_counter()
    with pytest.raises(InputError, match="suite small: got 2,100,420,000 lanes; expected at most 1,000,000"):
        made(learning_rates={"low": 1e-3, "high": 1.0, "num": 1000}, seeds={"tune": 50_000, "evaluate": 10_000})
    assert time.perf_counter() - began < 2


def test_lane_names_and_labels_are_told_apart_by_arguments() -> None:
    whole = made(optimizers=["adam", {"name": "adam", "b1": 0.5}], activations=["elu", {"name": "elu", "alpha": 2}])
    assert Counter(cell[1:3] for cell in whole.cells) == dict.fromkeys(
        [(a, o) for a in ("elu", "elu(alpha=2)") for o in ("adam", "adam(b1=0.5)")], 1
    )
