"""Training against oracles: float64 without jit, each lane alone, a lane that diverges, what compiles and what not."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from marks import OFFLINE, by_default

from bench.activations import ACTIVATIONS, Activation
from bench.engine import execute, train
from bench.optimizers import OPTIMIZERS
from bench.planning import plan, suite
from bench.planning.lanes import Lane
from bench.planning.program import Program
from bench.planning.shard import Shard
from bench.schedules import SCHEDULES
from bench.tasks import TASKS

ACTS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu")
OPTS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam")


def program(task: str = "wine_mlp", activations: tuple[str, ...] = ACTS, **changes: Any) -> Program:
    base = Program(
        task=TASKS[task],
        activations=tuple(ACTIVATIONS[name] for name in activations),
        optimizers=tuple(OPTIMIZERS[name] for name in OPTS),
        batch_size=32,
        full_batch=False,
        steps=30,
        eval_every=10,
        width=4,
        mixed=False,
    )
    return dataclasses.replace(base, **changes)


def lane(activation: str, optimizer: str, rate: float, seed: int, task: str = "wine_mlp") -> Lane:
    return Lane(f"{activation}/{optimizer}/{rate}/{seed}", task, activation, optimizer, "evaluate", rate, seed)


class Bench:
    """One compiled program and its data."""

    def __init__(self, made: Program) -> None:
        self.program = made
        self.data = jax.device_put(made.task.load(made.task))
        self.windows = np.asarray(made.windows, np.int32)
        self.traces = 0
        self.jitted = jax.jit(self._traced)

    def _traced(self, *arguments: Any) -> train.Outcome:
        self.traces += 1
        return execute.batched(self.program)(*arguments)

    def run(self, lanes: list[Lane], windows: np.ndarray | None = None) -> train.Outcome:
        arguments = execute.traced_lanes(self.program, lanes)
        return jax.device_get(self.jitted(arguments, self.data, self.windows if windows is None else windows))


@pytest.fixture(scope="module")
def wine() -> Bench:
    return Bench(program())


def same(a: train.Outcome, i: int, b: train.Outcome, j: int) -> bool:
    pairs = [(np.asarray(x)[i], np.asarray(y)[j]) for x, y in zip(a, b, strict=True) if x is not None]
    return all(x.tobytes() == y.tobytes() for x, y in pairs)


# --- the oracle: float64, no jit, no vmap, no switch, plain numpy ---------------------------------------------------

ORACLE_ACTS = {
    "sigmoid": lambda z: (s := 1 / (1 + np.exp(-z)), s * (1 - s)),
    "tanh": lambda z: (np.tanh(z), 1 - np.tanh(z) ** 2),
    "relu": lambda z: (np.maximum(z, 0), (z > 0) * 1.0),
    "leaky_relu": lambda z: (np.where(z >= 0, z, 0.01 * z), np.where(z >= 0, 1, 0.01)),
    "elu": lambda z: (np.where(z > 0, z, np.expm1(z)), np.where(z > 0, 1, np.exp(z))),
}


def oracle_gradient(
    weights: list[np.ndarray], x: np.ndarray, y: np.ndarray, act: str
) -> tuple[float, list[np.ndarray]]:
    """Loss and gradients of a perceptron with cross-entropy by hand-written back-propagation."""
    inputs, slopes = [x], []
    for w, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        value, slope = ORACLE_ACTS[act](inputs[-1] @ w + b)
        inputs.append(value)
        slopes.append(slope)
    z = inputs[-1] @ weights[-2] + weights[-1]
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).mean()
    delta = (p - np.eye(p.shape[1])[y]) / len(y)
    gradients: list[np.ndarray] = []
    for layer in reversed(range(len(inputs))):
        gradients = [inputs[layer].T @ delta, delta.sum(0), *gradients]
        if layer:
            delta = (delta @ weights[2 * layer].T) * slopes[layer - 1]
    return loss, gradients


def initial_weights(made: Program, activation: str, seed: int) -> list[np.ndarray]:
    key = jax.random.split(jax.random.key(np.uint32(seed)), 3)[0]
    index = [a.label for a in made.activations].index(activation)
    parameters, _ = made.task.build(made.task, made.activations, jnp.int32(index)).init(key)
    by_name = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree.leaves_with_path(parameters)}
    kernels = [np.asarray(v, np.float64) for k, v in sorted(by_name.items()) if "kernel" in k]
    biases = [np.asarray(v, np.float64) for k, v in sorted(by_name.items()) if "bias" in k]
    return [array for pair in zip(kernels, biases, strict=True) for array in pair]


@pytest.mark.parametrize("activation", ACTS)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_a_lane_follows_the_float64_oracle(wine: Bench, activation: str, optimizer: str) -> None:
    made, rate, seed = wine.program, 0.01, 7
    weights = initial_weights(made, activation, seed)
    x, y = (np.asarray(a) for a in made.task.load(made.task)["train"])
    order = execute.order(len(x), made.batch_size, made.steps, seed)
    m = [np.zeros_like(w) for w in weights]
    v = [np.zeros_like(w) for w in weights]
    losses = []
    for t in range(made.steps):
        loss, gradients = oracle_gradient(weights, x[order[t]].astype(np.float64), y[order[t]], activation)
        losses.append(loss)
        for i, g in enumerate(gradients):
            if optimizer == "sgd":
                step = g
            elif optimizer == "momentum":
                m[i] = 0.9 * m[i] + g
                step = m[i]
            else:
                m[i], v[i] = 0.9 * m[i] + 0.1 * g, 0.999 * v[i] + 0.001 * g * g
                step = (m[i] / (1 - 0.9 ** (t + 1))) / (np.sqrt(v[i] / (1 - 0.999 ** (t + 1))) + 1e-8)
            weights[i] = weights[i] - rate * step
    outcome = wine.run([lane(activation, optimizer, rate, seed)])
    windows = [np.mean(losses[a:b]) for a, b in made.windows if b > a]
    np.testing.assert_allclose(outcome.train_loss[0][1:], windows, rtol=2e-4)
    test_x, test_y = (np.asarray(a) for a in made.task.load(made.task)["test"])
    loss, _ = oracle_gradient(weights, test_x.astype(np.float64), test_y, activation)
    assert outcome.test_loss[0] == pytest.approx(loss, rel=5e-4)


EVERY_GRADIENT = [
    *(
        pytest.param(name, "tanh", marks=pytest.mark.slow)
        for name in OFFLINE
        if TASKS[name].uses_activation and TASKS[name].samples.train
    ),
    ("wine_mlp", "prelu"),
    ("wine_mlp", "maxout"),
]


@pytest.mark.parametrize(("name", "activation"), EVERY_GRADIENT)
def test_the_compiled_gradient_is_that_of_float64_without_jit(name: str, activation: str) -> None:
    task, entry = TASKS[name], (ACTIVATIONS[activation],)
    key = jax.random.key(3)
    problem = task.build(task, entry, jnp.int32(0))
    parameters, state = jax.jit(problem.init)(key)

    def gradient(dtype: Any) -> Any:
        part = task.load(task)["train"]
        batch = jax.tree.map(lambda a: jnp.asarray(a[:48], dtype if a.dtype.kind == "f" else a.dtype), part)
        cast = jax.tree.map(lambda a: a.astype(dtype), parameters)
        call = jax.jit(problem.gradient) if dtype == jnp.float32 else problem.gradient
        return jax.tree.leaves(call(cast, state, batch, key)[:2])

    compiled = gradient(jnp.float32)
    with jax.enable_x64(True), jax.disable_jit():
        exact = [np.asarray(g) for g in gradient(jnp.float64)]
    assert all(g.dtype == np.float64 for g in exact)
    for found, expected in zip(compiled, exact, strict=True):
        scale = max(np.abs(expected).max(), 1e-3)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-5 * scale)


# --- lanes and chunks -----------------------------------------------------------------------------------------------


def test_a_lane_in_a_chunk_is_the_lane_alone_bit_for_bit(wine: Bench) -> None:
    lanes = [lane("tanh", "adam", rate, seed) for rate, seed in ((0.01, 0), (0.1, 1), (1e-3, 2), (1.0, 3))]
    together = wine.run(lanes)
    turned = wine.run(lanes[::-1])
    for i, one in enumerate(lanes):
        assert same(together, i, wine.run([one]), 0)
        assert same(together, i, turned, 3 - i)


def test_seeds_and_learning_rates_matter(wine: Bench) -> None:
    outcome = wine.run([lane("tanh", "adam", r, s) for r, s in ((0.01, 0), (0.01, 1), (0.02, 0), (0.01, 0))])
    assert same(outcome, 0, outcome, 3)
    assert not same(outcome, 0, outcome, 1) and not same(outcome, 0, outcome, 2)


def test_a_diverging_lane_is_frozen_and_leaves_its_neighbours_alone(wine: Bench) -> None:
    calm = [lane("relu", "sgd", 0.01, seed) for seed in (0, 1, 2)]
    wild = lane("relu", "sgd", 1e30, 3)
    together = wine.run([*calm, wild])
    for i, one in enumerate(calm):
        assert same(together, i, wine.run([one]), 0)
        assert together.stopped_at[i] == -1
    stopped = int(together.stopped_at[3])
    assert 0 < stopped < wine.program.steps
    after = [end for _, end in wine.program.windows].index(10)
    assert np.isnan(together.validation_loss[3][after:]).all() and np.isnan(together.test_metric[3])
    assert np.isfinite(together.validation_loss[3][0])


def test_weights_that_are_not_numbers_are_a_divergence_though_no_loss_tells_it() -> None:
    """The slope of sqrt at 0 is not finite, and where(nan > 0, ...) is 0 again: the output layer trains on."""
    hiding = Activation("hiding", lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0), own=True)
    made = program(activations=("relu",))
    both = dataclasses.replace(made, activations=(*made.activations, hiding))
    for trained in (both, dataclasses.replace(made, activations=(hiding,))):
        outcome = Bench(trained).run([lane("hiding", "sgd", 0.1, 0)] * made.width)
        assert outcome.stopped_at.tolist() == [10] * made.width  # found at the first evaluation
        assert np.isnan(outcome.validation_loss[:, 1:]).all() and np.isnan(outcome.test_metric).all()
    calm = Bench(both).run([lane("relu", "sgd", 0.1, 0)] * made.width)
    assert (calm.stopped_at == -1).all()


def test_no_learning_rate_seed_cell_or_number_of_steps_compiles_again(wine: Bench) -> None:
    for i, activation in enumerate(ACTS):
        wine.run([lane(activation, OPTS[i], 10.0**-i, i)])
    short = wine.windows.copy()
    short[-1] = short[-2][1]  # no step before the last evaluation
    outcome = wine.run([lane("tanh", "adam", 0.01, 0)], windows=short)
    assert wine.traces == 1
    assert outcome.validation_loss[0][-1] == outcome.validation_loss[0][-2]


def test_steps_beyond_the_order_of_samples_begin_it_anew(wine: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = execute.padded([(0, 0), (0, 60)], len(wine.windows))
    found = wine.run([lane("tanh", "adam", 0.01, 0)], windows=twice)
    one = execute.order
    monkeypatch.setattr(
        execute, "order", lambda samples, batch, steps, seed: np.tile(one(samples, batch, 30, seed), (2, 1))
    )
    longer = Bench(program(steps=60, eval_every=60))
    expected = longer.run([lane("tanh", "adam", 0.01, 0)])
    np.testing.assert_allclose(found.train_loss[0][1], expected.train_loss[0][1], rtol=1e-5)
    np.testing.assert_allclose(found.validation_loss[0][1], expected.validation_loss[0][1], rtol=1e-5)


def test_windows_of_no_steps_only_evaluate(wine: Bench) -> None:
    outcome = wine.run([lane("tanh", "adam", 0.01, 0)], windows=np.zeros_like(wine.windows))
    assert len(set(outcome.validation_loss[0].tolist())) == 1
    assert np.isnan(outcome.train_loss[0]).all()


@pytest.mark.parametrize(
    "name", by_default([name for name in OFFLINE if TASKS[name].uses_activation], ["digits_mlp", "diabetes_mlp"])
)
def test_no_initial_network_meets_the_target(name: str) -> None:
    task = TASKS[name]
    part = task.load(task)["validation"]

    @jax.jit
    def untrained(key: jax.Array) -> jax.Array:
        problem = task.build(task, (ACTIVATIONS["tanh"],), jnp.int32(0))
        return problem.evaluate(*problem.init(key), part)[1]

    for seed in range(20):
        assert not task.metric.better(float(untrained(jax.random.key(seed))), task.target)


@pytest.mark.slow
def test_chunks_of_mixed_activations_agree_with_chunks_of_one() -> None:
    lanes = [lane(activation, "adam", 0.01, 5) for activation in ACTS[:4]]
    mixed = Bench(program(mixed=True)).run(lanes)
    pure = Bench(program())
    for i, one in enumerate(lanes):
        alone = pure.run([one])
        np.testing.assert_allclose(mixed.validation_loss[i], alone.validation_loss[0], rtol=1e-4)


@pytest.mark.slow
def test_full_batch_gradient_descent_ignores_the_order() -> None:
    made = program(activations=("tanh",), full_batch=True, batch_size=TASKS["wine_mlp"].samples.train)
    made = dataclasses.replace(made, optimizers=(OPTIMIZERS["gradient_descent"],))
    outcome = Bench(made).run([lane("tanh", "gradient_descent", 0.1, 0)])
    assert (np.diff(outcome.train_loss[0][1:]) < 0).all()  # no noise: it falls at every evaluation


def test_prelu_slopes_learn_but_never_decay() -> None:
    task = TASKS["wine_mlp"]
    problem = task.build(task, (ACTIVATIONS["prelu"],), jnp.int32(0))
    parameters, _ = problem.init(jax.random.key(0))
    decayed = {jax.tree_util.keystr(p): v for p, v in jax.tree.leaves_with_path(problem.decayed(parameters))}
    slopes = [name for name in decayed if "slope" in name]
    assert len(slopes) == 2 and not any(decayed[name] for name in slopes)
    assert all(value for name, value in decayed.items() if name not in slopes)
    adamw = OPTIMIZERS["adamw"].configured({"weight_decay": 0.5}).build(0.1, decay_mask=problem.decayed)
    still = jax.tree.map(jnp.zeros_like, parameters)
    updates, _ = adamw.update(still, adamw.init(parameters), parameters)
    moved = {jax.tree_util.keystr(p): float(jnp.abs(v).max()) for p, v in jax.tree.leaves_with_path(updates)}
    assert all(moved[name] == 0 for name in moved if "slope" in name)
    assert any(moved[name] > 0 for name in moved if "kernel" in name)


def test_the_order_visits_each_sample_once_an_epoch() -> None:
    order = execute.order(100, 20, 12, seed=4)
    assert order.shape == (12, 20)
    assert sorted(order[:5].ravel()) == list(range(100)) == sorted(order[5:10].ravel())
    assert (order[:5] != order[5:10]).any() and (order != execute.order(100, 20, 12, seed=5)).any()
    assert (order == execute.order(100, 20, 12, seed=4)).all()


def test_the_order_of_a_task_that_draws_its_own_is_one_step_s_however_long_it_trains() -> None:
    order = execute.order(0, 20, 1_000_000, seed=4)
    assert order.shape == (1, 20) and not order.any()


def test_quick_is_few_programs_and_each_compiles_once() -> None:
    made = plan.make(suite.read("quick"))
    assert len(made.programs) <= 6
    assert len({p.id for p in made.programs}) == len(made.programs)


# --- what a search adds ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def searching() -> Bench:
    """SGD and, both with values that each lane brings, momentum and Adam."""
    momentum = OPTIMIZERS["momentum"].configured({}, ranges={"momentum": "0..1"})
    adam = OPTIMIZERS["adam"].configured({}, ranges={"b1": "0..1", "b2": "0..1"})
    return Bench(program(activations=("tanh", "relu"), optimizers=(OPTIMIZERS["sgd"], momentum, adam)))


@pytest.mark.parametrize(
    ("name", "values"), [("momentum", {"momentum": 0.75}), ("adam", {"b1": 0.8125, "b2": 0.9990234375})]
)
def test_a_value_that_a_lane_brings_is_as_good_as_one_that_is_fixed(
    searching: Bench, name: str, values: dict[str, float]
) -> None:
    label = next(o.label for o in searching.program.optimizers if o.name == name)
    brought = [lane("tanh", label, 0.05, seed)._replace(values=tuple(values.values())) for seed in range(4)]
    fixed = Bench(program(activations=("tanh", "relu"), optimizers=(OPTIMIZERS[name].configured(values),)))
    own = [lane("tanh", fixed.program.optimizers[0].label, 0.05, seed) for seed in range(4)]
    a, b = searching.run(brought), fixed.run(own)
    np.testing.assert_allclose(a.validation_loss, b.validation_loss, rtol=1e-5)
    np.testing.assert_allclose(a.train_loss, b.train_loss, rtol=1e-5)


def test_values_that_lanes_bring_are_their_own_and_compile_nothing(searching: Bench) -> None:
    label = searching.program.optimizers[1].label
    lanes = [lane("relu", label, 0.05, 0)._replace(values=(value,)) for value in (0.0, 0.5, 0.5, 0.9)]
    found = searching.run(lanes)
    assert same(found, 1, found, 2)
    assert len({row.tobytes() for row in np.asarray(found.validation_loss)}) == 3
    plain = searching.run([lane("relu", "sgd", 0.05, 0)])
    np.testing.assert_allclose(found.validation_loss[0], plain.validation_loss[0], rtol=1e-5)
    assert searching.traces == 1


# --- what a schedule does -------------------------------------------------------------------------------------------


def test_an_optimizer_of_any_kind_trains_through_a_warm_up_from_0() -> None:
    names = ("rprop", "prodigy", "dadapt_adamw")  # Rprop's step sizes are its state; the others divide by theirs
    warm = [OPTIMIZERS[name].configured({}, SCHEDULES["warmup_cosine"]) for name in names]
    bench = Bench(program(activations=("tanh",), optimizers=tuple(warm)))
    for entry in warm:
        found = bench.run([lane("tanh", entry.label, 1.0 if entry.multiplier else 0.1, 0)])
        assert found.stopped_at[0] == -1 and np.isfinite(found.validation_loss[0]).all(), entry.label
        assert found.validation_loss[0][-1] != found.validation_loss[0][0], entry.label


def test_a_shorter_training_is_the_beginning_of_the_whole_bit_for_bit(wine: Bench) -> None:
    lanes = [lane("tanh", "adam", rate, 1) for rate in (1e-3, 1e-2)]
    ends = wine.program.windows_of(13)
    assert ends == [(0, 0), (0, 10), (10, 13)]
    whole, short = wine.run(lanes), wine.run(lanes, execute.padded(ends, len(wine.windows)))
    tens = wine.run(lanes, execute.padded(wine.program.windows_of(10), len(wine.windows)))
    assert wine.traces == 1
    for curve in ("train_loss", "validation_loss", "validation_metric"):
        a, b, c = (np.asarray(getattr(outcome, curve)) for outcome in (whole, short, tens))
        assert a[:, :2].tobytes() == b[:, :2].tobytes() == c[:, :2].tobytes()
        assert np.isnan(b[:, 3:]).all() and np.isnan(c[:, 2:]).all()
        assert np.isfinite(b[:, 2]).all()
    assert (tens.test_loss != whole.test_loss).all()


def test_a_row_of_a_shorter_training_ends_where_it_ends(wine: Bench) -> None:
    made = Shard("s", wine.program, (lane("tanh", "sgd", 0.1, 0)._replace(phase="tune"),), rung=0, part=3)
    outcome = wine.run(list(made.lanes), execute.padded(wine.program.windows_of(made.steps), len(wine.windows)))
    row = execute.row(made, made.lanes[0], outcome, 0)
    assert (row["steps"], row["status"], row["curve_step"]) == (10, "ok", [0, 10])
    assert row["curve_validation_loss"][-1] == row["validation_loss"] == float(outcome.validation_loss[0][1])
    assert len(row["curve_train_loss"]) == 2 and np.isfinite(row["train_loss"])


@pytest.mark.parametrize("shape", [(7,), (7, 3), (7, 4, 4, 1)])
def test_a_minibatch_is_the_samples_that_were_picked(shape: tuple[int, ...]) -> None:
    values, picked = np.random.default_rng(0).normal(size=shape), np.array([3, 0, 3, 6])
    np.testing.assert_array_equal(train.samples(jnp.asarray(values), jnp.asarray(picked)), np.float32(values[picked]))
