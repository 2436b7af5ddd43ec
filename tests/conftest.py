"""What all tests share: a cache folder of their own, kept for the whole session so that programs compile once."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("stored")
os.environ["JAX_PLATFORMS"] = "cpu"  # before jax is imported: processes of tests cannot share a GPU


@pytest.fixture(scope="session", autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test reads or writes the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(autouse=True)
def tables() -> Iterator[None]:
    """What a test registers is gone after it."""
    from bench.activations import ACTIVATIONS
    from bench.optimizers import OPTIMIZERS
    from bench.tasks import TASKS

    shared: list[dict[str, Any]] = [ACTIVATIONS, OPTIMIZERS, TASKS]
    before = [dict(table) for table in shared]
    yield
    for table, entries in zip(shared, before, strict=True):
        if table.keys() != entries.keys() or any(table[name] is not entries[name] for name in entries):
            table.clear()
            table.update(entries)


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of one finished run of the smoke suite. Read it; to change it, copy it first."""
    from bench import run

    return Path(run("smoke", out=tmp_path_factory.mktemp("runs") / "smoke", progress=False).path)
