"""Winograd's algorithm against its definition and XLA's own convolution in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from bench.engine.cost import products
from bench.nn import winograd
from bench.nn.arrangement import as_defined
from bench.nn.winograd import INPUT, KERNEL, OUTPUT, cut, joined


def test_its_matrices_correlate_six_numbers_with_three() -> None:
    random = np.random.default_rng(0)
    d, g = random.standard_normal(6), random.standard_normal(3)
    np.testing.assert_allclose(OUTPUT @ ((KERNEL @ g) * (INPUT @ d)), np.correlate(d, g), rtol=1e-12)


@pytest.mark.parametrize(
    ("shape", "squares"), [((2, 4, 5, 8), 128), ((2, 8, 8, 8), 128), ((2, 4, 4, 8), 1), ((2, 8, 12, 8), 1)]
)
def test_it_is_the_convolution_and_has_its_gradients(
    shape: tuple[int, ...], squares: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of few tiles along rows, of `squares` and more along columns, too."""
    monkeypatch.setattr(winograd, "SQUARES", squares)
    random = np.random.default_rng(shape[1])
    x, kernel = random.standard_normal(shape), random.standard_normal((3, 3, shape[-1], 6))
    weights = random.standard_normal((*shape[:3], 6))

    def oracle(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    with jax.enable_x64(True):
        arguments = jnp.asarray(x), jnp.asarray(kernel)
        found, pull = jax.vjp(winograd.convolve, *arguments)
        expected, oracle_pull = jax.vjp(oracle, *arguments)
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)
        for ours, theirs in zip(pull(jnp.asarray(weights)), oracle_pull(jnp.asarray(weights)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11)


def test_it_loses_a_digit_of_float32_at_most() -> None:
    random = np.random.default_rng(1)
    x, kernel = random.standard_normal((32, 8, 8, 16)), random.standard_normal((3, 3, 16, 32))
    with jax.enable_x64(True):
        exact = np.asarray(winograd.convolve(jnp.asarray(x), jnp.asarray(kernel)))
    found = winograd.convolve(jnp.asarray(x, jnp.float32), jnp.asarray(kernel, jnp.float32))
    assert np.abs(found - exact).max() < 1e-5 * np.abs(exact).max()


@pytest.mark.parametrize("axis", [1, 2])
def test_the_slopes_of_tiles_are_the_transpose_of_cutting_and_of_joining_them(axis: int) -> None:
    random = np.random.default_rng(2)
    x = jnp.asarray(random.standard_normal((2, 8, 8, 5)), jnp.float32)
    parts, pull = jax.vjp(lambda x: cut(x, axis), x)
    slopes = [jnp.asarray(random.standard_normal(part.shape), jnp.float32) for part in parts]
    along = sum((part * slope).sum() for part, slope in zip(parts, slopes, strict=True))
    assert float(along) == pytest.approx(float((x * pull(slopes)[0]).sum()), rel=1e-4)
    together, pull = jax.vjp(lambda parts: joined(parts, axis), slopes)
    back = sum((part * slope).sum() for part, slope in zip(slopes, pull(x)[0], strict=True))
    assert float((together * x).sum()) == pytest.approx(float(back), rel=1e-4)


def test_of_many_tiles_it_takes_a_quarter_of_the_operations_of_few_half() -> None:
    kernel = jnp.zeros((3, 3, 16, 16))
    for n, share in ((32, 36 / 144), (31, 6 / 12)):
        x = jnp.zeros((n, 8, 8, 16))
        counted = products(jax.make_jaxpr(winograd.convolve)(x, kernel).jaxpr)
        assert counted == pytest.approx(share * 2 * n * 8 * 8 * 9 * 16 * 16)


def test_it_is_for_whole_tiles_and_whole_vectors_and_can_be_left_out() -> None:
    x, kernel = jnp.zeros((1, 8, 5, 4)), jnp.zeros((3, 3, 4, 16))
    assert winograd.fits(x, kernel)
    assert not winograd.fits(x[:, :6], kernel)
    assert not winograd.fits(x, kernel[..., :12])
    assert not winograd.fits(x, jnp.zeros((5, 5, 4, 16)))
    with as_defined():
        assert not winograd.fits(x, kernel)
    assert winograd.fits(x, kernel)
