"""Models of images: flax.nnx modules made by a recipe. x [n, row, column, channel] of `size` = (rows, columns)."""

from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from bench.convolution import (
    Convolution,
    Filters,
    max_pool,
    pixel_shuffle,
    pixel_unshuffle,
    resampled,
    upsample,
)
from bench.layers import Dense, Recipe, linear


class CNN(nnx.Module):
    """Convolution and max pooling in turn, one pair for each of `features`, then dense layers: -> [n, outputs].

    `hidden` is the width of a dense layer before the last; 0: there is none. LeCun et al. 1998.
    """

    def __init__(
        self,
        side: int,
        features: tuple[int, ...],
        outputs: int,
        recipe: Recipe,
        hidden: int = 0,
        batch_norm: bool = False,
    ) -> None:
        self.convolutions = nnx.List(
            [Convolution(a, b, recipe, batch_norm=batch_norm) for a, b in pairwise((1, *features))]
        )
        flat = (side >> len(features)) ** 2 * features[-1]
        self.hidden = Dense(flat, hidden, recipe) if hidden else None
        self.output = linear(hidden or flat, outputs, recipe)

    def __call__(self, x: jax.Array) -> jax.Array:
        for convolution in self.convolutions:
            x = max_pool(convolution(x))
        x = x.reshape(len(x), -1)
        return self.output(x if self.hidden is None else self.hidden(x))


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
        deep = self.bottom(max_pool(wide))
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
        return resampled(x, jnp.asarray(self.matrix)) + pixel_shuffle(self.output(z))


class Colorization(nnx.Module):
    """The grey itself plus what is learned at half the resolution, [n, h, w, 1] -> [n, h, w, 3]."""

    def __init__(self, features: int, recipe: Recipe) -> None:
        self.layers = nnx.List([Convolution(4, features, recipe), Convolution(features, features, recipe)])
        self.output = Filters(features, 3 * 4, recipe)

    def __call__(self, x: jax.Array) -> jax.Array:
        z = pixel_unshuffle(x) - 0.5
        for layer in self.layers:
            z = layer(z)
        return x + pixel_shuffle(self.output(z))
