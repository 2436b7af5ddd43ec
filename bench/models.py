"""Model families: flax.nnx modules that take the activations of a program."""

from itertools import pairwise
from typing import TYPE_CHECKING

import jax
from flax import nnx

from bench.layers import Dense

if TYPE_CHECKING:
    from bench.activations import Activation


class MLP(nnx.Module):
    """A perceptron: x [batch, sizes[0]] -> [batch, sizes[-1]], every layer but the last with the activation."""

    def __init__(self, sizes: tuple[int, ...], activations: tuple["Activation", ...], rngs: nnx.Rngs) -> None:
        self.hidden = nnx.List([Dense(a, b, activations, rngs) for a, b in pairwise(sizes[:-1])])
        self.output = nnx.Linear(sizes[-2], sizes[-1], rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.hidden:
            x = layer(x)
        return self.output(x)
