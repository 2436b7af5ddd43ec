"""What is wrong with a user's own task is told before anything is trained, with the function that it is wrong in."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from bench.engine import tracing
from bench.errors import DataError, InputError
from bench.network import fit
from bench.planning import plan, suite
from bench.running import manifests
from bench.tasks import TASKS, Problem, Task

WINE = TASKS["wine_mlp"]


def changed(**functions: Callable[..., Any]) -> Task:
    """The perceptron on wine with other functions in its problem, each of what the usual one gives."""

    def build(task: Task, activations: Any, index: Any) -> Problem:
        problem = WINE.build(task, activations, index)
        usual = {name: getattr(problem, name) for name in functions}
        return problem._replace(
            **{name: lambda *a, f=f, name=name: f(usual[name](*a)) for name, f in functions.items()}
        )

    return replace(WINE, name="cellar", build=build, own=True)


def typo(_: Any) -> Any:
    return jnp.squaree(3)  # type: ignore[attr-defined]


def with_data(part: str, change: Callable[[Any, Any], Any], **fields: Any) -> Task:
    parts = WINE.load(WINE)
    found = {**parts, part: change(*parts[part])}
    return replace(WINE, name="cellar", load=lambda _: found, own=True, **fields)


TOLD = [
    (changed(init=lambda found: found[0]), "init: got one value; expected (parameters, state)"),
    (changed(gradient=lambda found: found[:2]), "gradient: got 2 values; expected (loss, gradients, state)"),
    (
        changed(gradient=typo),
        "gradient: got AttributeError: module 'jax.numpy' has no attribute 'squaree' (test_tracing",
    ),
    (changed(evaluate=lambda found: found[0]), "evaluate: got one value; expected (loss, metric)"),
    (
        changed(evaluate=lambda found: (found[0][None], found[1])),
        "evaluate: got an array of the shape (1,); expected a s",
    ),
    (
        changed(objective=lambda found: jnp.stack([found])),
        "objective: got an array of the shape (1,); expected a single",
    ),
    (
        changed(gradient=lambda found: (found[0], {}, found[2])),
        "gradient: got gradients of other shapes; expected those of",
    ),
    (
        changed(gradient=lambda found: (*found[:2], jnp.zeros(3))),
        "gradient: got state of other shapes; expected those of",
    ),
    (replace(WINE, name="cellar", build=lambda *_: {}), "build: got a dict; expected a bench.tasks.Problem"),
    (
        replace(WINE, name="cellar", build=typo),
        "build: got TypeError: typo() takes 1 positional argument but 3 were given",
    ),
    (replace(WINE, name="cellar", parameters=7), "parameters: got 7; expected 1,603, as init gives"),
    (
        with_data("test", lambda x, y: (x[:9], y[:9])),
        "load: got test of 9 samples; expected 36, as the task's samples say",
    ),
    (with_data("train", lambda x, y: (x * np.nan, y)), "load: got nan in train; expected numbers"),
]


@pytest.mark.parametrize(("task", "told"), TOLD, ids=[told.partition(";")[0] for _, told in TOLD])
def test_what_a_task_lacks_is_told_with_the_function(task: Task, told: str) -> None:
    with pytest.raises(InputError, match=f"^task cellar: {re.escape(told)}"):
        tracing.task(task)


def test_what_every_built_in_task_gives_is_what_training_needs() -> None:
    for task in TASKS.values():
        if task.dataset is None or not task.dataset.source.startswith("OpenML"):
            tracing.task(task)


def own_suite(file: Path) -> suite.Suite:
    given = suite.read("smoke").described()
    return suite.parse(given | {"tasks": [{"file": str(file)}], "activations": ["relu"], "optimizers": ["sgd"]})


SHORT = """
from dataclasses import replace
from bench.tasks import TASKS
WINE = TASKS["wine_mlp"]
def load(task):
    parts = WINE.load(task)
    return {**parts, "train": tuple(values[:50] for values in parts["train"])}
TASK = replace(WINE, name="cellar", make=None, accepts={}, load=load)
"""


def test_neither_a_run_nor_a_training_of_such_a_task_begins(tmp_path: Path) -> None:
    from test_manifests import Here

    (tmp_path / "own.py").write_text(SHORT)
    made = plan.make(own_suite(tmp_path / "own.py"))
    told = "task cellar: load: got train of the shape (50, 13); expected its first axis to be of 106"
    with pytest.raises(DataError, match=re.escape(told)):
        manifests.enter_code(None, manifests.describe(made, "", {}), made.programs, Here())
    single = own_suite(tmp_path / "own.py").described()
    single |= {"learning_rates": {"low": 0.1, "high": 0.1, "num": 1}}
    with pytest.raises(DataError, match=re.escape(told)):
        fit.fit(suite.parse(single), 0.1, 0)
