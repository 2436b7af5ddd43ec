"""A flax.nnx module of a user's own as a task."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

from bench import module_task, run
from bench.engine import tracing
from bench.errors import InputError
from bench.network import fit, saved
from bench.nn.layers import Dense, Recipe, linear
from bench.nn.perceptron import MLP
from bench.planning import suite
from bench.tasks import TASKS

OWN = """
from pathlib import Path

from bench import module_task
from bench.nn.layers import Dense, linear
from flax import nnx


class Residual(nnx.Module):
    def __init__(self, recipe, width=16, dropout=0.0):
        self.first = Dense(4, width, recipe)
        self.norm = nnx.BatchNorm(width, rngs=recipe.rngs)
        self.second = Dense(width, width, recipe)
        self.drop = nnx.Dropout(dropout, rngs=recipe.rngs)
        self.output = linear(width, 2, recipe)

    def __call__(self, x):
        x = self.first(x)
        return self.output(x + self.drop(self.second(self.norm(x))))


TASK = module_task("residual", Path(__file__).parent / "mine.npz", Residual, target=0.9)
"""


class Net(nnx.Module):
    def __init__(self, recipe: Recipe, width: int = 32, scale: float = 1.0, name_of_it: str = "x") -> None:
        self.hidden, self.output, self.scale = Dense(13, width, recipe), linear(width, 3, recipe), scale

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.output(self.hidden(self.scale * x))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A Python file with the task above, beside its arrays: is the sum of four numbers above 0?"""
    x = np.random.default_rng(0).normal(size=(200, 4))
    y = (x.sum(1) > 0).astype(int)
    np.savez(tmp_path / "mine.npz", x_train=x[:150], y_train=y[:150], x_test=x[150:], y_test=y[150:])
    (tmp_path / "residual.py").write_text(OWN, "utf-8")
    return tmp_path / "residual.py"


def test_what_is_counted_is_what_the_perceptron_declares() -> None:
    wine, sizes = TASKS["wine_mlp"], (13, 32, 32, 3)
    counted = module_task("cellar", "wine", lambda recipe: MLP(sizes, recipe))
    assert (counted.parameters, counted.flops, counted.baseline) == (wine.parameters, wine.flops, wine.baseline)
    assert (counted.samples, counted.kind, counted.metric) == (wine.samples, wine.kind, wine.metric)
    numbers = module_task("glucose", "diabetes", lambda recipe: MLP((10, 4, 1), recipe))
    assert numbers.kind == "regression" and numbers.baseline == pytest.approx(TASKS["diabetes_mlp"].baseline, abs=1e-2)
    for task in (counted, numbers):
        tracing.task(task)


def test_its_numbers_and_truth_values_are_options() -> None:
    task = module_task("cellar", "wine", Net)
    assert task.defaults == {"width": 32, "scale": 1.0, "initialization": "default", "loss": "cross_entropy"}
    wide = task.configured({"width": 64, "loss": "hinge"})
    assert wide.name == "cellar(loss=hinge,width=64)" or wide.name == "cellar(width=64,loss=hinge)"
    assert wide.parameters == 14 * 64 + 65 * 3 and wide.options["loss"] is not task.options["loss"]


@pytest.mark.slow
def test_a_file_with_one_is_run_with_every_kind_of_activation(file: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "name": "own", "tasks": [{"file": str(file)}], "activations": ["relu", "prelu", "maxout"],
        "optimizers": ["adam"], "steps": 60, "batch_size": 16, "eval_every": 20,
        "learning_rates": {"low": 1e-2, "high": 1e-2, "num": 1},
        "seeds": {"tune": 1, "evaluate": 2}, "factors": {"width": [4, 8]},
    }  # fmt: skip
    found = run(suite.parse(given), out=tmp_path / "run", workers=1, progress=False)
    assert set(found.lanes["status"]) == {"ok"} and set(found.lanes["task"]) == {
        "residual(width=4)",
        "residual(width=8)",
    }
    assert found.convergence["test_metric"].min() > 0.7
    parameters = found.lanes.set_index(["task", "activation"])["parameters"].groupby(level=[0, 1]).first()
    assert parameters["residual(width=4)", "relu"] == 4 * 4 + 4 + 8 + 16 + 4 + 8 + 2
    assert parameters["residual(width=4)", "prelu"] == parameters["residual(width=4)", "relu"] + 8


def test_one_network_of_it_is_trained_kept_and_asked(file: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "name": "one", "tasks": [{"file": str(file), "dropout": 0.1}], "activations": ["tanh"], "optimizers": ["adam"],
        "steps": 60, "batch_size": 16, "eval_every": 20, "learning_rates": {"low": 1e-2, "high": 1e-2, "num": 1},
        "seeds": {"tune": [1], "evaluate": [0]},
    }  # fmt: skip
    fit.fit(suite.parse(given), 1e-2, 0).save(tmp_path / "model")
    with np.load(tmp_path / "mine.npz") as held:
        outputs = fit.predict(saved.load(tmp_path / "model"), held["x_test"])
        assert (outputs.argmax(1) == held["y_test"]).mean() > 0.7


def test_counting_takes_no_device() -> None:
    code = (
        "import jax, bench; from bench.nn.perceptron import MLP\n"
        "bench.module_task('cellar', 'wine', lambda recipe: MLP((13, 8, 3), recipe))\n"
        "from jax._src import xla_bridge; print(xla_bridge.backends_are_initialized())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("a b", "wine", Net), "got the name 'a b'; expected letters"),
        (("a", "vine", Net), "data: got 'vine'; expected a .npz, or the name of a data set, perhaps wine"),
        (("a", "wine", 3), "a: got the model 3; expected a function or class of flax.nnx"),
        (("a", "wine", lambda recipe, width: None), "a: got a model whose width nothing sets; expected a default"),
        (("a", "wine", lambda recipe, steps=3: None), "a: got an argument steps, which suites have; expected"),
        (("a", "wine", lambda recipe: MLP((12, 8, 3), recipe)), "a: got TypeError: dot_general requires contracting"),
        (("a", "wine", lambda recipe: None), "expected a module that maps x ('batch', 13) to y"),
        (("a", "none.npz", Net), "none.npz: got no such file"),
    ],
)  # fmt: skip
def test_what_is_no_task_is_told(arguments: tuple[Any, ...], told: str) -> None:
    with pytest.raises(InputError) as caught:
        module_task(*arguments)
    assert told in str(caught.value)
