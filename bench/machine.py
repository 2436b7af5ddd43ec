"""The machine that a run was made on, as its manifest records it. Imports no jax: a device is described by a worker."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

# Those whose change can change a result; the libraries of CUDA are there where jax has its plug-in
COMPARABLE = (
    "jax", "jaxlib", "flax", "optax", "numpy", "scikit-learn",
    "jax-cuda13-plugin", "nvidia-cublas", "nvidia-cudnn-cu13",
)  # fmt: skip
PACKAGES = ("optact", *COMPARABLE, "pandas", "scipy")


def describe() -> dict[str, Any]:
    """Host and software."""
    return {
        "processor": processor(),
        "architecture": platform.machine(),
        "cores": len(cores()),
        "memory_bytes": psutil.virtual_memory().total,
        "platform": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def cores() -> list[int]:
    """Those that this process may use."""
    if sys.platform == "linux":
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def caches(folder: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> dict[str, str]:
    """Size of each cache of the first core as Linux tells it, such as L1 Data -> 32K; none elsewhere."""
    found = {}
    for one in sorted(folder.glob("index*")):
        level, kind, size = ((one / name) for name in ("level", "type", "size"))
        if level.exists() and kind.exists() and size.exists():
            found[f"L{level.read_text().strip()} {kind.read_text().strip()}"] = size.read_text().strip()
    return found


def processor() -> str:
    """Its name, as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
