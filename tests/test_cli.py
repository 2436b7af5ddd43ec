"""The command line: what it prints, how it refuses, with which exit code, and that it then has written nothing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bench import __version__
from bench.cli import app
from bench.locate import suite_files
from bench.suite import read

SUITE = """
name = "small"
tasks = ["wine_mlp"]
activations = ["relu"]
optimizers = ["sgd"]
steps = 4
batch_size = 8
eval_every = 2
learning_rates = { low = 0.1, high = 0.1, num = 1 }
seeds = { tune = 1, evaluate = 1 }
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test runs in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(code: int, *arguments: object) -> list[str]:
    """The lines of standard error of a command that must end with this exit code, in words alone."""
    before = sorted(Path().rglob("*"))
    result = bench(*arguments)
    assert result.exit_code == code, result.output
    assert not result.stdout and "Traceback" not in result.stderr
    assert sorted(Path().rglob("*")) == before, "nothing is written"
    return result.stderr.splitlines()


def test_help_and_version() -> None:
    assert bench("--version").stdout == f"bench {__version__}\n"
    for arguments in (["--help"], ["-h"], ["run", "--help"]):
        result = bench(*arguments)
        assert result.exit_code == 0 and "Usage" in result.stdout


def test_python_m_bench() -> None:
    done = subprocess.run([sys.executable, "-m", "bench", "plan", "smoke"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("smoke: Two activations by two optimizers")
    done = subprocess.run([sys.executable, "-m", "bench", "plan", "smok"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith("error: smok: got no such file;")


@pytest.mark.parametrize(
    "arguments",
    [["fly"], ["plan"], ["plan", "quick", "--fast"], ["list", "birds"], ["run", "smoke", "--device", "tpu"],
     ["run", "smoke", "--workers", "0"], ["run", "smoke", "--workers", "many"], ["report"], ["verify"]],
    ids=" ".join,
)  # fmt: skip
def test_unknown_verbs_and_options(arguments: list[str]) -> None:
    first, *_ = refused(2, *arguments)
    assert first.startswith(("Usage: bench", "error: "))


def test_choices_are_told_like_all_else() -> None:
    assert refused(2, "list", "birds") == [
        "error: KIND: got 'birds'; expected one of tasks, activations, optimizers, suites"
    ]
    assert "expected one of auto, cpu, gpu" in refused(2, "run", "smoke", "--device", "tpu")[0]
    assert "expected a whole number from 1 to" in refused(2, "run", "smoke", "--workers", "0")[0]


@pytest.mark.parametrize("kind", ["tasks", "activations", "optimizers", "suites"])
def test_list(kind: str) -> None:
    found = json.loads(bench("list", kind, "--json").stdout)[kind]
    assert found and all(found.values())
    lines = bench("list", kind).stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(found)
    assert json.loads(bench("list", "--json").stdout)[kind] == found
    if kind == "suites":
        assert set(found) == {file.stem for file in suite_files()}


def test_plan_says_what_quick_is() -> None:
    facts = json.loads(bench("plan", "quick", "--json").stdout)
    expected = {"tasks": 1, "cells": 42, "lanes": 630, "programs": 3, "lane_steps": 315_000}
    assert facts.items() >= expected.items()
    assert facts["estimated_s"] > 0 and "GFLOP/s" in facts["assumed"]
    text = bench("plan", "quick").stdout
    assert text.startswith(f"quick: {read('quick').description}\n") and "315,000" in text


def test_plan_for_a_gpu_needs_none() -> None:
    assert json.loads(bench("plan", "quick", "--device", "gpu", "--json").stdout)["lanes"] == 630


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_all_that_is_wrong_with_a_suite_is_told(verb: str, folder: Path) -> None:
    text = (
        SUITE.replace('"relu"', '"rellu"').replace("eval_every = 2", "eval_every = 5").replace("0.1, high", "nan, high")
    )
    Path("a.toml").write_text(text + "\nepochs = 3\n", "utf-8")
    lines = refused(2, verb, "a.toml")
    assert [line[: line.index(": got")] for line in lines] == [
        "error: a.toml: activations[0]", "error: a.toml: eval_every", "error: a.toml: learning_rates.low",
        "error: a.toml: epochs",
    ]  # fmt: skip
    assert "perhaps relu" in lines[0] and "at most 4" in lines[1] and "got nan" in lines[2]


def test_files_that_are_no_suite(folder: Path) -> None:
    Path("latin.toml").write_bytes(b"# caf\xe9")
    Path("bad.toml").write_text("name = ", "utf-8")
    assert refused(2, "run", "quik") == [
        "error: quik: got no such file; expected a suite file or a suite's name, perhaps quick"
    ]
    assert refused(2, "run", folder) == [f"error: {folder}: got a directory; expected a suite file (TOML)"]
    assert "got bytes that are not UTF-8 at 5" in refused(2, "run", "latin.toml")[0]
    assert "got text that is not TOML (" in refused(2, "run", "bad.toml")[0]
    assert refused(2, "run")[0] == "error: SUITE: got nothing; expected a suite file or a suite's name"


def test_a_billion_lanes(folder: Path) -> None:
    text = SUITE.replace("tune = 1", "tune = 100_000").replace(
        "low = 0.1, high = 0.1, num = 1", "low = 0.1, high = 1, num = 999"
    )
    Path("a.toml").write_text(text, "utf-8")
    for verb in ("plan", "run"):
        error, hint = refused(2, verb, "a.toml")
        assert error == "error: suite small: got 99,900,001 lanes; expected at most 1,000,000"
        assert hint == "hint: fewer learning rates or seeds, or several suites"


def test_a_directory_without_a_run(folder: Path) -> None:
    for arguments in (["report", "nowhere"], ["verify", "nowhere"], ["verify", "."], ["run", "--resume", "nowhere"]):
        lines = refused(2, *arguments)
        assert lines[0].startswith("error: ") and "expected a run's directory" in lines[0]
    Path("file").write_text("", "utf-8")
    assert "expected a run's directory" in refused(2, "verify", "file")[0]
    assert len(refused(2, "report", "nowhere", "--out", "here")) <= 2


def test_an_out_that_holds_something_else(folder: Path) -> None:
    Path("a.toml").write_text(SUITE, "utf-8")
    Path("full").mkdir()
    Path("full/notes.txt").write_text("mine", "utf-8")
    expected = ["error: --out full: got something else's files; expected a new or empty directory"]
    assert refused(2, "run", "a.toml", "--out", "full") == expected
    assert refused(2, "run", "a.toml", "--out", "full/notes.txt")[0].startswith("error: --out full/notes.txt: got")


def test_a_gpu_that_is_not_there(folder: Path) -> None:
    if any(Path("/dev").glob("nvidia*")):
        pytest.skip("there is one")
    Path("a.toml").write_text(SUITE, "utf-8")
    error, hint = refused(4, "run", "a.toml", "--device", "gpu")
    assert error.startswith("error: --device gpu: got ") and error.endswith("; expected a GPU that jax can use")
    assert hint == "hint: install jax with its CUDA plug-in, or --device cpu"


def test_a_folder_that_cannot_be_written(folder: Path) -> None:
    Path("a.toml").write_text(SUITE, "utf-8")
    Path("file").write_text("", "utf-8")
    result = bench("run", "a.toml", "--out", "file/below")
    assert result.exit_code in {2, 4} and result.stderr.startswith("error: ") and "Traceback" not in result.stderr


def test_a_run_and_what_follows(folder: Path, smoke_run: Path) -> None:
    Path("a.toml").write_text(SUITE, "utf-8")
    shutil.copytree(smoke_run, "run")
    result = bench("verify", "run")
    assert result.exit_code == 0 and "every byte as it was written" in result.stdout
    other, hint = refused(2, "run", "a.toml", "--out", "run")
    assert other == "error: --out run: got a run of the suite smoke; expected a new directory"
    assert hint == "hint: give another --out"
    assert refused(2, "run", "smoke", "--out", "run")[1] == "hint: bench run --resume run goes on with it"
    assert refused(2, "run", "a.toml", "--resume", "run")[0].startswith(
        "error: --resume run: got a run of another suite"
    )
    result = bench("report", "run", "--out", "page")
    assert result.exit_code == 0 and Path("page/index.html").exists() and "wine_mlp: " in result.stdout


@pytest.mark.parametrize("damage", ["manifest", "schema", "shard", "journal", "missing"])
def test_a_damaged_run(damage: str, folder: Path, smoke_run: Path) -> None:
    shutil.copytree(smoke_run, "run")
    shard = next(Path("run/shards").iterdir())
    manifest = Path("run/manifest.json")
    if damage == "manifest":
        manifest.write_bytes(manifest.read_bytes()[:-50])
    elif damage == "schema":
        content: dict[str, Any] = json.loads(manifest.read_bytes())
        manifest.write_text(json.dumps({**content, "schema": 999}), "utf-8")
    elif damage == "shard":
        content_ = bytearray(shard.read_bytes())
        content_[len(content_) // 2] ^= 1
        shard.write_bytes(content_)
    elif damage == "journal":
        journal = next(Path("run").glob("journal*"))
        journal.write_bytes(b"x" + journal.read_bytes())
    else:
        shard.unlink()
    for arguments in (["verify", "run"], ["report", "run", "--out", "page"]):
        lines = refused(3, *arguments)
        assert lines[0].startswith("error: run") and ": got " in lines[0] and "; expected " in lines[0]


def test_a_reader_that_has_gone_is_no_error() -> None:
    command = f"{sys.executable} -m bench list | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, env={**os.environ})
    assert "Traceback" not in done.stderr and done.stdout.strip() == "tasks"
