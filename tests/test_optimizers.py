"""The table of optimizers: its data against optax, each entry in one compiled loop, and known relations."""

import dataclasses
import functools
import inspect
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

from bench.errors import InputError
from bench.lazy import named
from bench.optimizers import COMMON, LEFT_OUT, OPTIMIZERS, Optimizer

PUBLIC = vars(optax) | vars(optax.contrib)
ENTRIES = pytest.mark.parametrize("entry", OPTIMIZERS.values(), ids=OPTIMIZERS)
QUICK = {"xla_backend_optimization_level": 0}  # a third of the time to compile, and the loops here are short

# Arguments of optax that a suite cannot set: not a number, or of no use in a benchmark.
NOT_SETTABLE = {
    *("mu_dtype", "accumulator_dtype", "dtype_momentum", "state_dtype"),
    *("betas", "init_step", "ns_coeffs", "variant", "preconditioning", "trust_ratio_mask"),
    *("clip_value_fn", "linesearch", "base_optimizer", "hessian_diagonal_fn"),
    *("weight_dimension_numbers", "muon_weight_dimension_numbers"),
    *("seed", "verbose", "print_win_rate_every_n_steps"),
}


def parameters(entry: Optimizer) -> dict[str, inspect.Parameter]:
    """The arguments of an entry's factory; one of ours that takes any passes them to optax's of that name."""
    factory = named(entry.factory)
    found = dict(inspect.signature(factory).parameters)
    if any(p.kind is p.VAR_KEYWORD for p in found.values()):
        found = dict(inspect.signature(PUBLIC[entry.name]).parameters) | found
    fixed = factory.keywords if isinstance(factory, functools.partial) else {}
    return {name: p for name, p in found.items() if p.kind is not p.VAR_KEYWORD and name not in fixed}


def kind(parameter: inspect.Parameter) -> type:
    if isinstance(parameter.default, bool):
        return bool
    whole = isinstance(parameter.default, int) or parameter.annotation in (int, Optional[int])  # noqa: UP045
    return int if whole else float


class TestTable:
    def test_importing_it_imports_neither_jax_nor_optax(self) -> None:
        code = "import sys, bench.optimizers; assert not {'jax', 'optax', 'flax', 'numpy'} & set(sys.modules)"
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_every_alias_of_optax_is_in_the_table_or_left_out(self) -> None:
        def whole(alias: Any) -> bool:
            if not callable(alias) or inspect.isclass(alias):
                return False
            try:
                names = inspect.signature(alias).parameters
            except ValueError:  # a type alias
                return False
            return any(name.endswith(("learning_rate", "optimizer")) for name in names)

        aliases = {n for n, alias in PUBLIC.items() if not n.startswith(("_", "scale_by_")) and whole(alias)}
        assert {"adam", "nadam", "nadamw", "dog", "polyak_sgd", "mechanize"} <= aliases
        assert aliases - set(OPTIMIZERS) <= set(LEFT_OUT)
        assert not set(OPTIMIZERS) & set(LEFT_OUT)
        assert set(LEFT_OUT) <= set(PUBLIC)

    @ENTRIES
    def test_accepts_what_its_factory_takes(self, entry: Optimizer) -> None:
        ours = {entry.learning_rate, entry.mask, entry.key} | NOT_SETTABLE
        if not entry.mask:
            ours.add("weight_decay")  # it would reach what must not decay
        ours.add("adam_weight_decay")  # Muon's for vectors, which takes no mask
        assert entry.accepts == {name: kind(p) for name, p in parameters(entry).items() if name not in ours}
        assert set(entry.arguments) <= set(entry.accepts)

    @ENTRIES
    def test_names_arguments_that_its_factory_has(self, entry: Optimizer) -> None:
        assert {entry.learning_rate, entry.mask, entry.key} - {""} <= set(parameters(entry))

    @ENTRIES
    def test_decays_nothing_that_no_mask_spares(self, entry: Optimizer) -> None:
        decays = {name: p.default for name, p in parameters(entry).items() if name.endswith("weight_decay")}
        assert entry.mask or not any(decays.values())

    @ENTRIES
    def test_summary_is_one_line_with_a_year(self, entry: Optimizer) -> None:
        assert "\n" not in entry.summary
        assert len(entry.summary) <= 120
        assert entry.summary.rstrip(".")[-4:].isdigit()

    def test_label_names_what_differs_from_the_table(self) -> None:
        momentum = OPTIMIZERS["momentum"]
        assert momentum.configured({"momentum": 0.9}).label == "momentum"
        assert momentum.configured({"momentum": 0.5, "nesterov": True}).label == "momentum(momentum=0.5,nesterov=True)"
        assert momentum.configured({"momentum": 0.5}).arguments == {"momentum": 0.5}

    def test_the_page_of_the_docs_tells_every_field_and_all_that_is_left_out(self) -> None:
        page = (Path(__file__).parents[1] / "docs" / "optimizers.md").read_text("utf-8")
        told = [field.name for field in dataclasses.fields(Optimizer)] + list(LEFT_OUT)
        assert [name for name in told if f"`{name}`" not in page] == []

    def test_random_numbers_need_a_key(self) -> None:
        with pytest.raises(ValueError, match="noisy_sgd draws random numbers"):
            OPTIMIZERS["noisy_sgd"].build(0.1)


