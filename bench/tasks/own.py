"""Tasks of a user's own that a suite names by a file: arrays in a `.npz`, or a Python file with a `TASK`."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import checks, files, scripts
from bench.datasets import Samples, own
from bench.datasets.base import Dataset
from bench.errors import InputError
from bench.losses import Metric
from bench.tasks import TASKS
from bench.tasks.base import Task
from bench.tasks.families import FAMILIES, entry

if TYPE_CHECKING:
    import numpy as np

PERFECT = 1.0  # accuracy, R² and share of variance: what is aimed at where the suite names no target
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,50}"
DIRECTIONS = ("maximize", "minimize")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {  # of a task: what fits, in code and in words
    "kind": (
        lambda kind: isinstance(kind, str) and kind.isprintable() and kind != "",
        "what it asks for in a word, as regression",
    ),
    "summary": (lambda summary: isinstance(summary, str), "text"),
    "metric": (
        lambda metric: isinstance(metric, Metric) and metric.direction in DIRECTIONS,
        f"a bench.losses.Metric, as MSE, to {' or '.join(DIRECTIONS)}",
    ),
    "target": (_number, "a finite float, of the validation metric"),
    "baseline": (_number, "a finite float, of the test metric"),
    "samples": (
        lambda samples: isinstance(samples, Samples) and all(map(_count, samples)),
        "bench.datasets.Samples of three ints",
    ),
    "parameters": (_count, "an int of 0 or more"),
    "flops": (_count, "an int of 0 or more, of one example"),
    "build": (callable, "a function"),
    "load": (callable, "a function"),
    "version": (_count, "an int of 0 or more"),
}
_known: ContextVar[Mapping[str, Any] | None] = ContextVar("known", default=None)  # of the `.npz` that is read


def task(path: Path, model: str = "", target: float = PERFECT) -> Task:
    """The task of a file. Raises `InputError` with what is wrong with it."""
    if path.suffix == ".py":
        return _from_python(path)
    if path.suffix in files.TABLES:
        told = f"{path}: got a table; expected arrays, a .npz"
        raise InputError(told, "bench data pack FILE.csv --target COLUMN makes one of it")
    if model not in FAMILIES:
        got = f"the model {model}" if model else "no model"
        raise InputError(f"{path}: got {got}; expected one of {', '.join(FAMILIES)}")
    if not re.fullmatch(NAME, path.stem):
        expected = "letters, digits and . _ - before .npz, as they name the task"
        raise InputError(f"{path}: got the name {path.stem!r}; expected {expected}")
    dataset, baseline = _arrays(path, model)
    return replace(entry(dataset, model, f"{path.stem}_{model}", target, baseline), file=str(path))


def _arrays(path: Path, model: str) -> tuple[Dataset, float]:
    """The data set of a `.npz`, or what is known of it, and what a constant scores on it."""
    if known := _known.get():
        shape = tuple(known["shape"])
        named = tuple(known.get("names", ()))  # a model of before has none
        dataset = own.described(path, Samples(*known["samples"]), shape, known["classes"], known["sha256"], named)
        return dataset, known["baseline"]
    dataset = own.dataset(path)
    return dataset, constant_score(path, dataset) if FAMILIES[model].predicts else 0.0


def problems(task: Task) -> list[str]:
    """What is wrong with the fields of a task that a user made, one line each."""
    wrong = [(key, expected) for key, (fits, expected) in FIELDS.items() if not fits(getattr(task, key))]
    return [f"{key}: got {getattr(task, key)!r}; expected {expected}" for key, expected in wrong]


def facts(task: Task) -> dict[str, Any]:
    """What a trained network needs to know of the `.npz` of its task, as plain values; nothing of other tasks."""
    dataset = task.dataset
    if not dataset or Path(task.file).suffix in ("", ".py"):
        return {}
    return {
        "samples": list(dataset.samples), "shape": list(dataset.shape), "classes": dataset.classes,
        "sha256": dataset.sha256, "baseline": task.baseline, "names": list(dataset.names),
    }  # fmt: skip


@contextmanager
def remembered(known: Mapping[str, Any]) -> Iterator[None]:
    """Where the suite of a model is read: by these facts of its `.npz`, whether that is still there or not.

    Tasks of files that are in the table have no part in it, and are there again afterwards.
    """
    before, token = dict(TASKS), _known.set(known)
    for name in [name for name, task in before.items() if task.file]:
        del TASKS[name]
    try:
        yield
    finally:
        _known.reset(token)
        TASKS.clear()
        TASKS.update(before)


def enter(task: Task) -> None:
    """Put a file's task into the table, or in the place of another file's.

    Raises `InputError` where its name is no name, or that of a task of no file.
    """
    if not re.fullmatch(checks.NAME, task.name):
        raise InputError(f"{task.file}: got a task named {task.name!r}; expected {checks.NAMED}")
    if task.name in TASKS and not TASKS[task.name].file:
        raise InputError(f"{task.file}: got a task named {task.name!r}, which is taken; expected a new name")
    TASKS[task.name] = task


@lru_cache(maxsize=64)
def constant_score(path: Path, dataset: Dataset) -> float:
    """What the most frequent class, or the mean, of train scores on test."""
    import numpy as np

    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as held:
        train, test = (held[f"y_{part}"].reshape(-1) for part in ("train", "test"))
    return of_constant(train, test, dataset.classes)


def of_constant(train: "np.ndarray", test: "np.ndarray", classes: int) -> float:
    """Accuracy of the most frequent class of the labels `train` on those of `test`; of numbers R² of their mean."""
    import numpy as np

    train, test = train.reshape(-1), test.reshape(-1)
    if classes:
        return float((test == np.bincount(train).argmax()).mean())
    train, test = (y.astype(np.float64) for y in (train, test))
    return float(1 - np.square(test - train.mean()).sum() / np.square(test - test.mean()).sum())


def _from_python(path: Path) -> Task:
    """The `TASK` that a Python file defines; the file is run."""
    module = scripts.run(path, "a Python file with a TASK")
    found = getattr(module, "TASK", None)
    if not isinstance(found, Task):
        got = "no TASK" if found is None else f"a TASK that is a {type(found).__name__}"
        raise InputError(f"{path}: got {got}; expected TASK = bench.tasks.Task(...)")
    if wrong := problems(found):
        raise InputError([f"{path}: TASK: {problem}" for problem in wrong])
    return replace(found, file=str(path), own=True)
