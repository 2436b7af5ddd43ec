"""What entries compute, told apart: by nothing else, and alike in every process."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bench.activations import ACTIVATIONS, Activation
from bench.engine.fingerprint import fingerprint
from bench.optimizers import OPTIMIZERS, Optimizer
from bench.tasks import TASKS


def of(function: Callable[..., Any], **fields: Any) -> str:
    return fingerprint(Activation("mine", function, **fields))


def scaled(k: Any) -> Callable[[Any], Any]:
    return lambda x: jnp.tanh(k * x)


@pytest.mark.parametrize("table", [ACTIVATIONS, OPTIMIZERS], ids=["activations", "optimizers"])
def test_no_two_entries_of_a_table_are_alike(table: dict[str, Any]) -> None:
    found = {name: fingerprint(entry) for name, entry in table.items()}
    assert all(len(code) == 16 for code in found.values())
    assert len(set(found.values())) == len(table)


def test_names_and_places_do_not_count() -> None:
    def another(values: Any) -> Any:
        half = 0.5
        return jnp.tanh(half * values)

    assert of(scaled(0.5)) == of(another)
    assert of(jax.jit(scaled(0.5))) == fingerprint(Activation("other", jax.jit(another)))


@pytest.mark.parametrize("held", [lambda k: scaled(k), lambda k: jax.jit(scaled(np.full(6, k, np.float32)))])
def test_what_a_function_closes_over_counts(held: Callable[[float], Any]) -> None:
    assert of(held(0.5)) == of(held(0.5)) != of(held(3.0))


def test_a_slope_of_its_own_counts() -> None:
    def through(k: float) -> Any:
        @jax.custom_vjp
        def step(x: Any) -> Any:
            return jnp.sign(x)

        step.defvjp(lambda x: (step(x), None), lambda _, slope: (k * slope,))
        return step

    assert of(through(1.0)) != of(through(2.0))


def test_arguments_and_first_values_count() -> None:
    def ramp(x: Any, slope: Any, shift: float = 0.0) -> Any:
        return slope * x + shift

    entry = Activation("ramp", ramp, parameters={"slope": 0.1}, arguments={"shift": 0.0})
    codes = [entry, entry.configured({"shift": 1.0}), replace(entry, parameters={"slope": 0.2})]
    assert len(set(map(fingerprint, codes))) == 3


def test_fields_of_an_optimizer_count() -> None:
    entry = Optimizer("own", lambda learning_rate: optax.sgd(learning_rate), "")
    others = [replace(entry, multiplier=True), entry.configured({"clip_norm": 1.0}), entry]
    assert len(set(map(fingerprint, others))) == 3


def test_functions_and_data_of_a_task_count() -> None:
    task = TASKS["wine_mlp"]

    def shifted(_: Any) -> Any:
        data = task.load(task)
        x, y = data["train"]
        return {**data, "train": (x + 1, y)}

    others = [
        replace(task, load=shifted),
        replace(task, target=0.5),
        replace(task, options={**task.options, "loss": lambda z, y: z.mean()}),
        task.configured({"width": 16}),
    ]
    codes = [fingerprint(one) for one in (task, *others)]
    assert len(set(codes)) == len(codes)
    assert fingerprint(replace(task, name="cellar")) == codes[0]


def test_what_cannot_be_traced_has_none() -> None:
    assert of(lambda x: 1 / 0) == ""
    assert fingerprint(Optimizer("own", lambda learning_rate: 3, "")) == ""


def test_another_process_finds_the_same() -> None:
    code = "import test_fingerprint as t, jax; print(t.of(jax.jit(t.scaled(0.5))), t.fingerprint(t.OPTIMIZERS['adam']))"
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout.split()
    assert told == [of(jax.jit(scaled(0.5))), fingerprint(OPTIMIZERS["adam"])]
