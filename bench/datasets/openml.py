"""Data sets of OpenML (Vanschoren et al. 2013): its description of one, the download of its file, and the file.

The file is ARFF. OpenML compresses it on the way, and then a transfer that breaks off cannot be told to go on; so what
has arrived is kept, and the rest is asked for as it is, from that byte on.
"""

import errno
import hashlib
import json
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from bench.errors import BenchError, DataError, ResourceError

API = "https://www.openml.org/api/v1/json/data"
ATTEMPTS = 4
PAUSE_S = 1.0  # before the second attempt; twice as long before each one after
TIMEOUT_S = 60.0
BLOCK = 2**18
PARTIAL, UNKNOWN, NO_RANGE = 206, 412, 416  # statuses; 412 is OpenML's answer to an id it does not have

Observer = Callable[[int, int | None], None]  # bytes so far, bytes in all where the server tells


@dataclass(frozen=True)
class Description:
    """What OpenML says of a data set."""

    number: int
    url: str
    target: str
    md5: str


def describe(number: int) -> Description:
    """OpenML's description of the data set of this number. Raises `ResourceError` or `DataError`."""
    url = f"{API}/{number}"
    try:
        with closing(_open(url)) as response:
            found = json.loads(response.read())["data_set_description"]
        made = Description(int(found["id"]), found["url"], found["default_target_attribute"], found["md5_checksum"])
    except OSError as error:
        raise _unreachable(url, error) from None
    except (ValueError, KeyError, TypeError, HTTPException):
        raise DataError(f"{url}: got something else; expected OpenML's description of a data set") from None
    if made.number != number or urlsplit(made.url).scheme not in {"http", "https"}:
        raise DataError(
            f"{url}: got number {made.number} and file {made.url[:80]}; expected number {number}, on the web"
        )
    return made


def download(description: Description, folder: Path, observe: Observer = lambda *_: None) -> Path:
    """The file in `folder`, whole and with the checksum that OpenML says, begun or gone on with.

    Raises `ResourceError` where the network or the disk fails, `DataError` where the file is not whole or another.
    """
    file = folder / f"{description.number}-{description.md5[:16]}.arff"
    if file.exists() and _md5(file) == description.md5:
        return file
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _receive(description.url, file, observe)
            return _verified(file, description)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                file.unlink(missing_ok=True)
                raise ResourceError(f"{folder}: got a full disk; expected room for the file and its arrays") from None
            told = _unreachable(description.url, error)
            status = getattr(error, "code", 500)
            if status == NO_RANGE:
                file.unlink(missing_ok=True)  # as long as the server's or longer: of another time
            elif attempt == ATTEMPTS or status < 500:
                raise told from None
        except (TruncatedError, HTTPException, zlib.error) as error:
            if attempt == ATTEMPTS:
                raise DataError(
                    f"{description.url}: got {str(error) or type(error).__name__}; expected the whole file",
                    "the same command goes on where it stopped",
                ) from None
        time.sleep(PAUSE_S * 2 ** (attempt - 1))
    raise DataError(f"{description.url}: got other lengths at each attempt; expected the file")


class TruncatedError(Exception):
    """The transfer ended before the file did."""


def _open(url: str, **headers: str) -> Any:
    return urlopen(Request(url, headers={"User-Agent": "optact", **headers}), timeout=TIMEOUT_S)


def _unreachable(url: str, error: OSError) -> BenchError:
    if isinstance(error, HTTPError):
        error.close()
        if error.code == UNKNOWN:
            return DataError(f"{url}: got the answer that there is no such data set; expected it")
    reason = getattr(error, "reason", None) or error
    return ResourceError(
        f"{url}: got {str(reason) or type(reason).__name__}; expected an answer",
        "is there a network? data that have been fetched once need none",
    )


def _receive(url: str, file: Path, observe: Observer) -> None:
    """Append to the file what is missing of it."""
    have = file.stat().st_size if file.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {"Accept-Encoding": "gzip"}
    with closing(_open(url, **headers)) as response:
        have = have if response.status == PARTIAL else 0
        with file.open("ab" if have else "wb") as to:
            for block in _blocks(response, have, observe):
                to.write(block)


def _blocks(response: Any, have: int, observe: Observer) -> Iterator[bytes]:
    """The bytes of the file that arrive, those `have` before them aside; `TruncatedError` where they end early."""
    length = response.headers.get("Content-Length", "")
    total = have + int(length) if length.isdecimal() else None
    gzipped = response.headers.get("Content-Encoding", "") == "gzip"
    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
    received = have
    while block := response.read(BLOCK):
        received += len(block)
        observe(received, total)
        yield decoder.decompress(block) if gzipped else block
    if total is not None and received < total:
        raise TruncatedError(f"{received:,} of {total:,} bytes")
    if gzipped and not decoder.eof:
        raise TruncatedError(f"{received:,} bytes of a compressed stream without its end")


def _verified(file: Path, description: Description) -> Path:
    if (found := _md5(file)) != description.md5:
        file.unlink()
        raise DataError(
            f"{description.url}: got a file of MD5 {found}; expected {description.md5}",
            "it was changed or damaged on the way; what was received is thrown away",
        )
    return file


def _md5(file: Path) -> str:
    with file.open("rb") as raw:
        return hashlib.file_digest(raw, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
