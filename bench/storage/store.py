"""A run's directory: shards committed one by one, a journal of them, a lock, checks, and tables derived from it all.

    manifest.json        what was planned, on which machine, and at the end the checksum of every file
    journal.jsonl        one line a committed shard: the file of its rows, that one's checksum, where its time went
    shards/*.parquet     the lanes and their curves, a file a shard until a complete run is packed; equal results are
                         equal bytes
    lanes.csv, convergence.csv, throughput.csv      derived, can be rebuilt at any time
    run.lock             empty, locked by who writes

A commit is a temporary file in the same folder, fsync, rename, fsync of the folder, and then the journal's line: at
any moment a shard is either committed whole or not at all. Files that the journal does not name do not count.
"""

import json
import os
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import pyarrow as pa
import pyarrow.compute as pc

from bench import files
from bench.errors import DataError, InputError, LockedError, writing
from bench.storage import parquet

SCHEMA_VERSION = 2
MANIFEST, JOURNAL, LOCK = "manifest.json", "journal.jsonl", "run.lock"
TABLES = ("lanes.csv", "convergence.csv", "throughput.csv")

PACK_ROWS = 20_000  # as many lanes as are merged into one file, and held in memory for it


class Store:
    """Writes one run's directory; holds its lock. Use as a context manager."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = filelock.FileLock(self.path / LOCK)

    def __enter__(self) -> "Store":
        (self.path / "shards").mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise LockedError(
                f"{self.path}: got a directory that another run is writing to; expected a free one",
                "wait for it, or give another --out",
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()  # its file stays: who has opened it by now would lock one that is gone

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replace the manifest; it carries the checksum of its own contents."""
        body = {k: v for k, v in manifest.items() if k != "sha256"}
        files.write(self.path / MANIFEST, _encoded({**body, "sha256": files.sha256(_encoded(body))}))

    def commit(self, shard: str, rows: Iterable[Mapping[str, Any]], record: Mapping[str, Any]) -> None:
        """Store a shard's rows, then enter it in the journal with `record`."""
        content = parquet.encode(parquet.table_of(rows))
        files.write(self.path / "shards" / f"{shard}.parquet", content)
        self.enter({"shard": shard, "sha256": files.sha256(content), **record})

    def enter(self, entry: Mapping[str, Any]) -> None:
        """Append an entry to the journal: of a shard, or of measurements that need none (no `sha256`)."""
        with writing(self.path / JOURNAL), (self.path / JOURNAL).open("ab") as journal:
            journal.write(_line(entry))
            journal.flush()
            os.fsync(journal.fileno())

    def rows(self, entries: Iterable[Mapping[str, Any]]) -> Callable[[str], list[dict[str, Any]]]:
        """What gives the rows of a shard of these entries, as they were committed but for curves; of others none.

        It holds those of the file that it read last: a run may have more than there is memory for.
        """
        holds = {shard: part for part in parts(self.path, entries) for shard in part.shards}

        @lru_cache(maxsize=1)
        def by_shard(part: Part) -> dict[str, list[dict[str, Any]]]:
            found: dict[str, list[dict[str, Any]]] = defaultdict(list)
            for row in parquet.rows_of(part.read(parquet.LANE_COLUMNS)):
                found[row["shard"]].append(row)
            return found

        return lambda shard: by_shard(holds[shard])[shard] if shard in holds else []

    def recover(self, planned: Mapping[str, list[str]] | None = None) -> list[dict[str, Any]]:
        """The journal's entries whose shards are whole. What else a kill left behind, or has failed, is removed.

        So is a shard that does not hold the lanes that are `planned` of it: another version cut them otherwise.
        """
        entries = [entry for entry in read_journal(self.path, repair=True) if "error" not in entry]
        lanes: dict[str, list[str]] = defaultdict(list)
        for part in parts(self.path, entries):
            with suppress(DataError):
                for row in part.read(["shard", "lane"]).to_pylist():
                    lanes[row["shard"]].append(row["lane"])
        expected = lanes if planned is None else planned
        whole = {shard for shard, found in lanes.items() if found == expected.get(shard)}
        entries = [entry for entry in entries if "sha256" not in entry or entry["shard"] in whole]
        self._settle(entries)
        return entries

    def pack(self) -> None:
        """Merge the files of all shards into few, with their rows in the order of the shards' names.

        The journal names the shards' own files until those that are to replace them are on disk.
        """
        entries = read_journal(self.path)
        place: dict[str, dict[str, str]] = {}
        for table in _packs(part.read() for part in parts(self.path, entries)):
            content = parquet.encode(table)
            digest = files.sha256(content)
            name = f"pack-{digest[:16]}.parquet"
            files.write(self.path / "shards" / name, content)
            place |= {shard: {"file": name, "sha256": digest} for shard in table["shard"].unique().to_pylist()}
        self._settle([{**entry, **place.get(entry["shard"], {})} for entry in entries])

    def _settle(self, entries: list[dict[str, Any]]) -> None:
        """Make these the journal, and remove the files that it does not name."""
        files.write(self.path / JOURNAL, b"".join(map(_line, entries)))
        named = {part.file for part in parts(self.path, entries)}
        for file in (self.path / "shards").iterdir():
            if file not in named and not file.is_dir():  # of a file manager's, or a notebook's
                file.unlink()


