"""What one compiled program serves: which activations and optimizers share one, and how wide its chunks are."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import ceil, inf
from typing import Any, NamedTuple

from bench import labels
from bench.activations import Activation
from bench.optimizers import Optimizer
from bench.planning.lanes import Budget
from bench.planning.suite import Work
from bench.tasks import Task

OPTIMIZERS_PER_PROGRAM = 10  # compile time grows with each branch; ten still compile in seconds
ORDER_BYTES = 2**32  # a worker's memory for the samples that each step sees: of a chunk, and of all seeds
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
    "gpu": Profile("gpu", max_width=512, overhead=75.0, mixed=True),
}


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
        return f"{self.task.name.partition('(')[0]}-{digest(static)[:8]}"

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
        return order_bytes(self.task, 0 if self.full_batch else self.batch_size, self.steps)


def activation_groups(activations: Sequence[Activation]) -> list[tuple[Activation, ...]]:
    """Those that can share a program, and each of the others alone."""
    shared = tuple(a for a in activations if a.shares_program)
    return [*([shared] if shared else []), *((a,) for a in activations if not a.shares_program)]


def optimizer_groups(optimizers: Sequence[Optimizer], task: Task) -> list[tuple[Optimizer, ...]]:
    """Those that can share a program, up to `OPTIMIZERS_PER_PROGRAM` of them, and each of the others alone."""
    groups = []
    for full_batch in (False, True):
        alike = [o for o in optimizers if _sees_all(o, task) == full_batch and not o.alone]
        groups += [tuple(alike[i : i + OPTIMIZERS_PER_PROGRAM]) for i in range(0, len(alike), OPTIMIZERS_PER_PROGRAM)]
    return groups + [(o,) for o in optimizers if o.alone]


def _sees_all(optimizer: Optimizer, task: Task) -> bool:
    """Whether each step sees all training data; where there are none, each step of each optimizer sees the same."""
    return optimizer.full_batch and task.samples.train > 0


def program_of(
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
    order = order_bytes(task, 0 if full_batch else work.batch_size, work.steps)
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


def order_bytes(task: Task, batch_size: int, steps: int) -> int:
    """Of a table of the samples of each step, 32-bit numbers; of a task that draws its own data it is one row."""
    return 4 * batch_size * (steps if task.samples.train else 1)


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
