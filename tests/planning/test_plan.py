"""The plan: every lane once, few programs, chunks that cost least."""

import json
import pickle
import tomllib
from collections import Counter
from dataclasses import replace
from math import ceil, isnan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.activations import ACTIVATIONS
from bench.errors import InputError
from bench.optimizers import OPTIMIZERS
from bench.planning import plan, suite
from bench.planning.locate import suite_files
from bench.planning.plan import Plan
from bench.planning.program import ORDER_BYTES, PROFILES, Profile, Program, chunk_width
from bench.planning.shard import SHARD_LANE_STEPS, Shard
from bench.tasks import TASKS

CONVERGENCE = [file for file in suite_files() if "kind" not in tomllib.loads(file.read_text("utf-8"))]
SEVEN = ["sigmoid", "tanh", "relu", "leaky_relu", "prelu", "elu", "maxout"]
SIX = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"]
DEVICES = pytest.mark.parametrize("device", PROFILES)


def some(table: Any) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(sorted(table)), min_size=1, max_size=9, unique=True)


@st.composite
def suites(draw: st.DrawFn) -> suite.Suite:
    steps = draw(st.integers(1, 3000))
    own = {"name": "adam", "b1": 0.5, "learning_rates": {"low": 0.1, "high": 1.0, "num": draw(st.integers(2, 9))}}
    return suite.parse(
        {
            "name": "drawn",
            "tasks": draw(some(TASKS)),
            "activations": draw(some(ACTIVATIONS)),
            "optimizers": [*draw(some(OPTIMIZERS)), *draw(st.sampled_from([[], [own]]))],
            "steps": steps,
            "batch_size": draw(st.integers(1, 106)),
            "eval_every": draw(st.integers(1, steps)),
            "learning_rates": {"low": 1e-3, "high": 1.0, "num": draw(st.integers(2, 7))},
            "seeds": {"tune": draw(st.integers(1, 4)), "evaluate": draw(st.sampled_from([1, 3, [7, 9], [2**32 - 1]]))},
        }
    )


def changed(**keys: Any) -> suite.Suite:
    return suite.parse(suite.read("quick").described() | keys)


def shards(made: Plan) -> list[Shard]:
    """All of them; of each cell the first learning rate is taken to be the best."""
    found = []
    for block in made.blocks:
        chosen = {cell: cell.trials[0] for cell in block.cells}
        found += [*made.tune_shards(block), *made.evaluate_shards(block, chosen)]
    return found


