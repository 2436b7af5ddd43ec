"""Supervised learning: a model, a loss and a metric make a problem."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.datasets import arrays
from bench.lazy import Lazy
from bench.tasks.base import Problem, Task, Tree

if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    from flax import nnx
    from jax import Array

    from bench.activations import Activation
    from bench.nn import layers, switch
else:
    jax, jnp, nnx = Lazy("jax"), Lazy("jax.numpy"), Lazy("flax.nnx")
    layers, switch = Lazy("bench.nn.layers"), Lazy("bench.nn.switch")


SLICE = {"cpu": 30, "gpu": 360}  # images evaluated at once; on a CPU twelve slices of the 359 digits of a part
IMAGE_DIMENSIONS = 4  # [n, row, column, channel]


def load(task: Task) -> dict[str, tuple[Any, Any]]:
    """The parts of the task's data set."""
    if task.dataset is None:
        raise ValueError(f"task {task.name} has no data set")
    return arrays(task.dataset)


def network(
    task: Task, activations: tuple["Activation", ...], index: "Array"
) -> tuple[Callable[["Array"], tuple[Tree, Tree]], Callable[[str, Tree, Tree, "Array"], tuple["Array", Tree]]]:
    """Two functions of `options["model"](recipe)`: init, and (mode, parameters, state, x) -> (outputs, state).

    The mode is train or evaluate.
    """
    model = task.options["model"]
    make = partial(layers.recipe, activations, initialization=task.options["initialization"], index=index)
    graphs = _graphs(lambda: model(make(0)))

    def init(key: "Array") -> tuple[Tree, Tree]:
        _, parameters, _, state = nnx.split(model(make(key)), nnx.Param, switch.Choice, ...)
        return parameters, state

    def outputs(mode: str, parameters: Tree, state: Tree, x: "Array") -> tuple["Array", Tree]:
        graph, choices = graphs[mode]
        picked = jax.tree.map(lambda _: index, choices)
        merged = nnx.merge(graph, parameters, picked, state, copy=True)
        return merged(x), nnx.state(merged, nnx.Not(nnx.Any(nnx.Param, switch.Choice)))

    return init, outputs


def build(task: Task, activations: tuple["Activation", ...], index: "Array") -> Problem:
    """The problem of minimizing the mean loss of `options["model"](recipe)` over a batch (x, y).

    What a report shows is `draw(x, y, outputs)` of those samples of the test part that `pick(y)` gives the places of,
    `options["exhibit"]` = (pick, draw), where the task names its kind.
    """
    init, outputs = network(task, activations, index)
    loss_of = task.options["loss"]

    def loss(parameters: Tree, state: Tree, batch: Tree, key: "Array") -> tuple["Array", Tree]:
        x, y = batch
        z, state = outputs("train", parameters, state, x)
        return loss_of(z, y), state

    def gradient(parameters: Tree, state: Tree, batch: Tree, key: "Array") -> tuple["Array", Tree, Tree]:
        (value, state), gradients = jax.value_and_grad(loss, has_aux=True)(parameters, state, batch, key)
        return value, gradients, state

    def evaluate(parameters: Tree, state: Tree, part: Tree) -> tuple["Array", "Array"]:
        x, y = part
        z = in_slices(lambda some: outputs("evaluate", parameters, state, some)[0], x)
        return loss_of(z, y), task.metric.function(z, y)

    def exhibit(parameters: Tree, state: Tree, data: dict[str, Tree]) -> "Array":
        pick, draw = task.options["exhibit"]
        places = pick(data["test"][1])
        x, y = (values[places] for values in data["test"])
        return draw(x, y, outputs("evaluate", parameters, state, x)[0])

    return Problem(
        init,
        gradient,
        lambda *a: loss(*a)[0],
        evaluate,
        decayed,
        exhibit=exhibit if task.exhibit else None,
        predict=lambda parameters, state, x: outputs("evaluate", parameters, state, x)[0],
    )


def spread(samples: int, y: "Array") -> "Array":
    """The places [samples] of samples spread over a part."""
    return jnp.arange(samples) * max(1, len(y) // samples)


def busiest(samples: int, y: "Array") -> "Array":
    """The places [samples] of the pictures [n, h, w, c] that vary most, one of each of as many stretches of a part."""
    size = len(y) // samples
    variance = y.var((1, 2)).sum(-1)[: samples * size].reshape(samples, size)
    return jnp.arange(samples) * size + variance.argmax(1)


def in_slices(function: Callable[["Array"], "Array"], x: "Array") -> "Array":
    """function(x), x [n, ...], of images a slice at a time: all at once, what a layer makes of them leaves the cache.

    The last slice is filled up with zeros, so that one compiled body serves all; each example is on its own.
    """
    size = SLICE[jax.default_backend()]
    if x.ndim < IMAGE_DIMENSIONS or len(x) <= size:
        return function(x)
    missing = -len(x) % size
    slices = jnp.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1)).reshape(-1, size, *x.shape[1:])
    z = jax.lax.map(function, slices)
    return z.reshape(-1, *z.shape[2:])[: len(x)]


def decayed(parameters: Tree) -> Tree:
    """True for each parameter but the learned slopes of activations (He et al. 2015 decay none of them)."""
    return jax.tree.map(
        lambda leaf: not isinstance(leaf, layers.Slope), parameters, is_leaf=lambda x: isinstance(x, nnx.Variable)
    )


def _graphs(make: Any) -> dict[str, tuple[Any, Tree]]:
    """The static half of the model while training and while evaluating, with the places of its choices."""
    graphs = {}
    for mode, training in (("train", True), ("evaluate", False)):
        model = nnx.eval_shape(make)
        model.train() if training else model.eval()
        graph, _, choices, _ = nnx.split(model, nnx.Param, switch.Choice, ...)
        graphs[mode] = graph, choices
    return graphs
