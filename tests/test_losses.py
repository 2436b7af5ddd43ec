"""Losses and metrics against other libraries' and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics

from bench import losses

RANDOM = np.random.default_rng(0)
Z, Y = RANDOM.standard_normal((50, 4)).astype(np.float32), RANDOM.integers(0, 4, 50).astype(np.int32)
PREDICTED, TARGET = RANDOM.standard_normal((50, 1)).astype(np.float32), RANDOM.standard_normal(50).astype(np.float32)


def test_cross_entropy_is_scikit_learns_log_loss() -> None:
    p = np.exp(Z.astype(np.float64))
    expected = metrics.log_loss(Y, p / p.sum(1, keepdims=True), labels=range(4))
    assert float(losses.cross_entropy(Z, Y)) == pytest.approx(expected, rel=1e-5)
    assert float(losses.cross_entropy(jnp.zeros((5, 10)), jnp.arange(5))) == pytest.approx(np.log(10))


def test_cross_entropy_survives_certainty() -> None:
    z = jnp.array([[1e4, -1e4], [-1e4, 1e4]])
    assert float(losses.cross_entropy(z, jnp.array([0, 1]))) == 0
    assert jnp.isfinite(jax.grad(losses.cross_entropy)(z, jnp.array([1, 0]))).all()


def test_the_others_are_scikit_learns() -> None:
    assert float(losses.accuracy(Z, Y)) == pytest.approx(metrics.accuracy_score(Y, Z.argmax(1)))
    assert float(losses.squared_error(PREDICTED, TARGET)) == pytest.approx(
        metrics.mean_squared_error(TARGET, PREDICTED[:, 0]), rel=1e-5
    )
    assert float(losses.r2(PREDICTED, TARGET)) == pytest.approx(metrics.r2_score(TARGET, PREDICTED[:, 0]), rel=1e-4)


def test_better_knows_the_direction_and_never_prefers_what_is_no_number() -> None:
    minimize = losses.Metric("error", losses.squared_error, "minimize", worst=float("inf"))
    assert losses.ACCURACY.better(0.9, 0.8) and not losses.ACCURACY.better(0.8, 0.8)
    assert minimize.better(0.8, 0.9) and not minimize.better(0.9, 0.8)
    for metric in (losses.ACCURACY, minimize):
        assert not metric.better(float("nan"), 0.5)
