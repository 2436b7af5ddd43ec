"""Many entries in one program do what each does alone."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bench.activations import ACTIVATIONS, Activation
from bench.nn.switch import SwitchedOptimizer, switched
from bench.optimizers import OPTIMIZERS

SHARED = tuple(a for a in ACTIVATIONS.values() if a.shares_program)
NAMES = ("sgd", "adam", "momentum", "schedule_free_sgd", "adafactor", "polyak_sgd")
PARAMETERS = {"w": jnp.linspace(-1, 1, 12).reshape(3, 4), "b": jnp.zeros(4)}


@pytest.mark.parametrize("index", range(len(SHARED)), ids=[a.name for a in SHARED])
def test_a_switched_activation_is_the_activation(index: int) -> None:
    x = jnp.linspace(-4, 4, 33)
    weights = jnp.linspace(0.5, 1.5, 33)
    value, slope = jax.value_and_grad(lambda z: (weights * switched(SHARED, jnp.int32(index))(z)).sum())(x)
    expected, slope_expected = jax.value_and_grad(lambda z: (weights * SHARED[index](z)).sum())(x)
    assert value == pytest.approx(float(expected), rel=1e-6)
    np.testing.assert_allclose(slope, slope_expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("activation", SHARED, ids=[a.name for a in SHARED])
def test_slopes_of_the_table_are_the_same_forward_and_in_reverse(activation: Activation) -> None:
    """Even where others would trip, or a program would be another with another activation beside it."""
    x = jnp.array([-1e30, -100, -1, -1e-30, -0.0, 0.0, 1e-30, 1, 100, 1e30], jnp.float32)
    _, forward = jax.jvp(activation, (x,), (jnp.ones_like(x),))
    reverse = jax.grad(lambda x: activation(x).sum())(x)
    assert np.isfinite(reverse).all()
    np.testing.assert_allclose(forward, reverse, rtol=1e-5, atol=1e-6)


def test_a_user_s_own_has_the_slope_that_it_has_alone() -> None:
    """The usual trap: where hides the infinite slope of the branch not taken going forward, and not in reverse."""
    own = Activation("own", lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0), own=True)
    both = switched([ACTIVATIONS["relu"], own], jnp.int32(1))
    x = jnp.array([-1.0, 0.0, 4.0])
    alone, beside = (jax.grad(lambda x, f=f: f(x).sum())(x) for f in (own, both))
    np.testing.assert_array_equal(beside, alone)
    assert np.isnan(alone[:2]).all()


@pytest.mark.slow
def test_a_batched_index_picks_for_each_lane() -> None:
    x = jnp.linspace(-2, 2, 5)
    found = jax.vmap(lambda i: switched(SHARED, i)(x))(jnp.arange(len(SHARED)))
    np.testing.assert_allclose(found, jnp.stack([a(x) for a in SHARED]), rtol=1e-6)


def test_only_the_picked_activation_runs_where_a_chunk_shares_the_index() -> None:
    def chunk(index: jax.Array, xs: jax.Array) -> jax.Array:
        return jax.vmap(lambda x: switched(SHARED, index)(x))(xs)

    assert "cond" in str(jax.make_jaxpr(chunk)(jnp.int32(0), jnp.ones((3, 5))))
    batched = jax.make_jaxpr(jax.vmap(lambda i, x: switched(SHARED, i)(x)))(jnp.zeros(3, jnp.int32), jnp.ones((3, 5)))
    assert "select_n" in str(batched)


def loss(p: dict[str, jax.Array]) -> jax.Array:
    return jnp.square(p["w"] - 0.3).sum() + jnp.square(p["b"] - 1).sum()


@partial(jax.jit, static_argnums=0)
def trained(names: tuple[str, ...], index: jax.Array) -> tuple[Any, Any]:
    """Trained and evaluated parameters after five steps of the index-th of these optimizers."""
    optimizer = SwitchedOptimizer([OPTIMIZERS[name] for name in names], index, lambda o, t: o.build(0.05), PARAMETERS)

    def step(t: jax.Array, carry: Any) -> Any:
        parameters, state = carry
        value, gradients = jax.value_and_grad(loss)(parameters)
        updates, state = optimizer.update(
            gradients, state, parameters, t, value=value, grad=gradients, value_fn=loss, obj_fn=loss
        )
        return optax.apply_updates(parameters, updates), state

    parameters, state = jax.lax.fori_loop(0, 5, step, (PARAMETERS, optimizer.init(PARAMETERS)))
    return parameters, optimizer.evaluated(state, parameters)


@pytest.mark.parametrize("index", range(len(NAMES)), ids=NAMES)
def test_a_switched_optimizer_is_the_optimizer(index: int) -> None:
    together, alone = trained(NAMES, jnp.int32(index)), trained(NAMES[index : index + 1], jnp.int32(0))
    for found, expected in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
    assert jnp.abs(together[0]["w"] - PARAMETERS["w"]).max() > 1e-4


def test_states_share_slots_by_shape_and_type() -> None:
    entries = [OPTIMIZERS[name] for name in ("sgd", "momentum", "adam")]
    optimizer = SwitchedOptimizer(entries, jnp.int32(0), lambda o, t: o.build(0.1), PARAMETERS)
    sizes = sorted(slot.size for slot in optimizer.slots)
    assert sizes == [1, 4, 4, 12, 12]  # Adam's count and two moments hold those of the others
