"""Recurrent networks: digits read row by row, the adding problem, forecasts of real series."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.datasets import DATASETS, Samples
from bench.initializers import INITIALIZERS
from bench.lazy import Lazy
from bench.losses import ACCURACY, LOSSES, MSE, R2, squared_error
from bench.tasks import supervised
from bench.tasks.base import Option, Problem, Task, Tree, variants

if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    from flax import nnx
    from jax import Array

    from bench.activations import Activation
    from bench.nn import recurrent
    from bench.nn.layers import Recipe
else:
    jax, jnp, recurrent = Lazy("jax"), Lazy("jax.numpy"), Lazy("bench.nn.recurrent")

GATES = {"rnn": 1, "lstm": 4, "gru": 3}  # products of the width of the state
TITLES = {"rnn": "Elman network", "lstm": "LSTM", "gru": "GRU"}
YEARS = {"x": "year", "start": 1951, "y": "standardized sunspot number"}
QUARTERS = {"x": "year", "start": 2000.0, "step": 0.25, "y": "standardized change of unemployment"}
OPTIONS: dict[str, Option] = {"width": int, "initialization": tuple(INITIALIZERS)}


def reader(cell: str, shape: tuple[int, int], width: int, outputs: int, recipe: "Recipe") -> "nnx.Module":
    """The model, once jax is there."""
    return recurrent.Recurrent(cell, shape, width, outputs, recipe)


def weights(cell: str, shape: tuple[int, int], width: int, outputs: int) -> int:
    """Parameters of the model."""
    return GATES[cell] * width * (shape[1] + width + 1) + outputs * (width + 1)


def flops(cell: str, shape: tuple[int, int], width: int, outputs: int) -> int:
    """Of one example: 2 a weight and time step forward and 4 backward, less the 2 of the gradient by the input."""
    time, features = shape
    return time * GATES[cell] * width * (4 * features + 6 * width) + 6 * width * outputs


def shown(axes: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """What the figure of a forecast says; `axes` are the names and the scale of its two."""
    return {"title": "The test part, standardized", "rows": ["truth", "forecast"], **axes}


def digits(cell: str, *, width: int, initialization: str = "default", loss: str = "cross_entropy") -> Task:
    """Digits as eight time steps of eight pixels, read out after the last row."""
    dataset, shape = DATASETS["digits"], (8, 8)
    return Task(
        name=f"digits_{cell}",
        kind="classification",
        summary=f"Read 8 x 8 handwritten digits row by row, {TITLES[cell]} of {width} units",
        metric=ACCURACY,
        target=0.93,
        baseline=36 / 359,
        samples=dataset.samples,
        parameters=weights(cell, shape, width, 10),
        flops=flops(cell, shape, width, 10),
        build=supervised.build,
        load=supervised.load,
        dataset=dataset,
        options={
            "model": partial(reader, cell, shape, width, 10),
            "loss": LOSSES["classification"][loss],
            "initialization": initialization,
        },
    )


def adding(*, length: int = 30, width: int = 64, initialization: str = "default") -> Task:
    """The sum of two marked numbers among `length`: what was read early must be kept.

    Numbers from U(0, 1), one mark in each half; a constant is off by the variance of the sum, 1/6. Hochreiter and
    Schmidhuber 1997, drawn as in Le, Jaitly and Hinton 2015.
    """
    shape = (length, 2)
    return Task(
        name="adding_rnn",
        kind="regression",
        summary=f"Add the two marked of {length} numbers, Elman network of {width} units",
        metric=MSE,
        target=0.04,
        baseline=1 / 6,
        samples=Samples(0, 1000, 1000),
        parameters=weights("rnn", shape, width, 1),
        flops=flops("rnn", shape, width, 1),
        build=build_adding,
        load=load_adding,
        options={
            "length": length,
            "model": partial(reader, "rnn", shape, width, 1),
            "loss": squared_error,
            "initialization": initialization,
        },
    )


def load_adding(task: Task) -> dict[str, Tree]:
    """Fixed validation and test parts; of train only a number, that a batch has as many times as samples to draw."""
    import numpy as np

    length = task.options["length"]

    def drawn(part: int, samples: int) -> tuple[Any, Any]:
        random = np.random.Generator(np.random.Philox(key=part))
        first = random.integers(0, length // 2, samples)
        second = random.integers(length // 2, length, samples)
        marks = np.eye(length, dtype=np.float32)[[first, second]].sum(0)
        values = random.random((samples, length), np.float32)
        return np.stack([values, marks], -1), (values * marks).sum(1)

    return {
        "train": np.zeros(1, np.int32),
        "validation": drawn(1, task.samples.validation),
        "test": drawn(2, task.samples.test),
    }


def draw_adding(key: "Array", samples: int, length: int) -> tuple["Array", "Array"]:
    """(x [samples, length, 2]: numbers and marks, y [samples])."""
    of_values, of_first, of_second = jax.random.split(key, 3)
    values = jax.random.uniform(of_values, (samples, length))
    first = jax.random.randint(of_first, (samples,), 0, length // 2)
    second = jax.random.randint(of_second, (samples,), length // 2, length)
    marks = jax.nn.one_hot(first, length) + jax.nn.one_hot(second, length)
    return jnp.stack([values, marks], -1), (values * marks).sum(1)


def build_adding(task: Task, activations: tuple["Activation", ...], index: "Array") -> Problem:
    """The supervised problem, each batch drawn from the step's key."""
    problem = supervised.build(task, activations, index)

    def drawn(batch: "Array", key: "Array") -> tuple["Array", "Array"]:
        return draw_adding(key, len(batch), task.options["length"])

    return problem._replace(
        gradient=lambda parameters, state, batch, key: problem.gradient(parameters, state, drawn(batch, key), key),
        objective=lambda parameters, state, batch, key: problem.objective(parameters, state, drawn(batch, key), key),
    )


