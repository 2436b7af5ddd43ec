"""One network from data to predictions: train it with a live curve, keep it, and ask it."""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.datasets import Scale, cache_folder
from bench.engine import tracing
from bench.errors import DataError, InputError, ResourceError
from bench.labels import same
from bench.network.saved import Network
from bench.planning.lanes import Lane
from bench.planning.plan import make
from bench.planning.program import Program
from bench.planning.suite import Suite, single
from bench.running import worker
from bench.tasks import Task

if TYPE_CHECKING:
    import numpy as np

ALIKE = 100  # samples that must come out as the task has them
PROBES = 4  # examples that nobody has, of which a trained network must always say the same
SAME = 1e-3  # of the largest output: as far as two devices may differ
Observer = Callable[[int, float, float, float], None]  # step, train loss, validation loss, validation metric


def fit(
    suite: Suite, learning_rate: float, seed: int, device: str = "cpu", observe: Observer = lambda *_: None
) -> Network:
    """Train the one cell of `suite` at a learning rate and a seed; `observe` is called at each evaluation.

    Raises `ResourceError` where the device or the data are missing. A network that diverges is returned as it was then;
    its scores say so.
    """
    prepare(device)
    import jax
    import jax.numpy as jnp
    import numpy as np

    from bench.engine import execute, train

    program = program_of(suite)
    task = program.task
    labels = program.activations[0].label, program.optimizers[0].label
    lane = Lane("", task.name, *labels, "evaluate", learning_rate, seed)
    if task.dataset:
        task.dataset.check(task.dataset)
    if task.own:
        tracing.task(task)
    loaded = task.data()
    scales, shape = from_raw(task, loaded)
    data = jax.device_put(loaded)
    one = jax.device_put(jax.tree.map(lambda x: x[0] if np.ndim(x) else x, execute.traced_lanes(program, [lane])))
    of = train.phases(task, program.activations, program.optimizers, steps=program.steps, full_batch=program.full_batch)
    window = jax.jit(lambda one, data, carry, bounds: of(one, data).window(carry, bounds))
    finish = jax.jit(lambda one, data, carry, last: (of(one, data).finish(carry, last), of(one, data).trained(carry)))
    carry, curve = jax.jit(lambda one, data: of(one, data).start())(one, data), (math.nan,) * 3
    for first, end in program.windows:
        carry, last = window(one, data, carry, np.array([first, end], np.int32))
        curve = (float(last[0]), float(last[1]), float(last[2]))
        observe(end, *curve)
        if int(carry.stopped_at) >= 0:
            break
    outcome, trained = jax.device_get(finish(one, data, carry, last))
    stopped_at = train.diverged_at(int(carry.stopped_at), curve[1], program.steps)
    said = task.build(task, program.activations, jnp.int32(0)).predict
    return Network(
        suite,
        learning_rate,
        seed,
        arrays=named(trained),
        shape=shape,
        scales=scales,
        scores={
            "metric": task.metric.name,
            "status": "ok" if stopped_at is None else "diverged",
            "stopped_at": stopped_at,
            **dict(zip(("train_loss", "validation_loss", "validation_metric"), curve, strict=True)),
            "test_loss": float(outcome.test_loss),
            "test_metric": float(outcome.test_metric),
        },
        probe=None if said is None or shape is None else np.asarray(jax.jit(said)(*trained, probes(shape))),
    )


def probes(shape: tuple[int, ...]) -> "np.ndarray":
    """Examples [PROBES, *shape] to know a network again by; drawn between -1 and 1."""
    import numpy as np

    return np.random.Generator(np.random.Philox(key=0)).uniform(-1, 1, (PROBES, *shape)).astype(np.float32)


def _differ(known: "np.ndarray", found: "np.ndarray") -> float:
    """How far apart outputs are, as a share of the largest that was known; what is not finite in both is alike."""
    import numpy as np

    counts = np.isfinite(known) | np.isfinite(found)
    apart = np.abs(found[counts] - known[counts])
    size = np.abs(known[np.isfinite(known)]).max(initial=0)
    return float(apart.max(initial=0) / (size or 1))


def predict(network: Network, x: "np.ndarray") -> "np.ndarray":
    """What the network says of raw examples x [samples, ...]: outputs [samples, ...], a regression's in raw units.

    x are as the data set has them; of images without colours also without an axis for these.

    Raises `InputError` where the network diverged, the task predicts nothing, or x has another shape or values that are
    no numbers, `DataError` where the arrays are not those of the network, or it is no more what it was: its activation,
    say, was defined anew.
    """
    if network.scores["status"] == "diverged":
        raise InputError(
            f"model: got one that diverged at step {network.scores['stopped_at']}; expected one that trained",
            "bench train with a smaller --learning-rate",
        )
    prepare("cpu")
    import jax
    import jax.numpy as jnp
    import numpy as np

    program = program_of(network.suite)
    task = program.task
    problem = task.build(task, program.activations, jnp.int32(0))
    if problem.predict is None or task.dataset is None or network.shape is None or network.probe is None:
        lacking = "predict in its Problem" if problem.predict is None else "data set (dataset=)"
        why = f"no {lacking}" if problem.predict is None or task.dataset is None else "x that are made of those"
        told = f"task {task.name}: got a task that predicts nothing, with {why}"
        raise InputError(f"{told}; expected one that maps the x of its data set to y")
    expected = task.dataset.shape
    if (*x.shape[1:], 1) == expected:
        x = x[..., None]
    if x.shape[1:] != expected or x.dtype.kind not in "biuf":
        raise InputError(
            f"x: got {x.dtype} of the shape {x.shape}; expected numbers of the shape "
            f"({', '.join(map(str, ('samples', *expected)))})"
        )
    if not len(x):
        raise InputError("x: got 0 samples; expected one or more")
    with np.errstate(over="ignore"):
        scaled = network.scales["x"](x).reshape(-1, *network.shape)
    if not np.isfinite(scaled).all():
        raise InputError("x: got nan, or more than a float32 holds; expected finite numbers")
    like = jax.eval_shape(problem.init, jax.random.key(0))
    outputs = jax.jit(problem.predict)(*restored(network.arrays, like), np.concatenate([probes(network.shape), scaled]))
    known, found = np.split(np.asarray(outputs), [PROBES])
    if not (apart := _differ(network.probe, known)) <= SAME:
        raise DataError(
            f"model: got outputs that differ by {apart:.1%} from those after training; expected the same network",
            "an activation or a task of a Python file may have changed since: bring it back, or train the model again",
        )
    y = network.scales.get("y") if task.kind == "regression" else None
    return y.inverse(found) if y else found


