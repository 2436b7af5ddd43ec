"""Data sets and the tasks on them: what the tables declare is what the data are."""

import dataclasses
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.datasets import DATASETS, SPLITS, Dataset, _split, arrays, cache_folder, checksum
from bench.errors import DataError
from bench.tasks import TASKS

EVERY = pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder for each test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "optact"


def files(cache: Path) -> list[Path]:
    return sorted((cache / "datasets").iterdir())


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return all(np.array_equal(x, y) for part in SPLITS for x, y in zip(a[part], b[part], strict=True))


@EVERY
def test_parts_are_as_declared(dataset: Dataset) -> None:
    parts = arrays(dataset)
    assert tuple(parts) == SPLITS
    for part, samples in zip(SPLITS, dataset.samples, strict=True):
        x, y = parts[part]
        assert len(x) == len(y) == samples and x.ndim == 2 and y.ndim == 1
        assert x.dtype == np.float32 and y.dtype == (np.int32 if dataset.classes else np.float32)
        assert np.isfinite(x).all() and np.isfinite(y).all()
    if dataset.classes:
        assert set(parts["train"][1]) == set(range(dataset.classes))


@EVERY
def test_splits_are_fixed_disjoint_and_whole(dataset: Dataset) -> None:
    from importlib import import_module

    first, again = _split(dataset), _split(dataset)
    assert checksum(first) == checksum(again) == dataset.sha256
    module, _, function = dataset.loader.partition(":")
    x, y = getattr(import_module(module), function)(return_X_y=True)
    rows = sorted(map(tuple, np.column_stack([x, y]).astype(np.float32)))
    parts = [np.column_stack(first[part]).astype(np.float32) for part in SPLITS]
    assert sorted(map(tuple, np.concatenate(parts))) == rows


@EVERY
def test_splits_are_stratified(dataset: Dataset) -> None:
    parts = arrays(dataset)
    whole = np.concatenate([parts[part][1] for part in SPLITS])
    for part in SPLITS:
        y = parts[part][1]
        for label in range(dataset.classes):
            assert abs((y == label).sum() - (whole == label).mean() * len(y)) <= 1.5


@EVERY
def test_standardized_by_the_training_part_alone(dataset: Dataset) -> None:
    raw, parts = _split(dataset), arrays(dataset)
    mean, deviation = raw["train"][0].mean(0, dtype=np.float64), raw["train"][0].std(0, dtype=np.float64)
    constant = deviation == 0
    for part in SPLITS:
        expected = (raw[part][0] - mean) / np.where(constant, 1, deviation)
        np.testing.assert_allclose(parts[part][0], expected, rtol=1e-5, atol=1e-6)
    x, y = parts["train"]
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(0)[~constant], 1, rtol=1e-4)
    assert abs(parts["test"][0].mean(0)).max() > 1e-3, "not standardized by itself"
    if not dataset.classes:
        np.testing.assert_allclose([y.mean(), y.std()], [0, 1], atol=1e-5)


def test_the_cache_is_used_and_private(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = arrays(DATASETS["wine"])
    assert stat.S_IMODE(own_cache.stat().st_mode) == 0o700 and cache_folder() == own_cache
    assert len(files(own_cache)) == 1, "nothing temporary is left"
    monkeypatch.setattr("bench.datasets._split", lambda dataset: pytest.fail("the cache was not used"))
    assert same(arrays(DATASETS["wine"]), first)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_a_damaged_cache_is_made_anew(own_cache: Path, damage: str) -> None:
    first = arrays(DATASETS["wine"])
    (file,) = files(own_cache)
    good = file.read_bytes()
    middle = len(good) // 2
    flipped = good[:middle] + bytes([good[middle] ^ 255]) + good[middle + 1 :]
    file.write_bytes({"cut": good[:middle], "flip": flipped, "empty": b"", "other": b"not an archive"}[damage])
    assert same(arrays(DATASETS["wine"]), first)
    assert same(arrays(DATASETS["wine"]), first)
    with np.load(file, allow_pickle=False) as archive:
        assert len(archive.files) == 6


def test_other_data_under_the_right_name_are_not_believed(own_cache: Path) -> None:
    first = arrays(DATASETS["wine"])
    (file,) = files(own_cache)
    with np.load(file, allow_pickle=False) as archive:
        content = dict(archive)
    content["y_test"] = content["y_test"][::-1]
    np.savez_compressed(file, allow_pickle=False, **content)
    assert same(arrays(DATASETS["wine"]), first)


def test_a_changed_source_is_refused_with_both_checksums(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.datasets

    def changed(return_X_y: bool) -> tuple[Any, Any]:  # noqa: N803 - scikit-learn's name
        x, y = original(return_X_y=return_X_y)
        x[0, 0] += 1
        return x, y

    original = sklearn.datasets.load_wine
    monkeypatch.setattr(sklearn.datasets, "load_wine", changed)
    wine = DATASETS["wine"]
    with pytest.raises(DataError) as caught:
        arrays(wine)
    assert f"got checksum {checksum(_split(wine))[:12]}; expected {wine.sha256[:12]}" in str(caught.value)
    assert not files(own_cache)


def test_without_a_place_for_the_cache_it_is_merely_slower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert len(arrays(DATASETS["wine"])["train"][0]) == 106


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_a_task_declares_what_its_data_and_model_are(task: Any) -> None:
    import jax

    from bench.activations import ACTIVATIONS

    assert task.samples == task.dataset.samples
    parts = task.load(task)
    problem = task.build(task, (ACTIVATIONS["relu"],), 0)
    parameters, _ = jax.eval_shape(problem.init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(parameters)) == task.parameters
    x, y = parts["test"]
    if task.dataset.classes:
        common = np.bincount(parts["train"][1]).argmax()
        outputs = np.eye(task.dataset.classes, dtype=np.float32)[np.full(len(y), common)]
        assert task.baseline == pytest.approx(float((y == common).mean()))
        assert float(task.metric.function(outputs, y)) == pytest.approx(task.baseline)
    else:
        assert float(task.metric.function(np.full((len(y), 1), y.mean()), y)) == pytest.approx(task.baseline, abs=1e-5)
    assert task.metric.better(task.target, task.baseline) and len(x) == task.samples.test


def test_another_data_set_under_an_old_name_has_a_cache_of_its_own(own_cache: Path) -> None:
    arrays(DATASETS["wine"])
    with pytest.raises(DataError):
        arrays(dataclasses.replace(DATASETS["wine"], sha256="0" * 64))
