"""Splitting and scaling: what is done alike to data of every source. Scales come from the training part alone."""

from typing import TYPE_CHECKING

from bench.datasets.base import SPLIT_SEED, Array, Dataset, Parts

if TYPE_CHECKING:
    import numpy as np

Scaler = tuple["np.ndarray", "np.ndarray"]  # what is subtracted, what is divided by


def halves(x: Array, y: Array, size: int, classes: int) -> list[Array]:
    """(x, x of `size` samples, y, y of them), drawn with the fixed seed, stratified where there are classes."""
    from sklearn.model_selection import train_test_split

    stratify = y if classes else None
    found: list[Array] = train_test_split(x, y, test_size=size, random_state=SPLIT_SEED, stratify=stratify)
    return found


def with_validation(train: tuple[Array, Array], test: tuple[Array, Array], dataset: Dataset) -> Parts:
    """The three parts: validation is drawn off train."""
    x, x_validation, y, y_validation = halves(*train, dataset.samples.validation, dataset.classes)
    return {"train": (x, y), "validation": (x_validation, y_validation), "test": test}


def by_feature(parts: Parts, dataset: Dataset) -> Parts:
    """Each feature of x, and y where it is a number, with mean 0 and deviation 1 on the training part."""
    return _scaled(parts, dataset, axes=(0,))


def by_channel(parts: Parts, dataset: Dataset) -> Parts:
    """The same with one mean and deviation for each index of the last axis: channels of images, series of windows."""
    return _scaled(parts, dataset, axes=tuple(range(len(dataset.shape))))


def unit(parts: Parts, dataset: Dataset) -> Parts:
    """Pixels from 0 to 1, in x and in y."""
    import numpy as np

    return {part: (x / np.float32(255), y / np.float32(255)) for part, (x, y) in parts.items()}


def _scaled(parts: Parts, dataset: Dataset, axes: tuple[int, ...]) -> Parts:
    import numpy as np

    x_by = _scaler(parts["train"][0], axes)
    if dataset.classes:
        return {part: (_scale(x, x_by), y.astype(np.int32)) for part, (x, y) in parts.items()}
    y_by = _scaler(parts["train"][1], (0,))
    return {part: (_scale(x, x_by), _scale(y, y_by)) for part, (x, y) in parts.items()}


def _scaler(values: "np.ndarray", axes: tuple[int, ...]) -> Scaler:
    import numpy as np

    mean, deviation = values.mean(axes, dtype=np.float64), values.std(axes, dtype=np.float64)
    return mean, np.where(deviation > 0, deviation, 1.0)  # a constant feature stays 0


def _scale(values: "np.ndarray", by: Scaler) -> "np.ndarray":
    import numpy as np

    scaled = np.empty(values.shape, np.float32)
    block = max(1, 2**22 // max(1, values[:1].size))  # float64 in between: of a few samples at a time
    for start in range(0, len(values), block):
        scaled[start : start + block] = (values[start : start + block] - by[0]) / by[1]
    return scaled
