"""Attention against jax's and flax's own, patches, and a block that carries one token on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from bench.activations import ACTIVATIONS
from bench.nn.attention import Attention, Block, TokenTransformer, patches
from bench.nn.layers import recipe

WIDTH, HEADS = 6, 3
RECIPE = recipe((ACTIVATIONS["relu"],), 1)


@pytest.fixture
def x() -> jax.Array:
    return jax.random.normal(jax.random.key(0), (2, 5, WIDTH))


def test_attention_is_that_of_flax(x: jax.Array) -> None:
    ours = Attention(WIDTH, HEADS, RECIPE)
    theirs = nnx.MultiHeadAttention(HEADS, WIDTH, decode=False, rngs=nnx.Rngs(0))
    for i, name in enumerate(("query", "key", "value")):
        layer = getattr(ours, name)
        layer.bias[...] = jnp.linspace(-i, 1, WIDTH)
        getattr(theirs, name).kernel[...] = layer.kernel[...].reshape(WIDTH, HEADS, -1)
        getattr(theirs, name).bias[...] = layer.bias[...].reshape(HEADS, -1)
    theirs.out.kernel[...] = ours.output.kernel[...].reshape(HEADS, -1, WIDTH)
    np.testing.assert_allclose(ours(x, x), theirs(x), rtol=1e-4, atol=1e-5)


def test_attention_is_that_of_jax(x: jax.Array) -> None:
    ours = Attention(WIDTH, HEADS, RECIPE)
    split = [layer(x).reshape(2, 5, HEADS, -1) for layer in (ours.query, ours.key, ours.value)]
    expected = ours.output(jax.nn.dot_product_attention(*split).reshape(x.shape))
    np.testing.assert_allclose(ours(x, x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_block_that_carries_one_token_on_gives_the_last_of_all(x: jax.Array) -> None:
    one, every = (Block(WIDTH, HEADS, 8, recipe((ACTIVATIONS["tanh"],), 1), queries=n) for n in (1, 0))
    np.testing.assert_allclose(one(x)[:, 0], every(x)[:, -1], rtol=1e-5, atol=1e-6)
    assert every(x).shape == x.shape


def test_patches_are_squares_of_the_image() -> None:
    image = np.arange(2 * 64).reshape(2, 8, 8)
    found = patches(jnp.asarray(image.reshape(2, 64)), 8, 2)
    assert found.shape == (2, 16, 4)
    np.testing.assert_array_equal(found[1, 6], image[1, 2:4, 4:6].ravel())


@pytest.mark.slow
def test_the_order_of_tokens_counts() -> None:
    model = TokenTransformer(7, 2, 8, 2, 16, RECIPE)
    a, b = model(jnp.array([[1, 5], [5, 1]]))
    assert a.shape == (7,) and float(jnp.abs(a - b).max()) > 1e-3
