"""Patches of photographs: none shares a pixel with another, and the parts lie apart."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from bench.datasets import DATASETS, SPLITS, arrays, photos

PHOTOS = DATASETS["photos"]


def test_are_bytes_scaled_to_one_and_both_x_and_y() -> None:
    raw, parts = PHOTOS.parts(PHOTOS), arrays(PHOTOS)
    for part in SPLITS:
        x, y = parts[part]
        assert x.shape == (getattr(PHOTOS.samples, part), 16, 16, 3) and x.dtype == y.dtype == np.float32
        assert np.array_equal(x, y) and np.array_equal(np.rint(x * 255), raw[part][0])
        assert 0 <= x.min() < 0.1 and 0.9 < x.max() <= 1


def test_lie_where_the_stripes_are_and_never_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photographs whose pixels tell their own place, in place of the real ones."""
    shape = load_sample_image("china.jpg").shape
    assert shape == load_sample_image("flower.jpg").shape == (427, 640, 3)
    places = np.arange(2 * 427 * 640 * 3).reshape(2, *shape)
    monkeypatch.setattr("sklearn.datasets.load_sample_images", lambda: type("Found", (), {"images": list(places)}))
    found = {part: x for part, (x, _) in photos.split(PHOTOS).items()}
    every = np.concatenate([x.ravel() for x in found.values()])
    assert len(np.unique(every)) == len(every)
    columns = {part: np.unique(np.unravel_index(x, places.shape)[2]) for part, x in found.items()}
    for part, others in (("train", ("validation", "test")), ("validation", ("test",))):
        for other in others:
            assert np.abs(columns[part][:, None] - columns[other]).min() > photos.SIDE
    for x in found.values():
        image, row, column, colour = np.unravel_index(x[0], places.shape)
        assert len(np.unique(image)) == 1 and np.ptp(row) == np.ptp(column) == 15
        assert np.array_equal(colour, np.broadcast_to([0, 1, 2], (16, 16, 3)))
        assert np.array_equal(row[:, 0, 0], row[0, 0, 0] + np.arange(16))


def test_of_all_parts_come_from_both_photographs() -> None:
    raw = PHOTOS.parts(PHOTOS)
    for part in SPLITS:
        first, second = np.array_split(raw[part][0], 2)
        assert first[..., 2].mean() > second[..., 2].mean() + 30  # sky above the temple, none above the flower
