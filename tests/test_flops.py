"""The FLOP that a task says it takes against a count of the products in the jaxpr of its training step."""

from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.interpreters.partial_eval import dce_jaxpr
from marks import by_default

from bench.activations import ACTIVATIONS
from bench.tasks import TASKS

BATCH = 64
# How far the count may be off: a recurrent network's first state is zero and has no gradient, which tasks do not heed
WITHIN = {
    "digits_mlp": 0, "wine_mlp": 0, "digits_cnn": 0, "digits_rnn": 0.05, "digits_lstm": 0.05, "digits_gru": 0.05,
    "digits_autoencoder": 0, "digits_transformer": 0,
}  # fmt: skip


def products(jaxpr: Any) -> int:
    """FLOP of all dot products and convolutions; a scan's body counts as often as it runs, of branches the dearest."""
    return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation: Any) -> int:
    name, parameters = equation.primitive.name, equation.params
    if name == "dot_general":
        (contracted, _), _ = parameters["dimension_numbers"]
        shape = equation.invars[0].aval.shape
        return 2 * prod(equation.outvars[0].aval.shape) * prod(shape[axis] for axis in contracted)
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        output_axis = parameters["dimension_numbers"].rhs_spec[0]
        return 2 * prod(equation.outvars[0].aval.shape) * prod(kernel) // kernel[output_axis]
    if name == "scan":
        return int(parameters["length"]) * products(parameters["jaxpr"].jaxpr)
    if name == "cond":
        return max(products(branch.jaxpr) for branch in parameters["branches"])
    inner = [value for value in parameters.values() if hasattr(value, "jaxpr") or hasattr(value, "eqns")]
    return sum(products(getattr(value, "jaxpr", value)) for value in inner)


def counted(name: str) -> float:
    task = TASKS[name]
    problem = task.build(task, (ACTIVATIONS["relu"],), jnp.int32(0))
    parameters, state = problem.init(jax.random.key(0))
    batch = jax.tree.map(lambda values: np.asarray(values)[:BATCH], task.load(task)["train"])
    step = jax.make_jaxpr(lambda p: problem.gradient(p, state, batch, jax.random.key(1)))(parameters)
    needed, _ = dce_jaxpr(step.jaxpr, [True] * len(step.jaxpr.outvars))  # XLA drops the gradient by x, too
    return products(needed) / BATCH


def test_the_counter_multiplies_trips() -> None:
    def f(x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda c, _: (c @ x, None), x, None, length=5)[0] + x @ x

    assert products(jax.make_jaxpr(f)(jnp.ones((3, 3))).jaxpr) == 6 * 2 * 27


@pytest.mark.parametrize("name", by_default(WITHIN, ["digits_mlp", "digits_cnn", "digits_rnn"]))
def test_what_a_task_says_is_what_its_step_multiplies(name: str) -> None:
    assert counted(name) == pytest.approx(TASKS[name].flops, rel=WITHIN[name])
