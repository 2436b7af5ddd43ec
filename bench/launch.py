"""One run of a suite on this machine, from the suite to its stored tables."""

import os
import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from types import FrameType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from bench import cluster, files, gpus, machine, manifests, plan, rates, store, suite, worker
from bench.errors import DataError, InputError, Interrupted, ResourceError
from bench.plan import Plan
from bench.program import PROFILES
from bench.runner import Progress, Row, Runner, rank
from bench.shard import Shard

if TYPE_CHECKING:
    from bench.results import Run

Observer = Callable[[Progress, list[Row]], None]
MAX_WORKERS = 4096
INCOMPLETE = "incomplete"  # the status of a run that has nothing left to do, though lanes are missing


def run(
    suite_: "str | Path | suite.Suite | None" = None,
    out: str | Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    resume: str | Path | None = None,
    observe: Observer = lambda *_: None,
    command: str = "",
    for_report: bool = False,
    dask: str | None = None,
) -> "Run":
    """Run a suite (a file, a name or a `Suite`) and return what it found.

    `out` is the directory to write, by default `results/<suite>-<time>`; `resume` is one to go on with. `device` is
    auto, cpu or gpu; `workers` how many processes, by default one a core, or up to eight a GPU.
    `observe(progress, rows)` is called after each shard. `command` is what the manifest says made the run;
    `for_report` whether its report will be written; `dask` the address of a Dask scheduler whose workers train in place
    of this machine's. Raises `BenchError` of the kind that fits, before anything is written where it can.
    """
    check_workers(workers)
    with ExitStack() as stack:
        held, previous = resumed(Path(resume), stack) if resume is not None else (None, None)
        wanted = _suite(suite_, previous)
        made = plan.make(wanted, previous["device"] if previous else pick_device(device))
        path = directory(out, resume, wanted.name)
        data = {w.task.name: w.task.dataset.check(w.task.dataset) for w in wanted.works if w.task.dataset}
        if previous is not None and path is not None:
            manifests.check_same(path, made, previous, data)
        manifest = previous or manifests.describe(made, wanted, command, data)
        session = Session(made, workers, dask, stack)
        if session.gpu:
            manifests.enter_device(path, manifest["environment"], session.gpu)
        manifests.enter_code(path, manifest, made.programs, session.pool[0])
        import_ahead("bench.reporting" if for_report else "bench.results")
        path = path or dated(wanted.name)
        held = held or stack.enter_context(store.Store(path))
        signals = stack.enter_context(Signals())
        complete, progress = session.train(held, manifest, observe, signals)
        manifest["status"] = _status(complete, progress)
        manifest["finished"] = manifests.now()
        if manifest["status"] == "complete":
            held.pack()
        found = _write_tables(held, manifest)
    if not dask and (rate := manifest["execution"].get("gemm_flops_per_s")):
        rates.remember(made.device, rate)
    if not complete:
        raise Interrupted(
            f"{path}: got a signal with {progress.done:,} of {made.lanes:,} lanes done; expected to finish",
            f"what is done is kept: {store.resuming(path, python=not command)}",
            exit_code=128 + signals.received[0],
        )
    if manifest["status"] == INCOMPLETE:
        raise DataError(
            f"{path}: got results of {progress.done:,} of {made.lanes:,} planned lanes; expected all",
            f"{shlex.join(['bench', 'verify', str(path)])} tells which are missing",
        )
    return found


def resumed(path: Path, stack: ExitStack) -> tuple[store.Store, dict[str, Any]]:
    """A run's directory, held until `stack` ends, and its manifest."""
    store.read_manifest(path)  # that it is one, before anything is written there
    held = stack.enter_context(store.Store(path))
    return held, store.read_manifest(path)  # as it is now that nobody else writes it


def _status(complete: bool, progress: Progress) -> str:
    """How a run has ended, where `complete` says that its runner had nothing left to do."""
    if not complete:
        return "interrupted"
    if progress.done < progress.lanes:
        return INCOMPLETE
    return "failed" if progress.failed else "complete"


def import_ahead(module: str) -> None:
    """Import what the end of the run needs while the workers are busy; pandas and scipy take seconds."""
    threading.Thread(target=import_module, args=(module,), daemon=True).start()


