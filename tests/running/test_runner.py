"""The runner with workers that are no processes: what it does when they finish, fail, die or are told to stop."""

import dataclasses
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError, Executor, Future
from itertools import chain, pairwise
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import ResourceError
from bench.planning import plan, suite
from bench.planning.lanes import Cell, Lane
from bench.planning.plan import Plan
from bench.planning.program import Program
from bench.planning.shard import Block, Result, Shard
from bench.running.runner import TRIES, WORTH_LOADING, Row, Runner, rank

STEPS = 20_000  # so many that a shard is one chunk, and a cell is several shards
Committed = dict[str, list[Row]]


class WorkerDiedError(Exception):
    """What a worker's process that is gone raises."""


def made(
    activations: Iterable[str] = ("tanh", "relu", "prelu"),
    optimizers: Iterable[Any] = ("sgd", "adam"),
    num: int = 6,
    **changes: Any,
) -> Plan:
    """A plan of several programs (prelu needs one of its own), with several shards in each phase of each block."""
    values = {
        "name": "fake",
        "tasks": ["wine_mlp"],
        "activations": list(activations),
        "optimizers": list(optimizers),
        "steps": STEPS,
        "batch_size": 32,
        "eval_every": STEPS,
        "learning_rates": {"low": 1e-4, "high": 1.0, "num": num},
        "seeds": {"tune": 3, "evaluate": 9},
    }
    return plan.make(suite.parse(values | changes))


def halving() -> Plan:
    """The same with 9, then 3, then 1 trial, and a momentum that is searched too."""
    momentum = {"name": "momentum", "momentum": {"low": 0.5, "high": 0.9}}
    rates, tuning = {"low": 1e-4, "high": 1.0}, {"method": "halving", "trials": 9}
    return made(("tanh", "prelu"), ("sgd", momentum), learning_rates=rates, tuning=tuning)


def shards_of(given_plan: Plan) -> tuple[list[Shard], list[Shard]]:
    """Those that tune, and those that evaluate as `trained` makes it come out."""
    tune, evaluate = [], []
    for block in given_plan.blocks:
        shards = given_plan.tune_shards(block)
        while shards[0].phase == "tune":
            tune += shards
            rows = [row for shard in shards for row in trained(shard).rows]
            shards = given_plan.shards_after(block, shards[0].rung, rank(block, rows))
        evaluate += shards
    return tune, evaluate


def trained(shard: Shard) -> Result:
    """What training would give: the same for the same lane, with a best rate that differs from cell to cell."""

    def row(lane: Lane) -> Row:
        score = (len(lane.activation) * 7 + len(lane.optimizer) * 3 + round(1e4 * lane.learning_rate)) % 11 / 11
        return {
            **shard.identity(lane),
            "status": "ok",
            "validation_metric": score + lane.seed / 1e3,
            "validation_loss": 1 - score,
        }

    return Result([row(lane) for lane in shard.lanes], {"lanes": len(shard.lanes)})


class FakeWorker(Executor):
    """Runs a call only when told to, the first one first; when it dies, its calls die with it."""

    def __init__(self, site: "Site") -> None:
        self.site = site
        self.calls: deque[tuple[Future[Any], Shard]] = deque()
        self.loads: list[str] = []  # programs in the order in which it first met them

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        (shard,) = args
        self.site.submitted(self, shard)
        self.calls.append((Future(), shard))
        return self.calls[-1][0]

    def step(self) -> None:
        future, shard = self.calls.popleft()
        try:
            future.set_result(self.site.execute(shard))
        except WorkerDiedError as error:
            future.set_exception(error)
            self.loads.clear()
            while self.calls:
                self.calls.popleft()[0].set_exception(WorkerDiedError("with the one before"))
        except Exception as error:
            future.set_exception(error)


