"""One network: the same numbers as in a run, kept on disk, and asked again."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from bench import register_activation, register_task
from bench.activations import ACTIVATIONS
from bench.datasets import DATASETS, arrays, own
from bench.errors import DataError, InputError
from bench.network import fit, saved
from bench.planning.suite import Suite, single
from bench.storage.results import Run
from bench.tasks import TASKS


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
    run = Run(smoke_run)
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


def archive(path: Path, x: np.ndarray, y: np.ndarray) -> Path:
    """Five in six for training."""
    cut = len(x) * 5 // 6
    np.savez(path, x_train=x[:cut], y_train=y[:cut], x_test=x[cut:], y_test=y[cut:])
    return path


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A user's own regression."""
    x = np.random.default_rng(0).normal(3, 2, (72, 4))
    return archive(tmp_path / "mine.npz", x, x.sum(1))


def test_a_model_of_a_users_own_data_needs_them_no_more(mine: Path, tmp_path: Path) -> None:
    given = suite(batch_size=16, tasks=[{"file": str(mine), "model": "mlp", "width": 8, "target": 0.5}])
    network = fit.fit(given, 0.03, 2)
    x = np.ones((3, 4))
    outputs = fit.predict(network, x)
    network.save(tmp_path / "model")
    mine.unlink()
    del TASKS["mine_mlp"]
    again = saved.load(tmp_path / "model")
    np.testing.assert_array_equal(fit.predict(again, x), outputs)
    assert outputs.shape == (3, 1) and again.suite == given and "mine_mlp" not in TASKS
    again.save(tmp_path / "copy")
    assert (tmp_path / "copy" / saved.DESCRIPTION).read_text() == (tmp_path / "model" / saved.DESCRIPTION).read_text()


def test_a_model_that_is_read_leaves_tasks_of_that_name_alone(mine: Path, tmp_path: Path) -> None:
    given = suite(batch_size=16, tasks=[{"file": str(mine), "model": "mlp", "target": 0.5}])
    fit.fit(given, 0.03, 2).save(tmp_path / "model")
    entered = TASKS["mine_mlp"]
    saved.load(tmp_path / "model")
    assert TASKS["mine_mlp"] is entered
    del TASKS["mine_mlp"]
    (tmp_path / "other").mkdir()
    other = Path(mine.rename(tmp_path / "other" / mine.name))
    suite(batch_size=16, tasks=[{"file": str(other), "model": "mlp"}])
    assert saved.load(tmp_path / "model").suite.tasks[0].file == str(mine)
    assert TASKS["mine_mlp"].file == str(other)


@pytest.mark.parametrize(("mean", "deviation"), [(2000, 1), (1e5, 10), (1.7e9, 1e5)])
def test_features_far_from_0_are_scaled_as_in_training(mean: float, deviation: float, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 120)
    x = mean + deviation * (random.normal(size=(120, 3)) + 2 * y[:, None])
    path = archive(tmp_path / "far.npz", x, y)
    network = fit.fit(suite(batch_size=16, tasks=[{"file": str(path), "model": "mlp", "width": 8}]), 0.03, 2)
    network.save(tmp_path / "model")
    network, tested = saved.load(tmp_path / "model"), x[100:]
    np.testing.assert_array_equal(network.scales["x"](tested), arrays(own.dataset(path))["test"][0])
    agreed = (fit.predict(network, tested).argmax(1) == y[100:]).mean()
    assert agreed == pytest.approx(network.scores["test_metric"]) and agreed > 0.9


def test_targets_far_from_0_are_predicted_where_they_lie(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(120, 3))
    y = 1e6 + 3 * x[:, 0]
    path = archive(tmp_path / "far.npz", x, y)
    network = fit.fit(suite(batch_size=16, tasks=[{"file": str(path), "model": "mlp", "width": 8}]), 0.03, 2)
    outputs, tested = fit.predict(network, x[100:])[:, 0], y[100:]
    explained = 1 - np.square(outputs - tested).sum() / np.square(tested - tested.mean()).sum()
    assert explained == pytest.approx(network.scores["test_metric"], abs=0.01) and explained > 0.8


@pytest.mark.parametrize(
    ("x", "model"),
    [
        (np.random.default_rng(0).integers(0, 256, (72, 8, 8)).astype(np.uint8), "cnn"),
        (np.random.default_rng(0).random((72, 4)) > 0.5, "mlp"),
    ],
)
def test_the_data_of_the_training_are_data_to_predict(x: np.ndarray, model: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "mine.npz", x, np.arange(72) % 2)
    given = suite(batch_size=16, tasks=[{"file": str(path), "model": model, "width": 4}], steps=1, eval_every=1)
    network = fit.fit(given, 0.03, 2)
    assert fit.predict(network, x).shape == (72, 2)
    with pytest.raises(InputError, match="expected numbers"):
        fit.predict(network, x.astype(complex))


