"""Convolution of 3 x 3 pixels with a quarter of the products: Winograd's algorithm, F(4 x 4, 3 x 3).

Four pixels in a row take six products of transformed pixels in place of twelve, along rows and within each of them
along columns. Lavin and Gray 2016, "Fast algorithms for convolutional neural networks". Of few tiles those products
are too small: there neighbours are brought together along columns, as `bench.nn.convolution` does, and half are saved.
"""

from collections.abc import Sequence
from functools import partial, reduce
from math import prod
from operator import add

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from bench.nn.arrangement import on_cpu
from bench.nn.neighbours import COLUMNS, ROWS, spread
from bench.nn.products import VECTOR, product

OUT, IN = 4, 6  # pixels of a tile along one axis: of the result, and of the image that it sees
# y = OUTPUT [(KERNEL g) * (INPUT d)] for six pixels d and three weights g; points 0, 1, -1, 2, -2 and infinity
INPUT = np.array([
    [4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1],
])  # fmt: skip
KERNEL = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
OUTPUT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])
SQUARES, CHANNELS = 128, 8  # tiles of 4 x 4 pixels, and channels, from which on products of them are large enough


def fits(x: Array, kernel: Array) -> bool:
    """Whether it is faster: neither tiles of four rows nor products as wide as the features have unused parts."""
    window, features = len(kernel), kernel.shape[-1]
    return on_cpu() and window == 3 and x.shape[ROWS] % OUT == 0 and features >= VECTOR


def convolve(x: Array, kernel: Array) -> Array:
    """Σ over the window of x W, x [n, 4 t, w, c], kernel W [3, 3, c, features] -> [n, 4 t, w, features]."""
    enough = prod(x.shape[:3]) >= SQUARES * OUT**2 and kernel.shape[2] >= CHANNELS
    across = tiled if enough and x.shape[COLUMNS] % OUT == 0 else neighbouring
    products = [across(held(row), weights) for row, weights in zip(cut(x, ROWS), transformed(kernel), strict=True)]
    return joined(products, ROWS)


def neighbouring(row: Array, kernel: Array) -> Array:
    """Σ over three columns of row W, row [n, t, w, c], W [3, c, features] -> [n, t, w, features]."""
    return product(spread(row, 3, COLUMNS), kernel.reshape(-1, kernel.shape[-1]))


def tiled(row: Array, kernel: Array) -> Array:
    """The same by the algorithm again: six products for four columns."""
    channels, features = kernel.shape[1:]
    pixels = held(jnp.stack(cut(row, COLUMNS)))
    products = jax.vmap(product)(pixels.reshape(IN, -1, channels), jnp.stack(transformed(kernel)))
    shape = (*pixels.shape[1:-1], features)
    return held(joined([part.reshape(shape) for part in jnp.split(products, IN)], COLUMNS))


def transformed(kernel: Array) -> list[Array]:
    """KERNEL g of three weights g, [3, ...] -> six of [...]."""
    rows = [row.reshape(kernel.shape[1:]) for row in jnp.split(kernel, len(kernel))]
    return [combined(weights, rows) for weights in KERNEL]


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def cut(x: Array, axis: int) -> list[Array]:
    """INPUT d of six pixels d around each four along an axis, [..., 4 tiles, ...] -> six of [..., tiles, ...]."""
    first, *_, last = pixels = _pixels(x, axis)
    start = jnp.zeros_like(lax.slice_in_dim(first, 0, 1, axis=axis))
    before = jnp.concatenate([start, lax.slice_in_dim(last, 0, -1, axis=axis)], axis)
    after = jnp.concatenate([lax.slice_in_dim(first, 1, None, axis=axis), start], axis)
    return [combined(weights, [held(before), *pixels, held(after)]) for weights in INPUT]


def _of_cut(axis: int, _: None, slopes: Sequence[Array]) -> tuple[Array]:
    before, *pixels, after = (held(combined(weights, slopes)) for weights in INPUT.T)

    def some(*bounds: int | None) -> tuple[slice, ...]:
        return (*[slice(None)] * axis, slice(*bounds))

    pixels[0] = pixels[0].at[some(1, None)].add(after[some(None, -1)])
    pixels[-1] = pixels[-1].at[some(None, -1)].add(before[some(1, None)])
    return (held(_together(pixels, axis)),)


cut.defvjp(lambda x, axis: (cut(x, axis), None), _of_cut)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def joined(products: Sequence[Array], axis: int) -> Array:
    """OUTPUT m of six products m of each tile along an axis, six of [..., tiles, ...] -> [..., 4 tiles, ...]."""
    return _together([combined(weights, products) for weights in OUTPUT], axis)


def _of_joined(axis: int, _: None, slope: Array) -> tuple[list[Array]]:
    pixels = _pixels(slope, axis)
    return ([combined(weights, pixels) for weights in OUTPUT.T],)


joined.defvjp(lambda products, axis: (joined(products, axis), None), _of_joined)


def combined(weights: np.ndarray, parts: Sequence[Array]) -> Array:
    """Σ over i of weights[i] parts[i], of some that are not all zero."""
    pairs = [(weight, part) for weight, part in zip(weights.tolist(), parts, strict=True) if weight]
    return reduce(add, [part if weight == 1 else weight * part for weight, part in pairs])


def held(x: Array) -> Array:
    """x, which is computed once: fused into each of its uses it would be computed anew there."""
    barred: Array = lax.optimization_barrier(x)
    return barred


def _pixels(x: Array, axis: int) -> list[Array]:
    """The four of each tile along an axis: [..., 4 tiles, ...] -> four of [..., tiles, ...]."""
    inner = x.reshape(*x.shape[:axis], -1, OUT, *x.shape[axis + 1 :])
    return [lax.index_in_dim(inner, i, axis + 1, keepdims=False) for i in range(OUT)]


def _together(pixels: Sequence[Array], axis: int) -> Array:
    """What `_pixels` takes apart."""
    stacked = jnp.stack(pixels, axis + 1)
    return stacked.reshape(*stacked.shape[:axis], -1, *stacked.shape[axis + 2 :])