class TestProperties:
    @given(suites(), st.sampled_from(sorted(PROFILES)))
    @settings(deadline=None, max_examples=40)
    def test_every_lane_is_in_one_shard_and_fits_its_program(self, drawn: suite.Suite, device: str) -> None:
        made = plan.make(drawn, device)
        found = [(shard, lane) for shard in shards(made) for lane in shard.lanes]
        names = [lane.id for _, lane in found]
        assert len(set(names)) == len(names) == made.lanes
        assert set(names) == {lane.id for lane in made.planned()}
        for shard, lane in found:
            assert lane.task == shard.program.task.name
            assert lane.activation in [a.label for a in shard.program.activations]
            assert lane.optimizer in [o.label for o in shard.program.optimizers]
            assert lane.phase == shard.phase
        assert made.lane_steps == sum(shard.lane_steps for shard in shards(made))
        assert made.flops == sum(s.lane_steps * s.program.lane_step_flops for s in shards(made))

    @given(suites(), st.sampled_from(sorted(PROFILES)))
    @settings(deadline=None, max_examples=20)
    def test_every_cell_gets_its_grid_and_its_seeds(self, drawn: suite.Suite, device: str) -> None:
        made = plan.make(drawn, device)
        tune, evaluate = drawn.seeds.tune_list(), drawn.seeds.evaluate_list()
        pairs = sum(len(drawn.activations) if work.task.uses_activation else 1 for work in drawn.works)
        assert len(made.cells) == pairs * len(drawn.optimizers)
        tried = {entry.resolve().label: drawn.trials(entry) for entry in drawn.optimizers}
        lanes = [lane for shard in shards(made) for lane in shard.lanes]
        for cell in made.cells:
            own = [lane for lane in lanes if lane[1:4] == cell[:3]]
            tuned = [(lane.trial, lane.seed) for lane in own if lane.phase == "tune"]
            evaluated = [(lane.trial, lane.seed) for lane in own if lane.phase == "evaluate"]
            assert sorted(tuned) == sorted((trial, seed) for trial in tried[cell.optimizer] for seed in tune)
            assert evaluated == [(cell.trials[0], seed) for seed in evaluate]
            assert not {seed for _, seed in tuned} & {seed for _, seed in evaluated}

    @given(suites(), st.sampled_from(sorted(PROFILES)), st.integers(1, 9), st.integers(1, 9))
    @settings(deadline=None, max_examples=20)
    def test_seeds_that_are_added_leave_all_others_as_they_are(
        self, drawn: suite.Suite, device: str, more: int, most: int
    ) -> None:
        tune, had = drawn.seeds.tune_list(), drawn.seeds.evaluate_list()
        fresh = list(range(1000, 1000 + more + most))
        seeds = suite.Seeds(tune=tune, evaluate=[*had, *fresh])
        counts = len(had), len(had) + more, len(had) + more + most
        before, after = plan.make(drawn, device), plan.make(drawn.model_copy(update={"seeds": seeds}), device, counts)
        kept, found = shards(before), shards(after)
        assert [shard for shard in found if shard in kept] == kept
        assert [lane.seed for shard in found if shard not in kept for lane in shard.lanes if lane.seed < 1000] == []
        names = [lane.id for shard in found for lane in shard.lanes]
        assert sorted(names) == sorted(lane.id for lane in after.planned()) and after.lanes == len(set(names))
        assert len({shard.id for shard in found}) == len(found)

    @given(suites(), st.sampled_from(sorted(PROFILES)))
    @settings(deadline=None, max_examples=20)
    def test_shards_have_names_of_their_own_and_are_worth_a_commit(self, drawn: suite.Suite, device: str) -> None:
        found = shards(plan.make(drawn, device))
        assert len({shard.id for shard in found}) == len(found)
        for shard in found:
            width, steps = shard.program.width, shard.program.steps
            assert len(shard.lanes) <= width or len(shard.lanes) * steps <= SHARD_LANE_STEPS
            assert len({lane.phase for lane in shard.lanes}) == 1
            assert not shard.program.mixed or len({lane.optimizer for lane in shard.lanes}) == 1

    def test_small_cells_share_a_shard_and_large_ones_do_not(self) -> None:
        small = plan.make(changed(tasks=["wine_mlp"], steps=100))
        large = plan.make(changed(tasks=["digits_segmentation"], steps=100))
        assert len(small.blocks) < len(small.cells)
        assert len(large.blocks) == len(large.cells)

    @given(suites(), st.sampled_from(sorted(PROFILES)))
    @settings(deadline=None, max_examples=20)
    def test_programs_hold_what_can_share_one(self, drawn: suite.Suite, device: str) -> None:
        made = plan.make(drawn, device)
        assert len({program.id for program in made.programs}) == len(made.programs)
        for program in made.programs:
            assert len(program.activations) == 1 or all(a.shares_program for a in program.activations)
            assert len(program.optimizers) == 1 or not any(o.alone for o in program.optimizers)
            drawn_from = program.task.samples.train > 0
            assert {o.full_batch and drawn_from for o in program.optimizers} == {program.full_batch}
            alone = program.optimizers[0].alone
            assert 1 <= program.width <= (1 if alone else PROFILES[device].max_width)
            whole = program.task.samples.train
            assert program.batch_size == (whole if program.full_batch else drawn.batch_size)

    @given(st.integers(1, 400), st.integers(1, 400))
    @settings(deadline=None, max_examples=60)
    def test_windows_cover_the_steps_without_a_gap(self, steps: int, every: int) -> None:
        program = replace(plan.make(changed()).programs[0], steps=steps, eval_every=min(every, steps))
        (first, *rest) = program.windows
        assert first == (0, 0)
        assert [a for a, _ in rest] == [b for _, b in program.windows[:-1]]
        assert rest[-1][1] == steps
        assert {b - a for a, b in rest[:-1]} <= {program.eval_every}
        assert 1 <= rest[-1][1] - rest[-1][0] <= program.eval_every

    @given(
        st.lists(st.integers(1, 60), min_size=1, max_size=3),
        st.integers(1, 16),
        st.sampled_from([0.0, 0.15, 3.0, 60.0]),
    )
    @settings(deadline=None, max_examples=60)
    def test_the_width_costs_least(self, counts: list[int], limit: int, overhead: float) -> None:
        def cost(width: int) -> float:
            return sum(ceil(count / width) * (width + overhead) for count in counts)

        width = chunk_width(counts, Profile("any", limit, overhead, mixed=False))
        assert 1 <= width <= limit
        assert cost(width) == min(map(cost, range(1, limit + 1)))


