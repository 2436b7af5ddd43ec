"""Tasks of sequences and attention: what the entries say, against what is built; gradients; lanes; honest targets."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params
from jax.interpreters.partial_eval import dce_jaxpr
from marks import by_default

from bench.activations import ACTIVATIONS
from bench.engine import execute
from bench.optimizers import OPTIMIZERS
from bench.planning.lanes import Lane
from bench.planning.program import Program
from bench.tasks import TASKS, attention, sequences, supervised
from bench.tasks.base import Problem, Task
from bench.tasks.sequences import draw_adding

NAMES = [task.name for task in (*sequences.TASKS, *attention.TASKS)]
BATCH = 8
every_task = pytest.mark.parametrize("name", NAMES)
few_tasks = pytest.mark.parametrize("name", by_default(NAMES, ["digits_rnn"]))


def problem(task: Task, activation: str = "tanh") -> Problem:
    return task.build(task, (ACTIVATIONS[activation],), jnp.int32(0))


@cache
def parts(name: str) -> dict[str, Any]:
    return TASKS[name].load(TASKS[name])


def batch(name: str) -> Any:
    if not TASKS[name].samples.train:
        return np.zeros(BATCH, np.int32)
    return jax.tree.map(lambda values: values[:BATCH], parts(name)["train"])


def shapes(task: Task, activation: str = "tanh") -> Any:
    return jax.eval_shape(lambda: problem(task, activation).init(jax.random.key(0)))


def products(jaxpr: Any) -> Iterator[int]:
    """FLOPs of each product in a jaxpr and in what it calls, a loop's body as often as it runs."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            yield 2 * equation.outvars[0].aval.size * int(np.prod([shape[i] for i in contracted]))
        for inner in jaxprs_in_params(equation.params):
            yield equation.params.get("length", 1) * sum(products(inner))


@every_task
def test_the_entry_says_what_is_built(name: str) -> None:
    task = TASKS[name]
    for given in (task, task.configured({"width": 24})):
        parameters, _ = shapes(given)
        assert sum(leaf.size for leaf in jax.tree.leaves(parameters)) == given.parameters
    counts = [len(jax.tree.leaves(parts(name)[part])[0]) for part in ("validation", "test")]
    assert counts == list(task.samples[1:])
    if task.samples.train:
        assert len(parts(name)["train"][1]) == task.samples.train


@few_tasks
def test_flops_are_those_of_the_products(name: str) -> None:
    task = TASKS[name]
    built, (parameters, state) = problem(task), shapes(task)
    given = (parameters, state, batch(name), jax.random.key(0))
    jaxpr = jax.make_jaxpr(lambda *a: built.gradient(*a)[:2])(*given).jaxpr
    used, _ = dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))  # the gradient by the input is asked for by nobody
    assert sum(products(used)) / BATCH == pytest.approx(task.flops, rel=0.1)


def in_float64(tree: Any) -> Any:
    return jax.tree.map(lambda a: np.asarray(a, np.float64 if a.dtype == np.float32 else a.dtype), tree)


@few_tasks
def test_the_compiled_gradient_is_that_of_float64(name: str) -> None:
    task = TASKS[name].configured({"width": 8} | ({"length": 20} if name == "adding_rnn" else {}))
    built = problem(task)
    parameters, state = jax.jit(built.init)(jax.random.key(3))
    run = supervised.build
    given = batch(name) if task.samples.train else draw_adding(jax.random.key(1), BATCH, task.options["length"])
    loss, gradients, _ = jax.jit(run(task, (ACTIVATIONS["tanh"],), 0).gradient)(
        parameters, state, given, jax.random.key(0)
    )
    host = jax.device_get((parameters, state, given))
    with jax.enable_x64(True), jax.disable_jit():
        exact = run(task, (ACTIVATIONS["tanh"],), 0)
        expected_loss, expected, _ = exact.gradient(*in_float64(host), jax.random.key(0))
        assert float(loss) == pytest.approx(float(expected_loss), rel=1e-5)
        for a, b in zip(jax.tree.leaves(gradients), jax.tree.leaves(expected), strict=True):
            assert b.dtype == np.float64
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-6)


@pytest.mark.slow
def test_a_batch_of_the_adding_problem_is_drawn_from_the_key() -> None:
    task = TASKS["adding_rnn"]
    (x, y), (other, _) = (draw_adding(jax.random.key(seed), 200, 30) for seed in (0, 1))
    marks = np.asarray(x[..., 1])
    assert (marks[:, :15].sum(1) == 1).all() and (marks[:, 15:].sum(1) == 1).all()
    np.testing.assert_allclose(y, (x[..., 0] * marks).sum(1), rtol=1e-6)
    assert (x != other).any()
    built, (parameters, state) = problem(task), problem(task).init(jax.random.key(0))
    values = [built.objective(parameters, state, np.zeros(4, np.int32), jax.random.key(k)) for k in (0, 0, 1)]
    assert values[0] == values[1] != values[2]


def test_the_parts_of_the_adding_problem_are_fixed_and_apart() -> None:
    again = TASKS["adding_rnn"].load(TASKS["adding_rnn"])
    for part in ("validation", "test"):
        for a, b in zip(parts("adding_rnn")[part], again[part], strict=True):
            np.testing.assert_array_equal(a, b)
    assert (again["validation"][0] != again["test"][0]).any()


