"""Reconstruction, generation and control: what they declare, their gradients and formulas, and that they learn."""

import json
import re
from math import pi, prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from marks import by_default

from bench.activations import ACTIVATIONS
from bench.datasets import DATASETS
from bench.engine import execute
from bench.engine.compile import compile_lowered
from bench.engine.train import Outcome
from bench.optimizers import OPTIMIZERS
from bench.planning.lanes import Lane
from bench.planning.program import Program
from bench.tasks import TASKS, control, generation, networks, reconstruction

EACH = [task.name for kind in (reconstruction, generation, control) for task in kind.TASKS]
ONE_BY_DEFAULT = by_default(EACH, ["ring_gan"])
LEARNS = {  # name: activation, optimizer, learning rate, steps, batch size
    "digits_autoencoder": ("tanh", "adam", 3e-3, 300, 64),
    "digits_denoising": ("tanh", "adam", 3e-3, 600, 64),
    "digits_vae": ("tanh", "adam", 3e-3, 500, 64),
    "ring_gan": ("tanh", "rmsprop", 3e-3, 1000, 128),
    "digits_gan": ("tanh", "rmsprop", 1e-3, 800, 64),
    "cartpole_reinforce": ("tanh", "adam", 1e-2, 100, 16),
}


def problem(name: str, activation: str = "tanh", **options: Any) -> Any:
    task = TASKS[name].configured(options)
    return task.build(task, (ACTIVATIONS[activation],), jnp.int32(0))


def batch(name: str, size: int) -> Any:
    """The first `size` training samples, as training hands them over."""
    chosen = np.arange(size) if TASKS[name].samples.train else np.zeros(size, int)
    return jax.tree.map(lambda values: values[chosen], TASKS[name].load(TASKS[name])["train"])


def trained(name: str, rates: list[float], steps: int, size: int, optimizer: Any, activation: str = "tanh") -> Outcome:
    made = Program(
        task=TASKS[name], activations=(ACTIVATIONS[activation],), optimizers=(optimizer,), batch_size=size,
        full_batch=False, steps=steps, eval_every=steps, width=len(rates), mixed=False,
    )  # fmt: skip
    lanes = [Lane("", name, activation, optimizer.label, "evaluate", rate, seed) for seed, rate in enumerate(rates)]
    arguments = execute.traced_lanes(made, lanes)
    data, windows = made.task.load(made.task), np.asarray(made.windows, np.int32)
    compiled = compile_lowered(jax.jit(execute.batched(made)).lower(arguments, data, windows)).call

    def run(lanes: list[Lane]) -> Outcome:
        return jax.device_get(compiled(execute.traced_lanes(made, lanes), data, windows))

    together = run(lanes)
    for i, lane in enumerate(lanes[1:], start=1):
        jax.tree.map(lambda a, b, i=i: np.testing.assert_array_equal(a[i], b[0]), together, run([lane]))
    return together


# --- what they declare ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ONE_BY_DEFAULT)
def test_declares_its_parameters_its_data_and_what_it_shows(name: str) -> None:
    task, made = TASKS[name], problem(name)
    shapes = jax.eval_shape(made.init, jax.random.key(0))[0]
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == task.parameters
    data = task.load(task)
    assert len(data["train"][0]) == (task.samples.train or 1)
    assert task.metric.better(task.target, task.baseline)
    assert json.loads(json.dumps(task.shown(task))) == task.shown(task)
    parameters, state = jax.jit(made.init)(jax.random.key(0))
    exhibit = np.asarray(jax.jit(made.exhibit)(parameters, state, data))
    assert exhibit.dtype == np.float32 and exhibit.size <= 4000
    if task.exhibit == "images":
        rows = len(task.shown(task)["rows"])
        assert exhibit.shape[1:] == (8, 8, 1) and len(exhibit) % rows == 0
        assert exhibit.min() >= 0 and exhibit.max() <= 1


@pytest.mark.parametrize("name", ONE_BY_DEFAULT)
def test_declares_the_work_of_its_gradient(name: str) -> None:
    task, made, size = TASKS[name], problem(name, "relu"), 32
    parameters, state = jax.jit(made.init)(jax.random.key(0))
    compiled = jax.jit(made.gradient).lower(parameters, state, batch(name, size), jax.random.key(1)).compile()
    once = 2 * networks.weights(task.options["sizes"].get("policy", (0, 0)))  # a loop's body is there once
    assert products(compiled.as_text()) / size == pytest.approx(task.flops - (control.STEPS - 1) * once, rel=0.1)


