"""Data fetched once: from OpenML's form to parts, a checksum trusted on first use, and a cache that is checked."""

import errno
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from openml_server import CALIFORNIA, CIFAR, ROWS, TEXT, Server, X, Y, arff, serving
from sklearn.model_selection import train_test_split

from bench.datasets import DATASETS, arrays, downloaded, openml
from bench.datasets.downloaded import DOWNLOADS, fetch
from bench.errors import DataError, LockedError, ResourceError


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with serving() as found:
        monkeypatch.setattr(openml, "API", found.api)
        monkeypatch.setattr(openml, "PAUSE_S", 0.0)
        found.add(CIFAR.number, TEXT)
        found.add(CALIFORNIA.number, arff(X / 7, Y * 1.5, "REAL", "value"), target="value")
        yield found


def folder(tmp_path: Path) -> Path:
    return tmp_path / "optact" / "datasets"


class TestTable:
    def test_entries_are_data_sets_of_which_sizes_are_known_without_data(self) -> None:
        for download in DOWNLOADS:
            assert DATASETS[download.dataset.name] is download.dataset
            assert download.dataset.source == f"OpenML {download.number}"
            assert download.dataset.sha256 == ""
        assert {name: sum(DATASETS[name].samples) for name in ("mnist", "fashion_mnist", "cifar10", "california")} == {
            "mnist": 70_000,
            "fashion_mnist": 70_000,
            "cifar10": 60_000,
            "california": 20_640,
        }
        assert all(DATASETS[name].samples.test == 10_000 for name in ("mnist", "fashion_mnist", "cifar10"))


class TestArrays:
    def test_of_images_are_the_last_rows_for_test_and_a_stratified_draw_for_validation(self) -> None:
        fetch(CIFAR)
        parts = arrays(CIFAR.dataset)
        images = X.reshape(-1, 3, 4, 5).transpose(0, 2, 3, 1)  # one channel after another in the file
        train, validation, y_train, y_validation = train_test_split(
            np.arange(40), np.arange(40), test_size=10, random_state=0, stratify=Y[:40]
        )
        assert np.array_equal(train, y_train) and np.array_equal(validation, y_validation)
        pixels = images[train].astype("float64") / 255
        mean, deviation = pixels.mean((0, 1, 2)), pixels.std((0, 1, 2))
        for part, rows in (("train", train), ("validation", validation), ("test", np.arange(40, 50))):
            x, y = parts[part]
            assert x.dtype == np.float32 and y.dtype == np.int32
            assert np.allclose(x, (images[rows] / 255 - mean) / deviation, atol=1e-5)
            assert np.array_equal(y, Y[rows])

    def test_of_numbers_are_drawn_and_standardized(self) -> None:
        fetch(CALIFORNIA)
        parts = arrays(CALIFORNIA.dataset)
        assert tuple(len(y) for _, y in parts.values()) == ROWS
        y = np.concatenate([y for _, y in parts.values()]).astype("float64")
        assert not np.array_equal(np.argsort(y), np.argsort(Y))
        line = np.polyfit(np.sort(y), np.sort(Y * 1.5), 1)
        assert np.allclose(np.polyval(line, np.sort(y)), np.sort(Y * 1.5), atol=1e-5)
        for values in parts["train"]:
            assert values.dtype == np.float32
            assert np.allclose(values.mean(0), 0, atol=1e-5) and np.allclose(values.std(0), 1, atol=1e-5)

    def test_that_are_not_here_say_how_to_fetch_them(self) -> None:
        for look in (arrays, lambda dataset: dataset.check(dataset)):
            with pytest.raises(ResourceError, match="data set cifar10: got nothing in") as caught:
                look(CIFAR.dataset)
            assert caught.value.hint == "bench data fetch cifar10"


