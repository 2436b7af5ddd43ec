"""The matrix product of a layer, arranged so that its gradient is as fast on a CPU as the product itself."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from bench.nn.arrangement import on_cpu

TALL = 8  # times as many features go in as come out
VECTOR = 16  # float32 numbers in 512 bits: products of ten classes take half as long again as of sixteen


def product(x: Array, kernel: Array, *_: Any, **__: Any) -> Array:
    """x W, x [..., features_in], W [features_in, features_out] -> [..., features_out]; stands in for `dot_general`."""
    features = kernel.shape[-1]
    if on_cpu() and VECTOR // 2 < features < VECTOR:
        kernel = jnp.pad(kernel, ((0, 0), (0, VECTOR - features)))
    flat = _product(x.reshape(-1, x.shape[-1]), kernel)
    return flat[:, :features].reshape(*x.shape[:-1], features)


@jax.custom_vjp
def _product(x: Array, kernel: Array) -> Array:
    return x @ kernel


def _backward(saved: tuple[Array, Array], slope: Array) -> tuple[Array, Array]:
    x, kernel = saved
    transposed = kernel.T
    if on_cpu():
        # Left to itself XLA folds the transposition into the product, which its kernel for transposed operands then
        # carries out at half the speed (38 against 81 GFLOP/s for 64 x 128 x 128); the copy costs a quarter of that.
        transposed = lax.optimization_barrier(transposed)
        if x.shape[-1] >= TALL * slope.shape[-1]:
            # Of a tall kernel the product the other way round: 10 GFLOP/s against 40 for 512 x 64 x 16.
            return slope @ transposed, lax.optimization_barrier(slope.T @ x).T
    return slope @ transposed, x.T @ slope


_product.defvjp(lambda x, kernel: (x @ kernel, (x, kernel)), _backward)


@jax.custom_vjp
def biased(x: Array, bias: Array) -> Array:
    """x + b, x [n, ..., features], b [features]."""
    return x + bias


biased.defvjp(lambda x, bias: (x + bias, None), lambda _, slope: (slope, pixel_sum(slope)))


def pixel_sum(x: Array) -> Array:
    """Σ over all but the last axis, x [n, ..., features] -> [features]."""
    # In two parts: XLA adds up the rows of all pixels of all images at once by windows, ten times as slowly.
    first = lax.optimization_barrier(x.reshape(len(x), -1).sum(0))
    return first.reshape(-1, x.shape[-1]).sum(0)
