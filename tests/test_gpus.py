"""Which GPUs there are, and how many workers share one; no test needs one."""

from pathlib import Path

import pytest

from bench import gpus, worker


def test_a_worker_of_a_gpu_sees_that_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    assert worker.count("gpu") == 2
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
    monkeypatch.setattr(gpus, "memories", lambda: [2**20 * one for one in megabytes])
    for module in (gpus, worker):
        monkeypatch.setattr(module, "cores", lambda: list(range(cores)))
    assert worker.count("gpu", programs) == count
    assert worker.busy("gpu", count) == busy
    assert worker.count("cpu", programs) == worker.busy("cpu", cores) == cores


def test_the_drivers_tool_tells_the_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.memories() == [], "there is no such tool"
    tool = tmp_path / "nvidia-smi"
    for says, found in (("echo 81559; echo 24564", [81559 * 2**20, 24564 * 2**20]), ("echo N/A", []), ("exit 9", [])):
        tool.write_text(f"#!/bin/sh\n{says}\n")
        tool.chmod(0o700)
        assert gpus.memories() == found


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
def test_a_users_own_share_of_a_gpus_memory_is_kept(monkeypatch: pytest.MonkeyPatch, own: str | None) -> None:
    for name in gpus.MEMORY_SHARES:
        monkeypatch.delenv(name, raising=False)
    if own:
        monkeypatch.setenv(own, "0.5")
    assert worker.environment("gpu", 0).get("XLA_CLIENT_MEM_FRACTION") == (None if own else "0.9")
