"""Splitting and scaling: what is done alike to data of every source. Scales come from the training part alone."""

from typing import TYPE_CHECKING

from bench.datasets.base import SPLIT_SEED, Array, Dataset, Parts, Scale

if TYPE_CHECKING:
    import numpy as np


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


def by_feature(train: tuple[Array, Array], dataset: Dataset) -> dict[str, Scale]:
    """Each feature of x, and y where it is a number, with mean 0 and deviation 1 on the training part."""
    return _standard(train, dataset, axes=(0,))


def by_channel(train: tuple[Array, Array], dataset: Dataset) -> dict[str, Scale]:
    """The same with one mean and deviation for each index of the last axis: channels of images, series of windows."""
    return _standard(train, dataset, axes=tuple(range(len(dataset.shape))))


def whole(train: tuple[Array, Array], dataset: Dataset) -> dict[str, Scale]:
    """The same with one mean and deviation for all of x."""
    return _standard(train, dataset, axes=tuple(range(len(dataset.shape) + 1)))


def unit(train: tuple[Array, Array], dataset: Dataset) -> dict[str, Scale]:
    """Pixels from 0 to 1, in x and in y."""
    import numpy as np

    pixels = Scale(np.array(0.0), np.array(255.0))
    return {"x": pixels, "y": pixels}


def _standard(train: tuple[Array, Array], dataset: Dataset, axes: tuple[int, ...]) -> dict[str, Scale]:
    x, y = train
    return {"x": standard(x, axes), **({} if dataset.classes else {"y": standard(y, (0,))})}


def standard(values: "np.ndarray", axes: tuple[int, ...]) -> Scale:
    """Mean 0 and deviation 1 over these axes; a constant stays 0."""
    import numpy as np

    mean, deviation = values.mean(axes, dtype=np.float64), values.std(axes, dtype=np.float64)
    return Scale(np.asarray(mean), np.where(deviation > 0, deviation, 1.0))
