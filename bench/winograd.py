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
from jax import Array, lax

from bench.neighbours import COLUMNS, ROWS, gathered
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
    products = [product(part, kernels[i]) for i, part in enumerate(transformed(x))]
    y = jnp.stack([combined(weights, products) for weights in OUTPUT], axis=2)
    return y.reshape(*x.shape[:3], features)


def combined(weights: np.ndarray, parts: Sequence[Array]) -> Array:
    """Σ over i of weights[i] parts[i], of some that are not all zero."""
    pairs = [(weight, part) for weight, part in zip(weights.tolist(), parts, strict=True) if weight]
    return reduce(add, [part if weight == 1 else weight * part for weight, part in pairs])


@jax.custom_vjp
def transformed(x: Array) -> tuple[Array, ...]:
    """INPUT d of the six rows d of each tile of four, each pixel beside its neighbours; borders are zero.

    [n, 4 t, w, c] -> six of [n, t, w, 3 c].
    """
    n, h, w, channels = x.shape
    padded = jnp.pad(x, ((0, 0), (1, ROWS_OUT - 1), (1, 1), (0, 0))).reshape(n, -1, ROWS_OUT, w + 2, channels)
    rows = [padded[:, i // ROWS_OUT :, i % ROWS_OUT][:, : h // ROWS_OUT] for i in range(ROWS_IN)]
    # Held, or each is computed anew for each of its three places.
    parts = [lax.optimization_barrier(combined(weights, rows)) for weights in INPUT]
    return tuple(jnp.concatenate([part[:, :, first : first + w] for first in range(3)], axis=-1) for part in parts)


def _back(_: None, slopes: Sequence[Array]) -> tuple[Array]:
    """What `transformed` transposes to: six of [n, t, w, 3 c] -> [n, 4 t, w, c]."""
    parts = [gathered(slope, 3, COLUMNS) for slope in slopes]
    above, *rows, below = (combined(weights, parts) for weights in INPUT.T)
    rows[0] = rows[0].at[:, 1:].add(below[:, :-1])  # the last of the tile above
    rows[3] = rows[3].at[:, :-1].add(above[:, 1:])  # the first of the tile below
    n, w, channels = len(rows[0]), *rows[0].shape[2:]
    # Held, or all of it is fused into what follows and computed there anew.
    together = jnp.stack(rows, axis=2).reshape(n, -1, w, channels)
    return (lax.optimization_barrier(together),)


transformed.defvjp(lambda x: (transformed(x), None), _back)
