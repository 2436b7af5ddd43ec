"""Which device a run is on, and how many workers it has there."""

import os
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.errors import InputError, ResourceError
from bench.hardware import gpus
from bench.hardware.machine import cores
from bench.planning.program import PROFILES

MAX_WORKERS = 4096


def check_workers(workers: object) -> None:
    """Raise `InputError` where `workers` is neither None nor a number of processes."""
    if workers is not None and not (type(workers) is int and 1 <= workers <= MAX_WORKERS):
        raise InputError(f"--workers: got {workers!r}; expected a whole number from 1 to {MAX_WORKERS}")


def worker_count(device: str, programs: int = 1) -> int:
    """How many workers train so many programs: one a core, or `gpus.workers`."""
    return len(cores()) if device == "cpu" else gpus.workers(programs)


def busy(device: str, workers: int) -> int:
    """How many of so many workers train at the same time: one on each GPU. The first so many have one each."""
    return min(workers, len(gpus.visible())) if device == "gpu" else workers


def pick(device: str) -> str:
    """cpu or gpu; `auto` is a GPU where jax has the plug-in for one and the machine has one that nothing hides."""
    if device in PROFILES:
        return device
    if device != "auto":
        raise InputError(f"--device: got {device!r}; expected auto, cpu or gpu")
    asked = os.environ.get("JAX_PLATFORMS", "")
    if asked and not {"cuda", "gpu"} & set(asked.split(",")):
        return "cpu"
    plugin = any(find_spec(f"jax_cuda{version}_plugin") for version in (12, 13))
    there = Path("/dev/nvidiactl").exists() and gpus.visible()[0] not in ("", "-1")
    return "gpu" if plugin and there else "cpu"


def picked(devices: str) -> list[str]:
    """The devices that a list such as `cpu,gpu` names. Raises `InputError`."""
    names = [pick(name) for name in devices.split(",")]
    if len(set(names)) < len(names):
        raise InputError(f"--device: got {devices!r}; expected each device once")
    return names


def described(device: str, told: "Future[dict[str, Any]]") -> dict[str, Any]:
    """What the worker of a device told of it. Raises `ResourceError` where it has found another, or none."""
    try:
        found = told.result()
    except Exception as error:  # jax raises what its plug-ins do, an empty AssertionError where there is none
        found = {"device": (str(error).strip() or "none").splitlines()[0][:200]}
    if found["device"] != device:
        raise ResourceError(
            f"--device {device}: got {found['device']}; expected a {device.upper()} that jax can use",
            "install jax with its CUDA plug-in, or --device cpu",
        )
    return found
