"""What a data set is: a table entry that can be read without its arrays, and the cache of those that are bundled."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.errors import DataError

if TYPE_CHECKING:
    import numpy as np

Array = Any
Parts = Mapping[str, tuple[Array, Array]]  # name of the part -> (x [samples, ...], y [samples, ...])
SPLITS = ("train", "validation", "test")
SPLIT_SEED = 0


class Samples(NamedTuple):
    """How many samples each part has."""

    train: int
    validation: int
    test: int


class Scale(NamedTuple):
    """x -> (x - mean) / deviation, by the last axes: how raw numbers become those that a network is given.

    All in float64 but the result: far from 0 a float32 would hold the mean and nothing of the difference.
    """

    mean: "np.ndarray"
    deviation: "np.ndarray"

    def __call__(self, x: Array) -> Array:
        """Scaled, as float32."""
        import numpy as np

        scaled = np.empty(x.shape, np.float32)
        block = max(1, 2**22 // max(1, x[:1].size))  # float64 in between: of a few samples at a time
        for start in range(0, len(x), block):
            scaled[start : start + block] = (x[start : start + block] - self.mean) / self.deviation
        return scaled

    def inverse(self, scaled: Array) -> Array:
        """The raw numbers back, as float64."""
        return scaled * self.deviation + self.mean


def declared(dataset: "Dataset") -> str:
    """The checksum in the table, of data that come with a package."""
    return dataset.sha256


@dataclass(frozen=True)
class Dataset:
    """An entry of the table: where the arrays come from and what they must be.

    `parts(dataset)` gives the arrays as the source has them, split, and raises `DataError` where they are not what the
    checksum says. `scales(train, dataset)` are how x and, where it is a number, y of all parts are scaled for training,
    by the training part alone.
    `check(dataset)` gives the checksum of the data that are there, and raises `ResourceError` where there are none.
    `sha256` is of the split arrays before scaling; empty where only a first download can tell it.
    """

    name: str
    summary: str
    source: str
    licence: str
    samples: Samples
    shape: tuple[int, ...]  # of the x of one sample
    classes: int  # 0: y are numbers
    parts: Callable[["Dataset"], Parts] = field(compare=False)
    scales: "Scaling" = field(compare=False)
    check: Callable[["Dataset"], str] = field(default=declared, compare=False)
    sha256: str = ""
    names: tuple[str, ...] = ()  # of the classes, in their order, where they have any


Scaling = Callable[[tuple[Array, Array], Dataset], dict[str, Scale]]  # of the training part


def arrays(dataset: Dataset) -> dict[str, tuple[Array, Array]]:
    """The parts of a data set, ready for training: x float32 [samples, *shape], y int32 or float32.

    Raises `DataError` where the source is not what the table says, `ResourceError` where it is not there.
    """
    return scaled(dataset.parts(dataset), dataset)


def scaled(parts: Parts, dataset: Dataset) -> dict[str, tuple[Array, Array]]:
    """The parts by the scales of the training part; y without one are classes."""
    by = dataset.scales(parts["train"], dataset)
    return {part: (by["x"](x), by["y"](y) if "y" in by else y.astype("int32")) for part, (x, y) in parts.items()}


def checksum(parts: Parts, names: tuple[str, ...] = SPLITS) -> str:
    """SHA-256 over names, types, shapes and bytes of the parts, in order."""
    digest = hashlib.sha256()
    for part in names:
        for values in parts[part]:
            digest.update(f"{part}{values.dtype.str}{values.shape}".encode() + values.tobytes())
    return digest.hexdigest()


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/optact`, by default `~/.cache/optact`; made private to the user."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "optact"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def data_folder() -> Path:
    """Where data sets lie in the cache."""
    folder = cache_folder() / "datasets"
    folder.mkdir(exist_ok=True)
    return folder


def cached(make: Callable[[Dataset], Parts], dataset: Dataset) -> Parts:
    """What `make` gives, once: read from the cache, which is made anew where it is missing or damaged."""
    parts = _cached(dataset)
    if parts is None:
        parts = make(dataset)
        if (found := checksum(parts)) != dataset.sha256:
            raise DataError(
                f"data set {dataset.name}: got checksum {found[:12]}; expected {dataset.sha256[:12]}",
                "the package that bundles these data has changed them; results would not be comparable",
            )
        with suppress(OSError):  # without a cache it is merely slower
            write_npz(_cache_file(dataset), parts)
    return parts


def read_npz(file: Path, names: tuple[str, ...]) -> Parts:
    """The parts of an archive; it raises whatever the decoder does where the archive is damaged."""
    import numpy as np

    with file.open("rb") as raw, np.load(raw, allow_pickle=False) as held:
        return {part: (held[f"x_{part}"], held[f"y_{part}"]) for part in names}


def write_npz(target: Path, parts: Parts) -> None:
    """Write an archive of the parts, whole or not at all; not compressed, for it is read at each start of a worker."""
    import numpy as np

    flat = {f"{axis}_{part}": v for part, pair in parts.items() for axis, v in zip("xy", pair, strict=True)}
    with tempfile.TemporaryDirectory(dir=target.parent) as beside:
        complete = Path(beside, target.name)
        np.savez(complete, allow_pickle=False, **flat)
        complete.replace(target)


def _cache_file(dataset: Dataset) -> Path:
    return data_folder() / f"{dataset.name}-{dataset.sha256[:16]}.npz"


def _cached(dataset: Dataset) -> Parts | None:
    try:
        parts = read_npz(_cache_file(dataset), SPLITS)
    except Exception:  # a damaged archive raises whatever its decoder does; the source is still there
        return None
    return parts if checksum(parts) == dataset.sha256 else None
