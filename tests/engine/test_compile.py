"""Compile options that a jaxlib does not know are dropped; the cache says whether it had a program."""

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from bench.engine import compile as compiling


@pytest.fixture
def compile_cache(tmp_path: Path) -> None:
    from jax.experimental.compilation_cache import compilation_cache

    names = (
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    before = {name: jax.config.values[name] for name in names}
    for name, value in zip(names, (str(tmp_path), 0, -1), strict=True):
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def lowered() -> object:
    return jax.jit(lambda x: (x @ x.T).sum() * 3).lower(jnp.ones((5, 7)))


def test_an_unknown_option_is_dropped_and_the_rest_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        compiling.OPTIONS, "cpu", {"xla_no_such_option": 1, "xla_backend_optimization_level": 1, "xla_nor_this": True}
    )
    assert float(compiling.compile_lowered(lowered()).call(jnp.ones((5, 7)))) == 5 * 5 * 7 * 3
    assert "xla_no_such_option" in compiling.OPTIONS["cpu"]  # the table itself is left alone


def test_a_value_that_names_what_a_jaxlib_does_not_have_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(compiling.OPTIONS, "cpu", {"xla_gpu_enable_command_buffer": "FUSION,NO_SUCH_COMMAND"})
    assert float(compiling.compile_lowered(lowered()).call(jnp.ones((5, 7)))) == 5 * 5 * 7 * 3


def test_this_jaxlib_knows_every_option_of_a_gpu() -> None:
    lowered().compile(compiler_options=compiling.OPTIONS["gpu"])  # raises where it does not


def test_a_wrong_value_of_a_known_option_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(compiling.OPTIONS, "cpu", {"xla_backend_optimization_level": "very"})
    with pytest.raises(jax.errors.JaxRuntimeError, match="very"):
        compiling.compile_lowered(lowered())


@pytest.mark.usefixtures("compile_cache")
def test_the_cache_misses_once_and_then_hits() -> None:
    first, second = (compiling.compile_lowered(lowered()) for _ in range(2))
    assert (first.cache, second.cache) == ("miss", "hit")
    assert first.compile_s > 0 and first.memory_bytes >= 5 * 7 * 4


def test_what_a_barrier_holds_is_computed_once() -> None:
    def twice(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        held = jax.lax.optimization_barrier(x * x + 1)
        return held * 2, jnp.sin(held)

    call = compiling.compile_lowered(jax.jit(twice).lower(jnp.ones(8))).call
    assert "opt-barrier" in call.as_text()  # else its operands would be fused into both uses
    assert [float(y[0]) for y in call(jnp.full(8, 2.0))] == pytest.approx([10.0, float(jnp.sin(5.0))])
