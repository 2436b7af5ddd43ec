"""Downloads from OpenML: whole or not at all, gone on with where they broke off, and every failure in words."""

import errno
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openml_server import Server, arff, serving

from bench.datasets import openml
from bench.errors import DataError, ResourceError

TEXT = arff(np.random.default_rng(0).integers(0, 256, (400, 20)), [0, 1] * 200)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving() as found:
        monkeypatch.setattr(openml, "API", found.api)
        monkeypatch.setattr(openml, "PAUSE_S", 0.0)
        monkeypatch.setattr(openml, "BLOCK", 512)
        found.add(554, TEXT)
        yield found


class TestDescription:
    def test_is_what_openml_says(self, server: Server) -> None:
        md5 = hashlib.md5(TEXT.encode()).hexdigest()
        url = f"{server.address}/data/v1/download/554/file.arff"
        assert openml.describe(554) == openml.Description(554, url, "class", md5)

    def test_of_an_unknown_number_is_refused(self, server: Server) -> None:
        with pytest.raises(DataError, match="no such data set"):
            openml.describe(555)

    @pytest.mark.parametrize(
        "changed", [{"id": "61"}, {"id": None}, {"url": "file:///etc/passwd"}, {"md5_checksum": None}], ids=str
    )
    def test_of_something_else_is_refused(self, server: Server, changed: dict[str, Any]) -> None:
        server.add(554, TEXT, **changed)
        if changed.get("md5_checksum", 1) is None:
            del server.described[554]["md5_checksum"]
        with pytest.raises(DataError, match="expected"):
            openml.describe(554)

    def test_without_a_network_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with serving() as gone:
            monkeypatch.setattr(openml, "API", gone.api)
        with pytest.raises(ResourceError, match="refused; expected an answer") as caught:
            openml.describe(554)
        assert "network" in caught.value.hint and caught.value.exit_code == 4


class TestDownload:
    @pytest.mark.parametrize(
        "trouble",
        [[], ["plain"], ["untold"], ["cut"], ["plain cut"], ["cut untold"], ["plain cut", "no ranges"], ["503"],
         ["plain cut", "503", "cut"]],
        ids=str,
    )  # fmt: skip
    def test_is_the_file_whatever_happens_on_the_way(self, server: Server, tmp_path: Path, trouble: list[str]) -> None:
        server.trouble[:] = trouble
        file = openml.download(openml.describe(554), tmp_path)
        assert file.read_text() == TEXT
        assert not server.trouble

    def test_goes_on_where_it_broke_off(self, server: Server, tmp_path: Path) -> None:
        server.trouble[:] = ["plain cut"]
        openml.download(openml.describe(554), tmp_path)
        assert server.asked[-1][1] == f"bytes={len(TEXT) // 2}-"

    def test_goes_on_in_another_process(self, server: Server, tmp_path: Path) -> None:
        server.trouble[:] = ["plain cut", *["503"] * 3]
        with pytest.raises(ResourceError, match="Service Unavailable"):
            openml.download(openml.describe(554), tmp_path)
        assert openml.download(openml.describe(554), tmp_path).read_text() == TEXT
        assert server.asked[-1][1] == f"bytes={len(TEXT) // 2}-"

    def test_that_is_here_is_not_asked_for(self, server: Server, tmp_path: Path) -> None:
        openml.download(openml.describe(554), tmp_path)
        asked = len(server.asked)
        openml.download(openml.describe(554), tmp_path)
        assert len(server.asked) == asked + 1  # the description

    def test_begins_anew_where_what_is_here_is_longer(self, server: Server, tmp_path: Path) -> None:
        file = openml.download(openml.describe(554), tmp_path)
        file.write_text(TEXT + "more")
        assert openml.download(openml.describe(554), tmp_path).read_text() == TEXT

    def test_that_stays_truncated_is_refused_and_kept(self, server: Server, tmp_path: Path) -> None:
        server.trouble[:] = ["plain cut"] + ["cut"] * 3
        with pytest.raises(DataError, match=r"got [\d,]+ of [\d,]+ bytes; expected the whole file") as caught:
            openml.download(openml.describe(554), tmp_path)
        assert "goes on" in caught.value.hint and caught.value.exit_code == 3
        assert TEXT.startswith(next(tmp_path.iterdir()).read_text())

    def test_of_another_file_is_refused_and_thrown_away(self, server: Server, tmp_path: Path) -> None:
        server.files[554] = TEXT.replace("1", "2").encode()
        with pytest.raises(DataError, match="got a file of MD5"):
            openml.download(openml.describe(554), tmp_path)
        assert not list(tmp_path.iterdir())

    def test_that_is_forbidden_is_asked_for_once(self, server: Server, tmp_path: Path) -> None:
        server.trouble[:] = ["403", "403"]
        with pytest.raises(ResourceError, match="Forbidden"):
            openml.download(openml.describe(554), tmp_path)
        assert server.trouble == ["403"]

    def test_on_a_full_disk_says_so(self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: Any) -> Any:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(openml, "_receive", full)
        with pytest.raises(ResourceError, match="full disk"):
            openml.download(openml.describe(554), tmp_path)

    def test_tells_how_far_it_is(self, server: Server, tmp_path: Path) -> None:
        server.trouble[:] = ["plain cut"]
        seen: list[tuple[int, int | None]] = []
        openml.download(openml.describe(554), tmp_path, lambda done, total: seen.append((done, total)))
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)
        assert seen[-1] == (len(TEXT), len(TEXT))
