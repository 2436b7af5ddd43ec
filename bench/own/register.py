"""Activations, optimizers and tasks of a user's own: usable by name in a suite once registered."""

import copyreg
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields as fields_of
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from bench.activations import ACTIVATIONS, Activation
from bench.checks import NAME, NAMED, nearest, short
from bench.engine import tracing
from bench.errors import InputError
from bench.initializers import DEVIATIONS
from bench.labels import NO_ACTIVATION
from bench.lazy import Lazy
from bench.optimizers import COMMON, EXTRA, KINDS, OPTIMIZERS, Optimizer
from bench.planning.entries import TYPES
from bench.tasks import TASKS, Task, own

if TYPE_CHECKING:
    import jax
else:
    jax = Lazy("jax")


def register_activation(
    name: str,
    function: Callable[..., Any],
    parameters: Mapping[str, float] | None = None,
    initializer: str = Activation.initializer,
) -> Activation:
    """Add an activation, or put it in the place of one that was registered before.

    Arguments:
        name: what suites call it; not the name of a built-in one.
        function: `function(x, **parameters)`, elementwise on an array x, of functions of jax. A suite may set those
            of its other arguments whose defaults are numbers or truth values.
        parameters: those of its arguments that are learned, each with its initial value, one value a channel.
        initializer: how weights are drawn before it where a task leaves that to the activation: "he", "glorot" or
            "lecun", see `bench.initializers`.

    Returns the entry. Raises `InputError` if the name is taken or invalid, if the initializer is none of these, and
    where the function does not take the parameters, cannot be traced and differentiated by jax, or does not keep the
    shape of x: it is traced once.
    """
    _check_name(ACTIVATIONS, "activation", name)
    if not isinstance(parameters, Mapping | None):
        raise InputError(f"register_activation: parameters: got {parameters!r}; expected a dict of initial values")
    learned, signature = dict(parameters or {}), _signature("activation", function)
    if wrong := [key for key, value in learned.items() if type(value) not in (int, float) or not isfinite(value)]:
        raise InputError(
            [f"register_activation: {key}: got {learned[key]!r}; expected a finite number" for key in wrong]
        )
    if str(initializer) not in DEVIATIONS:
        expected = nearest("one", str(initializer), DEVIATIONS)
        raise InputError(f"register_activation: initializer: got {initializer!r}; expected {expected}")
    if missing := sorted(learned.keys() - signature.keys()):
        raise InputError(
            f"register_activation: parameters: got {', '.join(missing)}; expected arguments of the function, which "
            f"takes {', '.join(signature) or 'none'}"
        )
    arguments = {key: p.default for key, p in signature.items() if type(p.default) in TYPES and key not in learned}
    entry = Activation(name, function, learned, arguments, initializer, own=True)
    tracing.activation(entry)
    _make_sendable()
    ACTIVATIONS[name] = entry
    return entry


def register_optimizer(name: str, factory: Callable[..., Any], summary: str = "", **fields: Any) -> Optimizer:
    """Add an optimizer, or put it in the place of one that was registered before.

    Arguments:
        name: what suites call it; not the name of a built-in one.
        factory: `factory(learning_rate, **arguments)` gives an optax transformation; the learning rate is traced. A
            suite may set those of its arguments that are numbers or truth values, as annotation or default says.
        summary: what it does, in a line.
        fields: what is special about it, as in `bench.optimizers.Optimizer`: `learning_rate="lr"` where the factory
            calls it so, `multiplier=True` where it scales a step that the optimizer finds itself, `mask="mask"` for
            the argument that says which parameters decay, `extra=("value_fn",)` for what else its update needs.

    Returns the entry. Raises `InputError` if the name is taken or invalid, if a field is none or of another type,
    the factory does not take the learning rate, or what it gives cannot make a step: one is traced, unless arguments
    have no defaults.
    """
    _check_name(OPTIMIZERS, "optimizer", name)
    parameters = _signature("optimizer", factory)
    _check_fields(fields)
    _check_takes(name, parameters, fields)
    ours = {fields.get("learning_rate", "learning_rate"), fields.get("mask"), fields.get("key")}
    kinds = {key: kind for key, p in parameters.items() if key not in ours and (kind := _kind(p))}
    fields.setdefault("takes", " ".join(key if kind == "float" else f"{key}:{kind}" for key, kind in kinds.items()))
    if not isinstance(summary, str):
        raise InputError(f"register_optimizer: summary: got {short(summary)}; expected text")
    entry = Optimizer(name, factory, summary or f"{name}, registered", own=True, **fields)
    needed = {key for key, p in parameters.items() if p.default is p.empty and p.kind not in VARIADIC}
    needed -= ours | entry.arguments.keys()
    if unset := sorted(needed - entry.accepts.keys()):
        raise InputError(
            f"register_optimizer: {name}: got a factory whose {', '.join(unset)} nothing sets; expected a default",
            f"{unset[0]}: float, or int or bool, lets a suite set it",
        )
    if not needed:
        tracing.optimizer(entry)
    OPTIMIZERS[name] = entry
    return entry


