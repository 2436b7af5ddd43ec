"""Perceptrons that a problem trains together (encoder and decoder, generator and discriminator) as pure functions."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.lazy import Lazy
from bench.tasks.base import Tree

if TYPE_CHECKING:
    import jax
    from flax import nnx
    from jax import Array

    from bench.activations import Activation
    from bench.nn import layers, perceptron, switch
else:
    jax, nnx = Lazy("jax"), Lazy("flax.nnx")
    layers, perceptron = Lazy("bench.nn.layers"), Lazy("bench.nn.perceptron")
    switch = Lazy("bench.nn.switch")

Sizes = tuple[int, ...]


class Networks(NamedTuple):
    """`init(key) -> {name: parameters}`; `apply(name, parameters, x) -> outputs` of the network of that name.

    `parameters` are those of all networks; x is [batch, features].
    """

    init: Callable[["Array"], Tree]
    apply: Callable[[str, Tree, "Array"], "Array"]


def networks(
    sizes: Mapping[str, Sizes], activations: tuple["Activation", ...], index: "Array", initialization: str
) -> Networks:
    """A perceptron of the given sizes for each name, with the activation that `index` picks."""
    make = partial(layers.recipe, activations, initialization=initialization, index=index)
    graphs = {name: _split(nnx.eval_shape(lambda of=of: perceptron.MLP(of, make(0)))) for name, of in sizes.items()}

    def init(key: "Array") -> Tree:
        keys = jax.random.split(key, len(sizes))
        return {name: _split(perceptron.MLP(of, make(k)))[1] for k, (name, of) in zip(keys, sizes.items(), strict=True)}

    def apply(name: str, parameters: Tree, x: "Array") -> "Array":
        graph, _, choices = graphs[name]
        picked = jax.tree.map(lambda _: index, choices)
        return nnx.merge(graph, parameters[name], picked, copy=True)(x)

    return Networks(init, apply)


def weights(sizes: Sizes) -> int:
    """How many weights a perceptron has, biases aside: a multiplication and an addition each, forward."""
    return sum(a * b for a, b in pairwise(sizes))


def parameters(sizes: Sizes) -> int:
    """How many parameters a perceptron has, with an activation that has none."""
    return weights(sizes) + sum(sizes[1:])


def flops(sizes: Sizes) -> int:
    """Of a step on one example: three products a layer, forward and to both gradients, but none to that of x."""
    return 6 * weights(sizes) - 2 * sizes[0] * sizes[1]


def _split(model: Any) -> Any:
    return nnx.split(model, nnx.Param, switch.Choice)
