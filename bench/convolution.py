"""Convolution and what goes with it: images are [..., row, column, channel], borders are padded with zeros."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax

from bench.layers import Activate, Recipe
from bench.products import product

MOMENTUM = 0.9  # of the running means: a few hundred steps are a whole training here


def neighbourhoods(x: Array, window: int) -> Array:
    """Each pixel with those around it, [n, h, w, c] -> [n, h, w, window² c]; `window` is odd."""
    high, wide = x.shape[1:3]
    reach = window // 2
    padded = jnp.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    shifted = [padded[:, i : i + high, j : j + wide] for i in range(window) for j in range(window)]
    return jnp.concatenate(shifted, axis=-1) if window > 1 else x


def convolve(x: Array, kernel: Array) -> Array:
    """Σ over the window of x W, x [n, h, w, c], kernel W [window, window, c, features] -> [n, h, w, features].

    On a CPU one matrix product of neighbourhoods: the gradient of XLA's own convolution takes 30 times as long in a
    loop, and under `vmap` it becomes a grouped one, which is worse.
    """
    if jax.default_backend() == "cpu":
        return product(neighbourhoods(x, len(kernel)), kernel.reshape(-1, kernel.shape[-1]))
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


class Filters(nnx.Module):
    """x * W + b, [n, h, w, features_in] -> [n, h, w, features_out], W [window, window, in, out]; b starts at 0."""

    def __init__(self, features_in: int, features_out: int, recipe: Recipe, window: int = 3) -> None:
        shape = (window, window, features_in, features_out)
        self.kernel = nnx.Param(recipe.kernel_init(recipe.rngs.params(), shape, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(features_out))

    def __call__(self, x: Array) -> Array:
        return convolve(x, self.kernel[...]) + self.bias[...]


class Convolution(nnx.Module):
    """f(x * W + b), [n, h, w, features_in] -> [n, h, w, features_out]; with `batch_norm`, f(normalized(x * W + b)).

    Batch normalization (Ioffe and Szegedy 2015) has a scale and a shift for each channel, and running means.
    """

    def __init__(
        self, features_in: int, features_out: int, recipe: Recipe, window: int = 3, batch_norm: bool = False
    ) -> None:
        channels = features_out * recipe.activations[0].pieces
        self.filters = Filters(features_in, channels, recipe, window)
        self.norm = nnx.BatchNorm(channels, momentum=MOMENTUM, rngs=recipe.rngs) if batch_norm else None
        self.activate = Activate(features_out, recipe.activations)

    def __call__(self, x: Array) -> Array:
        z = self.filters(x)
        return self.activate(z if self.norm is None else self.norm(z))


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def max_pool(x: Array, size: int = 2) -> Array:
    """The largest of each size x size pixels, [n, h, w, c] -> [n, h / size, w / size, c].

    Of equal ones the first, by rows, has the gradient: choosing it by its place is faster than sharing it out.
    """
    return _tiles(x, size).max((2, 4))


@max_pool.defjvp
def _(size: int, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    tiles, moved = _tiles(*primals, size), _tiles(*tangents, size)
    largest = tiles.max((2, 4), keepdims=True)
    places = jnp.arange(size**2, dtype=jnp.int32).reshape(size, 1, size, 1)
    first = jnp.where(tiles == largest, places, size**2).min((2, 4), keepdims=True)
    return largest.squeeze((2, 4)), jnp.where(first == places, moved, 0).sum((2, 4))


def average_pool(x: Array, size: int = 2) -> Array:
    """The mean of each size x size pixels, [n, h, w, c] -> [n, h / size, w / size, c]."""
    return _tiles(x, size).mean((2, 4))


def upsample(x: Array, size: int = 2) -> Array:
    """Each pixel size x size times, [n, h, w, c] -> [n, h size, w size, c]."""
    n, high, wide, channels = x.shape
    spread = jnp.broadcast_to(x[:, :, None, :, None], (n, high, size, wide, size, channels))
    return spread.reshape(n, high * size, wide * size, channels)


def pixel_shuffle(x: Array, size: int = 2) -> Array:
    """Channels to pixels, [n, h, w, c size²] -> [n, h size, w size, c]; channel (c, i, j) to row i, column j.

    Shi et al. 2016, "Real-time single image and video super-resolution".
    """
    n, high, wide, channels = x.shape
    tiles = x.reshape(n, high, wide, channels // size**2, size, size).transpose(0, 1, 4, 2, 5, 3)
    return tiles.reshape(n, high * size, wide * size, channels // size**2)


def pixel_unshuffle(x: Array, size: int = 2) -> Array:
    """Pixels to channels: what `pixel_shuffle` undoes."""
    n, high, wide, channels = x.shape
    tiles = _tiles(x, size).transpose(0, 1, 3, 5, 2, 4)
    return tiles.reshape(n, high // size, wide // size, channels * size**2)


def resampled(x: Array, matrix: Array) -> Array:
    """M X Mᵀ for each channel, [n, h, h, c] -> [n, r, r, c], M [r, h]: any separable change of size."""
    return jnp.einsum("ri,nijc,sj->nrsc", matrix, x, matrix)


def _tiles(x: Array, size: int) -> Array:
    n, high, wide, channels = x.shape
    return x.reshape(n, high // size, size, wide // size, size, channels)
