"""Whether two runs can be compared, and in what they are not alike."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from bench.errors import DataError
from bench.findings.audit import budget_told, incomplete, timing
from bench.findings.run import Run
from bench.labels import joined
from bench.stats import CELL, finished

SAME = ("version", "data_sha256", "metric", "target")  # of a task, or its numbers mean different things


def refuse(a: Run, b: Run, shared: set[str]) -> None:
    """Raise `DataError` where the runs share no cell, or what they call a task is not the same or had another budget.

    `shared` are the tasks of the cells that both have.
    """
    if not shared:
        tasks = [", ".join(run.manifest["tasks"]) for run in (a, b)]
        raise DataError(f"{b.name}: got no cell that {a.name} has, on {tasks[1]}; expected some of those on {tasks[0]}")
    problems = [problem for task in sorted(shared) for problem in _differences(a, b, task)]
    if problems:
        raise DataError(problems, "only runs of the same tasks, data and budget can be compared")


def others(a: Any, b: Any, task: str, keys: Iterable[str] = SAME) -> Iterator[str]:
    """In which of these keys what run `b` says of a task is not what run `a` says."""
    first, second = (run.manifest["tasks"][task] for run in (a, b))
    for key in keys:
        if first.get(key) != second.get(key):
            got, expected = (str(entry.get(key))[:60] for entry in (second, first))
            yield f"{b.name}: {task}: {key}: got {got}; expected {expected} as in {a.name}"


def _differences(a: Run, b: Run, task: str) -> Iterator[str]:
    yield from others(a, b, task)
    for key in ("steps", "batch_size"):
        spent, wanted = (_budget(run, task, key) for run in (b, a))
        if spent and wanted and spent != wanted:
            yield f"{b.name}: {task}: {key}: got {spent}; expected {wanted} as in {a.name}"


def _budget(run: Run, task: str, key: str) -> list[int]:
    lanes = finished(run.lanes[run.lanes["task"] == task], "evaluate")
    return sorted(int(value) for value in lanes[key].unique())


def faults(names: tuple[str, str], runs: tuple[Run, Run]) -> Iterator[str]:
    """What each run lacks."""
    for name, run in zip(names, runs, strict=True):
        yield from (f"{name}: {finding.text}" for finding in incomplete(run))


def unlike_tuning(names: tuple[str, str], runs: tuple[Run, Run], shared: list[Any]) -> Iterator[str]:
    """What the tuning of the cells that both have differs in."""
    budgets = [budget_told(run.lanes, shared) for run in runs]
    if all(budgets) and budgets[0] != budgets[1]:
        first, second = (f"{name} with {told}" for name, told in zip(names, budgets, strict=True))
        yield f"Tuned unlike, {first}, {second}: what differs may come from that."
    chosen = [run.convergence.set_index(CELL).reindex(pd.MultiIndex.from_tuples(shared)) for run in runs]
    first, second = (frame["learning_rate"].to_numpy(dtype=float) for frame in chosen)
    rest = [frame.get("hyperparameters", pd.Series("{}", frame.index)) for frame in chosen]
    known = np.isfinite(first) & np.isfinite(second)
    alike, searched = np.isclose(first, second, rtol=1e-6, atol=0), (rest[0] == rest[1]).to_numpy()
    what = "learning rate" if searched[known].all() else "trial"
    if count := int((known & ~(alike & searched)).sum()):
        yield (
            f"In {count} of {int(known.sum())} cells tuning chose another {what} in {names[1]}; each is tested "
            "at its own, and no test knows that tuning again might choose yet another."
        )


def renewed(a: Run, b: Run, shared: list[Any]) -> Iterator[str]:
    """What a user registered, of which these cells are, where the two runs had other functions of the same name.

    Only under the same jax, as another may tell the same function otherwise.
    """
    versions = [run.manifest["environment"].get("packages", {}).get("jax") for run in (a, b)]
    if versions[0] != versions[1]:
        return
    for kind, names in zip(("tasks", "activations", "optimizers"), zip(*shared, strict=True), strict=True):
        for name in dict.fromkeys(names):
            codes = [run.manifest[kind].get(name, {}).get("code", "") for run in (a, b)]
            if all(codes) and codes[0] != codes[1]:
                yield f"{kind[:-1]} {name}"


def doubts(names: tuple[str, str], runs: tuple[Run, Run]) -> tuple[str, ...]:
    """What is to be doubted of the speeds of each run; once where it is the same of both."""
    found = [(name, finding.text) for name, run in zip(names, runs, strict=True) for finding in timing(run.throughput)]
    texts = dict.fromkeys(text for _, text in found)
    return tuple(f"{joined([name for name, of in found if of == text])}: {text}" for text in texts)


def work(run: Run) -> "pd.Series[int]":
    """How many networks were trained for what: tuning may find other learning rates, and yet it is as much work."""
    return run.lanes.groupby([*CELL, "phase", "seed", "steps"]).size()


def names_of(a: Run, b: Run) -> tuple[str, str]:
    """What the two are called: with their devices where these are not the same, by their order where the names are."""
    names = [run.name for run in (a, b)]
    devices = [device(run) for run in (a, b)]
    if devices[0] != devices[1] and all(devices):
        names = [f"{name} ({device})" for name, device in zip(names, devices, strict=True)]
    return (names[0], names[1]) if names[0] != names[1] else (f"{names[0]} (first)", f"{names[1]} (second)")


def device(run: Run) -> str:
    """Where it ran; empty for a run that was interrupted before it could tell."""
    return str(run.manifest["environment"].get("device", ""))
