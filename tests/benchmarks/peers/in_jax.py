"""Plain JAX as its tutorials write it: flax.linen and optax, one jit a step; and whole trainings as jit(vmap(scan))."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax.training.train_state import TrainState
from jax import lax
from raced import EVERY, RATE, Layer, Work, gates

ACTIVATIONS = {"relu": nn.relu, "tanh": nn.tanh, "": lambda x: x}
CELLS = {"rnn": nn.SimpleCell, "lstm": nn.OptimizedLSTMCell}


class Network(nn.Module):
    layers: tuple[Layer, ...]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i, layer in enumerate(self.layers):
            name, activation = f"layer_{i}", ACTIVATIONS[layer.activation]
            if layer.kind == "dense":
                x = activation(nn.Dense(layer.outputs, name=name)(x.reshape(len(x), -1)))
            elif layer.kind == "conv":
                x = activation(nn.Conv(layer.outputs, (3, 3), name=name)(x))
                x = nn.max_pool(x, (2, 2), (2, 2))
            else:
                x = nn.RNN(CELLS[layer.kind](layer.outputs, name=name), unroll=x.shape[1])(x)[:, -1]
        return x


def parameters(work: Work) -> Any:
    """The weights as flax.linen names them; leading axis: seeds."""
    made = {}
    for i, (layer, weights) in enumerate(zip(work.model.layers, work.weights, strict=True)):
        if layer.kind == "lstm":
            kernels, fed_back, biases = (np.split(gates(part, "ifgo"), 4, -1) for part in weights)
            made[f"layer_{i}"] = {f"i{gate}": {"kernel": k} for gate, k in zip("ifgo", kernels, strict=True)} | {
                f"h{gate}": {"kernel": k, "bias": b} for gate, k, b in zip("ifgo", fed_back, biases, strict=True)
            }
        elif layer.kind == "rnn":
            made[f"layer_{i}"] = {"i": {"kernel": weights[0], "bias": weights[2]}, "h": {"kernel": weights[1]}}
        else:
            made[f"layer_{i}"] = {"kernel": weights[0], "bias": weights[1]}
    return {"params": made}


def loss_of(work: Work) -> Any:
    if work.data["train"][1].dtype.kind == "f":
        return lambda z, y: jnp.square(z - y).mean()
    return lambda z, y: optax.softmax_cross_entropy_with_integer_labels(z, y).mean()


class Loop:
    """One network: a Python loop over a jitted step."""

    def __init__(self, work: Work) -> None:
        network, loss_of_outputs = Network(work.model.layers), loss_of(work)
        first = jax.tree.map(lambda values: jnp.asarray(values[0]), parameters(work))
        self.state = TrainState.create(apply_fn=network.apply, params=first, tx=optax.adam(RATE))
        self.data, self.order = jax.device_put(work.data), work.order[0]

        def loss(p: Any, x: jax.Array, y: jax.Array) -> jax.Array:
            return loss_of_outputs(network.apply(p, x), y)

        @partial(jax.jit, donate_argnums=0)
        def step(state: TrainState, data: Any, samples: jax.Array) -> tuple[TrainState, jax.Array]:
            value, gradients = jax.value_and_grad(loss)(state.params, *(values[samples] for values in data))
            return state.apply_gradients(grads=gradients), value

        self.step, self.loss = step, jax.jit(loss)

    def prepare(self, repeats: int) -> None:
        """Nothing: batches are picked by index."""

    def train(self, repeats: int) -> np.ndarray:
        rows = []
        for window in np.split(self.order, len(self.order) // EVERY) * repeats:
            losses = []
            for samples in window:
                self.state, loss = self.step(self.state, self.data["train"], samples)
                losses.append(loss)
            validation = self.loss(self.state.params, *self.data["validation"])
            rows.append([[np.mean(jax.device_get(losses))], [float(validation)]])
        return np.array(rows)


class Scan:
    """Many networks at once: a scan over evaluations of a scan over steps."""

    def __init__(self, work: Work) -> None:
        network, loss_of_outputs, optimizer = Network(work.model.layers), loss_of(work), optax.adam(RATE)
        self.parameters = jax.tree.map(jnp.asarray, parameters(work))
        self.state = jax.vmap(optimizer.init)(self.parameters)
        self.data = jax.device_put(work.data)
        seeds, steps, batch = work.order.shape
        self.order = jax.device_put(work.order.reshape(seeds, steps // EVERY, EVERY, batch))

        def loss(p: Any, x: jax.Array, y: jax.Array) -> jax.Array:
            return loss_of_outputs(network.apply(p, x), y)

        def train(p: Any, state: Any, order: jax.Array, data: Any) -> Any:
            def step(carry: Any, samples: jax.Array) -> Any:
                p, state = carry
                value, gradients = jax.value_and_grad(loss)(p, *(values[samples] for values in data["train"]))
                updates, state = optimizer.update(gradients, state, p)
                return (optax.apply_updates(p, updates), state), value

            def window(carry: Any, samples: jax.Array) -> Any:
                carry, losses = lax.scan(step, carry, samples)
                return carry, jnp.stack([losses.mean(), loss(carry[0], *data["validation"])])

            return lax.scan(window, (p, state), order)

        self.trained = jax.jit(jax.vmap(train, in_axes=(0, 0, 0, None)), donate_argnums=(0, 1))

    def prepare(self, repeats: int) -> None:
        """Nothing: batches are picked by index."""

    def train(self, repeats: int) -> np.ndarray:
        curves = []
        for _ in range(repeats):
            (self.parameters, self.state), found = self.trained(self.parameters, self.state, self.order, self.data)
            curves.append(found)
        return np.concatenate([np.asarray(one).transpose(1, 2, 0) for one in curves])


TRAINERS = {"loop": Loop, "scan": Scan}