Params = dict[str, Any]
X = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")
X[:, 4] = 1  # so that a row of the kernel is the bias
Y = (np.sin(X[:, 0]) + 0.5 * X[:, 1] * X[:, 2]).astype("float32")
RATES = (1e-3, 1e-2, 1e-1, 1.0)
MULTIPLIERS = (0.1, 1.0, 3.0, 10.0)


def initial(seed: int) -> Params:
    draw = np.random.default_rng(seed).normal
    return {
        "kernel": draw(size=(5, 8), scale=0.5).astype("float32"),
        "readout": draw(size=8, scale=0.3).astype("float32"),
    }


def regression(params: Params) -> jax.Array:
    return jnp.mean(jnp.square(jnp.tanh(X @ params["kernel"]) @ params["readout"] - Y))


class Loop:
    """One program of an entry: a scan of 100 steps over a chunk of four lanes, or over one lane alone."""

    def __init__(self, entry: Optimizer) -> None:
        self.entry, self.traces = entry, 0
        self.program = jax.jit(self.train if entry.alone else jax.vmap(self.train), compiler_options=QUICK)

    def train(self, rate: Any, seed: Any, params: Params) -> tuple[Params, Any, Any]:
        self.traces += 1
        optimizer = self.entry.build(rate, key=jax.random.key(seed))

        def step(carry: Any, _: None) -> tuple[Any, None]:
            params, state = carry
            value, grad = jax.value_and_grad(regression)(params)
            extra = {"value": value, "grad": grad, "value_fn": regression, "obj_fn": regression}
            wanted = {name: extra[name] for name in self.entry.extra}
            updates, state = optimizer.update(grad, state, params, **wanted)
            return (optax.apply_updates(params, updates), state), None

        (trained, state), _ = jax.lax.scan(step, (params, optimizer.init(params)), length=100)
        evaluated = self.entry.evaluated(state, trained)
        return evaluated, regression(params), regression(evaluated)

    def lanes(self, rates: Sequence[float], keys: Sequence[int], seeds: Sequence[int]) -> tuple[Params, Any, Any]:
        """Parameters, first and last loss of each lane."""
        lanes = np.float32(rates), np.uint32(keys), jax.tree.map(lambda *p: np.stack(p), *map(initial, seeds))
        if not self.entry.alone:
            return jax.device_get(self.program(*lanes))
        each = [self.program(*jax.tree.map(lambda x, i=i: x[i], lanes)) for i in range(len(rates))]
        return jax.tree.map(lambda *x: np.stack(x), *each)


@pytest.fixture(scope="module", params=OPTIMIZERS.values(), ids=OPTIMIZERS)
def loop(request: pytest.FixtureRequest) -> Loop:
    return Loop(request.param)


