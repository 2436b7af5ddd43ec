"""A user's own activations, optimizers and tasks."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import kinds, launch, plan, register_activation, register_optimizer, register_task, report, store, suite
from bench.activations import ACTIVATIONS
from bench.errors import InputError
from bench.optimizers import OPTIMIZERS
from bench.tasks import TASKS


@pytest.fixture(autouse=True)
def tables() -> Iterator[None]:
    """The tables are afterwards what they were."""
    before = [(table, dict(table)) for table in (ACTIVATIONS, OPTIMIZERS, TASKS)]
    yield
    for table, entries in before:
        table.clear()
        table.update(entries)  # type: ignore[arg-type]


def parsed(**changed: Any) -> suite.Suite:
    return suite.parse(suite.read("smoke").described() | changed)


def decay(learning_rate: Any, momentum: float = 0.9, nesterov: bool = False, every: int = 1, mask: Any = None) -> Any:
    raise NotImplementedError


class TestActivation:
    def test_is_usable_by_name_with_its_arguments(self) -> None:
        def snake(x: Any, frequency: float = 1.0, kind: str = "plain") -> Any:
            """f(x) = x + sin²(ax) / a."""
            return x + np.sin(frequency * x) ** 2 / frequency

        entry = register_activation("snake", snake)
        assert entry.summary == "f(x) = x + sin²(ax) / a."
        assert entry.arguments == {"frequency": 1.0}
        made = plan.make(parsed(activations=["snake", {"name": "snake", "frequency": 2}]))
        assert [cell.activation for cell in made.cells[::2]] == ["snake", "snake(frequency=2)"]
        resolved = made.programs[0].activations[1]
        assert resolved(np.pi / 4) == pytest.approx(np.pi / 4 + 0.5)

    def test_learns_its_parameters_in_a_program_of_its_own(self) -> None:
        entry = register_activation("ramp", lambda x, slope, shift=0.5: slope * x + shift, {"slope": 0.1})
        assert (entry.parameters, entry.arguments) == ({"slope": 0.1}, {"shift": 0.5})
        assert not entry.shares_program
        assert len(plan.make(parsed(activations=["relu", "ramp"])).programs) == 2

    def test_must_take_its_parameters(self) -> None:
        with pytest.raises(InputError, match="got ramp without slope; expected its arguments"):
            register_activation("ramp", lambda x: x, {"slope": 0.1})

    def test_is_asked_for_where_a_run_names_it_and_nobody_registered_it(self, tmp_path: Path) -> None:
        register_activation("half", lambda x: x / 2)
        made = plan.make(parsed(activations=["half"]))
        manifest = launch.describe(made, made.suite, "bench", {})
        with store.Store(tmp_path / "run") as held:
            held.write_manifest(manifest)
        assert kinds.wanted(None, tmp_path / "run")[1] == made.suite
        del ACTIVATIONS["half"]
        with pytest.raises(InputError, match='got "half"') as caught:
            kinds.wanted(None, tmp_path / "run")
        assert caught.value.hint.startswith("what Python registered is known there alone")

    def test_without_a_docstring_is_summed_up_by_its_name(self) -> None:
        assert register_activation("half", lambda x: x / 2).summary == "half"


class TestOptimizer:
    def test_takes_what_its_factory_takes(self) -> None:
        entry = register_optimizer("own", decay, mask="mask")
        assert entry.accepts == {"momentum": float, "nesterov": bool, "every": int}
        own = {"name": "own", "momentum": 1, "nesterov": True}
        (resolved,) = [e.resolve() for e in parsed(optimizers=[own]).optimizers]
        assert resolved.label == "own(momentum=1,nesterov=True)"
        assert dict(resolved.arguments) == {"momentum": 1.0, "nesterov": True}

    def test_arguments_have_the_type_of_their_annotation_or_default(self) -> None:
        def factory(learning_rate, a: float, b: "int", c=1e-3, d=2, e: bool = True, f=None, g="x", h: float = 1):  # type: ignore[no-untyped-def]
            raise NotImplementedError

        expected = {"a": float, "b": int, "c": float, "d": int, "e": bool, "h": float}
        assert register_optimizer("own", factory).accepts == expected

    def test_a_wrong_argument_is_refused_in_a_suite(self) -> None:
        register_optimizer("own", decay, mask="mask")
        with pytest.raises(InputError, match="an argument of own, perhaps momentum"):
            parsed(optimizers=[{"name": "own", "momentun": 0.5}])
        with pytest.raises(
            InputError, match="an argument of own: one of clip_norm, every, momentum, nesterov, weight_decay"
        ):
            parsed(optimizers=[{"name": "own", "mask": 0.5}])

    def test_fields_are_those_of_an_entry(self) -> None:
        entry = register_optimizer("own", lambda step, x=1.0: None, "mine", learning_rate="step", multiplier=True)
        assert (entry.summary, entry.learning_rate, entry.multiplier) == ("mine", "step", True)
        assert entry.accepts == {"x": float}
        assert register_optimizer("other", decay, takes="momentum").accepts == {"momentum": float}

    def test_must_take_the_learning_rate(self) -> None:
        with pytest.raises(InputError, match="got a factory of own without learning_rate; expected it"):
            register_optimizer("own", lambda rate: None)
        assert register_optimizer("any", lambda **arguments: None).accepts == {}

    def test_trains(self) -> None:
        import jax
        import jax.numpy as jnp
        import optax

        register_optimizer("heavy", lambda learning_rate, momentum=0.5: optax.sgd(learning_rate, momentum))
        (entry,) = parsed(optimizers=[{"name": "heavy", "momentum": 0.25}]).optimizers

        @jax.jit
        def second_update(rate: Any) -> Any:
            optimizer = entry.resolve().build(rate)
            _, state = optimizer.update(jnp.ones(()), optimizer.init(jnp.ones(())))
            return optimizer.update(jnp.ones(()), state)[0]

        assert second_update(0.5) == pytest.approx(-0.5 * 1.25)


class TestTask:
    def test_is_usable_by_name(self) -> None:
        register_task(replace(TASKS["wine_mlp"], name="cellar", target=0.9))
        (cell, *_) = plan.make(parsed(tasks=["cellar"])).cells
        assert cell.task == "cellar"


class TestKinds:
    """What is given must be of the kind that it is given as."""

    @pytest.mark.parametrize(
        ("call", "told"),
        [
            (lambda: register_activation("x", 3), "register_activation: got 3; expected a function in Python"),  # type: ignore[arg-type]
            (lambda: register_activation("x", max), "expected a function in Python"),
            (lambda: register_activation(3, abs), "register_activation: got 3; expected letters"),  # type: ignore[arg-type]
            (lambda: register_activation("x", lambda x, a: x, {"a": "1"}), "a: got '1'; expected a finite number"),  # type: ignore[dict-item]
            (lambda: register_optimizer("x", 3), "register_optimizer: got 3; expected a function in Python"),  # type: ignore[arg-type]
            (
                lambda: register_optimizer("x", decay, maks="m"),
                "maks: got an unknown field; expected one, perhaps mask",
            ),
            (lambda: register_task(3), "register_task: got 3; expected a bench.tasks.Task"),  # type: ignore[arg-type]
            (lambda: report("smoke", "out"), "runs: got 'smoke'; expected a list of runs"),
            (lambda: report([Path("smoke")], "out"), "expected a list of runs"),
            (lambda: report([], "out"), "runs: got an empty list; expected one or more"),
        ],
    )
    def test_that_do_not_fit(self, call: Callable[[], Any], told: str) -> None:
        with pytest.raises(InputError) as caught:
            call()
        assert told in str(caught.value)


class TestNames:
    @pytest.mark.parametrize("name", ["", "a/b", "a b", "-x", "x\n", "é", "x" * 65])
    def test_that_no_table_can_hold(self, name: str) -> None:
        with pytest.raises(InputError, match=r"register_activation: got .*; expected letters, digits"):
            register_activation(name, lambda x: x)

    def test_that_are_taken(self) -> None:
        before = dict(ACTIVATIONS), dict(OPTIMIZERS), dict(TASKS)
        with pytest.raises(InputError, match="register_activation: got 'relu', which is taken; expected a new name"):
            register_activation("relu", lambda x: x)
        with pytest.raises(InputError, match="register_optimizer: got 'adam', which is taken"):
            register_optimizer("adam", decay)
        with pytest.raises(InputError, match="register_task: got 'wine_mlp', which is taken"):
            register_task(TASKS["wine_mlp"])
        assert before == (ACTIVATIONS, OPTIMIZERS, TASKS)
