"""Pixels beside those around them, and back: what turns a convolution into matrix products.

Images are [n, row, column, channel].
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax

ROWS, COLUMNS = 1, 2  # axes of images


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def spread(x: Array, window: int, axis: int) -> Array:
    """Each pixel beside those around it along an axis, [..., c] -> [..., window c]; `window` is odd, borders are zero.

    The i-th of `window` blocks of channels is x shifted so that pixel p stands for p + i - window // 2.
    """
    reach, size = window // 2, x.shape[axis]
    padded = jnp.pad(x, [(reach, reach) if i == axis else (0, 0) for i in range(x.ndim)])
    return jnp.concatenate([lax.slice_in_dim(padded, i, i + size, axis=axis) for i in range(window)], axis=-1)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def gathered(y: Array, window: int, axis: int) -> Array:
    """What `spread` transposes to: blocks of channels shifted back and added, [..., window c] -> [..., c]."""
    reach, size, channels = window // 2, y.shape[axis], y.shape[-1] // window
    total = y[..., reach * channels : (reach + 1) * channels]
    for i in [i for i in range(window) if i != reach]:
        shift = i - reach
        # Adding to a part vectorizes; adding what is padded to the whole does not.
        block = y[..., i * channels : (i + 1) * channels]
        source = lax.slice_in_dim(block, max(-shift, 0), size - max(shift, 0), axis=axis)
        target = [slice(max(shift, 0), size - max(-shift, 0)) if j == axis else slice(None) for j in range(y.ndim)]
        total = total.at[tuple(target)].add(source)
    return total


spread.defvjp(lambda x, *how: (spread(x, *how), None), lambda window, axis, _, slope: (gathered(slope, window, axis),))
gathered.defvjp(
    lambda y, *how: (gathered(y, *how), None), lambda window, axis, _, slope: (spread(slope, window, axis),)
)
