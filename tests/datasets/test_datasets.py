"""The bundled data: fixed, stratified, standardized splits, a cache that can be lost, and what tasks say of them."""

import pickle
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.activations import ACTIVATIONS
from bench.datasets import DATASETS, SPLITS, Dataset, arrays, base, bundled, checksum, downloaded, photos, series
from bench.errors import DataError
from bench.tasks import tabular

TABLES = {entry.name: entry for entry in bundled.DATASETS}
EACH = pytest.mark.parametrize("entry", TABLES.values(), ids=TABLES)
EACH_TASK = pytest.mark.parametrize("task", tabular.TASKS, ids=lambda task: task.name)
WINE = DATASETS["wine"]


def source(entry: Dataset) -> Any:
    """The parts as the entry's source has them, without the cache."""
    return entry.parts.args[0](entry)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    """The splits before they are standardized."""
    return {name: source(entry) for name, entry in TABLES.items()}


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "optact"


def same(a: Any, b: Any) -> bool:
    return all(np.array_equal(x, y) for part in SPLITS for x, y in zip(a[part], b[part], strict=True))


class TestSplits:
    @EACH
    def test_are_what_the_table_says(self, entry: Dataset, raw: dict[str, Any]) -> None:
        assert checksum(raw[entry.name]) == entry.sha256
        parts = arrays(entry)
        assert tuple(len(parts[part][0]) for part in SPLITS) == entry.samples
        assert all(len(x) == len(y) for x, y in parts.values())
        assert {x.dtype for x, _ in parts.values()} == {np.dtype("float32")}
        assert {y.dtype for _, y in parts.values()} == {np.dtype("int32" if entry.classes else "float32")}

    @EACH
    def test_together_are_the_whole_data_set(self, entry: Dataset, raw: dict[str, Any]) -> None:
        import sklearn.datasets

        load = getattr(sklearn.datasets, f"load_{entry.name}")
        x, y = load(return_X_y=True)
        whole = np.column_stack([x, y]).astype("float32")
        split = np.concatenate([np.column_stack(raw[entry.name][part]) for part in SPLITS]).astype("float32")
        assert np.array_equal(whole[np.lexsort(whole.T)], split[np.lexsort(split.T)])

    @pytest.mark.parametrize("entry", [e for e in TABLES.values() if e.classes], ids=lambda e: e.name)
    def test_have_the_classes_in_the_same_proportions(self, entry: Dataset) -> None:
        parts = arrays(entry)
        counts = {part: np.bincount(y, minlength=entry.classes) for part, (_, y) in parts.items()}
        whole = sum(counts.values())
        assert len(whole) == entry.classes
        for part, count in counts.items():
            assert np.abs(count - whole * count.sum() / whole.sum()).max() <= 1.5, part

    @EACH
    def test_are_standardized_on_the_training_part_alone(self, entry: Dataset, raw: dict[str, Any]) -> None:
        parts = arrays(entry)
        axes = [0] if entry.classes else [0, 1]  # targets too, where they are numbers
        for axis in axes:
            train, source = parts["train"][axis], raw[entry.name]["train"][axis].astype("float64")
            varied = source.std(0) > 0
            assert np.abs(train.mean(0, dtype="float64")).max() < 1e-5
            assert train.std(0, dtype="float64")[varied] == pytest.approx(1.0, abs=1e-5)
            assert (train.T[~varied] == 0).all()
            test = (raw[entry.name]["test"][axis] - source.mean(0)) / np.where(varied, source.std(0), 1)
            assert np.allclose(parts["test"][axis], test, atol=1e-5)
            assert np.abs(parts["test"][axis].mean(0)).max() > 1e-3

    def test_a_constant_feature_stays_zero(self) -> None:
        assert (arrays(DATASETS["digits"])["train"][0][:, 0] == 0).all()
        assert all(np.isfinite(x).all() for x, _ in arrays(DATASETS["digits"]).values())


class TestChecksum:
    def test_is_of_names_types_shapes_and_values(self, raw: dict[str, Any]) -> None:
        parts = raw["wine"]
        x, y = parts["test"]
        others: Iterator[Any] = iter(
            [
                {**parts, "test": (x + np.float32(1e-3), y)},
                {**parts, "test": (x, y[::-1])},
                {**parts, "test": (x.reshape(-1, 1), y)},
                {**parts, "test": (x, y.astype("uint32"))},
                {**parts, "test": parts["validation"], "validation": parts["test"]},
            ]
        )
        digests = [checksum(other) for other in others]
        assert len({*digests, WINE.sha256}) == 6


