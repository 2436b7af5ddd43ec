"""The verbs of the command line. Everything heavy is imported by the verb that needs it."""

import io
import json
import shlex
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bench import data
from bench.errors import FAILED_LANES, REGRESSION, DataError, InputError, Told
from bench.network import verbs
from bench.say import complain, say

KINDS = ("tasks", "activations", "optimizers", "suites")
DEVICES = ("cpu", "gpu")


@contextmanager
def told() -> Iterator[None]:
    """Errors that a user can mend go to standard error, without a traceback, with their exit code."""
    try:
        yield
    except Told as error:
        for problem in error.problems:
            complain(f"error: {problem}")
        if error.hint:
            complain(f"hint: {error.hint}")
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:  # before or after the training, which counts its signals itself
        raise typer.Exit(130) from None
    except BrokenPipeError:
        sys.stderr.close()  # the reader of what a verb only prints has gone, as `head` does
        raise typer.Exit(0) from None
    except OSError as error:
        where = error.filename or "file system"
        complain(f"error: {where}: got {error.strerror or error}; expected to read or write it")
        raise typer.Exit(4) from None


class Verbs(TyperGroup):
    """The verbs, each of which tells its errors."""

    def invoke(self, ctx: Any) -> Any:
        """Read the verb's arguments and carry it out."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # what a terminal has no letter for is no reason to stop
        with told():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Verbs,
    name="bench",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # help and errors in plain text: rich takes longer to import than the rest of it
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data.app)


def _one_of(where: str, choices: Iterable[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise InputError(f"{where}: got {text!r}; expected one of {', '.join(choices)}")
        return text

    return read


def _devices(text: str) -> str:
    return ",".join(_one_of("--device", ("auto", *DEVICES))(name) for name in text.split(","))


def _workers(text: str) -> int:
    from bench.planning.devices import check_workers

    number = int(text) if text.isdecimal() else text
    check_workers(number)
    return int(number)


def _seeds(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise InputError(f"--evaluate: got {text!r}; expected a whole number from 1")
    return int(text)


SuiteArgument = Annotated[str, typer.Argument(metavar="SUITE", help="A suite file (TOML) or a suite's name.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable.")]


@app.command("list")
def list_(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="KIND", parser=_one_of("KIND", KINDS), help=f"Only these: {', '.join(KINDS)}."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tasks, activations, optimizers and suites, one line each."""
    found = {k: _catalogue(k) for k in ([kind] if kind else KINDS)}
    if as_json:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
        return
    for name, entries in found.items():
        if not kind:
            typer.secho(name, bold=True)
        width = max(map(len, entries), default=0)
        for entry, summary in entries.items():
            typer.echo(f"{'' if kind else '  '}{entry:<{width}}  {summary}")


def _catalogue(kind: str) -> dict[str, str]:
    from bench.activations import ACTIVATIONS
    from bench.optimizers import OPTIMIZERS
    from bench.tasks import TASKS

    tables: dict[str, Any] = {"tasks": TASKS, "activations": ACTIVATIONS, "optimizers": OPTIMIZERS}
    return {name: entry.summary for name, entry in tables[kind].items()} if kind in tables else _suites()


def _suites() -> dict[str, str]:
    from bench.planning.locate import suite_files

    return {path.stem: _description(path) for path in suite_files()}


def _description(suite: Path) -> str:
    try:
        return str(tomllib.loads(suite.read_text("utf-8")).get("description", ""))
    except ValueError:
        return "(not a TOML file)"


