"""A part of the quick suite as plain JAX: `jit(vmap(scan))`, one compile a cell: `python sweep.py CORE PART PARTS`.

Each activation with each optimizer is a program of five networks: two calls tune (five rates, two seeds), one trains
the best rate on five fresh seeds. Pinned to a core, every `PARTS`-th cell.
"""

import os
import sys
from functools import partial
from itertools import product
from typing import Any

CORE, PART, PARTS = map(int, sys.argv[1:])
os.sched_setaffinity(0, [CORE])
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402
from flax import linen as nn  # noqa: E402
from jax import lax  # noqa: E402

from bench.datasets import DATASETS, arrays  # noqa: E402

HIDDEN, BATCH, STEPS, EVERY = 128, 64, 500, 25
RATES = np.logspace(-4, 0, 5, dtype=np.float32)
ACTIVATIONS = {
    "sigmoid": nn.sigmoid, "tanh": nn.tanh, "relu": nn.relu, "leaky_relu": nn.leaky_relu, "elu": nn.elu,
    "prelu": None, "maxout": None,
}  # fmt: skip
OPTIMIZERS = {
    "sgd": optax.sgd, "momentum": partial(optax.sgd, momentum=0.9), "adagrad": optax.adagrad,
    "nesterov": partial(optax.sgd, momentum=0.9, nesterov=True), "rmsprop": optax.rmsprop, "adam": optax.adam,
}  # fmt: skip


class Network(nn.Module):
    activation: str

    @nn.compact
    def __call__(self, x: Any) -> Any:
        for _ in range(2):
            if self.activation == "maxout":
                x = nn.Dense(2 * HIDDEN)(x).reshape(-1, HIDDEN, 2).max(-1)
            elif self.activation == "prelu":
                x = nn.PReLU()(nn.Dense(HIDDEN)(x))
            else:
                x = ACTIVATIONS[self.activation](nn.Dense(HIDDEN)(x))
        return nn.Dense(10)(x)


def trainer(activation: str, optimizer: str) -> Any:
    network = Network(activation)

    def loss(p: Any, x: Any, y: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(network.apply(p, x), y).mean()

    def accuracy(p: Any, x: Any, y: Any) -> Any:
        return (network.apply(p, x).argmax(-1) == y).mean()

    def train(rate: Any, seed: Any, order: Any, data: Any) -> Any:
        made = OPTIMIZERS[optimizer](rate)
        p = network.init(jax.random.key(seed), data["train"][0][:1])

        def step(carry: Any, samples: Any) -> Any:
            p, state = carry
            value, gradients = jax.value_and_grad(loss)(p, *(values[samples] for values in data["train"]))
            updates, state = made.update(gradients, state, p)
            return (optax.apply_updates(p, updates), state), value

        def window(carry: Any, samples: Any) -> Any:
            carry, losses = lax.scan(step, carry, samples)
            validation = data["validation"]
            return carry, (losses.mean(), loss(carry[0], *validation), accuracy(carry[0], *validation))

        (p, _), curves = lax.scan(window, (p, made.init(p)), order.reshape(-1, EVERY, BATCH))
        return curves, accuracy(p, *data["test"])

    return jax.jit(jax.vmap(train, in_axes=(0, 0, 0, None)))


def order(samples: int, seed: int) -> np.ndarray:
    random, per_epoch = np.random.default_rng(seed), samples // BATCH
    epochs = [random.permutation(samples)[: per_epoch * BATCH] for _ in range(-(-STEPS // per_epoch))]
    return np.concatenate(epochs).astype(np.int32).reshape(-1, BATCH)[:STEPS]


def main() -> None:
    data = jax.device_put(arrays(DATASETS["digits"]))
    orders = np.stack([order(len(data["train"][0]), seed) for seed in range(7)])
    for cell in list(product(ACTIVATIONS, OPTIMIZERS))[PART::PARTS]:
        train = trainer(*cell)
        scores = []
        for seed in range(2):
            curves, _ = train(RATES, np.full(5, seed, np.uint32), np.stack([orders[seed]] * 5), data)
            scores.append(np.asarray(curves[2])[:, -1])
        best = np.full(5, RATES[np.mean(scores, 0).argmax()])
        _, tests = train(best, np.arange(2, 7, dtype=np.uint32), orders[2:], data)
        print(*cell, best[0], round(float(np.asarray(tests).mean()), 4), flush=True)


main()
