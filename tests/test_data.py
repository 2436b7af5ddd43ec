"""`bench data`: what it lists, what it fetches, and what it says when it cannot."""

import json
from pathlib import Path
from typing import Any

import pytest
from openml_server import CIFAR, TEXT, serving
from typer.testing import CliRunner

from bench import data
from bench.cli import app
from bench.datasets import DATASETS, downloaded, openml


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(downloaded, "DOWNLOADS", (CIFAR,))
    monkeypatch.setitem(DATASETS, "cifar10", CIFAR.dataset)
    return tmp_path / "optact" / "datasets"


def bench(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["data", *arguments])


def test_fetches_once_and_then_lists_it_as_fetched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cifar10        not fetched" in bench("list").stdout
    with serving() as server:
        server.add(CIFAR.number, TEXT)
        monkeypatch.setattr(openml, "API", server.api)
        done = bench("fetch", "cifar10", "digits")
    assert (done.exit_code, done.stderr) == (0, "")
    sha256 = json.loads((folder / "cifar10.json").read_text())["sha256"]
    assert done.stdout == f"cifar10: 50 samples, sha256 {sha256}\ndigits: bundled, nothing to fetch\n"
    assert "cifar10        fetched" in bench("list").stdout
    assert bench("fetch", "cifar10").exit_code == bench("fetch", "cifar10", "--offline").exit_code == 0


def test_lists_every_data_set_for_a_program() -> None:
    found = json.loads(bench("list", "--json").stdout)
    assert list(found) == list(DATASETS)
    assert found["mnist"]["samples"] == {"train": 50000, "validation": 10000, "test": 10000}
    assert found["mnist"]["shape"] == [28, 28, 1]
    assert found["digits"]["state"] == "bundled"


def test_an_unknown_name_is_bad_input_all_of_them_at_once(folder: Path) -> None:
    done = bench("fetch", "mnst", "cifar10", "wein")
    assert done.exit_code == 2
    assert "got 'mnst'; expected the name of a data set, perhaps mnist" in done.stderr
    assert "got 'wein'; expected the name of a data set, perhaps wine" in done.stderr
    assert not folder.exists()


def test_what_is_not_here_is_a_missing_resource(folder: Path) -> None:
    done = bench("fetch", "cifar10", "--offline")
    assert done.exit_code == 4
    assert done.stderr.endswith("hint: bench data fetch cifar10\n")


def test_no_network_is_a_missing_resource(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as gone:
        monkeypatch.setattr(openml, "API", gone.api)
    done = bench("fetch", "cifar10")
    assert done.exit_code == 4
    assert "refused" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("trouble", ["cut", "changed"])
def test_what_is_not_whole_is_corrupt(folder: Path, monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    monkeypatch.setattr(openml, "PAUSE_S", 0.0)
    with serving() as server:
        server.add(CIFAR.number, TEXT)
        monkeypatch.setattr(openml, "API", server.api)
        if trouble == "cut":
            server.trouble[:] = ["cut"] * 4
        else:
            server.files[CIFAR.number] = TEXT.replace("1", "2").encode()
        done = bench("fetch", "cifar10")
    assert done.exit_code == 3
    assert not (folder / "cifar10.npz").exists()


def test_progress_is_plain_lines_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(data, "PLAIN_EVERY_S", 0.0)
    with data.shown("mnist") as observe:
        observe(3_000_000, 15_000_000)
        observe(4_000_000, None)
    assert capsys.readouterr().err == "mnist: 3 of 15 MB\nmnist: 4 MB\n"


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with data.shown("mnist") as observe:
        observe(3_000_000, 15_000_000)
    assert "mnist" in capsys.readouterr().err