@app.command()
def plan(
    suite: SuiteArgument,
    device: Annotated[
        str,
        typer.Option(metavar="auto|cpu|gpu", parser=_devices, help="Plan for this device; cpu,gpu to time on both."),
    ] = "auto",
    evaluate: Annotated[
        int | None,
        typer.Option(metavar="N", parser=_seeds, help="How many seeds score a cell."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Cells, lanes, programs and estimated time of a suite.

    Trains nothing.
    """
    from bench import kinds

    wanted = kinds.read(suite)
    if evaluate is not None:
        wanted = kinds.evaluated(wanted, evaluate)
    facts = kinds.facts(wanted, device)
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
        return
    typer.echo(f"{wanted.name}: {wanted.description}")
    for key, value in facts.items():
        text = " to ".join(f"{end:,}" for end in value) if isinstance(value, list) else _counted(value)
        typer.echo(f"  {key.replace('_', ' '):<20} {text}")


def _counted(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


@app.command()
def run(
    suite: Annotated[str | None, typer.Argument(metavar="SUITE", help="A suite file (TOML) or a suite's name.")] = None,
    out: Annotated[Path | None, typer.Option(help="Directory to write; by default results/SUITE-TIME.")] = None,
    device: Annotated[
        str,
        typer.Option(metavar="auto|cpu|gpu", parser=_devices, help="Where to train; cpu,gpu to time on both."),
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", parser=_workers, help="Processes; by default one a core, or up to 8 a GPU."),
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this directory.")] = None,
    report: Annotated[bool, typer.Option("--report", help="Write its report too, to reports/RUN.")] = False,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Train on the workers of the Dask scheduler there.")
    ] = None,
    evaluate: Annotated[
        int | None,
        typer.Option(
            metavar="N", parser=_seeds, help="How many seeds score a cell; with --resume more than the run has."
        ),
    ] = None,
) -> None:
    """Train a suite and store its results.

    Tunes each cell, evaluates it on fresh seeds, and stores lanes and tables.
    """
    from bench import kinds
    from bench.pages import folder
    from bench.storage import store

    if out and resume:
        raise InputError(f"--out {out}: got a second directory beside --resume {resume}; expected one of the two")
    if report and (known := out or resume):
        folder.check(folder.by_default(known.resolve().name))
    command = shlex.join(["bench", *sys.argv[1:]])
    found = kinds.carry_out(suite, out, device, workers, resume, dask, evaluate, command=command, for_report=report)
    say(f"results: {found.path}")
    if report:
        _write_report([found])
    else:
        say(kinds.verdict([found]))
    if trouble := kinds.failed(found):
        complain(f"error: {trouble}")
        complain(f"hint: {store.resuming(found.path)} tries them again")
        raise typer.Exit(FAILED_LANES)


def _write_report(runs: list[Any], out: Path | None = None, reference: str = "") -> None:
    from bench import kinds
    from bench.running.progress import drawing

    with drawing():
        page = kinds.report(runs, out, reference)
    say(kinds.verdict(runs, reference))
    say(f"report:  {page}")


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Directories of runs.")],
    out: Annotated[Path | None, typer.Option(help="Directory to write; by default reports/RUN.")] = None,
    reference: Annotated[
        str, typer.Option(metavar="NAME", help="Compare all others with it: relu, adam, or 'relu + adam'.")
    ] = "",
) -> None:
    """Write the report of one or more runs.

    A page, the same in Markdown, figures and tables.
    """
    from bench.kinds import load

    _write_report([load(path) for path in runs], out, reference)


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A run's directory.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The run to compare with it.")],
    out: Annotated[Path | None, typer.Option(help="Directory to write a page to; by default none.")] = None,
    fail_if_slower: Annotated[
        str | None,
        typer.Option(metavar="PERCENT", help="Exit code 7 where B is surely slower by more than this, or not timed."),
    ] = None,
    fail_if_worse: Annotated[
        bool,
        typer.Option("--fail-if-worse", help="Exit code 7 where a cell of B is worse, or has too few seeds."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Two runs side by side: what they reach, how soon and how fast.

    GPU against CPU, version against version.
    """
    from bench import kinds
    from bench.findings.compare import percent

    share = percent(fail_if_slower, "--fail-if-slower") if fail_if_slower is not None else None
    runs = [kinds.load(path) for path in (a, b)]
    compared, comparing = kinds.comparers(runs, scores=fail_if_worse)
    found = compared(*runs)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else inf
    say(comparing.as_json(found) if as_json else "\n".join(comparing.lines(found, width)))
    if out:
        from bench.pages.folder import write

        say(f"page: {write(comparing.render(found, runs), out)}", sys.stderr if as_json else None)
    problems = []
    if share is not None:
        problems += [f"{of}; expected at most {fail_if_slower} slower than {a}" for of in found.slower(share)]
        problems += [f"no speed to compare of {of}; expected one as in {a}" for of in found.untimed()]
    if fail_if_worse:
        problems += [f"{of}; expected no worse than {a}" for of in found.worse()]
        problems += [f"no scores to test of {of}; expected some as in {a}" for of in found.untested()]
    for problem in problems:
        complain(f"error: {b}: got {problem}")
    if problems:
        raise typer.Exit(REGRESSION)


@app.command()
def verify(run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")]) -> None:
    """Check every stored byte and every planned lane of a run.

    Exit code 3 where some are damaged or not there, also of a run that is not finished.
    """
    from bench import kinds
    from bench.storage import store

    found = kinds.load(run)
    problems = store.verify(run, found.planned, found.unit)
    if problems:
        raise DataError(problems, store.trains_again(run))
    say(f"{run}: {len(found.planned):,} {found.unit}, every byte as it was written")


app.command()(verbs.train)
app.command()(verbs.predict)


@app.command()
def validate(as_json: Json = False) -> None:
    """Replay cases with known answers on this machine.

    Statistics, activations and optimizers, without training; exit code 1 on a miss.
    """
    from dataclasses import asdict

    from bench.validate import CASES, replay

    width = max(len(case.name) for case in CASES)
    if not as_json:
        say(f"{'about':<12} {'case':<{width}} {'expected':>10} {'got':>10}  verdict")
    found = []
    for one in replay():
        found.append(one)
        if not as_json:
            verdict = "ok" if one.ok else "MISS"
            say(f"{one.topic:<12} {one.case:<{width}} {one.expected:>10.6g} {one.got:>10.6g}  {verdict}")
    missed = [one for one in found if not one.ok]
    if as_json:
        say(json.dumps([asdict(one) for one in found], indent=1, ensure_ascii=False))
    else:
        say(f"{len(found)} cases, {len(missed)} missed")
    if missed:
        raise typer.Exit(1)


@app.command()
def info(
    measure: Annotated[bool, typer.Option("--measure", help="Also rates and overheads, in about 20 s.")] = False,
    as_json: Json = False,
) -> None:
    """This machine as a run records it."""
    from bench.hardware import machine, rates
    from bench.planning.devices import pick
    from bench.running import calls, worker

    device = pick("auto")
    one = worker.Worker(device, 0)
    try:
        found = {**machine.describe(), **one.submit(calls.describe).result()}
        found["gemm_flops_per_s"] = one.submit(calls.gemm_rate).result()
        rates.remember(device, found["gemm_flops_per_s"])
        if measure:
            found |= {"caches": machine.caches(), **_measured(one, device)}
    finally:
        one.shutdown()
    del found["ready"]
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    rows = list(_flat(found))
    width = max(len(key) for key, _ in rows)
    for key, value in rows:
        typer.echo(f"{key:<{width}} {value:.3g}" if isinstance(value, float) else f"{key:<{width}} {value}")


def _measured(one: Any, device: str) -> dict[str, Any]:
    from bench.planning.devices import worker_count
    from bench.running import calls, worker

    typer.echo("measuring one worker", err=True)
    alone = one.submit(calls.measure).result()
    count = worker_count(device)
    typer.echo(f"measuring {count} workers at once", err=True)
    pool = [worker.Worker(device, index) for index in range(count)]
    try:
        for ready in [each.submit(calls.describe) for each in pool]:
            ready.result()
        rates = [future.result() for future in [each.submit(calls.measure_shared) for each in pool]]
    finally:
        for each in pool:
            each.shutdown()
    together = {name: sum(rate[name] for rate in rates) for name in rates[0]}
    return {"one_worker": alone, "all_workers": {"workers": count, **alone.pop("ceilings_of"), **together}}


def _flat(found: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in found.items():
        path = f"{above}{key}"
        nested = isinstance(value, dict) and any(isinstance(inner, dict) for inner in value.values())
        if nested or key == "all_workers":
            yield from _flat(value, f"{path}.")
        elif isinstance(value, dict):
            pairs = ((_sized(path, k), v) for k, v in value.items())
            yield path, ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in pairs)
        elif isinstance(value, list):
            yield path, ", ".join(_sized(path, str(one)) for one in value)
        else:
            yield path, value


def _sized(path: str, size: str) -> str:
    """The size of a matrix, or of an array of a stream, with its unit; anything else as it is."""
    if ".gemm_" in path:
        return f"{size} x {size}"
    if ".triad_" in path:
        return f"{int(size) // 2**10:,} KiB" if int(size) < 2**20 else f"{int(size) // 2**20:,} MiB"
    return size


@app.callback(invoke_without_command=True)
def main(version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False) -> None:
    """Which activation with which optimizer: whole grids in a few compiled programs, with a fair verdict."""
    if version:
        from bench import __version__

        typer.echo(f"bench {__version__}")
        raise typer.Exit
