"""The pure training function: everything that a lane varies is an argument, everything else a closure."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax

from bench.nn.switch import SwitchedOptimizer

if TYPE_CHECKING:
    from bench.activations import Activation
    from bench.optimizers import Optimizer
    from bench.tasks import Task

Tree = Any


class Lane(NamedTuple):
    """What one training run varies: arrays or, to `vmap`, their axes.

    `order` [steps, batch] int32 are the training samples of each step, `values` float32 the arguments that an optimizer
    searches, with room for the one that searches most.
    """

    activation: Any  # index among the program's activations
    optimizer: Any  # index among the program's optimizers
    learning_rate: Any
    seed: Any  # uint32
    order: Any
    values: Any


NO_WINDOW = (-1, -1)  # neither training nor evaluation


class Outcome(NamedTuple):
    """What became of it. Curves have one value an evaluation; after a divergence they are not a number."""

    train_loss: Array  # [evaluations] mean over the minibatches since the evaluation before
    validation_loss: Array  # [evaluations]
    validation_metric: Array  # [evaluations]
    test_loss: Array
    test_metric: Array
    stopped_at: Array  # the step whose loss was not finite, or before which the parameters were not, else -1
    trace: Array | None  # [evaluations, ...] where the parameters were, for tasks that tell
    exhibit: Array | None  # what a report shows of the trained network, for tasks that have something to show


class Carry(NamedTuple):
    """What a step hands to the next."""

    parameters: Tree
    state: Tree
    optimizer: Tree
    loss: Array  # sum since the evaluation before
    stopped_at: Array


Curves = tuple[Array, Array, Array, Array | None]


class Phases(NamedTuple):
    """Training in its parts: `train` runs them as one program, a single network one window at a time."""

    start: Callable[[], Carry]
    window: Callable[[Carry, Array], tuple[Carry, Curves]]  # train from a step to another, then evaluate
    finish: Callable[[Carry, Curves], Outcome]
    trained: Callable[[Carry], tuple[Tree, Tree]]  # the parameters to evaluate, and the state


def phases(
    task: "Task",
    activations: Sequence["Activation"],
    optimizers: Sequence["Optimizer"],
    *,
    steps: int,
    full_batch: bool = False,
) -> Callable[[Lane, dict[str, Tree]], Phases]:
    """The function (lane, data) -> the phases of its training; `steps` is the horizon of learning-rate schedules."""

    def of(lane: Lane, data: dict[str, Tree]) -> Phases:
        problem = task.build(task, tuple(activations), lane.activation)
        init_key, noise_key, optimizer_key = jax.random.split(jax.random.key(lane.seed), 3)
        parameters, state = problem.init(init_key)
        optimizer = SwitchedOptimizer(
            optimizers,
            lane.optimizer,
            lambda entry, t: entry.build(
                lane.learning_rate * (1.0 if t is None else entry.factor(t / steps)),
                key=optimizer_key,
                decay_mask=problem.decayed,
                values=lane.values,
            ),
            parameters,
        )

        def step(t: Array, carry: Carry) -> Carry:
            batch = data["train"]
            if not full_batch:
                picked = lane.order[t % len(lane.order)]
                batch = jax.tree.map(lambda values: samples(values, picked), batch)
            key = jax.random.fold_in(noise_key, t)
            loss, gradients, state = problem.gradient(carry.parameters, carry.state, batch, key)
            objective = lambda p: problem.objective(p, carry.state, batch, key)  # noqa: E731
            updates, optimizer_state = optimizer.update(
                gradients, carry.optimizer, carry.parameters, t, value=loss, grad=gradients,
                value_fn=objective, obj_fn=objective,
            )  # fmt: skip
            stopped_at = jnp.where((carry.stopped_at < 0) & ~jnp.isfinite(loss), t, carry.stopped_at)
            kept = jax.tree.map(lambda update: jnp.where(stopped_at < 0, update, 0), updates)
            parameters = optax.apply_updates(carry.parameters, kept)
            return Carry(parameters, state, optimizer_state, carry.loss + loss, stopped_at)

        def start() -> Carry:
            return Carry(parameters, state, optimizer.init(parameters), jnp.zeros(()), jnp.int32(-1))

        def trained(carry: Carry) -> tuple[Tree, Tree]:
            return optimizer.evaluated(carry.optimizer, carry.parameters), carry.state

        def evaluate(carry: Carry, part: str) -> tuple[Array, Array]:
            loss, metric = problem.evaluate(*trained(carry), data[part])
            return masked(carry, loss), masked(carry, metric)

        def window(carry: Carry, bounds: Array) -> tuple[Carry, Curves]:
            first, end = bounds
            carry = lax.fori_loop(first, end, step, carry._replace(loss=jnp.zeros(())))
            # max(nan, 0) may be 0: where an activation hides that weights are not numbers, no loss tells it
            lost = (carry.stopped_at < 0) & (end >= 0) & ~finite(carry.parameters)
            carry = carry._replace(stopped_at=jnp.where(lost, end, carry.stopped_at))

            def seen(carry: Carry) -> Curves:
                trace = problem.trace(trained(carry)[0]) if problem.trace else None
                return masked(carry, carry.loss / (end - first)), *evaluate(carry, "validation"), trace

            def unseen(carry: Carry) -> Curves:
                return jax.tree.map(lambda x: jnp.full(x.shape, jnp.nan, x.dtype), jax.eval_shape(seen, carry))

            return carry, lax.cond(end < 0, unseen, seen, carry)

        def finish(carry: Carry, curves: Curves) -> Outcome:
            train_loss, validation_loss, validation_metric, trace = curves
            test_loss, test_metric = evaluate(carry, "test")
            exhibit = problem.exhibit(*trained(carry), data) if problem.exhibit else None
            return Outcome(
                train_loss, validation_loss, validation_metric, test_loss, test_metric, carry.stopped_at, trace, exhibit
            )

        return Phases(start, window, finish, trained)

    return of


def train(
    task: "Task",
    activations: Sequence["Activation"],
    optimizers: Sequence["Optimizer"],
    *,
    steps: int,
    full_batch: bool = False,
) -> Callable[[Lane, dict[str, Tree], Array], Outcome]:
    """The function (lane, data, windows) -> outcome.

    `windows` [evaluations, 2] int32 are the first step and the step after the last before each evaluation; the bounds
    are traced, so one program serves any number of steps, an evaluation before the first step, and evaluations alone;
    those of `NO_WINDOW` are skipped.
    A lane whose loss or, at an evaluation, whose parameters are not finite is frozen: its updates become 0 and it never
    touches its neighbours.
    """
    of = phases(task, activations, optimizers, steps=steps, full_batch=full_batch)

    def run(lane: Lane, data: dict[str, Tree], windows: Array) -> Outcome:
        made = of(lane, data)
        carry, curves = lax.scan(made.window, made.start(), windows)
        return made.finish(carry, curves)

    return run


def finite(tree: Tree) -> Array:
    """Whether all numbers of a tree are."""
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()


def samples(values: Array, picked: Array) -> Array:
    """values[picked], values [n, ...]; each sample copied in one go, as numbers side by side."""
    flat = lax.optimization_barrier(values.reshape(len(values), -1)[picked])
    return flat.reshape(len(picked), *values.shape[1:])


def diverged_at(stopped_at: int, validation_loss: float, steps: int) -> int | None:
    """The step that a lane stopped at, the last where the loss of what the steps made is not finite, else None."""
    if stopped_at >= 0:
        return stopped_at
    return None if math.isfinite(validation_loss) else steps


def masked(carry: Carry, value: Array) -> Array:
    """The value, or not a number where the lane has stopped."""
    return jnp.where(carry.stopped_at < 0, value, jnp.nan)
