"""The folder of a report: what is somebody else's stays, what is its own is replaced."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import InputError
from bench.pages import folder


@pytest.fixture
def written(tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    """Writes given files as a report into one folder."""

    def write(files: dict[str, bytes]) -> Path:
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        listed = {"report.json": json.dumps({"schema": 1, "files": digests}).encode()}
        page = {"index.html": folder.GENERATOR.encode()}
        return folder.write(files | listed | page, tmp_path / "out").parent

    return write


def test_only_an_older_report_s_own_unchanged_files_are_removed(written: Callable[[dict[str, bytes]], Path]) -> None:
    out = written({"figures/edited.svg": b"1", "figures/gone.svg": b"2", "figures/kept.svg": b"3"})
    (out / "figures/edited.svg").write_text("mine now")
    (out / "figures/foreign.svg").write_text("mine")
    written({"figures/kept.svg": b"4"})
    assert sorted(path.name for path in (out / "figures").iterdir()) == ["edited.svg", "foreign.svg", "kept.svg"]
    assert (out / "figures/kept.svg").read_bytes() == b"4"


@pytest.mark.parametrize("content", ["", "[]", '{"files": 3}', '{"files": {"../keep.txt": "DIGEST"}}'])
def test_a_list_that_cannot_be_trusted_removes_nothing(
    written: Callable[[dict[str, bytes]], Path], tmp_path: Path, content: str
) -> None:
    (tmp_path / "keep.txt").write_text("keep")
    out = written({})
    (out / "report.json").write_text(content.replace("DIGEST", hashlib.sha256(b"keep").hexdigest()))
    written({"figures/new.svg": b"1"})
    assert (tmp_path / "keep.txt").exists()
    assert (out / "figures/new.svg").exists()


def test_somebody_else_s_page_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>my site</h1>")
    with pytest.raises(InputError, match="somebody else's page"):
        folder.check(tmp_path)
    with pytest.raises(InputError, match="got a file"):
        folder.check(tmp_path / "index.html")
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_files_of_another_kind_are_not_joined_nor_replaced(tmp_path: Path) -> None:
    page = {"index.html": folder.GENERATOR.encode()}
    report, comparison = ({**folder.listed({}, kind), **page} for kind in ("report", "comparison"))
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    with pytest.raises(InputError, match=r"thesis: got somebody else's files; expected an empty folder"):
        folder.write(report, tmp_path / "thesis")
    for _ in range(2):
        folder.write(report, tmp_path / "page")
    with pytest.raises(InputError, match="page: got the folder of a report; expected another one for a comparison"):
        folder.write(comparison, tmp_path / "page")


def test_somebody_else_s_file_beside_the_page_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("my notes")
    with pytest.raises(InputError, match=r"report\.md: got somebody else's file; expected an empty folder or an older"):
        folder.write(folder.listed({"report.md": b"a report", "index.html": b""}), tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("report.md", "my notes")]
    (tmp_path / "report.md").rename(tmp_path / "report.json")
    with pytest.raises(InputError, match=r"report\.json: got somebody else's file"):
        folder.write(folder.listed({"report.md": b"a report", "index.html": b""}), tmp_path)


def test_a_report_whose_writing_was_cut_off_is_written_again(tmp_path: Path) -> None:
    files = folder.listed({"report.md": b"a report", "figures/a.svg": b"a"})
    assert next(iter(files)) == "report.json", "it is written first"
    folder.write({"report.json": files["report.json"], "report.md": files["report.md"]}, tmp_path / "out")
    folder.write(folder.listed({"report.md": b"another", "figures/a.svg": b"b"}), tmp_path / "out")
    assert (tmp_path / "out" / "report.md").read_text() == "another"


def test_a_full_disk_is_told_with_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        folder.write({"index.html": b""}, tmp_path / "page")
    assert caught.value.filename == str(tmp_path / "page")