class Site:
    """A runner, its fake workers, and a log of all that happened."""

    def __init__(
        self,
        given_plan: Plan,
        workers: int = 2,
        pick: Callable[[list[FakeWorker]], list[FakeWorker]] = lambda busy: busy[:1],
        execute: Callable[[Shard], Result] = trained,
        signals: Callable[["Site"], int] = lambda _: 0,
    ) -> None:
        self.plan, self.pick, self.training, self.signals = given_plan, pick, execute, signals
        self.workers = [FakeWorker(self) for _ in range(workers)]
        self.begun: list[str] = []
        self.log: list[tuple[str, str]] = []  # (submit or commit, shard)
        self.committed: Committed = {}
        self.records: dict[str, Mapping[str, Any]] = {}
        self.runner = Runner(
            given_plan,
            self.workers,
            execute=trained,
            commit=self.commit,
            stopping=lambda: self.signals(self),
            worker_died=(WorkerDiedError,),
        )

    def run(self, committed: Committed | None = None) -> bool:
        with patch("bench.running.runner.wait", self.wait):
            self.runner.committed = lambda shard: (committed or {}).get(shard, [])
            return self.runner.run()

    def wait(self, futures: list[Future[Any]], **_: Any) -> None:
        """While the runner waits, time goes on for the workers: for those that `pick` picks."""
        for worker in self.pick([worker for worker in self.workers if worker.calls]):
            worker.step()

    def submitted(self, worker: FakeWorker, shard: Shard) -> None:
        self.log.append(("submit", shard.id))
        if shard.program.id not in worker.loads:
            waiting = {program for program, shards in self.runner.ready.items() if shards}
            assert not waiting & set(worker.loads), "another program, though one that it has loaded has work"
            elsewhere = any(shard.program.id in other.loads for other in self.workers)
            left = len(self.runner.ready[shard.program.id]) + 1  # with this one
            assert not elsewhere or left >= WORTH_LOADING or not any(other.calls for other in self.workers)
            worker.loads.append(shard.program.id)

    def execute(self, shard: Shard) -> Result:
        self.begun.append(shard.id)
        return self.training(shard)

    def commit(self, shard: Shard, rows: list[Row], record: Mapping[str, Any]) -> None:
        self.log.append(("commit", shard.id))
        self.committed[shard.id] = rows
        self.records[shard.id] = record

    def lanes(self, status: str = "ok") -> list[str]:
        return [row["lane"] for rows in self.committed.values() for row in rows if row["status"] == status]


def ids(shards: Iterable[Shard]) -> list[str]:
    return [shard.id for shard in shards]


def finished(given_plan: Plan, **kwargs: Any) -> Site:
    site = Site(given_plan, **kwargs)
    assert site.run()
    return site


@pytest.fixture(scope="module")
def small() -> Plan:
    """Two programs, each of two blocks of several shards."""
    return made(("tanh", "prelu"))


def test_the_plan_of_these_tests_is_worth_its_name(small: Plan) -> None:
    tune, evaluate = shards_of(small)
    assert len(small.programs) == 2
    assert len(small.blocks) == 4
    assert len(tune) >= 3 * len(small.blocks)
    assert len(evaluate) >= 2 * len(small.blocks)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_planned_lane_is_done_once(workers: int) -> None:
    given_plan = made()
    site = finished(given_plan, workers=workers)
    assert Counter(site.lanes()) == Counter(lane.id for lane in given_plan.planned())
    assert Counter(site.begun) == Counter(ids(chain(*shards_of(given_plan))))
    assert site.runner.progress.done == given_plan.lanes
    assert site.runner.progress.lane_steps == given_plan.lane_steps


def test_the_evaluation_of_a_block_waits_for_its_own_tuning_and_for_no_other(small: Plan) -> None:
    site = finished(small)
    when = {event: i for i, event in enumerate(site.log)}
    overtook = False
    for block in small.blocks:
        own = [shard.id for shard in small.tune_shards(block)]
        prefix = own[0].partition("-")[0]
        begun = [i for (what, shard), i in when.items() if what == "submit" and shard.startswith(f"{prefix}-eval")]
        assert min(begun) > max(when["commit", shard] for shard in own)
        overtook |= any(when["submit", shard.id] > min(begun) for shard in shards_of(small)[0])
    assert overtook, "each evaluation waited for all tuning"


