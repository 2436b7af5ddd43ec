"""Convolution of one channel without a matrix product: shifted images, each times a weight, added up.

A product would spend its time on bringing the few neighbours of each pixel together. Here each place of a pooling
square has an image of its own, so that pooling compares whole images and nothing is moved for it.
"""

from collections.abc import Callable
from functools import partial, reduce
from itertools import product
from operator import add

import jax
import jax.numpy as jnp
from jax import Array

from bench.nn.arrangement import on_cpu
from bench.nn.products import VECTOR
from bench.nn.winograd import held

WIDE = 16  # pixels of a row: with eight, shifts of four move little at a time, and a product was a tenth faster


def fits(x: Array, kernel: Array, size: int) -> bool:
    """Whether it is faster: of one channel, with rows that are long enough and features that fill a vector."""
    _, high, wide, channels = x.shape
    whole = high % size == 0 and wide % size == 0 and len(kernel) % 2 == 1
    return on_cpu() and whole and channels == 1 and wide >= WIDE and kernel.shape[-1] >= VECTOR


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(x: Array, kernel: Array, size: int) -> list[Array]:
    """Σ over the window of x W at each place of size x size pixels, by rows; borders are padded with zeros.

    x [n, h, w, 1], W [window, window, 1, features] -> size² of [n, h / size, w / size, features].
    """
    return _sums(x, kernel, size)


def _backward(size: int, saved: tuple[Array, Array], slopes: list[Array]) -> tuple[Array, Array]:
    x, kernel = saved
    at, window = _shifts(x, len(kernel), size), _square(len(kernel))
    # Neighbours as rows and slopes in one: as columns, neighbours are brought together number by number, and over the
    # short last axis of images masks of slopes take three times as long.
    rows = [jnp.stack([at(a + i, e + j) for a, e in _square(size)]).reshape(-1) for i, j in window]
    slope = held(jnp.concatenate([slope.reshape(-1) for slope in slopes])).reshape(-1, kernel.shape[-1])
    _, of_x = jax.vjp(lambda x: _sums(x, kernel, size), x)
    return *of_x(slopes), (held(jnp.stack(rows)) @ slope).reshape(kernel.shape)


convolve.defvjp(lambda x, kernel, size: (_sums(x, kernel, size), (x, kernel)), _backward)


def _sums(x: Array, kernel: Array, size: int) -> list[Array]:
    at, window = _shifts(x, len(kernel), size), _square(len(kernel))

    def pixel(a: int, e: int) -> Array:
        return held(reduce(add, [at(a + i, e + j)[..., None] * kernel[i, j, 0] for i, j in window]))

    return [pixel(*place) for place in _square(size)]


def _shifts(x: Array, window: int, size: int) -> Callable[[int, int], Array]:
    """The function (i, j) -> the pixel i rows down and j columns right of each square's upper left neighbour.

    [n, h / size, w / size], x [n, h, w, 1]. Pixels of equal places are brought together first, so that every shift of
    them is whole rows.
    """
    _, high, wide, _ = x.shape
    padded = jnp.pad(x[..., 0], [(0, 0)] + [(window // 2, window // 2)] * 2)
    alike = {(a, e): held(padded[:, a::size, e::size]) for a, e in _square(size)}

    def at(i: int, j: int) -> Array:
        down, right = i // size, j // size
        return alike[i % size, j % size][:, down : down + high // size, right : right + wide // size]

    return at


def _square(size: int) -> list[tuple[int, int]]:
    return list(product(range(size), range(size)))
