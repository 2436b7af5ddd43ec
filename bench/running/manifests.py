"""A run's manifest as it begins, and whether what is asked of a run that has begun is still what it says."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.errors import BenchError, DataError, InputError, in_words
from bench.hardware import machine
from bench.planning import plan
from bench.planning.budget import Seeds, Trial
from bench.planning.plan import Plan
from bench.planning.program import Program
from bench.planning.suite import Suite
from bench.running import calls
from bench.storage import store
from bench.tasks import Task

INCOMPLETE = "incomplete"  # the status of a run that has nothing left to do, though lanes are missing
UNFINISHED = ("running", "interrupted", INCOMPLETE)


def describe(made: Plan, command: str, data: Mapping[str, str]) -> dict[str, Any]:
    """The manifest of a run that is about to begin; `data` are the checksums of its tasks' data."""
    wanted, programs = made.suite, made.programs
    tasks = {program.task.name: program.task for program in programs}
    activations = {a.label: a for program in programs for a in program.activations}
    optimizers = {o.label: o for program in programs for o in program.optimizers}
    return {
        "schema": store.SCHEMA_VERSION,
        "name": wanted.name,
        "status": "running",
        "created": now(),
        "finished": None,
        "command": command,
        "device": made.device,
        **planned(made),
        "cells": [[*cell[:3], [_trial(trial) for trial in cell.trials]] for cell in made.cells],
        "programs": {
            p.id: {"width": p.width, "steps": p.steps, "batch_size": p.batch_size, "mixed": p.mixed,
                   "lane_step_flops": p.lane_step_flops, "activations": [a.label for a in p.activations],
                   "optimizers": [o.label for o in p.optimizers]}
            for p in programs
        },
        "tasks": {
            name: _task(task, data.get(name)) for name, task in tasks.items()
        },
        "activations": {label: _entry(a) for label, a in activations.items()},
        "optimizers": {label: _entry(o) | _searched(label, wanted) for label, o in optimizers.items()},
        "environment": machine.describe(),
        "execution": {"device": made.device, "workers": 0, "width": max(p.width for p in programs), "sessions": []},
    }  # fmt: skip


def planned(made: Plan) -> dict[str, Any]:
    """What a manifest says of a plan, and what becomes another where seeds are added."""
    seeds = made.suite.seeds
    return {
        "suite": made.suite.described(),
        "plan": {"cells": len(made.cells), "lanes": made.lanes, "programs": len(made.programs),
                 "lane_steps": made.lane_steps, "sha256": made.sha256},
        "seeds": {"tune": seeds.tune_list(), "evaluate": seeds.evaluate_list()},
        "rounds": list(made.rounds),
    }  # fmt: skip


def rounds(suite: Suite, previous: Mapping[str, Any]) -> tuple[int, ...]:
    """How many evaluation seeds a run has after each time that some were added, this time too if `suite` has others.

    Empty where none ever were. Seeds that were added and not all trained yet may become fewer again. Where those of
    the suite are not the run's and more, it is none of this run: `check_same` says so.
    """
    had, asked = previous["seeds"]["evaluate"], suite.seeds.evaluate_list()
    known = tuple(previous.get("rounds", ()))
    kept = known[:-1] if known and previous["status"] in UNFINISHED else known or (len(had),)
    same = suite.seeds.tune_list() == previous["seeds"]["tune"] and asked[: kept[-1]] == had[: kept[-1]]
    if asked == had or not same or len(asked) < kept[-1]:
        return known
    return (*kept, len(asked)) if len(asked) > kept[-1] else kept if len(kept) > 1 else ()


def data_of(programs: Iterable[Program]) -> dict[str, str]:
    """The checksums of the data of what these train, by task; it is read to tell them. Raises `BenchError`."""
    datasets = {program.task.name: program.task.dataset for program in programs if program.task.dataset}
    found = {dataset: dataset.check(dataset) for dataset in dict.fromkeys(datasets.values())}
    return {name: found[dataset] for name, dataset in datasets.items()}


def _task(task: Task, data: str | None) -> dict[str, Any]:
    """A task as plain values."""
    return {
        "base": task.name.partition("(")[0],
        "options": dict(task.arguments),
        "kind": task.kind,
        "summary": task.summary,
        "version": task.version,
        "metric": task.metric.described(),
        "target": task.target,
        "baseline": task.baseline,
        "baseline_is": task.baseline_is,
        "samples": task.samples._asdict(),
        "parameters": task.parameters,
        "data_sha256": data,
        "uses_activation": task.uses_activation,
        "exhibit": task.exhibit,
        "shown": task.shown(task) if task.shown else {},
    }


def _entry(entry: Any) -> dict[str, Any]:
    return {"base": entry.name, "summary": entry.summary, "arguments": dict(entry.arguments)}


def _trial(trial: Trial) -> Any:
    """A trial as a plain value: its learning rate, and in a list with it what else was searched."""
    return [trial.learning_rate, *trial.values] if trial.values else trial.learning_rate


def _searched(label: str, wanted: Suite) -> dict[str, Any]:
    """Where the learning rate and other numbers of an optimizer were searched; nothing of a grid."""
    if wanted.tuning.grids:
        return {}
    (entry,) = (entry for entry in wanted.optimizer_entries if entry.resolve().label == label)
    rates, multiplier = wanted.rates(entry)
    ends = dict(zip(("low", "high"), rates.ends(multiplier), strict=True)) | {"scale": "log"}
    return {"searched": {"learning_rate": ends, **{key: axis.model_dump() for key, axis in entry.ranges.items()}}}


