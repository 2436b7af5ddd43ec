"""The rate of a large product that is kept for plans."""

from pathlib import Path

import pytest

from bench.hardware import machine, rates


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "optact"


def test_the_last_one_of_each_device_is_known() -> None:
    assert rates.known("cpu") is None
    for device, rate in (("cpu", 1e11), ("gpu", 5e13), ("cpu", 2e11)):
        rates.remember(device, rate)
    assert (rates.known("cpu"), rates.known("gpu")) == (2e11, 5e13)


def test_another_processor_does_not_go_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rates.remember("cpu", 1e11)
    monkeypatch.setattr(machine, "processor", lambda: "another")
    assert rates.known("cpu") is None


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"cpu": 1}', "\x00"])
def test_a_damaged_file_is_as_none(content: str, folder: Path) -> None:
    folder.mkdir()
    (folder / "rates.json").write_text(content)
    assert rates.known("cpu") is None
    rates.remember("cpu", 1e11)
    assert rates.known("cpu") == 1e11


@pytest.mark.parametrize("kept", ['"fast"', "-1", "0", "NaN", "null"])
def test_what_is_no_rate_is_none(kept: str, folder: Path) -> None:
    folder.mkdir()
    (folder / "rates.json").write_text(f'{{"cpu, {machine.processor()}": {kept}}}')
    assert rates.known("cpu") is None


def test_without_a_cache_nothing_is_kept_and_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    rates.remember("cpu", 1e11)
    assert rates.known("cpu") is None
