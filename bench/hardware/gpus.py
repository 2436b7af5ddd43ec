"""The GPUs of this machine, told without jax: which there are, how much memory each has, how many workers they take."""

import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

from bench.hardware.machine import cores

MEMORY_SHARES = ("XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION")  # an error where both are set
MOST, MEMORY_EACH = 8, 6 * 2**30  # workers of a GPU, and bytes of its memory for each


def visible() -> list[str]:
    """Those that this process may use, as CUDA_VISIBLE_DEVICES names them; at least one, which may not be there.

    Where that hides all, the one is `""` or `"-1"`, with which a worker finds none either.
    """
    if (named := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return named.split(",")
    # CUDA counts from 0 those that it sees; a container's only one may be the file nvidia5
    count = len(list(Path("/dev").glob("nvidia[0-9]*")))
    return [str(index) for index in range(max(1, count))]


class Card(NamedTuple):
    """A GPU as its driver knows it."""

    name: str
    uuid: str
    memory_bytes: int


@cache
def cards() -> list[Card]:
    """Every GPU of this machine, as its driver's own tool tells; none where it tells nothing."""
    asked = ["nvidia-smi", "--query-gpu=name,uuid,memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True).stdout
        rows = [line.rsplit(", ", 2) for line in told.splitlines()]
        return [Card(name, uuid, int(megabytes) * 2**20) for name, uuid, megabytes in rows]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []


def named(index: int) -> str:
    """The UUID of the GPU of the worker of that number, which no container renumbers, or what CUDA calls it."""
    own = visible()[index % len(visible())]
    found = _card(own)
    return found.uuid if found else own


def _card(name: str) -> Card | None:
    """The card that CUDA calls so, by its number or its UUID; None where that is not told."""
    every = cards()
    if name.isdigit():
        return every[int(name)] if int(name) < len(every) else None
    return next((card for card in every if card.uuid.startswith(name)), None) if name else None


def turn_file(index: int) -> Path:
    """The file whose lock is the turn on the GPU of the worker of that number: of this machine and this user."""
    user = getattr(os, "getuid", int)()
    return Path(tempfile.gettempdir(), f"bench-turns-{user}", named(index))


def workers(programs: int) -> int:
    """How many workers train so many programs: at least one a GPU, at most `MOST` that share it.

    They share it to compile at the same time, so that there are no more of them than programs; each needs a core and
    memory of its own.
    """
    count, own = len(visible()), [card.memory_bytes for name in visible() if (card := _card(name))]
    room = min(own, default=0) // MEMORY_EACH
    each = max(1, min(MOST, len(cores()) // count, room))
    return max(count, min(each * count, programs))


def environment(index: int, sharing: int) -> dict[str, str]:
    """The variables of the process of the worker of that number, where so many share a GPU."""
    own = visible()[index % len(visible())]
    # Memory is taken as it is needed, and more of it than jax's three quarters: nobody else is expected there. It is
    # not given back, so that each of those that share it has its part.
    share = next((name for name in MEMORY_SHARES if name in os.environ), MEMORY_SHARES[0])
    part = f"{float(os.environ.get(share, 0.9)) / sharing:.3g}"
    return {share: part, "CUDA_VISIBLE_DEVICES": own, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
