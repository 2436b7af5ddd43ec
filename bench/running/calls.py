"""What a worker is asked to do: functions named without importing jax where they are only sent from."""

import os
import time
from typing import Any

from bench.errors import InputError
from bench.running.worker import plainly


def describe() -> dict[str, Any]:
    """What a worker's process sees of its device."""
    import jax

    from bench.engine.compile import OPTIONS

    device = jax.devices()[0]
    return {
        "device": device.platform,
        "device_kind": device.device_kind,
        "devices": len(jax.devices()),
        "precision": str(jax.config.values["jax_default_matmul_precision"]),
        "compile_options": OPTIONS.get(device.platform, {}),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "ready": time.time(),
    }


def measure() -> dict[str, Any]:
    """`bench.engine.measuring.one_worker`."""
    from bench.engine.measuring import one_worker

    return one_worker()


def measure_shared() -> dict[str, float]:
    """`bench.engine.measuring.shared`."""
    from bench.engine.measuring import shared

    return shared()


@plainly
def execute(shard: Any, run: str = "") -> Any:
    """`bench.engine.execute.execute` for a run, named without importing jax where it is only sent from."""
    from bench.engine.execute import begin, execute

    begin(run)
    return execute(shard)


def fingerprints(entries: list[Any]) -> list[str]:
    """`bench.engine.fingerprint.fingerprint` of each: a task loads its data, and a device belongs to its worker.

    Raises `BenchError` where a task is not what training needs: all its lanes would fail.
    """
    from bench.activations import Activation
    from bench.engine import tracing
    from bench.engine.fingerprint import fingerprint, mixes
    from bench.tasks import Task

    for entry in entries:
        if isinstance(entry, Task):
            tracing.task(entry)
    found = [fingerprint(entry) for entry in entries]
    for entry, code in zip(entries, found, strict=True):
        if code and isinstance(entry, Activation) and mixes(entry):
            raise InputError(
                f"activation {entry.label}: got numbers that each hang on several; expected a function of one number",
                "what normalizes or sums over channels is a layer: a task of your own may have it",
            )
    return found


def gemm_rate() -> float:
    """FLOP/s of this worker's fastest float32 product, were all its devices busy; no others share them meanwhile."""
    from bench.engine.kernels import largest_gemm_rate
    from bench.engine.mesh import count

    return count() * largest_gemm_rate(seconds=0.1)