class TestCache:
    def test_is_private_to_the_user(self, fresh_cache: Path) -> None:
        arrays(WINE)
        assert stat.S_IMODE(fresh_cache.stat().st_mode) == 0o700

    def test_spares_the_source(self, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first = arrays(WINE)
        monkeypatch.setattr("sklearn.datasets.load_wine", lambda **_: pytest.fail("the source was read again"))
        assert same(arrays(WINE), first)

    @pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "directory", "other"])
    def test_is_made_anew_where_it_is_damaged(self, fresh_cache: Path, damage: str) -> None:
        first = arrays(WINE)
        file = base._cache_file(WINE)
        whole = file.read_bytes()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 0xFF
        contents = {"cut": whole[: len(whole) // 2], "flipped": bytes(flipped), "empty": b"", "text": b"hello"}
        if damage == "directory":
            file.unlink()
            file.mkdir()
        elif damage == "other":
            arrays(DATASETS["diabetes"])
            file.write_bytes(base._cache_file(DATASETS["diabetes"]).read_bytes())
        else:
            file.write_bytes(contents[damage])
        assert same(arrays(WINE), first)
        if damage != "directory":
            assert same(base.scaled(base._cached(WINE), WINE), first)  # type: ignore[arg-type]

    def test_can_do_without_a_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        assert len(arrays(WINE)["train"][0]) == WINE.samples.train

    def test_many_can_make_it_at_once(self, fresh_cache: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: arrays(WINE), range(16)))
        assert all(same(parts, found[0]) for parts in found)
        assert [file.name for file in (fresh_cache / "datasets").iterdir()] == [base._cache_file(WINE).name]
        assert base._cached(WINE) is not None

    def test_a_changed_source_is_refused(self, fresh_cache: Path) -> None:
        changed = replace(WINE, sha256="0" * 64)
        with pytest.raises(DataError) as caught:
            arrays(changed)
        expected = f"data set wine: got checksum {WINE.sha256[:12]}; expected 000000000000"
        assert caught.value.problems == [expected]
        assert "has changed" in caught.value.hint
        assert not list((fresh_cache / "datasets").iterdir())


class TestTasks:
    """What a task declares, so that planning needs neither data nor model, is what they say."""

    @EACH_TASK
    def test_declares_the_samples_of_its_data(self, task: Any) -> None:
        parts = task.load(task)
        assert tuple(len(parts[part][0]) for part in SPLITS) == task.samples
        assert task.kind == ("classification" if task.dataset.classes else "regression")

    @EACH_TASK
    def test_declares_the_parameters_and_the_work_of_its_model(self, task: Any) -> None:
        import jax

        def sizes(key: Any) -> Any:
            problem = task.build(task, (ACTIVATIONS["relu"],), np.int32(0))
            return problem.init(key)[0]

        leaves = jax.tree.leaves(jax.eval_shape(sizes, jax.random.key(0)))
        assert sum(leaf.size for leaf in leaves) == task.parameters
        kernels = [leaf.shape for leaf in leaves if leaf.ndim == 2]
        features = task.load(task)["train"][0].shape[1]
        first = next(shape for shape in kernels if shape[0] == features)
        work = 6 * sum(a * b for a, b in kernels) - 2 * first[0] * first[1]
        assert task.flops == work

    @EACH_TASK
    def test_declares_what_the_best_guess_without_features_scores(self, task: Any) -> None:
        parts = task.load(task)
        y_train, (_, y_test) = parts["train"][1], parts["test"]
        if task.dataset.classes:
            guess = np.bincount(y_train).argmax()
            assert task.baseline == pytest.approx((y_test == guess).mean())
        else:
            error = ((y_test - y_train.mean()) ** 2).sum() / ((y_test - y_test.mean()) ** 2).sum()
            assert task.baseline == pytest.approx(1 - error, abs=0.01)
        assert task.metric.better(task.target, task.baseline)


def test_bundled_entries_are_bit_for_bit_what_they_always_were() -> None:
    """What training is given, after scaling; other numbers would void every stored result."""
    known = {
        "digits": "825d8241d498e86c361ba1d257ec708da2e52699846dc1c18c14fc07ce9df5ca",
        "wine": "c7f639b6185931c92c04ce65040fda0daa7565692c419203be050cbaf389d2d6",
        "breast_cancer": "ab6f1a17fc10fb3fae83c829da360939f3524f6fd0d2ac68a5f4c521befca730",
        "diabetes": "99fec596a5d7c12a895b23cc060e9d47961b1e778180cec20078e61f4c41a9a1",
    }
    assert {name: checksum(arrays(entry)) for name, entry in TABLES.items()} == known


def test_the_table_names_each_once_and_says_all_of_it() -> None:
    entries = [*bundled.DATASETS, *series.DATASETS, *photos.DATASETS, *(d.dataset for d in downloaded.DOWNLOADS)]
    assert list(DATASETS) == [entry.name for entry in entries]
    assert all(entry.summary and entry.source and entry.licence for entry in entries)


def test_entries_survive_the_way_to_a_worker() -> None:
    for entry in DATASETS.values():
        assert pickle.loads(pickle.dumps(entry)) == entry
