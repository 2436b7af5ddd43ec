"""A run's directory: shards committed one by one, a journal of them, a lock, checks, and tables derived from it all.

    manifest.json        what was planned, on which machine, and at the end the checksum of every file
    journal.jsonl        one line a committed shard: its checksum, and where its time went
    shards/*.parquet     the lanes and their curves; equal results are equal bytes
    lanes.csv, convergence.csv, throughput.csv      derived, can be rebuilt at any time

A commit is a temporary file in the same folder, fsync, rename, fsync of the folder, and then the journal's line: at
any moment a shard is either committed whole or not at all.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import filelock
import pyarrow as pa
import pyarrow.parquet as pq

from bench.errors import DataError, InputError, LockedError, writing

SCHEMA_VERSION = 2
MANIFEST, JOURNAL, LOCK = "manifest.json", "journal.jsonl", "run.lock"
TABLES = ("lanes.csv", "convergence.csv", "throughput.csv")

_curve = pa.list_(pa.float64())
SHARD_SCHEMA = pa.schema(
    [
        ("lane", pa.string()),
        ("task", pa.string()),
        ("activation", pa.string()),
        ("optimizer", pa.string()),
        ("phase", pa.string()),
        ("learning_rate", pa.float64()),
        ("hyperparameters", pa.string()),
        ("seed", pa.int64()),
        ("steps", pa.int64()),
        ("batch_size", pa.int64()),
        ("status", pa.string()),
        ("stopped_at", pa.int64()),
        ("train_loss", pa.float64()),
        ("validation_loss", pa.float64()),
        ("validation_metric", pa.float64()),
        ("test_loss", pa.float64()),
        ("test_metric", pa.float64()),
        ("steps_to_target", pa.float64()),
        ("parameters", pa.int64()),
        ("shard", pa.string()),
        ("curve_step", pa.list_(pa.int64())),
        ("curve_train_loss", _curve),
        ("curve_validation_loss", _curve),
        ("curve_validation_metric", _curve),
        ("curve_trace", pa.list_(pa.list_(pa.float32()))),
        ("exhibit", pa.list_(pa.float32())),
        ("exhibit_shape", pa.list_(pa.int64())),
    ]
)
# Of a shard of some ten rows, statistics, dictionaries and a second schema would be the larger half
SMALL: dict[str, Any] = {"write_statistics": False, "use_dictionary": False, "store_schema": False}
LANE_COLUMNS = [name for name in SHARD_SCHEMA.names if not name.startswith(("curve_", "exhibit"))]


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
        with suppress(OSError):  # while it is held: afterwards it could be another's
            (self.path / LOCK).unlink(missing_ok=True)
        self._lock.release()

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replace the manifest; it carries the checksum of its own contents."""
        body = {k: v for k, v in manifest.items() if k != "sha256"}
        write(self.path / MANIFEST, _encoded({**body, "sha256": sha256(_encoded(body))}))

    def commit(self, shard: str, rows: Iterable[Mapping[str, Any]], record: Mapping[str, Any]) -> None:
        """Store a shard's rows, then enter it in the journal with `record`."""
        content = encode_shard(rows)
        write(self.path / "shards" / f"{shard}.parquet", content)
        self.enter({"shard": shard, "sha256": sha256(content), **record})

    def enter(self, entry: Mapping[str, Any]) -> None:
        """Append an entry to the journal: of a shard, or of measurements that need none (no `sha256`)."""
        line = json.dumps(entry, sort_keys=True)
        with writing(self.path / JOURNAL), (self.path / JOURNAL).open("a", encoding="utf-8") as journal:
            journal.write(f"{sha256(line.encode())[:16]} {line}\n")
            journal.flush()
            os.fsync(journal.fileno())

    def _lanes(self, shard: str) -> list[str]:
        found: list[str] = read_shard(self.path / "shards" / f"{shard}.parquet").column("lane").to_pylist()
        return found

    def rows(self, shard: str) -> list[dict[str, Any]]:
        """The rows of a committed shard, as they were committed."""
        found: list[dict[str, Any]] = read_shard(self.path / "shards" / f"{shard}.parquet").to_pylist()
        return [{**row, "hyperparameters": json.loads(row["hyperparameters"])} for row in found]

    def recover(self, planned: Mapping[str, list[str]] | None = None) -> list[dict[str, Any]]:
        """The journal's entries whose shards are whole. What else a kill left behind, or has failed, is removed.

        So is a shard that does not hold the lanes that are `planned` of it: another version cut them otherwise.
        """
        entries = [e for e in read_journal(self.path, repair=True) if "error" not in e and _whole(self.path, e)]
        if planned is not None:
            entries = [entry for entry in entries if self._lanes(entry["shard"]) == planned.get(entry["shard"])]
        kept = {f"{entry['shard']}.parquet" for entry in entries if "sha256" in entry}
        for file in (self.path / "shards").iterdir():
            if file.name not in kept:
                file.unlink()
        lines = (json.dumps(entry, sort_keys=True) for entry in entries)
        write(self.path / JOURNAL, "".join(f"{sha256(x.encode())[:16]} {x}\n" for x in lines).encode())
        return entries


def encode_shard(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """The rows as Parquet with a checksum on every page."""
    plain = [{**row, "hyperparameters": json.dumps(row["hyperparameters"], sort_keys=True)} for row in rows]
    sink = io.BytesIO()
    table = pa.Table.from_pylist(plain, schema=SHARD_SCHEMA)
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True, **SMALL)
    return sink.getvalue()