class Part(NamedTuple):
    """Shards in a row of a file in which they are."""

    file: Path
    sha256: str
    shards: tuple[str, ...]

    def read(self, columns: Iterable[str] = parquet.SCHEMA.names) -> pa.Table:
        """These columns of the shards' rows, `shard` among them. Raises `DataError` where there is no sound file."""
        table = parquet.decode(files.read(self.file, self.sha256, "journal"), self.file, columns)
        return table.filter(pc.is_in(table["shard"], pa.array(self.shards)))  # others in it were committed again


def parts(path: Path, entries: Iterable[Mapping[str, Any]]) -> Iterator[Part]:
    """Where the shards of the journal's `entries` are, in the order of their names."""
    named = sorted((entry for entry in entries if "sha256" in entry), key=lambda entry: str(entry["shard"]))
    own = ((entry.get("file", f"{entry['shard']}.parquet"), entry["sha256"], entry["shard"]) for entry in named)
    for (file, digest), shards in groupby(own, key=lambda one: one[:2]):
        yield Part(path / "shards" / file, digest, tuple(shard for *_, shard in shards))


def _packs(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The rows of the tables in others of at most `PACK_ROWS` rows; no shard is in two, one may be larger."""
    held: list[pa.Table] = []
    size = 0
    for table in tables:
        start = 0
        for rows in Counter(table["shard"].to_pylist()).values():
            if held and size + rows > PACK_ROWS:
                yield pa.concat_tables(held)
                held, size = [], 0
            held.append(table.slice(start, rows))
            start, size = start + rows, size + rows
    if held:
        yield pa.concat_tables(held)


def read_manifest(path: Path) -> dict[str, Any]:
    """A run's manifest. Raises `InputError` where there is no run and `DataError` where it is damaged."""
    try:
        content = (path / MANIFEST).read_bytes()
        manifest: dict[str, Any] = json.loads(content)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: got no {MANIFEST}; expected a run's directory", "bench run writes one") from None
    except (ValueError, RecursionError):  # brackets in brackets, thousands of them
        raise DataError(f"{path / MANIFEST}: got damaged JSON; expected a run's manifest") from None
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA_VERSION:
        raise DataError(f"{path / MANIFEST}: got another schema version; expected {SCHEMA_VERSION}")
    body = {k: v for k, v in manifest.items() if k != "sha256"}
    if _encoded(manifest) != content or files.sha256(_encoded(body)) != manifest.get("sha256"):
        raise DataError(f"{path / MANIFEST}: got contents that do not match their checksum; expected them unchanged")
    return manifest


def check_kind(path: Path, manifest: Mapping[str, Any], kind: str) -> None:
    """Raise `InputError` where a run is of another kind; one whose manifest tells none trained to the end."""
    if (found := manifest.get("kind", "convergence")) != kind:
        raise InputError(f"{path}: got a {found} run; expected a {kind} run")


def read_journal(path: Path, repair: bool = False) -> list[dict[str, Any]]:
    """The journal's entries, the last one of each shard. Raises `DataError` at a damaged line, which `repair` skips."""
    file = path / JOURNAL
    entries: dict[str, dict[str, Any]] = {}
    for number, raw in enumerate(file.read_bytes().splitlines() if file.exists() else [], 1):
        check, _, line = raw.partition(b" ")
        if files.sha256(line)[:16].encode() != check:
            if repair:
                continue
            raise DataError(f"{file}:{number}: got a damaged line; expected a shard's entry", "--resume mends it")
        entry = json.loads(line)
        entries[entry["shard"]] = entry
    return list(entries.values())


def _line(entry: Mapping[str, Any]) -> bytes:
    line = json.dumps(entry, sort_keys=True).encode()
    return f"{files.sha256(line)[:16]} ".encode() + line + b"\n"


def whole_journal(path: Path, manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The journal's entries. Raises `DataError` where it is damaged or not the one that the manifest names."""
    entries = read_journal(path)
    try:
        if expected := manifest.get("files", {}).get(JOURNAL):
            files.read(path / JOURNAL, expected, "manifest")
    except DataError as error:
        if read_manifest(path)["sha256"] != manifest["sha256"]:
            raise DataError(
                f"{path}: got a run that was written to since it was loaded; expected it as it was",
                "bench.load reads it as it is now",
            ) from None
        raise DataError(error.problems, trains_again(path)) from None
    return entries


def resuming(path: str | Path, python: bool = False) -> str:
    """The line to type, at a shell or in `python`, that goes on with a run."""
    return f"bench.run(resume={str(path)!r})" if python else shlex.join(["bench", "run", "--resume", str(path)])


def trains_again(path: str | Path) -> str:
    """The hint where something of a run is missing or damaged."""
    return f"{resuming(path)} trains again what is missing or damaged"


def verify(path: str | Path, planned: Iterable[str], noun: str = "lanes") -> list[str]:
    """What is wrong with a run: every stored byte against its checksum, all that was planned there, once.

    `noun` is what was planned: lanes in shards, or entries of the journal that need none.
    """
    path = Path(path)
    manifest = read_manifest(path)
    entries = read_journal(path)
    lanes = [entry["shard"] for entry in entries if "sha256" not in entry and "error" not in entry]
    held, problems = list(parts(path, entries)), list[str]()
    for part in held:
        with _told(problems):
            lanes += part.read()["lane"].to_pylist()
    stray = sorted(set((path / "shards").glob("*")) - {part.file for part in held})
    problems += [f"{file}: got a file that the journal does not name; expected none" for file in stray]
    for name, digest in manifest.get("files", {}).items():
        with _told(problems):
            files.read(path / name, digest, "manifest")
    if manifest.get("status") == "running":
        problems.append(f"{path}: got a run that has not finished; expected its tables")
    return problems + _lane_problems(path, lanes, list(planned), noun)


@contextmanager
def _told(problems: list[str]) -> Iterator[None]:
    """Add what is found to be damaged within."""
    try:
        yield
    except DataError as error:
        problems += error.problems


def _lane_problems(path: Path, lanes: list[str], planned: list[str], noun: str) -> list[str]:
    problems = []
    if twice := len(lanes) - len(set(lanes)):
        problems.append(f"{path}: got {twice} {noun} more than once; expected each once")
    if missing := sorted(set(planned) - set(lanes)):
        problems.append(f"{path}: got no result of {len(missing)} planned {noun}, such as {missing[0]}; expected all")
    if foreign := sorted(set(lanes) - set(planned)):
        problems.append(f"{path}: got {len(foreign)} {noun} that were not planned, such as {foreign[0]}; expected none")
    return problems


def _encoded(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
