"""How long a plan will take, roughly: its arithmetic at a part of the rate of a large product, and its compiling.

That rate is the one last measured on this machine (`bench.hardware.rates`). Where there is none, the estimate is a
wide range.
"""

from collections.abc import Callable
from math import sqrt
from typing import Any, NamedTuple

from bench.hardware import rates
from bench.labels import counted
from bench.planning.devices import busy, pick, worker_count
from bench.planning.plan import Plan, make
from bench.planning.program import Program
from bench.planning.suite import Suite
from bench.tasks import Task


class Price(NamedTuple):
    """What a task costs a core: the `share` of the rate of a large product that its steps and evaluations reach, and
    the seconds to trace and compile one activation with one optimizer; `launch_s` are the seconds of a step on a GPU
    however few networks take it.
    """

    share: float
    compile_s: float
    launch_s: float = 120e-6


# Measured on one AMD EPYC core with vectors of 512 bits. By the name of a task, else by its kind, else as a perceptron
# where each weight meets a sample once, as a convolutional network where it meets many pixels of it. `launch_s` on an
# NVIDIA H100, about, of chunks of 40 to 70 networks; that of `modular_transformer` is `digits_transformer`'s.
PRICES = {
    "digits_rnn": Price(0.16, 2.0),
    "digits_lstm": Price(0.08, 3.6),
    "digits_gru": Price(0.08, 3.4),
    "adding_rnn": Price(0.30, 2.0, 1.2e-3),
    "sunspots_rnn": Price(0.28, 4.5),
    "macro_rnn": Price(0.11, 3.0),
    "digits_transformer": Price(0.15, 5.2, 0.7e-3),
    "modular_transformer": Price(0.15, 5.2, 0.7e-3),
    "segmentation": Price(0.075, 4.8),
    "detection": Price(0.43, 6.6),
    "super-resolution": Price(0.25, 4.3),
    "colorization": Price(0.40, 4.3),
    "reconstruction": Price(0.36, 2.5),
    "generation": Price(0.31, 3.5),
    "control": Price(0.06, 2.5, 13e-3),
    "landscape": Price(0.05, 0.9),
}
PERCEPTRON, CONVOLUTIONAL, REUSED = Price(0.40, 1.8), Price(0.16, 3.5), 10  # FLOP an example by a weight
MORE, ALONE = 1 / 6, 2.0  # of compiling a program's first optimizer: what each other takes; one that searches lines
START_S = {"cpu": 2.0, "gpu": 5.0}
REFERENCE, SLOWEST = 250e9, 2.5  # FLOP/s of that core; a slower one starts and compiles so much longer at most
COMPILING = {"cpu": 1.0, "gpu": 1.7}  # times as long as that of a core's programs
# FLOP/s of a large product on one worker, where none was measured: of slow and of fast ones.
UNMEASURED = {"cpu": (60e9, 270e9), "gpu": (5e12, 50e12)}
NOUNS = {"cpu": "worker", "gpu": "GPU"}
SPREAD = 1.5  # times as long, or as short, as estimated: most runs lie within


def facts(suite: Suite, device: str) -> dict[str, Any]:
    """What a person is told of the plan of a suite on a device."""
    made = make(suite, pick(device))
    workers = worker_count(made.device, len(made.programs))
    return {
        "tasks": len(made.suite.works),
        "cells": len(made.cells),
        "lanes": made.lanes,
        "programs": len(made.programs),
        "lane_steps": made.lane_steps,
        "chunk_width": max(program.width for program in made.programs),
        "training_flops": made.flops,
        **estimate(made, workers, busy(made.device, workers)),
    }


def estimate(plan: Plan, workers: int, at_once: int | None = None) -> dict[str, Any]:
    """`estimated_s` with so many workers, nothing compiled before, no report; its range, and how that was reckoned.

    All compile at once; `at_once` of them train at once, by default all.
    """
    compiling = sum(compile_s(program) for program in plan.programs) / min(workers, len(plan.programs))
    before, training = START_S[plan.device] + COMPILING[plan.device] * compiling, at_once or workers

    def seconds(flops_per_s: float) -> float:
        trained = plan.summed(lambda p: step_s(p, flops_per_s, plan.device)) / training
        return before * slowness(flops_per_s, plan.device) + trained

    return told(seconds, plan.device, training)


def told(seconds: Callable[[float], float], device: str, workers: int) -> dict[str, Any]:
    """What `seconds` says at the rate of this machine, within what it may be off, or else at all likely ones."""
    known = rates.known(device)
    slow, fast = (known, known) if known else UNMEASURED[device]
    low, high = seconds(fast) / SPREAD, seconds(slow) * SPREAD
    measured = (
        f"{known / 1e9:,.0f} GFLOP/s each in large products, as last measured here"
        if known
        else f"{slow / 1e9:,.0f} to {fast / 1e9:,.0f} GFLOP/s each in large products, for nothing was measured here"
    )
    return {
        "estimated_s": round(sqrt(low * high)),
        "estimated_range_s": [round(low), round(high)],
        "assumed": f"{counted(workers, NOUNS[device])} of {measured}; nothing compiled before",
    }


def price(task: Task) -> Price:
    """That of the task's entry, whatever its options; of its kind; or of those that are like it."""
    usual = PERCEPTRON if task.flops < REUSED * task.parameters else CONVOLUTIONAL
    return PRICES.get(task.name.partition("(")[0]) or PRICES.get(task.kind, usual)


def compile_s(program: Program) -> float:
    """Seconds to trace and compile a program."""
    others = len(program.optimizers) - 1
    return price(program.task).compile_s * (ALONE if program.optimizers[0].alone else 1 + MORE * others)


def slowness(flops_per_s: float, device: str) -> float:
    """How many times as long a core of this rate of a large product takes to start and to compile.

    Measured: 2.4 times at 115 GFLOP/s (Intel Xeon), 2.5 at 85 and at 42 (AMD EPYC without vectors of 512 bits): what
    makes large products slow does not all make a compiler slow. A GPU's rate says nothing of the cores beside it.
    """
    return min(max(REFERENCE / flops_per_s, 1.0), SLOWEST) if device == "cpu" else 1.0


def step_s(program: Program, flops_per_s: float, device: str) -> float:
    """Seconds of a step of a lane at this rate of a large product, with its part of the evaluation that follows."""
    flops, cost = program.lane_step_flops + evaluation_flops(program) / program.eval_every, price(program.task)
    launch_s = cost.launch_s / program.width if device == "gpu" else 0.0
    return flops / (cost.share * flops_per_s) + launch_s


def evaluation_flops(program: Program) -> float:
    """Of evaluating a lane once: a forward pass, a third of a step's arithmetic, over the validation data."""
    return program.task.samples.validation * program.task.flops / 3
