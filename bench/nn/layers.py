"""Layers that take an activation: what every model is made of."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from bench.initializers import initializer
from bench.nn.products import biased, product
from bench.nn.switch import Choice, switched

if TYPE_CHECKING:
    from bench.activations import Activation


class Recipe(NamedTuple):
    """What a model is made with, beside its sizes."""

    activations: tuple["Activation", ...]
    rngs: nnx.Rngs
    kernel_init: Callable[..., jax.Array]


def recipe(
    activations: tuple["Activation", ...], key: jax.Array | int = 0, initialization: str = "default", index: Any = 0
) -> Recipe:
    """The recipe for the activation that `index` picks, its initial weights drawn from `key`."""
    return Recipe(activations, nnx.Rngs(key), initializer(initialization, activations, index))


class Slope(nnx.Param):
    """A learned parameter of an activation: never decayed."""


class Activate(nnx.Module):
    """f(x): one of `activations`, picked by this module's `choice`, with its own parameters for each of `channels`.

    Maps [..., channels * pieces] to [..., channels]. Activations share a module only where they have no parameters of
    their own (see `Activation.shares_program`).
    """

    def __init__(self, channels: int, activations: tuple["Activation", ...]) -> None:
        self.activations = activations
        self.choice = Choice(jnp.int32(0))
        self.parameters = nnx.Dict(
            {name: Slope(jnp.full((channels,), value)) for name, value in activations[0].parameters.items()}
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        if len(self.activations) == 1:
            return self.activations[0](x, **{name: slope[...] for name, slope in self.parameters.items()})
        return switched(self.activations, self.choice[...])(x)

    def order(self, x: jax.Array) -> jax.Array | None:
        """What is largest where f(x) is, without a gradient; None where that is x itself."""
        return None if all(a.keeps_order for a in self.activations) else jax.lax.stop_gradient(self(x))


class Linear(nnx.Linear):
    """x W + b, x [..., features_in] -> [..., features_out], with gradients that are fast on a CPU."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return biased(self.dot_general(x, self.kernel[...]), self.bias[...])


def linear(features_in: int, features_out: int, recipe: Recipe) -> Linear:
    """The layer; b starts at 0."""
    return Linear(features_in, features_out, kernel_init=recipe.kernel_init, dot_general=product, rngs=recipe.rngs)


class Dense(nnx.Module):
    """f(x W + b), x [..., features_in] -> [..., features_out]."""

    def __init__(self, features_in: int, features_out: int, recipe: Recipe) -> None:
        self.linear = linear(features_in, features_out * recipe.activations[0].pieces, recipe)
        self.activate = Activate(features_out, recipe.activations)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.activate(self.linear(x))
