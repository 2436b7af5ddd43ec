"""A user's own activations, optimizers and tasks."""

import math
import os
import pickle
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

from bench import kinds, register_activation, register_optimizer, register_task, report
from bench.activations import ACTIVATIONS
from bench.engine import fingerprint as fingerprints
from bench.engine.fingerprint import fingerprint
from bench.errors import InputError
from bench.initializers import initializer
from bench.nn.switch import switched
from bench.optimizers import OPTIMIZERS
from bench.planning import plan, suite
from bench.running import calls, manifests
from bench.storage import store
from bench.tasks import TASKS


def parsed(**changed: Any) -> suite.Suite:
    return suite.parse(suite.read("smoke").described() | changed)


def decay(learning_rate: Any, momentum: float = 0.9, nesterov: bool = False, every: int = 1, mask: Any = None) -> Any:
    return optax.chain(optax.add_decayed_weights(0.1, mask), optax.sgd(learning_rate, momentum, nesterov))


class TestActivation:
    def test_is_usable_by_name_with_its_arguments(self) -> None:
        def snake(x: Any, frequency: float = 1.0, kind: str = "plain", flip: bool = False) -> Any:
            """f(x) = x + sin²(ax) / a."""
            return x + jnp.sin(frequency * x) ** 2 / frequency

        entry = register_activation("snake", snake)
        assert entry.summary == "f(x) = x + sin²(ax) / a."
        assert entry.arguments == {"frequency": 1.0, "flip": False}
        assert entry.configured({"flip": True}).label == "snake(flip=True)"
        made = plan.make(parsed(activations=["snake", {"name": "snake", "frequency": 2}]))
        assert [cell.activation for cell in made.cells[::2]] == ["snake", "snake(frequency=2)"]
        resolved = made.programs[0].activations[1]
        assert resolved(np.pi / 4) == pytest.approx(np.pi / 4 + 0.5)

    def test_learns_its_parameters_in_a_program_of_its_own(self) -> None:
        entry = register_activation("ramp", lambda x, slope, shift=0.5: slope * x + shift, {"slope": 0.1})
        assert (entry.parameters, entry.arguments) == ({"slope": 0.1}, {"shift": 0.5})
        assert not entry.shares_program
        assert len(plan.make(parsed(activations=["relu", "ramp"])).programs) == 2

    def test_says_how_the_weights_before_it_are_drawn(self) -> None:
        found = {}
        for name in ("he", "lecun"):
            entry = register_activation("mine", lambda x: jnp.tanh(x), initializer=name)
            draw = initializer("default", [entry], jnp.array(0))
            found[name] = fingerprint(entry), float(draw(jax.random.key(0), (400, 300)).std())
        assert found["he"][1] == pytest.approx((2 / 400) ** 0.5, rel=0.01)
        assert found["lecun"][1] == pytest.approx((1 / 400) ** 0.5, rel=0.01)
        assert found["he"][0] != found["lecun"][0]  # another initial draw is another result
        assert found["he"][0] == fingerprint(register_activation("mine", lambda x: jnp.tanh(x)))

    @pytest.mark.parametrize("got", ["glorott", "orthogonal", jax.nn.initializers.he_normal(), ["he"]])
    def test_cannot_be_drawn_otherwise(self, got: Any) -> None:
        with pytest.raises(InputError, match=r"register_activation: initializer: got .*; expected .*glorot"):
            register_activation("mine", jnp.tanh, initializer=got)
        assert "mine" not in ACTIVATIONS

    def test_must_take_its_parameters(self) -> None:
        with pytest.raises(
            InputError, match="parameters: got slope; expected arguments of the function, which takes x"
        ):
            register_activation("ramp", lambda x: x, {"slope": 0.1})

    def test_says_what_parameters_must_be(self) -> None:
        with pytest.raises(InputError, match=r"parameters: got \['slope'\]; expected a dict of initial values"):
            register_activation("ramp", lambda x, slope: slope * x, ["slope"])  # type: ignore[arg-type]

    def test_says_in_a_suite_that_a_parameter_is_learned(self) -> None:
        register_activation("ramp", lambda x, slope: slope * x, {"slope": 0.1})
        with pytest.raises(InputError, match=r"expected no such key, as slope is learned, from 0.1"):
            parsed(activations=[{"name": "ramp", "slope": 0.3}])

    def test_is_asked_for_where_a_run_names_it_and_nobody_registered_it(self, tmp_path: Path) -> None:
        register_activation("half", lambda x: x / 2)
        made = plan.make(parsed(activations=["half"]))
        manifest = manifests.describe(made, "bench", {})
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
        entry = register_optimizer(
            "own", lambda step, x=1.0: optax.sgd(x * step), "mine", learning_rate="step", multiplier=True
        )
        assert (entry.summary, entry.learning_rate, entry.multiplier) == ("mine", "step", True)
        assert entry.accepts == {"x": float}
        assert register_optimizer("other", decay, takes="momentum").accepts == {"momentum": float}

    def test_must_take_the_learning_rate(self) -> None:
        with pytest.raises(InputError, match="got a factory of own without learning_rate; expected it") as caught:
            register_optimizer("own", lambda lr: optax.sgd(lr))
        assert caught.value.hint.startswith('register_optimizer("own", factory, learning_rate="lr") where it is')
        assert register_optimizer("own", lambda lr: optax.sgd(lr), learning_rate="lr").learning_rate == "lr"
        assert register_optimizer("any", lambda **arguments: optax.sgd(arguments["learning_rate"])).accepts == {}

    def test_trains(self) -> None:
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
            (lambda: report("smoke", "out"), "runs: got 'smoke'; expected a run or a list of runs"),
            (lambda: report([Path("smoke")], "out"), "expected a run or a list of runs"),
            (lambda: report([], "out"), "runs: got an empty list; expected one or more"),
        ],
    )
    def test_that_do_not_fit(self, call: Callable[[], Any], told: str) -> None:
        with pytest.raises(InputError) as caught:
            call()
        assert told in str(caught.value)


