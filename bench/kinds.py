"""The kinds of suites, and for each what reads, runs and loads it: one table, `KINDS`."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from bench.checks import nearest
from bench.errors import DataError, InputError
from bench.labels import joined
from bench.lazy import Lazy, named
from bench.planning.suite import SuiteFile, contents, parse_as, stored

if TYPE_CHECKING:
    from bench.pages import folder
    from bench.storage import store
    from bench.storage.results import Run
else:  # they need pyarrow, which a plan does without
    folder, store = Lazy("bench.pages.folder"), Lazy("bench.storage.store")

CONVERGENCE, THROUGHPUT = "convergence", "throughput"


@dataclass(frozen=True)
class Kind:
    """Where what a kind needs is to be found, as `module:name`: it is imported when it is asked for."""

    suite: str
    facts: str  # of a plan, before anything is run
    run: str
    results: str
    report: str
    verdicts: str
    watch: str  # shows how far a run is
    compare: str
    shown: str  # the module that shows what `compare` found
    trains: bool  # to the end, on one device: there are scores

    def get(self, what: str) -> Callable[..., Any]:
        """The thing itself."""
        return named(getattr(self, what))


KINDS = {
    CONVERGENCE: Kind(
        suite="bench.planning.suite:Suite",
        facts="bench.planning.estimate:facts",
        run="bench.running.launch:run",
        results="bench.storage.results:Run",
        report="bench.pages.report:report",
        verdicts="bench.findings.summary:verdicts",
        watch="bench.running.progress:watched",
        compare="bench.findings.compare:compare",
        shown="bench.pages.comparison",
        trains=True,
    ),
    THROUGHPUT: Kind(
        suite="bench.throughput.suite:ThroughputSuite",
        facts="bench.throughput.plan:facts",
        run="bench.throughput.launch:run",
        results="bench.throughput.results:ThroughputRun",
        report="bench.throughput.page:report",
        verdicts="bench.throughput.page:verdicts",
        watch="bench.running.progress:watched_groups",
        compare="bench.throughput.compare:compare",
        shown="bench.throughput.compare",
        trains=False,
    ),
}


def read(path: str | Path) -> SuiteFile:
    """The suite of a file or a name, of whatever kind. Raises `InputError`."""
    values, where = contents(path)
    return parse(values, where)


def parse(values: dict[str, Any], where: str = "suite") -> SuiteFile:
    """The suite of plain values, of the kind that they name; convergence where they name none."""
    kind = values.get("kind", CONVERGENCE)
    if not isinstance(kind, str) or kind not in KINDS:
        expected = nearest("a kind of suite", str(kind), KINDS)
        raise InputError(f"{where}: kind: got {kind!r}; expected {expected}")
    if kind == CONVERGENCE:
        values = {key: value for key, value in values.items() if key != "kind"}
    suite: Any = KINDS[kind].get("suite")
    try:
        found: SuiteFile = parse_as(suite, values, where)
    except InputError as error:
        raise type(error)(error.problems, error.hint or _meant(values, suite)) from None
    return found


def _meant(values: dict[str, Any], suite: Any) -> str:
    """The hint where a suite names no kind and has keys that only another kind knows."""
    for name, kind in KINDS.items():
        model: Any = kind.get("suite")
        known = model.model_fields.keys() - suite.model_fields.keys() - {"kind"}
        theirs = [key for key in values if key in known]
        if theirs and "kind" not in values:
            return f'{joined(theirs)} {"is a key" if len(theirs) == 1 else "are keys"} of suites with kind = "{name}"'
    return ""


def kind_of(suite: SuiteFile) -> str:
    """The name of a suite's kind."""
    return getattr(suite, "kind", CONVERGENCE)


def of_run(path: str | Path) -> str:
    """The kind of the run in a directory. Raises `InputError` or `DataError`."""
    return _known(path, store.read_manifest(Path(path)))


def _known(path: str | Path, manifest: Mapping[str, Any]) -> str:
    """The kind that a manifest tells. Raises `DataError` where there is no such kind, perhaps of a newer version."""
    kind = str(manifest.get("kind", CONVERGENCE))
    if kind not in KINDS:
        raise DataError(f"{path}: got a run of the kind {kind}; expected {nearest('a kind', kind, KINDS)}")
    return kind


