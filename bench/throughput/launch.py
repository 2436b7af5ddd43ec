"""One run of a throughput suite on this machine, from the suite to its stored tables."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.errors import DataError, InputError, Interrupted, how_it_ended, in_words
from bench.hardware import machine, rates
from bench.lazy import import_ahead, named
from bench.planning import devices
from bench.running import calls, manifests, worker
from bench.running.signals import Signals
from bench.storage import directory, store
from bench.tasks import Task
from bench.throughput import plan
from bench.throughput.calls import prepare, sample
from bench.throughput.plan import Group, Plan
from bench.throughput.suite import ThroughputSuite

if TYPE_CHECKING:
    from bench.throughput.results import ThroughputRun

Observer = Callable[[int, int, Group], None]
TRIES = 3  # of a group whose worker died
POLL_S = 0.2


def run(
    suite: ThroughputSuite,
    out: str | Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    resume: str | Path | None = None,
    observe: Observer = lambda *_: None,
    command: str = "",
) -> "ThroughputRun":
    """Measure a suite and return what it found.

    `device` is auto, cpu, gpu or both as `cpu,gpu`; the rest is as for `bench.running.launch.run`. `observe(done, all,
    group)` is called before each group. Raises `BenchError` of the kind that fits, before anything is written where
    it can.
    """
    devices.check_workers(workers)
    with ExitStack() as stack:
        held, previous = directory.resumed(Path(resume), stack) if resume is not None else (None, None)
        if previous and workers not in (None, previous["execution"]["asked"]):
            raise InputError(
                f"--workers {workers}: got another number than {resume} began with; expected none beside --resume"
            )
        names = previous["device"].split(",") if previous else devices.picked(device)
        made = plan.make(suite, names, previous["execution"]["asked"] if previous else workers)
        path = directory.wanted(out, resume, suite.name)
        data = manifests.data_of(made.programs)
        if previous is not None and path is not None:
            _check_same(path, made, previous, data)
        manifest = previous or describe(made, command, workers, data)
        pools = {name: Pool(name, made, stack) for name in names}
        for name, pool in pools.items():
            manifests.enter_device(path, manifest["devices"].setdefault(name, {}), pool.described["device_kind"])
        manifests.enter_code(path, manifest, made.programs, next(iter(pools.values())).workers[0])
        import_ahead("bench.throughput.page")
        path = path or directory.dated(suite.name)
        held = held or stack.enter_context(store.Store(path))
        signals = stack.enter_context(Signals())
        complete = _measure(held, manifest, made, pools, observe, signals)
        errors = [entry for entry in store.read_journal(path) if "error" in entry]
        manifest["status"] = "interrupted" if not complete else "failed" if errors else "complete"
        manifest["finished"] = manifests.now()
        found: ThroughputRun = directory.sealed(held, manifest, named("bench.throughput.results:ThroughputRun"))
    if not complete:
        raise Interrupted(
            f"{path}: got a signal with {len(found.journal) - len(errors):,} of {len(made.groups):,} groups measured; "
            "expected to finish",
            f"what is done is kept: {store.resuming(path, python=not command)}",
            exit_code=128 + signals.received[0],
        )
    return found


class Pool:
    """The workers of one device; they end with `stack`. Raises `ResourceError` where the device is missing."""

    def __init__(self, device: str, made: Plan, stack: ExitStack) -> None:
        self.started = time.time()
        most = max((group.workers for group in made.groups if group.device == device), default=1)
        self.workers = [worker.Worker(device, index) for index in range(most)]
        for one in self.workers:
            stack.callback(one.shutdown)
        found = [devices.described(device, told) for told in [one.submit(calls.describe) for one in self.workers]]
        self.start_s = sum(one.pop("ready") - self.started for one in found)
        self.described = found[0]


def _measure(
    held: store.Store,
    manifest: dict[str, Any],
    made: Plan,
    pools: Mapping[str, Pool],
    observe: Observer,
    signals: Signals,
) -> bool:
    """Measure every group that the journal lacks; returns whether all is done."""
    manifest["status"] = "running"
    manifest.pop("files", None)  # of the session before; they are about to change
    for name, pool in pools.items():
        manifest["devices"][name].update(pool.described)
    manifest["environment"].update(next(iter(pools.values())).described)
    session = {"started": min(pool.started for pool in pools.values()), "start_s": 0.0, "finished": None}
    session["start_s"] = sum(pool.start_s for pool in pools.values())
    manifest["execution"]["sessions"].append(session)
    held.write_manifest(manifest)
    done = {entry["shard"] for entry in held.recover()}
    for number, group in enumerate(made.groups):
        if signals.received:
            break
        if group.id in done:
            continue
        observe(number, len(made.groups), group)
        entry = _attempt(group, pools[group.device].workers[: group.workers], signals)
        if entry is None:
            break
        held.enter({"shard": group.id, "session": len(manifest["execution"]["sessions"]) - 1, **entry})
        done.add(group.id)
        if "workers" in entry and group.precision == "float32":
            rates.remember(group.device, median(told["gemm_flops_per_s"] for told in entry["workers"]))
    session["finished"] = time.time()
    return len(done) == len(made.groups)


def _attempt(group: Group, workers: Sequence[worker.Worker], signals: Signals) -> dict[str, Any] | None:
    """What the workers measured of a group, or the error; None where a second signal asked to drop it."""
    for left in reversed(range(TRIES)):
        start = time.perf_counter()
        try:
            prepared = _all([one.submit(prepare, group) for one in workers], signals)
            untimed = {program: why for one in prepared for program, why in one["untimed"].items()}
            able = replace(group, programs=tuple(p for p in group.programs if p.id not in untimed))
            found = prepared and _all([one.submit(sample, able) for one in workers], signals)
        except worker.BrokenWorker as error:
            if not left:
                return {"error": f"its worker died {TRIES} times ({how_it_ended(error)})"}
            continue
        except Exception as error:  # whatever a user's activation or optimizer raises is data
            return {"error": in_words(error)}
        if not prepared or not found:
            return None
        wall_s = time.perf_counter() - start
        for before, after in zip(prepared, found, strict=True):
            parts = before["spent"], after["spent"]
            after["spent"] = {name: sum(part.get(name, 0.0) for part in parts) for name in {**parts[0], **parts[1]}}
        entry = {"group": described(group), "wall_s": wall_s, "workers": found, "untimed": _told(group, untimed)}
        errors = [why for why in untimed.values() if why != plan.OUT_OF_MEMORY]
        return entry | ({"error": "; ".join(dict.fromkeys(errors))} if errors else {})
    raise AssertionError("unreachable")


def _told(group: Group, untimed: Mapping[str, str]) -> list[list[str]]:
    """Activation, optimizer and why, of each cell that could not be timed."""
    return [[p.activations[0].label, p.optimizers[0].label, untimed[p.id]] for p in group.programs if p.id in untimed]


def _all(futures: Sequence["Future[Any]"], signals: Signals) -> list[Any]:
    """Their results, or nothing after a second signal."""
    while any(not future.done() for future in futures):
        if len(signals.received) >= 2:
            return []
        wait(futures, timeout=POLL_S)
    return [future.result() for future in futures]


def described(group: Group) -> dict[str, Any]:
    """A group's setting as plain values."""
    first = group.programs[0]
    return {
        "task": first.task.name, "device": group.device, "workers": group.workers, "precision": group.precision,
        "batch_size": first.batch_size, "width": first.width, "seed": group.seed,
        "lane_step_flops": first.lane_step_flops,
    }  # fmt: skip