def forecast(
    name: str,
    summary: str,
    data: str,
    axes: Mapping[str, Any],
    *,
    target: float,
    width: int = 32,
    initialization: str = "default",
    loss: str = "squared_error",
) -> Task:
    """The next value of a series from a window of the past; parts follow one another in time."""
    dataset = DATASETS[data]
    shape = dataset.shape[0], dataset.shape[1]
    return Task(
        name=name,
        kind="regression",
        summary=f"{summary}, Elman network of {width} units",
        metric=R2,
        target=target,
        baseline=0.0,
        samples=dataset.samples,
        parameters=weights("rnn", shape, width, 1),
        flops=flops("rnn", shape, width, 1),
        build=build_forecast,
        load=supervised.load,
        dataset=dataset,
        options={
            "model": partial(reader, "rnn", shape, width, 1),
            "loss": LOSSES["regression"][loss],
            "initialization": initialization,
        },
        exhibit="series",
        shown=partial(shown, axes),
    )


def build_forecast(task: Task, activations: tuple["Activation", ...], index: "Array") -> Problem:
    """The supervised problem, with its forecasts of the test part to show: [2, test], truth and forecast."""
    _, outputs = supervised.network(task, activations, index)

    def exhibit(parameters: Tree, state: Tree, data: dict[str, Tree]) -> "Array":
        x, y = data["test"]
        forecasts, _ = outputs("evaluate", parameters, state, x)
        return jnp.stack([y, forecasts[:, 0]])

    return supervised.build(task, activations, index)._replace(exhibit=exhibit)


TASKS = (
    *(
        variants(partial(digits, cell, width=width), OPTIONS | {"loss": tuple(LOSSES["classification"])})
        for cell, width in (("rnn", 64), ("lstm", 32), ("gru", 32))
    ),
    variants(adding, OPTIONS | {"length": int}),
    variants(
        partial(
            forecast, "sunspots_rnn", "Forecast next year's sunspots from 16 years (R² of persistence 0.61)",
            "sunspots", YEARS, target=0.8,
        ),
        OPTIONS | {"loss": tuple(LOSSES["regression"])},
    ),
    variants(
        partial(
            forecast, "macro_rnn",
            "Forecast the change of US unemployment from 8 quarters of four series (R² of persistence 0.53)",
            "macrodata", QUARTERS, target=0.4,
        ),
        OPTIONS | {"loss": tuple(LOSSES["regression"])},
    ),
)  # fmt: skip
