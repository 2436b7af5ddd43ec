"""The data sets and one table of them, `DATASETS`. To add one: an entry in the file of its kind."""

from bench.datasets import bundled, downloaded, photos, series
from bench.datasets.base import SPLIT_SEED, SPLITS, Dataset, Samples, Scale, Scaling, arrays, cache_folder, checksum

DATASETS: dict[str, Dataset] = {
    entry.name: entry
    for entry in (*bundled.DATASETS, *series.DATASETS, *photos.DATASETS, *(d.dataset for d in downloaded.DOWNLOADS))
}

__all__ = [
    "DATASETS", "SPLITS", "SPLIT_SEED", "Dataset", "Samples", "Scale", "Scaling", "arrays", "cache_folder", "checksum",
]  # fmt: skip