def wanted(
    suite: "SuiteFile | str | Path | None", resume: str | Path | None, device: str = "auto"
) -> tuple[Kind, SuiteFile | None]:
    """The kind of what is to be run, and its suite where one is given; `resume` is a run to go on with.

    Raises `InputError` where neither is given, or a device that is not that of the run.
    """
    manifest = store.read_manifest(_folder(resume, "resume")) if resume is not None else {}
    if manifest and device not in ("auto", manifest["device"]):
        raise InputError(f"--device: got {device!r}; expected {manifest['device']}, on which {resume} has begun")
    if suite is not None and not isinstance(suite, SuiteFile | str | Path):
        hint = "bench.Suite(**keys) makes a suite of it" if isinstance(suite, dict) else "bench list suites"
        got = "a dict" if isinstance(suite, dict) else repr(suite)
        raise InputError(f"suite: got {got}; expected a Suite, a suite file or a suite's name", hint)
    if suite is not None:
        # what a suite names is looked up anew: it may have been registered again since the suite was made
        read_ = parse(suite.described()) if isinstance(suite, SuiteFile) else read(suite)
        if manifest and (began := _known(str(resume), manifest)) != kind_of(read_):
            raise InputError(
                f"--resume {resume}: got a {began} run; expected a {kind_of(read_)} run, as {read_.name} is a suite of",
                "leave SUITE out to go on with what was planned",
            )
        return KINDS[kind_of(read_)], read_
    if not manifest:
        raise InputError("SUITE: got nothing; expected a suite file or a suite's name", "bench list suites")
    with stored():
        return KINDS[_known(str(resume), manifest)], parse(manifest["suite"], "manifest")


def run(
    suite: "SuiteFile | str | Path | None" = None,
    out: str | Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    resume: str | Path | None = None,
    *,
    progress: bool = True,
    observe: Callable[..., None] | None = None,
    dask: str | None = None,
    evaluate: int | list[int] | None = None,
) -> "Run | Any":
    """Run a suite, store what it found, and return that.

    Arguments:
        suite: a `Suite`, or a suite file or the name of one (see `bench list suites`); none with `resume`.
        out: the directory to write, new or empty; by default `results/<suite>-<time>`.
        device: `auto`, `cpu` or `gpu`; `cpu,gpu` to time on both.
        workers: how many processes; by default one a core, or up to eight a GPU.
        resume: the directory of a run to go on with, in place of `out`.
        progress: whether to show progress on standard error: a bar at a terminal, elsewhere a line now and then.
        observe: a function that is called after each shard as `observe(progress, rows)`, instead of showing progress;
            for a suite of `kind = "throughput"` before each group, as `observe(done, total, group)`.
        dask: the address of a Dask scheduler whose workers train in place of this machine's.
        evaluate: how many fresh seeds score a cell, or which, in place of the suite's; with `resume` more than the run
            has, which keeps all that it has trained.

    Returns a `Run`, or of a suite of `kind = "throughput"` a `ThroughputRun`. Warns if some of it failed; the
    run's `failures` say why. Raises `InputError`, or another `BenchError`, before anything is written where it can;
    `bench.errors.Interrupted`, a `KeyboardInterrupt`, after a signal, with what is done kept for `resume`.
    """
    found = carry_out(suite, out, device, workers, resume, dask, evaluate, progress, observe)
    if trouble := failed(found):
        warnings.warn(f"{trouble} (all reasons: run.failures)", RuntimeWarning, stacklevel=2)
    return found


def carry_out(
    suite: "SuiteFile | str | Path | None",
    out: str | Path | None,
    device: str,
    workers: int | None,
    resume: str | Path | None,
    dask: str | None = None,
    evaluate: int | list[int] | None = None,
    progress: bool = True,
    observe: Callable[..., None] | None = None,
    command: str = "",
    for_report: bool = False,
) -> Any:
    """As `run`, without its warning; `command` and `for_report` as for `bench.running.launch.run`."""
    kind, made = wanted(suite, resume, device)
    if dask == "":
        raise InputError("--dask: got nothing; expected the address of a scheduler, such as tcp://10.0.0.1:8786")
    if dask and not kind.trains:
        raise InputError(f"--dask {dask}: got a throughput suite; expected one that trains: speed is measured here")
    _check_number(kind, device)
    if evaluate is not None:
        made = evaluated(made, evaluate)
    more: dict[str, Any] = {"command": command}
    if kind.trains:
        more |= {"dask": dask, "for_report": for_report}
    with ExitStack() as shown:
        if progress and observe is None:
            observe = shown.enter_context(kind.get("watch")())
        if observe:
            more["observe"] = observe
        return kind.get("run")(made, out, device, workers, resume, **more)


def evaluated(suite: Any, evaluate: int | list[int]) -> SuiteFile:
    """The suite with so many evaluation seeds, or these. Raises `InputError`."""
    where = f"--evaluate {evaluate}"
    if type(evaluate) is not int and not isinstance(evaluate, list):
        raise InputError(f"--evaluate: got {evaluate!r}; expected a whole number from 1, or a list of seeds")
    if not KINDS[kind_of(suite)].trains:
        raise InputError(f"{where}: got a throughput suite; expected one that trains: speed is no matter of seeds")
    if isinstance(suite.seeds.evaluate, list) and not isinstance(evaluate, list):
        raise InputError(
            f"{where}: got a suite that names its evaluation seeds; expected a number of them",
            "name more of them in its file; bench run FILE --resume RUN then adds them",
        )
    described = suite.described()
    return parse({**described, "seeds": {**described["seeds"], "evaluate": evaluate}}, "--evaluate")


