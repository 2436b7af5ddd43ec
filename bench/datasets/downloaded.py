"""Data sets that are fetched once, by `bench data fetch`, and then read from the cache without a network.

OpenML vouches for the file by an MD5 sum; where stored sources give it, it is pinned here. The SHA-256 of the arrays is
trusted on first use: it is written beside them when they are first fetched, and from then on they must have it.
"""

import errno
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from bench.datasets import arff, openml
from bench.datasets.base import Array, Dataset, Parts, Samples, checksum, data_folder, read_npz, write_npz
from bench.datasets.prepare import by_channel, by_feature, halves, with_validation
from bench.errors import DataError, LockedError, ResourceError

STORED = ("train", "test")
Pair = tuple[Array, Array]


@dataclass(frozen=True)
class Download:
    """A data set and how it is got.

    `arrange(x, dataset)` makes samples of their shape from the rows of the file; `cut(x, y, dataset)` gives train,
    validation not yet drawn off it, and test.
    """

    dataset: Dataset
    number: int  # OpenML's
    arrange: Callable[[Array, Dataset], Array]
    cut: Callable[[Array, Array, Dataset], dict[str, Pair]]
    md5: str = ""  # of the file; empty: whatever OpenML says


def fetch(download: Download, offline: bool = False, observe: openml.Observer = lambda *_: None) -> str:
    """See to it that the data are in the cache; returns the checksum of their arrays.

    Data that are there and whole are not fetched again. Raises `ResourceError` where network, room or, `offline`, the
    data are missing; `DataError` where what came is not what it was or must be.
    """
    dataset = download.dataset
    lock = FileLock(_record_file(dataset).with_suffix(".lock"))
    try:
        with lock.acquire(timeout=0):
            if offline or _whole(dataset):
                stored(dataset)
            else:
                _fetch(download, observe)
            return recorded(dataset)
    except Timeout:
        raise LockedError(f"data set {dataset.name}: got another process that fetches it; expected none") from None


def _fetch(download: Download, observe: openml.Observer) -> None:
    dataset = download.dataset
    description = openml.describe(download.number)
    if download.md5 and description.md5 != download.md5:
        raise DataError(
            f"data set {dataset.name}: got the MD5 {description.md5} from OpenML; expected {download.md5}",
            "OpenML has changed the file; results would not be comparable",
        )
    file = openml.download(description, data_folder(), observe)
    parts = arranged(download, *arff.read(file, description.target))
    found, before = checksum(parts, STORED), _record(dataset)
    if before and found != before:
        raise DataError(
            f"data set {dataset.name}: got checksum {found[:12]}; expected {before[:12]}, that of the first fetch",
            f"if the new data are right, delete {_record_file(dataset)} and fetch again",
        )
    try:
        write_npz(_file(dataset), parts)
        write_record(dataset, found, download.number)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise ResourceError(f"{data_folder()}: got a full disk; expected room for {dataset.name}") from None
    file.unlink()


def arranged(download: Download, x: Array, y: Array) -> dict[str, Pair]:
    """Train and test of the rows of the file. Raises `DataError` where they are not those of the table."""
    import numpy as np

    dataset = download.dataset
    rows, features = sum(dataset.samples), int(np.prod(dataset.shape))
    classes = int(y.max()) + 1 if dataset.classes else 0
    if x.shape != (rows, features) or classes != dataset.classes:
        raise DataError(
            f"data set {dataset.name}: got {x.shape[0]:,} rows of {x.shape[1]:,} numbers, {classes} classes; "
            f"expected {rows:,} of {features:,}, {dataset.classes}"
        )
    return download.cut(download.arrange(x, dataset), y, dataset)


def stored(dataset: Dataset) -> Parts:
    """The parts, from the cache. Raises `ResourceError` where they are not there, `DataError` where damaged."""
    expected = recorded(dataset)
    try:
        parts = read_npz(_file(dataset), STORED)
    except Exception as error:  # a damaged archive raises whatever its decoder does
        raise _damaged(dataset, f"an archive that cannot be read ({type(error).__name__})") from None
    if (found := checksum(parts, STORED)) != expected:
        raise _damaged(dataset, f"checksum {found[:12]}")
    return with_validation(parts["train"], parts["test"], dataset)


def recorded(dataset: Dataset) -> str:
    """The checksum of the first fetch. Raises `ResourceError`, with the command that fetches, where there was none."""
    found = _record(dataset)
    if not found or not _file(dataset).is_file():
        raise ResourceError(
            f"data set {dataset.name}: got nothing in {data_folder()}; expected the data",
            f"bench data fetch {dataset.name}",
        )
    return found


