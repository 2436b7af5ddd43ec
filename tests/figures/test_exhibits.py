"""Exhibits: every kind can be drawn, stays small, shows the cells that were chosen and holds no surprise."""

import base64
import itertools
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from synthetic import make_run

from bench.figures import styles
from bench.figures.exhibits import EXHIBITS, READINGS, chosen, exhibit, heights
from bench.figures.svg import Figure
from bench.findings.verdicts import verdict
from bench.tasks import TASKS

CELLS = [("relu", "adam"), ("tanh", "sgd"), ("relu", "sgd")]
RNG = np.random.default_rng(0)
GRID = np.linspace(-2, 2, 40)
BOWL = (GRID[None, :] ** 2 + 3 * GRID[:, None] ** 2).tolist()
RING = np.stack([np.cos(np.arange(900)), np.sin(np.arange(900))], axis=1)
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "images": (RNG.random((24, 8, 8, 1)), {"rows": ["input", "given back", "target"]}),
    "points": (RING + RNG.normal(0, 0.2, RING.shape), {"reference": RING[:8].tolist(), "reference_radius": 0.3}),
    "masks": (RNG.integers(0, 4, (8, 16, 16)), {"rows": ["predicted", "true"]}),
    "boxes": (
        np.concatenate(
            [
                RNG.random((6, 4)) * 0.5,
                [[0.2, 0.2, 0.5, 0.5, 3, 3]] * 5 + [[0.2, 0.2, 0.5, 0.5, 9, 1]],
                RNG.random((6, 256)),
            ],
            axis=1,
        ),
        {"size": [16, 16]},
    ),
    "path": (
        np.cumsum(RNG.normal(0, 0.2, (20, 2)), axis=0),
        {"x": GRID.tolist(), "y": GRID.tolist(), "z": BOWL, "minima": [[0.0, 0.0]]},
    ),
    "series": (
        np.sin(np.arange(60) / 6) + RNG.normal(0, [[0.0], [0.1]], (2, 60)),
        {"rows": ["truth", "forecast"], "x": "hour", "y": "metres"},
    ),
}


NEEDED = {
    "images": {"rows"}, "masks": {"rows"}, "boxes": {"size"}, "points": {"reference", "reference_radius"},
    "path": {"x", "y", "z", "minima"}, "series": {"x", "y"},
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.exhibit])
def test_every_task_says_what_its_kind_of_exhibit_needs(name: str) -> None:
    task = TASKS[name]
    assert task.shown is not None
    told = task.shown(task)
    assert set(NEEDED) == set(EXHIBITS)
    assert NEEDED[task.exhibit] | {"title"} <= set(told)
    assert all(isinstance(row, str) for row in told.get("rows", []))


def show(kind: str, cells: int = 3, **changes: Any) -> Figure:
    run = make_run(["relu", "tanh"], ["sgd", "adam"], evaluations=3)
    array, meta = CASES[kind]
    words = dict(zip(CELLS[:cells], ("leader", "median", "worst"), strict=False))
    figure = exhibit(
        kind, "t", dict.fromkeys(words, array), {"title": "What came out", **meta, **changes}, words,
        styles(run.convergence),
    )  # fmt: skip
    assert figure is not None
    return figure


@pytest.mark.parametrize("kind", EXHIBITS)
@pytest.mark.parametrize("cells", [1, 3])
def test_every_kind_is_drawn_small_with_words_and_the_same_bytes_again(kind: str, cells: int) -> None:
    figure = show(kind, cells)
    root = ElementTree.fromstring(figure.file)
    assert root.tag.endswith("svg")
    assert {"leader", "relu + adam"} <= set(texts(figure))
    assert READINGS[kind] in figure.reading
    assert "that of its middle test score" in figure.reading
    assert len(figure.svg) < 90_000
    assert show(kind, cells).file == figure.file


def texts(figure: Figure) -> list[str]:
    """Every text that stands in a figure."""
    root = ElementTree.fromstring(figure.file)
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


def pictures(figure: Figure) -> list[np.ndarray]:
    """The rasters inside a figure, decoded: [height, width, 4] each."""
    from io import BytesIO

    from PIL import Image

    found = re.findall(r"data:image/png;base64,([^\"]+)", figure.svg)
    return [np.asarray(Image.open(BytesIO(base64.b64decode(text)))) for text in found]


