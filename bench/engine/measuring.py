"""What `bench info --measure` measures in a worker: rates by size, and what a call and a step of a scan cost."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from bench.engine import kernels
from bench.engine.compile import compile_lowered

GEMM_SIZES = (64, 128, 256)  # and those of the ceiling
GEMM_TYPES = ("float32", "bfloat16")
TRIAD_BYTES = (2**14, 2**18, 2**22, 2**26, 2**28)  # of one array, two are alive; and that of the ceiling
SCAN_STEPS = 10_000
SAMPLES = 30


def one_worker() -> dict[str, Any]:
    """FLOP/s by type and size, bytes/s by size of an array, seconds a call and a scan step, in this process alone."""
    device = jax.default_backend()
    sizes, streams = (*GEMM_SIZES, *kernels.PRODUCTS[device]), sorted({*TRIAD_BYTES, kernels.STREAMS[device]})
    return {
        "gemm_flops_per_s": {dtype: {str(n): kernels.gemm_rate(n, dtype) for n in sizes} for dtype in GEMM_TYPES},
        "triad_bytes_per_s": {str(size): kernels.triad_bandwidth(size) for size in streams},
        "dispatch_s": dispatch(),
        "scan_step_s": scan_step(),
        "ceilings_of": {"gemm_sizes": list(kernels.PRODUCTS[device]), "triad_bytes": [kernels.STREAMS[device]]},
        "devices": [str(device) for device in jax.devices()],
    }


def shared() -> dict[str, float]:
    """What contends when every worker runs at once: a large product and a stream, for a second each."""
    return kernels.ceilings(seconds=1.0)


def dispatch() -> float:
    """Seconds from calling a compiled program that adds 1 to a scalar until its result is there: the median."""
    x = jnp.zeros(())
    call = compile_lowered(jax.jit(lambda x: x + 1).lower(x)).call
    return _median(lambda: call(x))


def scan_step(steps: int = SCAN_STEPS) -> float:
    """Seconds a step of a `lax.scan` that adds 1 to 1,024 numbers, the dispatch shared by all `steps`: the median.

    On a CPU, XLA turns a loop over less than 1 KiB into plain machine code, a few nanoseconds a step: no training is
    that small, so the carry is 4 KiB.
    """
    x = jnp.zeros(1024)
    call = compile_lowered(jax.jit(lambda x: jax.lax.scan(lambda c, _: (c + 1, None), x, None, steps)[0]).lower(x)).call
    return _median(lambda: call(x)) / steps


def _median(call: Callable[[], Any]) -> float:
    jax.block_until_ready(call())
    taken = []
    for _ in range(SAMPLES):
        start = time.perf_counter()
        jax.block_until_ready(call())
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
