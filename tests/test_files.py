"""A file is the old one or the new one, and read only as it was written."""

from pathlib import Path

import pytest

from bench import files
from bench.errors import DataError


def test_what_is_written_is_read_by_its_checksum(tmp_path: Path) -> None:
    for content in (b"old", b"new"):
        files.write(tmp_path / "a", content)
        assert files.read(tmp_path / "a", files.sha256(content), "journal") == content
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write(tmp_path / "a", b"new")
    assert list(tmp_path.iterdir()) == []


def test_other_bytes_and_no_file_are_told(tmp_path: Path) -> None:
    files.write(tmp_path / "a", b"new")
    with pytest.raises(DataError, match=f"a: got bytes that do not match.*; expected {files.sha256(b'old')[:12]}$"):
        files.read(tmp_path / "a", files.sha256(b"old"), "journal")
    with pytest.raises(DataError, match="b: got no file; expected it, the journal names it"):
        files.read(tmp_path / "b", files.sha256(b"old"), "journal")
