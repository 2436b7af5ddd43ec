"""Bringing pixels together and adding them up again are each other's transpose."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bench.nn.neighbours import gathered, spread

IMAGES = np.random.default_rng(0).standard_normal((3, 4, 6, 8))


@pytest.mark.parametrize(("window", "axis"), [(3, 1), (5, 2)])
def test_gathering_is_the_transpose_of_spreading(window: int, axis: int) -> None:
    x = jnp.asarray(IMAGES, jnp.float32)
    y = jnp.asarray(np.random.default_rng(0).standard_normal((*x.shape[:3], window * x.shape[3])), jnp.float32)
    there, back = (spread(x, window, axis) * y).sum(), (x * gathered(y, window, axis)).sum()
    assert float(there) == pytest.approx(float(back), rel=1e-4)
    (slope,) = jax.vjp(lambda x: spread(x, window, axis), x)[1](y)
    np.testing.assert_array_equal(slope, gathered(y, window, axis))