def read_shard(path: Path) -> pa.Table:
    """The rows of a shard. Raises `DataError` where it is damaged."""
    try:
        return pq.read_table(path, page_checksum_verification=True).cast(SHARD_SCHEMA)
    except FileNotFoundError:
        raise DataError(f"{path}: got no file; expected a shard that the journal names") from None
    except (OSError, ValueError, pa.ArrowException) as error:  # ValueError: other columns
        raise DataError(f"{path}: got damaged Parquet ({_first_line(error)}); expected a shard") from None


def read_manifest(path: Path) -> dict[str, Any]:
    """A run's manifest. Raises `InputError` where there is no run and `DataError` where it is damaged."""
    try:
        content = (path / MANIFEST).read_bytes()
        manifest: dict[str, Any] = json.loads(content)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: got no {MANIFEST}; expected a run's directory", "bench run writes one") from None
    except ValueError:
        raise DataError(f"{path / MANIFEST}: got damaged JSON; expected a run's manifest") from None
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA_VERSION:
        raise DataError(f"{path / MANIFEST}: got another schema version; expected {SCHEMA_VERSION}")
    body = {k: v for k, v in manifest.items() if k != "sha256"}
    if _encoded(manifest) != content or sha256(_encoded(body)) != manifest.get("sha256"):
        raise DataError(f"{path / MANIFEST}: got contents that do not match their checksum; expected them unchanged")
    return manifest


def read_journal(path: Path, repair: bool = False) -> list[dict[str, Any]]:
    """The journal's entries, the last one of each shard. Raises `DataError` at a damaged line, which `repair` skips."""
    file = path / JOURNAL
    entries: dict[str, dict[str, Any]] = {}
    for number, raw in enumerate(file.read_bytes().splitlines() if file.exists() else [], 1):
        check, _, line = raw.partition(b" ")
        if sha256(line)[:16].encode() != check:
            if repair:
                continue
            raise DataError(f"{file}:{number}: got a damaged line; expected a shard's entry", "--resume mends it")
        entry = json.loads(line)
        entries[entry["shard"]] = entry
    return list(entries.values())


def whole_journal(path: Path, manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The journal's entries. Raises `DataError` where it is damaged or not the one that the manifest names."""
    entries, file, expected = read_journal(path), path / JOURNAL, manifest.get("files", {}).get(JOURNAL)
    if expected and not file.exists():
        raise DataError(f"{file}: got no file; expected it, the manifest names it", TRAINS_AGAIN.format(path))
    if expected and sha256(file.read_bytes()) != expected:
        problem = f"{file}: got bytes that do not match their checksum; expected {expected[:12]}"
        raise DataError(problem, TRAINS_AGAIN.format(path))
    return entries


TRAINS_AGAIN = "bench run --resume {} trains again what is missing or damaged"


def verify(path: str | Path, planned: Iterable[str], noun: str = "lanes") -> list[str]:
    """What is wrong with a run: every stored byte against its checksum, all that was planned there, once.

    `noun` is what was planned: lanes in shards, or entries of the journal that need none.
    """
    path = Path(path)
    manifest = read_manifest(path)
    problems = []
    entries = read_journal(path)
    lanes: list[str] = []
    for entry in entries:
        file = path / "shards" / f"{entry['shard']}.parquet"
        if "sha256" not in entry:
            lanes += [entry["shard"]] * ("error" not in entry)
        elif not file.exists():
            problems.append(f"{file}: got no file; expected a shard that the journal names")
        elif sha256(file.read_bytes()) != entry["sha256"]:
            problems.append(f"{file}: got bytes that do not match their checksum; expected {entry['sha256'][:12]}")
        else:
            lanes += read_shard(file).column("lane").to_pylist()
    known = {f"{entry['shard']}.parquet" for entry in entries if "sha256" in entry}
    folder = path / "shards"
    stray = sorted(file for file in folder.glob("*") if file.name not in known)
    problems += [f"{file}: got a file that the journal does not name; expected none" for file in stray]
    for name, digest in manifest.get("files", {}).items():
        file = path / name
        if not file.exists():
            problems.append(f"{file}: got no file; expected it, the manifest names it")
        elif sha256(file.read_bytes()) != digest:
            problems.append(f"{file}: got bytes that do not match their checksum; expected {digest[:12]}")
    if manifest.get("status") == "running":
        problems.append(f"{path}: got a run that has not finished; expected its tables")
    return problems + _lane_problems(path, lanes, list(planned), noun)


def _lane_problems(path: Path, lanes: list[str], planned: list[str], noun: str) -> list[str]:
    problems = []
    if twice := len(lanes) - len(set(lanes)):
        problems.append(f"{path}: got {twice} {noun} more than once; expected each once")
    if missing := sorted(set(planned) - set(lanes)):
        problems.append(f"{path}: got no result of {len(missing)} planned {noun}, such as {missing[0]}; expected all")
    if foreign := sorted(set(lanes) - set(planned)):
        problems.append(f"{path}: got {len(foreign)} {noun} that were not planned, such as {foreign[0]}; expected none")
    return problems


def write(path: Path, content: bytes) -> None:
    """Replace a file so that a reader, or a crash, finds the old one or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")
    with writing(path), temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def sha256(content: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _whole(path: Path, entry: Mapping[str, Any]) -> bool:
    if "sha256" not in entry:
        return True  # all that it has stands in the journal
    file = path / "shards" / f"{entry['shard']}.parquet"
    return file.exists() and sha256(file.read_bytes()) == entry["sha256"]


def _encoded(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
