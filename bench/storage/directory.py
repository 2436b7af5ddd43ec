"""The directory of a run that is about to begin, goes on or has ended."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from bench import files
from bench.errors import InputError
from bench.storage import store

Stored = TypeVar("Stored", bound=Any)


def wanted(out: str | Path | None, resume: str | Path | None, name: str) -> Path | None:
    """The directory to write where one is given: `resume`, or `out`, which must be free. Raises `InputError`.

    `name` is that of the suite.
    """
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


def resumed(path: Path, stack: ExitStack) -> tuple[store.Store, dict[str, Any]]:
    """A run's directory, held until `stack` ends, and its manifest."""
    store.read_manifest(path)  # that it is one, before anything is written there
    held = stack.enter_context(store.Store(path))
    return held, store.read_manifest(path)  # as it is now that nobody else writes it


def sealed(held: store.Store, manifest: dict[str, Any], stored: Callable[[Path], Stored]) -> Stored:
    """The run as it is stored at its end: its tables first, then the status and the checksums of all of it.

    `stored` reads a run of its kind from its directory.
    """
    held.write_manifest({**manifest, "status": "running"})  # until the tables are there
    digests = stored(held.path).write_tables()
    digests[store.JOURNAL] = files.sha256((held.path / store.JOURNAL).read_bytes())
    held.write_manifest({**manifest, "files": digests})
    return stored(held.path)
