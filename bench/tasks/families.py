"""Model families for any data set: one table, `FAMILIES`, of functions from a data set to a task.

The data sets to download are tasks by them, and so are arrays of a user's own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import inf, prod
from typing import TYPE_CHECKING, Any

from bench.datasets import DATASETS, Dataset
from bench.errors import InputError
from bench.initializers import INITIALIZERS
from bench.lazy import Lazy
from bench.losses import ACCURACY, LOSSES, R2, Metric
from bench.tasks import images, networks, sequences, supervised
from bench.tasks.base import Option, Task, Tree, variants
from bench.tasks.reconstruction import squared_error

if TYPE_CHECKING:
    import jax.numpy as jnp
    from flax import nnx
    from jax import Array

    from bench.nn import perceptron, recurrent, vision
    from bench.nn.layers import Recipe
else:
    jnp = Lazy("jax.numpy")
    perceptron, recurrent = Lazy("bench.nn.perceptron"), Lazy("bench.nn.recurrent")
    vision = Lazy("bench.nn.vision")

INITIALIZATION = tuple(INITIALIZERS)


def supervised_task(dataset: Dataset, name: str, target: float, baseline: float, loss: str, **facts: Any) -> Task:
    """What tasks of every family that predicts y from x have in common."""
    kind = "classification" if dataset.classes else "regression"
    losses = LOSSES[kind]
    return Task(
        name=name,
        kind=kind,
        metric=ACCURACY if dataset.classes else R2,
        target=target,
        baseline=baseline,
        samples=dataset.samples,
        build=supervised.build,
        load=supervised.load,
        dataset=dataset,
        options={
            "model": facts.pop("model"),
            "loss": losses[loss] if loss else next(iter(losses.values())),
            "initialization": facts.pop("initialization"),
        },
        **facts,
    )


def mlp(
    dataset: Dataset, name: str, target: float, baseline: float,
    *, summary: str = "", width: int = 128, depth: int = 2, initialization: str = "default", loss: str = "",
) -> Task:  # fmt: skip
    """A perceptron of `depth` hidden layers of `width` units; images and series are read as rows of numbers."""
    sizes = (prod(dataset.shape), *[width] * depth, dataset.classes or 1)
    return supervised_task(
        dataset, name, target, baseline, loss,
        summary=f"{summary or dataset.summary}, {'-'.join(map(str, sizes))} perceptron",
        parameters=networks.parameters(sizes),
        flops=networks.flops(sizes),
        model=partial(fully_connected, sizes),
        initialization=initialization,
    )  # fmt: skip


def fully_connected(sizes: tuple[int, ...], recipe: "Recipe") -> "nnx.Module":
    """The model, once jax is there."""
    return perceptron.MLP(sizes, recipe)


def cnn(
    dataset: Dataset, name: str, target: float, baseline: float,
    *, width: int = 16, batch_norm: bool = False, initialization: str = "default", loss: str = "",
) -> Task:  # fmt: skip
    """Convolution and pooling twice, then a dense layer; for images (height, width, channels), sides by fours."""
    shape = dataset.shape
    if len(shape) != 3 or shape[0] % 4 or shape[1] % 4:
        raise InputError(
            f"{dataset.source}: got samples of the shape {shape}; expected images (height, width, channels) "
            "whose sides are multiples of 4 for the model cnn",
            "mlp takes any shape",
        )
    high, wide, channels = shape
    features, outputs = (width, 2 * width), dataset.classes or 1
    kernels = [9 * channels * width, 18 * width**2, high * wide // 16 * 2 * width * outputs]
    pixels = [high * wide, high * wide // 4, 1]
    return supervised_task(
        dataset, name, target, baseline, loss,
        summary=f"{dataset.summary}, convolutional network of {width} and {2 * width} channels",
        parameters=sum(kernels) + sum(features) + outputs + (2 * sum(features) if batch_norm else 0),
        flops=images.trained_flops([a * b for a, b in zip(kernels, pixels, strict=True)]),
        model=partial(convolutional, shape, features, outputs, batch_norm),
        initialization=initialization,
    )  # fmt: skip


def convolutional(
    shape: tuple[int, int, int], features: tuple[int, ...], outputs: int, batch_norm: bool, recipe: "Recipe"
) -> "nnx.Module":
    """The model, once jax is there."""
    return vision.CNN(shape, features, outputs, recipe, batch_norm)


def rnn(
    dataset: Dataset, name: str, target: float, baseline: float,
    *, width: int = 64, initialization: str = "default", loss: str = "",
) -> Task:  # fmt: skip
    """An Elman network along the first axis of a sample: the steps of a series, the rows of an image."""
    if len(dataset.shape) < 2:
        raise InputError(
            f"{dataset.source}: got samples of the shape {dataset.shape}; expected (time, features) for the model rnn",
            "mlp takes any shape",
        )
    shape, outputs = (dataset.shape[0], prod(dataset.shape[1:])), dataset.classes or 1
    return supervised_task(
        dataset, name, target, baseline, loss,
        summary=f"{dataset.summary}, Elman network of {width} units",
        parameters=sequences.weights("rnn", shape, width, outputs),
        flops=sequences.flops("rnn", shape, width, outputs),
        model=partial(sequences.reader, "rnn", shape, width, outputs),
        initialization=initialization,
    )  # fmt: skip


def autoencoder(
    dataset: Dataset, name: str, target: float, baseline: float,
    *, width: int = 128, code: int = 16, initialization: str = "default",
) -> Task:  # fmt: skip
    """A perceptron that passes x through `code` numbers and is judged by how much of its variance comes out again."""
    size = prod(dataset.shape)
    sizes = (size, width, code, width, size)
    return Task(
        name=name,
        kind="reconstruction",
        summary=f"{dataset.summary}, {'-'.join(map(str, sizes))} autoencoder",
        metric=EXPLAINED,
        target=target,
        baseline=baseline,
        samples=dataset.samples,
        parameters=networks.parameters(sizes),
        flops=networks.flops(sizes),
        build=supervised.build,
        load=load_itself,
        dataset=dataset,
        options={
            "model": partial(fully_connected, sizes),
            "loss": squared_error,
            "initialization": initialization,
        },
    )


def load_itself(task: Task) -> dict[str, Tree]:
    """x as what is to be predicted."""
    return {part: (x, x.reshape(len(x), -1)) for part, (x, _) in supervised.load(task).items()}


def explained(outputs: "Array", targets: "Array") -> "Array":
    """1 - Σ(x̂ - x)² / Σ(x - mean of each feature)²: 0 for the mean of these very samples."""
    return 1 - jnp.square(outputs - targets).sum() / jnp.square(targets - targets.mean(0)).sum()


EXPLAINED = Metric("variance explained", explained, "maximize", worst=-inf, unit="%", scale=100.0)


@dataclass(frozen=True)
class Family:
    """An entry: `make(dataset, name, target, baseline, **options)` gives a task; a suite may set what it `accepts`."""

    make: Callable[..., Task]
    accepts: Mapping[str, Option]
    predicts: bool = True  # y, by a loss that a suite may choose; else x itself, of which a constant explains nothing


FAMILIES = {
    "mlp": Family(mlp, {"width": int, "depth": int, "initialization": INITIALIZATION}),
    "cnn": Family(cnn, {"width": int, "batch_norm": bool, "initialization": INITIALIZATION}),
    "rnn": Family(rnn, {"width": int, "initialization": INITIALIZATION}),
    "autoencoder": Family(autoencoder, {"width": int, "code": int, "initialization": INITIALIZATION}, predicts=False),
}


def entry(dataset: Dataset, model: str, name: str, target: float, baseline: float, **fixed: Any) -> Task:
    """The task of a data set and a family, with the options that a suite may set; `fixed` are other defaults."""
    family = FAMILIES[model]
    losses = tuple(LOSSES["classification" if dataset.classes else "regression"])
    choice: dict[str, Option] = {"loss": losses} if family.predicts else {}
    return variants(partial(family.make, dataset, name, target, baseline, **fixed), {**family.accepts, **choice})


TASKS = tuple(
    entry(DATASETS[data], model, f"{data}_{model}", target, baseline)
    for data, model, target, baseline in (
        ("mnist", "mlp", 0.97, 0.1135),  # ones, the most frequent digit
        ("mnist", "cnn", 0.985, 0.1135),
        ("fashion_mnist", "mlp", 0.87, 0.1),
        ("fashion_mnist", "cnn", 0.9, 0.1),
        ("cifar10", "cnn", 0.6, 0.1),
        ("california", "mlp", 0.75, 0.0),
    )
)
