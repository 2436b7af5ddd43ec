"""Files that are written whole or not at all, and read by their checksum."""

import hashlib
import os
from pathlib import Path

from bench.errors import DataError, writing

TABLES = (".csv", ".tsv", ".txt")  # what the name of a table as text ends in


def temporary(path: Path) -> Path:
    """The file beside it that is written first; one that is left over is of a process that was killed."""
    return path.with_name(f".{path.name}.tmp")


def write(path: Path, content: bytes) -> None:
    """Replace a file so that a reader, or a crash, finds the old one or the new one."""
    waiting = temporary(path)
    try:
        with writing(path), waiting.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        waiting.unlink(missing_ok=True)
        raise
    waiting.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(file: Path, digest: str, source: str) -> bytes:
    """The contents of a file that `source` names with this checksum. Raises `DataError` where they are not there."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{file}: got no file; expected it, the {source} names it") from None
    if sha256(content) != digest:
        raise DataError(f"{file}: got bytes that do not match their checksum; expected {digest[:12]}")
    return content


def sha256(content: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(content).hexdigest()
