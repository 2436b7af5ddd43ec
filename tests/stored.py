"""Runs as they lie on disk, compared."""

from pathlib import Path

import pandas as pd

from bench.storage import store
from bench.storage.results import planned_lanes


def contents(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file()}


def assert_alike(a: Path, b: Path) -> None:
    """Byte for byte, but for what depends on the clock."""
    assert (a / "lanes.csv").read_bytes() == (b / "lanes.csv").read_bytes()
    assert contents(a / "shards") == contents(b / "shards")
    tables = [pd.read_csv(path / "convergence.csv").drop(columns="seconds_to_target").to_csv() for path in (a, b)]
    assert tables[0] == tables[1]


def problems(path: Path) -> list[str]:
    return store.verify(path, (lane.id for lane in planned_lanes(store.read_manifest(path))))
