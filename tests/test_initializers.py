"""Initial weights: their spread, and that the index picks it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bench.activations import ACTIVATIONS
from bench.initializers import INITIALIZERS, initializer

SHAPE = (300, 200)
RELU, TANH, SELU = (ACTIVATIONS[name] for name in ("relu", "tanh", "selu"))


@pytest.mark.parametrize(("name", "variance"), [("lecun", 1 / 300), ("glorot", 2 / 500), ("he", 2 / 300)])
def test_the_variance_is_that_of_the_formula(name: str, variance: float) -> None:
    kernel = initializer(name, (RELU,), jnp.int32(0))(jax.random.key(0), SHAPE)
    assert float(kernel.var()) == pytest.approx(variance, rel=0.02)


def test_a_window_counts_into_the_fan() -> None:
    kernel = initializer("he", (RELU,), jnp.int32(0))(jax.random.key(0), (3, 3, 40, 50))
    assert float(kernel.var()) == pytest.approx(2 / 360, rel=0.03)


def test_what_is_left_to_the_activation_follows_the_index() -> None:
    def draw(index: jax.Array) -> jax.Array:
        return initializer("default", (RELU, TANH, SELU), index)(jax.random.key(0), SHAPE)

    found = jax.vmap(draw)(jnp.arange(3)).var((1, 2))
    np.testing.assert_allclose(found, [2 / 300, 2 / 500, 1 / 300], rtol=0.02)


def test_a_rotation_has_singular_values_1() -> None:
    kernel = initializer("orthogonal", (RELU,), jnp.int32(0))(jax.random.key(0), SHAPE)
    np.testing.assert_allclose(jnp.linalg.svd(kernel, compute_uv=False), 1, rtol=1e-5)


def test_another_name_is_an_error() -> None:
    with pytest.raises(KeyError):
        initializer("xavier", (RELU,), jnp.int32(0))
    assert all(initializer(name, (RELU,), jnp.int32(0)) for name in INITIALIZERS)
