"""Which entries of a program raise; the tracing is a made-up one."""

from collections.abc import Callable

import pytest

from bench.activations import ACTIVATIONS
from bench.engine import faults
from bench.errors import in_words
from bench.optimizers import OPTIMIZERS
from bench.planning.lanes import Lane
from bench.planning.program import Program
from bench.tasks import TASKS

PROGRAM = Program(
    task=TASKS["wine_mlp"], activations=tuple(ACTIVATIONS[a] for a in ("relu", "tanh", "elu")),
    optimizers=tuple(OPTIMIZERS[o] for o in ("sgd", "adam")), batch_size=32, full_batch=False, steps=8, eval_every=4,
    width=4, mixed=False,
)  # fmt: skip


def raising(*names: str) -> Callable[[Program], None]:
    """What traces a program raises the name of the first of these that is in it."""

    def trace(program: Program) -> None:
        for entry in (*program.activations, *program.optimizers):
            if entry.name in names:
                raise KeyError(entry.name)

    return trace


@pytest.mark.parametrize(
    "names, found",
    [
        ([], []),
        (["tanh"], [("activation", "tanh")]),
        (["relu", "elu"], [("activation", "relu"), ("activation", "elu")]),
        (["adam"], [("optimizer", "adam")]),
        (["relu", "tanh", "elu"], []),  # the fault of all
        (["sgd", "adam"], []),
        (["relu", "adam"], []),  # on both sides: alone, each still has the other
    ],
)
def test_those_of_one_side_are_found(names: list[str], found: list[tuple[str, str]]) -> None:
    raised = faults.found(PROGRAM, raising(*names))
    assert list(raised) == found
    told = [in_words(error).partition(" (test_faults.py, line ")[0] for error in raised.values()]
    assert told == [f"KeyError: '{label}'" for _, label in found]
    raising(*names if found else ())(faults.without(PROGRAM, raised))


def test_a_lane_has_the_fault_of_its_activation_or_optimizer() -> None:
    raised = faults.found(PROGRAM, raising("tanh"))
    lanes = [Lane("", "wine_mlp", activation, "sgd", "tune", 0.1, 0) for activation in ("relu", "tanh")]
    assert faults.of(lanes[0], raised) is None
    assert faults.of(lanes[1], raised) is raised["activation", "tanh"]
    assert faults.of(lanes[0], {("optimizer", "sgd"): (error := ValueError())}) is error