@jax.custom_vjp
def straight_through(x: Any) -> Any:
    return jnp.sign(x)


straight_through.defvjp(lambda x: (straight_through(x), None), lambda _, slope: (slope,))


SCRIPT = """
import sys, jax, jax.numpy as jnp, bench

@jax.custom_vjp
def step(x):
    return jnp.sign(x)

step.defvjp(lambda x: (step(x), None), lambda _, slope: (slope,))
bench.register_activation("step", step)
"""


class TestTraced:
    """What cannot be trained is refused when it is registered, and not found out by every network of a run."""

    @pytest.mark.parametrize(
        ("function", "told"),
        [
            (np.tanh, "got TracerArrayConversionError: "),
            (lambda: 1, "got TypeError: "),
            (lambda x: 1 / 0, "got ZeroDivisionError: division by zero (test_register.py, line "),
            (lambda x: x if x > 0 else 0 * x, "The truth value of an array"),
            (lambda x: 1.0, "got float32 () for x float32 (4, 6); expected a float32 for each channel of x"),
            (lambda x: x.sum(-1), "got float32 (4,) for x"),
            (lambda x: jnp.sign(x).astype(int), "got int32 (4, 6) for x"),
            (lambda x, pieces=2: x, "got float32 (4, 12) for x float32 (4, 12)"),
            (lambda x: (x, x), "got AttributeError: 'tuple' object"),
        ],
    )
    def test_an_activation_that_cannot_be_trained(self, function: Any, told: str) -> None:
        with pytest.raises(InputError) as caught:
            register_activation("mine", function)
        assert caught.value.problems[0].startswith("register_activation: mine: got ")
        assert told in str(caught.value)
        assert "mine" not in ACTIVATIONS

    @pytest.mark.parametrize(
        ("function", "hint"),
        [
            (lambda x: x if x > 0 else 0 * x, "jnp.where(x > 0, x, 0.1 * x) chooses for each number"),
            (lambda x: x if x.sum() > 0 else 0 * x, "an if cannot ask for a value that is traced"),
            (np.tanh, "use those of jax.numpy and jax.scipy"),
            (lambda x: math.tanh(x), "functions of math take single numbers"),
            (lambda x: x * float(x.sum()), "leave it an array"),
            (lambda x: 1 / 0, ""),
        ],
    )
    def test_what_jax_cannot_trace_comes_with_what_to_write_instead(self, function: Any, hint: str) -> None:
        with pytest.raises(InputError) as caught:
            register_activation("mine", lambda x: function(x))
        assert (hint in caught.value.hint) if hint else not caught.value.hint

    @pytest.mark.parametrize(
        "function",
        [jnp.tanh, jax.nn.relu, jax.jit(lambda x: x), lambda x, pieces=3: x.reshape(*x.shape[:-1], -1, pieces).max(-1)],
    )
    def test_an_activation_of_any_kind_of_function(self, function: Any) -> None:
        assert register_activation("mine", function) is ACTIVATIONS["mine"]
        assert ACTIVATIONS["mine"].own

    def test_a_slope_that_is_known_in_reverse_alone_shares_a_program(self) -> None:
        register_activation("step", straight_through)
        (program,) = plan.make(parsed(activations=["relu", "step", "tanh"])).programs
        slopes = jax.grad(lambda x: switched(program.activations, jnp.int32(1))(x).sum())(jnp.array([-1.0, 2.0]))
        assert slopes.tolist() == [1, 1]

    def test_what_a_script_defines_reaches_a_worker(self) -> None:
        code = SCRIPT + "import cloudpickle; sys.stdout.buffer.write(cloudpickle.dumps(bench.activations.ACTIVATIONS))"
        sent = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        entry = pickle.loads(sent)["step"]
        assert fingerprint(entry) == fingerprint(register_activation("step", straight_through))
        assert entry.own

    @pytest.mark.parametrize(
        ("factory", "told"),
        [
            (lambda learning_rate: 3, "own: got AttributeError: 'int' object has no attribute 'init'; expected a fac"),
            (lambda learning_rate: optax.sgd(float(learning_rate)), "own: got ConcretizationTypeError: "),
            (
                lambda learning_rate: optax.stateless(lambda updates, _: jax.tree.map(jnp.sum, updates)),
                "own: got updates of the shapes {'bias': (), 'kernel': ()}; expected {'kernel': (6, 3), 'bias': (3",
            ),
        ],
    )
    def test_an_optimizer_that_cannot_make_a_step(self, factory: Any, told: str) -> None:
        with pytest.raises(InputError, match=r"^register_optimizer: own: got ") as caught:
            register_optimizer("own", factory)
        assert told in str(caught.value)
        assert "own" not in OPTIMIZERS

    def test_fields_of_another_type_are_all_told(self) -> None:
        fields: Any = {"default_learning_rate": "x", "multiplier": "yes", "extra": "value_fn", "schedule": 3}
        with pytest.raises(InputError) as caught:
            register_optimizer("own", decay, **fields)
        assert caught.value.problems == [
            'register_optimizer: default_learning_rate: got "x"; expected a valid number',
            'register_optimizer: multiplier: got "yes"; expected a valid boolean',
            'register_optimizer: extra: got "value_fn"; expected a valid tuple',
            "register_optimizer: schedule: got 3; expected an instance of Schedule",
        ]
        assert register_optimizer("own", decay, default_learning_rate=1, contains=("sgd",)).contains == ("sgd",)

    def test_fields_of_names_name_what_there_is(self) -> None:
        fields: Any = {"contains": ("sdg",), "refuses": ("lr",), "extra": ("hessian",)}
        with pytest.raises(InputError) as caught:
            register_optimizer("own", decay, **fields)
        assert caught.value.problems == [
            'register_optimizer: contains: got "sdg"; expected one, perhaps sgd or dog',
            'register_optimizer: refuses: got "lr"; expected one: one of clip_norm, weight_decay',
            'register_optimizer: extra: got "hessian"; expected one: one of grad, obj_fn, value, value_fn',
        ]

    @pytest.mark.parametrize("takes", ["gamma", "momentum:flot"])
    def test_what_it_takes_its_factory_takes(self, takes: str) -> None:
        with pytest.raises(InputError, match=f"takes: got {takes}; expected an argument of the factory, with :int"):
            register_optimizer("own", decay, mask="mask", takes=takes)

    def test_what_nothing_sets_has_a_default(self) -> None:
        with pytest.raises(
            InputError, match="own: got a factory whose inner nothing sets; expected a default"
        ) as caught:
            register_optimizer("own", lambda learning_rate, inner: inner(learning_rate))
        assert caught.value.hint == "inner: float, or int or bool, lets a suite set it"

    def test_what_its_update_needs_it_is_given(self) -> None:
        def factory(learning_rate: Any) -> Any:
            def update(updates: Any, state: Any, params: Any = None, *, value_fn: Any) -> Any:
                return jax.tree.map(lambda g: -learning_rate * value_fn(params) * g, updates), state

            return optax.GradientTransformationExtraArgs(lambda _: optax.EmptyState(), update)

        with pytest.raises(InputError, match="value_fn"):
            register_optimizer("own", factory)
        assert register_optimizer("own", factory, extra=("value_fn",)).own


