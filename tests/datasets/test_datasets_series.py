"""Windows of real series: what follows what, and no look into the future."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.datasets import DATASETS, SPLITS, Dataset, arrays, series
from bench.errors import ResourceError

SERIES: dict[str, Callable[[], Any]] = {"sunspots": series.sunspots, "macrodata": series.macrodata}
EACH = pytest.mark.parametrize("entry", series.DATASETS, ids=[entry.name for entry in series.DATASETS])


@EACH
def test_each_window_is_followed_by_its_target_and_parts_by_one_another(entry: Dataset) -> None:
    values = SERIES[entry.name]().astype("float32")
    parts = entry.parts(entry)
    assert tuple(len(parts[part][0]) for part in SPLITS) == entry.samples
    assert sum(entry.samples) == len(values) - entry.shape[0]
    x, y = (np.concatenate([parts[part][axis] for part in SPLITS]) for axis in (0, 1))
    for i in range(len(x)):
        assert np.array_equal(x[i], values[i : i + entry.shape[0]])
        assert y[i] == values[i + entry.shape[0], 0]


@EACH
def test_scales_are_those_of_the_training_part(entry: Dataset) -> None:
    parts, raw = arrays(entry), entry.parts(entry)
    x, y = raw["train"]
    mean, deviation = x.astype("float64").mean((0, 1)), x.astype("float64").std((0, 1))
    for part in SPLITS:
        assert np.allclose(parts[part][0], (raw[part][0] - mean) / deviation, atol=1e-5)
        assert np.allclose(parts[part][1], (raw[part][1] - y.mean()) / y.std(), atol=1e-4)
        assert parts[part][0].dtype == parts[part][1].dtype == np.float32


def test_values_are_those_that_statsmodels_loads() -> None:
    from statsmodels.datasets import macrodata, sunspots

    assert np.array_equal(series.sunspots()[:, 0], sunspots.load_pandas().data["SUNACTIVITY"])
    frame = macrodata.load_pandas().data
    growth = 100 * (frame["realgdp"] / frame["realgdp"].shift()).map(np.log)[1:]
    assert np.allclose(series.macrodata()[:, 1], growth)
    assert np.allclose(series.macrodata()[:, 0], frame["unemp"].diff()[1:])
    assert series.macrodata().shape == (202, 4)


@EACH
def test_a_model_with_the_past_beats_one_without(entry: Dataset) -> None:
    """Ridge regression on the windows, its penalty chosen on validation: there is something to learn."""
    from sklearn.linear_model import Ridge

    parts = {part: (x.reshape(len(x), -1), y) for part, (x, y) in arrays(entry).items()}
    models = [Ridge(penalty).fit(*parts["train"]) for penalty in np.logspace(-1, 4, 20)]
    best = max(models, key=lambda model: model.score(*parts["validation"]))
    least = {"sunspots": 0.8, "macrodata": 0.4}[entry.name]
    assert best.score(*parts["test"]) > least
    constant = {"sunspots": 0.0, "macrodata": -0.1}[entry.name]
    assert 1 - (parts["test"][1] ** 2).sum() / ((parts["test"][1] - parts["test"][1].mean()) ** 2).sum() < constant


def test_needs_no_statsmodels_but_its_files() -> None:
    code = (
        "import sys; from bench.datasets import DATASETS, series\n"
        "series.split(series.macrodata, DATASETS['macrodata'])\n"
        "assert not {'statsmodels', 'pandas', 'scipy', 'sklearn'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_statsmodels_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "find_spec", lambda _: None)
    with pytest.raises(ResourceError, match="got no statsmodels"):
        series.split(series.sunspots, DATASETS["sunspots"])
