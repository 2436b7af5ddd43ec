"""A flax.nnx module of a user's own on a data set, as a task: all but the module is known or counted."""

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.checks import NAME, NAMED, nearest
from bench.datasets import DATASETS, Dataset
from bench.datasets import own as arrays
from bench.errors import InputError, in_words
from bench.initializers import INITIALIZERS
from bench.lazy import Lazy
from bench.losses import LOSSES
from bench.tasks import own
from bench.tasks.base import Option, Task, variants
from bench.tasks.families import supervised_task

if TYPE_CHECKING:
    from bench.engine import cost
else:
    cost = Lazy("bench.engine.cost")

TAKEN = ("name", "file", "model", "target", "steps", "batch_size", "eval_every", "initialization", "loss")


def module_task(
    name: str, data: str | Path, model: Callable[..., Any], *, target: float = own.PERFECT, summary: str = ""
) -> Task:
    """A task whose network is a flax.nnx module: for `register_task`, or as the `TASK` of a Python file.

    Arguments:
        name: what suites and reports call it.
        data: a `.npz` of arrays, or the name of a data set of `bench data list`.
        model: `model(recipe, **options)` gives the module, x [batch, *shape of a sample] -> [batch, classes], or
            [batch, 1] of numbers. It is made of `bench.nn.layers` where it has an activation, and of layers of
            flax.nnx with `rngs=recipe.rngs`. A suite may set those options whose defaults are numbers or truth values.
        target: what is aimed at of the validation accuracy or R².
        summary: what it is, in a line.

    A suite may also set `initialization` and `loss`. Returns the task; its parameters and FLOPs are counted. Raises
    `InputError` if the name is invalid, if there are no such data, or if the module cannot be made or applied.
    """
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        raise InputError(f"module_task: got the name {name!r}; expected {NAMED}")
    dataset, baseline = _data(data)
    options = _options(name, model)
    losses = tuple(LOSSES["classification" if dataset.classes else "regression"])
    choices: dict[str, Option] = {"initialization": tuple(INITIALIZERS), "loss": losses}

    def make(*, initialization: str = "default", loss: str = "", **arguments: Any) -> Task:
        task = supervised_task(
            dataset, name, target, baseline, loss, summary=summary or f"{dataset.summary}, {name}",
            model=partial(model, **{**options, **arguments}), initialization=initialization, parameters=0, flops=0,
        )  # fmt: skip
        try:
            counted = cost.counted(task)
        except Exception as error:  # whatever the module raises
            expected = f"a module that maps x {('batch', *dataset.shape)} to y"
            raise InputError(f"module_task: {name}: got {in_words(error)}; expected {expected}") from error
        return replace(task, parameters=counted.parameters, flops=counted.lane_step_flops)

    defaults = {"initialization": "default", "loss": losses[0], **options}
    make.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=value) for key, value in defaults.items()]
    )
    return variants(make, {key: type(value) for key, value in options.items()} | choices)


def _data(data: str | Path) -> tuple[Dataset, float]:
    """The data set, and what one constant scores on its test part."""
    if str(data) in DATASETS:
        dataset = DATASETS[str(data)]
        parts = dataset.parts(dataset)
        return dataset, own.of_constant(parts["train"][1], parts["test"][1], dataset.classes)
    if not str(data).endswith(".npz"):
        expected = nearest("a .npz, or the name of a data set", str(data), DATASETS, "bench data list")
        raise InputError(f"module_task: data: got {str(data)!r}; expected {expected}")
    path = Path(data).resolve()
    dataset = arrays.dataset(path)
    return dataset, own.constant_score(path, dataset)


def _options(name: str, model: Callable[..., Any]) -> dict[str, Any]:
    """The defaults of those arguments of a model that a suite may set. Raises `InputError` where others have none."""
    if not callable(model):
        raise InputError(f"module_task: {name}: got the model {model!r}; expected a function or class of flax.nnx")
    of_class = isinstance(model, type)  # flax hides the arguments of a class
    made = inspect.signature(inspect.getattr_static(model, "__init__") if of_class else model).parameters
    rest = list(made.values())[2 if of_class else 1 :]  # self, if there is one, and the recipe come first
    if unset := [p.name for p in rest if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]:
        raise InputError(f"module_task: {name}: got a model whose {', '.join(unset)} nothing sets; expected a default")
    options = {p.name: p.default for p in rest if type(p.default) in (int, float, bool)}
    if taken := [key for key in options if key in TAKEN]:
        got = f"an argument {taken[0]}, which suites have"
        raise InputError(f"module_task: {name}: got {got}; expected another name")
    return options
