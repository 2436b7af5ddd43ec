"""The machine that a run was made on, as its manifest records it. Imports no jax: a device is described by a worker."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

# Those whose change can change a result; the libraries of CUDA are there where jax has its plug-in
COMPARABLE = (
    "optact", "jax", "jaxlib", "flax", "optax", "numpy", "scikit-learn",
    "jax-cuda13-plugin", "nvidia-cublas", "nvidia-cudnn-cu13",
)  # fmt: skip
PACKAGES = (*COMPARABLE, "pandas", "scipy")


def describe() -> dict[str, Any]:
    """Host and software, with the `commit` of this code where it is known."""
    known = commit()
    return {
        "processor": processor(),
        "architecture": platform.machine(),
        "cores": len(cores()),
        "memory_bytes": psutil.virtual_memory().total,
        "platform": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    } | ({"commit": known} if known else {})


def commit(checkout: Path = Path(__file__).parents[1]) -> str:
    """The commit that this code is of, with `+changes` where it was edited since; "" where it is no git checkout."""
    if not (checkout / ".git").exists():  # installed: a repository around it is somebody else's
        return ""
    head = _git(checkout, "rev-parse", "--verify", "HEAD")
    edited = _git(checkout, "status", "--porcelain", "--untracked-files=no", "--", "bench", "suites")
    return head + "+changes" * bool(head and edited)


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


def _git(checkout: Path, *arguments: str) -> str:
    """What git says of `checkout`; "" where there is none or it refuses."""
    command = ["git", "--no-optional-locks", "-C", str(checkout), *arguments]  # beside whatever else runs git there
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
