"""A user's own `.npz`: what it becomes, and every way in which it may be wrong."""

import pickle
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.datasets import arrays, own
from bench.datasets.prepare import halves
from bench.errors import DataError, InputError

GENERATOR = np.random.default_rng(3)
LABELS = np.arange(60) % 3


def held(**changed: Any) -> dict[str, Any]:
    """A classification of 60 and 12 samples in Keras's layout; None leaves an array out."""
    made = {
        "x_train": GENERATOR.normal(size=(60, 4)),
        "y_train": LABELS,
        "x_test": GENERATOR.normal(size=(12, 4)),
        "y_test": LABELS[:12],
        **changed,
    }
    return {key: value for key, value in made.items() if value is not None}


def save(folder: Path, **changed: Any) -> Path:
    path = folder / "mine.npz"
    np.savez(path, allow_pickle=True, **held(**changed))
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        own.dataset(path)
    assert caught.value.exit_code == 2
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]


class TestDataset:
    def test_of_labels_is_a_classification(self, tmp_path: Path) -> None:
        content = held()
        found = own.dataset(save(tmp_path, **content))
        assert (found.name, found.samples, found.shape, found.classes) == ("mine", (48, 12, 12), (4,), 3)
        assert len(found.sha256) == 64
        parts = arrays(found)
        for part in ("train", "validation"):
            assert np.bincount(parts[part][1]).tolist() == [found.samples._asdict()[part] // 3] * 3
        x = np.concatenate([parts["train"][0], parts["validation"][0]])
        for scaled, source in zip(np.sort(x, 0).T, np.sort(content["x_train"], 0).T, strict=True):
            assert np.corrcoef(scaled, source)[0, 1] == pytest.approx(1, abs=1e-9)
        assert np.allclose(parts["train"][0].mean(0), 0, atol=1e-6)
        assert np.allclose(parts["train"][0].std(0), 1, atol=1e-6)
        assert np.array_equal(parts["test"][1], content["y_test"]) and parts["test"][1].dtype == np.int32

    @pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
    @pytest.mark.parametrize("column", [False, True])
    def test_of_floats_is_a_regression(self, tmp_path: Path, kind: str, column: bool) -> None:
        y = GENERATOR.normal(5, 2, size=72).astype(kind).reshape(-1, *(1,) * column)
        found = own.dataset(save(tmp_path, y_train=y[:60], y_test=y[60:]))
        assert found.classes == 0
        parts = arrays(found)
        assert [parts[part][1].shape for part in ("train", "validation", "test")] == [(48,), (12,), (12,)]
        assert parts["train"][1].mean() == pytest.approx(0, abs=1e-3) and parts["train"][1].dtype == np.float32

    def test_far_from_0_is_one_once_it_is_scaled(self, tmp_path: Path) -> None:
        y = 1e6 + GENERATOR.normal(0, 0.01, 72)
        parts = arrays(own.dataset(save(tmp_path, y_train=y[:60], y_test=y[60:])))
        assert parts["train"][1].std() == pytest.approx(1, abs=1e-5)
        assert np.corrcoef(parts["test"][1], y[60:])[0, 1] == pytest.approx(1, abs=1e-6)

    @pytest.mark.parametrize("kind", ["uint8", "int64", "uint64", "bool"])
    def test_takes_labels_of_any_whole_type(self, tmp_path: Path, kind: str) -> None:
        labels = (np.arange(60) % 2).astype(kind)
        found = own.dataset(save(tmp_path, y_train=labels, y_test=labels[:12].reshape(-1, 1)))
        assert found.classes == 2
        assert set(arrays(found)["test"][1].tolist()) == {0, 1}

    def test_of_grey_bytes_are_images_of_one_channel(self, tmp_path: Path) -> None:
        images = GENERATOR.integers(0, 256, (72, 6, 5)).astype("uint8")
        images[:, 0, 0] = 0
        found = own.dataset(save(tmp_path, x_train=images[:60], x_test=images[60:]))
        assert found.shape == (6, 5, 1)
        x = arrays(found)["train"][0]
        assert x.shape == (48, 6, 5, 1)
        assert x.mean() == pytest.approx(0, abs=1e-5) and x.std() == pytest.approx(1, abs=1e-5)
        assert np.unique(x[:, 0, 0]).size == 1 and x[0, 0, 0, 0] == x.min()  # all pixels by one scale

    @pytest.mark.parametrize(("shape", "kind"), [((6, 5, 3), "uint8"), ((6, 5), "float32"), ((2, 3, 4, 5), "float32")])
    def test_of_other_shapes_keeps_them_and_scales_the_last_axis(
        self, tmp_path: Path, shape: tuple[int, ...], kind: str
    ) -> None:
        x = (GENERATOR.random((72, *shape)) * np.arange(1, shape[-1] + 1) * 40).astype(kind)
        found = own.dataset(save(tmp_path, x_train=x[:60], x_test=x[60:]))
        assert found.shape == shape
        scaled = arrays(found)["train"][0].reshape(-1, shape[-1])
        assert np.allclose(scaled.mean(0), 0, atol=1e-5) and np.allclose(scaled.std(0), 1, atol=1e-4)

    def test_reads_sizes_without_the_arrays(self, tmp_path: Path) -> None:
        size = 40_000_000
        path = save(tmp_path, x_train=np.zeros((60, size // 60), np.uint8), x_test=np.zeros((12, size // 60), np.uint8))
        tracemalloc.start()
        found = own.dataset(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert found.samples == (48, 12, 12)
        assert peak < size / 10

    def test_does_not_care_what_else_is_in_the_file(self, tmp_path: Path) -> None:
        assert own.dataset(save(tmp_path, names=np.array(["a", "b"], dtype=object))).classes == 3

    def test_survives_the_way_to_a_worker(self, tmp_path: Path) -> None:
        found = own.dataset(save(tmp_path))
        sent = pickle.loads(pickle.dumps(found))
        assert sent == found
        assert np.array_equal(arrays(sent)["train"][0], arrays(found)["train"][0])

    def test_differs_where_the_file_does(self, tmp_path: Path) -> None:
        assert own.dataset(save(tmp_path)).sha256 != own.dataset(save(tmp_path)).sha256  # other draws


class Evil:
    def __reduce__(self) -> Any:
        return pytest.fail, ("a pickle was loaded",)


class TestRefused:
    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            ({"x_test": None}, "x_test: got no such array; expected it"),
            ({"x_train": np.array([["a"] * 4] * 60)}, "x_train: got <U1; expected numbers"),
            ({"x_train": np.full((60, 4), 1j)}, "x_train: got complex128; expected numbers"),
            ({"y_test": np.array([Evil()] * 12, object)}, "y_test: got Python objects; expected numbers"),
            ({"x_train": np.zeros(60)}, "x_train: got the shape (60,); expected (samples, ...), with a number or more"),
            ({"x_train": np.zeros((60, 0)), "x_test": np.zeros((12, 0))}, "x_train: got the shape (60, 0); expected"),
            ({"x_test": np.zeros((12, 5))}, "x_test: got samples of shape (5,); expected (4,), as x_train has"),
            ({"y_train": LABELS[:59]}, "y_train: got 59 samples; expected 60, as x_train has"),
            ({"y_train": np.zeros((60, 3))}, "y_train: got the shape (60, 3); expected (samples,)"),
            ({"y_train": np.array(3)}, "y_train: got the shape (); expected (samples,)"),
            ({"y_train": LABELS + 1, "y_test": LABELS[:12] + 1}, "y_train: got the labels 1, 2, 3; expected 0 to 2"),
            ({"y_train": LABELS * 2}, "y_train: got the labels 0, 2, 4; expected 0 to 2, or floats to predict"),
            ({"y_train": LABELS - 1}, "y_train: got the labels -1, 0, 1; expected 0 to 2"),
            ({"y_train": LABELS * 0, "y_test": LABELS[:12] * 0}, "y_train: got one class, 0; expected two or more"),
            ({"y_test": LABELS[:12] + 1}, "y_test: got the label 3; expected 0 to 2, as y_train has"),
            ({"y_train": np.array([0, 1] * 29 + [0, 2])}, "y_train: got 1 of class 2 in 60 samples; expected"),
            ({"y_train": np.arange(60) // 2}, "y_train: got 2 of class 0 in 60 samples; expected at least 2 of each"),
            ({"y_test": LABELS[:12] / 2}, "y_test: got float64; expected int64, as y_train has"),
            ({"y_train": np.r_[np.nan, LABELS[1:]], "y_test": LABELS[:12] / 2}, "y_train: got nan, or"),
            ({"y_train": LABELS * 1e200, "y_test": LABELS[:12] / 2}, "y_train: got nan, or more than 1e+18; expected"),
            ({"y_train": LABELS * 1e-200, "y_test": LABELS[:12] / 2}, "y_train: got 0 throughout"),
            ({"y_train": LABELS * 0.0 + 2, "y_test": LABELS[:12] / 2}, "y_train: got 2 throughout"),
            ({"y_train": LABELS / 2, "y_test": LABELS[:12] * 0.0}, "y_test: got 0 throughout; expected numbers that"),
            ({"x_train": np.zeros((9, 4)), "y_train": LABELS[:9]}, "x_train: got 9 samples; expected at least 10"),
            ({"x_test": np.zeros((0, 4)), "y_test": LABELS[:0]}, "x_test: got 0 samples; expected at least 2"),
        ],
    )  # fmt: skip
    def test_is_what_is_not_fit_to_train_on(self, tmp_path: Path, changed: dict[str, Any], told: str) -> None:
        assert any(problem.startswith(told) for problem in problems(save(tmp_path, **changed))), problems(
            save(tmp_path, **changed)
        )

    def test_is_all_that_is_wrong_at_once(self, tmp_path: Path) -> None:
        found = problems(save(tmp_path, x_train=np.zeros((50, 4)), x_test=np.zeros((12, 5))))
        assert [problem.split(":")[0] for problem in found] == ["y_train", "x_test"]
        assert len(problems(save(tmp_path, x_train=None, y_train=None, x_test=np.array(["a"])))) == 3

    @pytest.mark.parametrize(("names", "hint"), [("Xy", own.SPLIT), ("xy", own.SPLIT), ("ab", own.HOW), ("", own.HOW)])
    def test_is_what_nobody_has_split(self, tmp_path: Path, names: str, hint: str) -> None:
        path = tmp_path / "mine.npz"
        np.savez(path, **{name: np.zeros(3) for name in names})
        with pytest.raises(InputError) as caught:
            own.dataset(path)
        got = ", ".join(names) or "no array"
        assert caught.value.problems == [f"{path}: got {got}; expected x_train, y_train, x_test, y_test"]
        assert caught.value.hint == hint

    def test_is_what_is_too_large(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(own, "MOST", 1000)
        assert problems(save(tmp_path)) == ["got 0.0 GiB as float32; expected at most 0 GiB"]

    @pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + b"\0" * 50], ids=["empty", "text", "half"])
    def test_is_a_file_of_another_kind(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "mine.npz").write_bytes(content)
        assert problems(tmp_path / "mine.npz")[0].startswith("got a file that is no .npz; expected one of x_train")

    def test_is_a_single_array(self, tmp_path: Path) -> None:
        np.save(tmp_path / "mine.npy", np.zeros(3))
        assert problems(tmp_path / "mine.npy")[0].startswith("got a file that is no .npz")

    def test_is_what_is_not_there_or_a_folder(self, tmp_path: Path) -> None:
        assert problems(tmp_path / "none.npz")[0].startswith("got no such file")
        assert problems(tmp_path) == ["got Is a directory; expected a readable .npz"]

    def test_is_a_member_that_is_no_array_or_cut(self, tmp_path: Path) -> None:
        path = save(tmp_path, x_test=None, y_test=None)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("x_test.npy", b"hello")
            archive.writestr("y_test.npy", zipfile.ZipFile(path).read("y_train.npy")[:-8])
        unreadable, cut = problems(path)
        assert unreadable.startswith("x_test: got something unreadable")
        assert cut == "y_test: got 600 bytes; expected 608 for its shape"

    def test_is_a_truncated_or_damaged_file(self, tmp_path: Path) -> None:
        path = save(tmp_path)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        assert problems(path)[0].startswith("got a file that is no .npz")
        damaged = bytearray(whole)
        at = whole.index(LABELS.tobytes()) + 8
        damaged[at] ^= 0xFF
        path.write_bytes(damaged)
        assert problems(path) == ["y_train: got something unreadable (BadZipFile); expected an array"]

    def test_is_a_long_y_that_is_damaged_further_on(self, tmp_path: Path) -> None:
        labels = np.arange(60_000) % 3
        path = save(tmp_path, x_train=np.zeros((60_000, 1), bool), y_train=labels, x_test=np.zeros((12, 1), bool))
        whole = bytearray(path.read_bytes())
        whole[whole.index(labels.tobytes()) + 400_000] ^= 0xFF
        path.write_bytes(whole)
        assert problems(path) == ["y: got an array that cannot be read (BadZipFile); expected labels or numbers"]


class TestCheck:
    """What is looked at before a run begins."""

    def test_is_the_checksum_of_the_file(self, tmp_path: Path) -> None:
        found = own.dataset(save(tmp_path))
        assert found.check(found) == found.sha256

    def test_refuses_values_that_are_no_numbers(self, tmp_path: Path) -> None:
        x = GENERATOR.normal(size=(60, 4))
        x[3, 2] = np.nan
        path = save(tmp_path, x_train=x, x_test=np.full((12, 4), 1e200))
        found = own.dataset(path)
        with pytest.raises(InputError) as caught:
            found.check(found)
        assert caught.value.problems == [
            f"{path}: x_train: got nan, or more than 1e+18; expected numbers",
            f"{path}: x_test: got nan, or more than 1e+18; expected numbers",
        ]

    def test_refuses_numbers_to_validate_with_that_are_all_alike(self, tmp_path: Path) -> None:
        y = np.zeros(60)
        y[halves(np.arange(60), y, 12, 0)[0]] = GENERATOR.normal(size=48)  # what is drawn off for validation stays 0
        path = save(tmp_path, y_train=y, y_test=GENERATOR.normal(size=12))
        found = own.dataset(path)
        with pytest.raises(InputError) as caught:
            found.check(found)
        assert caught.value.problems == [f"{path}: y_validation: got 0 throughout; expected numbers that differ"]
        assert "drawn off for validation" in caught.value.hint

    def test_refuses_a_file_that_has_changed_or_gone(self, tmp_path: Path) -> None:
        path = save(tmp_path)
        found = own.dataset(path)
        save(tmp_path)
        for look in (found.check, arrays):
            with pytest.raises(DataError, match="other contents"):
                look(found)
        path.unlink()
        with pytest.raises(InputError, match="no such file"):
            found.check(found)

    def test_refuses_a_damaged_array(self, tmp_path: Path) -> None:
        path = save(tmp_path, x_train=np.zeros((60, 4000)), x_test=np.zeros((12, 4000)))
        whole = bytearray(path.read_bytes())
        whole[1_000_000] ^= 0xFF  # in the first array, x_train
        path.write_bytes(whole)
        found = own.dataset(path)
        with pytest.raises(DataError, match="cannot be read"):
            found.check(found)