def test_heavy_networks_are_trained_one_by_one_on_a_cpu() -> None:
    heavy = changed(tasks=[{"name": "digits_mlp", "width": 512}])
    assert plan.make(heavy).programs[0].width == 1
    assert plan.make(changed(tasks=["digits_mlp"])).programs[0].width > 2
    assert plan.make(heavy, "gpu").programs[0].width > 8


def test_long_trainings_are_in_narrower_chunks_so_that_their_order_fits() -> None:
    long = {"steps": 1_000_000, "eval_every": 1_000_000, "batch_size": 32, "tasks": ["digits_mlp"]}
    for device in ("cpu", "gpu"):
        program, usual = plan.make(changed(**long), device).programs[0], plan.make(changed(), device).programs[0]
        assert program.order_bytes == 4 * 32 * 1_000_000
        assert usual.order_bytes * usual.width < ORDER_BYTES / 100
        assert program.order_bytes * program.width <= ORDER_BYTES
    assert 1 < program.width < usual.width


def test_samples_of_a_step_that_no_worker_could_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError) as caught:
        plan.make(changed(steps=10_000_000, batch_size=1_000, tasks=["digits_mlp"]))
    assert caught.value.problems == [
        "suite quick: got 10,000,000 steps of 1,000 samples with 7 seeds on digits_mlp: their order would take "
        "280.0 GB in every worker; expected at most 4.3 GB, that of all tasks together"
    ]
    assert caught.value.exit_code == 2 and "fewer steps" in caught.value.hint
    whole = changed(tasks=["digits_mlp", "wine_mlp"], batch_size=32, optimizers=["sgd", "lbfgs"])
    needed = sum(7 * 4 * 32 * work.steps for work in whole.works)
    monkeypatch.setattr(plan, "ORDER_BYTES", needed)
    assert any(program.full_batch for program in plan.make(whole).programs), "which need no order"
    monkeypatch.setattr(plan, "ORDER_BYTES", needed - 1)
    with pytest.raises(InputError, match="that of all tasks together"):
        plan.make(whole)


class TestQuick:
    def test_is_what_the_readme_says(self) -> None:
        made = plan.make(suite.read("quick"))
        assert (len(made.cells), made.lanes, len(made.programs), made.lane_steps) == (42, 630, 3, 315_000)
        assert {program.width for program in made.programs} == {5}

    @DEVICES
    @pytest.mark.parametrize("task", TASKS)
    def test_six_optimizers_by_seven_activations_are_few_programs(self, task: str, device: str) -> None:
        made = plan.make(changed(tasks=[task], activations=SEVEN, optimizers=SIX), device)
        assert len(made.cells) == (42 if TASKS[task].uses_activation else 6)
        assert len(made.programs) <= 6

    @DEVICES
    def test_values_of_learning_rates_and_seeds_compile_nothing(self, device: str) -> None:
        def programs(low: float, tune: Any, evaluate: Any) -> list[str]:
            rates = {"low": low, "high": 1.0, "num": 5}
            made = plan.make(changed(learning_rates=rates, seeds={"tune": tune, "evaluate": evaluate}), device)
            return [program.id for program in made.programs]

        assert programs(1e-4, 2, 5) == programs(3e-2, [7, 2**32 - 1], [1, 2, 3, 4, 6])

    @pytest.mark.parametrize(
        "keys",
        [
            {"steps": 600},
            {"batch_size": 32},
            {"eval_every": 50},
            {"activations": ["relu"]},
            {"optimizers": [{"name": "adam", "b1": 0.5}]},
            {"activations": [{"name": "elu", "alpha": 0.5}]},
        ],
        ids=str,
    )
    def test_what_is_static_makes_another_program(self, keys: dict[str, Any]) -> None:
        before = {program.id for program in plan.make(changed()).programs}
        assert not before & {program.id for program in plan.make(changed(**keys)).programs[:1]}

    def test_cells_are_tuned_and_evaluated_one_by_one_on_a_cpu_and_together_on_a_gpu(self) -> None:
        assert {len(block.cells) for block in plan.make(changed(), "cpu").blocks} == {1}
        assert {len(block.cells) for block in plan.make(changed(), "gpu").blocks} == {5, 1}

    def test_the_first_evaluation_is_before_any_step(self) -> None:
        (program, *_) = plan.make(changed()).programs
        assert program.windows[:2] == [(0, 0), (0, 25)]
        assert len(program.windows) == 21