def products(text: str) -> int:
    """FLOPs of the products that are left of a compiled function."""

    def shape(digits: str) -> list[int]:
        return [int(of) for of in digits.split(",") if of]

    shapes = {name: shape(of) for name, of in re.findall(r"%(\S+) = f32\[([\d,]*)\]", text)}
    found = re.findall(r"= f32\[([\d,]*)\]\S* dot\(%([^ ,]+), .*?lhs_contracting_dims=\{(\d+)\}", text)
    return sum(2 * prod(shape(of)) * shapes[left][int(axis)] for of, left, axis in found)


@pytest.mark.parametrize("name", ONE_BY_DEFAULT)
def test_each_option_makes_a_task_that_has_the_parameters_it_says(name: str) -> None:
    others = {"width": 24, "depth": 3, "initialization": "orthogonal", "code": 3, "noise": 0.5, "latent": 5}
    for option in TASKS[name].accepts:
        made = TASKS[name].configured({option: others[option]})
        shapes = jax.eval_shape(problem(name, **{option: others[option]}).init, jax.random.key(0))[0]
        assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == made.parameters
        assert (made.parameters == TASKS[name].parameters) == (option in ("initialization", "noise"))


# --- training -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", EACH)
def test_a_lane_in_a_chunk_is_the_lane_alone(name: str) -> None:
    outcome = trained(name, [1e-3, 1e-2, 1e-3], 3, 8, OPTIMIZERS["adam"])
    assert np.isfinite(outcome.validation_loss).all()
    assert not np.array_equal(outcome.train_loss[0], outcome.train_loss[2])  # another seed


@pytest.mark.slow
@pytest.mark.parametrize("name", EACH)
def test_a_cell_meets_the_target(name: str) -> None:
    activation, optimizer, rate, steps, size = LEARNS[name]
    outcome = trained(name, [rate] * 3, steps, size, OPTIMIZERS[optimizer], activation)
    task = TASKS[name]
    assert sum(task.metric.better(found, task.target) for found in outcome.validation_metric[:, -1]) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("name", EACH)
def test_the_compiled_gradient_is_that_of_float64_without_jit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "STEPS", 40)
    made, key = problem(name), jax.random.key(3)
    parameters, state = jax.jit(made.init)(key)
    part = batch(name, 8)
    compiled = jax.tree.leaves(jax.jit(made.gradient)(parameters, state, part, key)[:2])
    with jax.enable_x64(True), jax.disable_jit():
        wide = jax.tree.map(lambda a: a.astype(jnp.float64), (parameters, part))
        exact = [np.asarray(g) for g in jax.tree.leaves(made.gradient(wide[0], state, wide[1], key)[:2])]
    assert all(g.dtype == np.float64 for g in exact)
    assert max(np.abs(g).max() for g in exact[1:]) > 1e-3
    for found, expected in zip(compiled, exact, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-5 * max(np.abs(expected).max(), 1e-3))


@pytest.mark.slow
@pytest.mark.parametrize("name", EACH)
def test_the_gradient_is_that_of_the_objective_and_needs_its_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "STEPS", 40)
    made = problem(name)
    parameters, state = jax.jit(made.init)(jax.random.key(0))
    part = batch(name, 8)
    value, gradients, _ = made.gradient(parameters, state, part, jax.random.key(1))
    expected = jax.value_and_grad(made.objective)(parameters, state, part, jax.random.key(1))
    jax.tree.map(np.testing.assert_array_equal, (value, gradients), expected)
    other, _, _ = made.gradient(parameters, state, part, jax.random.key(2))
    assert (value == other) == (name == "digits_autoencoder")  # which draws nothing


# --- reconstruction -------------------------------------------------------------------------------------------------


def test_the_mean_image_explains_nothing_and_a_linear_code_not_enough() -> None:
    data = TASKS["digits_autoencoder"].load(TASKS["digits_autoencoder"])
    train, (test, _) = data["train"][0].astype(np.float64), data["validation"]
    assert reconstruction.explained(np.zeros_like(test), test) == 0 == TASKS["digits_autoencoder"].baseline
    axes = np.linalg.svd(train, full_matrices=False)[2][:8]
    assert 0.67 < reconstruction.explained(test @ axes.T @ axes, test) < TASKS["digits_autoencoder"].target
    _, noise = TASKS["digits_denoising"].load(TASKS["digits_denoising"])["validation"]
    spread = np.cov(train.T)
    linear = (test + noise) @ np.linalg.solve(spread + np.eye(64), spread)
    assert 0.7 < reconstruction.explained(linear, test) < TASKS["digits_denoising"].target
    assert reconstruction.explained(test + noise, test) == pytest.approx(0, abs=0.02)
    pixels = test * data["deviation"] + data["mean"]
    np.testing.assert_allclose(pixels * 16, DATASETS["digits"].parts(DATASETS["digits"])["validation"][0], atol=1e-4)


