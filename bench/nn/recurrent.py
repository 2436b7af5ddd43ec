"""Recurrent networks whose nonlinearity is the activation: Elman's, LSTM and GRU.

A cell is three things: `weights`, `start(batch) -> state`, `step(state, projected) -> state`; its output is the first
part of the state. What the inputs contribute to all time steps is one product ahead of the loop over time.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax

from bench.nn.layers import Activate, Recipe, Slope, linear
from bench.nn.products import biased, product

UNROLLED = 16  # up to so many time steps a loop in Python

State = tuple[Array, ...]


class Weights(nnx.Module):
    """x W + h U + b for the gates of a cell side by side, `gates` their widths; b starts at 0.

    W and U of a gate are drawn as one matrix: its fan-in is all that the gate reads.
    """

    def __init__(self, features: int, hidden: int, gates: tuple[int, ...], recipe: Recipe) -> None:
        shapes = [(features + hidden, width) for width in gates]
        drawn = jnp.concatenate([recipe.kernel_init(recipe.rngs.params(), shape, jnp.float32) for shape in shapes], 1)
        self.input = nnx.Param(drawn[:features])
        self.recurrent = nnx.Param(drawn[features:])
        self.bias = nnx.Param(jnp.zeros(drawn.shape[1]))

    def projected(self, x: Array) -> Array:
        """x W + b."""
        return biased(product(x, self.input[...]), self.bias[...])

    def fed_back(self, h: Array) -> Array:
        """h U."""
        return product(h, self.recurrent[...])


class Pieces(nnx.Module):
    """[..., channels] -> [..., channels * pieces]: a x + b for each piece, what an activation of several pieces reads.

    a starts evenly spaced from 0 to 1 and b at 0, so that two pieces start as a rectifier. Both belong to the
    activation and are never decayed. With one piece it is the identity and has no parameters.
    """

    def __init__(self, channels: int, pieces: int) -> None:
        self.pieces = pieces
        if pieces > 1:
            self.scale = Slope(jnp.tile(jnp.linspace(0.0, 1.0, pieces), channels))
            self.shift = Slope(jnp.zeros(channels * pieces))

    def __call__(self, x: Array) -> Array:
        if self.pieces == 1:
            return x
        return jnp.repeat(x, self.pieces, -1) * self.scale[...] + self.shift[...]


class Elman(nnx.Module):
    """h' = f(x W + h U + b), f the activation. Elman 1990."""

    def __init__(self, features: int, hidden: int, recipe: Recipe) -> None:
        self.hidden = hidden
        self.weights = Weights(features, hidden, (hidden * recipe.activations[0].pieces,), recipe)
        self.activate = Activate(hidden, recipe.activations)

    def start(self, batch: int) -> State:
        return (jnp.zeros((batch, self.hidden)),)

    def step(self, state: State, projected: Array) -> State:
        (h,) = state
        return (self.activate(projected + self.weights.fed_back(h)),)


class LSTM(nnx.Module):
    """c' = σ(f) c + σ(i) φ(g), h' = σ(o) φ(c'), where (i, f, o, g) = x W + h U + b.

    φ is the activation in both places where the original has tanh, with parameters of its own in each; the gates stay
    sigmoid. b of f starts at 1. An activation of several pieces reads them of g, and of c' by `Pieces`. Hochreiter and
    Schmidhuber 1997; Gers, Schmidhuber and Cummins 2000.
    """

    def __init__(self, features: int, hidden: int, recipe: Recipe) -> None:
        self.hidden = hidden
        pieces = recipe.activations[0].pieces
        self.weights = Weights(features, hidden, (hidden, hidden, hidden, hidden * pieces), recipe)
        self.weights.bias[...] = self.weights.bias[...].at[hidden : 2 * hidden].set(1.0)
        self.candidate = Activate(hidden, recipe.activations)
        self.spread = Pieces(hidden, pieces)
        self.output = Activate(hidden, recipe.activations)

    def start(self, batch: int) -> State:
        return jnp.zeros((batch, self.hidden)), jnp.zeros((batch, self.hidden))

    def step(self, state: State, projected: Array) -> State:
        h, c = state
        z = projected + self.weights.fed_back(h)
        gates, g = jnp.split(z, [3 * self.hidden], -1)
        i, f, o = jnp.split(jax.nn.sigmoid(gates), 3, -1)
        c = f * c + i * self.candidate(g)
        return o * self.output(self.spread(c)), c


class GRU(nnx.Module):
    """h' = (1 − σ(z)) φ(x W + b + σ(r) (h U)) + σ(z) h, the gates (r, z) = x W + h U + b.

    φ is the activation where the original has tanh; the gates stay sigmoid. Cho et al. 2014, the reset gate after the
    product as in cuDNN.
    """

    def __init__(self, features: int, hidden: int, recipe: Recipe) -> None:
        self.hidden = hidden
        self.pieces = recipe.activations[0].pieces
        self.weights = Weights(features, hidden, (hidden, hidden, hidden * self.pieces), recipe)
        self.candidate = Activate(hidden, recipe.activations)

    def start(self, batch: int) -> State:
        return (jnp.zeros((batch, self.hidden)),)

    def step(self, state: State, projected: Array) -> State:
        (h,) = state
        ends = [2 * self.hidden]
        (gates, n), (fed_gates, fed_n) = (jnp.split(part, ends, -1) for part in (projected, self.weights.fed_back(h)))
        r, z = jnp.split(jax.nn.sigmoid(gates + fed_gates), 2, -1)
        n = self.candidate(n + jnp.repeat(r, self.pieces, -1) * fed_n)
        return ((1 - z) * n + z * h,)


CELLS: dict[str, Callable[[int, int, Recipe], Any]] = {"rnn": Elman, "lstm": LSTM, "gru": GRU}


class Recurrent(nnx.Module):
    """A cell read out after the last time step: x [batch, ...] -> [batch, outputs].

    `shape` is (time, features), what one x is read as.
    """

    def __init__(self, cell: str, shape: tuple[int, int], hidden: int, outputs: int, recipe: Recipe) -> None:
        self.shape = shape
        self.cell = CELLS[cell](shape[1], hidden, recipe)
        self.output = linear(hidden, outputs, recipe)

    def __call__(self, x: Array) -> Array:
        inputs = self.cell.weights.projected(x.reshape(-1, *self.shape).swapaxes(0, 1))
        h, *_ = over_time(self.cell.step, self.cell.start(x.shape[0]), inputs)
        return self.output(h)


def over_time(step: Callable[[State, Array], State], state: State, inputs: Array) -> State:
    """The state after the last of `inputs` [time, ...]."""
    if len(inputs) > UNROLLED:
        return lax.scan(lambda state, x: (step(state, x), None), state, inputs)[0]
    # Split, whose gradient puts the parts side by side; that of indexing adds each of them, padded to the whole. Held,
    # or what makes a state is fused into all that follows it and computed there anew from the first step on.
    for x in jnp.split(inputs, len(inputs)):
        state = lax.optimization_barrier(step(state, x.squeeze(0)))
    return state
