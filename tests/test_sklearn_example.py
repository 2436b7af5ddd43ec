"""scikit-learn's own example of a perceptron on digits, replayed: our loop against a published result and theirs here.

`examples/neural_networks/plot_mlp_training_curves.py`: 64-100-10 ReLU, pixels scaled to [0, 1], batches of 200, 15
epochs. Its published losses are below; another draw of weights and order moves them a little.
"""

import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from bench.activations import ACTIVATIONS
from bench.datasets import Samples
from bench.engine import execute
from bench.optimizers import OPTIMIZERS
from bench.planning.lanes import Lane
from bench.planning.program import Program
from bench.tasks import TASKS, Task
from bench.tasks.families import fully_connected

PUBLISHED = {"sgd": 0.244, "momentum": 0.041, "nesterov": 0.043, "adam": 0.046}
LEARNING_RATE = {"sgd": 0.2, "momentum": 0.2, "nesterov": 0.2, "adam": 0.01}
THEIRS: dict[str, dict[str, Any]] = {
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": True},
    "adam": {"solver": "adam"},
}
BATCH, EPOCHS, SEEDS = 200, 15, 4


def digits() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), y.astype(np.int32)


@pytest.fixture(scope="module")
def ours() -> dict[str, float]:
    """Mean training loss over the last epoch by optimizer: all of them in one program."""
    x, y = digits()

    def load(_: Task) -> dict[str, Any]:
        return {"train": (x, y), "validation": (x[:10], y[:10]), "test": (x[:10], y[:10])}

    model = partial(fully_connected, (64, 100, 10))
    base = TASKS["digits_mlp"]
    task = replace(
        base, name="example", samples=Samples(len(x), 10, 10), load=load, options={**base.options, "model": model}
    )
    per_epoch = -(-len(x) // BATCH)
    program = Program(
        task,
        (ACTIVATIONS["relu"],),
        tuple(OPTIMIZERS[name] for name in PUBLISHED),
        batch_size=BATCH,
        full_batch=False,
        steps=EPOCHS * per_epoch,
        eval_every=per_epoch,
        width=SEEDS,
        mixed=False,
    )
    call = jax.jit(execute.batched(program))
    losses = {}
    for name, rate in LEARNING_RATE.items():
        lanes = [Lane("", "example", "relu", name, "tune", rate, seed) for seed in range(SEEDS)]
        outcome = call(execute.traced_lanes(program, lanes), load(task), np.asarray(program.windows, np.int32))
        losses[name] = float(np.mean(outcome.train_loss[:, -1]))
    return losses


@pytest.fixture(scope="module")
def theirs() -> dict[str, float]:
    x, y = digits()
    losses = {}
    for name, arguments in THEIRS.items():
        model = MLPClassifier(
            random_state=0, max_iter=EPOCHS, batch_size=BATCH, learning_rate_init=LEARNING_RATE[name], **arguments
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            losses[name] = float(model.fit(x, y).loss_)
    return losses


@pytest.mark.parametrize("optimizer", sorted(PUBLISHED))
def test_the_loss_has_the_published_size(ours: dict[str, float], theirs: dict[str, float], optimizer: str) -> None:
    low, high = sorted((PUBLISHED[optimizer], theirs[optimizer]))
    assert 0.75 * low < ours[optimizer] < 1.33 * high


def test_the_order_is_the_published_one(ours: dict[str, float]) -> None:
    assert ours["sgd"] > 3 * max(ours["momentum"], ours["nesterov"], ours["adam"])