def test_a_picture_is_kept_pixel_for_pixel_and_shown_without_smoothing() -> None:
    array = RNG.random((2, 3, 3, 1))
    figure = exhibit("images", "t", {CELLS[0]: array}, {"title": "x"}, {CELLS[0]: "leader"}, {})
    assert figure is not None
    (sheet,) = pictures(figure)
    assert sheet.shape == (3, 7, 4)
    expected = np.round(array[0, :, :, 0] * 255)
    assert np.abs(sheet[:, :3, 0] - expected).max() <= 1
    assert np.abs(sheet[:, 4:, 1] - np.round(array[1, :, :, 0] * 255)).max() <= 1
    assert (sheet[:, 3, 3] == 0).all()  # the gap is clear
    assert "image-rendering" in figure.svg


def test_values_outside_of_a_picture_are_clipped_and_missing_ones_are_dark() -> None:
    array = np.array([[[[-1.0], [2.0], [np.nan]]]])
    figure = exhibit("images", "t", {CELLS[0]: array}, {"title": "x"}, {CELLS[0]: "leader"}, {})
    assert figure is not None
    (sheet,) = pictures(figure)
    assert sheet[0, :, 0].tolist() == [0, 255, 0]


def test_a_class_has_one_colour_and_nothing_is_grey() -> None:
    array = np.array([[[0, 1, 2, 1]]])
    figure = exhibit("masks", "t", {CELLS[0]: array}, {"title": "x"}, {CELLS[0]: "leader"}, {})
    assert figure is not None
    (sheet,) = pictures(figure)
    row = [tuple(int(v) for v in pixel[:3]) for pixel in sheet[0]]
    assert len(set(row)) == 3
    assert row[1] == row[3]
    assert len(set(row[0])) == 1


def test_every_digit_has_a_colour_of_its_own_and_a_name() -> None:
    classes = ["nothing", *map(str, range(10))]
    array = np.arange(11.0).reshape(1, 1, 11)
    for meta, names in (({"classes": classes}, classes), ({}, [f"class {i}" for i in range(11)])):
        figure = exhibit("masks", "t", {CELLS[0]: array}, {"title": "x", **meta}, {CELLS[0]: "leader"}, {})
        assert figure is not None
        (sheet,) = pictures(figure)
        assert len({tuple(pixel) for pixel in sheet[0].tolist()}) == 11
        assert set(names) <= set(texts(figure))


def test_a_wrong_class_is_told_beside_the_right_one_and_an_older_run_tells_none() -> None:
    array, meta = CASES["boxes"]
    assert [texts(show("boxes", 1)).count(text) for text in ("3", "9 ≠ 1")] == [5, 1]
    older = exhibit(
        "boxes", "t", {CELLS[0]: np.delete(array, [8, 9], axis=1)}, {"title": "x", **meta}, {CELLS[0]: "leader"}, {}
    )
    assert older is not None
    assert not {"3", "9 ≠ 1"} & set(texts(older))
    assert pictures(older)[0].tobytes() == pictures(show("boxes", 1))[0].tobytes()


def test_a_forecast_that_exploded_leaves_the_axis_to_the_truth() -> None:
    truth = np.sin(np.arange(60) / 6)
    arrays = dict(zip(CELLS, (np.stack([truth, truth]), np.stack([truth, -1e20 * (1 + truth)])), strict=False))
    meta = {"title": "x", "rows": ["truth", "forecast"], "x": "hour", "y": "metres"}
    figure = exhibit("series", "t", arrays, meta, dict(zip(CELLS, ("leader", "worst"), strict=False)), {})
    assert figure is not None
    assert {"60 of 60 points outside", "metres", "hour"} <= set(texts(figure))
    assert not any("e20" in text for text in texts(figure))
    assert texts(figure).count("60 of 60 points outside") == 1


def test_a_series_stands_over_the_years_it_is_of() -> None:
    shown = TASKS["sunspots_rnn"].shown
    assert shown is not None
    figure = show("series", 1, **shown(TASKS["sunspots_rnn"]))
    assert {"year", "standardized sunspot number", "1960", "1980", "2000"} <= set(texts(figure))


