"""The timing protocol: warm up, many steps a sample, cells in random order, every sample kept. It knows no jax.

A sample is one call that returns when its work is done. Clocks are arguments: a test's is a fake one.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from random import Random
from typing import Any, TypeVar

Clock = Callable[[], float]
Call = Callable[[], Any]
Key = TypeVar("Key", bound=Hashable)

SAMPLES, SECONDS = 10, 1.0  # a cell has enough samples when it has so many and they took so long together
AGREE, WARM_UPS = 0.10, 20  # warm until two calls in a row differ by no more than this, or after so many
LEAST_S, SAMPLE_S, MOST_S = 0.010, 0.025, 2.0  # of a sample: at least, aimed at, at most
OVER_IDLE = 3.0  # the steps of a sample take so many times as long as the call without steps
MOST_STEPS = 100_000  # in one call
FEW_SAMPLES, NOISY, UNSTABLE = 10, 0.10, 0.25  # interquartile range over median


def seconds(call: Call, clock: Clock = time.perf_counter) -> float:
    """How long a call takes."""
    start = clock()
    call()
    return clock() - start


def warm_up(call: Call, clock: Clock = time.perf_counter) -> list[float]:
    """Call twice and until two calls in a row agree within `AGREE`, at most `WARM_UPS` times; returns their seconds."""
    found = [seconds(call, clock), seconds(call, clock)]
    while abs(found[-1] - found[-2]) > AGREE * min(found[-2:]) and len(found) < WARM_UPS:
        found.append(seconds(call, clock))
    return found


def wanted_s(idle_s: float) -> float:
    """What the steps of a sample should take where a call without any takes `idle_s`: to exceed it by `OVER_IDLE`.

    As long as `MOST_S` allows, but never less than that call, from whose noise they could not be told.
    """
    return max(LEAST_S, min(max(SAMPLE_S, OVER_IDLE * idle_s), max(MOST_S / 2 - idle_s, idle_s)))


def steps_per_sample(call: Callable[[int], Any], idle_s: float = 0.0, clock: Clock = time.perf_counter) -> int:
    """How many steps one call should take, so that a sample is long enough to time and no longer than `MOST_S`.

    `call(steps)` takes `idle_s` when it has none.
    """
    wanted, steps = wanted_s(idle_s), 1
    while steps < MOST_STEPS:
        spent = seconds(lambda: call(steps), clock) - idle_s  # noqa: B023 - called at once
        if spent >= 0.8 * wanted:
            break
        steps = min(MOST_STEPS, ceil(steps * min(wanted / max(spent, wanted / 50), 50)))
    return steps


def interleaved(
    cells: Mapping[Key, Sequence[Call]],
    seed: int,
    samples: int = SAMPLES,
    least_s: float = SECONDS,
    clock: Clock = time.perf_counter,
) -> dict[Key, list[tuple[float, ...]]]:
    """The seconds of each cell's calls, one tuple a round.

    In each round every cell that lacks samples makes its calls, in an order drawn anew, so that what else the machine
    does meets all alike. A cell has enough with `samples` rounds in which its first call took `least_s` together.
    """
    random, found = Random(seed), {key: list[tuple[float, ...]]() for key in cells}
    lacking = list(cells)
    while lacking:
        random.shuffle(lacking)
        for key in lacking:
            found[key].append(tuple(seconds(call, clock) for call in cells[key]))
        lacking = [k for k in lacking if len(found[k]) < samples or sum(row[0] for row in found[k]) < least_s]
    return found


def noise(low: float, median: float, high: float, samples: int) -> str:
    """few, unstable, noisy or no: by the number of samples and the interquartile range over the median."""
    if samples < FEW_SAMPLES:
        return "few"
    spread = (high - low) / median if median > 0 else UNSTABLE
    return "unstable" if spread >= UNSTABLE else "noisy" if spread >= NOISY else "no"


class Ledger:
    """Where the time went: seconds by name, added up; names do not nest."""

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self.clock = clock
        self.spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def under(self, name: str) -> Iterator[None]:
        """What is done within counts under `name`."""
        start = self.clock()
        try:
            yield
        finally:
            self.spent[name] += self.clock() - start