class TestEveryEntry:
    def test_reduces_the_loss(self, loop: Loop) -> None:
        rates = MULTIPLIERS if loop.entry.multiplier else RATES
        _, first, last = loop.lanes(rates, [0] * 4, [0] * 4)
        assert np.nanmin(last / first) < 0.4

    def test_keeps_shapes_and_types(self, loop: Loop) -> None:
        trained, _, _ = loop.lanes(RATES, range(4), range(4))
        chex.assert_trees_all_equal_shapes_and_dtypes(jax.tree.map(lambda x: x[0], trained), initial(0))

    def test_learning_rates_and_seeds_compile_nothing(self, loop: Loop) -> None:
        loop.lanes(RATES, range(4), range(4))
        loop.lanes(MULTIPLIERS, range(4, 8), range(4, 8))
        assert loop.traces == 1

    def test_a_lane_is_the_same_whatever_its_neighbours(self, loop: Loop) -> None:
        together = loop.lanes(RATES, range(4), range(4))
        for i in (0, 2):
            padded = loop.lanes([RATES[i]] * 4, [i] * 4, [i] * 4)
            for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(padded), strict=True):
                assert a[i].tobytes() == b[0].tobytes()

    def test_a_key_matters_where_random_numbers_are_drawn(self, loop: Loop) -> None:
        trained, _, _ = loop.lanes([0.01] * 4, [0, 1, 2, 3], [0] * 4)
        assert (trained["kernel"][0] != trained["kernel"][1]).any() == bool(loop.entry.key)


class TestDecay:
    @pytest.mark.parametrize("entry", [e for e in OPTIMIZERS.values() if e.mask], ids=lambda e: e.name)
    def test_spares_what_the_mask_does_not_name(self, entry: Optimizer) -> None:
        decay = next(name for name in entry.accepts if name.startswith("weight_decay"))
        optimizer = entry.configured({decay: 0.5}).build(
            jnp.float32(0.1), jax.random.key(0), lambda params: jax.tree.map(lambda p: p.ndim > 1, params)
        )
        params = {"kernel": jnp.full((3, 2), 2.0), "slope": jnp.full(3, 0.25)}
        still = jax.tree.map(jnp.zeros_like, params)
        extra = {"obj_fn": lambda p: 0.0 * p["slope"].sum()} if entry.extra else {}

        @functools.partial(jax.jit, compiler_options=QUICK)
        def update(params: Params) -> Params:
            return optimizer.update(still, optimizer.init(params), params, **extra)[0]

        updates = update(params)
        assert (updates["slope"] == 0).all()
        assert (updates["kernel"] < 0).all()

    @pytest.mark.parametrize("name", ["adam", *(name for name, entry in OPTIMIZERS.items() if entry.refuses)])
    def test_beside_the_step_is_refused_where_the_state_undoes_it(self, name: str) -> None:
        entry = OPTIMIZERS[name]
        optimizer = dataclasses.replace(entry, arguments={**entry.arguments, "weight_decay": 0.1}).build(0.1)

        @functools.partial(jax.jit, compiler_options=QUICK)
        def decayed(params: jax.Array) -> jax.Array:
            def step(carry: Any, still: jax.Array) -> tuple[Any, None]:
                params, state = carry
                updates, state = optimizer.update(still, state, params)
                return (params + updates, state), None

            (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), jnp.zeros((50, *params.shape)))
            return params

        assert (float(decayed(jnp.ones(2))[0]) == pytest.approx(0.99**50)) == (not entry.refuses)
        if entry.refuses:
            entry.configured({"weight_decay": 0.0})
            for arguments, ranges in (({"weight_decay": 0.1}, {}), ({}, {"weight_decay": "0..1"})):
                with pytest.raises(InputError, match=f"optimizer {entry.name}: got a weight_decay, which its state"):
                    entry.configured(arguments, ranges=ranges)


def stream(entry: Optimizer, rate: Any, gradients: np.ndarray, searched: Iterable[float] = ()) -> np.ndarray:
    """The updates of a stream of gradients [step, parameter], at the parameters 1; `searched` values are traced."""
    params = jnp.ones(gradients.shape[1])

    @functools.partial(jax.jit, compiler_options=QUICK)
    def updates(rate: Any, searched: list[Any]) -> Any:
        optimizer = entry.build(rate, jax.random.key(0), values=searched)

        def step(state: Any, gradient: Any) -> tuple[Any, Any]:
            plane = gradient.dot  # a loss of this slope
            extra = {"value": jnp.float32(1), "grad": gradient, "value_fn": plane, "obj_fn": plane}
            wanted = {name: extra[name] for name in entry.extra}
            updates, state = optimizer.update(gradient, state, params, **wanted)
            return state, updates

        return jax.lax.scan(step, optimizer.init(params), gradients)[1]

    return np.asarray(updates(jnp.float32(rate), [jnp.float32(value) for value in searched]))


