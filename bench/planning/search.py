"""Points to try beyond a grid: one table of ways to spread them, `SAMPLERS`, and one of scales, `SCALES`.

Every axis of the unit cube has its own sequence, so that the points are the same however many axes a cell searches:
cells are compared on the same points. Plain Python, as scipy takes a second to import.
"""

import math
import struct
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

BITS = 30
DIRECTIONS = (  # degree, coefficients and first numbers of each axis after the first: Joe and Kuo 2008
    (1, 0, (1,)),
    (2, 1, (1, 3)),
    (3, 1, (1, 3, 1)),
    (3, 2, (1, 1, 1)),
    (4, 1, (1, 1, 3, 3)),
    (4, 4, (1, 3, 5, 13)),
    (5, 2, (1, 1, 5, 5, 17)),
    (5, 4, (1, 1, 5, 5, 5)),
    (5, 7, (1, 1, 7, 11, 19)),
)
MOST_AXES = len(DIRECTIONS) + 1


def directions(axis: int) -> list[int]:
    """The direction numbers of an axis, as whole numbers below 2^30."""
    if axis == 0:
        return [1 << (BITS - 1 - i) for i in range(BITS)]
    degree, coefficients, first = DIRECTIONS[axis - 1]
    found = [m << (BITS - 1 - i) for i, m in enumerate(first)]
    for i in range(degree, BITS):
        value = found[i - degree] ^ (found[i - degree] >> degree)
        for k in range(1, degree):
            if coefficients >> (degree - 1 - k) & 1:
                value ^= found[i - k]
        found.append(value)
    return found


def net(count: int, axis: int) -> list[int]:
    """The first `count` numbers of an axis of Sobol's sequence, below 2^30, in Gray-code order.

    Sobol 1967; Antonov and Saleev 1979.
    """
    numbers, value, found = directions(axis), 0, []
    for i in range(count):
        found.append(value)
        value ^= numbers[(~i & (i + 1)).bit_length() - 1]  # the lowest bit of i that is not set
    return found


def sobol(count: int, axis: int, seed: int) -> list[float]:
    """Sobol's sequence, all numbers of an axis shifted by the same random bits, which keeps its evenness."""
    shift = _random(axis, seed).getrandbits(BITS)
    return [((value ^ shift) + 0.5) / 2**BITS for value in net(count, axis)]


def uniform(count: int, axis: int, seed: int) -> list[float]:
    """Independent draws. Bergstra and Bengio 2012."""
    draw = _random(axis, seed).random
    return [draw() for _ in range(count)]


def _random(axis: int, seed: int) -> Random:
    return Random(f"{seed}/{axis}")


SAMPLERS: dict[str, Callable[[int, int, int], list[float]]] = {"sobol": sobol, "random": uniform}


class Scale(NamedTuple):
    """On what points are spread evenly: a rising or falling function and its inverse."""

    forward: Callable[[float], float]
    back: Callable[[float], float]
    needs: str  # what both ends of a range must be


SCALES = {
    "log": Scale(math.log, math.exp, "numbers above 0, as the scale is log"),
    "linear": Scale(float, float, "numbers"),
    "one_minus": Scale(  # for means that run: 0.9, 0.99 and 0.999 are equally far apart
        lambda x: math.log(1 - x), lambda z: 1 - math.exp(z), "numbers below 1, as the scale is one_minus"
    ),
}


def spread(u: float, low: float, high: float, scale: str) -> float:
    """The number at the share `u` of the way from `low` to `high` on a scale."""
    start, end = SCALES[scale].forward(low), SCALES[scale].forward(high)
    return SCALES[scale].back(start + u * (end - start))


def single_precision(x: float) -> float:
    """The nearest number that a float32 holds: what is written down is then just what was trained with."""
    found: float = struct.unpack("f", struct.pack("f", x))[0]
    return found


def rungs(trials: int, eta: int) -> list[tuple[int, int]]:
    """Of successive halving: how many trials each rung trains, and for which part of the steps (3: a third).

    Each rung keeps one trial in `eta` and trains it `eta` times as long, the last one in full: all rungs cost about the
    same. Jamieson and Talwalkar 2016; Li et al. 2017.
    """
    last = 0
    while eta ** (last + 1) <= trials:
        last += 1
    return [(trials // eta**r, eta ** (last - r)) for r in range(last + 1)]


def searched(manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Optimizer label -> the ranges that a stored run searched, by name; empty where it tried a grid."""
    return {label: entry["searched"] for label, entry in manifest["optimizers"].items() if "searched" in entry}


def values_told(chosen: Mapping[str, Any], ranges: Mapping[str, Any]) -> str:
    """What was found of the arguments that were searched: `b1=0.93, b2=0.998`; empty where there were none."""
    return ", ".join(f"{key}={chosen[key]:.4g}" for key in ranges if key in chosen)
