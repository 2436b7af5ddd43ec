"""The product of a layer: its value and its gradients are those of a plain one, also twice differentiated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bench.engine.cost import products
from bench.nn.products import biased, product


@pytest.mark.parametrize("inputs, features", [(7, 4), (7, 10), (7, 16), (96, 10)])
def test_value_and_gradients_are_those_of_a_plain_product(inputs: int, features: int) -> None:
    x = jax.random.normal(jax.random.key(0), (3, 5, inputs))
    kernel = jax.random.normal(jax.random.key(1), (inputs, features))

    def loss(of: object, x: jax.Array, kernel: jax.Array) -> jax.Array:
        return jnp.sin(of(x, kernel)).sum()  # type: ignore[operator]

    found = jax.value_and_grad(loss, (1, 2))(product, x, kernel)
    expected = jax.value_and_grad(loss, (1, 2))(jnp.matmul, x, kernel)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("features, multiplied", [(1, 1), (4, 4), (8, 8), (9, 16), (15, 16), (16, 16), (17, 17)])
def test_nine_to_fifteen_columns_are_multiplied_as_sixteen(features: int, multiplied: int) -> None:
    traced = jax.make_jaxpr(product)(jnp.ones((5, 7)), jnp.ones((7, features)))
    assert products(traced.jaxpr) == 2 * 5 * 7 * multiplied


def test_xla_folds_no_transposition_into_the_gradient_by_x() -> None:
    """Its kernel for transposed operands is half as fast."""
    x, kernel = jnp.ones((64, 128)), jnp.ones((128, 64))
    folded = "rhs_contracting_dims={1}"

    def compiled(of: object) -> str:
        gradient = jax.grad(lambda x, kernel: jnp.sin(of(x, kernel)).sum())  # type: ignore[operator]
        return str(jax.jit(gradient).lower(x, kernel).compile().as_text())

    assert folded in compiled(jnp.matmul), "or this shows nothing"
    assert folded not in compiled(product)


def test_gradients_by_tall_kernels_are_multiplied_the_other_way_round() -> None:
    """Transposed operands 512 wide run at a quarter of the speed."""
    compiled = jax.jit(jax.grad(lambda k, x: jnp.sin(product(x, k)).sum())).lower(
        jnp.ones((512, 16)), jnp.ones((64, 512))
    )
    made = [line.split(" = ")[1].split("{")[0] for line in compiled.compile().as_text().splitlines() if " dot(" in line]
    assert "f32[16,512]" in made and "f32[512,16]" not in made


def test_a_hessian_goes_through_it() -> None:
    x, kernel, way = jnp.ones((2, 3)), jnp.full((3, 2), 0.3), jnp.full((3, 2), 0.5)

    def curved(of: object) -> jax.Array:
        gradient = jax.grad(lambda k: jnp.sin(of(x, k)).sum())  # type: ignore[operator]
        return jax.jvp(gradient, (kernel,), (way,))[1]

    np.testing.assert_allclose(curved(product), curved(jnp.matmul), rtol=1e-5)


def test_lanes_side_by_side_have_their_own_kernels() -> None:
    x, kernels = jnp.ones((4, 2, 3)), jnp.arange(24.0).reshape(4, 3, 2)
    np.testing.assert_allclose(jax.vmap(product)(x, kernels), jnp.einsum("lbi,lio->lbo", x, kernels))


@pytest.mark.parametrize("shape", [(6, 5), (6, 3, 5), (6, 3, 4, 5)])
def test_the_gradient_of_a_bias_is_the_sum_over_all_else(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    x, weights = (jnp.asarray(random.standard_normal(shape), jnp.float32) for _ in range(2))
    bias = jnp.arange(5.0)
    np.testing.assert_array_equal(biased(x, bias), x + bias)
    slopes = jax.grad(lambda x, b: (weights * biased(x, b)).sum(), (0, 1))(x, bias)
    np.testing.assert_array_equal(slopes[0], weights)
    np.testing.assert_allclose(slopes[1], np.asarray(weights).reshape(-1, 5).sum(0), rtol=1e-5, atol=1e-6)