def from_raw(task: Task, data: Mapping[str, Any]) -> tuple[dict[str, Scale], tuple[int, ...] | None]:
    """How raw numbers of the task's data set become those of its `data`: their scales, and the shape of an x.

    The shape is None where an x of the task is another than the scaled one of its data set.
    """
    import jax
    import numpy as np

    if not task.dataset:
        return {}, None
    train = task.dataset.parts(task.dataset)["train"]
    scales = (task.scales or task.dataset.scales)(train, task.dataset)
    x = next(iter(jax.tree.leaves(data["train"])), None)
    if x is None or len(x) != len(train[0]) or prod(x.shape[1:]) != prod(task.dataset.shape):
        return scales, None
    first = scales["x"](train[0][:ALIKE]).reshape(-1, *x.shape[1:])
    return scales, x.shape[1:] if np.allclose(first, x[:ALIKE], atol=1e-4) else None


def program_of(suite: Suite) -> Program:
    """The one program of a suite of one cell."""
    made = make(suite)
    if len(made.cells) != 1:
        raise InputError(f"suite {suite.name}: got {len(made.cells)} cells; expected one to train a single network")
    return made.programs[0]


def prepare(device: str) -> None:
    """Get this process ready to train: jax finds what a worker has in its environment; later runs do not."""
    keep = {"PYTHONUNBUFFERED", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}
    given = worker.environment(device, 0)
    with _environment({name: value for name, value in given.items() if name not in keep}):
        import jax

        jax.config.update("jax_platforms", given["JAX_PLATFORMS"])  # a task's own file may have imported it before
        try:
            found = jax.devices()[0].platform
        except Exception as error:  # jax raises what its plug-ins do
            found = (str(error).strip() or "none").splitlines()[0][:200]
    if found != device:
        raise ResourceError(f"--device {device}: got {found}; expected a device that jax can use")
    worker.configure(str(cache_folder() / "compiled"))


@contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    """Within it, the environment has these variables too."""
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def named(tree: Any) -> dict[str, "np.ndarray"]:
    """The leaves of a tree by the path to each, as `0.hidden.0.linear.kernel`; random keys as their numbers."""
    import jax
    import numpy as np

    return {
        _name(path): np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)
        for path, leaf in jax.tree.leaves_with_path(tree)
    }


def restored(arrays: dict[str, "np.ndarray"], like: Any) -> Any:
    """The tree of these leaves in the shape of `like`. Raises `DataError` where they do not fit."""
    import jax
    import jax.numpy as jnp

    leaves, structure = jax.tree.flatten_with_path(like)
    keys = {_name(path) for path, leaf in leaves if _is_key(leaf)}
    held = {
        name: jax.random.wrap_key_data(jnp.asarray(array)) if name in keys else array for name, array in arrays.items()
    }
    if {_name(path): leaf.shape for path, leaf in leaves} != {name: array.shape for name, array in held.items()}:
        raise DataError("model: got arrays of another network; expected those that its description says")
    return jax.tree.unflatten(structure, [held[_name(path)] for path, _ in leaves])


def _is_key(leaf: Any) -> bool:
    """Whether a leaf holds keys of random numbers, as dropout has in its state."""
    import jax
    import jax.numpy as jnp

    return bool(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key))


def _name(path: Any) -> str:
    import jax

    return jax.tree_util.keystr(path, simple=True, separator=".").removesuffix(".value")


def cell_of(run: Path, task: str, python: Path | None = None) -> tuple[Suite, float]:
    """A suite of the leading cell of a run's task, and its learning rate. Raises `InputError` where there is none.

    `python` is a file that registers what the run was given from Python.
    """
    from bench.findings.verdicts import verdict
    from bench.storage.results import Run

    found = Run(run)
    named = [name for name in found.manifest["tasks"] if same(name, task)]
    if not named:
        raise InputError(f"--best {run}: got no task {task}; expected one of {', '.join(found.manifest['tasks'])}")
    task = named[0]
    winner = verdict(found.lanes, found.convergence, found.manifest["tasks"], task).winner
    if winner is None:
        raise InputError(f"--best {run}: got no leader on {task}; expected a finished run")
    table = found.convergence.set_index(["task", "activation", "optimizer"])
    cell = table.loc[(task, *winner)]
    rate = float(cell["learning_rate"])
    chosen = {**json.loads(cell.get("hyperparameters", "{}")), "learning_rate": rate}
    own = {"python": [str(python)]} if python else {}
    return single({**found.manifest["suite"], **own}, task, *winner, chosen), rate
