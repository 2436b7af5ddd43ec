"""Batch normalization: flax's, but for how its sums over images and pixels are computed."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax

from bench.nn.products import pixel_sum

EPSILON = 1e-5  # flax's


class BatchNorm(nnx.BatchNorm):
    """Normalized over all but the last axis, x [n, ..., features] -> the same; parameters and running means are flax's.

    Source: Ioffe and Szegedy, Batch Normalization, 2015.
    """

    def __init__(self, features: int, momentum: float, rngs: nnx.Rngs) -> None:
        super().__init__(features, momentum=momentum, epsilon=EPSILON, rngs=rngs)

    def __call__(self, x: Array) -> Array:  # train() and eval() tell which it is
        assert self.scale is not None and self.bias is not None
        scale, bias = self.scale[...], self.bias[...]
        if self.use_running_average:
            return (x - self.mean[...]) * (scale * lax.rsqrt(self.var[...] + EPSILON)) + bias
        y, mean, variance = normalized(x, scale, bias)
        for kept, found in ((self.mean, mean), (self.var, variance)):
            kept[...] = lax.stop_gradient(self.momentum * kept[...] + (1 - self.momentum) * found)
        return y


@jax.custom_vjp
def normalized(x: Array, scale: Array, bias: Array) -> tuple[Array, Array, Array]:
    """((x - mean) / √(variance + ε) scale + bias, mean, variance) over all but the last axis of x [n, ..., features].

    The gradient is that by the first of the three.
    """
    mean, variance, rate = _moments(x)
    return (x - mean) * (rate * scale) + bias, mean, variance


def _moments(x: Array) -> tuple[Array, Array, Array]:
    count = x.size // x.shape[-1]
    mean = pixel_sum(x) / count
    variance = jnp.maximum(pixel_sum(x * x) / count - mean * mean, 0)
    return mean, variance, lax.rsqrt(variance + EPSILON)


def _forward(x: Array, scale: Array, bias: Array) -> tuple[tuple[Array, Array, Array], tuple[Array, ...]]:
    mean, variance, rate = _moments(x)
    return ((x - mean) * (rate * scale) + bias, mean, variance), (x, scale, mean, rate)


def _backward(kept: tuple[Array, ...], slopes: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
    x, scale, mean, rate = kept
    slope, count = slopes[0], x.size // x.shape[-1]
    centered = (x - mean) * rate
    by_bias, by_scale = pixel_sum(slope), pixel_sum(slope * centered)
    return rate * scale * (slope - by_bias / count - centered * (by_scale / count)), by_scale, by_bias


normalized.defvjp(_forward, _backward)