def describe(made: Plan, command: str, workers: int | None, data: Mapping[str, str]) -> dict[str, Any]:
    """The manifest of a run that is about to begin; `data` are the checksums of its tasks' data."""
    programs = made.programs
    sides: dict[str, list[Any]] = {
        "activations": [program.activations[0] for program in programs],
        "optimizers": [program.optimizers[0] for program in programs],
    }
    return {
        "schema": store.SCHEMA_VERSION,
        "kind": "throughput",
        "name": made.suite.name,
        "status": "running",
        "created": manifests.now(),
        "finished": None,
        "command": command,
        "device": ",".join(made.devices),
        "suite": made.suite.described(),
        "plan": {"groups": [group.id for group in made.groups], "cells": made.cells, "sha256": made.sha256},
        "tasks": {p.task.name: _task(p.task, data.get(p.task.name)) for p in programs},
        **{kind: {one.label: {"summary": one.summary} for one in entries} for kind, entries in sides.items()},
        "devices": {},
        "environment": machine.describe(),
        "execution": {"asked": workers, "sessions": []},
    }


def _task(task: Task, data: str | None) -> dict[str, Any]:
    """A task as plain values."""
    return {
        "summary": task.summary, "parameters": task.parameters, "version": task.version, "data_sha256": data,
    }  # fmt: skip


def _check_same(path: Path, made: Plan, previous: Mapping[str, Any], data: Mapping[str, str]) -> None:
    if previous["plan"]["sha256"] != made.sha256:
        raise InputError(
            f"--resume {path}: got a run of another suite or machine ({previous['name']}); expected one of this suite",
            "leave SUITE out to go on with what was planned",
        )
    manifests.check_data(path, previous, data)
    manifests.check_software(path, previous)
    if previous["environment"]["processor"] != machine.describe()["processor"]:
        raise DataError(f"--resume {path}: got timings of another processor; expected this one", "start a new run")
