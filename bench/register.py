"""Activations, optimizers and tasks of a user's own: usable by name in a suite once registered."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from bench.activations import ACTIVATIONS, Activation
from bench.errors import InputError
from bench.optimizers import OPTIMIZERS, Optimizer
from bench.tasks import TASKS, Task


def register_activation(
    name: str, function: Callable[..., Any], parameters: Mapping[str, float] | None = None
) -> Activation:
    """Add an activation: `function(x, **parameters)`, elementwise on an array.

    Its other keyword arguments with defaults can be set in a suite. `parameters` are learned, one value a channel,
    from the initial value given. Raises `InputError` where the name is taken.
    """
    learned = dict(parameters or {})
    arguments = {
        key: p.default
        for key, p in inspect.signature(function).parameters.items()
        if p.default is not p.empty and key not in learned
    }
    return _add(ACTIVATIONS, "activation", Activation(name, function, learned, arguments))


def register_optimizer(name: str, factory: Callable[..., Any], summary: str = "", **fields: Any) -> Optimizer:
    """Add an optimizer: `factory(learning_rate, **arguments)` gives an optax transformation.

    `fields` are those of `bench.optimizers.Optimizer`. Raises `InputError` where the name is taken.
    """
    return _add(OPTIMIZERS, "optimizer", Optimizer(name, factory, summary or f"{name}, registered", **fields))


def register_task(task: Task) -> Task:
    """Add a task. Raises `InputError` where the name is taken."""
    return _add(TASKS, "task", task)


def _add(table: dict[str, Any], kind: str, entry: Any) -> Any:
    if entry.name in table:
        raise InputError(f"register_{kind}: got {entry.name!r}, which is taken; expected a new name")
    table[entry.name] = entry
    return entry
