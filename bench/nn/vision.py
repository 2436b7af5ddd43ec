"""Models of images: flax.nnx modules made by a recipe. x [n, row, column, channel] of `size` = (rows, columns)."""

from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from bench.nn.convolution import (
    Convolution,
    Filters,
    pixel_shuffle,
    pixel_unshuffle,
    resampled,
    upsample,
)
from bench.nn.layers import Recipe, linear
from bench.nn.pooling import max_pool

START = 0.1  # scale of what a network adds to a given image, which keeps its start near it; Lim et al. 2017, EDSR


class CNN(nnx.Module):
    """Convolution and max pooling in turn, one pair for each of `features`, then a dense layer: -> [n, outputs].

    `shape` is (height, width, channels) of an image. LeCun et al. 1998.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        features: tuple[int, ...],
        outputs: int,
        recipe: Recipe,
        batch_norm: bool = False,
    ) -> None:
        self.convolutions = nnx.List(
            [Convolution(a, b, recipe, batch_norm=batch_norm) for a, b in pairwise((shape[2], *features))]
        )
        flat = (shape[0] >> len(features)) * (shape[1] >> len(features)) * features[-1]
        self.output = linear(flat, outputs, recipe)

    def __call__(self, x: jax.Array) -> jax.Array:
        for convolution in self.convolutions:
            x = convolution.pooled(x)
        return self.output(x.reshape(len(x), -1))


class Detector(nnx.Module):
    """One object: each cell of 4 x 4 pixels says what it sees, where, and how much it counts: -> [n, outputs].

    The sum over cells of softmax(score) times (logits, the cell's centre + a distance), as shares of the image from its
    middle: nothing is learned anew for another place.
    """

    def __init__(self, features: int, logits: int, recipe: Recipe) -> None:
        self.first = Convolution(1, features, recipe)
        self.second = Convolution(features, 2 * features, recipe)
        self.third = Convolution(2 * features, 2 * features, recipe)
        self.output = Filters(2 * features, 1 + logits + 4, recipe, window=1)

    def __call__(self, x: jax.Array) -> jax.Array:
        z = self.output(self.third(self.second.pooled(self.first.pooled(x))))
        n, high, wide, _ = z.shape
        rows, columns = jnp.arange(high) / high, jnp.arange(wide) / wide
        zeros = jnp.zeros((high, wide))
        middles = [jnp.broadcast_to(columns, (high, wide)), jnp.broadcast_to(rows[:, None], (high, wide)), zeros, zeros]
        places = jnp.stack([*[zeros] * (z.shape[-1] - 5), *[m - m.mean() for m in middles]], axis=-1)
        counts = jax.nn.softmax(z[..., 0].reshape(n, -1)).reshape(n, high, wide, 1)
        return (counts * (places + z[..., 1:])).sum((1, 2))


class UNet(nnx.Module):
    """Down and up with a skip: -> [n, row, column, classes]. After Ronneberger, Fischer and Brox 2015.

    Works at half the resolution and, below, at a quarter; the last layer's channels become 2 x 2 pixels.
    """

    def __init__(self, features: int, classes: int, recipe: Recipe) -> None:
        self.enter = Convolution(4, features, recipe)
        self.down = Convolution(features, features, recipe)
        self.bottom = Convolution(features, 2 * features, recipe)
        self.up = Convolution(3 * features, features, recipe, window=1)
        self.output = Filters(features, 4 * classes, recipe, window=1)

    def __call__(self, x: jax.Array) -> jax.Array:
        wide = self.down(self.enter(pixel_unshuffle(x)))
        deep = self.bottom(max_pool(wide, 2))
        return pixel_shuffle(self.output(self.up(jnp.concatenate([wide, upsample(deep)], axis=-1))))


class SuperResolution(nnx.Module):
    """What bicubic interpolation gives plus what is learned, [n, h, h, 3] -> [n, 2 h, 2 h, 3].

    The convolutions work at the low resolution and end in a pixel shuffle (Shi et al. 2016); only the rest is learned
    (Kim, Lee and Lee 2016). `matrix` [2 h, h] interpolates rows and columns.
    """

    def __init__(self, features: int, matrix: "jax.typing.ArrayLike", recipe: Recipe) -> None:
        self.layers = nnx.List([Convolution(3, features, recipe), Convolution(features, features, recipe)])
        self.output = Filters(features, 3 * 4, recipe)
        self.matrix = matrix

    def __call__(self, x: jax.Array) -> jax.Array:
        z = x - 0.5
        for layer in self.layers:
            z = layer(z)
        return resampled(x, jnp.asarray(self.matrix)) + START * pixel_shuffle(self.output(z))


class Colorization(nnx.Module):
    """The grey itself plus what is learned at half the resolution, [n, h, w, 1] -> [n, h, w, 3]."""

    def __init__(self, features: int, recipe: Recipe) -> None:
        self.layers = nnx.List([Convolution(4, features, recipe), Convolution(features, features, recipe)])
        self.output = Filters(features, 3 * 4, recipe)

    def __call__(self, x: jax.Array) -> jax.Array:
        z = pixel_unshuffle(x) - 0.5
        for layer in self.layers:
            z = layer(z)
        return x + START * pixel_shuffle(self.output(z))
