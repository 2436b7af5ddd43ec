"""Convolution of one channel without a product."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from bench.activations import ACTIVATIONS
from bench.nn import direct
from bench.nn.arrangement import as_defined
from bench.nn.convolution import Convolution
from bench.nn.layers import recipe
from bench.nn.pooling import _pixels as pixels

RANDOM = np.random.default_rng(0)


def images(high: int, wide: int) -> jax.Array:
    return jnp.asarray(RANDOM.normal(size=(3, high, wide, 1)), jnp.float32)


def kernel(window: int, features: int = 16) -> jax.Array:
    return jnp.asarray(RANDOM.normal(size=(window, window, 1, features)), jnp.float32)


def known(x: jax.Array, w: jax.Array, size: int) -> list[jax.Array]:
    """XLA's own convolution, taken apart."""
    return pixels(lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")), size)


@pytest.mark.parametrize(("window", "size", "high", "wide"), [(3, 2, 8, 6), (5, 2, 4, 4), (3, 3, 9, 6), (1, 2, 4, 2)])
def test_it_and_its_gradients_are_those_of_a_convolution(window: int, size: int, high: int, wide: int) -> None:
    x, w = images(high, wide), kernel(window)
    found, back = jax.vjp(lambda x, w: direct.convolve(x, w, size), x, w)
    expected, known_back = jax.vjp(lambda x, w: known(x, w, size), x, w)
    assert len(found) == size**2
    slopes = [jnp.asarray(RANDOM.normal(size=z.shape), jnp.float32) for z in expected]
    for ours, theirs in zip((*found, *back(slopes)), (*expected, *known_back(slopes)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5)


def test_lanes_side_by_side_are_each_alone() -> None:
    x = jnp.stack([images(8, 8), images(8, 8)])
    w = jnp.stack([kernel(3), kernel(3)])

    def gradient(x: jax.Array, w: jax.Array) -> jax.Array:
        return jax.grad(lambda w: sum((z**2).sum() for z in direct.convolve(x, w, 2)))(w)

    together = jax.vmap(gradient)(x, w)
    for lane in range(2):
        np.testing.assert_allclose(together[lane], gradient(x[lane], w[lane]), rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "features", "expected"),
    [
        ((3, 16, 16, 1), 16, True),
        ((3, 16, 16, 1), 8, False),
        ((3, 16, 16, 3), 16, False),
        ((3, 15, 16, 1), 16, False),
        ((3, 16, 17, 1), 16, False),
        ((3, 8, 8, 1), 16, False),
    ],
)
def test_it_is_for_one_channel_many_features_and_wide_images_of_whole_squares(
    shape: tuple[int, ...], features: int, expected: bool
) -> None:
    assert direct.fits(jnp.zeros(shape), kernel(3, features), 2) is expected
    with as_defined():  # where operations are counted as they are defined
        assert not direct.fits(jnp.zeros(shape), kernel(3, features), 2)


def test_a_network_pools_the_same_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Convolution(1, 16, recipe((ACTIVATIONS["gelu"],), 0))
    x = images(16, 16)
    assert direct.fits(x, layer.filters.kernel[...], 2)

    def found() -> tuple[jax.Array, nnx.Module]:
        return nnx.value_and_grad(lambda layer: (layer.pooled(x) ** 2).sum())(layer)  # type: ignore[no-any-return]

    value, gradient = found()
    monkeypatch.setattr(direct, "fits", lambda *_: False)
    known_value, known_gradient = found()
    np.testing.assert_allclose(value, known_value, rtol=1e-5)
    for ours, theirs in zip(jax.tree.leaves(gradient), jax.tree.leaves(known_gradient), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
