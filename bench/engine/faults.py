"""Entries of a user's own that raise while they are traced: which they are, and a program without them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.errors import Raised, in_words
from bench.planning.lanes import Lane
from bench.planning.program import Program

SIDES = {"activation": "activations", "optimizer": "optimizers"}  # of a lane, and of its program
Faults = dict[tuple[str, str], Exception]  # by side and label


def found(program: Program, trace: Callable[[Program], Any]) -> Faults:
    """The activations, or else the optimizers, that raise without any other beside them.

    None where all of a side do: then the fault is the task's, or on both sides, and the program's own.
    """
    for side, field in SIDES.items():
        entries = getattr(program, field)
        errors = {(side, e.label): _raised(trace, _with(program, {field: (e,)})) for e in entries}
        raised = {key: error for key, error in errors.items() if error}
        if 0 < len(raised) < len(entries):
            return raised
    return {}


def without(program: Program, faults: Faults) -> Program:
    """The program of the other entries."""
    kept = {
        field: tuple(e for e in getattr(program, field) if (side, e.label) not in faults)
        for side, field in SIDES.items()
    }
    return _with(program, kept)


def of(lane: Lane, faults: Faults) -> Exception | None:
    """What keeps the lane from being trained."""
    return next((faults[key] for side in SIDES if (key := (side, getattr(lane, side))) in faults), None)


def _with(program: Program, fields: dict[str, Any]) -> Program:
    return replace(program, **fields)


def _raised(trace: Callable[[Program], Any], program: Program) -> Exception | None:
    try:
        trace(program)
    except Exception as error:  # whatever a user's function raises
        return Raised(in_words(error))  # itself it would keep all that was traced
    return None