def test_a_network_predicts_from_raw_digits_as_well_as_it_was_tested() -> None:
    x, y = DATASETS["digits"].parts(DATASETS["digits"])["test"]
    for task in ("digits_mlp", "digits_cnn"):
        network = fit.fit(suite(task, steps=30, eval_every=30), 0.01, 0)
        found = fit.predict(network, x).argmax(1)
        assert float((found == y).mean()) == pytest.approx(network.scores["test_metric"], abs=1e-6)


def test_a_task_that_scales_its_data_in_a_way_of_its_own_predicts_nothing() -> None:
    task = TASKS["wine_mlp"]
    data = task.load(task)
    scales, shape = fit.from_raw(task, data)
    assert shape == (13,) and set(scales) == {"x"}
    other = {part: (2 * x, y) for part, (x, y) in data.items()}
    assert fit.from_raw(task, other)[1] is None
    fewer = {part: (x[1:], y[1:]) for part, (x, y) in data.items()}
    assert fit.from_raw(task, fewer)[1] is None


@pytest.mark.slow
def test_what_is_made_of_the_data_set_takes_another_shape_or_predicts_nothing() -> None:
    few = {"steps": 1, "eval_every": 1, "batch_size": 8}
    x = DATASETS["digits"].parts(DATASETS["digits"])["test"][0][:3]
    assert fit.predict(fit.fit(suite("digits_cnn", **few), 0.01, 0), x).shape == (3, 10)
    with pytest.raises(InputError, match="got a task that predicts nothing"):
        fit.predict(fit.fit(suite("digits_detection", **few), 0.01, 0), x)


def test_what_an_autoencoder_gives_is_like_x_not_y(mine: Path) -> None:
    given = suite(batch_size=16, tasks=[{"file": str(mine), "model": "autoencoder", "width": 8, "code": 2}])
    outputs = fit.predict(fit.fit(given, 0.03, 2), np.full((2, 4), 3.0))  # the mean of x; that of y is 12
    assert outputs.shape == (2, 4) and np.abs(outputs).max() < 3


def test_a_regression_predicts_in_the_units_of_its_targets() -> None:
    from sklearn.datasets import load_diabetes

    x, y = load_diabetes(return_X_y=True)
    outputs = fit.predict(fit.fit(suite("diabetes_mlp", steps=100), 0.01, 2), x)[:, 0]
    assert 1 - np.square(outputs - y).sum() / np.square(y - y.mean()).sum() > 0.3


def test_a_task_of_ones_own_without_a_data_set_says_what_it_lacks() -> None:
    register_task(replace(TASKS["wine_mlp"], name="cellar", dataset=None, load=lambda _: load_wine_arrays()))
    try:
        network = fit.fit(suite("cellar"), 0.03, 2)
        with pytest.raises(InputError, match=r"got a task that predicts nothing, with no data set \(dataset=\)"):
            fit.predict(network, np.ones((1, 13)))
    finally:
        del TASKS["cellar"]


def load_wine_arrays() -> Any:
    return TASKS["wine_mlp"].load(TASKS["wine_mlp"])


DROPOUT = """
from dataclasses import replace
from flax import nnx
from bench.nn.layers import Dense, linear
from bench.storage.results import Run
from bench.tasks import TASKS


class Net(nnx.Module):
    def __init__(self, recipe):
        self.hidden = Dense(13, 8, recipe)
        self.drop = nnx.Dropout(0.5, rngs=recipe.rngs)
        self.out = linear(8, 3, recipe)

    def __call__(self, x):
        return self.out(self.drop(self.hidden(x)))


WINE = TASKS["wine_mlp"]
OPTIONS = {**WINE.options, "model": Net}
TASK = replace(WINE, name="dropped", make=None, accepts={}, options=OPTIONS, parameters=13 * 8 + 8 + 8 * 3 + 3)
"""


