"""Compiling a program: the options that suit a device, and whether the persistent cache already had it."""

import threading
import time
from typing import Any, NamedTuple

import jax
from jax import monitoring

# By platform. One thread: lanes side by side in several pinned processes beat threads inside one. Level 1 compiles in
# a third of the time at no loss of speed (the older emitters, in half of it, ran 30 % slower). Vectors of 512 bits,
# where the processor has them, are up to 39 % faster than XLA's 256; where it has none, no gain and no loss was seen.
# The switched-off fusions gave wrong results in jaxlib 0.10.2 (jax#39103). The switched-off pass removes optimization
# barriers before it is decided what is fused; with them in place, what one holds is computed once and not anew in each
# of its uses. Given to each compile and not in XLA_FLAGS, where an option that another jaxlib does not know would end
# the process.
# On a GPU kernels whose sums depend on the order in which threads arrive are left out, and which kernels there are does
# not hang on timings: products are cuBLAS's own choice, as fast in all that was measured as XLA's choice by trying
# (and up to a tenth faster than its Triton kernels), and a program compiled anew is the same. Loops and branches are
# part of what is sent to the GPU at once, so that no step waits for the host: 6 to 12 % of narrow chunks.
OPTIONS: dict[str, dict[str, Any]] = {
    "cpu": {
        "xla_cpu_multi_thread_eigen": False,
        "xla_cpu_prefer_vector_width": 512,
        "xla_backend_optimization_level": 1,
        "xla_cpu_experimental_ynn_fusion_type": "",
        "xla_disable_hlo_passes": "cse_barrier_expander",
    },
    "gpu": {
        "xla_gpu_exclude_nondeterministic_ops": True,
        "xla_gpu_autotune_level": 0,
        "xla_gpu_enable_triton_gemm": False,
        "xla_gpu_enable_command_buffer": (
            "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,DYNAMIC_SLICE_FUSION,WHILE,CONDITIONAL"
        ),
    },
}
CACHE_EVENTS = {"/jax/compilation_cache/cache_hits": "hit", "/jax/compilation_cache/cache_misses": "miss"}


class Compiled(NamedTuple):
    """An executable and what it took."""

    call: Any
    compile_s: float
    cache: str  # hit, miss or off
    memory_bytes: int  # XLA's own account: arguments, outputs and temporaries


def compile_lowered(lowered: Any) -> Compiled:
    """Compile with the options of this platform that this jaxlib knows."""
    _watch()
    _seen.clear()
    start = time.perf_counter()
    call = _compile(lowered, dict(OPTIONS.get(jax.default_backend(), {})))
    compile_s = time.perf_counter() - start
    memory = call.memory_analysis()
    used = memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes if memory else 0
    return Compiled(call, compile_s, _seen[-1] if _seen else "off", used)


def _compile(lowered: Any, options: dict[str, Any]) -> Any:
    while True:
        try:
            return lowered.compile(compiler_options=options)
        except jax.errors.JaxRuntimeError as error:
            unknown = [name for name in options if _unknown(name, str(error))]
            if not unknown:
                raise
            del options[unknown[0]]


def _unknown(option: str, error: str) -> bool:
    """Whether it is the option that this jaxlib does not know, or something named in it."""
    return f"option: '{option}'" in error or (f"option {option}," in error and "not a valid enum value" in error)


_seen: list[str] = []
_watching = threading.Event()


def _watch() -> None:
    if not _watching.is_set():
        monitoring.register_event_listener(
            lambda event, **_: _seen.append(CACHE_EVENTS[event]) if event in CACHE_EVENTS else None
        )
        _watching.set()
