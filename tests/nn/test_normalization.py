"""Batch normalization against flax's own: values, gradients, running means, and where the batch is constant."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from bench.nn.normalization import BatchNorm, normalized

SHAPES = [(8, 3), (6, 4, 4, 5), (64, 2, 2, 16)]


def both(features: int) -> tuple[BatchNorm, nnx.BatchNorm]:
    found = BatchNorm(features, 0.9, nnx.Rngs(0))
    expected = nnx.BatchNorm(features, momentum=0.9, rngs=nnx.Rngs(0))
    for norm in (found, expected):
        norm.scale[...] = jnp.linspace(0.5, 2, features)  # type: ignore[index]
        norm.bias[...] = jnp.linspace(-1, 1, features)  # type: ignore[index]
    return found, expected


def drawn(shape: tuple[int, ...]) -> jax.Array:
    return 3 * jax.random.normal(jax.random.key(0), shape) + jnp.arange(shape[-1])


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_that_of_flax_in_training_and_evaluation(shape: tuple[int, ...]) -> None:
    found, expected = both(shape[-1])
    for _ in range(3):
        np.testing.assert_allclose(found(drawn(shape)), expected(drawn(shape)), rtol=2e-5, atol=2e-5)
    for kept in ("mean", "var"):
        np.testing.assert_allclose(getattr(found, kept)[...], getattr(expected, kept)[...], rtol=2e-5)
    found.eval(), expected.eval()
    np.testing.assert_allclose(found(drawn(shape)), expected(drawn(shape)), rtol=2e-5, atol=2e-5)
    states = [jax.tree.structure(nnx.state(norm)) for norm in (found, expected)]
    assert states[0] == states[1]


def plain(x: jax.Array, scale: jax.Array, bias: jax.Array) -> jax.Array:
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes)
    return (x - mean) / jnp.sqrt(((x - mean) ** 2).mean(axes) + 1e-5) * scale + bias


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_those_of_its_formula_in_float64(shape: tuple[int, ...]) -> None:
    with jax.enable_x64(True):
        x = jnp.asarray(drawn(shape), jnp.float64)
        scale, bias = jnp.linspace(0.5, 2, shape[-1]), jnp.linspace(-1, 1, shape[-1])

        def loss(of: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
            return lambda *arguments: jnp.sin(of(*arguments) * jnp.arange(x.size).reshape(x.shape)).sum()

        found = jax.value_and_grad(loss(lambda *arguments: normalized(*arguments)[0]), (0, 1, 2))(x, scale, bias)
        expected = jax.value_and_grad(loss(plain), (0, 1, 2))(x, scale, bias)
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * float(jnp.abs(b).max()))


def test_it_is_differentiated_twice() -> None:
    x, scale, bias = drawn((8, 3)), jnp.ones(3), jnp.zeros(3)

    def turned(of: Callable[..., jax.Array]) -> jax.Array:
        gradient = jax.grad(lambda x: jnp.sin(of(x, scale, bias)).sum())
        return jax.grad(lambda x: (gradient(x) ** 2).sum())(x)

    expected = turned(plain)
    np.testing.assert_allclose(
        turned(lambda *a: normalized(*a)[0]), expected, atol=2e-4 * float(jnp.abs(expected).max())
    )


def test_a_constant_channel_is_its_shift() -> None:
    y, mean, variance = normalized(jnp.full((4, 2, 2, 1), 7.0), jnp.full(1, 3.0), jnp.full(1, 0.5))
    np.testing.assert_allclose(y, 0.5, atol=2e-3)
    assert float(mean[0]) == 7.0 and float(variance[0]) == 0.0
