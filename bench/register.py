"""Activations, optimizers and tasks of a user's own: usable by name in a suite once registered."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import fields as fields_of
from math import isfinite
from typing import Any, TypeVar

from bench.activations import ACTIVATIONS, Activation
from bench.checks import NAME, NAMED, nearest
from bench.entries import TYPES
from bench.errors import InputError
from bench.optimizers import OPTIMIZERS, Optimizer
from bench.tasks import TASKS, Task

Entry = TypeVar("Entry", Activation, Optimizer, Task)


def register_activation(
    name: str, function: Callable[..., Any], parameters: Mapping[str, float] | None = None
) -> Activation:
    """Add an activation: `function(x, **parameters)`, elementwise on an array.

    A suite may set those of its other arguments whose defaults are numbers. `parameters` are learned, one value a
    channel, from the initial value given. Raises `InputError` where the name is taken or no name, or the function
    does not take the parameters.
    """
    learned, signature = dict(parameters or {}), _signature("activation", function)
    if wrong := [key for key, value in learned.items() if type(value) not in (int, float) or not isfinite(value)]:
        raise InputError(
            [f"register_activation: {key}: got {learned[key]!r}; expected a finite number" for key in wrong]
        )
    if missing := sorted(learned.keys() - signature.keys()):
        raise InputError(f"register_activation: got {name} without {', '.join(missing)}; expected its arguments")
    arguments = {key: p.default for key, p in signature.items() if type(p.default) in TYPES and key not in learned}
    return _add(ACTIVATIONS, "activation", Activation(name, function, learned, arguments))


def register_optimizer(name: str, factory: Callable[..., Any], summary: str = "", **fields: Any) -> Optimizer:
    """Add an optimizer: `factory(learning_rate, **arguments)` gives an optax transformation.

    A suite may set those of its arguments that are numbers or truth values, as their annotation or default says.
    `fields` are those of `bench.optimizers.Optimizer`. Raises `InputError` where the name is taken or no name, or
    the factory does not take the learning rate.
    """
    parameters = _signature("optimizer", factory)
    if unknown := sorted(fields.keys() - OPTIONAL):
        raise InputError(
            [
                f"register_optimizer: {key}: got an unknown field; expected {nearest('one', key, OPTIONAL)}"
                for key in unknown
            ]
        )
    rate = fields.get("learning_rate", "learning_rate")
    if rate not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise InputError(f"register_optimizer: got a factory of {name} without {rate}; expected it among its arguments")
    own = {rate, fields.get("mask"), fields.get("key")}
    kinds = {key: kind for key, p in parameters.items() if key not in own and (kind := _kind(p))}
    fields.setdefault("takes", " ".join(key if kind == "float" else f"{key}:{kind}" for key, kind in kinds.items()))
    return _add(OPTIMIZERS, "optimizer", Optimizer(name, factory, summary or f"{name}, registered", **fields))


def register_task(task: Task) -> Task:
    """Add a task. Raises `InputError` where it is none, or its name is taken or no name."""
    if not isinstance(task, Task):
        raise InputError(f"register_task: got {task!r}; expected a bench.tasks.Task")
    return _add(TASKS, "task", task)


OPTIONAL = {field.name for field in fields_of(Optimizer)} - {"name", "factory", "summary"}


def _signature(kind: str, function: Any) -> Mapping[str, inspect.Parameter]:
    """The arguments of a function. Raises `InputError` where it is none, or tells none."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        raise InputError(f"register_{kind}: got {function!r}; expected a function in Python") from None


def _kind(parameter: inspect.Parameter) -> str:
    """The type of an argument that a suite may set: float, int or bool; empty for another."""
    annotation = getattr(parameter.annotation, "__name__", parameter.annotation)
    named = (annotation, type(parameter.default).__name__)
    return next((kind.__name__ for kind in TYPES if kind.__name__ in named), "")


def _add(table: dict[str, Entry], kind: str, entry: Entry) -> Entry:
    if not isinstance(entry.name, str) or not re.fullmatch(NAME, entry.name):
        raise InputError(f"register_{kind}: got {entry.name!r}; expected {NAMED}")
    if entry.name in table:
        raise InputError(f"register_{kind}: got {entry.name!r}, which is taken; expected a new name")
    table[entry.name] = entry
    return entry
