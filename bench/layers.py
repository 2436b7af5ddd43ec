"""Layers that take an activation: what every model is made of."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from flax import nnx

from bench.switch import Choice, switched

if TYPE_CHECKING:
    from bench.activations import Activation


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


class Dense(nnx.Module):
    """f(x W + b), x [..., features_in] -> [..., features_out].

    W is drawn from LeCun's normal distribution (variance 1 / features_in) for every activation, so that cells differ
    in nothing but the activation; b starts at 0.
    """

    def __init__(
        self, features_in: int, features_out: int, activations: tuple["Activation", ...], rngs: nnx.Rngs
    ) -> None:
        self.linear = nnx.Linear(features_in, features_out * activations[0].pieces, rngs=rngs)
        self.activate = Activate(features_out, activations)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.activate(self.linear(x))