def test_the_likelihood_of_a_pixel_is_a_distribution_over_its_levels() -> None:
    levels = np.arange(17) / 8 - 1
    random = np.random.default_rng(0)
    m, t = random.normal(0, 2, 50), random.normal(0, 5, 50)
    decoded = np.stack([m, t], 1)[:, None] + np.zeros((17, 1))
    with jax.enable_x64(True):
        found = np.asarray(reconstruction.log_likelihood(jnp.asarray(decoded), jnp.asarray(levels)[None, :, None]))[
            ..., 0
        ]
    np.testing.assert_allclose(np.exp(found).sum(1), 1, rtol=1e-12)
    edges = (np.arange(1, 17) - 0.5) / 8 - 1
    cumulative = 1 / (1 + np.exp(-(edges - m[:, None]) * np.log1p(np.exp(t))[:, None]))
    masses = np.diff(np.concatenate([np.zeros((50, 1)), cumulative, np.ones((50, 1))], 1), axis=1)
    plain = masses > 1e-6
    np.testing.assert_allclose(found[plain], np.log(masses[plain]), rtol=1e-7, atol=1e-12)


def test_the_divergence_is_that_of_normal_distributions() -> None:
    mean, log_variance = np.array([[0.5, -1.0]]), np.array([[0.2, -0.7]])
    decoded, pixels = np.zeros((1, 4)), np.zeros((1, 2))
    expected = sum(0.5 * (np.exp(s) + m * m - 1 - s) for m, s in zip(mean[0], log_variance[0], strict=True)) - float(
        reconstruction.log_likelihood(decoded, pixels).sum()
    )
    assert float(reconstruction.negative_elbo((decoded, mean, log_variance), pixels)) == pytest.approx(expected, 1e-6)


@pytest.mark.slow
def test_the_baseline_of_the_density_is_the_best_constant() -> None:
    import optax

    data = TASKS["digits_vae"].load(TASKS["digits_vae"])
    train, test = data["train"][0], data["test"][0]

    def loss(decoded: Any, pixels: Any) -> Any:
        return -reconstruction.log_likelihood(jnp.broadcast_to(decoded, (len(pixels), 128)), pixels).sum(1).mean()

    adam = optax.adam(optax.cosine_decay_schedule(0.05, 3000))

    def step(carry: Any, _: Any) -> Any:
        decoded, state = carry
        updates, state = adam.update(jax.grad(loss)(decoded, train), state)
        return (decoded + updates, state), None

    start = jnp.concatenate([train.mean(0), jnp.ones(64)])
    best = jax.jit(lambda: jax.lax.scan(step, (start, adam.init(start)), length=3000)[0][0])()
    assert TASKS["digits_vae"].baseline == pytest.approx(float(loss(best, test)), abs=0.1)


# --- generation -----------------------------------------------------------------------------------------------------


def test_coverage_counts_good_samples_and_no_mode_beyond_its_eighth() -> None:
    centres = np.array(generation.CENTRES, np.float32)
    assert generation.coverage(np.repeat(centres, 5, 0), None) == 1
    assert generation.coverage(np.repeat(centres[:1], 40, 0), None) == TASKS["ring_gan"].baseline
    half_bad = np.concatenate([np.repeat(centres, 5, 0), np.zeros((40, 2))])
    assert generation.coverage(half_bad, None) == 0.5
    lopsided = np.concatenate([np.repeat(centres[:2], 20, 0), np.repeat(centres[2:], 10, 0)])
    assert generation.coverage(lopsided, None) == pytest.approx(2 / 8 + 6 / 10)
    angles = np.linspace(0, 2 * pi, 10_001)[:-1]
    circle = 2 * np.stack([np.cos(angles), np.sin(angles)], 1)
    assert generation.coverage(circle, None) < TASKS["ring_gan"].target


@pytest.mark.parametrize("part", ["validation", "test"])
def test_the_ring_is_eight_gaussians(part: str) -> None:
    drawn = np.asarray(generation.ring(jax.random.key(0), 20_000))
    fixed = TASKS["ring_gan"].load(TASKS["ring_gan"])[part][0]
    for points, tolerance in ((drawn, 0.01), (fixed, 0.05)):
        distances = np.linalg.norm(points[:, None] - np.array(generation.CENTRES), axis=-1)
        np.testing.assert_allclose(np.bincount(distances.argmin(1), minlength=8) / len(points), 1 / 8, atol=tolerance)
        assert (distances.min(1) < 0.3).mean() == pytest.approx(1 - np.exp(-4.5), abs=0.01)
        assert np.square(distances.min(1)).mean() / 2 == pytest.approx(0.01, rel=0.1)
        assert generation.coverage(points, None) > 0.93


