"""Recurrent cells against flax's own, the loop over time both ways, and what an activation brings with it."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from bench.activations import ACTIVATIONS
from bench.nn import recurrent
from bench.nn.layers import Slope, recipe
from bench.nn.recurrent import GRU, LSTM, Elman, Pieces, Recurrent

FEATURES, HIDDEN, TIME, BATCH = 3, 5, 7, 4


def made(cell: Any, name: str = "tanh") -> Any:
    return cell(FEATURES, HIDDEN, recipe((ACTIVATIONS[name],), 1))


def last_state(cell: Any, x: jax.Array) -> jax.Array:
    return recurrent.over_time(cell.step, cell.start(len(x)), cell.weights.projected(x.swapaxes(0, 1)))[0]


def flax_elman(weights: Any) -> nnx.Module:
    cell = nnx.SimpleCell(FEATURES, HIDDEN, rngs=nnx.Rngs(0))
    cell.dense_i.kernel[...], cell.dense_i.bias[...] = weights.input[...], weights.bias[...]
    cell.dense_h.kernel[...] = weights.recurrent[...]
    return cell


def flax_lstm(weights: Any) -> nnx.Module:
    cell = nnx.LSTMCell(FEATURES, HIDDEN, rngs=nnx.Rngs(0))
    for i, gate in enumerate("ifog"):
        columns = slice(i * HIDDEN, (i + 1) * HIDDEN)
        getattr(cell, f"i{gate}".replace("if", "if_")).kernel[...] = weights.input[..., columns]
        getattr(cell, f"h{gate}").kernel[...] = weights.recurrent[..., columns]
        getattr(cell, f"h{gate}").bias[...] = weights.bias[columns]
    return cell


def flax_gru(weights: Any) -> nnx.Module:
    cell = nnx.GRUCell(FEATURES, HIDDEN, rngs=nnx.Rngs(0))
    cell.dense_i.kernel[...], cell.dense_i.bias[...] = weights.input[...], weights.bias[...]
    cell.dense_h.kernel[...] = weights.recurrent[...]
    return cell


@pytest.mark.parametrize(("cell", "theirs"), [(Elman, flax_elman), (LSTM, flax_lstm), (GRU, flax_gru)])
def test_a_cell_with_tanh_is_that_of_flax(cell: Any, theirs: Any) -> None:
    ours = made(cell)
    ours.weights.bias[...] = ours.weights.bias[...] + jnp.linspace(-0.5, 0.5, ours.weights.bias.size)
    x = jax.random.normal(jax.random.key(0), (BATCH, TIME, FEATURES))
    expected = nnx.RNN(theirs(ours.weights), rngs=nnx.Rngs(0))(x)[:, -1]
    np.testing.assert_allclose(last_state(ours, x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["relu", "prelu", "maxout"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_unrolled_and_scanned_are_one_network(cell: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Recurrent(cell, (TIME, FEATURES), HIDDEN, 2, recipe((ACTIVATIONS[name],), 1))
    graph, parameters, rest = nnx.split(model, nnx.Param, ...)
    x = jax.random.normal(jax.random.key(0), (BATCH, TIME * FEATURES))

    def gradient() -> Any:
        loss = lambda p: jnp.square(nnx.merge(graph, p, rest, copy=True)(x)).sum()  # noqa: E731
        return jax.tree.leaves(jax.grad(loss)(parameters))

    unrolled = gradient()
    monkeypatch.setattr(recurrent, "UNROLLED", 0)
    for a, b in zip(unrolled, gradient(), strict=True):
        assert np.abs(a).max() > 0  # nothing is left out of the gradient
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_no_slope_of_a_time_step_or_a_gate_is_padded_to_the_whole() -> None:
    x = jnp.ones((BATCH, TIME, FEATURES))
    for cell in (Elman, LSTM, GRU):
        graph, parameters, rest = nnx.split(made(cell), nnx.Param, ...)
        loss = lambda p, graph=graph, rest=rest: last_state(nnx.merge(graph, p, rest, copy=True), x).sum()  # noqa: E731
        padded = re.findall(r":f32\[([\d,]+)\] = pad\[", str(jax.make_jaxpr(jax.grad(loss))(parameters)))
        gates = parameters["weights"]["bias"][...].size
        # each would add up as many numbers as all of them
        assert not {f"{BATCH},{gates}", f"1,{BATCH},{gates}", f"{TIME},{BATCH},{gates}"} & set(padded)


def test_an_lstm_starts_by_remembering() -> None:
    bias = made(LSTM).weights.bias[...].reshape(4, HIDDEN)
    assert bias[1].tolist() == [1.0] * HIDDEN and not bias[jnp.array([0, 2, 3])].any()


def test_two_pieces_start_as_a_rectifier_and_belong_to_the_activation() -> None:
    pieces = Pieces(4, 2)
    x = jnp.array([[-2.0, -0.5, 0.0, 3.0]])
    assert ACTIVATIONS["maxout"](pieces(x)).tolist() == jax.nn.relu(x).tolist()
    assert isinstance(pieces.scale, Slope) and isinstance(pieces.shift, Slope)
    assert not jax.tree.leaves(nnx.state(Pieces(4, 1)))


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_a_gate_is_drawn_for_all_that_it_reads(name: str) -> None:
    cell = LSTM(100, 200, recipe((ACTIVATIONS[name],), 1))
    drawn = jnp.concatenate([cell.weights.input[...], cell.weights.recurrent[...]])
    assert float(drawn.var()) == pytest.approx(2 / 300 if name == "relu" else 2 / 500, rel=0.02)