def test_every_sum_is_in_one_part_of_modular_addition() -> None:
    pairs = [tuple(pair) for x, _ in parts("modular_transformer").values() for pair in x.tolist()]
    assert len(pairs) == len(set(pairs)) == 97**2
    for x, y in parts("modular_transformer").values():
        np.testing.assert_array_equal((x[:, 0] + x[:, 1]) % 97, y)


@every_task
def test_a_constant_predictor_has_the_baseline_and_fails_the_target(name: str) -> None:
    task = TASKS[name]
    _, y = parts(name)["test"]
    if task.metric.name == "accuracy":
        score = float((y == np.bincount(parts(name)["train"][1]).argmax()).mean())
    elif task.metric.name == "R²":
        score = float(task.metric.function(np.full((len(y), 1), y.mean()), y))
    else:
        score = float(task.metric.function(np.ones((len(y), 1)), y))
    tolerance = {"adding_rnn": 0.02, "modular_transformer": 0.05}.get(name, 1e-6)  # drawn, not counted
    assert score == pytest.approx(task.baseline, abs=tolerance)
    assert task.metric.better(task.target, score)


@pytest.mark.parametrize("name", ["sunspots_rnn", "macro_rnn"])
def test_persistence_scores_what_the_summary_says(name: str) -> None:
    x, y = parts(name)["test"]
    task = TASKS[name]
    last = x[:, -1, 0]
    slope, offset = np.polyfit(last[1:], y[:-1], 1)  # windows and targets may be standardized apart
    np.testing.assert_allclose(slope * last[1:] + offset, y[:-1], atol=1e-5)  # what follows a window ends the next
    score = float(task.metric.function((slope * last + offset)[:, None], y))
    assert f"persistence {score:.2f}" in task.summary


@few_tasks
def test_no_network_meets_the_target_before_it_is_trained(name: str) -> None:
    task = TASKS[name]
    built = problem(task, "relu")
    metrics = jax.jit(jax.vmap(lambda key: built.evaluate(*built.init(key), parts(name)["validation"])[1]))(
        jax.random.split(jax.random.key(0), 3)
    )
    assert not any(task.metric.better(float(m), task.target) for m in metrics)


def trained(name: str, activation: str, optimizer: Any, rates: list[float], steps: int, batch_size: int) -> Any:
    task = TASKS[name]
    made = Program(
        task=task, activations=(ACTIVATIONS[activation],), optimizers=(optimizer,), batch_size=batch_size,
        full_batch=False, steps=steps, eval_every=max(1, steps // 20), width=2, mixed=False,
    )  # fmt: skip
    run = jax.jit(execute.batched(made))
    lanes = [Lane(str(i), name, activation, optimizer.label, "evaluate", rate, i) for i, rate in enumerate(rates)]
    windows = np.asarray(made.windows, np.int32)
    return [
        jax.device_get(run(execute.traced_lanes(made, chosen), parts(name), windows)) for chosen in (lanes, lanes[:1])
    ]


@pytest.mark.parametrize("name", by_default(NAMES, ["sunspots_rnn"]))
def test_a_lane_in_a_chunk_is_the_lane_alone(name: str) -> None:
    together, alone = trained(name, "maxout", OPTIMIZERS["adam"], [0.003, 0.1], 4, 16)
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        assert a[0].tobytes() == b[0].tobytes()
    assert not np.array_equal(together.train_loss[0], together.train_loss[1])


@pytest.mark.slow
def test_a_forecast_is_shown_beside_the_truth() -> None:
    outcome, _ = trained("macro_rnn", "tanh", OPTIMIZERS["adam"], [0.003, 0.003], 4, 16)
    _, y = parts("macro_rnn")["test"]
    assert outcome.exhibit.shape == (2, 2, len(y))
    np.testing.assert_array_equal(outcome.exhibit[0, 0], y)
    assert float(TASKS["macro_rnn"].metric.function(outcome.exhibit[0, 1][:, None], y)) == pytest.approx(
        float(outcome.test_metric[0]), abs=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "activation", "rate", "steps", "batch_size"),
    [
        ("digits_rnn", "tanh", 0.003, 200, 64),
        ("digits_lstm", "tanh", 0.01, 200, 64),
        ("digits_gru", "tanh", 0.01, 200, 64),
        ("adding_rnn", "relu", 0.003, 500, 64),
        ("sunspots_rnn", "tanh", 0.003, 200, 32),
        ("macro_rnn", "relu", 0.003, 200, 32),
        ("digits_transformer", "relu", 0.01, 500, 32),
    ],
)
def test_some_cell_meets_the_target(name: str, activation: str, rate: float, steps: int, batch_size: int) -> None:
    task = TASKS[name]
    outcome, _ = trained(name, activation, OPTIMIZERS["adam"], [rate, rate], steps, batch_size)
    assert any(task.metric.better(float(m), task.target) for m in outcome.validation_metric[0])


@pytest.mark.slow
def test_modular_addition_is_inferred_with_weight_decay() -> None:
    optimizer = OPTIMIZERS["adamw"].configured({"weight_decay": 1.0})
    outcome, _ = trained("modular_transformer", "relu", optimizer, [0.004, 0.004], 600, 512)
    assert outcome.validation_metric[0].max() > TASKS["modular_transformer"].target
