"""Perceptrons on the real data sets bundled with scikit-learn."""

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bench.datasets import DATASETS
from bench.initializers import INITIALIZERS
from bench.lazy import Lazy
from bench.losses import (
    ACCURACY,
    R2,
    absolute_error,
    cross_entropy,
    focal,
    hinge,
    huber,
    log_cosh,
    one_hot_error,
    squared_error,
)
from bench.tasks import supervised
from bench.tasks.base import Option, Task, variants

if TYPE_CHECKING:
    from flax import nnx

    from bench import models
    from bench.layers import Recipe
else:
    models = Lazy("bench.models")


def perceptron(sizes: tuple[int, ...], recipe: "Recipe") -> "nnx.Module":
    """The model, once jax is there."""
    return models.MLP(sizes, recipe)


LOSSES = {  # by what is predicted
    "classification": {"cross_entropy": cross_entropy, "squared_error": one_hot_error, "hinge": hinge, "focal": focal},
    "regression": {
        "squared_error": squared_error, "absolute_error": absolute_error, "huber": huber, "log_cosh": log_cosh,
    },
}  # fmt: skip


def mlp(
    name: str,
    summary: str,
    data: str,
    *,
    target: float,
    baseline: float,
    width: int,
    depth: int = 2,
    initialization: str = "default",
    loss: str = "",
) -> Task:
    """A perceptron of `depth` hidden layers of `width` units on a data set of the table.

    FLOPs of one example: 2 a weight forward and 4 backward, less the 2 of the gradient by the input.
    """
    dataset = DATASETS[data]
    kind = "classification" if dataset.classes else "regression"
    losses = LOSSES[kind]
    sizes = (*dataset.shape, *[width] * depth, dataset.classes or 1)
    return Task(
        name=name,
        kind=kind,
        summary=f"{summary}, {'-'.join(map(str, sizes))} perceptron",
        metric=ACCURACY if dataset.classes else R2,
        target=target,
        baseline=baseline,
        samples=dataset.samples,
        parameters=sum(a * b + b for a, b in pairwise(sizes)),
        flops=6 * sum(a * b for a, b in pairwise(sizes)) - 2 * sizes[0] * sizes[1],
        build=supervised.build,
        load=supervised.load,
        dataset=dataset,
        options={
            "model": partial(perceptron, sizes),
            "loss": losses[loss] if loss else next(iter(losses.values())),
            "initialization": initialization,
        },
    )


def entry(name: str, summary: str, data: str, **fixed: Any) -> Task:
    """The perceptron as an entry of the table: what a suite may set of it."""
    losses = LOSSES["classification" if DATASETS[data].classes else "regression"]
    accepts: dict[str, Option] = {
        "width": int,
        "depth": int,
        "initialization": tuple(INITIALIZERS),
        "loss": tuple(losses),
    }
    return variants(partial(mlp, name, summary, data, **fixed), accepts)


TASKS = (
    entry(
        "digits_mlp", "Read 8 x 8 handwritten digits", "digits",
        width=128, target=0.95, baseline=36 / 359,
    ),
    entry(
        "wine_mlp", "Tell three cultivars of wine apart by 13 chemical measurements", "wine",
        width=32, target=0.97, baseline=14 / 36,
    ),
    entry(
        "breast_cancer_mlp", "Tell malignant from benign tumours by 30 measurements of cell nuclei", "breast_cancer",
        width=64, target=0.97, baseline=72 / 114,
    ),
    entry(
        "diabetes_mlp", "Predict the progression of diabetes from 10 measurements", "diabetes",
        width=32, target=0.45, baseline=0.0,
    ),
)  # fmt: skip
