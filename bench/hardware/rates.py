"""The rate of a large product that was last measured on this machine: kept in the cache folder, for plans to go by."""

import json
from contextlib import suppress
from pathlib import Path

from bench import files
from bench.datasets import cache_folder
from bench.hardware import gpus, machine


def remember(device: str, flops_per_s: float) -> None:
    """Keep what one worker of a device reached. Without a cache nothing is kept."""
    with suppress(OSError):
        files.write(_file(), json.dumps(_kept() | {_key(device): flops_per_s}, indent=1).encode())


def known(device: str) -> float | None:
    """What `remember` kept of a device last; None where it was never measured on this processor."""
    rate = _kept().get(_key(device))
    return float(rate) if isinstance(rate, (int, float)) and rate > 0 else None


def _kept() -> dict[str, object]:
    with suppress(OSError, ValueError):
        kept = json.loads(_file().read_bytes())
        return kept if isinstance(kept, dict) else {}
    return {}


def _file() -> Path:
    return cache_folder() / "rates.json"


def _key(device: str) -> str:
    """A cache folder may be shared by machines that are not alike."""
    names = dict.fromkeys(card.name for card in gpus.cards()) if device == "gpu" else ()
    return ", ".join([device, *(names or [machine.processor()])])
