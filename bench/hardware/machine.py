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
CPUINFO = Path("/proc/cpuinfo")
NUMBERS = {"family": "cpu family", "model": "model", "stepping": "stepping", "part": "CPU part"}  # the last on ARM
VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX", "sve": "SVE", "asimd": "NEON"}  # the widest first
PACKAGES = (*COMPARABLE, "pandas", "scipy")


def describe() -> dict[str, Any]:
    """Host and software, with the `commit` of this code where it is known."""
    known = commit()
    return {
        "processor": processor(),
        **processor_details(),
        "architecture": platform.machine(),
        "cores": len(cores()),
        "memory_bytes": psutil.virtual_memory().total,
        "platform": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    } | ({"commit": known} if known else {})


def commit(checkout: Path = Path(__file__).parents[2]) -> str:
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
    return _first_core(CPUINFO).get("model name") or platform.processor() or platform.machine()


def processor_details(info: Path = CPUINFO) -> dict[str, str]:
    """Family and model as numbers, for a virtual machine may tell but a brand, and the widest vectors; what is known.

    Beside the name and not in it: a run goes on where the name is the same.
    """
    core = _first_core(info)
    told = " ".join(f"{word} {core[key]}" for word, key in NUMBERS.items() if key in core)
    flags = core.get("flags", core.get("Features", "")).split()
    widest = next((name for flag, name in VECTORS.items() if flag in flags), "")
    return {key: of for key, of in {"processor_model": told, "vectors": widest}.items() if of}


def _first_core(info: Path) -> dict[str, str]:
    """What Linux tells of the first core; nothing elsewhere."""
    if not info.exists():
        return {}
    lines = info.read_text(errors="replace").partition("\n\n")[0].splitlines()
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}


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
