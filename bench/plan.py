"""From a suite to shards of lanes: plain values, no arrays, no jax.

A block is what is tuned and then evaluated together: its evaluation waits for its own tuning and for nothing else.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import ceil, inf, nan
from typing import Any, NamedTuple

from bench import labels
from bench.activations import Activation
from bench.budget import Trial, Tuning
from bench.errors import InputError
from bench.optimizers import Optimizer
from bench.suite import Suite, Work
from bench.tasks import Task

MAX_LANES = 1_000_000
MAX_EVALUATIONS = 10_000  # of a lane: each is a row of its curve
OPTIMIZERS_PER_PROGRAM = 10  # compile time grows with each branch; ten still compile in seconds
SHARD_LANE_STEPS = 8_000  # a few seconds of work: what a crash can cost
SHARD_FLOPS = 200e9  # the same for large models
ORDER_BYTES = 2**32  # a worker's memory for the samples that each step sees: of a chunk, and of all seeds
SCORES = ("train_loss", "validation_loss", "validation_metric", "test_loss", "test_metric")
CURVES = ("curve_step", "curve_train_loss", "curve_validation_loss", "curve_validation_metric")
NO_ACTIVATION = Activation(labels.NO_ACTIVATION, lambda x: x)


class Profile(NamedTuple):
    """How a kind of device likes its chunks.

    A chunk of width w costs about w + `overhead` lanes' worth of time; `mixed` chunks hold several activations. Lanes
    of more than `heavy_flops` a step are trained one by one: several leave a core's cache,
    and beside them a chunk's overhead is nothing.
    """

    device: str
    max_width: int
    overhead: float
    mixed: bool
    heavy_flops: float = inf

    def suited(self, lane_step_flops: float, order_bytes: int) -> "Profile":
        """The same for lanes of so many FLOPs a step, the samples of all whose steps take so many bytes."""
        most = 1 if lane_step_flops > self.heavy_flops else self.max_width
        return self._replace(max_width=max(1, min(most, ORDER_BYTES // max(1, order_bytes))))


PROFILES = {
    "cpu": Profile("cpu", max_width=8, overhead=0.15, mixed=False, heavy_flops=100e6),
    "gpu": Profile("gpu", max_width=512, overhead=60.0, mixed=True),
}


class Lane(NamedTuple):
    """One training run."""

    id: str
    task: str
    activation: str
    optimizer: str
    phase: str  # tune or evaluate
    learning_rate: float
    seed: int
    values: tuple[float, ...] = ()  # of the arguments that its optimizer searches

    @property
    def trial(self) -> Trial:
        """What tuning may pick of it."""
        return Trial(self.learning_rate, self.values)


class Cell(NamedTuple):
    """One (task, activation, optimizer) by label, with what its tuning tries."""

    task: str
    activation: str
    optimizer: str
    trials: tuple[Trial, ...]


class Budget(NamedTuple):
    """What each cell gets: how its tuning goes, and the seeds of it and of the evaluation."""

    tuning: Tuning
    tune: Sequence[int]
    evaluate: Sequence[int]

    @classmethod
    def of(cls, suite: Suite) -> "Budget":
        """That of a suite."""
        return cls(suite.tuning, suite.seeds.tune_list(), suite.seeds.evaluate_list())

    def lanes(self, trials: int, steps: int = 1) -> tuple[int, int]:
        """How many lanes a cell of so many trials has, and how many steps they take, `steps` being a whole training."""
        rungs = self.tuning.rungs(trials)
        lanes = sum(count for count, _ in rungs) * len(self.tune) + len(self.evaluate)
        tuned = sum(count * (steps // part) for count, part in rungs) * len(self.tune)
        return lanes, tuned + steps * len(self.evaluate)


@dataclass(frozen=True)
class Program:
    """What one compiled program serves: everything here is static to it."""

    task: Task
    activations: tuple[Activation, ...]
    optimizers: tuple[Optimizer, ...]
    batch_size: int
    full_batch: bool
    steps: int
    eval_every: int
    width: int
    mixed: bool

    @cached_property
    def id(self) -> str:
        """The task and a digest of all that is static."""
        static: list[Any] = [
            [(a.label, dict(a.arguments)) for a in self.activations],
            [(o.label, dict(o.arguments), dict(o.schedule.arguments)) for o in self.optimizers],  # labels tell ranges
            [
                self.task.name,
                self.task.version,
                self.batch_size,
                self.full_batch,
                self.steps,
                self.eval_every,
                self.width,
                self.mixed,
            ],
        ]
        return f"{self.task.name.partition('(')[0]}-{_digest(static)[:8]}"

    @property
    def windows(self) -> list[tuple[int, int]]:
        """First step and the step after the last before each evaluation; the first evaluation is before any step."""
        return self.windows_of(self.steps)

    def windows_of(self, steps: int) -> list[tuple[int, int]]:
        """The same of a training that ends sooner."""
        return list(pairwise([0, *range(0, steps, self.eval_every), steps]))

    @property
    def lane_step_flops(self) -> int:
        """Floating-point operations of the forward and backward pass of one step of one lane."""
        return self.batch_size * self.task.flops

    @property
    def order_bytes(self) -> int:
        """Of the table of the samples that each step of a lane sees."""
        return order_bytes(0 if self.full_batch else self.batch_size, self.steps)


@dataclass(frozen=True)
class Block:
    """Cells of one program that are tuned and evaluated together."""

    program: Program
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Shard:
    """The unit of work and of commit."""

    id: str
    program: Program
    lanes: tuple[Lane, ...]
    shown_seed: int = -1  # the lanes of this seed keep what a report shows of them
    rung: int = 0  # of tuning that halves
    part: int = 1  # how often the steps of its lanes go into those of the program

    @property
    def phase(self) -> str:
        """What its lanes are for."""
        return self.lanes[0].phase

    @property
    def steps(self) -> int:
        """Of each of its lanes."""
        return self.program.steps // self.part

    @property
    def lane_steps(self) -> int:
        """Steps of all its lanes."""
        return len(self.lanes) * self.steps

    def identity(self, lane: Lane) -> dict[str, Any]:
        """What is known of a lane before it is trained, by column of the results."""
        program = self.program
        activation = next(a for a in program.activations if a.label == lane.activation)
        optimizer = next(o for o in program.optimizers if o.label == lane.optimizer)
        return {
            "lane": lane.id,
            "task": lane.task,
            "activation": lane.activation,
            "optimizer": lane.optimizer,
            "phase": lane.phase,
            "learning_rate": lane.learning_rate,
            "hyperparameters": {
                **activation.arguments,
                **optimizer.arguments,
                **dict(zip(optimizer.searched, lane.values, strict=True)),
            },
            "seed": lane.seed,
            "steps": self.steps,
            "batch_size": program.batch_size,
            "parameters": program.task.parameters,
            "shard": self.id,
        }

    def failed(self, lane: Lane) -> dict[str, Any]:
        """The row of a lane that could not be trained; the journal tells why."""
        return {
            **self.identity(lane), **dict.fromkeys(SCORES, nan), **{curve: [] for curve in CURVES},
            "status": "failed", "stopped_at": 0, "steps_to_target": inf,
        }  # fmt: skip


@dataclass
class Result:
    """What a worker gives back of a shard; here, as who reads it needs no jax."""

    rows: list[dict[str, Any]]
    timing: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """All that a run of a suite on a kind of device will do."""

    suite: Suite
    device: str
    blocks: tuple[Block, ...]

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
        return self._summed(lambda program: 1)

    @property
    def flops(self) -> int:
        """Floating-point operations of all training steps."""
        return self._summed(lambda program: program.lane_step_flops)

    @property
    def evaluation_flops(self) -> int:
        """Those of all evaluations between steps: a forward pass, a third of a step's, of the validation data."""
        return self._summed(lambda p: p.task.samples.validation * p.task.flops // (3 * p.eval_every))

    def _summed(self, of: Callable[[Program], int]) -> int:
        """Over all steps of all lanes."""
        return sum(
            self.budget.lanes(len(cell.trials), block.program.steps)[1] * of(block.program)
            for block in self.blocks
            for cell in block.cells
        )

    @cached_property
    def sha256(self) -> str:
        """Of all that the results depend on but the software: a run can be resumed only where it is the same."""
        return _digest([self.suite.described(), self.device, [p.id for p in self.programs]])

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
        """The shards that train each cell of the block again as was chosen, on fresh seeds."""
        lanes = [lane for cell in block.cells for lane in evaluated(cell, chosen[cell], self.budget)]
        return self._shards(block, "evaluate", lanes)

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
        name, shown_seed = f"{self._numbers[block]:05d}-{kind}", self.suite.seeds.evaluate_list()[0]
        return [
            Shard(f"{name}-{number:03d}", block.program, tuple(lanes[start : start + size]), shown_seed, rung, part)
            for number, start in enumerate(range(0, len(lanes), size))
        ]


def planned(cells: Iterable[Cell], budget: Budget) -> Iterator[Lane]:
    """The lanes of the cells: each trial of each rung with each tuning seed, then the evaluation seeds."""
    for cell in cells:
        for rung, (count, _) in enumerate(budget.tuning.rungs(len(cell.trials))):
            yield from tuned(cell, [UNKNOWN] * count if rung else cell.trials, rung, budget)
        yield from evaluated(cell, UNKNOWN, budget)


def tuned(cell: Cell, trials: Iterable[Trial], rung: int, budget: Budget) -> Iterator[Lane]:
    """The lanes of a rung. What a later rung trains is planned before it is known, so that a name holds its place."""
    for place, trial in enumerate(trials):
        name = f"rung{rung}.{place}" if rung else f"trial{place}"
        name = f"{trial.learning_rate:g}" if budget.tuning.grids else name
        for seed in budget.tune:
            yield _lane(cell, "tune", f"tune/{name}/{seed}", trial, seed)


def evaluated(cell: Cell, trial: Trial, budget: Budget) -> Iterator[Lane]:
    """The lanes of an evaluation, whose names do not hold their trial: they are planned before that is known."""
    for seed in budget.evaluate:
        yield _lane(cell, "evaluate", f"evaluate/{seed}", trial, seed)


def _lane(cell: Cell, phase: str, name: str, trial: Trial, seed: int) -> Lane:
    return Lane("/".join((*cell[:3], name)), *cell[:3], phase, trial.learning_rate, seed, trial.values)


UNKNOWN = Trial()


def make(suite: Suite, device: str = "cpu") -> Plan:
    """The plan of a suite on a kind of device. Raises `InputError` where it or what it needs would be too large."""
    budget, optimizers = Budget.of(suite), suite.tuned_optimizers
    pairs = sum(len(suite.activations) if work.task.uses_activation else 1 for work in suite.works)
    lanes = pairs * sum(budget.lanes(len(trials))[0] for _, trials in optimizers)
    if lanes > MAX_LANES:
        raise InputError(
            f"suite {suite.name}: got {lanes:,} lanes; expected at most {MAX_LANES:,}",
            "fewer learning rates or seeds, or several suites",
        )
    made = Plan(suite, device, tuple(_blocks(suite, PROFILES[device])))
    _check_orders(made)
    _check_evaluations(suite)
    return made


def _check_evaluations(suite: Suite) -> None:
    for work in suite.works:
        if (evaluations := ceil(work.steps / work.eval_every)) > MAX_EVALUATIONS:
            raise InputError(
                f"suite {suite.name}: got {evaluations:,} evaluations of each network of {work.task.name}; "
                f"expected at most {MAX_EVALUATIONS:,}",
                f"eval_every = {ceil(work.steps / MAX_EVALUATIONS)} or more",
            )


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


def order_bytes(batch_size: int, steps: int) -> int:
    """Of a table of the samples of each step, 32-bit numbers."""
    return 4 * batch_size * steps


def _blocks(suite: Suite, profile: Profile) -> Iterator[Block]:
    tried, budget = {optimizer.label: trials for optimizer, trials in suite.tuned_optimizers}, Budget.of(suite)
    for work in suite.works:
        task = work.task
        activations = [a.resolve() for a in suite.activations] if task.uses_activation else [NO_ACTIVATION]
        for shared in _activation_groups(activations):
            for optimizers in _optimizer_groups([optimizer for optimizer, _ in suite.tuned_optimizers], task):
                trials = max(len(tried[optimizer.label]) for optimizer in optimizers)
                program = _program(profile, work, shared, optimizers, budget, trials)
                cells = [Cell(task.name, a.label, o.label, tried[o.label]) for o in optimizers for a in shared]
                lanes = max(trials * len(budget.tune), len(budget.evaluate))
                together = len(shared) if program.mixed else max(1, shard_lanes(program) // lanes)
                for start in range(0, len(cells), together):
                    yield Block(program, tuple(cells[start : start + together]))


def shard_lanes(program: Program) -> int:
    """How many lanes of a program are worth a shard."""
    return int(min(SHARD_LANE_STEPS, SHARD_FLOPS / max(1, program.lane_step_flops)) // program.steps)


def _activation_groups(activations: Sequence[Activation]) -> list[tuple[Activation, ...]]:
    """Those that can share a program, and each of the others alone."""
    shared = tuple(a for a in activations if a.shares_program)
    return [*([shared] if shared else []), *((a,) for a in activations if not a.shares_program)]


def _optimizer_groups(optimizers: Sequence[Optimizer], task: Task) -> list[tuple[Optimizer, ...]]:
    """Those that can share a program, up to `OPTIMIZERS_PER_PROGRAM` of them, and each of the others alone."""
    groups = []
    for full_batch in (False, True):
        alike = [o for o in optimizers if _sees_all(o, task) == full_batch and not o.alone]
        groups += [tuple(alike[i : i + OPTIMIZERS_PER_PROGRAM]) for i in range(0, len(alike), OPTIMIZERS_PER_PROGRAM)]
    return groups + [(o,) for o in optimizers if o.alone]


def _sees_all(optimizer: Optimizer, task: Task) -> bool:
    """Whether each step sees all training data; where there are none, each step of each optimizer sees the same."""
    return optimizer.full_batch and task.samples.train > 0


def _program(
    profile: Profile,
    work: Work,
    activations: tuple[Activation, ...],
    optimizers: tuple[Optimizer, ...],
    budget: Budget,
    trials: int,
) -> Program:
    task, first = work.task, optimizers[0]
    mixed = profile.mixed and not first.alone
    cells = len(activations) if mixed else 1
    tuned = [cells * count * len(budget.tune) for count, _ in budget.tuning.rungs(trials)]
    counts = [*tuned, cells * len(budget.evaluate)]
    full_batch = _sees_all(first, task)
    order = order_bytes(0 if full_batch else work.batch_size, work.steps)
    return Program(
        task=task,
        activations=activations,
        optimizers=optimizers,
        batch_size=task.samples.train if full_batch else work.batch_size,
        full_batch=full_batch,
        steps=work.steps,
        eval_every=work.eval_every,
        width=1 if first.alone else chunk_width(counts, profile.suited(work.batch_size * task.flops, order)),
        mixed=mixed,
    )


def chunk_width(counts: Sequence[int], profile: Profile) -> int:
    """The width at which chunks for these numbers of lanes cost least; tails are padded to the full width."""

    def cost(width: int) -> float:
        return sum(ceil(count / width) * (width + profile.overhead) for count in counts)

    return min(range(1, min(profile.max_width, max(counts)) + 1), key=lambda width: (cost(width), -width))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