class TestConvention:
    """What a summary says where optax, PyTorch and the papers differ: updates by hand, learning rate 1."""

    @pytest.mark.parametrize(
        ("name", "arguments", "gradients", "expected"),
        [
            ("nesterov", {}, [1, 0], [-1.9, -0.81]),
            ("adagrad", {"eps": 0.4}, [0.5], [-0.5 / (0.1 + 0.25 + 0.4) ** 0.5]),
            ("rmsprop", {"eps": 0.15}, [0.5, 1], [-0.5 / 0.175**0.5, -1 / (0.1225 + 0.15) ** 0.5]),
            ("adam", {"eps": 0.5}, [0.5, 0.5], [-0.5, -0.5]),
            ("adam", {"eps": 0, "eps_root": 0.75}, [0.5], [-0.5]),
            ("amsgrad", {"b1": 0, "b2": 0.5, "eps": 0}, [1, 0, 1], [-1, 0, -1]),
            ("adabelief", {"b2": 0, "eps": 0, "eps_root": 0.19}, [1, 1], [-1, -1 / 0.8461**0.5]),
            ("rprop", {}, [3, 2, 1, -1, 1], [-1, -1.2, -1.44, 0, -0.72]),  # as torch.optim.Rprop
            ("adan", {"b1": 0, "b2": 0.75, "b3": 0, "eps": 0, "eps_root": 0}, [1, 3], [-1, -6 / 7]),
        ],
    )  # fmt: skip
    def test_update(
        self, name: str, arguments: Mapping[str, Any], gradients: list[float], expected: list[float]
    ) -> None:
        updates = stream(OPTIMIZERS[name].configured(arguments), 1.0, np.float32(gradients)[:, None])[:, 0]
        np.testing.assert_allclose(updates, expected, rtol=1e-5, atol=1e-6)


def numbers(entry: Optimizer) -> dict[str, float]:
    """Values that fit each argument of an entry that may have a range, as a float32 holds them."""
    own = {name: kind for name, kind in entry.accepts.items() if kind is float}
    defaults = {name: p.default for name, p in parameters(entry).items()} | dict(entry.arguments)
    plain = {name: 0.9 * of if isinstance(of := defaults.get(name), float) and of else 0.25 for name in own}
    common = {name: 0.25 for name in COMMON if name not in entry.refuses}
    return {name: float(np.float32(of)) for name, of in (common | plain).items()}


@ENTRIES
def test_every_number_may_have_a_range(entry: Optimizer) -> None:
    """Searched, its value comes with the lane: traced, and yet the same updates as with the value fixed."""
    values = numbers(entry)
    gradients = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    fixed = stream(entry.configured(values), 0.1, gradients)
    searched = stream(entry.configured({}, ranges=dict.fromkeys(values, "")), 0.1, gradients, values.values())
    assert np.isfinite(fixed).all()
    np.testing.assert_allclose(searched, fixed, rtol=1e-6, atol=1e-6)


HUGE = 1e8  # an eps beside which the squares of gradients do not count
HALF = {"momentum": 0.5}