def facts(suite: SuiteFile, device: str = "auto") -> dict[str, Any]:
    """What a person is told of the plan of a suite on a device: how much it is, and how long it may take."""
    kind = KINDS[kind_of(suite)]
    _check_number(kind, device)
    found: dict[str, Any] = kind.get("facts")(suite, device)
    return found


def _check_number(kind: Kind, device: str) -> None:
    if kind.trains and "," in device:
        raise InputError(f"--device: got {device!r}; expected one device: only a throughput suite is for several")


def failed(run: Any) -> str:
    """What failed of a run, and the first reason; empty where nothing did."""
    if not run.lost:
        return ""
    return f"{run.path}: got {run.lost}; expected none; {run.failures['error'].iloc[0].splitlines()[0]}"


def load(path: str | Path) -> "Run | Any":
    """The run stored in the directory `path`: a `Run`, or a `ThroughputRun` where it is one.

    Raises `InputError` where there is none, `DataError` where it is damaged.
    """
    return KINDS[of_run(_folder(path, "path"))].get("results")(path)


def _folder(path: Any, where: str) -> Path:
    """The directory of a run as it was given. Raises `InputError` where it is no path."""
    if not isinstance(path, str | Path):
        hint = "its path is the directory of a run" if hasattr(path, "path") else ""
        raise InputError(f"{where}: got {path!r}; expected the directory of a run", hint)
    return Path(path)


def report(runs: Any, out: str | Path | None = None, reference: str = "") -> Path:
    """Write the report of one or more runs and return its page.

    Arguments:
        runs: a run, or a list of them; if one of them is a throughput run, the report is about speed.
        out: the folder to write, new, empty or of an older report; by default `reports/<name of the first run>`.
        reference: an activation, an optimizer or a cell (`relu + adam`) that all others are held against; by default
            what the suite names as `reference`, if anything.

    Raises `InputError` if these are not runs, if none of their cells has the reference, or if the folder holds files
    that are not those of an older report.
    """
    listed = _listed(runs)
    kind = _of_runs(listed)
    told = _held_against(kind, reference)
    found: Path = kind.get("report")(listed, out or folder.by_default(listed[0].name), **told)
    return found


def verdict(runs: Any, reference: str = "") -> str:
    """The verdict on one or more runs, as a report of them begins: one line a task or, of throughput runs, on speed.

    Arguments:
        runs: a run, or a list of them.
        reference: as of `report`; there is then a second line a task.

    Raises `InputError` if these are not runs, or if none of their cells has the reference.
    """
    listed = _listed(runs)
    kind = _of_runs(listed)
    return "\n".join(kind.get("verdicts")(listed, **_held_against(kind, reference)))


def _held_against(kind: Kind, reference: str) -> dict[str, str]:
    """The reference as an argument, where there is one."""
    if not isinstance(reference, str):
        raise InputError(f"reference: got {reference!r}; expected the name of one activation, optimizer or cell")
    if reference and not kind.trains:
        raise InputError(f"--reference: got {reference!r}; expected none for throughput runs, which reach no score")
    return {"reference": reference} if reference else {}


def comparison(a: Any, b: Any) -> Any:
    """Two runs of one kind side by side: what they reach, how soon and how fast.

    Arguments:
        a, b: the runs; ratios are of b to a.

    Returns what was found: `sentences` say what it comes to, `cells` is a frame with one row a cell, or a timing, that
    both have, and `print` shows the sentences. Raises `InputError` if these are not runs, `DataError` if they share
    nothing that can be compared.
    """
    runs = [a, b]
    _of_runs(runs)
    compare, _ = comparers(runs)
    return compare(*runs)


def comparers(runs: Sequence[Any], scores: bool = False) -> tuple[Callable[..., Any], ModuleType]:
    """What compares two runs of one kind, and the module that shows what it found.

    Raises `DataError` for two kinds, and `InputError` where `scores` are to be compared of runs that have none.
    """
    kinds = [run.kind for run in runs]
    if len(set(kinds)) > 1:
        raise DataError(
            f"{runs[1].name}: got a {kinds[1]} run; expected a {kinds[0]} run as {runs[0].name} is",
            "bench report of both gives the seconds to target",
        )
    kind = KINDS[kinds[0]]
    if scores and not kind.trains:
        raise InputError("--fail-if-worse: got throughput runs, which reach no score", "--fail-if-slower is for them")
    return kind.get("compare"), import_module(kind.shown)


def _listed(runs: Any) -> Any:
    return [runs] if hasattr(runs, "manifest") else runs


def _of_runs(runs: Sequence[Any]) -> Kind:
    if isinstance(runs, str) or not isinstance(runs, Sequence) or not all(hasattr(run, "manifest") for run in runs):
        raise InputError(f"runs: got {runs!r}; expected a run or a list of runs", "bench.load(path) reads one")
    if not runs:
        raise InputError("runs: got an empty list; expected one or more")
    kinds = [run.kind for run in runs]
    return KINDS[THROUGHPUT if THROUGHPUT in kinds else CONVERGENCE]
