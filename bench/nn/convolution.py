"""Convolution and what goes with it: images are [..., row, column, channel], borders are padded with zeros."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax

from bench.nn import direct, winograd
from bench.nn.layers import Activate, Recipe
from bench.nn.neighbours import COLUMNS, ROWS, gathered, spread
from bench.nn.normalization import BatchNorm
from bench.nn.pooling import largest_of, max_pool
from bench.nn.products import biased, product

MOMENTUM = 0.9  # of the running means: a few hundred steps are a whole training here


FEW_CHANNELS = 3  # up to here a product of one row's pixels is too thin


def convolve(x: Array, kernel: Array) -> Array:
    """Σ over the window of x W, x [n, h, w, c], kernel W [window, window, c, features] -> [n, h, w, features].

    Matrix products: under `vmap` the gradient of XLA's own convolution is a grouped one with a kernel as large as the
    image, and on a CPU it takes 30 times as long in a loop. There columns are brought together before the product and
    rows added after it, so that neither side is `window`² times the image; of few channels, and on a GPU, both are
    brought together before. Where it fits Winograd's algorithm multiplies them, with half or a quarter of the products.
    """
    window, _, channels, features = kernel.shape
    if window == 1:
        return product(x, kernel[0, 0])
    all_before = channels <= FEW_CHANNELS or jax.default_backend() != "cpu"
    if not all_before and winograd.fits(x, kernel):
        return winograd.convolve(x, kernel)
    columns = spread(x, window, COLUMNS)
    if all_before:
        return product(spread(columns, window, ROWS), kernel.reshape(-1, features))
    # Rows are shifted back where they are added: the last first.
    turned = kernel[::-1].transpose(1, 2, 0, 3).reshape(window * channels, window * features)
    return gathered(product(columns, turned), window, ROWS)


class Filters(nnx.Module):
    """x * W + b, [n, h, w, features_in] -> [n, h, w, features_out], W [window, window, in, out]; b starts at 0."""

    def __init__(self, features_in: int, features_out: int, recipe: Recipe, window: int = 3) -> None:
        shape = (window, window, features_in, features_out)
        self.kernel = nnx.Param(recipe.kernel_init(recipe.rngs.params(), shape, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(features_out))

    def __call__(self, x: Array) -> Array:
        return biased(self.unbiased(x), self.bias[...])

    def unbiased(self, x: Array) -> Array:
        return convolve(x, self.kernel[...])


class Convolution(nnx.Module):
    """f(x * W + b), [n, h, w, features_in] -> [n, h, w, features_out]; with `batch_norm`, f(normalized(x * W + b)).

    Batch normalization (Ioffe and Szegedy 2015) has a scale and a shift for each channel, and running means.
    """

    def __init__(
        self, features_in: int, features_out: int, recipe: Recipe, window: int = 3, batch_norm: bool = False
    ) -> None:
        self.pieces = recipe.activations[0].pieces
        channels = features_out * self.pieces
        self.filters = Filters(features_in, channels, recipe, window)
        self.norm = BatchNorm(channels, MOMENTUM, recipe.rngs) if batch_norm else None
        self.activate = Activate(features_out, recipe.activations)

    def __call__(self, x: Array) -> Array:
        z = self.filters(x)
        return self.activate(z if self.norm is None else self.norm(z))

    def pooled(self, x: Array, size: int = 2) -> Array:
        """The largest of each size x size pixels of f(x * W + b), -> [n, h / size, w / size, features_out].

        Pooled before what leaves the largest pixel the largest, or by its order: that then works on one of size²
        pixels, and so do its gradients.
        """
        if self.pieces > 1:
            return max_pool(self(x), size)
        if self.norm is not None:
            z = lax.optimization_barrier(self.norm(self.filters(x)))  # or each search for the largest normalizes anew
            return self.activate(max_pool(z, size, by=self.activate.order(z)))
        kernel, bias = self.filters.kernel[...], self.filters.bias[...]
        if jax.default_backend() == "cpu" and direct.fits(x, kernel, size):
            places = direct.convolve(x, kernel, size)
            order = self.activate.order(jnp.stack(places) + bias)  # of all places at once: one switch
            return self.activate(biased(largest_of(places, by=None if order is None else list(order)), bias))
        z = self.filters.unbiased(x)
        return self.activate(biased(max_pool(z, size, by=self.activate.order(z + bias)), bias))


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
    tiles = x.reshape(n, high // size, size, wide // size, size, channels).transpose(0, 1, 3, 5, 2, 4)
    return tiles.reshape(n, high // size, wide // size, channels * size**2)


def resampled(x: Array, matrix: Array) -> Array:
    """M X Mᵀ for each channel, [n, h, h, c] -> [n, r, r, c], M [r, h]: any separable change of size."""
    return jnp.einsum("ri,nijc,sj->nrsc", matrix, x, matrix)
