"""From a throughput suite to groups of programs that are timed side by side; no arrays, no jax."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import ceil
from typing import Any

from bench.errors import InputError, ResourceError
from bench.hardware.timing import wanted_s
from bench.labels import counted
from bench.planning.devices import picked
from bench.planning.estimate import START_S, compile_s, evaluation_flops, price, slowness, told
from bench.planning.program import NO_ACTIVATION, ORDER_BYTES, Program
from bench.tasks import Task
from bench.throughput.suite import PRECISIONS, ThroughputSuite, most_workers

ORDER_ENTRIES, LEAST_STEPS, MOST_STEPS = 2**21, 16, 512  # of the table of samples that a call is given
OUT_OF_MEMORY = "out of memory"  # why a cell has no timing
CEILINGS_S, WARM_UPS = 0.7, 4  # assumed: of a group; of a cell, in samples, finding their length among them


@dataclass(frozen=True)
class Group:
    """The unit of work and of commit: cells of one task at one setting, sampled in turns by all busy workers."""

    id: str
    device: str
    workers: int
    precision: str
    programs: tuple[Program, ...]  # one a cell
    samples: int
    seconds: float
    seed: int

    def __str__(self) -> str:
        first = self.programs[0]
        busy = counted(self.workers, "worker")
        return f"{first.task.name}, batch {first.batch_size}, width {first.width}, {self.precision}, {busy}"


@dataclass(frozen=True)
class Plan:
    """All that a run of a throughput suite will measure."""

    suite: ThroughputSuite
    devices: tuple[str, ...]
    groups: tuple[Group, ...]

    @property
    def programs(self) -> list[Program]:
        """One a timing."""
        return [program for group in self.groups for program in group.programs]

    @property
    def cells(self) -> int:
        """How many cells are timed, at all settings together."""
        return len(self.programs)

    def seconds(self, device: str, flops_per_s: float) -> float:
        """How long its groups on a device take, roughly, where a large product has this rate there.

        The busy workers all do the same.
        """
        start_s = START_S[device] * slowness(flops_per_s, device)
        return start_s + sum(group_s(group, flops_per_s) for group in self.groups if group.device == device)

    @property
    def sha256(self) -> str:
        """Of what was planned: a run can be resumed only where it is the same."""
        plain = [
            [g.id, g.device, g.workers, g.precision, [p.id for p in g.programs], g.samples, g.seconds]
            for g in self.groups
        ]
        return hashlib.sha256(json.dumps(plain).encode()).hexdigest()

    def facts(self) -> dict[str, Any]:
        """What a person is told of it."""
        programs, times = self.programs, [self._told(device) for device in self.devices]
        ends = zip(*(time["estimated_range_s"] for time in times), strict=True)
        return {
            "kind": "throughput",
            "devices": ", ".join(self.devices),
            "tasks": len(self.suite.tasks),
            "cells": len({(p.task.name, p.activations[0].label, p.optimizers[0].label) for p in programs}),
            "timings": self.cells,
            "groups": len(self.groups),
            "estimated_s": sum(time["estimated_s"] for time in times),
            "estimated_range_s": [sum(end) for end in ends],
            "assumed": "; ".join(dict.fromkeys(time["assumed"] for time in times)),
        }

    def _told(self, device: str) -> dict[str, Any]:
        workers = max((group.workers for group in self.groups if group.device == device), default=1)
        return told(partial(self.seconds, device), device, workers)


def group_s(group: Group, flops_per_s: float) -> float:
    """How long a group takes, roughly."""
    return CEILINGS_S + sum(_cell_s(program, group, flops_per_s) for program in group.programs)


def _cell_s(program: Program, group: Group, flops_per_s: float) -> float:
    """One cell, compiled, warmed up and sampled by the protocol of `timing`."""
    reached = price(program.task).share * flops_per_s / program.width
    idle_s = evaluation_flops(program) / reached
    steps_s = max(program.lane_step_flops / reached, wanted_s(idle_s))
    samples = max(group.samples, ceil(group.seconds / (steps_s + idle_s)))
    compiling = compile_s(program) * slowness(flops_per_s, group.device)
    return compiling + (WARM_UPS + samples) * (steps_s + idle_s) + samples * idle_s


def facts(suite: ThroughputSuite, device: str) -> dict[str, Any]:
    """What a person is told of the plan of a suite on a device, or on several as in `cpu,gpu`."""
    return make(suite, picked(device)).facts()


def make(suite: ThroughputSuite, devices: Sequence[str], workers: int | None = None) -> Plan:
    """The plan of a suite on these devices. Raises `InputError`, `ResourceError`.

    `workers` overrides the suite's; of several devices one that cannot have so many has as many as it can.
    """
    able = {name for device in devices for name in PRECISIONS[device]}
    if unable := [name for name in suite.precisions if name not in able]:
        raise InputError(
            f"precisions: got {', '.join(unable)} for {', '.join(devices)}; expected {', '.join(sorted(able))}",
            "a CPU multiplies in float32 whatever precision it is told",
        )
    groups: list[Group] = []
    for device, task in product(devices, [entry.resolve() for entry in suite.tasks]):
        for busy, precision in product(_workers(suite, device, devices, workers), suite.precisions):
            if precision in PRECISIONS[device]:
                _check_workers(device, busy)
                groups += _groups(suite, device, task, busy, precision, len(groups))
    made = Plan(suite, tuple(devices), tuple(groups))
    _check_orders(made.programs)
    return made


def _check_orders(programs: Iterable[Program]) -> None:
    most = max(programs, key=lambda program: program.width * program.order_bytes)
    if (needed := most.width * most.order_bytes) > ORDER_BYTES:
        raise InputError(
            f"widths: got {most.width:,} with batches of {most.batch_size:,} on {most.task.name}: the order of their "
            f"samples would take {needed / 1e9:,.1f} GB in every worker; expected at most {ORDER_BYTES / 1e9:.1f} GB"
        )


def _workers(suite: ThroughputSuite, device: str, devices: Sequence[str], asked: int | None) -> list[int]:
    if asked is None:
        return suite.workers_on(device)
    return [min(asked, most_workers(device)) if len(devices) > 1 else asked]


def _check_workers(device: str, busy: int) -> None:
    most = most_workers(device)
    if busy > most:
        raise ResourceError(
            f"workers: got {busy} for {device}; expected at most {most}: each has a core or a GPU of its own"
        )


def _groups(suite: ThroughputSuite, device: str, task: Task, busy: int, precision: str, number: int) -> Iterator[Group]:
    """A group a batch size and width; a cell that leaves no choice of either is in the first only."""
    seen: set[str] = set()
    for batch_size, width in product(suite.batch_sizes, suite.widths):
        programs = {p.id: p for p in _programs(suite, task, batch_size, width) if p.id not in seen}
        seen |= set(programs)
        by_setting: dict[tuple[int, int], list[Program]] = {}
        for program in programs.values():
            by_setting.setdefault((program.batch_size, program.width), []).append(program)
        for alike in by_setting.values():
            name = f"{number:05d}-{device}-{task.name.partition('(')[0]}"
            yield Group(name, device, busy, precision, tuple(alike), suite.samples, suite.seconds, seed=number)
            number += 1


def _programs(suite: ThroughputSuite, task: Task, batch_size: int, width: int) -> Iterator[Program]:
    activations = [entry.resolve() for entry in suite.activations] if task.uses_activation else [NO_ACTIVATION]
    for activation, optimizer in product(activations, [entry.resolve() for entry in suite.optimizers]):
        full_batch = optimizer.full_batch and task.samples.train > 0
        batch = task.samples.train if full_batch else batch_size
        lanes = 1 if optimizer.alone else width
        steps = min(MOST_STEPS, max(LEAST_STEPS, ORDER_ENTRIES // (lanes * batch)))
        yield Program(
            task=task, activations=(activation,), optimizers=(optimizer,), batch_size=batch, full_batch=full_batch,
            steps=steps, eval_every=steps, width=lanes, mixed=False,
        )  # fmt: skip
