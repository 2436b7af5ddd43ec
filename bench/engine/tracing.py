"""Whether jax can trace a user's own entry as training does, and it gives what training needs; if not, in words."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any

from bench.activations import Activation
from bench.engine import fingerprint
from bench.errors import BenchError, InputError, in_words
from bench.lazy import Lazy
from bench.optimizers import Optimizer
from bench.planning.program import NO_ACTIVATION
from bench.tasks import Problem, Task

if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    import numpy as np
else:
    jax, jnp, np = Lazy("jax"), Lazy("jax.numpy"), Lazy("numpy")

HINTS = {  # on what jax says of a function that it cannot trace
    "truth value of an array": "an if asks for one truth value: jnp.where(x > 0, x, 0.1 * x) chooses for each number",
    "TracerBoolConversionError": "an if cannot ask for a value that is traced: jnp.where(step > 9, a, b) chooses",
    "TracerArrayConversionError": "functions of numpy and scipy cannot be traced: use those of jax.numpy and jax.scipy",
    "Only scalar arrays can be converted": "functions of math take single numbers: use those of jax.numpy",
    "ConcretizationTypeError": "float() and int() cannot ask for a value that is traced: leave it an array",
}


def activation(entry: Activation) -> None:
    """Raise `InputError` where jax cannot trace an activation or its slopes, or x comes out in another shape."""
    where = f"register_activation: {entry.name}"
    with told(where, "a function of jax that maps x to an array"):
        x, parameters = fingerprint.example(entry)
        found = jax.eval_shape(lambda x, p: entry(x, **p), x, parameters)
        if (found.shape, found.dtype) != ((*x.shape[:-1], fingerprint.CHANNELS), x.dtype):
            got = f"{found.dtype} {found.shape} for x {x.dtype} {x.shape}"
            raise InputError(f"{where}: got {got}; expected a {x.dtype} for each channel of x")
        fingerprint.activation(entry)


def optimizer(entry: Optimizer) -> None:
    """Raise `InputError` where an optimizer's first step cannot be traced, or does not fit the parameters."""
    where = f"register_optimizer: {entry.name}"
    with told(where, "a factory of an optax transformation that makes a step"):
        before, updates, after, _ = jax.eval_shape(*fingerprint.first_step(entry))
        found = jax.tree.map(lambda leaf: leaf.shape, updates)
        if found != fingerprint.SHAPES:
            raise InputError(f"{where}: got updates of the shapes {found}; expected {fingerprint.SHAPES} as of weights")
        if strange := {str(leaf.dtype) for leaf in jax.tree.leaves(updates)} - {"float32"}:
            raise InputError(f"{where}: got updates of {', '.join(sorted(strange))}; expected float32 as of weights")
        kinds = [[f"{leaf.dtype} {leaf.shape}" for leaf in jax.tree.leaves(state)] for state in (before, after)]
        trees: list[Any] = [jax.tree.structure(state) for state in (before, after)]
        if trees[0] != trees[1] or kinds[0] != kinds[1]:
            got = next((f"{old} that becomes {new}" for old, new in zip(*kinds, strict=False) if old != new), "another")
            raise InputError(f"{where}: got a state of {got} after a step; expected the same types and shapes")


def task(entry: Task) -> None:
    """Raise `InputError` where a function of a task cannot be traced on its data, or gives something else.

    Raises `DataError` where its data are not what it says of them.
    """
    data = entry.data()
    _check_data(entry, data)
    where, key = f"task {entry.name}", jax.random.key(0)
    with told(f"{where}: build", "a bench.tasks.Problem"):
        problem = entry.build(entry, (NO_ACTIVATION,), jnp.int32(0))
        if not isinstance(problem, Problem):
            raise InputError(f"{where}: build: got a {type(problem).__name__}; expected a bench.tasks.Problem")

    def given(name: str, parts: str, *arguments: Any) -> Any:
        """The shapes of what a function of the problem gives; it must be so many parts."""
        with told(f"{where}: {name}", f"{parts} of it"):
            found = jax.eval_shape(getattr(problem, name), *arguments)
        count = parts.count(",") + 1
        if count > 1 and not (isinstance(found, tuple) and len(found) == count):
            got = f"{len(found)} values" if isinstance(found, tuple) else "one value"
            raise InputError(f"{where}: {name}: got {got}; expected {parts}")
        return found

    parameters, state = given("init", "(parameters, state)", key)
    batch = jax.tree.map(lambda x: jax.ShapeDtypeStruct((fingerprint.ROWS, *x.shape[1:]), x.dtype), data["train"])
    loss, gradients, after = given("gradient", "(loss, gradients, state)", parameters, state, batch, key)
    alone = given("objective", "loss", parameters, state, batch, key)
    scores = [given("evaluate", "(loss, metric)", parameters, state, data[part]) for part in ("validation", "test")]
    numbers = {"gradient": [loss], "objective": [alone], "evaluate": [number for pair in scores for number in pair]}
    for name, found in numbers.items():
        if shapes := [jnp.shape(one) for one in found if jnp.shape(one)]:
            raise InputError(f"{where}: {name}: got an array of the shape {shapes[0]}; expected a single number")
    for name, found, like in (("gradients", gradients, parameters), ("state", after, state)):
        if _shapes(found) != _shapes(like):
            expected = "parameters" if name == "gradients" else "that of init"
            raise InputError(f"{where}: gradient: got {name} of other shapes; expected those of the {expected}")
    if (count := sum(prod(leaf.shape) for leaf in jax.tree.leaves(parameters))) != entry.parameters:
        raise InputError(f"{where}: parameters: got {entry.parameters:,}; expected {count:,}, as init gives")


def _shapes(tree: Any) -> Any:
    return jax.tree.structure(tree), [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)]


def _check_data(entry: Task, data: dict[str, Any]) -> None:
    """Raise `InputError` where data hold nan, or a part has no array of as many samples as the task says."""
    for part, samples in entry.samples._asdict().items():
        leaves = jax.tree.leaves(data[part])
        if samples and samples not in (lengths := [len(leaf) for leaf in leaves if leaf.ndim]):
            got = f"{part} of {', '.join(f'{length:,}' for length in dict.fromkeys(lengths)) or 'no'} samples"
            raise InputError(f"task {entry.name}: load: got {got}; expected {samples:,}, as the task's samples say")
        if any(leaf.dtype.kind == "f" and np.isnan(leaf).any() for leaf in leaves):
            raise InputError(f"task {entry.name}: load: got nan in {part}; expected numbers")


@contextmanager
def told(where: str, expected: str) -> Iterator[None]:
    """Whatever a user's function raises while it is traced, in words. Raises `InputError`."""
    try:
        yield
    except BenchError:
        raise
    except Exception as error:
        told = in_words(error).splitlines()[0]
        hints = (hint for text, hint in HINTS.items() if text in told)
        raise InputError(f"{where}: got {told}; expected {expected}", next(hints, "")) from error