def write_record(dataset: Dataset, sha256: str, number: int) -> None:
    """Pin the checksum of the arrays."""
    record = {"name": dataset.name, "openml": number, "sha256": sha256}
    beside = _record_file(dataset).with_suffix(".tmp")
    beside.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    beside.replace(_record_file(dataset))


def _record(dataset: Dataset) -> str:
    try:
        found: str = json.loads(_record_file(dataset).read_text("utf-8"))["sha256"]
    except FileNotFoundError:
        return ""
    except (ValueError, KeyError, TypeError):
        raise DataError(
            f"{_record_file(dataset)}: got something else; expected the record of a fetch",
            f"delete it and run bench data fetch {dataset.name}",
        ) from None
    return found


def _whole(dataset: Dataset) -> bool:
    try:
        stored(dataset)
    except ResourceError:
        return False
    except DataError:
        _record(dataset)  # a record that is damaged is for the user to judge: it is what the data are held to
        return False
    return True


def _damaged(dataset: Dataset, got: str) -> DataError:
    return DataError(
        f"data set {dataset.name}: got {got} in {_file(dataset)}; expected what was fetched",
        f"bench data fetch {dataset.name}",
    )


def _file(dataset: Dataset) -> Path:
    return data_folder() / f"{dataset.name}.npz"


def _record_file(dataset: Dataset) -> Path:
    return data_folder() / f"{dataset.name}.json"


def pixels(x: Array, dataset: Dataset) -> Array:
    """Rows of bytes as images [row, column, channel]; the file has one channel after another."""
    import numpy as np

    if x.dtype != np.uint8:
        raise DataError(f"data set {dataset.name}: got values that are no bytes; expected pixels from 0 to 255")
    high, wide, channels = dataset.shape
    return np.ascontiguousarray(x.reshape(-1, channels, high, wide).transpose(0, 2, 3, 1))


def features(x: Array, _: Dataset) -> Array:
    """Rows as they are."""
    return x


def last(x: Array, y: Array, dataset: Dataset) -> dict[str, Pair]:
    """The last rows are the test part, by convention."""
    edge = len(x) - dataset.samples.test
    return {"train": (x[:edge], y[:edge]), "test": (x[edge:], y[edge:])}


def drawn(x: Array, y: Array, dataset: Dataset) -> dict[str, Pair]:
    """The test part is drawn with the fixed seed: there is no convention, and the rows have an order."""
    x_train, x_test, y_train, y_test = halves(x, y, dataset.samples.test, dataset.classes)
    return {"train": (x_train, y_train), "test": (x_test, y_test)}


def images(
    name: str, number: int, summary: str, licence: str, samples: Samples, shape: tuple[int, int, int], md5: str = ""
) -> Download:
    """Images of ten classes."""
    dataset = Dataset(
        name,
        summary,
        source=f"OpenML {number}",
        licence=licence,
        samples=samples,
        shape=shape,
        classes=10,
        parts=stored,
        scales=by_channel,
        check=recorded,
    )
    return Download(dataset, number, pixels, last, md5)


DOWNLOADS = (
    images(
        "mnist",
        554,
        "70,000 handwritten digits, 28 x 28 grey pixels (LeCun et al. 1998)",
        "stated as public",
        Samples(50_000, 10_000, 10_000),
        (28, 28, 1),
        md5="0298d579eb1b86163de7723944c7e495",
    ),
    images(
        "fashion_mnist",
        40996,
        "70,000 pieces of clothing, 28 x 28 grey pixels, ten kinds (Xiao et al. 2017)",
        "MIT (its authors')",
        Samples(50_000, 10_000, 10_000),
        (28, 28, 1),
    ),
    images(
        "cifar10",
        40927,
        "60,000 photographs, 32 x 32 pixels in colour, ten kinds (Krizhevsky 2009)",
        "not stated",
        Samples(45_000, 5_000, 10_000),
        (32, 32, 3),
    ),
    Download(
        Dataset(
            "california",
            "20,640 districts of California in 1990, 8 measurements, median value of a house (Pace and Barry 1997)",
            source="OpenML 537",
            licence="not stated",
            samples=Samples(12_384, 4_128, 4_128),
            shape=(8,),
            classes=0,
            parts=stored,
            scales=by_feature,
            check=recorded,
        ),
        537,
        features,
        drawn,
    ),
)
