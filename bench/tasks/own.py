"""Tasks of a user's own that a suite names by a file: arrays in a `.npz`, or a Python file with a `TASK`."""

import importlib.util
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from bench import checks
from bench.datasets import Samples, own
from bench.datasets.base import Dataset
from bench.errors import InputError
from bench.tasks import TASKS
from bench.tasks.base import Task
from bench.tasks.families import FAMILIES, entry

PERFECT = 1.0  # accuracy, R² and share of variance: what is aimed at where the suite names no target
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,50}"


def task(path: Path, model: str = "", target: float = PERFECT) -> Task:
    """The task of a file. Raises `InputError` with what is wrong with it."""
    if path.suffix == ".py":
        return _from_python(path)
    if model not in FAMILIES:
        raise InputError(f"{path}: got the model {model or 'nothing'}; expected one of {', '.join(FAMILIES)}")
    if not re.fullmatch(NAME, path.stem):
        expected = "letters, digits and . _ - before .npz, as they name the task"
        raise InputError(f"{path}: got the name {path.stem!r}; expected {expected}")
    dataset = own.dataset(path)
    baseline = 0.0 if model == "autoencoder" else constant_score(path, dataset)
    return replace(entry(dataset, model, f"{path.stem}_{model}", target, baseline), file=str(path))


def facts(dataset: Dataset, model: str) -> dict[str, Any]:
    """What a trained network needs to know of the `.npz` that it was trained on, as plain values."""
    return {
        "file": dataset.source, "model": model, "samples": list(dataset.samples), "shape": list(dataset.shape),
        "classes": dataset.classes, "sha256": dataset.sha256,
    }  # fmt: skip


def remembered(file: str, model: str, samples: list[int], shape: list[int], classes: int, sha256: str) -> Task:
    """The task of these facts, whether its file is still there or not."""
    path = Path(file)
    dataset = own.described(path, Samples(*samples), tuple(shape), classes, sha256)
    return replace(entry(dataset, model, f"{path.stem}_{model}", PERFECT, 0.0), file=file)


def enter(task: Task) -> None:
    """Put a file's task into the table. Raises `InputError` where its name is no name, or that of another task."""
    if not re.fullmatch(checks.NAME, task.name):
        raise InputError(f"{task.file}: got a task named {task.name!r}; expected {checks.NAMED}")
    if task.name in TASKS and TASKS[task.name].file != task.file:
        raise InputError(f"{task.file}: got a task named {task.name!r}, which is taken; expected a new name")
    TASKS[task.name] = task


def constant_score(path: Path, dataset: Dataset) -> float:
    """What the most frequent class, or the mean, of train scores on test."""
    import numpy as np

    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as held:
        train, test = (held[f"y_{part}"].reshape(-1) for part in ("train", "test"))
    if dataset.classes:
        return float((test == np.bincount(train).argmax()).mean())
    return float(1 - np.square(test - train.mean()).sum() / max(np.square(test - test.mean()).sum(), 1e-30))


def _from_python(path: Path) -> Task:
    """The `TASK` that a Python file defines; the file is run."""
    try:
        module = _module(path)
    except FileNotFoundError:
        raise InputError(f"{path}: got no such file; expected a Python file with a TASK") from None
    except (Exception, SystemExit) as error:  # whatever the file raises
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{path}: got {told}; expected a Python file that runs") from None
    found = getattr(module, "TASK", None)
    if not isinstance(found, Task):
        got = "no TASK" if found is None else f"a TASK that is a {type(found).__name__}"
        raise InputError(f"{path}: got {got}; expected TASK = bench.tasks.Task(...)")
    return replace(found, file=str(path), own=True)


def _module(path: Path) -> ModuleType:
    import cloudpickle

    name = f"bench_own_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: got a file that is no Python; expected one with a TASK")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    cloudpickle.register_pickle_by_value(module)  # workers cannot import it by its name
    return module
