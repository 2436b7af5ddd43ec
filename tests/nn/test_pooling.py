"""Max pooling against its definition, and before an activation against after it."""

import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from bench.activations import ACTIVATIONS
from bench.nn.convolution import Convolution
from bench.nn.layers import recipe
from bench.nn.pooling import max_pool
from bench.nn.switch import Choice

IMAGES = np.random.default_rng(0).standard_normal((3, 4, 6, 8))
SHARED = tuple(a for a in ACTIVATIONS.values() if a.shares_program)
RISING = tuple(a for a in SHARED if a.keeps_order)


def test_pooling_is_over_disjoint_squares() -> None:
    pooled = max_pool(jnp.asarray(IMAGES, jnp.float32), 2)
    assert pooled.shape == (3, 2, 3, 8)
    for i, j in itertools.product(range(2), range(3)):
        square = IMAGES[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        np.testing.assert_allclose(pooled[:, i, j], square.max((1, 2)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [2, 4])
def test_the_first_of_the_largest_pixels_of_a_square_has_its_gradient(size: int) -> None:
    x = jnp.asarray(np.random.default_rng(1).integers(0, 3, (2, 8, 8, 3)), jnp.float32)  # with many equal ones
    weights = jnp.asarray(np.random.default_rng(2).standard_normal((2, 8 // size, 8 // size, 3)), jnp.float32)
    expected = np.zeros(x.shape, np.float32)
    for n, i, j, c in np.ndindex(weights.shape):
        square = np.asarray(x)[n, size * i : size * (i + 1), size * j : size * (j + 1), c]
        row, column = np.unravel_index(square.argmax(), square.shape)
        expected[n, size * i + row, size * j + column, c] = weights[n, i, j, c]
    found = jax.grad(lambda x: (weights * max_pool(x, size)).sum())(x)
    np.testing.assert_array_equal(found, expected)


def test_pooling_can_be_differentiated_forward_and_twice() -> None:
    x = jnp.asarray(IMAGES[:, :, :, :2], jnp.float32)
    direction = jnp.asarray(IMAGES[:, :, :, 2:4], jnp.float32)
    curved = jax.grad(lambda x: (max_pool(x, 2) ** 2).sum())
    _, moved = jax.jvp(curved, (x,), (direction,))
    chosen = jax.grad(lambda x: max_pool(x, 2).sum())(x)
    np.testing.assert_allclose(moved, 2 * chosen * direction, rtol=1e-6)


def test_by_another_array_the_pixel_is_where_that_is_largest() -> None:
    x = jnp.asarray(IMAGES, jnp.float32)

    def least(x: jax.Array) -> jax.Array:
        return max_pool(x, 2, by=jax.lax.stop_gradient(-x))

    np.testing.assert_array_equal(least(x), -max_pool(-x, 2))
    found, expected = jax.grad(lambda x: (least(x) ** 2).sum())(x), jax.grad(lambda x: (max_pool(-x, 2) ** 2).sum())(x)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("apart", [False, True])
def test_what_is_not_a_number_is_seen_wherever_it_is(place: int, apart: bool) -> None:
    x = jnp.ones((1, 2, 2, 1)).at[0, place // 2, place % 2, 0].set(jnp.nan)
    assert jnp.isnan(max_pool(x, 2, by=x**2 if apart else None)).all()


@pytest.mark.parametrize("activation", RISING, ids=[a.name for a in RISING])
def test_those_said_to_keep_order_never_fall(activation: object) -> None:
    x = jnp.concatenate([jnp.linspace(-90, 90, 4001), jnp.linspace(-6, 6, 4001)]).sort()
    y = np.asarray(activation(x))  # type: ignore[operator]
    assert (np.diff(y) >= -2e-7 * np.maximum(1, np.abs(y[1:]))).all()


def test_what_falls_somewhere_is_not_said_to_keep_order() -> None:
    assert {a.name for a in SHARED} - {a.name for a in RISING} == {"gelu", "silu", "mish", "hard_swish"}
    assert not ACTIVATIONS["prelu"].keeps_order, "its slopes are learned and may become negative"
    assert ACTIVATIONS["leaky_relu"].keeps_order
    assert not ACTIVATIONS["leaky_relu"].configured({"negative_slope": -0.1}).keeps_order


def together(layer: Convolution, x: jax.Array) -> tuple[jax.Array, nnx.State]:
    """Σ of squares of what the layer pools, and its gradients."""
    return nnx.value_and_grad(lambda layer: (layer.pooled(x) ** 2).sum())(layer)  # type: ignore[no-any-return]


def one_by_one(layer: Convolution, x: jax.Array) -> tuple[jax.Array, nnx.State]:
    return nnx.value_and_grad(lambda layer: (max_pool(layer(x), 2) ** 2).sum())(layer)  # type: ignore[no-any-return]


@pytest.mark.parametrize("batch_norm", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "names", [("tanh",), ("relu", "elu"), ("silu",), ("sigmoid", "gelu"), ("prelu",), ("maxout",)], ids="-".join
)
def test_pooled_is_the_largest_of_what_is_activated(names: tuple[str, ...], batch_norm: bool) -> None:
    x = jnp.asarray(IMAGES, jnp.float32)
    for index in range(len(names)):
        made = recipe(tuple(ACTIVATIONS[name] for name in names), key=1)
        layer = Convolution(8, 4, made, batch_norm=batch_norm)
        layer.activate.choice = Choice(jnp.int32(index))
        layer.filters.bias[...] = jnp.asarray([0.5, -0.5, 1.0, -2.0]).repeat(layer.pieces)
        layer.eval()
        for found, expected in zip(
            jax.tree.leaves(together(layer, x)), jax.tree.leaves(one_by_one(layer, x)), strict=True
        ):
            np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


def test_an_activation_that_keeps_order_works_on_one_of_four_pixels() -> None:
    layer, x = Convolution(8, 4, recipe((ACTIVATIONS["tanh"],))), jnp.asarray(IMAGES, jnp.float32)

    def activated(of: Callable[[jax.Array], jax.Array]) -> list[int]:
        return [e.outvars[0].aval.size for e in jax.make_jaxpr(of)(x).jaxpr.eqns if e.primitive.name == "tanh"]

    assert activated(lambda x: max_pool(layer(x), 2)) == [3 * 4 * 6 * 4]
    assert activated(layer.pooled) == [3 * 2 * 3 * 4]
