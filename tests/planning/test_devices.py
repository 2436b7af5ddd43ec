"""Which device a run is on, and how many workers may be asked for."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.errors import InputError, ResourceError
from bench.planning import devices


@pytest.mark.parametrize(("visible", "device"), [(None, "gpu"), ("1", "gpu"), ("", "cpu"), ("-1", "cpu")])
def test_auto_is_the_cpu_where_every_gpu_is_hidden(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, device: str
) -> None:
    monkeypatch.setattr(devices, "find_spec", lambda _: "a plug-in")
    monkeypatch.setattr(Path, "exists", lambda _: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("JAX_PLATFORMS")
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.pick("auto") == device
    assert devices.pick("gpu") == "gpu", "what is asked for is not exchanged for another"


@pytest.mark.parametrize(("platforms", "device"), [("", "gpu"), ("cuda,cpu", "gpu"), ("gpu", "gpu"), ("cpu", "cpu")])
def test_auto_is_what_jax_was_told(monkeypatch: pytest.MonkeyPatch, platforms: str, device: str) -> None:
    monkeypatch.setattr(devices, "find_spec", lambda _: "a plug-in")
    monkeypatch.setattr(Path, "exists", lambda _: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("JAX_PLATFORMS", platforms)
    assert devices.pick("auto") == device


@pytest.mark.parametrize("name", ["smoke", "throughput_quick"])
@pytest.mark.parametrize("workers", [-1, 0, 5000, 1.5, "2", True])
def test_a_number_of_workers_that_cannot_be_is_refused(tmp_path: Path, name: str, workers: object) -> None:
    with pytest.raises(InputError, match=f"--workers: got {workers!r}; expected a whole number from 1 to 4096"):
        bench.run(name, out=tmp_path / "run", workers=workers)
    assert not (tmp_path / "run").exists()


def test_several_devices_are_named_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.picked("cpu,gpu") == ["cpu", "gpu"]
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    with pytest.raises(InputError, match="--device: got 'cpu,auto'; expected each device once"):
        devices.picked("cpu,auto")


def told(result: Any) -> "Future[Any]":
    """An answer that is there, or what was raised in its place."""
    future: Future[Any] = Future()
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
    return future


@pytest.mark.parametrize(
    ("answer", "got"),
    [({"device": "cpu"}, "cpu"), (AssertionError(), "none"), (RuntimeError("no driver\nmore"), "no driver")],
)
def test_a_gpu_that_is_not_there_is_told_in_a_line(answer: Any, got: str) -> None:
    with pytest.raises(ResourceError, match=f"--device gpu: got {got}; expected a GPU that jax can use") as caught:
        devices.described("gpu", told(answer))
    assert caught.value.exit_code == 4
    here = {"device": "gpu", "device_kind": "H100"}
    assert devices.described("gpu", told(here)) == here
