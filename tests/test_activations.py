"""Every activation against its closed form in float64, value and slope."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf, expit

from bench.activations import ACTIVATIONS

X = np.concatenate([np.linspace(-12, 12, 97) + 0.01, [-1e-3, 1e-3, -30.0, 30.0]])  # no kink at a sample
SIGMOID, SOFTPLUS = expit(X), np.logaddexp(0, X)
NORMAL, DENSITY = (1 + erf(X / math.sqrt(2))) / 2, np.exp(-(X**2) / 2) / math.sqrt(2 * math.pi)
S, A = 1.0507009873554805, 1.6732632423543772  # SELU's fixed point, Klambauer et al. 2017
ABOVE = X > 0
TANH_SOFTPLUS = np.tanh(SOFTPLUS)

CLOSED_FORMS = {  # name: (value, slope)
    "identity": (X, np.ones_like(X)),
    "sigmoid": (SIGMOID, SIGMOID * (1 - SIGMOID)),
    "tanh": (np.tanh(X), 1 / np.cosh(X) ** 2),
    "relu": (X * ABOVE, 1.0 * ABOVE),
    "leaky_relu": (np.where(ABOVE, X, 0.01 * X), np.where(ABOVE, 1, 0.01)),
    "prelu": (np.where(ABOVE, X, 0.25 * X), np.where(ABOVE, 1, 0.25)),
    "elu": (np.where(ABOVE, X, np.expm1(X)), np.where(ABOVE, 1, np.exp(X))),
    "gelu": (X * NORMAL, NORMAL + X * DENSITY),
    "silu": (X * SIGMOID, SIGMOID * (1 + X * (1 - SIGMOID))),
    "mish": (X * TANH_SOFTPLUS, TANH_SOFTPLUS + X * (1 - TANH_SOFTPLUS**2) * SIGMOID),
    "selu": (S * np.where(ABOVE, X, A * np.expm1(X)), S * np.where(ABOVE, 1, A * np.exp(X))),
    "softplus": (SOFTPLUS, SIGMOID),
    "softsign": (X / (1 + abs(X)), 1 / (1 + abs(X)) ** 2),
    "celu": (np.maximum(X, 0) + np.minimum(0, np.expm1(X)), np.where(ABOVE, 1, np.exp(X))),
    "hard_tanh": (np.clip(X, -1, 1), 1.0 * (abs(X) < 1)),
    "relu6": (np.clip(X, 0, 6), 1.0 * (ABOVE & (X < 6))),
    "squared_relu": (np.where(ABOVE, X, 0) ** 2, 2 * X * ABOVE),
    "hard_swish": (X * np.clip(X + 3, 0, 6) / 6, np.where(X <= -3, 0, np.where(X >= 3, 1, (2 * X + 3) / 6))),
}


@pytest.mark.parametrize("name", sorted(CLOSED_FORMS))
def test_value_and_slope_match_the_closed_form(name: str) -> None:
    activation = ACTIVATIONS[name]
    parameters = {key: jnp.asarray(value) for key, value in activation.parameters.items()}

    def at(x: jax.Array) -> jax.Array:
        return activation(x, **parameters)

    value, slope = jax.vmap(jax.value_and_grad(at))(jnp.asarray(X, jnp.float32))
    x = np.asarray(X, np.float32).astype(np.float64)
    rounding = abs(x - X).max()
    np.testing.assert_allclose(value, CLOSED_FORMS[name][0], rtol=2e-6, atol=2e-6 + 3 * rounding)
    np.testing.assert_allclose(slope, CLOSED_FORMS[name][1], rtol=2e-5, atol=1e-5)


def test_every_activation_but_maxout_has_a_closed_form_here() -> None:
    assert set(CLOSED_FORMS) | {"maxout"} == set(ACTIVATIONS)


@pytest.mark.parametrize("pieces", [2, 3, 5])
def test_maxout_is_the_largest_of_the_pieces_of_each_channel(pieces: int) -> None:
    activation = ACTIVATIONS["maxout"].configured({"pieces": pieces})
    x = np.random.default_rng(0).standard_normal((7, 4 * pieces))
    expected = np.stack([x[:, c * pieces : (c + 1) * pieces].max(1) for c in range(4)], 1)
    np.testing.assert_allclose(activation(jnp.asarray(x)), expected, rtol=1e-6)
    slope = jax.grad(lambda z: activation(z).sum())(jnp.asarray(x, jnp.float32))
    assert np.asarray(slope).reshape(7, 4, pieces).sum(-1).tolist() == np.ones((7, 4)).tolist()


@pytest.mark.parametrize(
    ("name", "x", "minimum"),
    [("silu", -1.278465, -0.278465), ("gelu", -0.75179, -0.169971), ("mish", -1.19243, -0.308843)],
)
def test_known_minima(name: str, x: float, minimum: float) -> None:
    activation = ACTIVATIONS[name]
    assert float(activation(jnp.float32(x))) == pytest.approx(minimum, abs=2e-6)
    assert float(jax.grad(activation)(jnp.float32(x))) == pytest.approx(0, abs=2e-5)


def test_gelu_is_the_exact_one() -> None:
    assert float(ACTIVATIONS["gelu"](jnp.float32(1))) == pytest.approx(0.841345, abs=1e-6)  # tanh form: 0.841192


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_stays_finite_and_keeps_the_dtype_far_out(name: str) -> None:
    activation = ACTIVATIONS[name]
    parameters = {key: jnp.full(4, value) for key, value in activation.parameters.items()}
    x = jnp.array([[-1e4, -100, 100, 1e4] * activation.pieces], jnp.float32)
    value, slope = jax.jvp(lambda z: activation(z, **parameters), (x,), (jnp.ones_like(x),))
    assert value.dtype == jnp.float32
    assert jnp.isfinite(value).all() and jnp.isfinite(slope).all()


def test_docstrings_hold_formula_and_source() -> None:
    for activation in ACTIVATIONS.values():
        assert activation.summary.startswith("f(x) = ")
        assert activation.name == "identity" or re.search(r"(19|20)\d\d", activation.summary)


def test_an_argument_changes_function_and_label_but_not_the_table() -> None:
    leaky = ACTIVATIONS["leaky_relu"].configured({"negative_slope": 0.2})
    assert leaky.label == "leaky_relu(negative_slope=0.2)"
    assert float(leaky(jnp.float32(-1))) == pytest.approx(-0.2)
    assert ACTIVATIONS["elu"].configured({"alpha": 0.99999999}).label != "elu(alpha=1)"
    assert ACTIVATIONS["leaky_relu"].configured({"negative_slope": 0.01}).label == "leaky_relu"
    assert float(ACTIVATIONS["leaky_relu"](jnp.float32(-1))) == pytest.approx(-0.01)
