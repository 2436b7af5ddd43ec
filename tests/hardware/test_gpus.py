"""Which GPUs there are, and how many workers share one; no test needs one."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.hardware import gpus, rates
from bench.planning import devices, plan, suite
from bench.running import launch, worker


def test_a_worker_of_a_gpu_sees_that_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    assert devices.worker_count("gpu") == 2
    seen = [worker.environment("gpu", index)["CUDA_VISIBLE_DEVICES"] for index in range(3)]
    assert seen == ["4", "7", "4"]
    assert worker.environment("gpu", 0)["JAX_PLATFORMS"] == "cuda"


@pytest.mark.parametrize(
    ("visible", "megabytes", "cores", "programs", "count", "busy"),
    [
        ("0", [81559], 16, 37, 8, 1),  # eight share it
        ("0", [81559], 16, 3, 3, 1),  # one a program
        ("0,1", [81559] * 2, 16, 37, 16, 2),
        ("0,1", [81559] * 2, 4, 37, 4, 2),  # each needs a core
        ("0,1", [81559] * 2, 16, 1, 2, 2),  # no GPU stays idle
        ("0", [16376], 16, 37, 2, 1),  # each needs memory
        ("0", [4096], 16, 37, 1, 1),
        ("0", [], 16, 37, 1, 1),  # nobody tells how much there is
        ("0", [81559, 4096], 16, 37, 8, 1),  # a small one beside it is not asked
        ("1", [81559, 4096], 16, 37, 1, 1),
    ],
)
def test_workers_of_a_gpu_share_it(
    monkeypatch: pytest.MonkeyPatch,
    visible: str,
    megabytes: list[int],
    cores: int,
    programs: int,
    count: int,
    busy: int,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(gpus, "cards", lambda: [gpus.Card("", "", 2**20 * one) for one in megabytes])
    for module in (gpus, devices):
        monkeypatch.setattr(module, "cores", lambda: list(range(cores)))
    assert devices.worker_count("gpu", programs) == count
    assert devices.busy("gpu", count) == busy
    assert devices.worker_count("cpu", programs) == devices.busy("cpu", cores) == cores


SAYS = "echo NVIDIA H100 80GB HBM3, GPU-d0ca, 81559; echo NVIDIA A10, GPU-77ab, 23028"


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """A tool of the driver that does as it is told; before that there is none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    gpus.cards.cache_clear()

    def told(script: str) -> None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o700)
        gpus.cards.cache_clear()

    yield told
    gpus.cards.cache_clear()


def test_the_drivers_tool_tells_of_each_gpu(says: Callable[[str], None]) -> None:
    assert gpus.cards() == [], "there is no such tool"
    says(SAYS)
    h100 = gpus.Card("NVIDIA H100 80GB HBM3", "GPU-d0ca", 81559 * 2**20)
    assert gpus.cards() == [h100, gpus.Card("NVIDIA A10", "GPU-77ab", 23028 * 2**20)]
    for nothing in ("echo N/A", "echo A10, GPU-1, N/A", "exit 9"):
        says(nothing)
        assert gpus.cards() == []


def test_the_turn_on_a_gpu_is_that_of_its_uuid(says: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0,GPU-77ab,5")
    assert [gpus.named(index) for index in range(5)] == ["1", "0", "GPU-77ab", "5", "1"]
    says(SAYS)
    assert [gpus.named(index) for index in range(5)] == ["GPU-77ab", "GPU-d0ca", "GPU-77ab", "5", "GPU-77ab"]
    assert gpus.turn_file(0) == gpus.turn_file(2) != gpus.turn_file(1)


def test_the_rate_of_one_gpu_is_none_of_anothers(
    says: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    says("echo NVIDIA A10, GPU-77ab, 23028")
    rates.remember("gpu", 1e13)
    assert rates.known("gpu") == 1e13
    says("echo NVIDIA H100, GPU-d0ca, 81559")
    assert rates.known("gpu") is None


def test_workers_of_a_run_share_a_gpu_and_one_trains_at_once(
    says: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(gpus, "cores", lambda: list(range(16)))
    says(SAYS)
    made = plan.make(suite.read("quick"), "gpu")
    pool, _ = launch.local(made, None)
    assert [(one.index, one.sharing) for one in pool] == [(0, 3), (1, 3), (2, 3)], "one a program"
    assert [one.sharing for one in launch.local(made, 1)[0]] == [1]
    monkeypatch.setattr(worker.Worker, "submit", lambda *_, **__: Future())
    monkeypatch.setattr(devices, "described", lambda *_: {"device_kind": "H100"})
    with ExitStack() as stack:
        session = launch.Session(made, None, None, stack)
    assert len(session.pool) == 3 and len(session.busy) == 1


def test_those_that_share_a_gpu_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in gpus.MEMORY_SHARES:
        monkeypatch.delenv(name, raising=False)
    assert worker.environment("gpu", 0, sharing=8)["XLA_CLIENT_MEM_FRACTION"] == "0.113"


def test_without_a_gpu_a_worker_would_look_for_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    assert gpus.visible() == ["0"]


def test_gpus_are_counted_from_0_whatever_their_files_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for files in (["nvidia5"], ["nvidia10", "nvidia2"]):  # as in a container
        monkeypatch.setattr(Path, "glob", lambda *_, files=files: iter(map(Path, files)))
        assert gpus.visible() == ["0", "1"][: len(files)]


@pytest.mark.parametrize("own", [None, "XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION"])
def test_a_users_own_share_of_a_gpus_memory_is_theirs_together(
    monkeypatch: pytest.MonkeyPatch, own: str | None
) -> None:
    for name in gpus.MEMORY_SHARES:
        monkeypatch.delenv(name, raising=False)
    if own:
        monkeypatch.setenv(own, "0.5")
    name = own or "XLA_CLIENT_MEM_FRACTION"
    for sharing, part in ((1, 0.5 if own else 0.9), (2, 0.25 if own else 0.45)):
        found = worker.environment("gpu", 0, sharing)
        assert {key: found[key] for key in gpus.MEMORY_SHARES if key in found} == {name: f"{part}"}