def test_a_network_with_dropout_is_kept_with_its_random_keys(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(DROPOUT)
    given = suite(tasks=[{"file": str(tmp_path / "own.py")}])
    network = fit.fit(given, 0.03, 2)
    network.save(tmp_path / "model")
    x = np.random.default_rng(0).normal(10, 3, (5, 13))
    said = [fit.predict(one, x) for one in (network, saved.load(tmp_path / "model"))]
    np.testing.assert_array_equal(*said)
    with pytest.raises(DataError, match="another network"):
        fit.predict(network._replace(arrays={**network.arrays, "more": np.zeros(2)}), x)


def test_a_network_that_diverges_says_so() -> None:
    scores = fit.fit(suite(activations=["relu"], optimizers=["sgd"]), 1e30, 0).scores
    assert scores["status"] == "diverged" and scores["stopped_at"] < 40


def test_a_network_that_its_last_step_made_worthless_diverged_there() -> None:
    given = suite(activations=["relu"], optimizers=["sgd"], steps=1, eval_every=1)
    network = fit.fit(given, 1e25, 0)
    assert (network.scores["status"], network.scores["stopped_at"]) == ("diverged", 1)
    assert math.isfinite(network.scores["train_loss"])


def test_damage_is_noticed(wine: saved.Network, tmp_path: Path) -> None:
    wine.save(tmp_path)
    file = tmp_path / saved.ARRAYS
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="do not match their checksum"):
        saved.load(tmp_path)
    with pytest.raises(InputError, match="expected a trained model"):
        saved.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("found", "instead", "told"),
    [
        ("tanh", "relu", "contents that do not match their checksum"),
        ('"sha256"', '"sha"', "contents that do not match their checksum"),
        ('"learning_rate"', '"rate"', "contents that do not match their checksum"),
        ('"schema": 4', '"schema": 3', "got schema 3; expected 4"),
        ("{", "[", "not JSON"),
    ],
)
def test_a_description_is_as_it_was_written(
    wine: saved.Network, tmp_path: Path, found: str, instead: str, told: str
) -> None:
    wine.save(tmp_path)
    file = tmp_path / saved.DESCRIPTION
    file.write_text(file.read_text().replace(found, instead, 1))
    with pytest.raises(DataError, match=told):
        saved.load(tmp_path)
    file.write_text("[]")
    with pytest.raises(DataError, match="got schema None"):
        saved.load(tmp_path)


def test_examples_of_another_shape_are_refused(wine: saved.Network) -> None:
    with pytest.raises(InputError, match=r"x: got float64 of the shape \(2, 5\); expected numbers"):
        fit.predict(wine, np.ones((2, 5)))


def test_arrays_of_another_network_are_refused(wine: saved.Network) -> None:
    with pytest.raises(DataError, match="another network"):
        fit.predict(wine._replace(arrays={}), np.ones((1, 13)))


def test_a_network_whose_activation_was_defined_anew_predicts_nothing(tmp_path: Path) -> None:
    register_activation("mine", lambda x: jnp.where(x > 0, x, 0.1 * x))
    try:
        network = fit.fit(suite(activations=["mine"]), 0.03, 2)
        network.save(tmp_path)
        x = np.ones((1, 13))
        before = fit.predict(saved.load(tmp_path), x)
        register_activation("mine", lambda x: jnp.where(x > 0, x, 0.1 * x) + 0)
        np.testing.assert_allclose(fit.predict(saved.load(tmp_path), x), before, rtol=1e-5)
        register_activation("mine", lambda x: jnp.where(x > 0, x, 0.2 * x))
        with pytest.raises(DataError, match=r"got outputs that differ by .* from those after training"):
            fit.predict(saved.load(tmp_path), x)
    finally:
        del ACTIVATIONS["mine"]


def test_outputs_that_are_not_finite_are_known_again() -> None:
    known = np.array([[1.0, np.nan], [np.inf, -2.0]])
    assert fit._differ(known, known) == 0
    assert not fit._differ(known, np.nan_to_num(known)) <= fit.SAME
    assert fit._differ(known, known * [[1, 1], [1, 1.1]]) == pytest.approx(0.1)


def test_the_cell_that_leads_a_run_is_trained_again(smoke_run: Path) -> None:
    found, rate = fit.cell_of(smoke_run, "wine_mlp")
    assert len(found.activations) == len(found.optimizers) == 1 and rate in Run(smoke_run).lanes["learning_rate"].values
    with pytest.raises(InputError, match="got no task digits_mlp; expected one of wine_mlp"):
        fit.cell_of(smoke_run, "digits_mlp")


def test_a_task_of_a_file_that_imports_jax_trains_on_the_device_that_is_asked_for() -> None:
    code = (
        "import os, jax\n"
        "from bench.network import fit\n"
        "before = dict(os.environ)\n"
        "fit.prepare('cpu')\n"
        "print(jax.config.jax_platforms, dict(os.environ) == before)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout == "cpu True\n", "in the environment it would be the device of later runs too"