class TestPlan:
    @DEVICES
    @pytest.mark.parametrize("file", CONVERGENCE, ids=lambda file: file.stem)
    def test_every_suite_plans(self, file: Path, device: str) -> None:
        made = plan.make(suite.read(file), device)
        assert made.lanes == sum(1 for _ in made.planned())

    def test_a_billion_lanes_are_refused(self) -> None:
        rates, seeds = {"low": 1e-6, "high": 1.0, "num": 1000}, {"tune": 100_000, "evaluate": 100_000}
        with pytest.raises(InputError) as caught:
            plan.make(changed(learning_rates=rates, seeds=seeds))
        assert caught.value.problems == ["suite quick: got 4,204,200,000 lanes; expected at most 1,000,000"]
        assert caught.value.hint == "fewer learning rates or seeds, or several suites"

    def test_a_task_without_activations_has_one_cell_an_optimizer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(TASKS, "valley", replace(TASKS["wine_mlp"], name="valley", uses_activation=False))
        made = plan.make(changed(tasks=["valley"], batch_size=32))
        assert [cell[:3] for cell in made.cells] == [("valley", "none", name) for name in SIX]
        assert made.lanes == sum(1 for _ in made.planned()) == 6 * 15

    def test_a_task_without_samples_keeps_the_batch_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        nothing = TASKS["wine_mlp"].samples._replace(train=0)
        monkeypatch.setitem(TASKS, "drawn", replace(TASKS["wine_mlp"], name="drawn", samples=nothing))
        (program, *_) = plan.make(changed(tasks=["drawn"], optimizers=["gradient_descent"], batch_size=9999)).programs
        assert (program.batch_size, program.full_batch) == (9999, False)

    def test_a_task_without_samples_keeps_no_order(self) -> None:
        long = {"steps": 100_000, "eval_every": 100_000, "seeds": {"tune": 100, "evaluate": 100}, "optimizers": ["sgd"]}
        made = plan.make(changed(tasks=["rosenbrock"], **long))
        assert {program.order_bytes for program in made.programs} == {4 * made.programs[0].batch_size}
        with pytest.raises(InputError, match="their order would take"):
            plan.make(changed(**long))

    def test_what_results_depend_on_has_a_digest(self) -> None:
        digest = plan.make(changed()).sha256
        assert plan.make(changed()).sha256 == digest
        assert plan.make(changed(), "gpu").sha256 != digest
        assert plan.make(changed(seeds={"tune": 2, "evaluate": 6})).sha256 != digest
        assert plan.make(changed(learning_rates={"low": 1e-3, "high": 1.0, "num": 5})).sha256 != digest

    def test_a_learning_rate_of_an_evaluation_is_not_known_before(self) -> None:
        made = plan.make(changed())
        rates = [lane.learning_rate for lane in made.planned() if lane.phase == "evaluate"]
        assert len(rates) == 42 * 5
        assert all(map(isnan, rates))

    def test_a_shard_says_what_is_known_of_a_lane(self) -> None:
        made = plan.make(changed(activations=[{"name": "elu", "alpha": 0.5}], optimizers=[{"name": "adam", "b1": 0.5}]))
        (shard, *_) = made.tune_shards(made.blocks[0])
        assert shard.identity(shard.lanes[0]) == {
            "lane": "digits_mlp/elu(alpha=0.5)/adam(b1=0.5)/tune/0.0001/0",
            "task": "digits_mlp",
            "activation": "elu(alpha=0.5)",
            "optimizer": "adam(b1=0.5)",
            "phase": "tune",
            "learning_rate": 1e-4,
            "hyperparameters": {"alpha": 0.5, "b1": 0.5},
            "seed": 0,
            "steps": 500,
            "batch_size": 64,
            "parameters": 26122,
            "shard": "00000-tune-000",
        }

    def test_shards_travel_to_workers(self) -> None:
        made = plan.make(suite.read("all_optimizers"))
        for block in made.blocks:
            for shard in made.tune_shards(block):
                copy = pickle.loads(pickle.dumps(shard))
                assert (copy.id, copy.lanes, copy.program.id) == (shard.id, shard.lanes, shard.program.id)
                assert isinstance(copy.program, Program)


MOMENTUM = {"name": "momentum", "momentum": {"low": 0.5, "high": 0.99, "scale": "one_minus"}}


def searched(**tuning: Any) -> suite.Suite:
    values = suite.read("smoke").described() | {"learning_rates": {"low": 1e-3, "high": 1.0}, "tuning": tuning}
    return suite.parse(values | {"optimizers": ["sgd", MOMENTUM], "seeds": {"tune": 2, "evaluate": 3}})


