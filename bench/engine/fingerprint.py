"""What a user's own entry computes, in a few letters: its name does not tell, as it may be registered anew.

An entry is traced as training traces it. What counts is what it computes: neither where it was written, nor what its
variables are called, nor what it does not use. Another version of jax may tell the same function otherwise.
"""

import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from bench.activations import Activation
from bench.lazy import Lazy
from bench.optimizers import Optimizer
from bench.planning.program import NO_ACTIVATION
from bench.tasks import Task

if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    import numpy as np
else:
    jax, jnp, np = Lazy("jax"), Lazy("jax.numpy"), Lazy("numpy")

ROWS, CHANNELS = 4, 6
SHAPES = {"kernel": (CHANNELS, 3), "bias": (3,)}  # of the parameters that an optimizer is traced with
# What a jaxpr shows of functions beside what they compute: addresses, others in every process, and names
ASIDE = re.compile(r" at 0x[0-9a-f]+|\b(name|fwd|bwd|jvp)=\S+")


def fingerprint(entry: Any) -> str:
    """16 letters of an activation, an optimizer or a task; none where it cannot be traced, as it then trains nothing.

    Of a task they cover its data too, which are loaded for it.
    """
    trace, facts = TRACED[type(entry)]
    try:
        (closed, _), told = trace(entry), facts(entry)
    except (Exception, SystemExit):  # whatever a user's function raises: it is told where it is trained
        return ""
    found = sha256(f"{told}{ASIDE.sub('', str(closed.jaxpr))}".encode())
    for constant in constants(closed):
        found.update(_plain(constant).tobytes())
    return found.hexdigest()[:16]


def activation(entry: Activation) -> Any:
    """The jaxpr and the outputs' shapes of an activation's value and of its slopes, by x and by its parameters."""
    x, parameters = example(entry)

    def value_and_slopes(x: Any, parameters: Any) -> Any:
        value, pull = jax.vjp(lambda x, p: entry(x, **p), x, parameters)
        return value, pull(jnp.ones_like(value))

    return jax.make_jaxpr(value_and_slopes, return_shape=True)(x, parameters)


def mixes(entry: Activation) -> bool:
    """Whether an activation of one piece makes a number of several: then its slopes, taken together, are none.

    Of an elementwise function v' J is v times 1' J. Evaluated here, where a device is.
    """
    if entry.pieces > 1:
        return False
    x, _ = example(entry)
    at = jnp.linspace(-2.0, 2.0, ROWS * CHANNELS).reshape(x.shape)
    learned = {name: jnp.full((CHANNELS,), value) for name, value in entry.parameters.items()}
    value, pull = jax.vjp(lambda x: entry(x, **learned), at)
    weights = jnp.cos(jnp.arange(value.size, dtype=value.dtype)).reshape(value.shape)
    (apart,), (together,) = pull(weights), pull(jnp.ones_like(value))
    known = jnp.isfinite(apart) & jnp.isfinite(together)
    return not bool(jnp.allclose(jnp.where(known, apart, 0), jnp.where(known, weights * together, 0), 1e-3, 1e-5))


def example(entry: Activation) -> tuple[Any, dict[str, Any]]:
    """Shapes that an activation may be called with: x [rows, channels * pieces], and its parameters [channels]."""
    x = jax.ShapeDtypeStruct((ROWS, CHANNELS * entry.pieces), jnp.float32)
    return x, dict.fromkeys(entry.parameters, jax.ShapeDtypeStruct((CHANNELS,), jnp.float32))


def optimizer(entry: Optimizer) -> Any:
    """The same of an optimizer's first step: updates, state, and the parameters to evaluate."""
    step, *given = first_step(entry)
    return jax.make_jaxpr(lambda *arguments: step(*arguments)[1:], return_shape=True)(*given)


def first_step(entry: Optimizer) -> tuple[Any, ...]:
    """A function that makes an optimizer's first step, and what it takes.

    It gives the state before, the updates, the state after, and the parameters to evaluate.
    """
    parameters = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in SHAPES.items()}
    number = jax.ShapeDtypeStruct((), jnp.float32)

    def step(rate: Any, progress: Any, key: Any, values: Any, parameters: Any, gradients: Any) -> Any:
        made = entry.build(rate * entry.factor(progress), key, lambda p: jax.tree.map(lambda _: True, p), values)
        state = made.init(parameters)
        extra = {"value": squares(parameters), "grad": gradients, "value_fn": squares, "obj_fn": squares}
        given = {name: extra[name] for name in entry.extra}
        updates, after = made.update(gradients, state, parameters, **given)
        return state, updates, after, entry.evaluated(after, parameters)

    key = jax.eval_shape(lambda: jax.random.key(0))
    values = [number] * len(entry.searched)
    return step, number, number, key, values, parameters, parameters


def squares(parameters: Any) -> Any:
    """A loss for optimizers that ask for one."""
    return sum(jnp.square(leaf).sum() for leaf in jax.tree.leaves(parameters))


def task(entry: Task) -> Any:
    """The same of a task's functions on its data, with no activation."""
    data = entry.data()

    def once(key: Any, index: Any) -> Any:
        problem = entry.build(entry, (NO_ACTIVATION,), index)
        parameters, state = problem.init(key)
        batch = jax.tree.map(lambda values: jnp.asarray(values)[jnp.zeros(ROWS, int)], data["train"])
        told = problem.gradient(parameters, state, batch, key), problem.objective(parameters, state, batch, key)
        return told, [problem.evaluate(parameters, state, data[part]) for part in ("validation", "test")]

    key, index = jax.eval_shape(lambda: jax.random.key(0)), jax.ShapeDtypeStruct((), jnp.int32)
    return jax.make_jaxpr(once, return_shape=True)(key, index)


def constants(closed: Any) -> Iterator[Any]:
    """The arrays that a jaxpr's functions close over; what calls hold is theirs."""
    yield from getattr(closed, "consts", ())
    for equation in closed.eqns:
        held = jax.tree.leaves(equation.params, is_leaf=lambda value: hasattr(value, "eqns"))
        for inner in held:
            if hasattr(inner, "eqns"):
                yield from constants(inner)


def _plain(array: Any) -> Any:
    return np.asarray(jax.random.key_data(array) if jnp.issubdtype(array.dtype, jax.dtypes.prng_key) else array)


def _drawn(entry: Activation) -> list[str]:
    """How the weights before it are drawn; nothing of the default, so that older fingerprints stay the same."""
    return [entry.initializer] * (entry.initializer != Activation.initializer)


# How each kind is traced, and what else of it changes a result
TRACED: dict[type, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    Activation: (activation, lambda entry: [*sorted(entry.parameters.items()), *_drawn(entry)]),
    Optimizer: (optimizer, lambda entry: (entry.multiplier, entry.full_batch)),
    Task: (task, lambda entry: (entry.target, sorted(entry.metric.described().items()))),
}
