"""Shards to workers: which next, on which, what if one dies, and when to stop.

It knows its workers only as executors that run one call at a time, so that local processes, a cluster's workers or a
test's fake serve alike.
"""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Any

from bench.errors import ResourceError, how_it_ended, in_words
from bench.losses import Metric, rounded
from bench.planning.budget import Trial
from bench.planning.lanes import Cell
from bench.planning.plan import Plan
from bench.planning.program import Program
from bench.planning.shard import Block, Result, Shard

Row = dict[str, Any]
TRIES = 3  # of a shard whose worker died
HOPELESS = 3  # shards that kill their workers before any is trained: another program's are tried first
WORTH_LOADING = 3  # shards of a program that must be waiting before another worker loads it too
IN_HAND = 2  # shards a worker holds: it goes on with the second while the first is being stored
POLL_S = 0.2


@dataclass
class Progress:
    """How far a run is; handed to the observer after each shard."""

    lanes: int
    done: int = 0
    diverged: int = 0
    failed: int = 0
    lane_steps: int = 0
    resumed: int = 0
    started: float = field(default_factory=time.monotonic)
    metrics: dict[str, Metric] = field(default_factory=dict)  # by task
    warm: tuple[float, int] | None = None  # when as many shards as workers were trained, and lanes done by then


@dataclass
class Slot:
    """A worker, what it has in hand (the first is running), and the programs that it has loaded."""

    executor: Executor
    hand: deque[tuple[Shard, "Future[Any]"]] = field(default_factory=deque)
    programs: set[str] = field(default_factory=set)


class Runner:
    """Carries out a plan.

    `execute(shard) -> Result` is what a worker calls. `commit(shard, rows, timing)` stores it. `committed(shard id)`
    gives the rows that were stored before, asked when the shard's block comes to it. `stopping()` is asked between
    events: 0 go on, 1 finish what is in hand, 2 drop it.
    """

    def __init__(
        self,
        plan: Plan,
        executors: Sequence[Executor],
        execute: Callable[[Shard], Result],
        commit: Callable[[Shard, list[Row], Mapping[str, Any]], None],
        committed: Callable[[str], list[Row]] = lambda _: [],
        observe: Callable[[Progress, list[Row]], None] = lambda *_: None,
        stopping: Callable[[], int] = lambda: 0,
        worker_died: tuple[type[BaseException], ...] = (),
    ) -> None:
        self.plan, self.execute, self.commit = plan, execute, commit
        self.committed, self.observe = committed, observe
        self.stopping, self.worker_died = stopping, worker_died
        self.slots = [Slot(executor) for executor in executors]
        self.progress = Progress(plan.lanes, metrics={p.task.name: p.task.metric for p in plan.programs})
        self.trained = 0  # shards
        self.killers: Counter[str] = Counter()  # by program, shards that ended every worker
        self.tries: dict[str, int] = defaultdict(int)
        self.ready: dict[str, deque[Shard]] = defaultdict(deque)  # by program
        self.work: dict[str, int] = defaultdict(int)  # FLOP of what is ready of a program
        self.block_of: dict[str, Block] = {}
        self.rows: dict[str, list[Row]] = {}  # of committed tuning shards, until their block goes on
        self.tuning: dict[Block, list[Shard]] = {}  # the rung at which a block is

    def run(self) -> bool:
        """Train all that is not committed yet. Returns whether all is done."""
        for block in self.plan.blocks:
            self._begin(block, self.plan.tune_shards(block))
        while self._busy() or (any(self.ready.values()) and not self.stopping()):
            if self.stopping() >= 2:
                return False
            self._assign()
            first = [slot.hand[0][1] for slot in self.slots if slot.hand]
            wait(first, timeout=POLL_S, return_when=FIRST_COMPLETED)
            for slot in self.slots:
                if slot.hand and slot.hand[0][1].done():
                    self._collect(slot)
        return not any(self.ready.values())

    def _busy(self) -> bool:
        return any(slot.hand for slot in self.slots)

    def _begin(self, block: Block, shards: list[Shard]) -> None:
        if shards[0].phase == "tune":
            self.tuning[block] = shards
        for shard in shards:
            self._enter(block, shard)

    def _enter(self, block: Block, shard: Shard) -> None:
        self.block_of[shard.id] = block
        rows = self.committed(shard.id)
        # what follows tuning is stale where tuning that had failed was tried again and picked other trials
        found = [(row["lane"], trial_of(row, shard.program)) for row in rows]
        if found == [(lane.id, lane.trial) for lane in shard.lanes]:
            self.progress.resumed += len(shard.lanes)
            self._finish(shard, rows)
        else:
            self._put(shard, first=shard.phase == "evaluate" or shard.rung > 0)  # a verdict on its cells is nearest

    def _put(self, shard: Shard, first: bool = True) -> None:
        ready = self.ready[shard.program.id]
        (ready.appendleft if first else ready.append)(shard)
        self.work[shard.program.id] += _work(shard)

    def _take(self, program: str) -> Shard:
        shard = self.ready[program].popleft()
        self.work[program] -= _work(shard)
        return shard

    def _assign(self) -> None:
        for _ in range(IN_HAND):
            for slot in self.slots:
                if len(slot.hand) < IN_HAND and not self.stopping() and (program := self._next_program(slot)):
                    shard = self._take(program)
                    slot.programs.add(program)
                    slot.hand.append((shard, slot.executor.submit(self.execute, shard)))

    def _next_program(self, slot: Slot) -> str | None:
        """One that the worker has loaded; else one that no worker has; else one with enough left to share."""
        waiting = {program: len(shards) for program, shards in self.ready.items() if shards}
        if slot.hand and sum(waiting.values()) < len(self.slots):
            return None  # the last shards go to whoever is free first
        most = sorted(waiting, key=lambda p: (self.killers[p] >= HOPELESS, -self.work[p]))
        loaded_elsewhere = set().union(*(s.programs for s in self.slots if s is not slot))
        own = [p for p in most if p in slot.programs]
        new = [p for p in most if p not in loaded_elsewhere]
        if own or slot.hand:  # a second shard in hand is not worth loading a program for
            return own[0] if own else None
        shared = [p for p in most if waiting[p] >= WORTH_LOADING or not self._busy()]
        return next(iter([*new, *shared]), None)

    def _collect(self, slot: Slot) -> None:
        shard, future = slot.hand.popleft()
        try:
            result = future.result()
        except self.worker_died as error:
            self._bury(slot)
            self.tries[shard.id] += 1
            if self.tries[shard.id] < TRIES:
                self._put(shard)
            else:
                self.killers[shard.program.id] += 1
                self._check_hope(error)
                self._fail(shard, f"its worker died {TRIES} times ({how_it_ended(error)})")
        except CancelledError as error:  # by nobody here: who gave out the work is gone
            raise ResourceError(
                "workers: got none that can be asked any more, as the scheduler is gone; expected it until the end",
                "what is done is kept: --resume goes on with it",
            ) from error
        except Exception as error:  # whatever a user's activation or optimizer raises is data, told with the lane
            slot.programs.discard(shard.program.id)
            self._fail(shard, in_words(error))
        else:
            self.commit(shard, result.rows, result.timing)
            self.progress.lane_steps += shard.lane_steps
            self.trained += 1
            self._finish(shard, result.rows)

    def _check_hope(self, error: BaseException) -> None:
        """Raise `ResourceError` where workers die whatever they are given, and none has had a result or is at work."""
        dead, widely = self.killers.total(), len(self.killers) >= min(2, len(self.plan.programs))
        if dead >= HOPELESS and widely and not (self.trained or self.progress.resumed or self._busy()):
            raise ResourceError(
                f"workers: got {dead * TRIES} that died before a first result ({how_it_ended(error)}); "
                "expected one that lives",
                "fewer --workers need less memory; bench info tells how much there is",
            ) from error

    def _bury(self, slot: Slot) -> None:
        """Its process is gone, and with it what it had loaded; what it had not begun is as good as new."""
        slot.programs.clear()
        while slot.hand:
            shard, _ = slot.hand.pop()
            self._put(shard)

    def _fail(self, shard: Shard, error: str) -> None:
        rows = [shard.failed(lane) for lane in shard.lanes]
        self.commit(shard, rows, {"error": error})
        self._finish(shard, rows)

    def _finish(self, shard: Shard, rows: list[Row]) -> None:
        self.progress.done += len(rows)
        self.progress.diverged += sum(row["status"] == "diverged" for row in rows)
        self.progress.failed += sum(row["status"] == "failed" for row in rows)
        if self.trained == len(self.slots) and not self.progress.warm:
            self.progress.warm = time.monotonic(), self.progress.done
        self.observe(self.progress, rows)
        block = self.block_of[shard.id]
        if shard.phase == "tune":
            self.rows[shard.id] = rows
            shards = self.tuning[block]
            if all(s.id in self.rows for s in shards):
                tuned = [row for s in shards for row in self.rows.pop(s.id)]
                ranked = rank(block, tuned)
                self._begin(block, self.plan.shards_after(block, shard.rung, ranked))