# Arguments and a learning rate that make an entry another one: (entry, arguments, rate, other, arguments).
SAME: list[tuple[str, Mapping[str, Any], float, str, Mapping[str, Any]]] = [
    ("momentum", {"momentum": 0.0}, 1, "sgd", {}),
    ("nesterov", {"momentum": 0.0}, 1, "sgd", {}),
    ("optimistic_gradient_descent", {"beta": 0.0}, 1, "sgd", {}),
    ("noisy_sgd", {"eta": 0.0}, 1, "sgd", {}),
    ("polyak_sgd", {"f_min": -HUGE}, 1, "sgd", {}),
    ("adagrad", {"eps": HUGE}, HUGE**0.5, "sgd", {}),
    ("rmsprop", {"eps": HUGE}, HUGE**0.5, "sgd", {}),
    ("signum", {"beta": 0.0}, 1, "sign_sgd", {}),
    ("lion", {"b1": 0.8, "b2": 0.8, "weight_decay": 0.0}, 1, "signum", {"beta": 0.8}),
    ("sam", {"rho": 0.0}, 1, "momentum", {}),
    ("momo", {"beta": 0.5, "lower_bound": -HUGE}, 2, "momentum", HALF),
    ("adam", {"b1": 0.5, "eps": HUGE}, 2 * HUGE, "momentum", HALF),
    ("adam", {"b1": 0.0, "b2": 0.9}, 1, "rmsprop", {"bias_correction": True, "eps_in_sqrt": False}),
    ("nadam", {"b1": 0.5, "eps": HUGE}, 2 * HUGE, "nesterov", HALF),
    ("nadam", {"b1": 0.0, "b2": 0.9}, 1, "rmsprop", {"bias_correction": True, "eps_in_sqrt": False}),
    ("adamw", {"weight_decay": 0.0}, 1, "adam", {}),
    ("nadamw", {"weight_decay": 0.0}, 1, "nadam", {}),
    ("adamax", {"b1": 0.5, "eps": HUGE}, 2 * HUGE, "momentum", HALF),
    ("adamaxw", {"weight_decay": 0.0}, 1, "adamax", {}),
    ("amsgrad", {"b1": 0.5, "eps": HUGE}, 2 * HUGE, "momentum", HALF),
    ("adabelief", {"b1": 0.5, "eps": HUGE}, 2 * HUGE, "momentum", HALF),
    ("acprop", {"eps": HUGE}, HUGE, "sgd", {}),
    ("yogi", {"b1": 0.5, "eps": HUGE}, 2 * HUGE, "momentum", HALF),
    ("radam", {"b1": 0.5, "threshold": HUGE}, 2, "momentum", HALF),
    ("adopt", {"b1": 0.5, "eps": HUGE, "use_clipping": False}, 2 * HUGE, "momentum", HALF),
    ("simplified_ademamix", {"b1": 0.5, "eps": HUGE}, HUGE, "momentum", HALF),
    (
        "simplified_ademamix",
        {"b1": 0.0, "b2": 0.9},
        1,
        "rmsprop",
        {"bias_correction": True, "eps_in_sqrt": False},
    ),
    ("ademamix", {"alpha": 0.0}, 1, "adamw", {"weight_decay": 0.0}),
    ("optimistic_adam_v2", {"beta": 0.0}, 1, "nadam", {}),
    ("momo_adam", {"lower_bound": -HUGE}, 1, "adam", {}),
]


@functools.cache
def late_update(entry: Optimizer, rate: float) -> np.ndarray:
    """The 30th update: by then the corrections for the start of a mean are gone."""
    return stream(entry, rate, np.random.default_rng(0).normal(size=(30, 6)).astype("float32"))[-1]


class TestInclusion:
    """Choi et al. 2019: an optimizer that contains another, tuned as well, does not lose to it."""

    @pytest.mark.parametrize(("name", "arguments", "rate", "other", "others"), SAME, ids=lambda v: str(v))
    def test_equals_the_other_for_some_arguments(
        self, name: str, arguments: Mapping[str, Any], rate: float, other: str, others: Mapping[str, Any]
    ) -> None:
        ours = late_update(OPTIMIZERS[name].configured(arguments), 0.1 * rate)
        theirs = late_update(OPTIMIZERS[other].configured(others), 0.1)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)

    def test_every_inclusion_of_the_table_is_shown(self) -> None:
        claimed = {(entry.name, other) for entry in OPTIMIZERS.values() for other in entry.contains}
        assert claimed == {(name, other) for name, _, _, other, _ in SAME}


@pytest.mark.parametrize(
    ("name", "arguments", "end"),
    [("adam", {}, 0.995), ("amsgrad", {"bias_correction_nu": False}, -0.9998)],
    ids=["adam", "amsgrad"],
)
def test_counter_example_to_adam(name: str, arguments: Mapping[str, Any], end: float) -> None:
    """Reddi et al. 2018: f_t(x) = 1010 x if t mod 101 = 1, else -10 x, on [-1, 1]; the best x is -1.

    With optax's default, v corrected before its maximum is taken, the first gradient slows AMSGrad for good.
    """
    optimizer = OPTIMIZERS[name].configured({"b2": 0.99, **arguments}).build(lambda t: 0.5 / jnp.sqrt(t + 1.0))

    def step(carry: Any, t: Any) -> tuple[Any, None]:
        x, state = carry
        updates, state = optimizer.update(jnp.where(t % 101 == 1, 1010.0, -10.0), state, x)
        return (jnp.clip(x + updates, -1, 1), state), None

    @jax.jit
    def last(x: Any) -> Any:
        return jax.lax.scan(step, (x, optimizer.init(x)), jnp.arange(1, 300_001))[0][0]

    assert float(last(jnp.float32(0))) == pytest.approx(end, abs=3e-4)
