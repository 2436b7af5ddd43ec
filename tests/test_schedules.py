"""Schedules against optax's own, and that training follows them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bench.optimizers import OPTIMIZERS
from bench.schedules import SCHEDULES

STEPS = 100
OPTAX: dict[str, Callable[[int], object]] = {
    "constant": optax.constant_schedule(1.0),
    "linear": optax.linear_schedule(1.0, 0.0, STEPS),
    "cosine": optax.cosine_decay_schedule(1.0, STEPS),
    "warmup_cosine": optax.warmup_cosine_decay_schedule(0.0, 1.0, STEPS // 10, STEPS),
    "exponential": optax.exponential_decay(1.0, STEPS, 0.01),
    "one_cycle": optax.cosine_onecycle_schedule(STEPS, 1.0, 0.3, 25.0, 1e4 / 25),
}


@pytest.mark.parametrize("name", OPTAX)
def test_a_schedule_is_that_of_optax(name: str) -> None:
    found = [float(SCHEDULES[name](jnp.float32(t / STEPS))) for t in range(STEPS)]
    expected = [float(OPTAX[name](t)) for t in range(STEPS)]
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_steps_divide_by_ten_after_each_third() -> None:
    found = [float(SCHEDULES["step"](jnp.float32(p))) for p in (0.0, 0.3, 0.4, 0.7)]
    np.testing.assert_allclose(found, [1, 1, 0.1, 0.01], rtol=1e-5)
    for steps in (3, 300, 30_000, 3_000_000):
        found, counts = np.unique(jax.jit(SCHEDULES["step"])(jnp.arange(steps) / steps), return_counts=True)
        np.testing.assert_allclose(found, [0.01, 0.1, 1], rtol=1e-5)
        assert max(abs(counts - steps // 3)) <= 1


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_factors_stay_between_0_and_1(name: str) -> None:
    factors = SCHEDULES[name](jnp.linspace(0, 0.999, 500))
    assert factors.shape == (500,)
    assert float(factors.min()) >= 0 and float(factors.max()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_no_learning_rate_is_0(name: str) -> None:
    entry = OPTIMIZERS["sgd"].configured({}, SCHEDULES[name])
    assert float(entry.factor(jnp.array([0.0, 0.99999, 1.0])).min()) > 0


def test_a_label_names_the_fields_that_differ() -> None:
    assert SCHEDULES["cosine"].configured({"final": 0.0}).label == "cosine"
    changed = SCHEDULES["cosine"].configured({"final": 0.1})
    assert changed.label == "cosine(final=0.1)"
    assert (
        OPTIMIZERS["sgd"].configured({"clip_norm": 1.0}, changed).label == "sgd(clip_norm=1,schedule=cosine(final=0.1))"
    )


def test_clipping_and_decay_are_their_formulas() -> None:
    parameters, gradients = (
        {"w": jnp.array([3.0, -4.0]), "s": jnp.array([2.0])},
        {"w": jnp.array([6.0, 8.0]), "s": jnp.zeros(1)},
    )
    entry = OPTIMIZERS["sgd"].configured({"clip_norm": 5.0, "weight_decay": 0.1})
    built = entry.build(0.5, decay_mask=lambda _: {"w": True, "s": False})
    updates, _ = built.update(gradients, built.init(parameters), parameters)
    clipped = np.array([3.0, 4.0])
    np.testing.assert_allclose(updates["w"], -0.5 * clipped - 0.5 * 0.1 * np.array([3.0, -4.0]), rtol=1e-6)
    assert float(updates["s"][0]) == 0.0


def test_what_an_optimizer_has_of_its_own_is_set_there() -> None:
    own = OPTIMIZERS["adamw"].configured({"weight_decay": 0.5})
    alike = optax.adamw(0.1, weight_decay=0.5)
    p, g = {"w": jnp.ones(3)}, {"w": jnp.full(3, 0.2)}
    built = own.build(0.1)
    np.testing.assert_array_equal(built.update(g, built.init(p), p)[0]["w"], alike.update(g, alike.init(p), p)[0]["w"])