@pytest.mark.slow
def test_the_discrepancy_is_that_of_two_loops_and_knows_digits_from_what_is_none() -> None:
    data = TASKS["digits_gan"].load(TASKS["digits_gan"])
    train, (validation, _), (test, _) = data["train"][0], data["validation"], data["test"]
    x, y = train[:7].astype(np.float64), test[:5].astype(np.float64)

    def k(a: Any, b: Any) -> float:
        return float(np.exp(-((a - b) ** 2).sum() / generation.BANDWIDTH))

    expected = (
        np.mean([k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
        + np.mean([k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
        - 2 * np.mean([k(a, b) for a in x for b in y])
    )
    assert float(generation.discrepancy(train[:7], test[:5])) == pytest.approx(expected, abs=1e-5)
    random, target = np.random.default_rng(0), TASKS["digits_gan"].target
    assert abs(generation.discrepancy(train[:500], validation)) < 0.002
    assert generation.discrepancy(random.uniform(-1, 1, (500, 64)).astype(np.float32), validation) > 2 * target
    assert generation.discrepancy(np.tile(train[:5], (100, 1)), validation) > 2 * target
    mean = np.tile(train.mean(0), (500, 1))
    assert float(generation.discrepancy(mean, test)) == pytest.approx(TASKS["digits_gan"].baseline, abs=1e-3)
    distances = np.square(train[:, None].astype(np.float64) - train).sum(-1)
    assert np.median(distances[np.triu_indices(len(train), 1)]) / 2 == pytest.approx(generation.BANDWIDTH, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ring_gan", "digits_gan"])
def test_each_player_has_the_gradient_of_its_own_loss(name: str) -> None:
    made, task = problem(name), TASKS[name]
    parameters, state = jax.jit(made.init)(jax.random.key(0))
    part, key = batch(name, 16), jax.random.key(5)
    _, gradients, _ = made.gradient(parameters, state, part, key)
    apply = networks.networks(task.options["sizes"], (ACTIVATIONS["tanh"],), jnp.int32(0), "default").apply
    real_key, latent_key = jax.random.split(key)
    real, latent = task.options["real"](part, real_key), jax.random.normal(latent_key, (16, task.options["latent"]))

    def odds(parameters: Any, generator: Any) -> Any:
        fake = task.options["squash"](apply("generator", generator, latent))
        return apply("discriminator", parameters, real), apply("discriminator", parameters, fake)

    def deceives(generator: Any) -> Any:
        _, fake = odds(parameters, {"generator": generator})
        return -jnp.log(jax.nn.sigmoid(fake)).mean()

    def tells(discriminator: Any) -> Any:
        of_real, of_fake = odds({"discriminator": discriminator}, parameters)
        return -jnp.log(jax.nn.sigmoid(of_real)).mean() - jnp.log(1 - jax.nn.sigmoid(of_fake)).mean()

    expected = {
        "generator": jax.grad(deceives)(parameters["generator"]),
        "discriminator": jax.grad(tells)(parameters["discriminator"]),
    }
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), gradients, expected)


# --- control --------------------------------------------------------------------------------------------------------

PUSHES = [  # start, pushes to the right, then where Gymnasium 1.4.0 has the cart, and whether the episode is over
    ((0.01, -0.02, 0.03, 0.04), (1, 0, 0, 1, 1, 0, 1, 1, 1, 0),
     (0.03292391362516443, 0.3659333544514404, 0.0056784800179349275, -0.4503220729482966), False),
    ((0.01, -0.02, 0.03, 0.04), (1,) * 9,
     (0.14674183666121488, 1.7371144099758138, -0.17067933730929116, -2.6444921757731814), False),
    ((0.01, -0.02, 0.03, 0.04), (1,) * 10,
     (0.18148412486073115, 1.9330643896994748, -0.2235691808247548, -2.984082745435586), True),
    ((2.35, 1.0, -0.1, 0.5), (1,) * 3,
     (2.4217808984549416, 1.5889127693383414, -0.08929117714280187, -0.46076627431988787), True),
    ((-1.0, 2.0, 0.2, -1.5), (0,) * 3,
     (-0.8918140207949825, 1.4094120040995195, 0.13073152688075174, -0.47624602757676676), False),
]  # fmt: skip


@pytest.mark.parametrize(("start", "pushes", "end", "ended"), PUSHES)
def test_the_cart_moves_as_gymnasiums(start: Any, pushes: Any, end: Any, ended: bool) -> None:
    with jax.enable_x64(True):
        cart = jnp.asarray(start)
        for right in pushes:
            assert not control.over(cart)
            cart = control.push(cart, jnp.bool_(right))
        assert bool(control.over(cart)) == ended
        np.testing.assert_allclose(cart, end, rtol=1e-6, atol=1e-9)


def test_a_push_solves_the_equations_of_motion() -> None:
    """Both balances of Florian 2007: of the cart and pole along the track, and of the pole about its joint."""
    random = np.random.default_rng(0)
    carts, right = random.uniform(-1, 1, (100, 4)), random.random(100) < 0.5
    with jax.enable_x64(True):
        moved = np.asarray(control.push(jnp.asarray(carts), jnp.asarray(right)))
    (_, speed, angle, spin), (dx, sped, turned, spun) = carts.T, ((moved - carts) / 0.02).T
    np.testing.assert_allclose(dx, speed, rtol=1e-9)
    np.testing.assert_allclose(turned, spin, rtol=1e-9)
    force = np.where(right, 10, -10)
    np.testing.assert_allclose(1.1 * sped + 0.05 * (spun * np.cos(angle) - spin**2 * np.sin(angle)), force, rtol=1e-9)
    np.testing.assert_allclose(4 / 3 * 0.5 * spun + sped * np.cos(angle), 9.8 * np.sin(angle), rtol=1e-9, atol=1e-9)


def test_an_episode_ends_once_and_for_all() -> None:
    start = jnp.array([[0.0, 0.0, 0.0, 0.0], [2.39, 1.0, 0.0, 0.0]])
    _, right, alive = control.episode(lambda seen: jnp.full(len(seen), 20.0), start, jnp.full((30, 2), 0.5))
    assert right.all()
    assert alive.sum(0).tolist() == [9, 1]  # as Gymnasium's from these starts
    assert (np.diff(alive, axis=0) <= 0).all()


def test_the_advantage_is_the_return_to_come_less_that_of_the_other_episodes() -> None:
    alive = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)
    g = control.DISCOUNT
    three, two = 1 + g + g * g, 1 + g
    expected = [
        [three - (two + 1) / 2, two - (three + 1) / 2, 1 - (three + two) / 2],
        [two - 1, 1 - two, 0],
        [0, 0, 0],
    ]
    np.testing.assert_allclose(control.advantage(alive), expected, rtol=1e-6, atol=1e-7)


def test_pushes_by_chance_score_the_baseline() -> None:
    start, uniforms = TASKS["cartpole_reinforce"].load(TASKS["cartpole_reinforce"])["test"]
    _, _, alive = control.episode(lambda seen: jnp.zeros(len(seen)), start, uniforms)
    assert float(control.mean_return(alive)) == pytest.approx(TASKS["cartpole_reinforce"].baseline, abs=0.01)


def test_a_policy_that_is_not_a_number_has_no_loss() -> None:
    made, validation = problem("cartpole_reinforce"), control.load(TASKS["cartpole_reinforce"])["validation"]
    parameters, _ = made.init(jax.random.key(0))
    evaluate = jax.jit(made.evaluate)
    assert 0 < float(evaluate(parameters, (), validation)[0]) < 1
    worthless = jax.tree.map(lambda p: jnp.full_like(p, jnp.nan), parameters)
    assert np.isnan(evaluate(worthless, (), validation)[0])


@pytest.mark.slow
def test_the_policy_gradient_points_where_the_return_rises() -> None:
    """Against the slope of the mean return of many episodes along one direction, by central differences."""
    made = problem("cartpole_reinforce")
    parameters, _ = jax.jit(made.init)(jax.random.key(0))
    many = (np.zeros((20_000, 0), np.float32),)
    gradient = jax.jit(made.gradient)(parameters, (), many, jax.random.key(1))[1]
    value = jax.jit(made.objective)
    step = 0.05 / np.sqrt(sum(float((g**2).sum()) for g in jax.tree.leaves(gradient)))
    ahead, behind = (
        value(jax.tree.map(lambda p, g, s=s: p + s * step * g, parameters, gradient), (), many, jax.random.key(2))
        for s in (1, -1)
    )
    slope = float(ahead - behind) / (2 * step)
    assert slope == pytest.approx(sum(float((g**2).sum()) for g in jax.tree.leaves(gradient)), rel=0.25)
