"""The folder of a report or a comparison: where it is, what in it is its own, and how it is written."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.errors import InputError, writing
from bench.storage.store import MANIFEST

LIST = "report.json"  # which files of a folder are the report's own
GENERATOR = '<meta name="generator" content="bench">'


def by_default(run: str) -> Path:
    """Where the report of a run of this name goes where nobody says otherwise."""
    return Path("reports") / run


def check(out: Path, files: Mapping[str, bytes] = MappingProxyType({})) -> None:
    """Raise `InputError` where the page is somebody else's, or one of `files` would replace what nobody listed."""
    page = out / "index.html"
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: got a file; expected a folder for the report")
    if page.exists() and GENERATOR not in page.read_text(errors="replace")[:2000]:
        raise InputError(f"{page}: got somebody else's page; expected an empty folder or an older report")
    if (out / MANIFEST).exists():
        raise InputError(f"{out}: got the folder of a run; expected another one for a report")
    if page.exists() and not (out / LIST).exists():
        return  # of a version that kept no list
    lists = [(out / LIST).read_bytes() if (out / LIST).exists() else b"", files.get(LIST, b"")]
    kinds = [listing["kind"] for listing in map(_listing, lists) if "kind" in listing]
    if len(set(kinds)) > 1:
        raise InputError(f"{out}: got the folder of a {kinds[0]}; expected another one for a {kinds[1]}")
    own = {page.name, *_listed(out)}
    if page.exists() or len(own) > 1:
        own.add(LIST)
    for name, content in files.items():
        if name not in own and (out / name).exists() and (out / name).read_bytes() != content:
            raise InputError(f"{out / name}: got somebody else's file; expected an empty folder or an older report")
    if not page.exists() and not (out / LIST).exists() and out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out}: got somebody else's files; expected an empty folder or an older report")


def write(files: Mapping[str, bytes], out: Path) -> Path:
    """Write the files of a page into the folder `out`, each whole or not at all, and return the page's path.

    The list of them comes first and the page last, so that after a crash all that is there is known as the page's own.
    """
    check(out, files)
    out.mkdir(parents=True, exist_ok=True)
    _remove_stale(out, files)
    with writing(out), tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as beside:
        for number, (name, content) in enumerate(files.items()):
            waiting = Path(beside, str(number))
            waiting.write_bytes(content)
            (out / name).parent.mkdir(exist_ok=True)
            waiting.replace(out / name)
    return out / "index.html"


def listed(files: Mapping[str, bytes], kind: str = "report") -> dict[str, bytes]:
    """The files of a report, or of a comparison, with the list that tells a later one which it may replace."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return {LIST: json.dumps({"schema": 1, "kind": kind, "files": digests}, indent=1).encode(), **files}


def _listed(out: Path) -> dict[str, str]:
    """The files that an older report in `out` lists as its own, with their checksums; none where there is no list."""
    try:
        return dict(_listing((out / LIST).read_bytes())["files"])
    except (OSError, LookupError, TypeError, ValueError):
        return {}


def _listing(content: bytes) -> dict[str, Any]:
    """What a list says; nothing where it is none."""
    try:
        return dict(json.loads(content))
    except (ValueError, TypeError):
        return {}


def _remove_stale(out: Path, files: Mapping[str, bytes]) -> None:
    """Remove what an older report listed as its own, is unchanged since, and is not written again."""
    for name, digest in _listed(out).items():
        path = out / name
        ours = path.is_file() and path.resolve().is_relative_to(out.resolve())
        if ours and name not in files and hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            path.unlink()
