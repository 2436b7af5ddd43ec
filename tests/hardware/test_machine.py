"""The machine as a run records it."""

import json
import subprocess
from pathlib import Path

import psutil
import pytest

from bench.hardware import machine


def test_it_describes_host_and_software_as_plain_values() -> None:
    found = json.loads(json.dumps(machine.describe()))
    assert found["memory_bytes"] == psutil.virtual_memory().total
    assert found["cores"] >= 1 and found["processor"]
    assert {"jax", "jaxlib", "flax", "optax", "numpy", "scikit-learn"} <= found["packages"].keys()


AMD = "cpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\nstepping\t: 1\nflags\t\t: fpu avx avx2{}\n"
NUMBERS = "family 25 model 17 stepping 1"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (AMD.format(" avx512f"), {"processor_model": NUMBERS, "vectors": "AVX-512"}),
        (AMD.format("") + "\n" + AMD.format(" avx512f"), {"processor_model": NUMBERS, "vectors": "AVX2"}),
        ("Features : fp asimd\nCPU part : 0xd0c\n", {"processor_model": "part 0xd0c", "vectors": "NEON"}),
        ("", {}),
    ],
)  # fmt: skip
def test_a_processor_is_told_by_its_numbers_and_its_vectors(tmp_path: Path, text: str, told: dict[str, str]) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert machine.processor_details(tmp_path / "cpuinfo") == told
    assert machine.processor_details(tmp_path / "none") == {}
    assert machine.describe().items() >= machine.processor_details().items()


def test_the_commit_is_told_of_a_checkout_and_where_its_code_was_edited(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=n", "-c", "user.email=e@x.org")
        return subprocess.run(["git", "-C", tmp_path, *identity, *arguments], capture_output=True, text=True).stdout

    (tmp_path / "bench").mkdir()
    for name in ("bench/a.py", "notes.md"):
        (tmp_path / name).write_text("1")
    assert machine.commit(tmp_path) == ""
    git("init")
    assert machine.commit(tmp_path) == "", "nothing was committed yet"
    git("add", ".")
    git("commit", "-m", "one")
    head = git("rev-parse", "HEAD").strip()
    (tmp_path / "notes.md").write_text("2")
    (tmp_path / "bench/new.py").write_text("2")
    assert len(head) == 40 and machine.commit(tmp_path) == head
    assert machine.commit(tmp_path / "bench") == "", "a package within somebody else's repository"
    (tmp_path / "bench/a.py").write_text("2")
    assert machine.commit(tmp_path) == f"{head}+changes"


def test_a_machine_without_git_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.commit(tmp_path) == ""
    monkeypatch.setattr(machine, "commit", lambda: "")
    assert "commit" not in machine.describe()


def test_caches_are_read_from_the_system(tmp_path: Path) -> None:
    for index, values in enumerate((("1", "Data", "32K"), ("2", "Unified", "1024K"))):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        for name, value in zip(("level", "type", "size"), values, strict=True):
            (folder / name).write_text(value + "\n")
    assert machine.caches(tmp_path) == {"L1 Data": "32K", "L2 Unified": "1024K"}
    assert machine.caches(tmp_path / "none") == {}