class TestFetch:
    def test_leaves_arrays_and_their_checksum_and_nothing_else(self, tmp_path: Path) -> None:
        sha256 = fetch(CIFAR)
        assert {file.name for file in folder(tmp_path).iterdir()} - {"cifar10.lock"} == {"cifar10.npz", "cifar10.json"}
        record = json.loads((folder(tmp_path) / "cifar10.json").read_text())
        assert record == {"name": "cifar10", "openml": 40927, "sha256": sha256}
        assert CIFAR.dataset.check(CIFAR.dataset) == sha256
        with np.load(folder(tmp_path) / "cifar10.npz", allow_pickle=False) as held:
            assert {key: held[key].shape for key in held} == {
                "x_train": (40, 4, 5, 3), "y_train": (40,), "x_test": (10, 4, 5, 3), "y_test": (10,)
            }  # fmt: skip
            assert held["x_train"].dtype == np.uint8

    def test_twice_asks_once(self, server: Server) -> None:
        first = fetch(CIFAR)
        asked = len(server.asked)
        assert fetch(CIFAR) == first == fetch(CIFAR, offline=True)
        assert len(server.asked) == asked

    def test_offline_asks_nothing(self, server: Server) -> None:
        with pytest.raises(ResourceError, match="got nothing"):
            fetch(CIFAR, offline=True)
        assert not server.asked

    @pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "other"])
    def test_mends_what_is_damaged(self, tmp_path: Path, damage: str) -> None:
        first = fetch(CIFAR)
        file = folder(tmp_path) / "cifar10.npz"
        whole = bytearray(file.read_bytes())
        if damage == "flipped":
            whole[len(whole) // 2] ^= 0xFF
        if damage == "gone":
            file.unlink()
        elif damage == "other":
            np.savez(file, x_train=X, y_train=Y, x_test=X, y_test=Y)
        else:
            file.write_bytes(whole[: len(whole) // 2] if damage == "cut" else whole)
        with pytest.raises(ResourceError if damage == "gone" else DataError) as caught:
            arrays(CIFAR.dataset)
        assert caught.value.hint == "bench data fetch cifar10"
        with pytest.raises((ResourceError, DataError)):
            fetch(CIFAR, offline=True)
        assert fetch(CIFAR) == first
        assert len(arrays(CIFAR.dataset)["train"][0]) == 30

    def test_holds_later_fetches_to_the_first(self, tmp_path: Path, server: Server) -> None:
        fetch(CIFAR)
        (folder(tmp_path) / "cifar10.npz").unlink()
        server.add(CIFAR.number, TEXT.replace("255", "254"))
        with pytest.raises(DataError, match="that of the first fetch") as caught:
            fetch(CIFAR)
        assert "cifar10.json" in caught.value.hint
        (folder(tmp_path) / "cifar10.json").unlink()
        fetch(CIFAR)

    def test_refuses_a_record_that_is_damaged(self, tmp_path: Path) -> None:
        fetch(CIFAR)
        (folder(tmp_path) / "cifar10.json").write_text("{")
        for look in (lambda: fetch(CIFAR), lambda: arrays(CIFAR.dataset)):
            with pytest.raises(DataError, match="expected the record of a fetch"):
                look()

    def test_refuses_another_file_than_the_table_pins(self) -> None:
        with pytest.raises(DataError, match="OpenML; expected 0123"):
            fetch(replace(CIFAR, md5="0123"))

    @pytest.mark.parametrize(
        ("x", "y", "told"),
        [
            (X[:-1], Y[:-1], "49 rows of 60 numbers, 10 classes; expected 50 of 60, 10"),
            (X[:, 1:], Y, "50 rows of 59"),
            (X, Y.clip(0, 8), "9 classes"),
            (X / 2, Y, "expected pixels from 0 to 255"),
        ],
    )
    def test_refuses_data_that_are_not_those_of_the_table(self, server: Server, x: Any, y: Any, told: str) -> None:
        server.add(CIFAR.number, arff(x, y, "{0,1,2,3,4,5,6,7,8,9}"))
        with pytest.raises(DataError, match=told):
            fetch(CIFAR)

    def test_on_a_full_disk_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(downloaded, "write_npz", full)
        with pytest.raises(ResourceError, match="full disk"):
            fetch(CIFAR)
        monkeypatch.undo()

    def test_waits_for_nobody(self, tmp_path: Path) -> None:
        folder(tmp_path).mkdir(parents=True)
        with FileLock(folder(tmp_path) / "cifar10.lock"), pytest.raises(LockedError, match="another process"):
            fetch(CIFAR)


def test_a_run_without_its_data_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bench
    from bench.running import launch
    from bench.tasks import TASKS

    task = TASKS["wine_mlp"]
    monkeypatch.setitem(TASKS, "wine_mlp", replace(task, dataset=DATASETS["mnist"]))
    monkeypatch.setattr(launch, "Session", lambda *_: pytest.fail("workers were started"))
    with pytest.raises(ResourceError) as caught:
        bench.run("smoke", out=tmp_path / "run")
    assert caught.value.hint == "bench data fetch mnist"
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_gone_on_with_on_other_data(tmp_path: Path) -> None:
    from bench.planning import plan, suite
    from bench.running import manifests

    made = plan.make(suite.read("smoke"), "cpu")
    begun = {"suite": made.suite.described(), "plan": {"sha256": made.sha256}}
    begun["tasks"] = {"wine_mlp": {"data_sha256": "0" * 64}}
    with pytest.raises(DataError, match="got other data for wine_mlp; expected those the run began with"):
        manifests.check_same(tmp_path, made, begun, {"wine_mlp": "1" * 64})
