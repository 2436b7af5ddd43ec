"""The kinds of suites, and for each what reads, runs and loads it: one table, `KINDS`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from bench.checks import nearest
from bench.errors import DataError, InputError
from bench.lazy import Lazy
from bench.suite import SuiteFile, contents, parse_as, stored

if TYPE_CHECKING:
    from bench import store
else:
    store = Lazy("bench.store")  # it needs pyarrow, which a plan does without

CONVERGENCE, THROUGHPUT = "convergence", "throughput"


@dataclass(frozen=True)
class Kind:
    """Where what a kind needs is to be found, as `module:name`: it is imported when it is asked for."""

    suite: str
    run: str
    results: str
    report: str
    verdicts: str

    def get(self, what: str) -> Callable[..., Any]:
        """The thing itself."""
        module, _, name = getattr(self, what).partition(":")
        found: Callable[..., Any] = getattr(import_module(module), name)
        return found


# fmt: off
KINDS = {
    CONVERGENCE: Kind("bench.suite:Suite", "bench.launch:run", "bench.results:Run", "bench.reporting:report",
        "bench.reporting:verdicts",
    ),
    THROUGHPUT: Kind(
        "bench.throughput.suite:ThroughputSuite", "bench.throughput.launch:run",
        "bench.throughput.results:ThroughputRun", "bench.throughput.page:report", "bench.throughput.page:verdicts",
    ),
}
# fmt: on


def read(path: str | Path) -> SuiteFile:
    """The suite of a file or a name, of whatever kind. Raises `InputError`."""
    values, where = contents(path)
    return parse(values, where)


def parse(values: dict[str, Any], where: str = "suite") -> SuiteFile:
    """The suite of plain values, of the kind that they name; convergence where they name none."""
    kind = values.get("kind", CONVERGENCE)
    if kind not in KINDS:
        expected = nearest("a kind of suite", str(kind), KINDS)
        raise InputError(f"{where}: kind: got {kind!r}; expected {expected}")
    if kind == CONVERGENCE:
        values = {key: value for key, value in values.items() if key != "kind"}
    suite: Any = KINDS[kind].get("suite")
    found: SuiteFile = parse_as(suite, values, where)
    return found


def kind_of(suite: SuiteFile) -> str:
    """The name of a suite's kind."""
    return getattr(suite, "kind", CONVERGENCE)


def of_run(path: str | Path) -> str:
    """The kind of the run in a directory. Raises `InputError` or `DataError`."""
    return str(store.read_manifest(Path(path)).get("kind", CONVERGENCE))


def wanted(
    suite: "SuiteFile | str | Path | None", resume: str | Path | None, device: str = "auto"
) -> tuple[Kind, SuiteFile | None]:
    """The kind of what is to be run, and its suite where one is given; `resume` is a run to go on with.

    Raises `InputError` where neither is given, or a device that is not that of the run.
    """
    manifest = store.read_manifest(Path(resume)) if resume is not None else {}
    if manifest and device not in ("auto", manifest["device"]):
        raise InputError(f"--device: got {device!r}; expected {manifest['device']}, on which {resume} has begun")
    if suite is not None:
        read_ = suite if isinstance(suite, SuiteFile) else read(suite)
        return KINDS[kind_of(read_)], read_
    if not manifest:
        raise InputError("SUITE: got nothing; expected a suite file or a suite's name", "bench list suites")
    with stored():
        return KINDS[str(manifest.get("kind", CONVERGENCE))], parse(manifest["suite"], "manifest")


def run(
    suite: "SuiteFile | str | Path | None" = None,
    out: str | Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    resume: str | Path | None = None,
    **more: Any,
) -> Any:
    """Run a suite of any kind (a file, a name or a suite) and return what it found; see `bench.launch.run`."""
    kind, made = wanted(suite, resume, device)
    return kind.get("run")(made, out, device, workers, resume, **more)


def load(path: str | Path) -> Any:
    """The run stored in a directory, of whatever kind. Raises `InputError` or `DataError`."""
    return KINDS[of_run(path)].get("results")(path)


def report(runs: Sequence[Any], out: str | Path) -> Path:
    """Write the report of `runs` and return its page: of how fast they were where one of them measured that."""
    found: Path = _of_runs(runs).get("report")(runs, out)
    return found


def verdicts(runs: Sequence[Any]) -> list[str]:
    """What the report of `runs` comes to, a sentence each."""
    found: list[str] = _of_runs(runs).get("verdicts")(runs)
    return found


def comparison(runs: Sequence[Any]) -> tuple[Callable[..., Any], ModuleType]:
    """What compares two runs of one kind, and the module that shows what it found. Raises `DataError`."""
    kinds = [getattr(run, "kind", CONVERGENCE) for run in runs]
    if len(set(kinds)) > 1:
        raise DataError(
            f"{runs[1].name}: got a {kinds[1]} run; expected a {kinds[0]} run as {runs[0].name} is",
            "bench report of both gives the seconds to target",
        )
    compare, shown = COMPARED[kinds[0]]
    return import_module(compare).compare, import_module(shown)


COMPARED = {
    CONVERGENCE: ("bench.compare", "bench.comparing"),
    THROUGHPUT: ("bench.throughput.compare", "bench.throughput.compare"),
}


def _of_runs(runs: Sequence[Any]) -> Kind:
    if isinstance(runs, str) or not isinstance(runs, Sequence) or not all(hasattr(run, "manifest") for run in runs):
        raise InputError(f"runs: got {runs!r}; expected a list of runs", "bench.load(path) reads one")
    if not runs:
        raise InputError("runs: got an empty list; expected one or more")
    kinds = [getattr(run, "kind", CONVERGENCE) for run in runs]
    return KINDS[THROUGHPUT if THROUGHPUT in kinds else CONVERGENCE]
