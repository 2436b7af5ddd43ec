"""A run's directory: a free one is found, one in use refused, and its tables come before its seal."""

import shutil
from datetime import datetime
from pathlib import Path
from unittest.mock import Mock

import pytest

from bench.errors import InputError
from bench.storage import directory, store
from bench.storage.results import Run
from bench.storage.store import MANIFEST, Store


def test_what_a_run_leaves_that_was_killed_before_it_had_begun_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    for name in (store.LOCK, f".{MANIFEST}.tmp"):
        (tmp_path / name).touch()
    assert directory.wanted(tmp_path, None, "smoke") == tmp_path
    (tmp_path / "shards" / "00000-tune-000.parquet").touch()
    with pytest.raises(InputError, match="got something else's files"):
        directory.wanted(tmp_path, None, "smoke")


def test_runs_that_begin_in_the_same_second_have_a_directory_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = Mock(now=Mock(return_value=datetime(2026, 11, 25, 9, 30, 1)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(directory, "datetime", moment)
    found = [directory.dated("smoke").as_posix() for _ in range(3)]
    assert found == [f"results/smoke-20261125-093001{more}" for more in ("", "-2", "-3")]
    assert all(Path(path).is_dir() for path in found)


def test_a_run_is_not_complete_before_its_tables_are_there(smoke_run: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(smoke_run, tmp_path / "run"))
    manifest = store.read_manifest(path)
    with Store(path) as held:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Run, "write_tables", Mock(side_effect=KeyboardInterrupt))
            directory.sealed(held, manifest, Run)
        assert store.read_manifest(path)["status"] == "running"
        directory.sealed(held, manifest, Run)
    assert store.read_manifest(path)["status"] == "complete"