def test_arguments_of_an_own_optimizer_mean_what_it_says() -> None:
    register_optimizer("own", lambda learning_rate, decay=2.0: optax.sgd(learning_rate * decay))
    (program,) = plan.make(parsed(optimizers=[{"name": "own", "decay": 1.5}])).programs
    assert program.optimizers[0].arguments["decay"] == 1.5
    with pytest.raises(InputError, match="clip_norm: got -1; expected a number of 0 or more"):
        parsed(optimizers=[{"name": "own", "clip_norm": -1}])
    with pytest.raises(InputError, match="decay: got inf"):
        parsed(optimizers=[{"name": "own", "decay": float("inf")}])


class TestAgain:
    """A cell of a notebook is carried out again and again."""

    def test_what_was_registered_is_replaced_and_what_is_built_in_is_not(self) -> None:
        for scale in (1.0, 2.0):
            register_activation("mine", lambda x, scale=scale: x * scale)
            register_optimizer("own", lambda learning_rate, scale=scale: optax.sgd(scale * learning_rate))
            register_task(replace(TASKS["wine_mlp"], name="cellar", target=scale))
        assert ACTIVATIONS["mine"].arguments == {"scale": 2.0}
        assert OPTIMIZERS["own"].factory.__defaults__ == (2.0,)  # type: ignore[union-attr]
        assert TASKS["cellar"].target == 2.0
        with pytest.raises(InputError, match="got 'relu', which is taken"):
            register_activation("relu", jnp.tanh)
        with pytest.raises(InputError, match="got 'none', which is taken"):
            register_activation("none", jnp.tanh)  # what tables say where a task has none

    def test_with_arguments_it_is_still_a_user_s_own(self) -> None:
        register_activation("mine", lambda x, scale=1.0: x * scale)
        register_optimizer("own", decay, mask="mask")
        register_task(replace(TASKS["wine_mlp"], name="cellar"))
        entry = {"name": "cellar", "width": 16}
        activations, optimizers = [{"name": "mine", "scale": 3}], [{"name": "own", "every": 2}]
        (program,) = plan.make(parsed(activations=activations, optimizers=optimizers, tasks=[entry])).programs
        assert [one.own for one in (program.activations[0], program.optimizers[0], program.task)] == [True] * 3
        assert not any(one.own for names in (ACTIVATIONS, OPTIMIZERS, TASKS) for name, one in names.items() if name
                       not in ("mine", "own", "cellar"))  # fmt: skip

    def test_a_suite_made_before_finds_what_is_registered_now(self) -> None:
        register_task(replace(TASKS["wine_mlp"], name="cellar", target=0.5))
        made = parsed(tasks=["cellar"])
        assert made.works[0].task.target == 0.5
        register_task(replace(TASKS["wine_mlp"], name="cellar", target=0.6))
        found = kinds.wanted(made, None)[1]
        assert isinstance(found, suite.Suite)
        assert found.works[0].task.target == 0.6


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


