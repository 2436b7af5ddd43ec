"""Patches of the two photographs that come with scikit-learn, for tasks from image to image."""

from functools import partial

from bench.datasets.base import Dataset, Parts, Samples, cached
from bench.datasets.prepare import unit

SIDE = 16
STRIPES = {"train": range(5), "validation": (6,), "test": (8,)}  # of every ten columns of patches; 5, 7 and 9 keep
PERIOD = 10  # the parts a patch's width apart


def split(dataset: Dataset) -> Parts:
    """Patches without overlap, [patch, row, column, colour] of bytes; x and y are both the patch as it is.

    A task makes its x from it: smaller, or grey. Parts are stripes of both photographs, so that all have sky, roof
    and petal, with stripes between them that belong to none.
    """
    import numpy as np
    from sklearn.datasets import load_sample_images

    found: dict[str, list[np.ndarray]] = {part: [] for part in STRIPES}
    for photo in load_sample_images().images:
        high, wide = photo.shape[0] // SIDE, photo.shape[1] // SIDE
        grid = photo[: high * SIDE, : wide * SIDE].reshape(high, SIDE, wide, SIDE, 3).transpose(2, 0, 1, 3, 4)
        for part, stripes in STRIPES.items():
            found[part].append(grid[[c for c in range(wide) if c % PERIOD in stripes]].reshape(-1, SIDE, SIDE, 3))
    joined = {part: np.concatenate(patches) for part, patches in found.items()}
    return {part: (patches, patches) for part, patches in joined.items()}


DATASETS = (
    Dataset(
        "photos",
        "16 x 16 patches in colour of two photographs, a temple in China and a flower",
        source="scikit-learn, load_sample_images",
        licence="CC BY 2.0",
        samples=Samples(1040, 208, 208),
        shape=(SIDE, SIDE, 3),
        classes=0,
        parts=partial(cached, split),
        scales=unit,
        sha256="0a96bf5abe6a611412a9f002d8f86753abc7101fdf315086f6cbd1701daef180",
    ),
)
