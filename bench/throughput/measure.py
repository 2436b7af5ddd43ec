"""One group to measurements: runs in a worker, first `prepare`, then, when all workers are ready, `sample`."""

import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from bench.engine.compile import compile_lowered
from bench.engine.cost import cost
from bench.engine.execute import batched, peak_resident_bytes, traced_lanes
from bench.engine.kernels import ceilings
from bench.engine.train import phases
from bench.errors import in_words, out_of_memory
from bench.hardware import timing
from bench.hardware.timing import Ledger
from bench.planning.lanes import Lane
from bench.planning.program import Program
from bench.throughput.plan import OUT_OF_MEMORY, Group
from bench.throughput.suite import PRECISIONS

RATE = 1e-3  # learning rate of every lane: the time of a step does not depend on it


@dataclass
class Ready:
    """A cell, warm: its program, its arguments on the device, and what has been told of it so far."""

    compiled: Any
    lanes: Any
    data: Any
    steps: int  # in one sample
    told: dict[str, Any]

    def __call__(self, steps: int) -> Any:
        """Train so many steps and evaluate once; returns when that is done."""
        return jax.block_until_ready(self.compiled(self.lanes, self.data, np.array([[0, steps]], np.int32)))


_READY: dict[str, Ready] = {}  # by program


def prepare(group: Group) -> dict[str, Any]:
    """Compile every cell of the group and warm it up.

    Returns where the time went, `spent`, and by program why a cell cannot be timed, `untimed`: want of memory, or what
    its activation or optimizer raises.
    """
    # what is told of compiling is always a compile, never a look into a cache
    jax.config.update("jax_enable_compilation_cache", False)
    _READY.clear()
    gc.collect()
    ledger = Ledger()
    with ledger.under("load"):
        task = group.programs[0].task
        loaded = task.data()
    with ledger.under("transfer"):
        data = jax.block_until_ready(jax.device_put(loaded))
    untimed = {}
    for program in group.programs:
        try:
            with jax.default_matmul_precision(PRECISIONS[group.device][group.precision]):
                _READY[program.id] = _ready(program, data, ledger)
        except Exception as error:  # whatever a user's activation or optimizer raises is data
            untimed[program.id] = OUT_OF_MEMORY if out_of_memory(error) else in_words(error)
    return {"spent": dict(ledger.spent), "untimed": untimed}


def sample(group: Group) -> dict[str, Any]:
    """The ceilings of this worker and the samples of every cell, taken in turns; `prepare` came before.

    The group is now without the cells that some worker could not prepare.
    """
    ledger = Ledger()
    with ledger.under("ceilings"), jax.default_matmul_precision(PRECISIONS[group.device][group.precision]):
        highest = ceilings()
    ready = [_READY[program.id] for program in group.programs]
    calls = {number: (lambda r=r: r(r.steps), lambda r=r: r(0)) for number, r in enumerate(ready)}
    with ledger.under("steps"):
        found = timing.interleaved(calls, group.seed, group.samples, group.seconds)
    idle_s = sum(row[1] + min(row) for rows in found.values() for row in rows)  # a sample evaluates once, too
    ledger.spent["steps"] -= idle_s
    ledger.spent["evaluate"] += idle_s
    cells = []
    for one, rows in zip(ready, found.values(), strict=True):
        one.told["evaluate_s"] = evaluate_s = float(np.median([row[1] for row in rows]))
        one.told["step_samples"] = [max(row[0] - evaluate_s, 0.0) / one.steps for row in rows]
        cells.append(one.told)
    told = {"worker": os.getpid(), "resident_bytes": peak_resident_bytes(), "cells": cells, **highest}
    return {**told, "spent": dict(ledger.spent)}


def _ready(program: Program, data: Any, ledger: Ledger) -> Ready:
    """One cell, compiled and warm. What each part took is told and entered into the ledger."""
    before = dict(ledger.spent)
    activation, optimizer = program.activations[0].label, program.optimizers[0].label
    with ledger.under("order"):
        lanes = [Lane("", program.task.name, activation, optimizer, "tune", RATE, i) for i in range(program.width)]
        arguments = traced_lanes(program, lanes)
    with ledger.under("transfer"):
        arguments = jax.block_until_ready(jax.device_put(arguments))
    with ledger.under("trace"):
        lowered = jax.jit(batched(program)).lower(arguments, data, np.zeros((1, 2), np.int32))
    with ledger.under("compile"):
        compiled = compile_lowered(lowered)
    ready = Ready(compiled.call, arguments, data, 1, {})
    with ledger.under("first_run"):
        outcome = ready(1)
    with ledger.under("fetch"):
        jax.device_get(outcome)
    with ledger.under("warm_up"):
        idle_s = timing.warm_up(lambda: ready(0))[-1]
        ready.steps = timing.steps_per_sample(ready, idle_s)
        warm = timing.warm_up(lambda: ready(ready.steps))
    given = _bytes((arguments, data))
    ready.told |= {
        "activation": activation,
        "optimizer": optimizer,
        "program": program.id,
        "cache": compiled.cache,
        "steps_per_sample": ready.steps,
        "warm_ups": len(warm),
        "program_bytes": compiled.memory_bytes,
        "working_bytes": max(compiled.memory_bytes - given, 0),
        **_sizes(program, arguments, data),
        **{f"{name}_s": ledger.spent[name] - before.get(name, 0.0)
           for name in ("trace", "compile", "transfer", "first_run", "fetch", "warm_up")},
    }  # fmt: skip
    return ready


def _sizes(program: Program, arguments: Any, data: Any) -> dict[str, int]:
    """Bytes of one lane's parameters and of all that a step hands to the next, and the FLOP of a step."""
    lane = jax.tree.map(lambda leaf: leaf[0] if leaf.ndim else leaf, arguments)
    carry: Any = jax.eval_shape(started(program), lane, data)
    flops = cost(program, data).lane_step_flops
    return {"parameter_bytes": _bytes(carry.parameters), "carry_bytes": _bytes(carry), "lane_step_flops": flops}


def _bytes(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def started(program: Program) -> Callable[..., Any]:
    """The function (lane, data) -> what the first step is handed."""
    of = phases(
        program.task, program.activations, program.optimizers, steps=program.steps, full_batch=program.full_batch
    )
    return lambda lane, data: of(lane, data).start()
