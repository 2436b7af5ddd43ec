"""One run of a suite on this machine, from the suite to its stored tables."""

import shlex
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from bench.errors import DataError, Interrupted
from bench.hardware import machine, rates
from bench.lazy import import_ahead, named
from bench.planning import devices, plan
from bench.planning.plan import Plan
from bench.planning.suite import Suite
from bench.running import calls, cluster, manifests, worker
from bench.running.runner import Progress, Row, Runner
from bench.running.signals import Signals
from bench.storage import directory, store

if TYPE_CHECKING:
    from bench.storage.results import Run

Observer = Callable[[Progress, list[Row]], None]


def run(
    suite: Suite,
    out: str | Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    resume: str | Path | None = None,
    observe: Observer = lambda *_: None,
    command: str = "",
    for_report: bool = False,
    dask: str | None = None,
) -> "Run":
    """Run a suite and return what it found.

    `out` is the directory to write, by default `results/<suite>-<time>`; `resume` is one to go on with. `device` is
    auto, cpu or gpu; `workers` how many processes, by default one a core, or up to eight a GPU.
    `observe(progress, rows)` is called after each shard. `command` is what the manifest says made the run;
    `for_report` whether its report will be written; `dask` the address of a Dask scheduler whose workers train in place
    of this machine's. Raises `BenchError` of the kind that fits, before anything is written where it can.
    """
    devices.check_workers(workers)
    with ExitStack() as stack:
        held, previous = directory.resumed(Path(resume), stack) if resume is not None else (None, None)
        rounds = manifests.rounds(suite, previous) if previous else ()
        made = plan.make(suite, previous["device"] if previous else devices.pick(device), rounds)
        path = directory.wanted(out, resume, suite.name)
        data = manifests.data_of(made.programs)
        if previous is not None and path is not None:
            manifests.check_same(path, made, previous, data)
        manifest = previous or manifests.describe(made, command, data)
        if previous and manifests.added(made, previous):
            manifest |= manifests.planned(made)
        session = Session(made, workers, dask, stack)
        if session.gpu:
            manifests.enter_device(path, manifest["environment"], session.gpu)
        manifests.enter_code(path, manifest, made.programs, session.pool[0])
        import_ahead("bench.pages.report" if for_report else "bench.findings.summary")
        path = path or directory.dated(suite.name)
        held = held or stack.enter_context(store.Store(path))
        signals = stack.enter_context(Signals())
        complete, progress = session.train(held, manifest, observe, signals)
        manifest["status"] = _status(complete, progress)
        manifest["finished"] = manifests.now()
        if manifest["status"] == "complete":
            held.pack()
        found: Run = directory.sealed(held, manifest, named("bench.storage.results:Run"))
    if not dask and (rate := manifest["execution"].get("gemm_flops_per_s")):
        rates.remember(made.device, rate)
    if not complete:
        raise Interrupted(
            f"{path}: got a signal with {progress.done:,} of {made.lanes:,} lanes done; expected to finish",
            f"what is done is kept: {store.resuming(path, python=not command)}",
            exit_code=128 + signals.received[0],
        )
    if manifest["status"] == manifests.INCOMPLETE:
        raise DataError(
            f"{path}: got results of {progress.done:,} of {made.lanes:,} planned lanes; expected all",
            f"{shlex.join(['bench', 'verify', str(path)])} tells which are missing",
        )
    return found


def _status(complete: bool, progress: Progress) -> str:
    """How a run has ended, where `complete` says that its runner had nothing left to do."""
    if not complete:
        return "interrupted"
    if progress.done < progress.lanes:
        return manifests.INCOMPLETE
    return "failed" if progress.failed else "complete"


def local(made: Plan, workers: int | None) -> tuple[list[Executor], type[Exception]]:
    """This machine's workers, by default as many as suit the plan, and what is raised where one dies."""
    number = workers or devices.worker_count(made.device, len(made.programs))
    sharing = -(-number // devices.busy(made.device, number))
    return [worker.Worker(made.device, index, sharing) for index in range(number)], worker.BrokenWorker


class Session:
    """The workers of one run, from their start; they end with `stack`."""

    def __init__(self, made: Plan, workers: int | None, dask: str | None, stack: ExitStack) -> None:
        self.plan, self.started = made, time.time()
        self.pool, self.died = cluster.connected(dask, made.device, workers, stack) if dask else local(made, workers)
        self.busy = self.pool if dask else self.pool[: devices.busy(made.device, len(self.pool))]
        for one in self.pool:
            stack.callback(one.shutdown, wait=not dask)  # of a cluster that is gone there is nothing to wait for
        self.described = [one.submit(calls.describe) for one in self.pool]
        gpu = made.device == "gpu"
        self.gpu = str(devices.described("gpu", self.described[0])["device_kind"]) if gpu else ""

    def train(
        self, held: store.Store, manifest: dict[str, Any], observe: Observer, signals: Signals
    ) -> tuple[bool, Progress]:
        """Carry out what is left of the plan; returns whether all is done, and how far it is."""
        execution, number = manifest["execution"], len(manifest["execution"]["sessions"])
        times: dict[str, Any] = {"started": self.started, "finished": None, "workers": len(self.pool), "ready": []}
        times |= {"busy": len(self.busy), "processor": machine.processor(), "commit": machine.commit()}
        execution["sessions"].append(times)
        execution |= {"workers": len(self.pool), "busy": len(self.busy)}
        manifest["status"] = "running"
        manifest.pop("files", None)  # of the session before; they are about to change
        held.write_manifest(manifest)
        planned = {shard.id: [lane.id for lane in shard.lanes] for shard in self.plan.shards()}
        runner = Runner(
            self.plan,
            self.pool,
            execute=partial(calls.execute, run=uuid4().hex),
            commit=lambda shard, rows, timing: held.commit(
                shard.id, rows, {**timing, "task": shard.program.task.name, "session": number}
            ),
            committed=held.rows(held.recover(planned)),
            observe=observe,
            stopping=lambda: len(signals.received),
            worker_died=(self.died,),
        )
        complete = runner.run()
        times["finished"] = time.time()
        if complete:
            self._describe(manifest, times)
        return complete, runner.progress

    def _describe(self, manifest: dict[str, Any], times: dict[str, Any]) -> None:
        """Enter what the workers say of their device, and its rate of a large matrix product, all at once busy."""
        found = _given(self.described) or _given([self.pool[0].submit(calls.describe)])
        times["ready"] = [one.pop("ready") for one in found]
        times["finished"] = max([times["finished"], *times["ready"]])  # where one had nothing to do but start
        manifest["environment"].update(*found[:1])
        if rates := _given([one.submit(calls.gemm_rate) for one in self.busy]):
            manifest["execution"]["gemm_flops_per_s"] = median(rates)


def _given(futures: Iterable["Future[Any]"]) -> list[Any]:
    """What these give, less those whose worker died of it: no run is lost for what is only told of it."""
    return [future.result() for future in futures if not future.exception()]