def check_same(path: Path, made: Plan, previous: Mapping[str, Any], data: Mapping[str, str]) -> None:
    """Raise `InputError` or `DataError` where the run in `path` was begun with another plan, data or software."""
    told = {"description": previous["suite"]["description"]}  # may be written anew: nothing depends on it
    seeds = Seeds(**previous["suite"]["seeds"])
    if added(made, previous):
        told["seeds"] = seeds
    if not _is(made, previous, told):
        first = made.suite.model_copy(update={**told, "seeds": seeds})
        if plan.make(first, made.device, tuple(previous.get("rounds", ()))).sha256 == previous["plan"]["sha256"]:
            raise InputError(
                f"--resume {path}: got the seeds {made.suite.seeds}; expected those of the run, {seeds}, or more",
                "evaluation seeds can be added: those that it has come first",
            )
        raise InputError(
            f"--resume {path}: got a run of another suite or budget ({previous['name']}); expected one of this suite",
            "leave SUITE out to go on with what was planned",
        )
    check_data(path, previous, data)
    check_software(path, previous)


def _is(made: Plan, previous: Mapping[str, Any], update: Mapping[str, Any]) -> bool:
    """Whether a run was begun with this plan, were its suite updated so."""
    return replace(made, suite=made.suite.model_copy(update=update)).sha256 == previous["plan"]["sha256"]


def added(made: Plan, previous: Mapping[str, Any]) -> bool:
    """Whether the plan is that of a run with evaluation seeds added."""
    return list(made.rounds) != previous.get("rounds", [])


def check_data(path: Path, previous: Mapping[str, Any], data: Mapping[str, str]) -> None:
    """Raise `DataError` where the run in `path` was begun with other data, as far as it says with which."""
    others = [name for name, sha256 in data.items() if previous["tasks"][name].get("data_sha256", sha256) != sha256]
    if others:
        raise DataError(
            f"--resume {path}: got other data for {', '.join(others)}; expected those the run began with",
            "put them back, or start a new run",
        )


def check_software(path: Path, previous: Mapping[str, Any]) -> None:
    """Raise `DataError` where the run in `path` was begun with other versions, or options, of what computes it."""
    current, then = machine.describe(), previous["environment"]
    pairs = {name: (then["packages"].get(name), current["packages"].get(name)) for name in machine.COMPARABLE}
    if "xla_flags" in then:
        pairs["XLA_FLAGS"] = then["xla_flags"] or "none", current["xla_flags"] or "none"
    changed = [f"{name} {before}, now {after}" for name, (before, after) in pairs.items() if before != after]
    if changed:
        raise DataError(
            f"--resume {path}: got results of other software ({'; '.join(changed)}); expected the same",
            "bring these back, or start a new run",
        )


def enter_device(path: Path | None, device: dict[str, Any], kind: str) -> None:
    """Enter the kind of a device. Raises `DataError` where the run in `path` began on another."""
    began = device.setdefault("device_kind", kind)
    if began != kind:
        raise DataError(
            f"--resume {path}: got {kind}; expected {began}, on which it began", "go on there, or start a new run"
        )


def _called(entry: Any) -> str:
    return str(entry.name if isinstance(entry, Task) else entry.label)


def enter_code(path: Path | None, manifest: Mapping[str, Any], programs: Sequence[Program], one: Executor) -> None:
    """Enter into the manifest what each of a user's own entries computes, as the worker `one` finds it.

    Raises `DataError` where that is not what it was when the run in `path` began: a name would mean two things.
    """
    sides: dict[str, list[Any]] = {
        "tasks": [program.task for program in programs],
        "activations": [one for program in programs for one in program.activations],
        "optimizers": [one for program in programs for one in program.optimizers],
    }
    places = {(kind, _called(entry)): entry for kind, entries in sides.items() for entry in entries if entry.own}
    if not places:
        return
    try:
        codes = one.submit(calls.fingerprints, list(places.values())).result()
    except BenchError:
        raise
    except Exception as error:  # of pickling, or of a process that died of it
        names = ", ".join(label for _, label in places)
        told = _unsendable(places) or [f"{names}: got {in_words(error)}; expected what a worker can trace"]
        raise InputError(told) from error
    found = [(kind, label, manifest[kind][label], code) for (kind, label), code in zip(places, codes, strict=True)]
    changed = [
        f"{kind[:-1]} {label}"
        for kind, label, entry, code in found
        if code and entry.get("code") and code != entry["code"]
    ]
    if changed:
        raise DataError(
            f"--resume {path}: got another {' and another '.join(changed)}; expected what the run began with",
            "register that again, or start a new run",
        )
    for _, _, entry, code in found:
        entry["code"] = code or entry.get("code", "")


def _unsendable(places: Mapping[tuple[str, str], Any]) -> list[str]:
    """Which entries cannot be pickled, and why: what a pool says of them is not which."""
    import cloudpickle

    problems = []
    for (_, label), entry in places.items():
        try:
            cloudpickle.dumps(entry)
        except Exception as error:  # whatever its parts raise
            problems.append(f"{label}: got {in_words(error)}; expected what can be sent to a worker")
    return problems


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
