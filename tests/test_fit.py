"""One network: the same numbers as in a run, kept on disk, and asked again."""

from pathlib import Path

import numpy as np
import pytest

from bench import fit, saved
from bench.errors import DataError, InputError
from bench.results import load
from bench.suite import Suite, single


def suite(task: str = "wine_mlp", **changes: object) -> Suite:
    given: dict[str, object] = {
        "name": "one", "tasks": [task], "activations": ["tanh"], "optimizers": ["adam"], "steps": 40, "batch_size": 32,
        "eval_every": 10, "learning_rates": {"low": 0.03, "high": 0.03, "num": 1},
        "seeds": {"tune": [9], "evaluate": [2]},
    }  # fmt: skip
    return Suite(**(given | changes))


@pytest.fixture(scope="module")
def wine() -> saved.Network:
    return fit.fit(suite(), 0.03, 2)


def test_a_network_learns_what_its_lane_in_a_run_learns(smoke_run: Path) -> None:
    run = load(smoke_run)
    lane = run.lanes[(run.lanes["phase"] == "evaluate") & (run.lanes["activation"] == "tanh")].iloc[0]
    narrow = single(run.manifest["suite"], "wine_mlp", "tanh", lane["optimizer"])
    network = fit.fit(narrow, lane["learning_rate"], int(lane["seed"]))
    assert network.scores["validation_loss"] == pytest.approx(lane["validation_loss"], rel=1e-4)
    assert network.scores["test_metric"] == pytest.approx(lane["test_metric"], abs=0.03)


def test_what_was_saved_predicts_the_same(wine: saved.Network, tmp_path: Path) -> None:
    from sklearn.datasets import load_wine

    x, y = load_wine(return_X_y=True)
    wine.save(tmp_path / "model")
    again = saved.load(tmp_path / "model")
    outputs = fit.predict(wine, x)
    np.testing.assert_array_equal(fit.predict(again, x), outputs)
    assert again.suite == wine.suite and again.scores == wine.scores
    assert (outputs.argmax(1) == y).mean() > 0.95


def test_a_regression_predicts_in_the_units_of_its_targets() -> None:
    from sklearn.datasets import load_diabetes

    x, y = load_diabetes(return_X_y=True)
    outputs = fit.predict(fit.fit(suite("diabetes_mlp", steps=100), 0.01, 2), x)[:, 0]
    assert 1 - np.square(outputs - y).sum() / np.square(y - y.mean()).sum() > 0.3


def test_a_network_that_diverges_says_so() -> None:
    scores = fit.fit(suite(activations=["relu"], optimizers=["sgd"]), 1e30, 0).scores
    assert scores["status"] == "diverged" and scores["stopped_at"] < 40


def test_damage_is_noticed(wine: saved.Network, tmp_path: Path) -> None:
    wine.save(tmp_path)
    file = tmp_path / saved.ARRAYS
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="do not match their checksum"):
        saved.load(tmp_path)
    (tmp_path / saved.DESCRIPTION).write_text("{")
    with pytest.raises(DataError, match="not JSON"):
        saved.load(tmp_path)
    with pytest.raises(InputError, match="expected a trained model"):
        saved.load(tmp_path / "nowhere")


def test_examples_of_another_shape_are_refused(wine: saved.Network) -> None:
    with pytest.raises(InputError, match=r"x: got float64 of the shape \(2, 5\); expected numbers"):
        fit.predict(wine, np.ones((2, 5)))


def test_arrays_of_another_network_are_refused(wine: saved.Network) -> None:
    with pytest.raises(DataError, match="another network"):
        fit.predict(wine._replace(arrays={}), np.ones((1, 13)))


def test_the_cell_that_leads_a_run_is_trained_again(smoke_run: Path) -> None:
    found, rate = fit.cell_of(smoke_run, "wine_mlp")
    assert (
        len(found.activations) == len(found.optimizers) == 1 and rate in load(smoke_run).lanes["learning_rate"].values
    )
    with pytest.raises(InputError, match="got no task digits_mlp; expected one of wine_mlp"):
        fit.cell_of(smoke_run, "digits_mlp")
