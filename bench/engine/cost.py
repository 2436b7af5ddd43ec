"""What a lane of a program costs: an activation of several pieces takes more weights and products than others."""

from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.interpreters.partial_eval import dce_jaxpr

from bench.nn.arrangement import as_defined
from bench.planning.program import NO_ACTIVATION, Program
from bench.tasks import Task


class Cost(NamedTuple):
    """Of one lane."""

    parameters: int  # trained
    lane_step_flops: int  # products of the forward and backward pass of one step


def cost(program: Program, data: dict[str, Any]) -> Cost:
    """The cost of a lane of the program, `data` being its task's: what the task says, or else counted.

    A task says it of activations without parameters of their own and of one piece; nothing is traced for those.
    """
    task, first = program.task, program.activations[0]  # all of a program have weights of the same shapes
    if first.pieces == 1 and not first.parameters:
        return Cost(task.parameters, program.lane_step_flops)
    problem = task.build(task, (first,), jnp.int32(0))
    parameters, state = jax.eval_shape(problem.init, jax.random.key(0))
    count = sum(leaf.size for leaf in jax.tree.leaves(parameters))
    if first.pieces == 1:  # a slope a channel multiplies no matrix
        return Cost(count, program.lane_step_flops)
    batch = data["train"]
    if not program.full_batch:
        batch = jax.tree.map(lambda x: jax.ShapeDtypeStruct((program.batch_size, *x.shape[1:]), x.dtype), batch)
    with as_defined():
        step = jax.make_jaxpr(problem.gradient)(parameters, state, batch, jax.random.key(0)).jaxpr
    needed, _ = dce_jaxpr(step, [True] * len(step.outvars))  # what nothing needs XLA drops, too
    return Cost(count, products(needed))


def counted(task: Task) -> Cost:
    """The cost of one example of a task that maps the x of its data set to y, without an activation of parameters."""
    assert task.dataset is not None
    key, index = jax.eval_shape(lambda: jax.random.key(0)), jax.ShapeDtypeStruct((), jnp.int32)  # need no device
    y = jax.ShapeDtypeStruct((1,), jnp.int32 if task.dataset.classes else jnp.float32)
    batch = jax.ShapeDtypeStruct((1, *task.dataset.shape), jnp.float32), y

    def problem(index: Any) -> Any:
        return task.build(task, (NO_ACTIVATION,), index)

    parameters, state = jax.eval_shape(lambda key, index: problem(index).init(key), key, index)
    with as_defined():
        step = jax.make_jaxpr(lambda index, *given: problem(index).gradient(*given))(
            index, parameters, state, batch, key
        )
    needed, _ = dce_jaxpr(step.jaxpr, [True] * len(step.jaxpr.outvars))
    return Cost(sum(leaf.size for leaf in jax.tree.leaves(parameters)), products(needed))


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
