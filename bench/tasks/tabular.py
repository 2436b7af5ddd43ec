"""Perceptrons on the real data sets bundled with scikit-learn."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bench.datasets import DATASETS
from bench.lazy import Lazy
from bench.losses import ACCURACY, R2, Metric, cross_entropy, squared_error
from bench.tasks import supervised
from bench.tasks.base import Task

if TYPE_CHECKING:
    from flax import nnx

    from bench import models
    from bench.activations import Activation
else:
    models = Lazy("bench.models")


def perceptron(sizes: tuple[int, ...], activations: tuple["Activation", ...], rngs: "nnx.Rngs") -> "nnx.Module":
    """The model, once jax is there."""
    return models.MLP(sizes, activations, rngs)


def mlp(
    name: str,
    summary: str,
    dataset: str,
    sizes: tuple[int, ...],
    *,
    loss: Callable[..., Any],
    metric: Metric,
    target: float,
    baseline: float,
) -> Task:
    """A perceptron of these layer sizes on a data set of the table.

    FLOPs of one example: 2 a weight forward and 4 backward, less the 2 of the gradient by the input.
    """
    return Task(
        name=name,
        kind="regression" if DATASETS[dataset].classes == 0 else "classification",
        summary=summary,
        metric=metric,
        target=target,
        baseline=baseline,
        samples=DATASETS[dataset].samples,
        parameters=sum(a * b + b for a, b in pairwise(sizes)),
        flops=6 * sum(a * b for a, b in pairwise(sizes)) - 2 * sizes[0] * sizes[1],
        build=supervised.build,
        load=supervised.load,
        dataset=DATASETS[dataset],
        options={"model": partial(perceptron, sizes), "loss": loss},
    )


TASKS = (
    mlp(
        "digits_mlp",
        "Read 8 x 8 handwritten digits with a 64-128-128-10 perceptron",
        "digits",
        (64, 128, 128, 10),
        loss=cross_entropy,
        metric=ACCURACY,
        target=0.95,
        baseline=36 / 359,
    ),
    mlp(
        "wine_mlp",
        "Tell three cultivars of wine apart by 13 chemical measurements, 13-32-32-3 perceptron",
        "wine",
        (13, 32, 32, 3),
        loss=cross_entropy,
        metric=ACCURACY,
        target=0.97,
        baseline=14 / 36,
    ),
    mlp(
        "breast_cancer_mlp",
        "Tell malignant from benign tumours by 30 measurements of cell nuclei, 30-64-64-2 perceptron",
        "breast_cancer",
        (30, 64, 64, 2),
        loss=cross_entropy,
        metric=ACCURACY,
        target=0.97,
        baseline=72 / 114,
    ),
    mlp(
        "diabetes_mlp",
        "Predict the progression of diabetes from 10 measurements, 10-32-32-1 perceptron",
        "diabetes",
        (10, 32, 32, 1),
        loss=squared_error,
        metric=R2,
        target=0.45,
        baseline=0.0,
    ),
)
