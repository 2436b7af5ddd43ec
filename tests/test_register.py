"""Activations, optimizers and tasks of a user's own."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

import bench
from bench import plan
from bench.activations import ACTIVATIONS
from bench.errors import InputError
from bench.optimizers import OPTIMIZERS
from bench.suite import parse
from bench.tasks import TASKS


@pytest.fixture(autouse=True)
def own_tables() -> Iterator[None]:
    """What a test registers is gone after it."""
    tables: list[dict[str, Any]] = [ACTIVATIONS, OPTIMIZERS, TASKS]
    before = [dict(table) for table in tables]
    yield
    for table, entries in zip(tables, before, strict=True):
        table.clear()
        table.update(entries)


def described(**changes: Any) -> dict[str, Any]:
    return {
        "name": "own", "tasks": ["wine_mlp"], "activations": ["relu"], "optimizers": ["sgd"],
        "steps": 4, "batch_size": 8, "eval_every": 2,
        "learning_rates": {"low": 0.1, "high": 0.1, "num": 1}, "seeds": {"tune": 1, "evaluate": 1}, **changes,
    }  # fmt: skip


def snake(x: Any, slope: Any, frequency: float = 1.0) -> Any:
    """f(x) = x + sin(a x)^2 / a."""
    import jax.numpy as jnp

    return x + slope * jnp.sin(frequency * x) ** 2 / frequency


def clipped(
    learning_rate: Any, bound: float = 1.0, rounds: int = 3, bold: bool = False, power: "float" = 2, hook: Any = None
) -> Any:
    """SGD on clipped gradients."""
    import optax

    return optax.chain(optax.clip(bound), optax.sgd(learning_rate))


def test_an_activation_is_usable_by_name() -> None:
    entry = bench.register_activation("snake", snake, parameters={"slope": 1.0})
    assert entry.summary == "f(x) = x + sin(a x)^2 / a."
    suite = parse(described(activations=["snake", {"name": "snake", "frequency": 2}]))
    assert [cell.activation for cell in plan.make(suite).cells] == ["snake", "snake(frequency=2)"]
    with pytest.raises(InputError, match="expected an argument of snake: frequency"):
        parse(described(activations=[{"name": "snake", "slope": 2.0}]))


def test_an_optimizer_takes_what_its_signature_says() -> None:
    entry = bench.register_optimizer("clipped", clipped)
    assert entry.takes == "bound rounds:int bold:bool power"
    suite = parse(described(optimizers=[{"name": "clipped", "bound": 2, "bold": True, "power": 0.5}]))
    assert suite.optimizers[0].resolve().label == "clipped(bound=2,bold=True,power=0.5)"
    with pytest.raises(InputError, match=r"optimizers\[0\]\.rounds: got 0\.5; expected a whole number"):
        parse(described(optimizers=[{"name": "clipped", "rounds": 0.5}]))
    with pytest.raises(InputError, match="got an unknown argument; expected an argument of clipped"):
        parse(described(optimizers=[{"name": "clipped", "hook": 1}]))


def test_fields_of_an_optimizer_are_kept() -> None:
    def factory(step: float, mask: Any = None, seed: int = 0, b: float = 1.0) -> None: ...

    entry = bench.register_optimizer(
        "mine", factory, "Mine.", learning_rate="step", mask="mask", key="seed", full_batch=True
    )
    assert entry.takes == "b" and entry.full_batch and entry.summary == "Mine."
    assert bench.register_optimizer("other", factory, learning_rate="step", takes="").accepts == {}


def test_a_factory_without_the_learning_rate_is_refused() -> None:
    with pytest.raises(InputError, match="got a factory of bad without learning_rate"):
        bench.register_optimizer("bad", lambda lr: None)
    assert "bad" not in OPTIMIZERS
    assert bench.register_optimizer("open", lambda **given: given).build(0.1) == {"learning_rate": 0.1}


def test_a_task_is_usable_by_name() -> None:
    task = bench.register_task(dataclasses.replace(TASKS["wine_mlp"], name="wine_again"))
    (program,) = plan.make(parse(described(tasks=["wine_again"]))).programs
    assert program.task is task and program.id.startswith("wine_again-")


def test_a_taken_name_is_refused() -> None:
    for register, name in ((bench.register_activation, "relu"), (bench.register_optimizer, "adam")):
        with pytest.raises(InputError, match=f"got '{name}', which is taken; expected a new name"):
            register(name, lambda learning_rate: learning_rate)
    with pytest.raises(InputError, match="register_task: got 'wine_mlp', which is taken"):
        bench.register_task(TASKS["wine_mlp"])
    assert ACTIVATIONS["relu"].summary.startswith("f(x) = max(x, 0)")