def test_registering_takes_no_device() -> None:
    code = """
import jax, jax.numpy as jnp, optax, bench
bench.register_activation("mine", lambda x: jnp.where(x > 0, x, jnp.array(0.5)))
bench.register_optimizer("own", optax.adam)
try:
    jnp.zeros(1)
except RuntimeError:
    print("no device was there to be taken")
"""
    environment = {**os.environ, "JAX_PLATFORMS": "nowhere"}  # a GPU's memory is its workers'
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "no device was there to be taken\n"


# --- what would train other than it says ---------------------------------------------------------------------------


def truncated(learning_rate: float) -> optax.GradientTransformation:
    """Its state begins as a whole number and becomes another."""
    return optax.GradientTransformation(
        lambda parameters: jnp.asarray(0),
        lambda g, state, parameters=None: (jax.tree.map(lambda x: -learning_rate * state * x, g), 0.9 * state + 0.1),
    )


def narrow(learning_rate: float) -> optax.GradientTransformation:
    """Its updates are bfloat16."""
    return optax.GradientTransformation(
        lambda parameters: (),
        lambda g, state, parameters=None: (jax.tree.map(lambda x: (-learning_rate * x).astype("bfloat16"), g), state),
    )


@pytest.mark.parametrize(
    ("factory", "fields", "told"),
    [
        (truncated, {}, r"got a state of int32 \(\) that becomes float32 \(\) after a step; expected the same types"),
        (narrow, {}, "got updates of bfloat16; expected float32 as of weights"),
        (decay, {"summary": 3}, "summary: got 3; expected text"),
    ],
)
def test_an_optimizer_that_shared_programs_or_reports_cannot_take_is_refused(
    factory: Any, fields: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        register_optimizer("odd", factory, **fields)
    assert "odd" not in OPTIMIZERS


@pytest.mark.parametrize(
    ("function", "mixed"),
    [
        (lambda x: 6 * jax.nn.softmax(x), True),
        (lambda x: x - x.mean(axis=-1, keepdims=True), True),
        (lambda x: x + jnp.sin(x) ** 2, False),
        (lambda x: jnp.stack([x, 0.1 * x, jnp.tanh(x)]).max(axis=0), False),
        (lambda x: jnp.interp(x, jnp.array([-1.0, 1.0]), jnp.array([0.0, 1.0])), False),
    ],
)
def test_an_activation_that_makes_a_number_of_several_is_refused_before_a_run(function: Any, mixed: bool) -> None:
    entry = register_activation("mine", function)
    assert fingerprints.mixes(entry) == mixed
    if mixed:
        with pytest.raises(InputError, match="activation mine: got numbers that each hang on several"):
            calls.fingerprints([entry])
    else:
        assert all(calls.fingerprints([entry]))