def local(made: Plan, workers: int | None) -> tuple[list[Executor], type[Exception]]:
    """This machine's workers, by default as many as suit the plan, and what is raised where one dies."""
    number = workers or worker.count(made.device, len(made.programs))
    sharing = -(-number // worker.busy(made.device, number))
    return [worker.Worker(made.device, index, sharing) for index in range(number)], worker.BrokenWorker


class Session:
    """The workers of one run, from their start; they end with `stack`."""

    def __init__(self, made: Plan, workers: int | None, dask: str | None, stack: ExitStack) -> None:
        self.plan, self.started = made, time.time()
        self.pool, self.died = cluster.connected(dask, made.device, workers, stack) if dask else local(made, workers)
        self.busy = self.pool if dask else self.pool[: worker.busy(made.device, len(self.pool))]
        for one in self.pool:
            stack.callback(one.shutdown)
        self.described = [one.submit(worker.describe) for one in self.pool]
        self.gpu = self._require_gpu() if made.device == "gpu" else ""

    def train(
        self, held: store.Store, manifest: dict[str, Any], observe: Observer, signals: "Signals"
    ) -> tuple[bool, Progress]:
        """Carry out what is left of the plan; returns whether all is done, and how far it is."""
        execution, number = manifest["execution"], len(manifest["execution"]["sessions"])
        times: dict[str, Any] = {"started": self.started, "finished": None, "workers": len(self.pool), "ready": []}
        times |= {"processor": machine.processor(), "commit": machine.commit()}
        execution["sessions"].append(times)
        execution |= {"workers": len(self.pool), "busy": len(self.busy)}
        manifest["status"] = "running"
        manifest.pop("files", None)  # of the session before; they are about to change
        held.write_manifest(manifest)
        planned = {shard.id: [lane.id for lane in shard.lanes] for shard in self.plan.shards()}
        runner = Runner(
            self.plan,
            self.pool,
            execute=partial(worker.execute, run=uuid4().hex),
            commit=lambda shard, rows, timing: held.commit(
                shard.id, rows, {**timing, "task": shard.program.task.name, "session": number}
            ),
            failed=failed_rows,
            rank=rank,
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
        found = _given(self.described) or _given([self.pool[0].submit(worker.describe)])
        times["ready"] = [one.pop("ready") for one in found]
        times["finished"] = max([times["finished"], *times["ready"]])  # where one had nothing to do but start
        manifest["environment"].update(*found[:1])
        if rates := _given([one.submit(worker.gemm_rate) for one in self.busy]):
            manifest["execution"]["gemm_flops_per_s"] = median(rates)

    def _require_gpu(self) -> str:
        """Its kind. Raises `ResourceError` where there is none."""
        try:
            found = self.described[0].result()
        except Exception as error:  # jax raises what its plug-ins do, an empty AssertionError where there is none
            found = {"device": (str(error).strip() or "none").splitlines()[0][:200]}
        if found["device"] != "gpu":
            raise ResourceError(
                f"--device gpu: got {found['device']}; expected a GPU that jax can use",
                "install jax with its CUDA plug-in, or --device cpu",
            )
        return str(found["device_kind"])


def _given(futures: Iterable["Future[Any]"]) -> list[Any]:
    """What these give, less those whose worker died of it: no run is lost for what is only told of it."""
    return [future.result() for future in futures if not future.exception()]


def check_workers(workers: object) -> None:
    """Raise `InputError` where `workers` is neither None nor a number of processes."""
    if workers is not None and not (type(workers) is int and 1 <= workers <= MAX_WORKERS):
        raise InputError(f"--workers: got {workers!r}; expected a whole number from 1 to {MAX_WORKERS}")


def pick_device(device: str) -> str:
    """cpu or gpu; `auto` is a GPU where jax has the plug-in for one and the machine has one that nothing hides."""
    if device in PROFILES:
        return device
    if device != "auto":
        raise InputError(f"--device: got {device!r}; expected auto, cpu or gpu")
    asked = os.environ.get("JAX_PLATFORMS", "")
    if asked and not {"cuda", "gpu"} & set(asked.split(",")):
        return "cpu"
    plugin = any(find_spec(f"jax_cuda{version}_plugin") for version in (12, 13))
    there = Path("/dev/nvidiactl").exists() and gpus.visible()[0] not in ("", "-1")
    return "gpu" if plugin and there else "cpu"


def directory(out: str | Path | None, resume: str | Path | None, name: str) -> Path | None:
    """The directory to write where one is given: `resume`, or `out`, which must be free."""
    if resume is not None or out is None:
        return None if resume is None else Path(resume)
    path = Path(out)
    if (path / store.MANIFEST).exists():
        held = store.read_manifest(path)["name"]
        hint = f"{store.resuming(path)} goes on with it" if held == name else "give another --out"
        raise InputError(f"--out {path}: got a run of the suite {held}; expected a new directory", hint)
    remains = {store.LOCK, files.temporary(path / store.MANIFEST).name}  # of a run that ended before it had begun
    if path.is_file() or any(file.is_file() and file.name not in remains for file in path.rglob("*")):
        raise InputError(f"--out {path}: got something else's files; expected a new or empty directory")
    return path


def dated(name: str) -> Path:
    """A new directory under results/ of this moment; of runs that begin in the same second each has its own."""
    stem = Path("results") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    path, number = stem, 1
    while True:
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            number += 1
            path = stem.with_name(f"{stem.name}-{number}")
        else:
            return path


def failed_rows(shard: Shard, error: str) -> list[Row]:
    """The rows of a shard that could not be trained; the journal tells why."""
    return [shard.failed(lane) for lane in shard.lanes]


class Signals:
    """Counts SIGINT and SIGTERM instead of dying of them; does nothing outside the main thread."""

    def __enter__(self) -> Self:
        self.received: list[int] = []
        self.before: dict[signal.Signals, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self._count)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _count(self, number: int, _: FrameType | None) -> None:
        self.received.append(number)


def _suite(given: "str | Path | suite.Suite | None", previous: Mapping[str, Any] | None) -> "suite.Suite":
    if isinstance(given, suite.Suite):
        return given
    if given is not None:
        return suite.read(given)
    if previous is None:
        raise InputError("SUITE: got nothing; expected a suite file or a suite's name", "bench list suites")
    return suite.parse(previous["suite"], "manifest")


def _write_tables(held: store.Store, manifest: dict[str, Any]) -> "Run":
    from bench.results import Run

    held.write_manifest({**manifest, "status": "running"})  # until the tables are there
    found = Run(held.path)
    digests = found.write_tables()
    digests[store.JOURNAL] = files.sha256((held.path / store.JOURNAL).read_bytes())
    held.write_manifest({**manifest, "files": digests})
    return Run(held.path)
