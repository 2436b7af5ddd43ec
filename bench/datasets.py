"""Data sets: arrays split once and for all, their checksums, and a cache that spares later starts the parsing.

Splits are stratified for classes, drawn with a fixed seed: 60 % train, 20 % validation, 20 % test. Features (and the
targets of a regression) are standardized with the mean and deviation of the training part alone.
"""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.errors import DataError

if TYPE_CHECKING:
    import numpy as np

Array = Any
SPLITS = ("train", "validation", "test")
SPLIT_SEED = 0


class Samples(NamedTuple):
    """How many samples each part has."""

    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Dataset:
    """An entry of the table: where the arrays come from and what they must be.

    `loader` names a function "module:function" that, called with `return_X_y=True`, gives (x, y).
    `sha256` is of the split arrays before standardizing, so that a changed source is noticed.
    """

    name: str
    loader: str
    summary: str
    samples: Samples
    features: int
    classes: int  # 0: a regression
    sha256: str


def arrays(dataset: Dataset) -> dict[str, tuple[Array, Array]]:
    """The parts of a data set: name of the part -> (x [samples, features] float32, y [samples] int32 or float32).

    Raises `DataError` where the source is not what the table says.
    """
    return _standardized(raw(dataset), regression=dataset.classes == 0)


def raw(dataset: Dataset) -> dict[str, tuple[Array, Array]]:
    """The parts of a data set as the source has them, before standardizing.

    Reads the cache; a cache that is missing or damaged is made anew. Raises `DataError` where the source itself is
    not what the table says.
    """
    parts = _cached(dataset)
    if parts is None:
        parts = _split(dataset)
        if checksum(parts) != dataset.sha256:
            raise DataError(
                f"data set {dataset.name}: got checksum {checksum(parts)[:12]}; expected {dataset.sha256[:12]}",
                "the package that bundles these data has changed them; results would not be comparable",
            )
        with suppress(OSError):  # without a cache it is merely slower
            _store(dataset, parts)
    return parts


def checksum(parts: Mapping[str, tuple[Array, Array]]) -> str:
    """SHA-256 over names, shapes and bytes of the parts, in order."""
    digest = hashlib.sha256()
    for part in SPLITS:
        for values in parts[part]:
            digest.update(f"{part}{values.dtype.str}{values.shape}".encode() + values.tobytes())
    return digest.hexdigest()


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/optact`, by default `~/.cache/optact`; made private to the user."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "optact"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _cache_file(dataset: Dataset) -> Path:
    folder = cache_folder() / "datasets"
    folder.mkdir(exist_ok=True)
    return folder / f"{dataset.name}-{dataset.sha256[:16]}.npz"


def _cached(dataset: Dataset) -> dict[str, tuple[Array, Array]] | None:
    import numpy as np

    try:
        with _cache_file(dataset).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            parts = {part: (file[f"x_{part}"], file[f"y_{part}"]) for part in SPLITS}
    except Exception:  # a damaged archive raises whatever its decoder does; the source is still there
        return None
    return parts if checksum(parts) == dataset.sha256 else None


def _store(dataset: Dataset, parts: Mapping[str, tuple[Array, Array]]) -> None:
    import numpy as np

    target = _cache_file(dataset)
    flat = {f"{axis}_{part}": v for part, pair in parts.items() for axis, v in zip("xy", pair, strict=True)}
    with tempfile.TemporaryDirectory(dir=target.parent) as beside:
        complete = Path(beside, target.name)
        np.savez_compressed(complete, allow_pickle=False, **flat)
        complete.replace(target)


def _split(dataset: Dataset) -> dict[str, tuple[Array, Array]]:
    import numpy as np
    from sklearn.model_selection import train_test_split

    module, _, function = dataset.loader.partition(":")
    x, y = getattr(import_module(module), function)(return_X_y=True)
    x, y = np.asarray(x, np.float32), np.asarray(y, np.int32 if dataset.classes else np.float32)

    def halves(x: "np.ndarray", y: "np.ndarray", size: int) -> list["np.ndarray"]:
        stratify = y if dataset.classes else None
        found: list[np.ndarray] = train_test_split(x, y, test_size=size, random_state=SPLIT_SEED, stratify=stratify)
        return found

    x_rest, x_test, y_rest, y_test = halves(x, y, dataset.samples.test)
    x_train, x_validation, y_train, y_validation = halves(x_rest, y_rest, dataset.samples.validation)
    return {"train": (x_train, y_train), "validation": (x_validation, y_validation), "test": (x_test, y_test)}


def _standardized(parts: Mapping[str, tuple[Array, Array]], regression: bool) -> dict[str, tuple[Array, Array]]:
    import numpy as np

    def scaler(values: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
        mean, deviation = values.mean(0, dtype=np.float64), values.std(0, dtype=np.float64)
        return mean, np.where(deviation > 0, deviation, 1.0)  # a constant feature stays 0

    def scale(values: "np.ndarray", by: tuple["np.ndarray", "np.ndarray"]) -> "np.ndarray":
        scaled: np.ndarray = ((values - by[0]) / by[1]).astype(np.float32)
        return scaled

    x_by, y_by = scaler(parts["train"][0]), scaler(parts["train"][1])
    return {part: (scale(x, x_by), scale(y, y_by) if regression else y) for part, (x, y) in parts.items()}


DATASETS: dict[str, Dataset] = {
    entry.name: entry
    for entry in (
        Dataset(
            "digits",
            "sklearn.datasets:load_digits",
            "1797 handwritten digits, 8 x 8 pixels, ten classes (Alpaydin and Kaynak 1998)",
            Samples(1079, 359, 359),
            features=64,
            classes=10,
            sha256="689b48cb06d492a7473b02296be3697764faa3da1479204a86710cdb0481c9e3",
        ),
        Dataset(
            "wine",
            "sklearn.datasets:load_wine",
            "178 wines, 13 chemical measurements, three cultivars (Forina et al. 1991)",
            Samples(106, 36, 36),
            features=13,
            classes=3,
            sha256="f1921588fa47600579dae57d2fba577388509907da930ec295ad39761cfc7aad",
        ),
        Dataset(
            "breast_cancer",
            "sklearn.datasets:load_breast_cancer",
            "569 tumours, 30 measurements of cell nuclei, two classes (Street, Wolberg and Mangasarian 1993)",
            Samples(341, 114, 114),
            features=30,
            classes=2,
            sha256="90e2cf48355e1d2e6dac4632f6ce55ed314bc5a1426cd764e4611ede33dfa6ff",
        ),
        Dataset(
            "diabetes",
            "sklearn.datasets:load_diabetes",
            "442 patients, 10 measurements, disease progression after a year (Efron et al. 2004)",
            Samples(266, 88, 88),
            features=10,
            classes=0,
            sha256="a4432453d46f9d35966d9648cadc9d0beb437bc9731cd8c1e55d290492164c91",
        ),
    )
}
