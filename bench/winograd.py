"""Convolution of 3 x 3 pixels with half the products: Winograd's algorithm along rows, F(4, 3).

Four rows of a result take six products of transformed rows in place of twelve. Lavin and Gray 2016, "Fast algorithms
for convolutional neural networks"; along columns neighbours are brought together, as `bench.convolution` does.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import reduce
from operator import add

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bench.neighbours import COLUMNS, ROWS, spread
from bench.products import VECTOR, product

ROWS_OUT, ROWS_IN = 4, 6  # of a tile
# y = OUTPUT [(KERNEL g) * (INPUT d)] for six rows d and three weights g; points 0, 1, -1, 2, -2 and infinity
INPUT = np.array([
    [4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1],
])  # fmt: skip
KERNEL = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
OUTPUT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])


_used = ContextVar("used", default=True)


@contextmanager
def unused() -> Iterator[None]:
    """Within it nothing fits: for what runs too seldom to pay for compiling it, and for counting operations."""
    token = _used.set(False)
    try:
        yield
    finally:
        _used.reset(token)


def fits(x: Array, kernel: Array) -> bool:
    """Whether it is faster: neither tiles of four rows nor products as wide as the features have unused parts."""
    window, features = len(kernel), kernel.shape[-1]
    return _used.get() and window == 3 and x.shape[ROWS] % ROWS_OUT == 0 and features >= VECTOR


def convolve(x: Array, kernel: Array) -> Array:
    """Σ over the window of x W, x [n, 4 t, w, c], kernel W [3, 3, c, features] -> [n, 4 t, w, features]."""
    channels, features = kernel.shape[2:]
    kernels = jnp.einsum("ij,jwcf->iwcf", KERNEL.astype(x.dtype), kernel).reshape(ROWS_IN, 3 * channels, features)
    rows = tiled(x)
    products = [product(spread(combined(weights, rows), 3, COLUMNS), kernels[i]) for i, weights in enumerate(INPUT)]
    y = jnp.stack([combined(weights, products) for weights in OUTPUT], axis=2)
    return y.reshape(*x.shape[:3], features)


def combined(weights: np.ndarray, parts: Sequence[Array]) -> Array:
    """Σ over i of weights[i] parts[i], of some that are not all zero."""
    pairs = [(weight, part) for weight, part in zip(weights.tolist(), parts, strict=True) if weight]
    return reduce(add, [part if weight == 1 else weight * part for weight, part in pairs])


@jax.custom_vjp
def tiled(x: Array) -> tuple[Array, ...]:
    """The six rows of each tile of four and one around, [n, 4 t, w, c] -> six of [n, t, w, c]; borders are zero."""
    n, h, w, channels = x.shape
    padded = jnp.pad(x, ((0, 0), (1, ROWS_OUT - 1), (0, 0), (0, 0))).reshape(n, -1, ROWS_OUT, w, channels)
    return tuple(padded[:, i // ROWS_OUT :, i % ROWS_OUT][:, : h // ROWS_OUT] for i in range(ROWS_IN))


def untiled(rows: Sequence[Array]) -> Array:
    """What `tiled` transposes to: six of [n, t, w, c] added up where they came from, -> [n, 4 t, w, c]."""
    n, tiles, w, channels = rows[0].shape
    # Row by row in place: one expression of them all would be fused into what follows and computed there anew.
    total = jnp.zeros((n, tiles + 1, ROWS_OUT, w, channels), rows[0].dtype)
    for i, row in enumerate(rows):
        first, place = divmod(i, ROWS_OUT)
        total = total.at[:, first : first + tiles, place].add(row)
    return total.reshape(n, -1, w, channels)[:, 1 : tiles * ROWS_OUT + 1]


tiled.defvjp(lambda x: (tiled(x), None), lambda _, slopes: (untiled(slopes),))