class TestSearch:
    def test_every_cell_tries_as_many_at_the_same_learning_rates(self) -> None:
        made = plan.make(searched(method="sobol", trials=7))
        rates = {tuple(trial.learning_rate for trial in cell.trials) for cell in made.cells}
        assert len(rates) == 1 and len(set(next(iter(rates)))) == 7
        assert made.lanes == sum(1 for _ in made.planned()) == len(made.cells) * (7 * 2 + 3)

    def test_values_compile_nothing(self) -> None:
        first, second = (plan.make(searched(method="random", trials=7, seed=seed)) for seed in (0, 1))
        assert first.programs == second.programs
        assert first.sha256 != second.sha256

    def test_lanes_are_named_by_their_place(self) -> None:
        names = [lane.id for lane in plan.make(searched(method="halving", trials=4, eta=2)).planned()]
        cell = "wine_mlp/tanh/momentum(momentum=0.5..0.99 one_minus)"
        own = [name.removeprefix(f"{cell}/") for name in names if name.startswith(f"{cell}/") and name.endswith("/0")]
        assert own == [
            *(f"tune/trial{place}/0" for place in range(4)), "tune/rung1.0/0", "tune/rung1.1/0", "tune/rung2.0/0",
        ]  # fmt: skip
        assert len(set(names)) == len(names)

    @DEVICES
    def test_a_halving_trains_the_best_for_longer(self, device: str) -> None:
        made = plan.make(searched(method="halving", trials=9), device)
        steps, cells = made.programs[0].steps, len(made.cells)
        assert made.lanes == cells * ((9 + 3 + 1) * 2 + 3)
        assert made.lane_steps == cells * ((9 * (steps // 9) + 3 * (steps // 3) + steps) * 2 + 3 * steps)
        found: list[Shard] = []
        for block in made.blocks:
            ranked = {cell: list(cell.trials) for cell in block.cells}
            rung, following = 0, made.tune_shards(block)
            while following[0].phase == "tune":
                assert {shard.rung for shard in following} == {rung}
                found += following
                ranked = {cell: trials[::-1][: len(trials) // 3 or 1] for cell, trials in ranked.items()}
                following, rung = made.shards_after(block, rung, ranked), rung + 1
            found += following
            assert {shard.steps for shard in following} == {steps}
        assert Counter(lane.id for shard in found for lane in shard.lanes) == Counter(x.id for x in made.planned())
        assert made.lane_steps == sum(shard.lane_steps for shard in found)
        last = {lane.trial for shard in found if shard.rung == 2 for lane in shard.lanes}
        assert last == {cell.trials[6] for cell in made.cells}  # of 8, 7, 6 the last

    def test_a_lane_tells_the_values_that_it_trains_with(self) -> None:
        made = plan.make(searched(method="halving", trials=3))
        pairs = [(s, lane) for b in made.blocks for s in made.tune_shards(b) for lane in s.lanes]
        shard, lane = next(pair for pair in pairs if pair[1].optimizer != "sgd")
        told = shard.identity(lane)
        assert told["hyperparameters"] == {"momentum": lane.values[0]}
        assert told["steps"] == shard.program.steps // 3 == shard.steps

    def test_a_run_of_quick_can_still_be_resumed(self) -> None:
        stored = Path(__file__).parents[2] / "results" / "quick" / "manifest.json"
        assert plan.make(suite.read("quick")).sha256 == json.loads(stored.read_text())["plan"]["sha256"]


def test_more_evaluations_than_a_curve_can_show_are_refused() -> None:
    with pytest.raises(
        InputError, match="got 20,000 evaluations of each network of digits_mlp; expected at most 10,000"
    ):
        plan.make(changed(steps=20_000, eval_every=1))
    assert plan.make(changed(steps=20_000, eval_every=2))


def test_an_argument_that_both_have_is_told_of_both() -> None:
    made = plan.make(
        changed(
            activations=[{"name": "elu", "alpha": 0.5}, "leaky_relu"],
            optimizers=[{"name": "ademamix", "alpha": 3.0}, "sgd"],
        )
    )
    rows = [shard.identity(lane) for shard in made.shards() for lane in shard.lanes]
    told = {(row["activation"], row["optimizer"].partition("(")[0]): row["hyperparameters"] for row in rows}
    assert told["elu(alpha=0.5)", "ademamix"] == {"elu.alpha": 0.5, "alpha": 3.0}
    assert told["elu(alpha=0.5)", "sgd"] == {"alpha": 0.5}
    assert told["leaky_relu", "sgd"] == {"negative_slope": 0.01}
