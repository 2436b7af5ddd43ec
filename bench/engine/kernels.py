"""What the machine can do at most: the rate of a large product and of a stream, by the device of this process."""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bench.engine.compile import compile_lowered

# Large enough for what the device can do: on a GPU a call costs more than a small product, and its cache is large.
PRODUCTS = {"cpu": (512, 1024), "gpu": (4096, 8192)}  # rows and columns
STREAMS = {"cpu": 2**26, "gpu": 2**30}  # bytes of an array


def ceilings(seconds: float = 0.15) -> dict[str, float]:
    """The rates of a large float32 product, at the precision that is set, and of a stream; `seconds` for each size."""
    stream = triad_bandwidth(STREAMS[jax.default_backend()], seconds)
    return {"gemm_flops_per_s": largest_gemm_rate(seconds), "triad_bytes_per_s": stream}


def largest_gemm_rate(seconds: float = 0.15) -> float:
    """FLOP/s of the fastest of some large float32 products, at the precision that is set."""
    return max(gemm_rate(size, seconds=seconds) for size in PRODUCTS[jax.default_backend()])


def gemm_rate(n: int, dtype: str = "float32", seconds: float = 0.15) -> float:
    """FLOP/s of the product of two [n, n] matrices of `dtype`, at the precision that is set: the best call."""
    a = jnp.asarray(np.random.default_rng(0).standard_normal((n, n), np.float32), dtype)  # no program of its own
    call = compile_lowered(jax.jit(lambda x, y: x @ y).lower(a, a)).call
    return 2.0 * n**3 / _fastest(lambda: call(a, a), seconds)


def triad_bandwidth(bytes_: int = 2**26, seconds: float = 0.15) -> float:
    """Bytes a second of a = b + s a over arrays of `bytes_` each, two read and one written in place: the best call.

    Source: McCalpin, Memory Bandwidth and Machine Balance in Current High Performance Computers, 1995.
    """
    arrays = [jnp.ones(bytes_ // 4, jnp.float32), jnp.ones(bytes_ // 4, jnp.float32)]
    call = compile_lowered(jax.jit(lambda a, b: b + 0.5 * a, donate_argnums=0).lower(*arrays)).call

    def once() -> Any:
        arrays[0] = call(*arrays)  # into the memory that it had: fresh pages would be timed too
        return arrays[0]

    return 3.0 * bytes_ / _fastest(once, seconds)


def _fastest(call: Callable[[], Any], seconds: float) -> float:
    jax.block_until_ready(call())
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        jax.block_until_ready(call())
        best = min(best, time.perf_counter() - start)
    return best
