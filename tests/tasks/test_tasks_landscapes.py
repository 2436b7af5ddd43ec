"""Landscapes against their textbook formulas, what theory says of optimizers on parabolas, and scikit-learn."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import rosen
from sklearn.linear_model import LogisticRegression

from bench.datasets import arrays
from bench.engine import execute
from bench.optimizers import OPTIMIZERS, Optimizer
from bench.planning.lanes import Lane
from bench.planning.program import NO_ACTIVATION, Program
from bench.tasks import TASKS, Task, landscapes

NAMES = [name for name, task in TASKS.items() if task.kind == "landscape"]
PLANE = ["rosenbrock", "beale", "branin", "himmelblau", "rastrigin", "ackley"]
VARIANTS = [*(TASKS[name] for name in NAMES), TASKS["quadratic"].configured({"rotated": True})]
SLOW = ("noisy_quadratic", "logistic_regression")
EACH = pytest.mark.parametrize("task", VARIANTS, ids=lambda task: task.name)

TEXTBOOK: dict[str, Callable[..., Any]] = {
    "rosenbrock": lambda x, y: rosen([x, y]),
    "beale": lambda x, y: (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2,
    "branin": lambda x, y: (
        (y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10
    ),
    "himmelblau": lambda x, y: (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2,
    "rastrigin": lambda x, y: 20 + x**2 + y**2 - 10 * (np.cos(2 * np.pi * x) + np.cos(2 * np.pi * y)),
    "ackley": lambda x, y: (
        20 + np.e - 20 * np.exp(-0.2 * np.sqrt((x**2 + y**2) / 2))
        - np.exp((np.cos(2 * np.pi * x) + np.cos(2 * np.pi * y)) / 2)
    ),
}  # fmt: skip


def program(task: Task, optimizers: tuple[Optimizer, ...], steps: int, every: int, width: int = 4) -> Program:
    samples = task.samples.train
    return Program(
        task=task, activations=(NO_ACTIVATION,), optimizers=optimizers, batch_size=samples or 1,
        full_batch=samples > 0, steps=steps, eval_every=every, width=width, mixed=False,
    )  # fmt: skip


def trained(made: Program, rates: list[float], seeds: list[int] | None = None, which: int = 0) -> Any:
    """The outcome of a lane for each rate, compiled."""
    label = made.optimizers[which].label
    lanes = [
        Lane("", made.task.name, "none", label, "evaluate", rate, seed)
        for rate, seed in zip(rates, seeds or range(len(rates)), strict=True)
    ]
    return jax.device_get(runner(made)(lanes))


def runner(made: Program) -> Callable[[list[Lane]], Any]:
    data, windows = made.task.load(made.task), np.asarray(made.windows, np.int32)
    call = jax.jit(execute.batched(made))
    return lambda lanes: call(execute.traced_lanes(made, lanes), data, windows)


def start(task: Task, seed: int) -> np.ndarray:
    key = jax.random.split(jax.random.key(np.uint32(seed)), 3)[0]
    return np.asarray(task.build(task, (), jnp.int32(0)).init(key)[0]["x"], np.float64)


class TestFunctions:
    @pytest.mark.parametrize("name", PLANE)
    def test_are_those_of_the_textbook(self, name: str) -> None:
        land = TASKS[name].options["landscape"]
        points = np.random.default_rng(0).uniform(-4, 4, (50, 2))
        expected = [TEXTBOOK[name](x, y) for x, y in points]
        np.testing.assert_allclose(land.minimum + land.gap(points, np), expected, rtol=1e-11, atol=1e-11)

    @pytest.mark.parametrize("name", PLANE)
    def test_are_resolved_by_float32_beside_their_minima(self, name: str) -> None:
        land = TASKS[name].options["landscape"]
        for minimum in np.array(land.minima, np.float64):
            near = (minimum + 1e-3).astype(np.float32)
            exact = float(land.gap(near.astype(np.float64), np))
            assert float(jax.jit(lambda x: land.gap(x, jnp))(near)) == pytest.approx(exact, rel=1e-2)

    @EACH
    def test_have_their_minima_where_they_say(self, task: Task) -> None:
        if task.dataset:
            return
        land = task.options["landscape"]
        around = np.random.default_rng(1).normal(0, 1e-3, (200, task.parameters))
        for minimum in land.minima:
            here = float(land.gap(np.array(minimum, np.float64), np))
            assert 0 <= here < 1e-14
            assert (land.gap(np.array(minimum) + around, np) > here).all()

    def test_the_parabola_has_its_condition_turned_or_not(self) -> None:
        for rotated in (False, True):
            task = TASKS["quadratic"].configured({"dimension": 6, "condition": 50.0, "rotated": rotated})
            land = task.options["landscape"]
            with jax.enable_x64(True):
                hessian = np.asarray(jax.hessian(lambda x, land=land: land.gap(x, jnp))(jnp.zeros(6, jnp.float64)))
            np.testing.assert_allclose(np.sort(np.linalg.eigvalsh(hessian))[[0, -1]], [1 / 50, 1], rtol=1e-6)
            assert (np.abs(hessian - np.diag(np.diag(hessian))).max() > 0.05) == rotated


class TestEntries:
    @EACH
    def test_no_start_meets_the_target_and_the_baseline_is_the_middle(self, task: Task) -> None:
        problem = task.build(task, (), jnp.int32(0))
        parts = task.load(task)
        keys = jax.random.split(jax.random.key(0), 2000)
        found = np.asarray(jax.jit(jax.vmap(lambda k: problem.evaluate(*problem.init(k), parts["test"])[1]))(keys))
        assert found.min() > task.target
        assert task.baseline > task.target
        if task.dataset is None:
            land = task.options["landscape"]
            centre = np.array(land.centre, np.float64)
            centre = centre if land.rotation is None else np.array(land.rotation) @ centre
            assert task.baseline == pytest.approx(math.log10(land.gap(centre, np)), abs=1e-6)
            drawn = np.stack([start(task, seed) for seed in range(20)])
            drawn = drawn if land.rotation is None else drawn @ np.array(land.rotation)
            offset = np.abs(drawn - land.centre)
            assert land.radius / 2 < offset.max() <= land.radius * 1.00001
        else:
            middle = problem.evaluate({"x": jnp.zeros(task.parameters)}, (), parts["test"])[1]
            assert task.baseline == pytest.approx(float(middle), abs=1e-5)

    @EACH
    def test_declares_its_work(self, task: Task) -> None:
        problem = task.build(task, (), jnp.int32(0))
        parameters, state = problem.init(jax.random.key(0))
        assert sum(leaf.size for leaf in jax.tree.leaves(parameters)) == task.parameters
        batch = task.load(task)["train"]
        counted = operations(jax.make_jaxpr(problem.gradient)(parameters, state, batch, jax.random.key(0)).jaxpr)
        assert task.flops * (task.samples.train or 1) == pytest.approx(counted, rel=0.1)

    @EACH
    def test_decays_nothing_and_tells_where_it_is(self, task: Task) -> None:
        problem = task.build(task, (), jnp.int32(0))
        parameters, _ = problem.init(jax.random.key(0))
        assert jax.tree.leaves(problem.decayed(parameters)) == [False]
        assert problem.trace is not None
        assert (problem.trace(parameters) == parameters["x"][:2]).all()
        adamw = OPTIMIZERS["adamw"].configured({"weight_decay": 0.5}).build(0.1, decay_mask=problem.decayed)
        still = jax.tree.map(jnp.zeros_like, parameters)
        updates, _ = adamw.update(still, adamw.init(parameters), parameters)
        assert not np.asarray(updates["x"]).any()

    @EACH
    def test_shows_its_contours_as_plain_values(self, task: Task) -> None:
        assert task.shown is not None
        shown = json.loads(json.dumps(task.shown(task), allow_nan=False))
        z = np.array(shown["z"])
        assert z.shape == (len(shown["y"]), len(shown["x"])) == (61, 61)
        assert len(json.dumps(shown)) < 35_000
        for x, y in shown["minima"]:
            assert shown["x"][0] < x < shown["x"][-1] and shown["y"][0] < y < shown["y"][-1]
        if task.dataset is None and not shown["title"].startswith("The way over log10"):
            land = task.options["landscape"]
            at = np.array([shown["x"][7], shown["y"][30], *land.minima[0][2:]])
            assert z[30, 7] == pytest.approx(float(land.gap(at, np)), abs=2e-3)

    @pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in NAMES])
    def test_the_gradient_is_that_of_float64_without_jit(self, name: str) -> None:
        task, key = TASKS[name], jax.random.key(3)
        problem = task.build(task, (), jnp.int32(0))
        parameters, state = problem.init(key)
        batch = task.load(task)["train"]
        loss, gradients, _ = jax.jit(problem.gradient)(parameters, state, batch, key)
        with jax.enable_x64(True), jax.disable_jit():
            wide = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), parameters)
            data = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64 if a.dtype.kind == "f" else a.dtype), batch)
            exact_loss, exact, _ = problem.gradient(wide, state, data, key)
        assert exact["x"].dtype == jnp.float64
        assert float(loss) == pytest.approx(float(exact_loss), rel=1e-5)
        scale = float(np.abs(exact["x"]).max())
        np.testing.assert_allclose(gradients["x"], exact["x"], rtol=1e-4, atol=1e-5 * scale)


def operations(jaxpr: Any) -> int:
    """Elementwise operations of a jaxpr, a product as two; what only moves numbers is free."""
    moves = {
        "broadcast_in_dim", "slice", "squeeze", "reshape", "pad", "convert_element_type", "transpose", "concatenate",
        "select_n", "iota", "copy", "random_bits", "stop_gradient", "random_wrap", "random_unwrap",
    }  # fmt: skip
    found = 0
    for equation in jaxpr.eqns:
        inner = [value for value in equation.params.values() if hasattr(value, "jaxpr") or hasattr(value, "eqns")]
        shapes = [[v.aval.shape for v in side] for side in (equation.invars, equation.outvars)]
        size = math.prod(shapes[1][0])
        if inner:
            found += sum(operations(getattr(value, "jaxpr", value)) for value in inner)
        elif equation.primitive.name == "dot_general":
            (axes, _), _ = equation.params["dimension_numbers"]
            found += 2 * size * math.prod(shapes[0][0][axis] for axis in axes)
        elif equation.primitive.name == "reduce_sum":
            found += math.prod(shapes[0][0])
        elif equation.primitive.name not in moves:
            found += size
    return found


@pytest.fixture(scope="module")
def run() -> Callable[[list[Lane]], Any]:
    """The entries of `TestTheory` on its parabola, compiled once."""
    return runner(program(TestTheory.task, TestTheory.entries, 40, 1))


class TestTheory:
    """On a parabola every coordinate along an axis goes its own known way."""

    task = TASKS["quadratic"].configured({"dimension": 2, "condition": 20.0})
    curvatures = np.array([1.0, 1 / 20])
    beta = ((math.sqrt(20) - 1) / (math.sqrt(20) + 1)) ** 2
    best = OPTIMIZERS["momentum"].configured({"momentum": beta})
    entries = (best, *(OPTIMIZERS[name] for name in ("sgd", "momentum", "adam", "amsgrad")))

    def path(self, run: Callable[[list[Lane]], Any], label: str, *rates: float) -> np.ndarray:
        """Where each lane was before the first step and after each, [rates, 41, 2]; its seed is its place."""
        lanes = [Lane("", self.task.name, "none", label, "evaluate", rate, seed) for seed, rate in enumerate(rates)]
        return np.asarray(run(lanes).trace[: len(rates)], np.float64)

    def test_gradient_descent_shrinks_by_one_minus_eta_lambda(self, run: Any) -> None:
        rates = [0.1, 0.5, 1.9]
        for lane, path in enumerate(self.path(run, "sgd", *rates)):
            steps = np.arange(41)[:, None]
            expected = (1 - rates[lane] * self.curvatures) ** steps * start(self.task, lane)
            np.testing.assert_allclose(path, expected, rtol=2e-5, atol=1e-7)

    def test_gradient_descent_diverges_beyond_two_over_the_largest_curvature(self, run: Any) -> None:
        below, above = self.path(run, "sgd", 1.99, 2.01)
        assert abs(below[-1, 0]) < abs(below[0, 0]) and abs(above[-1, 0]) > abs(above[0, 0])

    def test_momentum_obeys_its_recursion(self, run: Any) -> None:
        (path,) = self.path(run, "momentum", 0.3)
        before = now = start(self.task, 0)
        for found in path:
            np.testing.assert_allclose(found, now, rtol=1e-4, atol=1e-5)
            before, now = now, now + 0.9 * (now - before) - 0.3 * self.curvatures * now

    def test_momentum_is_fastest_where_polyak_says(self, run: Any) -> None:
        """Rate √β with β = ((√κ − 1)/(√κ + 1))² and η = (2/(√L + √μ))²; Polyak 1964."""
        rate = (2 / (1 + 1 / math.sqrt(20))) ** 2
        half, more, found = (self.path(run, self.best.label, factor * rate)[0] for factor in (0.5, 1.3, 1.0))
        size = np.linalg.norm(found, axis=1)
        assert (size[35] / size[15]) ** (1 / 20) == pytest.approx(math.sqrt(self.beta), rel=0.06)
        assert min(np.linalg.norm(half[-1]), np.linalg.norm(more[-1])) > 10 * size[-1]

    @pytest.mark.parametrize("name", ["adam", "amsgrad"])
    def test_adams_first_step_is_the_sign_of_the_gradient(self, run: Any, name: str) -> None:
        (path,) = self.path(run, name, 0.01)
        np.testing.assert_allclose(path[1] - path[0], -0.01 * np.sign(path[0]), rtol=1e-4)

    @pytest.mark.slow
    def test_turning_the_parabola_changes_adam_but_not_gradient_descent(self) -> None:
        plain, turned = (TASKS["quadratic"].configured({"rotated": rotated}) for rotated in (False, True))
        entries = OPTIMIZERS["gradient_descent"], OPTIMIZERS["adam"]
        descent, adam = (
            [trained(program(task, entries, 30, 30), [rate], which=i).test_metric[0] for task in (plain, turned)]
            for i, rate in ((0, 1.0), (1, 0.1))
        )
        assert descent[0] == pytest.approx(descent[1], abs=1e-4)
        assert abs(adam[0] - adam[1]) > 0.05

    def test_noise_has_the_variance_that_theory_gives_sgd(self) -> None:
        """E xᵢ² after t steps: r^2t xᵢ² + (1 − r^2t) η σ² / (2 − η λᵢ), r = 1 − η λᵢ; Zhang et al. 2019."""
        rate, noise, steps, lanes = 0.5, 0.3, 200, 64
        task = TASKS["noisy_quadratic"].configured({"dimension": 30, "noise": noise})
        outcome = trained(program(task, (OPTIMIZERS["sgd"],), steps, steps, width=lanes), [rate] * lanes)
        found = 10 ** np.asarray(outcome.test_metric, np.float64)
        curvatures = 1 / np.arange(1, 31)
        kept = (1 - rate * curvatures) ** (2 * steps)
        begun = np.mean([start(task, seed) ** 2 for seed in range(lanes)], axis=0)
        square = kept * begun + (1 - kept) * rate * noise**2 / (2 - rate * curvatures)
        error = found.std(ddof=1) / math.sqrt(lanes)
        assert found.mean() == pytest.approx((curvatures * square).sum() / 2, abs=4 * error)
        assert error < 0.1 * found.mean()


class TestLogisticRegression:
    def test_its_minimum_is_known_to_ten_digits(self) -> None:
        x, y = arrays(landscapes.CANCER)["train"]
        x = x.astype(np.float64)
        ours = landscapes.optimum(x, y)
        model = LogisticRegression(C=1 / (len(x) * landscapes.L2), solver="newton-cholesky", tol=1e-12, max_iter=1000)
        model.fit(x, y)
        theirs = np.concatenate([model.coef_[0], model.intercept_])
        for found in (ours, theirs):
            assert abs(float(landscapes.logistic(found, np, x, y)) - landscapes.LOGISTIC_MINIMUM) < 1e-10
        np.testing.assert_allclose(ours, theirs, atol=1e-8)

    def test_all_data_are_seen_by_who_asks_and_minibatches_by_the_rest(self) -> None:
        from bench.planning import plan, suite

        made = plan.make(suite.read("landscapes"))
        batches = {
            o.label: (p.batch_size, p.full_batch)
            for p in made.programs if p.task.name == "logistic_regression" for o in p.optimizers
        }  # fmt: skip
        assert batches["lbfgs"] == batches["rprop"] == (341, True)
        assert batches["adam"] == (32, False)
        assert not any(p.full_batch for p in made.programs if not p.task.samples.train)
        assert len(made.programs) == 3 * len(NAMES)


MEETS = {  # an optimizer and a learning rate that meet the target on most starts, in 300 steps
    "rosenbrock": ("polyak_sgd", 1.0),
    "beale": ("adam", 0.3),
    "branin": ("nesterov", 3e-3),
    "himmelblau": ("adam", 0.1),
    "rastrigin": ("adagrad", 3.16),
    "ackley": ("polyak_sgd", 1.0),
    "quadratic": ("momentum", 0.3),
    "noisy_quadratic": ("adam", 0.03),
    "logistic_regression": ("nesterov", 0.3),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_some_cell_meets_the_target(name: str) -> None:
    optimizer, rate = MEETS[name]
    made = program(TASKS[name], (OPTIMIZERS[optimizer],), 300, 10, width=8)
    best = np.asarray(trained(made, [rate] * 8).validation_metric).min(axis=1)
    assert (best <= TASKS[name].target).sum() >= 5


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_lane_in_a_chunk_is_the_lane_alone(name: str) -> None:
    made = program(TASKS[name], (OPTIMIZERS["momentum"], OPTIMIZERS["adam"]), 50, 10)
    rates = [1e-4, 1e-3, 1e-2, 1.0]
    lanes = [Lane("", name, "none", "adam", "evaluate", rate, seed) for seed, rate in enumerate(rates)]
    run = runner(made)
    together = jax.device_get(run(lanes))
    for i, lane in enumerate(lanes):
        alone = jax.device_get(run([lane]))
        for a, b in zip(together, alone, strict=True):
            assert a is b is None or np.asarray(a)[i].tobytes() == np.asarray(b)[0].tobytes()


@pytest.mark.slow
def test_a_diverging_lane_is_told_and_leaves_the_rest_alone() -> None:
    made = replace(program(TASKS["rosenbrock"], (OPTIMIZERS["sgd"],), 100, 10), width=2)
    outcome = trained(made, [1e-3, 1.0])
    assert outcome.stopped_at[0] == -1 and 0 < outcome.stopped_at[1] < 100
    assert np.isfinite(outcome.test_metric[0]) and np.isnan(outcome.test_metric[1])
