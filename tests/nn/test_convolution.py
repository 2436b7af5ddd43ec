"""Convolution against XLA's own in float64; pooling and shuffling against their definitions."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from bench.activations import ACTIVATIONS
from bench.nn.convolution import (
    Convolution,
    convolve,
    pixel_shuffle,
    pixel_unshuffle,
    resampled,
    upsample,
)
from bench.nn.layers import recipe

IMAGES = np.random.default_rng(0).standard_normal((3, 4, 6, 8))


def oracle(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


@pytest.mark.parametrize(("window", "features"), [(1, 5), (3, 5), (3, 16), pytest.param(5, 5, marks=pytest.mark.slow)])
def test_convolution_and_its_gradients_are_those_of_xla_in_float64(window: int, features: int) -> None:
    random = np.random.default_rng(window)
    shape = (window, window, 8, features)
    x, kernel, weights = IMAGES, random.standard_normal(shape), random.standard_normal((3, 4, 6, features))
    with jax.enable_x64(True):
        arguments = jnp.asarray(x), jnp.asarray(kernel)
        found = jax.value_and_grad(lambda *a: (jnp.tanh(convolve(*a)) * weights).sum(), (0, 1))(*arguments)
        expected = jax.value_and_grad(lambda *a: (jnp.tanh(oracle(*a)) * weights).sum(), (0, 1))(*arguments)
        for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            assert ours.dtype == jnp.float64
            np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("channels, features", [(1, 4), (8, 16)])
def test_on_a_gpu_it_is_one_product_of_whole_neighbourhoods(
    channels: int, features: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    x = jnp.asarray(IMAGES[..., :channels], jnp.float32)
    kernel = jnp.asarray(np.random.default_rng(1).standard_normal((3, 3, channels, features)), jnp.float32)
    np.testing.assert_allclose(convolve(x, kernel), oracle(x, kernel), rtol=1e-4, atol=1e-4)
    lowered = jax.jit(jax.vmap(jax.grad(lambda *a: convolve(*a).sum(), (0, 1)))).lower(x[None], kernel[None]).as_text()
    assert "stablehlo.dot_general" in lowered and "stablehlo.convolution" not in lowered


def test_upsampling_repeats_pixels() -> None:
    expected = IMAGES.repeat(2, 1).repeat(2, 2)
    np.testing.assert_array_equal(upsample(jnp.asarray(IMAGES)), jnp.asarray(expected))


def test_pixel_shuffle_puts_channels_where_its_authors_do() -> None:
    shuffled = np.asarray(pixel_shuffle(jnp.asarray(IMAGES)))
    assert shuffled.shape == (3, 8, 12, 2)
    expected = np.empty((3, 8, 12, 2))
    for row, column, channel in itertools.product(range(8), range(12), range(2)):
        source = channel * 4 + 2 * (row % 2) + column % 2
        expected[:, row, column, channel] = IMAGES[:, row // 2, column // 2, source]
    np.testing.assert_allclose(shuffled, expected, rtol=1e-6)
    np.testing.assert_array_equal(pixel_unshuffle(jnp.asarray(shuffled)), jnp.asarray(IMAGES))


def test_resampling_is_a_matrix_on_rows_and_on_columns() -> None:
    matrix = np.random.default_rng(1).standard_normal((3, 4))
    image = IMAGES[:1, :, :4, :1]
    expected = matrix @ image[0, :, :, 0] @ matrix.T
    np.testing.assert_allclose(
        resampled(jnp.asarray(image, jnp.float32), jnp.asarray(matrix, jnp.float32))[0, :, :, 0], expected, rtol=1e-4
    )


@pytest.mark.parametrize(("name", "weights"), [("relu", 292), ("prelu", 296), ("maxout", 584)])
def test_a_layer_brings_what_its_activation_reads(name: str, weights: int) -> None:
    layer = Convolution(8, 4, recipe((ACTIVATIONS[name],)))
    assert layer(jnp.asarray(IMAGES, jnp.float32)).shape == (3, 4, 6, 4)
    assert sum(leaf.size for leaf in jax.tree.leaves(nnx.state(layer, nnx.Param))) == weights


def test_batch_norm_standardizes_each_channel_and_keeps_running_means() -> None:
    layer = Convolution(8, 4, recipe((ACTIVATIONS["identity"],)), batch_norm=True)
    x = jnp.asarray(IMAGES, jnp.float32)
    z = layer.filters(x)
    layer.train()
    found = layer(x)
    np.testing.assert_allclose(found.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(found.var((0, 1, 2)), 1, atol=1e-4)
    np.testing.assert_allclose(layer.norm.mean[...], 0.1 * z.mean((0, 1, 2)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(layer.norm.var[...], 0.9 + 0.1 * z.var((0, 1, 2)), rtol=1e-4)
    layer.eval()
    mean, var = layer.norm.mean[...], layer.norm.var[...]
    np.testing.assert_allclose(layer(x), (z - mean) / jnp.sqrt(var + 1e-5), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_few_and_many_channels_are_convolved_alike(channels: int) -> None:
    random = np.random.default_rng(channels)
    x, kernel = random.standard_normal((2, 5, 7, channels)), random.standard_normal((3, 3, channels, 6))
    with jax.enable_x64(True):
        found, pull = jax.vjp(convolve, jnp.asarray(x), jnp.asarray(kernel))
        expected, oracle_pull = jax.vjp(oracle, jnp.asarray(x), jnp.asarray(kernel))
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)
        for ours, theirs in zip(pull(found), oracle_pull(expected), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11)
