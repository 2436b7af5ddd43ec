"""Data of a user's own: a `.npz` in Keras's layout (`x_train, y_train, x_test, y_test`) as a data set.

Integers in y are classes, floats are targets of a regression. A fifth of train is drawn off for validation.
"""

import hashlib
import zipfile
from collections.abc import Iterator
from functools import lru_cache, partial
from math import prod
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from bench.checks import listed
from bench.datasets.base import Dataset, Parts, Samples, read_npz
from bench.datasets.prepare import by_channel, by_feature, standard, with_validation
from bench.errors import DataError, InputError

if TYPE_CHECKING:
    import numpy as np

STORED = ("train", "test")
KEYS = tuple(f"{axis}_{part}" for part in STORED for axis in "xy")
VALIDATION = 5  # one in so many of the training samples
MOST = 4 * 2**30  # bytes as float32, of which each worker holds a copy
LARGEST = 1e18  # its square is still a float32, as variances and losses need
UNFIT = f"got nan, or more than {LARGEST:g}; expected numbers"
PIXEL = "uint8"  # images as Keras ships them; without a last axis for colours they are grey


class Header(NamedTuple):
    """What an array in the archive says of itself."""

    shape: tuple[int, ...]
    dtype: "np.dtype[Any]"


def dataset(path: Path) -> Dataset:
    """The data set in a `.npz`; reads headers and labels, no more. Raises `InputError` with all that is wrong.

    A file that is as it was is read once: each variant of its task asks for it, more than once.
    """
    try:
        found = path.stat()
    except OSError:
        return _read(path, ())  # which tells what is wrong
    return _read(path, (found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=64)
def _read(path: Path, stamp: tuple[int, ...]) -> Dataset:
    """The data set in a file of this `stamp`."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_names(path, [name.removesuffix(".npy") for name in archive.namelist()])
            headers, problems = _headers(archive)
    except FileNotFoundError:
        raise InputError(f"{path}: got no such file; expected a .npz of {', '.join(KEYS)}") from None
    except OSError as error:
        raise InputError(f"{path}: got {error.strerror}; expected a readable .npz") from None
    except zipfile.BadZipFile:
        raise InputError(f"{path}: got a file that is no .npz; expected one of {', '.join(KEYS)}", HOW) from None
    problems = problems or list(_shapes(headers))
    if not problems:
        classes, problems = _targets(path, headers)
    if problems:
        raise InputError([f"{path}: {problem}" for problem in problems], HOW)
    x, pixels = headers["x_train"], headers["x_train"].dtype == PIXEL and len(headers["x_train"].shape) > 2
    shape = (*x.shape[1:], 1) if pixels and len(x.shape) == 3 else x.shape[1:]
    train, test = x.shape[0], headers["x_test"].shape[0]
    samples = Samples(train - train // VALIDATION, train // VALIDATION, test)
    return described(path, samples, shape, classes, _sha256(path), _names_of_classes(path, classes))


def described(
    path: Path, samples: Samples, shape: tuple[int, ...], classes: int, sha256: str, names: tuple[str, ...] = ()
) -> Dataset:
    """The data set of a file of which this much is known; the file itself is read when its arrays are."""
    return Dataset(
        path.stem,
        f"{sum(samples):,} samples of {' x '.join(map(str, shape))} numbers"
        + (f", {classes} classes" if classes else ", a number to predict"),
        source=str(path),
        licence="your own",
        samples=samples,
        shape=shape,
        classes=classes,
        parts=partial(parts, path),
        scales=by_channel if len(shape) > 1 else by_feature,
        check=partial(check, path),
        sha256=sha256,
        names=names,
    )


HOW = "numpy.savez_compressed(path, x_train=..., y_train=..., x_test=..., y_test=...) writes one"


SPLIT = (
    "x_train, x_test, y_train, y_test = sklearn.model_selection.train_test_split(x, y) splits them; "
    "numpy.savez_compressed(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test) writes them"
)


def parts(path: Path, entry: Dataset) -> Parts:
    """The parts of the file, which must be as it was. Raises `DataError` or `InputError`."""
    import numpy as np

    if _sha256(path) != entry.sha256:
        raise DataError(f"{path}: got other contents than when the suite was read; expected the same file")
    try:
        held = read_npz(path, STORED)
    except Exception as error:  # a damaged archive raises whatever its decoder does
        raise DataError(f"{path}: got an array that cannot be read ({type(error).__name__}); expected all") from None
    unfit = [f"{path}: x_{part}: {UNFIT}" for part in STORED if not _finite(held[part][0])]
    if unfit:
        raise InputError(unfit)
    kind = np.int32 if entry.classes else np.float64  # what a float32 cannot tell apart it can once it is scaled
    train, test = ((x.reshape(-1, *entry.shape), y.reshape(-1).astype(kind)) for x, y in (held[p] for p in STORED))
    found = with_validation(train, test, entry)
    alike = [] if entry.classes else _alike({part: y for part, (_, y) in found.items()})
    if alike:
        hint = "every fifth sample of train is drawn off for validation: more samples whose y differ"
        raise InputError([f"{path}: {problem}" for problem in alike], hint)
    return found


def check(path: Path, entry: Dataset) -> str:
    """The checksum, once all values have been read and found fit. Raises `DataError` or `InputError`."""
    if not path.is_file():
        raise InputError(f"{path}: got no such file; expected the data of the suite")
    parts(path, entry)
    return entry.sha256


def _check_names(path: Path, names: list[str]) -> None:
    """Raise `InputError` where none of the arrays is there, with the way to split what there is."""
    if not set(names) & set(KEYS):
        hint = SPLIT if {"x", "y"} <= {name.lower() for name in names} else HOW
        raise InputError(f"{path}: got {listed(names) or 'no array'}; expected {', '.join(KEYS)}", hint)


def _headers(archive: zipfile.ZipFile) -> tuple[dict[str, Header], list[str]]:
    """What the arrays say of themselves, and what is wrong with them alone."""
    headers, problems = {}, []
    for key in KEYS:
        try:
            info = archive.getinfo(f"{key}.npy")
            with archive.open(info) as raw:
                header, size = _header(raw)
        except KeyError:
            problems.append(f"{key}: got no such array; expected it")
        except Exception as error:  # another compression, a cut header, no array at all
            problems.append(f"{key}: got something unreadable ({type(error).__name__}); expected an array")
        else:
            headers[key] = header
            expected = size + prod(header.shape) * header.dtype.itemsize
            if header.dtype.kind not in "biuf":
                kind = "Python objects" if header.dtype.hasobject else str(header.dtype)
                problems.append(f"{key}: got {kind}; expected numbers")
            elif info.file_size != expected:
                problems.append(f"{key}: got {info.file_size:,} bytes; expected {expected:,} for its shape")
    total = 4 * sum(prod(header.shape) for header in headers.values())
    if total > MOST:
        problems.append(f"got {total / 2**30:.1f} GiB as float32; expected at most {MOST / 2**30:.0f} GiB")
    return headers, problems


def _header(raw: IO[bytes]) -> tuple[Header, int]:
    """The header of a .npy and its length."""
    from numpy.lib import format as npy

    version = npy.read_magic(raw)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    shape, _, dtype = readers[version](raw)
    return Header(shape, dtype), raw.tell()


def _shapes(headers: dict[str, Header]) -> Iterator[str]:
    """What is wrong with the shapes."""
    for part in STORED:
        x, y = headers[f"x_{part}"].shape, headers[f"y_{part}"].shape
        least = 2 * VALIDATION if part == "train" else 2
        if len(x) < 2 or 0 in x[1:]:
            yield f"x_{part}: got the shape {x}; expected (samples, ...), with a number or more in each"
        if len(y) != 1 and not (len(y) == 2 and y[1] == 1):
            yield f"y_{part}: got the shape {y}; expected (samples,)"
        if x[:1] != y[:1]:
            yield f"y_{part}: got {y[0] if y else 1:,} samples; expected {x[0] if x else 1:,}, as x_{part} has"
        elif x and x[0] < least:
            yield f"x_{part}: got {x[0]} samples; expected at least {least}"
    for axis in "xy":
        train, test = headers[f"{axis}_train"], headers[f"{axis}_test"]
        if axis == "x" and train.shape[1:] != test.shape[1:]:
            yield f"{axis}_test: got samples of shape {test.shape[1:]}; expected {train.shape[1:]}, as {axis}_train has"
        if (train.dtype.kind == "f") != (test.dtype.kind == "f"):
            yield f"{axis}_test: got {test.dtype}; expected {train.dtype}, as {axis}_train has"


def _targets(path: Path, headers: dict[str, Header]) -> tuple[int, list[str]]:
    """How many classes there are, 0 for a regression, and what is wrong with y."""
    import numpy as np

    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as held:
            ys = {part: held[f"y_{part}"].reshape(-1) for part in STORED}
    except Exception as error:  # a damaged archive raises whatever its decoder does
        return 0, [f"y: got an array that cannot be read ({type(error).__name__}); expected labels or numbers"]
    if headers["y_train"].dtype.kind == "f":
        return 0, [f"y_{part}: {UNFIT}" for part in STORED if not _finite(ys[part])] or _alike(ys)
    return _labels({part: y.astype(np.int64) for part, y in ys.items()})


def _names_of_classes(path: Path, classes: int) -> tuple[str, ...]:
    """What the classes are called, where the file has a text for each in `classes`, as `bench data pack` writes."""
    import numpy as np

    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as held:
            names = held["classes"]
    except Exception:  # no such array, or one of no use: the numbers of the classes will do
        return ()
    fit = names.dtype.kind == "U" and names.shape == (classes,) and len(set(names.tolist())) == classes
    return tuple(names.tolist()) if fit else ()


def _alike(ys: "dict[str, np.ndarray]") -> list[str]:
    """Which parts of a regression have one y throughout, as far as a network that is given it scaled can tell."""
    import numpy as np

    scale = standard(ys["train"], (0,))
    with np.errstate(over="ignore"):
        alike = [part for part, y in ys.items() if len(np.unique(scale(y))) == 1]
    return [f"y_{part}: got {ys[part][0]:g} throughout; expected numbers that differ" for part in alike]


def _labels(ys: "dict[str, np.ndarray]") -> tuple[int, list[str]]:
    import numpy as np

    found, counts = np.unique(ys["train"], return_counts=True)
    classes = len(found)
    if classes < 2:
        return classes, [f"y_train: got one class, {found[0]}; expected two or more"]
    if found[0] != 0 or found[-1] != classes - 1:
        shown = ", ".join(map(str, found[:6])) + (", ..." if classes > 6 else "")
        return classes, [f"y_train: got the labels {shown}; expected 0 to {classes - 1}, or floats to predict"]
    problems = []
    if counts.min() < 2 or len(ys["train"]) // VALIDATION < classes:
        problems.append(
            f"y_train: got {counts.min()} of class {counts.argmin()} in {len(ys['train']):,} samples; expected "
            f"at least 2 of each class and {classes * VALIDATION} in all, for a validation part with each"
        )
    strange = np.unique(ys["test"][(ys["test"] < 0) | (ys["test"] >= classes)])
    if len(strange):
        problems.append(f"y_test: got the label {strange[0]}; expected 0 to {classes - 1}, as y_train has")
    return classes, problems


def _finite(values: "np.ndarray") -> bool:
    """Whether all are numbers, none too large; looked at by parts, as float64 is a copy."""
    import numpy as np

    rows = max(1, 2**22 // max(1, values[:1].size))
    parts = (values[start : start + rows] for start in range(0, len(values), rows))
    return all(bool((np.abs(part.astype(np.float64)) <= LARGEST).all()) for part in parts)


def _sha256(path: Path) -> str:
    with path.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()
