"""What is raced: models as lists of layers, with the data, weights and order of samples that bench trains them with.

Imports no framework, so that a process of a peer holds nothing but the peer.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

BATCH, RATE = 64, 1e-3
STEPS, EVERY = 50, 25  # steps of one call of a peer, and between its evaluations
Weights = list[tuple[np.ndarray, ...]]


class Layer(NamedTuple):
    """`kind` is dense, conv (3 x 3, then max pooling of 2 x 2), rnn or lstm (the output after the last time step).

    `path` is where bench keeps its weights: (kernel, bias), for rnn and lstm (input, recurrent, bias).
    """

    kind: str
    inputs: int
    outputs: int
    activation: str
    path: str


class Model(NamedTuple):
    """`shape` is that of an example; `lanes` how many train at once where a peer trains several.

    `steps` are those of bench's lanes, at least the 500 of quick: a lane is also evaluated before its first step and
    tested after its last, which peers are not, and in short lanes that would be much of what is timed.
    """

    task: str
    options: dict[str, Any]
    activation: str
    shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    steps: int
    lanes: int = 40


class Work(NamedTuple):
    """What a peer is given. Leading axis of weights and order: seeds."""

    model: Model
    data: dict[str, tuple[np.ndarray, np.ndarray]]
    weights: Weights
    order: np.ndarray  # [seeds, STEPS, BATCH] int32


def perceptron(sizes: tuple[int, ...], activation: str, prefix: str = "") -> tuple[Layer, ...]:
    hidden = [
        Layer("dense", a, b, activation, f"{prefix}hidden/{i}/linear") for i, (a, b) in enumerate(pairwise(sizes[:-1]))
    ]
    return *hidden, Layer("dense", *sizes[-2:], "", f"{prefix}output")


def mlp(width: int, steps: int, lanes: int = 40) -> Model:
    layers = perceptron((64, width, width, 10), "relu")
    return Model("digits_mlp", {"width": width}, "relu", (64,), layers, steps, lanes)


def recurrent(kind: str, steps: int) -> Model:
    layers = (Layer(kind, 8, 64, "tanh", "cell/weights"), Layer("dense", 64, 10, "", "output"))
    return Model(f"digits_{kind}", {"width": 64}, "tanh", (8, 8), layers, steps)


CONVOLUTIONS = tuple(
    Layer("conv", a, b, "relu", f"convolutions/{i}/filters") for i, (a, b) in enumerate(((1, 16), (16, 32)))
)
MODELS = {
    "MLP, 32 hidden": mlp(32, 2500),
    "MLP, 128 hidden": mlp(128, 750),
    "MLP, 512 hidden": mlp(512, 500, lanes=10),
    "CNN": Model(
        "digits_cnn", {"resolution": "16", "width": 16}, "relu", (16, 16, 1),
        (*CONVOLUTIONS, Layer("dense", 512, 10, "", "output")), 500, lanes=5,
    ),
    "RNN": recurrent("rnn", 500),
    "LSTM": recurrent("lstm", 500),
    "autoencoder": Model(
        "digits_autoencoder", {}, "relu", (64,),
        (*perceptron((64, 128, 128, 8), "relu", "encoder/"), *perceptron((8, 128, 128, 64), "relu", "decoder/")), 500,
    ),
}  # fmt: skip


def plan_of(model: Model, lanes: int = 5, device: str = "cpu") -> Any:
    """bench's plan for one cell, tuned and evaluated with so many networks."""
    from bench.planning import plan, suite

    described = {
        "name": "race", "description": "One cell", "tasks": [{"name": model.task, **model.options}],
        "activations": [model.activation], "optimizers": ["adam"], "steps": model.steps, "batch_size": BATCH,
        "eval_every": EVERY, "learning_rates": {"low": RATE, "high": RATE, "num": 1},
        "seeds": {"tune": lanes, "evaluate": lanes},
    }  # fmt: skip
    return plan.make(suite.parse(described), device)


def work(model: Model, program: Any) -> Work:
    """The data of the task, and what bench draws for its first seeds. Imports jax."""
    import jax
    import jax.numpy as jnp

    from bench.engine.execute import order

    task = program.task
    loaded = task.load(task)
    data = {part: (loaded[part][0], loaded[part][-1]) for part in ("train", "validation")}
    data = {
        part: (x.reshape(-1, *model.shape), x if task.kind == "reconstruction" else y) for part, (x, y) in data.items()
    }
    seeds = np.arange(model.lanes, dtype=np.uint32)
    problem = task.build(task, program.activations, jnp.int32(0))
    parameters, _ = jax.vmap(lambda seed: problem.init(jax.random.split(jax.random.key(seed), 3)[0]))(seeds)
    leaves = {
        jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value"): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(parameters)
    }
    names = {"dense": ("kernel", "bias"), "conv": ("kernel", "bias")}
    weights = [
        tuple(leaves[f"{layer.path}/{name}"] for name in names.get(layer.kind, ("input", "recurrent", "bias")))
        for layer in model.layers
    ]
    orders = np.stack([order(len(data["train"][0]), BATCH, STEPS, int(seed)) for seed in seeds])
    return Work(model, data, weights, orders)


def gates(kernel: np.ndarray, wanted: str) -> np.ndarray:
    """Columns of an LSTM's gates i, f, o, g, as bench has them, in the order that a framework wants."""
    parts = dict(zip("ifog", np.split(kernel, 4, -1), strict=True))
    return np.concatenate([parts[gate] for gate in wanted], -1)