def register_task(task: Task) -> Task:
    """Add a task, or put it in the place of one that was registered before; see docs/tasks.md for one from scratch.

    Returns it as it is in the table. Raises `InputError` if it is no task, if its name is taken or invalid, or if a
    field has the wrong type.
    """
    if not isinstance(task, Task):
        raise InputError(f"register_task: got {task!r}; expected a bench.tasks.Task")
    _check_name(TASKS, "task", task.name)
    if wrong := own.problems(task):
        raise InputError([f"register_task: {task.name}: {problem}" for problem in wrong])
    TASKS[task.name] = replace(task, own=True)
    return TASKS[task.name]


VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
MEMBERS: dict[str, Iterable[str]] = {"contains": OPTIMIZERS, "refuses": COMMON, "extra": EXTRA}  # fields of names
OPTIONAL = {field.name for field in fields_of(Optimizer)} - {"name", "factory", "summary", "label", "searched", "own"}
RESERVED = {("activation", NO_ACTIVATION)}  # names that nothing may be registered under


def _signature(kind: str, function: Any) -> Mapping[str, inspect.Parameter]:
    """The arguments of a function. Raises `InputError` where it is none, or tells none."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        raise InputError(f"register_{kind}: got {function!r}; expected a function in Python") from None


def _make_sendable() -> None:
    """Let pickle take a `jax.custom_vjp`, whose `__new__` it cannot call: what a script defines is sent by value."""
    copyreg.pickle(jax.custom_vjp, lambda function: (_blank, (type(function),), vars(function)))


def _blank(kind: Any) -> Any:
    return kind.__new__(kind, None)


def _kind(parameter: inspect.Parameter) -> str:
    """The type of an argument that a suite may set: float, int or bool; empty for another."""
    annotation = getattr(parameter.annotation, "__name__", parameter.annotation)
    named = (annotation, type(parameter.default).__name__)
    return next((kind.__name__ for kind in TYPES if kind.__name__ in named), "")


def _check_name(table: Mapping[str, Any], kind: str, name: Any) -> None:
    """Raise `InputError` where it is no name, or that of what was not registered."""
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        raise InputError(f"register_{kind}: got {name!r}; expected {NAMED}")
    if (name in table and not table[name].own) or (kind, name) in RESERVED:
        raise InputError(f"register_{kind}: got {name!r}, which is taken; expected a new name")


def _check_fields(fields: Mapping[str, Any]) -> None:
    """Raise `InputError` with all fields that an optimizer has not, or that are of another type."""
    kinds, problems = get_type_hints(Optimizer), []
    for key, value in fields.items():
        if key not in OPTIONAL:
            problems.append(f"{key}: got an unknown field; expected {nearest('one', key, OPTIONAL)}")
            continue
        try:
            TypeAdapter(kinds[key]).validate_python(value, strict=True)
        except ValidationError as error:
            expected = error.errors()[0]["msg"].partition("should be ")[2]
            problems.append(f"{key}: got {short(value)}; expected {expected}")
    for key, known in MEMBERS.items() if not problems else ():
        strange = [one for one in fields.get(key, ()) if one not in known]
        problems += [
            f"{key}: got {short(one)}; expected {nearest('one', str(one), known, 'bench list optimizers')}"
            for one in strange
        ]
    if problems:
        raise InputError([f"register_optimizer: {problem}" for problem in problems])


def _check_takes(name: str, parameters: Mapping[str, inspect.Parameter], fields: Mapping[str, Any]) -> None:
    """Raise `InputError` where a factory has no argument of the name of its learning rate, or of what it `takes`."""
    any_name = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if (rate := fields.get("learning_rate", "learning_rate")) not in parameters and not any_name:
        called = next(iter(parameters), "lr")
        raise InputError(
            f"register_optimizer: got a factory of {name} without {rate}; expected it among its arguments",
            f'register_optimizer("{name}", factory, learning_rate="{called}") where it is called {called} there',
        )
    for key, _, kind in (word.partition(":") for word in fields.get("takes", "").split()):
        if kind not in KINDS or not (key in parameters or any_name):
            got = f"{key}:{kind}" if kind else key
            expected = "an argument of the factory, with :int or :bool after it where it is one"
            raise InputError(f"register_optimizer: takes: got {got}; expected {expected}")
