"""What a lane costs: what a task says against a count of the products in the jaxpr of its training step."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.interpreters.partial_eval import dce_jaxpr
from marks import by_default

from bench.activations import ACTIVATIONS
from bench.engine.cost import cost, products
from bench.nn.arrangement import as_defined
from bench.planning import plan, suite
from bench.planning.program import Program
from bench.tasks import TASKS

BATCH = 64
# How far the count may be off: ten outputs are computed as sixteen; a recurrent network's first state is zero and has
# no gradient, which tasks do not heed
WITHIN = {
    "digits_mlp": 0.04, "wine_mlp": 0, "digits_cnn": 0.04, "digits_rnn": 0.05, "digits_lstm": 0.05, "digits_gru": 0.05,
    "digits_autoencoder": 0, "digits_transformer": 0.04,
}  # fmt: skip


def counted(name: str) -> float:
    task = TASKS[name]
    problem = task.build(task, (ACTIVATIONS["relu"],), jnp.int32(0))
    parameters, state = problem.init(jax.random.key(0))
    batch = jax.tree.map(lambda values: np.asarray(values)[:BATCH], task.load(task)["train"])
    with as_defined():
        step = jax.make_jaxpr(lambda p: problem.gradient(p, state, batch, jax.random.key(1)))(parameters)
    needed, _ = dce_jaxpr(step.jaxpr, [True] * len(step.jaxpr.outvars))  # XLA drops the gradient by x, too
    return products(needed) / BATCH


def test_the_counter_multiplies_trips() -> None:
    def f(x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda c, _: (c @ x, None), x, None, length=5)[0] + x @ x

    assert products(jax.make_jaxpr(f)(jnp.ones((3, 3))).jaxpr) == 6 * 2 * 27


def test_of_branches_the_dearest_counts() -> None:
    def f(which: jax.Array, x: jax.Array) -> jax.Array:
        return jax.lax.switch(which, [lambda x: x @ x, lambda x: x @ x @ x, lambda x: x], x)

    assert products(jax.make_jaxpr(f)(jnp.int32(0), jnp.ones((3, 3))).jaxpr) == 2 * 2 * 27


@pytest.mark.parametrize("name", by_default(WITHIN, ["digits_mlp", "digits_cnn", "digits_rnn"]))
def test_what_a_task_says_is_what_its_step_multiplies(name: str) -> None:
    assert counted(name) == pytest.approx(TASKS[name].flops, rel=WITHIN[name])


def programs(*activations: str) -> list[Program]:
    described = {
        "name": "s", "description": "d", "tasks": ["digits_mlp"], "activations": [*activations],
        "optimizers": ["sgd"], "steps": 10, "batch_size": 8, "eval_every": 5,
        "learning_rates": {"low": 0.1, "high": 0.1, "num": 1}, "seeds": {"tune": 1, "evaluate": 1},
    }  # fmt: skip
    return list(plan.make(suite.parse(described)).programs)


def test_activations_with_weights_of_their_own_are_counted() -> None:
    relu, prelu, maxout = (
        cost(one, TASKS["digits_mlp"].load(TASKS["digits_mlp"])) for one in programs("relu", "prelu", "maxout")
    )
    task = TASKS["digits_mlp"]
    assert relu == (task.parameters, 8 * task.flops)
    assert prelu == (task.parameters + 2 * 128, 8 * task.flops)  # a slope for each hidden unit
    weights = (64 + 1) * 256 + (128 + 1) * 256 + (128 + 1) * 10
    assert maxout.parameters == weights
    # Forward, by weights and, past the first layer, by inputs: 2 FLOP each.
    assert maxout.lane_step_flops == 8 * 2 * (2 * 64 * 256 + 3 * 128 * 256 + 3 * 128 * 10)


def test_a_count_is_that_of_the_convolution_whatever_computes_it() -> None:
    task, two = TASKS["digits_cnn"], ACTIVATIONS["maxout"]  # of two pieces: twice the filters
    found = cost(replace(programs("relu")[0], task=task, activations=(two,)), task.load(task)).lane_step_flops
    assert found == pytest.approx(2 * 8 * task.flops, rel=0.1)