def _work(shard: Shard) -> int:
    return shard.lane_steps * shard.program.lane_step_flops


def trial_of(row: Row, program: Program) -> Trial:
    """The trial that a lane was of."""
    optimizer = next(o for o in program.optimizers if o.label == row["optimizer"])
    return Trial(row["learning_rate"], tuple(row["hyperparameters"][key] for key in optimizer.searched))


def rank(block: Block, rows: Sequence[Row]) -> dict[Cell, list[Trial]]:
    """The trials of each cell that these rows tell of, the one with the best mean validation metric first.

    The mean is over the tuning seeds; a lane that diverged or failed, and a score that is not a number, counts as the
    worst. Ties go to the lower mean validation loss, then to the smaller rate. Test data have no part in it. A trial
    that was planned more than once, as where an optimizer has nothing to search, is given as often: the next rung has a
    place for each.
    """
    by_cell: dict[tuple[str, str, str], dict[tuple[Trial, str], list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        name, _, _ = row["lane"].rpartition("/")  # without its seed
        by_cell[row["task"], row["activation"], row["optimizer"]][trial_of(row, block.program), name].append(row)
    metric = block.program.task.metric

    def badness(lanes: list[Row]) -> tuple[float, float]:
        ok = [lane for lane in lanes if lane["status"] == "ok"]
        scores = [metric.counted(lane["validation_metric"]) for lane in ok] + [metric.worst] * (len(lanes) - len(ok))
        loss = sum(lane["validation_loss"] for lane in ok) / len(lanes) if len(ok) == len(lanes) else float("inf")
        return -metric.sign * rounded(sum(scores) / len(scores)), loss

    def ranked(trials: dict[tuple[Trial, str], list[Row]]) -> list[Trial]:
        return [trial for trial, _ in sorted(trials, key=lambda one: (*badness(trials[one]), one))]

    return {cell: ranked(by_cell[cell[:3]]) for cell in block.cells}
