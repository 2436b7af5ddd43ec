"""The verbs of `bench data`: which data sets there are, fetching those from the network, packing one's own."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import BenchError, InputError
from bench.labels import counted
from bench.say import complain, say

if TYPE_CHECKING:
    from bench.datasets.table import Packed

PLAIN_EVERY_S = 5.0
TEST, SEED = 0.2, 0  # by default, of the test that is drawn of a table
Observer = Callable[[int, int | None], None]

app = typer.Typer(
    name="data",
    help="Data sets: list, download, or make one of a table.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False) -> None:
    """Data sets, one line each, and whether they are here."""
    import json

    from bench.datasets import DATASETS

    if as_json:
        found = {
            entry.name: {
                "summary": entry.summary,
                "source": entry.source,
                "licence": entry.licence,
                "samples": entry.samples._asdict(),
                "shape": entry.shape,
                "classes": entry.classes,
                "state": _state(entry),
            }
            for entry in DATASETS.values()
        }
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
        return
    width = max(map(len, DATASETS))
    for name, entry in DATASETS.items():
        typer.echo(f"{name:<{width}}  {_state(entry):<11}  {entry.summary}")


def _state(entry: Any) -> str:
    from bench.datasets.downloaded import DOWNLOADS

    if entry not in [download.dataset for download in DOWNLOADS]:
        return "bundled"
    try:
        entry.check(entry)
    except BenchError:
        return "not fetched"
    return "fetched"


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Data sets to fetch; `bench data list`.")],
    offline: Annotated[
        bool, typer.Option("--offline", help="Use no network: check that they are here and whole.")
    ] = False,
) -> None:
    """Fetch data sets once; afterwards they need no network.

    What is here and whole is left as it is. A transfer that broke off goes on where it stopped.
    """
    from bench.datasets.downloaded import fetch as fetch_one

    for name, download in _downloads(names).items():
        if download is None:
            say(f"{name}: bundled, nothing to fetch")
            continue
        with shown(name) as observe:
            sha256 = fetch_one(download, offline, observe)
        say(f"{name}: {sum(download.dataset.samples):,} samples, sha256 {sha256}")


def _number(kind: type, where: str, low: float, high: float, text: Any) -> Any:
    """The number of an option. Raises `InputError` where it is none of that kind, or outside of its bounds."""
    try:
        number = kind(text)
    except ValueError:
        number = None
    if number is None or not low <= number <= high:
        raise InputError(f"{where}: got {text!r}; expected a number from {low:,} to {high:,}")
    return number


_share = partial(_number, float, "--test", 0.05, 0.5)
_seed = partial(_number, int, "--seed", 0, 2**32 - 1)


@app.command()
def pack(
    table: Annotated[Path, typer.Argument(metavar="FILE", help="A table as text (CSV), with a header.")],
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column to predict.")] = None,
    like: Annotated[
        Path | None, typer.Option(metavar="DATA.npz", help="Make x as in this one, for bench predict.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The .npz to write; by default beside the table.")] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="A column to do without, such as an id; again for more.")
    ] = None,
    test: Annotated[float, typer.Option(metavar="SHARE", parser=_share, help="Of the rows, for the test.")] = TEST,
    seed: Annotated[int, typer.Option(metavar="N", parser=_seed, help="Of the drawing of those.")] = SEED,
    regression: Annotated[
        bool, typer.Option("--regression", help="The target is a number, whatever it holds.")
    ] = False,
) -> None:
    """Turn a table into the .npz that suites and `bench train` take.

    Columns of texts become a feature for each text. A target of texts, or of few whole numbers, is one of classes.
    With --like, the rows of a further table become the examples of bench predict.
    """
    from bench.datasets.table import packed, packed_like
    from bench.files import write
    from bench.tasks.own import NAME

    file = out or table.with_name(re.sub(r"[^A-Za-z0-9_.-]+", "_", table.stem) + ".npz")
    if file.suffix != ".npz" or not re.fullmatch(NAME, file.stem):
        raise InputError(f"--out {file}: got the name {file.name!r}; expected letters, digits and . _ - before .npz")
    if file.exists():
        raise InputError(f"--out {file}: got a file that is there; expected a new one")
    if (target is None) == (like is None):
        raise InputError("--target: got neither or both of it and --like; expected one of them")
    of_target = {"--leave-out": leave_out, "--test": test != TEST, "--seed": seed != SEED, "--regression": regression}
    if like is not None and (useless := [option for option, given in of_target.items() if given]):
        expected = f"it with --target: with --like all is as {like} has it"
        raise InputError([f"{option}: got it beside --like; expected {expected}" for option in useless])
    if target is not None:
        found = packed(table, target, leave_out or (), test, seed, regression)
        told, use = _split_told(found), f'a suite names it: tasks = [{{ file = "{file.name}", model = "mlp" }}]'
    elif like is not None:
        found = packed_like(table, like)
        told = f"{counted(len(found.arrays['x']), 'sample')} of {counted(len(found.features), 'feature')}"
        told, use = told + " and their y" * ("y" in found.arrays), f"bench predict MODEL {file} takes it"
    file.parent.mkdir(parents=True, exist_ok=True)
    write(file, found.archive)
    say(f"{file}: {told}")
    say(use)


def _split_told(found: "Packed") -> str:
    """What was made of a table to train on."""
    rows = [len(found.arrays[f"y_{part}"]) for part in ("train", "test")]
    kinds = ", ".join(f"{place} = {name}" for place, name in enumerate(found.classes))
    what = f"{len(found.classes)} classes: {kinds}" if found.classes else "a number to predict"
    return f"{rows[0]:,} samples for training and {rows[1]:,} for the test, {len(found.features)} features, {what}"


def _downloads(names: list[str]) -> dict[str, Any]:
    """How each is got, None where it is bundled. Raises `InputError`, all unknown names at once."""
    from bench.checks import nearest
    from bench.datasets import DATASETS
    from bench.datasets.downloaded import DOWNLOADS

    table = {download.dataset.name: download for download in DOWNLOADS}
    unknown = [name for name in names if name not in DATASETS]
    if unknown:
        expected = [nearest("the name of a data set", name, DATASETS, "bench data list") for name in unknown]
        raise InputError([f"NAME: got {n!r}; expected {e}" for n, e in zip(unknown, expected, strict=True)])
    return {name: table.get(name) for name in names}


@contextmanager
def shown(name: str) -> Iterator[Observer]:
    """An observer of a download: a bar on a terminal; elsewhere plain lines, at most one every few seconds."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield _plain(name)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(24), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _plain(name: str) -> Observer:
    last = time.monotonic()

    def observe(done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_EVERY_S:
            last = time.monotonic()
            of = f" of {total / 1e6:,.0f}" if total else ""
            complain(f"{name}: {done / 1e6:,.0f}{of} MB")

    return observe
