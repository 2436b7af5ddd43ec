"""From a suite to shards of lanes: plain values, no arrays, no jax.

A block is what is tuned and then evaluated together: its evaluation waits for its own tuning and for nothing else.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import ceil

from bench.errors import InputError
from bench.planning.budget import Trial
from bench.planning.lanes import UNKNOWN, Budget, Cell, Lane, evaluated, planned, tuned
from bench.planning.program import (
    NO_ACTIVATION,
    ORDER_BYTES,
    PROFILES,
    Profile,
    Program,
    activation_groups,
    digest,
    optimizer_groups,
    program_of,
)  # fmt: skip
from bench.planning.shard import Block, Shard, shard_lanes
from bench.planning.suite import Suite

MAX_LANES = 1_000_000
MAX_EVALUATIONS = 10_000  # of a lane: each is a row of its curve


@dataclass(frozen=True)
class Plan:
    """All that a run of a suite on a kind of device will do."""

    suite: Suite
    device: str
    blocks: tuple[Block, ...]
    rounds: tuple[int, ...] = ()  # of a run that was given more evaluation seeds: how many there were after each time

    @cached_property
    def cells(self) -> list[Cell]:
        """In the order of the suite: tasks, then activations, then optimizers."""
        orders = [
            [work.task.name for work in self.suite.works],
            [NO_ACTIVATION.label, *(entry.resolve().label for entry in self.suite.activations)],
            [optimizer.label for optimizer, _ in self.suite.tuned_optimizers],
        ]
        places = [{label: place for place, label in enumerate(labels)} for labels in orders]
        cells = [cell for block in self.blocks for cell in block.cells]
        return sorted(cells, key=lambda cell: [place[label] for place, label in zip(places, cell[:3], strict=True)])

    @cached_property
    def _numbers(self) -> dict[Block, int]:
        return {block: number for number, block in enumerate(self.blocks)}

    @cached_property
    def programs(self) -> list[Program]:
        """Each once."""
        return list(dict.fromkeys(block.program for block in self.blocks))

    @property
    def lanes(self) -> int:
        """How many, tuning and evaluation."""
        return sum(self._lanes_of(cell) for cell in self.cells)

    @cached_property
    def budget(self) -> Budget:
        """What each cell gets."""
        return Budget.of(self.suite)

    def _lanes_of(self, cell: Cell) -> int:
        return self.budget.lanes(len(cell.trials))[0]

    @property
    def lane_steps(self) -> int:
        """Steps of all lanes."""
        return int(self.summed(lambda program: 1))

    @property
    def flops(self) -> int:
        """Floating-point operations of all training steps."""
        return int(self.summed(lambda program: program.lane_step_flops))

    def summed(self, of: Callable[[Program], float]) -> float:
        """What `of` says of a step of a lane, over all steps of all lanes."""
        return sum(
            self.budget.lanes(len(cell.trials), block.program.steps)[1] * of(block.program)
            for block in self.blocks
            for cell in block.cells
        )

    @cached_property
    def sha256(self) -> str:
        """Of all that the results depend on but the software: a run can be resumed only where it is the same."""
        described = {key: of for key, of in self.suite.described().items() if key != "reference"}  # for reports alone
        return digest([described, self.device, [p.id for p in self.programs]])

    def tune_shards(self, block: Block) -> list[Shard]:
        """The shards with which the tuning of the block's cells begins."""
        return self._rung(block, 0, {cell: cell.trials for cell in block.cells})

    def shards_after(self, block: Block, rung: int, ranked: Mapping[Cell, Sequence[Trial]]) -> list[Shard]:
        """What follows a rung of the block's tuning, of which `ranked` are the trials, the best of each cell first.

        The next rung with the best of them or, after the last one, the evaluation of the best.
        """
        if rung + 1 < len(self._rungs(block.cells[0])):
            return self._rung(block, rung + 1, ranked)
        return self.evaluate_shards(block, {cell: trials[0] for cell, trials in ranked.items()})

    def evaluate_shards(self, block: Block, chosen: Mapping[Cell, Trial]) -> list[Shard]:
        """The shards that train each cell of the block again as was chosen, on fresh seeds.

        Seeds that were added later have shards of their own: those that the run has stay as they are.
        """
        seeds, found = self.budget.evaluate, list[Shard]()
        for number, (first, end) in enumerate(pairwise((0, *(self.rounds or (len(seeds),))))):
            budget = self.budget._replace(evaluate=seeds[first:end])
            lanes = [lane for cell in block.cells for lane in evaluated(cell, chosen[cell], budget)]
            found += self._shards(block, f"evaluate{number or ''}", lanes)
        return found

    def shards(self) -> Iterator[Shard]:
        """Every shard; where what it trains hangs on those before it, its lanes have names but no trials."""
        for block in self.blocks:
            yield from self.tune_shards(block)
            for rung, (count, _) in list(enumerate(self._rungs(block.cells[0])))[1:]:
                yield from self._rung(block, rung, {cell: [UNKNOWN] * count for cell in block.cells})
            yield from self.evaluate_shards(block, dict.fromkeys(block.cells, UNKNOWN))

    def _rungs(self, cell: Cell) -> list[tuple[int, int]]:
        return self.budget.tuning.rungs(len(cell.trials))

    def _rung(self, block: Block, rung: int, ranked: Mapping[Cell, Sequence[Trial]]) -> list[Shard]:
        lanes = [
            lane
            for cell in block.cells
            for lane in tuned(cell, ranked[cell][: self._rungs(cell)[rung][0]], rung, self.budget)
        ]
        _, part = self._rungs(block.cells[0])[rung]
        return self._shards(block, f"tune{rung or ''}", lanes, rung, part)

    def planned(self) -> Iterator[Lane]:
        """Every lane; where what it trains hangs on those before it, the learning rate is not a number."""
        return planned(self.cells, self.budget)

    def _shards(self, block: Block, kind: str, lanes: list[Lane], rung: int = 0, part: int = 1) -> list[Shard]:
        width = block.program.width
        chunks = max(1, part * shard_lanes(block.program) // width)
        several = len(block.cells) > 1 and not block.program.mixed  # small cells, each of its own chunks
        size = len(lanes) if several else chunks * width
        name = f"{self._numbers[block]:05d}-{kind}"
        return [
            Shard(f"{name}-{number:03d}", block.program, tuple(lanes[start : start + size]), rung, part)
            for number, start in enumerate(range(0, len(lanes), size))
        ]


def make(suite: Suite, device: str = "cpu", rounds: tuple[int, ...] = ()) -> Plan:
    """The plan of a suite on a kind of device; `rounds` as of `Plan`.

    Programs and blocks are those of the first round. Raises `InputError` where it or what it needs would be too large.
    """
    budget, optimizers = Budget.of(suite), suite.tuned_optimizers
    pairs = sum(len(suite.activations) if work.task.uses_activation else 1 for work in suite.works)
    lanes = pairs * sum(budget.lanes(len(trials))[0] for _, trials in optimizers)
    if lanes > MAX_LANES:
        raise InputError(
            f"suite {suite.name}: got {lanes:,} lanes; expected at most {MAX_LANES:,}",
            "fewer learning rates or seeds, or several suites",
        )
    first = budget._replace(evaluate=budget.evaluate[: rounds[0]]) if rounds else budget
    made = Plan(suite, device, tuple(_blocks(suite, PROFILES[device], first)), rounds)
    _check_orders(made)
    _check_evaluations(suite)
    return made


def _check_orders(made: Plan) -> None:
    """A worker keeps the order of samples of every seed that it has met, of every length of training."""
    programs = {(p.task.samples.train, p.batch_size, p.steps): p for p in made.programs if p.order_bytes}
    seeds = len(made.budget.tune) + len(made.budget.evaluate)
    needed = seeds * sum(program.order_bytes for program in programs.values())
    if needed > ORDER_BYTES:
        most = max(programs.values(), key=lambda program: program.order_bytes)
        raise InputError(
            f"suite {made.suite.name}: got {most.steps:,} steps of {most.batch_size:,} samples with {seeds:,} seeds on "
            f"{most.task.name}: their order would take {needed / 1e9:,.1f} GB in every worker; "
            f"expected at most {ORDER_BYTES / 1e9:.1f} GB, that of all tasks together",
            "fewer steps, smaller batches or fewer seeds",
        )


def _check_evaluations(suite: Suite) -> None:
    for work in suite.works:
        if (evaluations := ceil(work.steps / work.eval_every)) > MAX_EVALUATIONS:
            raise InputError(
                f"suite {suite.name}: got {evaluations:,} evaluations of each network of {work.task.name}; "
                f"expected at most {MAX_EVALUATIONS:,}",
                f"eval_every = {ceil(work.steps / MAX_EVALUATIONS)} or more",
            )


def _blocks(suite: Suite, profile: Profile, budget: Budget) -> Iterator[Block]:
    tried = {optimizer.label: trials for optimizer, trials in suite.tuned_optimizers}
    for work in suite.works:
        task = work.task
        activations = [a.resolve() for a in suite.activations] if task.uses_activation else [NO_ACTIVATION]
        for shared in activation_groups(activations):
            for optimizers in optimizer_groups([optimizer for optimizer, _ in suite.tuned_optimizers], task):
                trials = max(len(tried[optimizer.label]) for optimizer in optimizers)
                program = program_of(profile, work, shared, optimizers, budget, trials)
                cells = [Cell(task.name, a.label, o.label, tried[o.label]) for o in optimizers for a in shared]
                lanes = max(trials * len(budget.tune), len(budget.evaluate))
                together = len(shared) if program.mixed else max(1, shard_lanes(program) // lanes)
                for start in range(0, len(cells), together):
                    yield Block(program, tuple(cells[start : start + together]))
