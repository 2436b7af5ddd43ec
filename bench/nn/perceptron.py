"""Perceptrons: flax.nnx modules made by a recipe."""

from itertools import pairwise

import jax
from flax import nnx

from bench.nn.layers import Dense, Recipe, linear


class MLP(nnx.Module):
    """A perceptron: x [batch, ...] -> [batch, sizes[-1]], every layer but the last with the activation."""

    def __init__(self, sizes: tuple[int, ...], recipe: Recipe) -> None:
        self.hidden = nnx.List([Dense(a, b, recipe) for a, b in pairwise(sizes[:-1])])
        self.output = linear(sizes[-2], sizes[-1], recipe)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = x.reshape(len(x), -1)
        for layer in self.hidden:
            x = layer(x)
        return self.output(x)