def test_a_verdict_comes_before_more_tuning() -> None:
    begun = finished(made(["tanh"]), workers=1).begun  # both blocks are of one program
    assert begun.index("00000-evaluate-002") < begun.index("00001-tune-002")


def test_evaluation_is_at_the_rate_that_tuning_picked(small: Plan) -> None:
    site = finished(small)
    for block in small.blocks:
        tuned = [row for shard in small.tune_shards(block) for row in site.committed[shard.id]]
        for cell, trials in rank(block, tuned).items():
            rates = {
                row["learning_rate"]
                for rows in site.committed.values()
                for row in rows
                if row["phase"] == "evaluate" and (row["task"], row["activation"], row["optimizer"]) == cell[:3]
            }
            assert rates == {trials[0].learning_rate}


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_each_rung_of_a_halving_trains_the_best_of_the_one_before(workers: int) -> None:
    given_plan = halving()
    site = finished(given_plan, workers=workers)
    assert Counter(site.lanes()) == Counter(lane.id for lane in given_plan.planned())
    assert site.runner.progress.lane_steps == given_plan.lane_steps
    rows = [row for shard in site.committed.values() for row in shard]
    for cell in given_plan.cells:
        own = [row for row in rows if (row["task"], row["activation"], row["optimizer"]) == cell[:3]]
        rungs = [[row for row in own if row["steps"] == STEPS // part and row["phase"] == "tune"] for part in (9, 3, 1)]
        assert [len(rung) for rung in rungs] == [9 * 3, 3 * 3, 1 * 3]
        for before, after in pairwise([*rungs, [row for row in own if row["phase"] == "evaluate"]]):
            kept = len({row["learning_rate"] for row in after})
            scores = {row["learning_rate"]: row["validation_metric"] for row in before if row["seed"] == 0}
            worst_kept = min(scores[row["learning_rate"]] for row in after)
            assert sum(score > worst_kept for score in scores.values()) < kept
            values = {row["learning_rate"]: row["hyperparameters"] for row in before}
            assert all(values[row["learning_rate"]] == row["hyperparameters"] for row in after)


@given(st.data())
@settings(max_examples=15, deadline=None)
def test_a_halving_goes_on_from_any_of_its_shards(data: st.DataObject) -> None:
    whole = finished(halving()).committed
    kept = data.draw(st.sets(st.sampled_from(sorted(whole))))
    site = Site(halving())
    assert site.run({shard: whole[shard] for shard in kept})
    assert set(site.begun) == set(whole) - kept
    assert {**site.committed, **{shard: whole[shard] for shard in kept}} == whole


def test_trials_that_are_alike_have_their_places_in_every_rung() -> None:
    momentum = {"name": "momentum", "momentum": {"low": 0.5, "high": 0.9}}
    rates, tuning = {"low": 0.01, "high": 0.01}, {"method": "halving", "trials": 9}
    given_plan = made(["tanh"], ("sgd", momentum), learning_rates=rates, tuning=tuning)
    site = finished(given_plan)
    assert Counter(site.lanes()) == Counter(lane.id for lane in given_plan.planned())


def test_a_later_rung_is_done_again_where_it_is_of_other_trials() -> None:
    whole = finished(halving()).committed
    later = next(shard for shard in sorted(whole) if "-tune1-" in shard and whole[shard][0]["optimizer"] != "sgd")
    stale = [row | {"hyperparameters": {"momentum": 0.123}} for row in whole[later]]
    site = Site(halving())
    assert site.run(whole | {later: stale})
    assert set(site.begun) == {later}
    assert site.committed[later] == whole[later]


def test_each_of_two_workers_keeps_to_a_program(small: Plan) -> None:
    site = finished(small)  # FakeWorker asserts that none loads a program while one of its own has work
    assert [worker.loads[0] for worker in site.workers] == [p.id for p in by_work(small)]
    assert sum(len(worker.loads) for worker in site.workers) <= 3


def by_work(given_plan: Plan) -> list[Program]:
    def work(program: Program) -> int:
        return sum(s.lane_steps * program.lane_step_flops for s in shards_of(given_plan)[0] if s.program == program)

    return sorted(given_plan.programs, key=lambda program: -work(program))


def test_a_worker_has_two_shards_in_hand(small: Plan) -> None:
    site = Site(small, workers=1, signals=lambda s: len(s.committed) > 0)
    site.run()
    (worker,) = site.workers
    assert site.log[0][0] == "submit"
    assert max(a - b for a, b in in_hand(site)) == 2
    assert not worker.calls


def in_hand(site: Site) -> list[tuple[int, int]]:
    """How many shards were submitted and how many committed, after each event."""
    submits = [what == "submit" for what, _ in site.log]
    return [(sum(submits[:i]), i - sum(submits[:i])) for i in range(1, len(submits) + 1)]


# --- what goes wrong ------------------------------------------------------------------------------------------------


def dying(shard_id: str, times: int) -> Callable[[Shard], Result]:
    """Training that ends its worker the first so many times that it meets this shard."""
    met: Counter[str] = Counter()

    def execute(shard: Shard) -> Result:
        met[shard.id] += 1
        if shard.id == shard_id and met[shard.id] <= times:
            raise WorkerDiedError(shard.id)
        return trained(shard)

    return execute


@pytest.mark.parametrize("phase", ["tune", "evaluate"])
def test_a_death_costs_a_retry_and_nothing_else(small: Plan, phase: str) -> None:
    victim = f"00001-{phase}-000"
    site = finished(small, execute=dying(victim, TRIES - 1))
    assert site.committed == finished(small).committed
    assert site.runner.tries == {victim: TRIES - 1}
    assert Counter(site.begun) == {shard: TRIES if shard == victim else 1 for shard in site.committed}


@pytest.mark.parametrize("execute", [trained, dying("00001-tune-000", TRIES)])
def test_what_is_left_of_each_program_is_known_without_a_sum_over_its_shards(
    small: Plan, execute: Callable[[Shard], Result]
) -> None:
    left: list[int] = []

    def signals(site: Site) -> int:
        waiting = site.runner.ready
        sums = {p: sum(s.lane_steps * s.program.lane_step_flops for s in shards) for p, shards in waiting.items()}
        assert sums == site.runner.work
        left.append(sum(sums.values()))
        return 0

    finished(small, execute=execute, signals=signals)
    assert left[0] > 0 == left[-1]


@pytest.mark.parametrize("activations", [("tanh",), ("tanh", "prelu")], ids=["one program", "two programs"])
@pytest.mark.parametrize("workers", [1, 2])
def test_where_no_worker_lives_the_run_stops_and_says_what_ended_them(activations: Iterable[str], workers: int) -> None:
    text = "A worker process was terminated.\n\nThe exit codes of the workers are {SIGKILL(-9)}\nTraceback"

    def execute(shard: Shard) -> Result:
        raise WorkerDiedError(text)

    told = r"got \d+ that died before a first result \(SIGKILL\(-9\), as where memory runs out\)"
    with pytest.raises(ResourceError, match=told):
        finished(made(activations, ["sgd"]), workers=workers, execute=execute)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_program_that_kills_its_workers_does_not_end_the_run(small: Plan, workers: int) -> None:
    """Neither before another has had its first result nor, of a run gone on with, where only it is left."""
    bad = small.programs[0].id

    def execute(shard: Shard) -> Result:
        if shard.program.id == bad:
            raise WorkerDiedError(shard.id)
        return trained(shard)

    def killed_first(busy: list[FakeWorker]) -> list[FakeWorker]:
        return sorted(busy, key=lambda worker: worker.calls[0][1].program.id != bad)[:1]

    site = finished(small, workers=workers, execute=execute, pick=killed_first)
    found = {shard: {row["status"] for row in rows} for shard, rows in site.committed.items()}
    assert {"ok"} in found.values() and {"failed"} in found.values()
    stored = {shard: rows for shard, rows in site.committed.items() if found[shard] == {"ok"}}
    again = Site(small, workers=workers, execute=execute)
    assert again.run(stored)
    assert set(again.committed) == set(site.committed) - set(stored)


def test_the_second_shard_in_hand_goes_back_uncounted(small: Plan) -> None:
    first, second = ids(small.tune_shards(small.blocks[0]))[:2]
    site = finished(made(["tanh"], ["sgd"]), workers=1, execute=dying(first, TRIES))
    submits = Counter(shard for what, shard in site.log if what == "submit")
    assert submits[second] > 1, "it was in hand when the worker died"
    assert site.begun.count(second) == 1
    assert second not in site.runner.tries
    assert all(row["status"] == "ok" for row in site.committed[second])


@pytest.mark.parametrize("phase", ["tune", "evaluate"])
def test_a_shard_that_ends_three_workers_has_failed_and_the_run_goes_on(small: Plan, phase: str) -> None:
    victim = f"00002-{phase}-001"
    site = finished(small, execute=dying(victim, 99))
    assert site.begun.count(victim) == TRIES == 3
    assert {row["status"] for row in site.committed[victim]} == {"failed"}
    assert site.records[victim] == {"error": f"its worker died 3 times (WorkerDiedError: {victim})"}
    assert Counter(site.lanes() + site.lanes("failed")) == Counter(lane.id for lane in small.planned())
    assert len(site.lanes("failed")) == site.runner.progress.failed == len(site.committed[victim])


def test_an_exception_is_told_at_once_and_costs_its_own_lanes(small: Plan) -> None:
    victim = "00001-tune-000"

    def execute(shard: Shard) -> Result:
        if shard.id == victim:
            raise ValueError("no such thing")
        return trained(shard)

    site = finished(small, execute=execute)
    assert site.begun.count(victim) == 1
    assert site.records[victim].keys() == {"error"}
    assert site.records[victim]["error"].startswith("ValueError: no such thing (test_runner.py, line ")
    assert {shard for shard, rows in site.committed.items() if rows[0]["status"] == "failed"} == {victim}


def test_where_who_gives_out_the_work_is_gone_the_run_ends_and_no_lane_has_failed(small: Plan) -> None:
    def gone(shard: Shard) -> Result:
        if shard.id == "00001-tune-000":
            raise CancelledError
        return trained(shard)

    site = Site(small, workers=1, execute=gone)
    with pytest.raises(ResourceError, match="as the scheduler is gone; expected it until the end"):
        site.run()
    assert all(row["status"] == "ok" for rows in site.committed.values() for row in rows)


def test_a_cell_of_which_all_tuning_failed_is_evaluated_all_the_same(small: Plan) -> None:
    def execute(shard: Shard) -> Result:
        if shard.phase == "tune":
            raise ValueError
        return trained(shard)

    site = finished(small, execute=execute)
    assert len(site.lanes()) + len(site.lanes("failed")) == small.lanes


# --- stopping -------------------------------------------------------------------------------------------------------


def test_one_signal_finishes_what_is_in_hand_and_starts_nothing(small: Plan) -> None:
    told: list[int] = []

    def signals(site: Site) -> int:
        if len(site.committed) >= 3 and not told:
            told.append(len(site.log))
        return len(told)

    site = Site(small, signals=signals)
    assert not site.run()
    later = site.log[told[0] :]
    assert later
    assert {what for what, _ in later} == {"commit"}
    assert all(not worker.calls for worker in site.workers)
    assert {shard for what, shard in site.log if what == "submit"} == set(site.committed)


def test_one_signal_at_the_very_end_is_no_interruption(small: Plan) -> None:
    shards = len([*chain(*shards_of(small))])
    assert Site(small, signals=lambda site: len(site.begun) == shards).run()


def test_two_signals_drop_what_is_in_hand(small: Plan) -> None:
    site = Site(small, signals=lambda site: 2 * (len(site.committed) >= 3))
    assert not site.run()
    assert len(site.committed) < len({shard for _, shard in site.log})
    assert site.log[-1][0] == "commit", "nothing was begun afterwards"


def test_a_worker_that_dies_while_stopping_is_not_tried_again(small: Plan) -> None:
    first = small.tune_shards(small.blocks[0])[0].id
    site = Site(small, execute=dying(first, 1), signals=lambda site: int(first in site.begun))
    assert not site.run()
    assert first not in site.committed
    assert [slot.programs for slot in site.runner.slots].count(set()) == 1, "it has forgotten its programs"


# --- going on -------------------------------------------------------------------------------------------------------


def test_what_was_committed_is_asked_for_when_its_block_comes_to_it(small: Plan) -> None:
    whole, asked = finished(small).committed, list[str]()
    site = Site(small)
    site.runner.committed = lambda shard: asked.append(shard) or whole[shard]
    assert site.runner.run()
    assert Counter(asked) == Counter(whole.keys()), "each once"
    assert not site.runner.rows, "none is kept"
    assert [shard.partition("-")[0] for shard in asked] == sorted(shard.partition("-")[0] for shard in asked)


@given(st.data())
@settings(max_examples=15, deadline=None)
def test_a_run_goes_on_from_any_of_its_shards(data: st.DataObject) -> None:
    small = made(("tanh", "prelu"))
    whole = finished(small).committed
    kept = data.draw(st.sets(st.sampled_from(sorted(whole))))
    site = Site(small)
    assert site.run({shard: whole[shard] for shard in kept})
    assert set(site.begun) == set(whole) - kept
    assert {**site.committed, **{shard: whole[shard] for shard in kept}} == whole
    assert site.runner.progress.done == small.lanes
    assert site.runner.progress.resumed == sum(len(whole[shard]) for shard in kept)


def test_nothing_is_left_to_do_of_a_finished_run(small: Plan) -> None:
    site = Site(small)
    seen = watched(site)
    assert site.run(finished(small).committed)
    assert not site.log
    assert seen == sorted(set(seen)) and seen[-1] == small.lanes, "each lane more is told once, in order"
    assert site.runner.progress.warm is None


def watched(site: Site) -> list[int]:
    """How many lanes were done each time that the observer was called."""
    seen: list[int] = []
    site.runner.observe = lambda progress, _: seen.append(progress.done)
    return seen


@pytest.mark.parametrize("workers", [1, 3])
def test_the_pace_is_taken_from_when_as_many_shards_as_workers_are_trained(small: Plan, workers: int) -> None:
    site = Site(small, workers=workers)
    seen = watched(site)
    assert site.run()
    assert site.runner.progress.warm is not None
    assert site.runner.progress.warm[1] == seen[workers - 1]


@pytest.mark.parametrize("given_plan", [made(), halving()], ids=["grid", "halving"])
def test_what_is_trained_is_known_before_but_for_its_trials(given_plan: Plan) -> None:
    committed = finished(given_plan).committed
    planned = {shard.id: [lane.id for lane in shard.lanes] for shard in given_plan.shards()}
    assert planned == {shard: [row["lane"] for row in rows] for shard, rows in committed.items()}
    assert sorted(chain(*planned.values())) == sorted(lane.id for lane in given_plan.planned())


def test_evaluation_is_done_again_where_a_retried_tuning_picks_another_rate() -> None:
    given_plan = made(["tanh"], ["sgd"])
    whole = finished(given_plan)
    chosen = whole.committed["00000-evaluate-000"][0]["learning_rate"]
    best = next(s for s in given_plan.tune_shards(given_plan.blocks[0]) if chosen in {x.learning_rate for x in s.lanes})

    def execute(shard: Shard) -> Result:
        if any(lane.phase == "tune" and lane.learning_rate == chosen for lane in shard.lanes):
            raise ValueError
        return trained(shard)

    first = finished(given_plan, execute=execute)
    assert {row["status"] for row in first.committed[best.id]} == {"failed"}
    kept = {shard: rows for shard, rows in first.committed.items() if "error" not in first.records[shard]}
    site = Site(given_plan)
    assert site.run(kept)
    assert {**kept, **site.committed} == whole.committed


@given(st.randoms(use_true_random=False), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_the_order_in_which_shards_finish_changes_nothing(random: Any, workers: int) -> None:
    given_plan = made(("tanh", "prelu"))
    site = finished(given_plan, workers=workers, pick=lambda busy: random.sample(busy, random.randint(1, len(busy))))
    assert site.committed == finished(given_plan, workers=1).committed


# --- what is picked -------------------------------------------------------------------------------------------------


def one_cell(direction: str = "maximize", worst: float = 0.0) -> tuple[Block, Cell]:
    (block,) = made(["tanh"], ["sgd"], num=3).blocks
    task = block.program.task
    metric = dataclasses.replace(task.metric, direction=direction, worst=worst)
    program = dataclasses.replace(block.program, task=dataclasses.replace(task, metric=metric))
    return dataclasses.replace(block, program=program), block.cells[0]


def picked(
    *by_rate: list[tuple[str, float, float]], direction: str = "maximize", worst: float = 0.0, backwards: bool = False
) -> int:
    """Which rate of the grid is picked; each is given as its lanes: (status, validation metric, validation loss)."""
    block, cell = one_cell(direction, worst)
    rows = [
        {
            **dict(zip(("task", "activation", "optimizer"), cell[:3], strict=True)),
            "lane": f"{'/'.join(cell[:3])}/tune/{rate:g}/{seed}",
            "learning_rate": rate,
            "hyperparameters": {},
            "status": status,
            "validation_metric": metric,
            "validation_loss": loss,
        }
        for (rate, _), lanes in zip(cell.trials, by_rate, strict=True)
        for seed, (status, metric, loss) in enumerate(lanes)
    ]
    ranked = rank(block, rows[::-1] if backwards else rows)
    assert list(ranked) == [cell]
    assert sorted(ranked[cell]) == sorted(cell.trials)
    return cell.trials.index(ranked[cell][0])


NAN = float("nan")
LOST = ("diverged", NAN, NAN)


def ok(metric: float, loss: float = 1.0) -> tuple[str, float, float]:
    return "ok", metric, loss


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("lanes", "expected"),
    [
        ([[ok(0.5)], [ok(0.7)], [ok(0.6)]], 1),
        ([[ok(0.5), ok(0.9)], [ok(0.6), ok(0.6)], [ok(0.1), ok(0.99)]], 0),  # the mean, not the best
        ([[ok(0.5), ok(0.6)], [ok(0.9), LOST], [ok(0.1), ok(0.1)]], 0),  # (0.9 + 0) / 2 is less
        ([[LOST], [ok(0.0, 1.0)], [LOST]], 1),  # as bad by the metric, but it has a loss
        ([[("failed", NAN, NAN)], [LOST], [ok(0.01)]], 2),
        ([[ok(0.7, 0.3)], [ok(0.7, 0.2)], [ok(0.7, 0.4)]], 1),  # a tie goes to the lower loss
        ([[ok(0.1, 0.1)], [ok(0.7, 0.2)], [ok(0.7, 0.2)]], 1),  # and then to the smaller rate
        ([[ok(NAN)], [ok(0.7)], [ok(0.6)]], 1),  # not a number is the worst
        ([[ok(0.97222221, 0.5)], [ok(0.97222222, 0.6)], [ok(0.1)]], 0),  # equal as far as float32 goes
        ([[LOST], [LOST], [LOST]], 0),
    ],
)
def test_the_best_mean_metric_is_picked(
    lanes: list[list[tuple[str, float, float]]], expected: int, backwards: bool
) -> None:
    assert picked(*lanes, backwards=backwards) == expected


@pytest.mark.parametrize(
    ("lanes", "expected"),
    [
        ([[ok(0.5)], [ok(0.7)], [ok(0.2)]], 2),
        ([[ok(9.0)], [ok(0.1), LOST], [ok(10.0)]], 0),
        ([[LOST], [LOST], [ok(1e9)]], 2),
        ([[LOST], [LOST], [LOST]], 0),
    ],
)
def test_a_metric_may_be_minimized(lanes: list[list[tuple[str, float, float]]], expected: int) -> None:
    assert picked(*lanes, direction="minimize", worst=float("inf")) == expected
