"""Layers and models: shapes, parameters, what an activation brings with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from bench.activations import ACTIVATIONS
from bench.nn.layers import Activate, Dense, Slope, recipe
from bench.nn.perceptron import MLP


def count(model: nnx.Module) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_a_perceptron_maps_any_batch_to_its_outputs(name: str) -> None:
    model = MLP((6, 5, 4, 3), recipe((ACTIVATIONS[name],)))
    assert model(jnp.ones((2, 6))).shape == (2, 3)
    pieces, learned = ACTIVATIONS[name].pieces, len(ACTIVATIONS[name].parameters)
    weights = 7 * 5 * pieces + 6 * 4 * pieces + 5 * 3
    assert count(model) == weights + learned * (5 + 4)


def test_a_perceptron_is_its_formula() -> None:
    model = MLP((3, 4, 2), recipe((ACTIVATIONS["tanh"],), 1))
    x = np.linspace(-1, 1, 15).reshape(5, 3)
    hidden, output = model.hidden[0].linear, model.output
    expected = np.tanh(x @ hidden.kernel[...] + hidden.bias[...]) @ output.kernel[...] + output.bias[...]
    np.testing.assert_allclose(model(jnp.asarray(x, jnp.float32)), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "initialization", "variance"),
    [
        ("relu", "default", 2 / 400),
        ("tanh", "default", 2 / 700),
        ("selu", "default", 1 / 400),
        ("relu", "lecun", 1 / 400),
    ],
)
def test_initial_weights_have_the_variance_that_the_table_says(name: str, initialization: str, variance: float) -> None:
    kernel = Dense(400, 300, recipe((ACTIVATIONS[name],), initialization=initialization)).linear.kernel[...]
    assert float(kernel.var()) == pytest.approx(variance, rel=0.02)
    assert float(jnp.abs(kernel.mean())) < 1e-3


def test_prelu_has_one_slope_a_channel_from_a_quarter() -> None:
    layer = Activate(7, (ACTIVATIONS["prelu"],))
    (slope,) = layer.parameters.values()
    assert isinstance(slope, Slope) and slope.shape == (7,)
    assert layer(-jnp.ones((2, 7))).tolist() == (-0.25 * jnp.ones((2, 7))).tolist()


def test_a_shared_layer_applies_the_choice_that_it_is_given() -> None:
    layer = Activate(3, (ACTIVATIONS["relu"], ACTIVATIONS["tanh"]))
    x = jnp.array([-1.0, 0.5, 2.0])
    assert layer(x).tolist() == [0.0, 0.5, 2.0]
    layer.choice[...] = jnp.int32(1)
    np.testing.assert_allclose(layer(x), np.tanh(x), rtol=1e-6)
