"""What `bench info --measure` measures."""

import jax
import pytest

from bench.engine import kernels, measuring


def test_rates_are_those_of_a_computer() -> None:
    for dtype in measuring.GEMM_TYPES:
        assert 1e6 < kernels.gemm_rate(128, dtype, seconds=0.02) < 1e16
    small, large = kernels.gemm_rate(8, seconds=0.02), kernels.gemm_rate(512, seconds=0.05)
    assert small < large  # a product of 8 is all overhead
    assert 1e7 < kernels.triad_bandwidth(2**20, seconds=0.02) < 1e14


def test_a_step_of_a_scan_costs_less_than_a_call() -> None:
    assert 0 < measuring.scan_step(1000) < measuring.dispatch() < 0.1


def test_ceilings_are_of_the_sizes_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "gemm_rate", lambda n, seconds: n)
    monkeypatch.setattr(kernels, "triad_bandwidth", lambda size, seconds: size)
    assert kernels.ceilings() == {"gemm_flops_per_s": 1024, "triad_bytes_per_s": 2**26}
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    assert kernels.ceilings() == {"gemm_flops_per_s": 8192, "triad_bytes_per_s": 2**30}


def test_every_size_and_type_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "gemm_rate", lambda n, dtype: (n, dtype))
    monkeypatch.setattr(kernels, "triad_bandwidth", lambda size: 2.0 * size)
    found = measuring.one_worker()
    assert found["gemm_flops_per_s"]["bfloat16"]["1024"] == (1024, "bfloat16")
    assert found["triad_bytes_per_s"]["16384"] == 32768
    assert found["ceilings_of"] == {"gemm_sizes": [512, 1024], "triad_bytes": [2**26]}
    assert found["devices"] == [str(device) for device in jax.devices()]
