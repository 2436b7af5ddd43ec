"""Max pooling of images [n, row, column, channel]."""

from functools import reduce
from operator import add
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax


def max_pool(x: Array, size: int, by: Array | None = None) -> Array:
    """The largest of each size x size pixels, [n, h, w, c] -> [n, h / size, w / size, c].

    Of equal ones the first, by rows, has the gradient: choosing it by its place is faster than sharing it out. With
    `by`, as large as x, the pixel of x where that is largest.
    """
    return largest_of(_pixels(x, size), None if by is None else _pixels(by, size))


def largest_of(places: list[Array], by: list[Array] | None = None) -> Array:
    """The same of squares whose places are images of their own, by rows: size² of [n, h / size, w / size, c]."""
    return _pooled(places, by)


@jax.custom_jvp
def _pooled(places: list[Array], by: list[Array] | None) -> Array:
    return lax.optimization_barrier(largest(places, by)[0])


@_pooled.defjvp
def _(primals: tuple[list[Array], list[Array] | None], tangents: tuple[list[Array], Any]) -> tuple[Array, Array]:
    # Held, or the search for the largest is fused into what follows and made anew for each pixel of that.
    pixel, place = lax.optimization_barrier(largest(*primals))
    moved = [jnp.where(place == i, tangent, 0) for i, tangent in enumerate(tangents[0])]
    # Held on the way back, or what makes the slopes is fused with bringing them apart, number by number.
    return pixel, lax.optimization_barrier(reduce(add, moved))


def largest(places: list[Array], by: list[Array] | None) -> tuple[Array, Array]:
    """The largest pixel of each square, or that where `by` is, and its place; not a number where one of them is not.

    Both [n, h / size, w / size, c]. By comparing images: reductions over axes between others are not vectorized and
    took fifteen times as long.
    """
    first, *others = places if by is None else by
    most, place = first, jnp.zeros(first.shape, jnp.int32)
    for i, other in enumerate(others, 1):
        place, most = jnp.where(other > most, i, place), jnp.maximum(most, other)
    if by is None:
        return most, place
    pixel = lax.select_n(place, *places)
    return jnp.where(jnp.isnan(most), most, pixel), place


def _pixels(x: Array, size: int) -> list[Array]:
    """Those of each place of a square, by rows: size² of [n, h / size, w / size, c].

    By splitting, whose gradient puts them side by side.
    """
    n, high, wide, channels = x.shape
    rows = jnp.split(x.reshape(n, high // size, size, wide // size, size * channels), size, axis=2)
    return [pixel for row in rows for pixel in jnp.split(row[:, :, 0], size, axis=-1)]
