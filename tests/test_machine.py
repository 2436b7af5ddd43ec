"""The machine as a run records it."""

import json
from pathlib import Path

import psutil

from bench import machine


def test_it_describes_host_and_software_as_plain_values() -> None:
    found = json.loads(json.dumps(machine.describe()))
    assert found["memory_bytes"] == psutil.virtual_memory().total
    assert found["cores"] >= 1 and found["processor"]
    assert {"jax", "jaxlib", "flax", "optax", "numpy", "scikit-learn"} <= found["packages"].keys()


def test_caches_are_read_from_the_system(tmp_path: Path) -> None:
    for index, values in enumerate((("1", "Data", "32K"), ("2", "Unified", "1024K"))):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        for name, value in zip(("level", "type", "size"), values, strict=True):
            (folder / name).write_text(value + "\n")
    assert machine.caches(tmp_path) == {"L1 Data": "32K", "L2 Unified": "1024K"}
    assert machine.caches(tmp_path / "none") == {}