def test_seeds_that_diverged_are_told_beside_a_picture_that_is_of_none_of_them() -> None:
    run = make_run(["relu"], ["sgd", "adam"])
    table = run.convergence.sort_values("rank").assign(diverged_share=[0.0, 0.4])
    found = verdict(run.lanes, run.convergence, run.manifest["tasks"], "digits_mlp")
    arrays = dict.fromkeys(table[["activation", "optimizer"]].itertuples(index=False, name=None), np.zeros((1, 2)))
    assert list(chosen(table, found, arrays).values()) == ["leader", "worst, 2 of 5 diverged"]


def test_a_finding_says_who_is_shown_and_does_not_repeat_the_title() -> None:
    assert show("path").finding == "Leader: relu + adam; median: tanh + sgd; worst: relu + sgd."


def test_points_outside_of_a_panel_are_counted() -> None:
    array, meta = CASES["points"]
    far = np.concatenate([array, array[:100] + 50])
    figure = exhibit("points", "t", {CELLS[0]: far}, {"title": "x", **meta}, {CELLS[0]: "leader"}, {})
    assert figure is not None
    assert "100 of 1,000 points outside" in texts(figure)
    assert {"x₁", "x₂"} <= set(texts(figure))
    assert not any("outside" in text for text in texts(show("points", 1)))


def test_heights_between_the_points_of_a_valley_are_those_of_its_function() -> None:
    x, y = np.linspace(-2, 2, 41), np.linspace(-1, 3, 41)
    a, b = np.meshgrid(x, y)
    coarse = (1 - a) ** 2 + 100 * (b - a**2) ** 2 + 1e-3  # Rosenbrock's: a polynomial, which splines know
    meta = {"title": "t", "x": x, "y": y, "z": np.log10(coarse), "logarithmic": True}
    fine_x, fine_y, z = heights(meta)
    a, b = np.meshgrid(fine_x, fine_y)
    assert z.shape == (301, 301)
    inside = (slice(8, -8), slice(8, -8))
    true = (1 - a) ** 2 + 100 * (b - a**2) ** 2 + 1e-3
    assert np.abs(10**z - true)[inside].max() < 0.01
    plain = heights({"title": "t", "x": x, "y": y, "z": np.log10(coarse)})[2]
    assert np.abs(10**plain - true)[inside].max() > 1  # the logarithm has a crease


def test_the_leader_the_median_and_the_worst_are_shown() -> None:
    run = make_run(["relu", "tanh", "elu"], ["sgd", "adam"])
    table = run.convergence.sort_values("rank")
    found = verdict(run.lanes, run.convergence, run.manifest["tasks"], "digits_mlp")
    pairs = list(table[["activation", "optimizer"]].itertuples(index=False, name=None))
    arrays = dict.fromkeys(pairs, np.zeros((1, 2)))
    assert chosen(run.convergence, found, arrays) == {pairs[0]: "leader", pairs[2]: "median", pairs[5]: "worst"}
    del arrays[pairs[5]]
    assert list(chosen(run.convergence, found, arrays)) == [pairs[0], pairs[2], pairs[4]]
    assert chosen(run.convergence, found, {pairs[3]: arrays[pairs[3]]}) == {pairs[3]: "leader"}
    assert chosen(run.convergence, found, {}) == {}


def test_cells_of_the_leader_s_own_mean_are_no_median_and_no_worst() -> None:
    run = make_run(["relu", "tanh", "elu"], ["sgd", "adam"])
    table = run.convergence.assign(rank=3.5)
    found = verdict(run.lanes, table, run.manifest["tasks"], "digits_mlp")
    arrays = {pair: np.zeros((1, 2)) for pair in itertools.product(["relu", "tanh", "elu"], ["sgd", "adam"])}
    assert list(chosen(table, found, arrays).values()) == ["leader", "same mean", "same mean"]


def test_no_exhibit_is_no_figure() -> None:
    assert exhibit("points", "t", {}, {"title": "x"}, {CELLS[0]: "leader"}, {}) is None


def test_a_path_that_left_the_plane_is_drawn_as_far_as_it_went() -> None:
    array = np.array([[0.0, 0.0], [1.0, 1.0], [np.nan, np.nan]])
    meta = {"title": "x", **CASES["path"][1]}
    figure = exhibit("path", "t", {CELLS[0]: array}, meta, {CELLS[0]: "leader"}, {})
    assert figure is not None
    assert "nan" not in figure.svg.lower()
