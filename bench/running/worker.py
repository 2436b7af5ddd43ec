"""Worker processes: one single-threaded process pinned to each core, or several that take turns on each GPU.

`Worker` is a `concurrent.futures.Executor` that runs one call at a time in a process of its own and starts a new
process where that one has died, so that a crash costs the call in hand and nothing else.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import wraps
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from loky.process_executor import BrokenProcessPool, ProcessPoolExecutor

from bench.datasets import cache_folder
from bench.errors import Raised, in_words, out_of_memory
from bench.hardware import gpus, turns
from bench.hardware.machine import cores

BrokenWorker = BrokenProcessPool


def plainly(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The call with whatever it raises told in words: an exception of anybody's may not survive being pickled."""

    @wraps(fn)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except (Exception, SystemExit) as error:
            if "CUDA_ERROR_" in str(error) and not out_of_memory(error):
                os._exit(1)  # the GPU answers no further call of this process; the next one may
            raise Raised(in_words(error)) from None

    return called


def environment(device: str, index: int, sharing: int = 1) -> dict[str, str]:
    """The variables that a worker's process starts with; XLA reads them once, when jax is first imported."""
    # loky would end a process that has grown by 300 MB since its first call; compiling one program does that
    platform = {"cpu": "cpu", "gpu": "cuda"}[device]
    common = {"LOKY_MAX_MEMORY_LEAK_SIZE": "1e15", "JAX_PLATFORMS": platform, "PYTHONUNBUFFERED": "1"}
    if device == "gpu":
        return common | gpus.environment(index, sharing)
    return {**common, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Worker(Executor):
    """One process, one call at a time."""

    def __init__(self, device: str, index: int, sharing: int = 1) -> None:
        self.device, self.index, self.sharing = device, index, sharing
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run fn in the worker's process, started or restarted if need be."""
        if self._pool is not None and self._pool._flags.broken is not None:
            self.shutdown(wait=False)
        with _SignalsBlocked():  # a child inherits the mask: Ctrl-C at a terminal reaches this process alone
            if self._pool is None:
                own = environment(self.device, self.index, self.sharing)
                core = cores()[self.index % len(cores())] if self.device == "cpu" else None
                shared = gpus.turn_file(self.index) if self.device == "gpu" else None
                self._pool = ProcessPoolExecutor(
                    max_workers=1,
                    env=own,
                    initializer=prepare,
                    initargs=(core, shared, os.getpid(), str(cache_folder() / "compiled")),
                )
            future: Future[Any] = self._pool.submit(fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the process, at once."""
        if self._pool is not None:
            self._pool.shutdown(wait=wait, kill_workers=True)
            self._pool = None


class _SignalsBlocked:
    """Within it, this thread is not interrupted and processes that it starts ignore the terminal's signals."""

    def __enter__(self) -> None:
        resource_tracker.ensure_running()  # were it started within, it would unblock them
        self.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)


def prepare(core: int | None, shared: Path | None, parent: int, compile_cache: str) -> None:
    """Make this process a worker: pin it or let it take turns at `shared`, tie its life to its parent's, import jax
    with its compile cache on.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    if core is not None and sys.platform == "linux":
        os.sched_setaffinity(0, {core})
    import bench.engine.execute
    import bench.nn.perceptron  # noqa: F401 - flax, imported here and not while a program is traced

    if shared is not None:
        turns.take_at(shared)
    configure(compile_cache)


# What changes numbers, or whether there are any: as jax has it, whatever the environment says
NUMBERS = {
    "jax_enable_x64": False, "jax_threefry_partitionable": True, "jax_default_prng_impl": "threefry2x32",
    "jax_disable_jit": False, "jax_debug_nans": False, "jax_check_tracer_leaks": False,
    "jax_numpy_rank_promotion": "allow", "jax_numpy_dtype_promotion": "standard",
}  # fmt: skip


def configure(compile_cache: str) -> None:
    """Set what every process that trains has in common."""
    import jax

    jax.config.update("jax_compilation_cache_dir", compile_cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    jax.config.update("jax_default_matmul_precision", "float32")
    for name, value in NUMBERS.items():
        jax.config.update(name, value)


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
