"""The command line: what it prints, what it refuses, and with which exit code."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from bench import __version__
from bench.activations import ACTIVATIONS
from bench.cli import KINDS, _flat, app
from bench.errors import DataError, InputError, Interrupted, LockedError, ResourceError
from bench.findings import summary
from bench.optimizers import OPTIMIZERS
from bench.pages import report as reporting
from bench.planning.locate import suite_files, suite_folder
from bench.running import launch
from bench.storage import store
from bench.tasks import TASKS

CONVERGENCE = [file for file in suite_files() if "kind" not in tomllib.loads(file.read_text("utf-8"))]
PYTHON_M_BENCH = (sys.executable, "-m", "bench")
VERBS = ("list", "plan", "run", "report", "compare", "verify", "train", "predict", "validate", "info", "data")
BAD_SUITE = 'name = "bad"\ntasks = ["wine"]\nsteps = 0'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands run in an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def stored(smoke_run: Path, here: Path) -> Path:
    """A copy of a finished run, to be damaged."""
    return Path(shutil.copytree(smoke_run, here / "stored"))


def bench(*arguments: object) -> Any:
    """The result of a command; a bug would be an exception here."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def refused(code: int, *arguments: object) -> list[str]:
    """What is said of a command that must end with this exit code, write nothing here and print nothing else."""
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    result = bench(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before
    lines: list[str] = result.stderr.splitlines()
    assert all(line.startswith(("error: ", "hint: ")) for line in lines)
    return lines


class TestList:
    def test_shows_all_there_is(self) -> None:
        shown = bench("list").stdout
        for name in (*KINDS, *TASKS, *ACTIVATIONS, *OPTIMIZERS, *(file.stem for file in suite_files())):
            assert f"{name}" in shown

    @pytest.mark.parametrize("kind", KINDS)
    def test_of_one_kind_is_a_line_each(self, kind: str) -> None:
        found = json.loads(bench("list", kind, "--json").stdout)
        assert list(found) == [kind]
        lines = bench("list", kind).stdout.splitlines()
        assert [line.split()[0] for line in lines] == list(found[kind])
        assert all(summary for summary in found[kind].values())
        assert all(line.endswith(summary) for line, summary in zip(lines, found[kind].values(), strict=True))

    def test_json_of_all(self) -> None:
        found = json.loads(bench("list", "--json").stdout)
        assert list(found) == list(KINDS)
        assert list(found["optimizers"]) == list(OPTIMIZERS)

    def test_a_broken_suite_is_listed_as_such(self, monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
        (here / "broken.toml").write_text("= =")
        monkeypatch.setattr("bench.planning.locate.suite_folder", lambda: here)
        assert bench("list", "suites").stdout == "broken  (not a TOML file)\n"

    def test_an_unknown_kind(self) -> None:
        expected = "error: KIND: got 'suite'; expected one of tasks, activations, optimizers, suites"
        assert refused(2, "list", "suite") == [expected]


class TestPlan:
    def test_quick_as_json(self) -> None:
        facts = json.loads(bench("plan", "quick", "--json").stdout)
        assert facts["estimated_s"] > 0
        assert {key: facts[key] for key in list(facts)[:7]} == {
            "tasks": 1,
            "cells": 42,
            "lanes": 630,
            "programs": 3,
            "lane_steps": 315_000,
            "chunk_width": 5,
            "training_flops": 315_000 * 64 * 138_752,
        }

    def test_says_the_same_to_a_person(self) -> None:
        shown = bench("plan", "quick").stdout
        assert shown.startswith("quick: Seven activations by six optimizers on handwritten digits\n")
        assert "  lane steps           315,000\n" in shown

    def test_for_a_gpu(self) -> None:
        facts = json.loads(bench("plan", "quick", "--device", "gpu", "--json").stdout)
        assert facts["lanes"] == 630
        assert facts["chunk_width"] > 5

    @pytest.mark.parametrize("file", CONVERGENCE, ids=lambda file: file.stem)
    def test_every_suite(self, file: Path) -> None:
        assert json.loads(bench("plan", file, "--json").stdout)["lanes"] > 0

    def test_a_device_that_cannot_be_planned_for(self) -> None:
        assert refused(2, "plan", "quick", "--device", "tpu") == [
            "error: --device: got 'tpu'; expected one of auto, cpu, gpu"
        ]
        assert refused(2, "plan", "quick", "--device", "cpu,gpu") == [
            "error: --device: got 'cpu,gpu'; expected one device: only a throughput suite is for several"
        ]

    def test_too_many_lanes(self, here: Path) -> None:
        text = next(file for file in suite_files() if file.stem == "smoke").read_text()
        (here / "large.toml").write_text(text.replace("tune = 2", "tune = 100_000").replace("num = 3", "num = 900"))
        assert refused(2, "plan", "large.toml") == [
            "error: suite smoke: got 360,000,012 lanes; expected at most 1,000,000",
            "hint: fewer learning rates or seeds, or several suites",
        ]


class TestBadSuite:
    """`run` and `plan` refuse the same, before anything is written."""

    @pytest.fixture(params=["plan", "run"])
    def verb(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def test_all_that_is_wrong(self, verb: str, here: Path) -> None:
        (here / "bad.toml").write_text(BAD_SUITE)
        assert refused(2, verb, "bad.toml")[:4] == [
            'error: bad.toml: tasks[0]: got "wine"; expected the name of a task, perhaps wine_mlp',
            "error: bad.toml: activations: got nothing; expected this key",
            "error: bad.toml: optimizers: got nothing; expected this key",
            "error: bad.toml: steps: got 0; expected a whole number from 1 to 10,000,000",
        ]

    def test_missing(self, verb: str) -> None:
        assert refused(2, verb, "quik") == [
            "error: quik: got no such file; expected a suite file or a suite's name, perhaps quick"
        ]

    def test_directory(self, verb: str) -> None:
        assert refused(2, verb, "..") == ["error: ..: got a directory; expected a suite file (TOML)"]

    def test_not_utf8(self, verb: str, here: Path) -> None:
        (here / "bad.toml").write_bytes(b"\xff\xfe")
        assert refused(2, verb, "bad.toml") == [
            "error: bad.toml: got bytes that are not UTF-8 at 0; expected TOML in UTF-8"
        ]

    def test_not_toml(self, verb: str, here: Path) -> None:
        (here / "bad.toml").write_text("name: bad")
        (line,) = refused(2, verb, "bad.toml")
        assert line.startswith("error: bad.toml: got text that is not TOML (")

    def test_not_readable(self, verb: str, here: Path) -> None:
        (line,) = refused(2, verb, "x" * 5000)
        assert line.endswith("expected a readable suite file")


class TestRun:
    def test_needs_a_suite(self) -> None:
        assert refused(2, "run") == [
            "error: SUITE: got nothing; expected a suite file or a suite's name",
            "hint: bench list suites",
        ]

    @pytest.mark.parametrize("workers", ["0", "'-1'", "'two'", "'1.5'", "5000", "''"])
    def test_a_number_of_workers_that_cannot_be(self, workers: str) -> None:
        assert refused(2, "run", "smoke", f"--workers={workers.strip(chr(39))}") == [
            f"error: --workers: got {workers}; expected a whole number from 1 to 4096"
        ]

    def test_a_device_that_cannot_be(self) -> None:
        assert refused(2, "run", "smoke", "--device", "tpu") == [
            "error: --device: got 'tpu'; expected one of auto, cpu, gpu"
        ]

    def test_a_plan_may_have_other_seeds(self) -> None:
        done = CliRunner().invoke(app, ["plan", "quick", "--evaluate", "10", "--json"])
        assert json.loads(done.stdout)["lanes"] == 420 + 42 * 10

    def test_a_number_of_seeds_that_cannot_be(self, stored: Path) -> None:
        assert refused(2, "run", "smoke", "--evaluate", "0") == [
            "error: --evaluate: got '0'; expected a whole number from 1"
        ]
        assert refused(2, "run", "--resume", "stored", "--evaluate", "2") == [
            "error: --resume stored: got the seeds tune = 2, evaluate = 2; expected those of the run, "
            "tune = 2, evaluate = 3, or more",
            "hint: evaluation seeds can be added: those that it has come first",
        ]
        assert refused(2, "run", "throughput_quick", "--evaluate", "9")[0].startswith(
            "error: --evaluate 9: got a throughput suite; expected one that trains"
        )
        text = (suite_folder() / "smoke.toml").read_text("utf-8")
        Path("listed.toml").write_text(text.replace("evaluate = 3", "evaluate = [7, 8]"), "utf-8")
        assert refused(2, "run", "listed.toml", "--evaluate", "9") == [
            "error: --evaluate 9: got a suite that names its evaluation seeds; expected a number of them",
            "hint: name more of them in its file; bench run FILE --resume RUN then adds them",
        ]

    def test_goes_on_where_it_was_or_somewhere_new(self) -> None:
        assert refused(2, "run", "--resume", "old", "--out", "new") == [
            "error: --out new: got a second directory beside --resume old; expected one of the two"
        ]

    def test_does_not_write_over_another_run(self, stored: Path) -> None:
        (line, hint) = refused(2, "run", "quick", "--out", "stored")
        assert line == "error: --out stored: got a run of the suite smoke; expected a new directory"
        assert hint == "hint: give another --out"
        assert refused(2, "run", "smoke", "--out", "stored")[1] == "hint: bench run --resume stored goes on with it"

    def test_does_not_write_among_other_files(self, here: Path) -> None:
        (here / "mine").mkdir()
        (here / "mine" / "thesis.txt").write_text("precious")
        (line,) = refused(2, "run", "smoke", "--out", "mine")
        assert line == "error: --out mine: got something else's files; expected a new or empty directory"
        assert refused(2, "run", "smoke", "--out", "mine/thesis.txt")
        (line,) = refused(4, "run", "smoke", "--out", "mine/thesis.txt/below")
        assert line == "error: mine/thesis.txt/below/shards: got Not a directory; expected to read or write it"

    def test_goes_on_only_with_a_run(self, here: Path, stored: Path) -> None:
        assert refused(2, "run", "--resume", "nowhere")[0].startswith("error: nowhere: got no manifest.json")
        (line, hint) = refused(2, "run", "quick", "--resume", "stored")
        assert line.startswith("error: --resume stored: got a run of another suite or budget (smoke)")
        assert hint == "hint: leave SUITE out to go on with what was planned"
        assert refused(2, "run", "--resume", "stored", "--device", "gpu") == [
            "error: --device: got 'gpu'; expected cpu, on which stored has begun"
        ]

    @pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is a GPU")
    def test_a_gpu_that_is_not_there(self) -> None:
        (line, hint) = refused(4, "run", "smoke", "--device", "gpu")
        assert line.startswith("error: --device gpu: got ")
        assert line.endswith("; expected a GPU that jax can use")
        assert hint == "hint: install jax with its CUDA plug-in, or --device cpu"

    @pytest.mark.usefixtures("told")
    def test_passes_its_options_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        passed: list[Any] = []
        monkeypatch.setattr(launch, "run", lambda *given, **more: passed.append((given, more)) or finished())
        result = bench("run", "smoke", "--out", "there", "--device", "cpu", "--workers", "3")
        assert result.exit_code == 0
        assert result.stdout == "results: there\nrelu + adam leads\n"
        ((given, more),) = passed
        assert given[0].name == "smoke"
        assert given[1:] == (Path("there"), "cpu", 3, None)
        assert more["command"].split()[0] == "bench"
        assert (more["dask"], more["for_report"]) == (None, False)

    @pytest.mark.usefixtures("told")
    def test_writes_a_report_where_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(launch, "run", lambda *_, **__: finished())
        monkeypatch.setattr(reporting, "report", lambda runs, out, **more: out / "index.html")
        shown = bench("run", "smoke", "--report").stdout.splitlines()
        assert shown == ["results: there", "relu + adam leads", f"report:  {Path('reports/there/index.html')}"]

    @pytest.mark.parametrize("option", ["--out", "--resume"])
    def test_a_folder_that_is_no_report_s_is_told_before_anything_is_trained(
        self, option: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(launch, "run", lambda *_, **__: pytest.fail("it was run"))
        (tmp_path / "reports/there").mkdir(parents=True)
        (tmp_path / "reports/there/notes.txt").write_text("mine")
        suite = ["smoke"] if option == "--out" else []
        (line,) = refused(2, "run", *suite, option, "results/there", "--report")
        assert line.startswith("error: reports/there: got somebody else's files; expected an empty folder")

    @pytest.mark.usefixtures("told")
    def test_failed_lanes_are_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(launch, "run", lambda *_, **__: finished("ok", "failed", "diverged"))
        result = bench("run", "smoke")
        assert result.exit_code == 5
        assert result.stderr.splitlines() == [
            "error: there: got 1 failed lane; expected none; TypeError: no",
            "hint: bench run --resume there tries them again",
        ]

    @pytest.mark.parametrize(
        ("error", "code", "told"),
        [
            (InputError(["a: got b; expected c", "d: got e; expected f"], "do g"), 2, "error: a: got b; expected c\n"),
            (DataError("a: got b; expected c"), 3, "error: a: got b; expected c\n"),
            (ResourceError("a: got b; expected c"), 4, "error: a: got b; expected c\n"),
            (LockedError("a: got b; expected c"), 6, "error: a: got b; expected c\n"),
            (Interrupted("a: got b; expected c", exit_code=143), 143, "error: a: got b; expected c\n"),
            (KeyboardInterrupt(), 130, ""),
            (PermissionError(13, "Permission denied", "/x"), 4, "error: /x: got Permission denied; expected to "),
            (OSError(28, "No space left on device"), 4, "error: file system: got No space left on device"),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
    )
    def test_what_goes_wrong_has_its_exit_code(
        self, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, told: str
    ) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr(launch, "run", fail)
        result = bench("run", "smoke")
        assert result.exit_code == code
        assert result.stderr.startswith(told)
        assert ("\nhint: do g\n" in result.stderr) == (code == 2)

    def test_a_bug_is_not_hidden(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(launch, "run", fail)
        assert isinstance(CliRunner().invoke(app, ["run", "smoke"]).exception, ZeroDivisionError)


def emptied(run: Path, copy: Path) -> None:
    """A copy of a run as an interruption before the first shard would have left it."""
    shutil.copytree(run, copy)
    with store.Store(copy) as held:
        for file in (copy / store.JOURNAL, *(copy / name for name in store.TABLES)):
            file.unlink()
        held.recover()
        held.write_manifest({**store.read_manifest(copy), "status": "interrupted", "files": {}})


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict on any run."""
    monkeypatch.setattr(summary, "verdicts", lambda runs, **more: ["relu + adam leads"])


def finished(*status: str) -> Any:
    """What a run of lanes that ended like this returns."""
    count = status.count("failed")
    failures = pd.DataFrame({"error": ["TypeError: no\n..."] * count})
    lost = f"{count} failed lane" if count else ""
    return SimpleNamespace(
        path=Path("there"), name="there", kind="convergence", manifest={}, failures=failures, lost=lost
    )


class TestStored:
    """`verify` and `report` of what was stored, and of what has been damaged since."""

    def test_whole(self, stored: Path) -> None:
        result = bench("verify", "stored")
        assert (result.exit_code, result.stdout) == (0, "stored: 36 lanes, every byte as it was written\n")

    def test_a_report_of_it(self, stored: Path, here: Path) -> None:
        result = bench("report", "stored", "--out", "page")
        assert result.exit_code == 0
        verdict, page = result.stdout.splitlines()
        assert verdict.startswith("wine_mlp: ")
        assert page == f"report:  {Path('page/index.html')}"
        assert (here / "page" / "index.html").exists()

    def test_a_report_that_holds_cells_against_a_reference(self, stored: Path, here: Path) -> None:
        shown = bench("report", "stored", "--reference", "relu", "--out", "against").stdout
        assert "wine_mlp: Against relu, each over 2 optimizers: " in shown
        assert (here / "against" / "tables" / "against.csv").exists()
        assert refused(2, "report", "stored", "--reference", "rellu")[0].startswith(
            "error: --reference: got 'rellu'; expected an activation, an optimizer or a cell of stored, perhaps relu"
        )

    @pytest.mark.parametrize("verb", ["verify", "report"])
    def test_no_run(self, verb: str, here: Path) -> None:
        (here / "empty").mkdir()
        (here / "file").touch()
        for path in ("nowhere", "empty", "file"):
            assert refused(2, verb, path) == [
                f"error: {path}: got no manifest.json; expected a run's directory",
                "hint: bench run writes one",
            ]

    @pytest.mark.parametrize("verb", ["verify", "report"])
    def test_a_shard_with_a_wrong_byte(self, verb: str, stored: Path) -> None:
        shard = sorted((stored / "shards").iterdir())[0]
        content = bytearray(shard.read_bytes())
        content[len(content) // 2] ^= 1
        shard.write_bytes(content)
        line = refused(3, verb, "stored")[0]
        assert line.startswith(f"error: stored/shards/{shard.name}: got bytes that do not match their checksum")

    @pytest.mark.parametrize("verb", ["verify", "report"])
    def test_a_shard_that_is_gone(self, verb: str, stored: Path) -> None:
        shard = sorted((stored / "shards").iterdir())[0]
        shard.unlink()
        assert refused(3, verb, "stored")[0].startswith(f"error: stored/shards/{shard.name}: got no file")

    @pytest.mark.parametrize("verb", ["verify", "report"])
    @pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 99}'])
    def test_a_damaged_manifest(self, verb: str, text: str, stored: Path) -> None:
        (stored / store.MANIFEST).write_text(text)
        assert refused(3, verb, "stored")[0].startswith("error: stored/manifest.json: got ")

    @pytest.mark.parametrize("verb", ["verify", "report"])
    def test_a_damaged_journal(self, verb: str, stored: Path) -> None:
        journal = stored / store.JOURNAL
        journal.write_text(journal.read_text().replace("tune", "tuna", 1))
        assert refused(3, verb, "stored")[0] == (
            "error: stored/journal.jsonl:1: got a damaged line; expected a shard's entry"
        )

    def test_a_run_that_never_ended(self, stored: Path) -> None:
        with store.Store(stored) as held:
            held.write_manifest({**store.read_manifest(stored), "status": "running", "files": {}})
        assert refused(3, "verify", "stored")[0] == (
            "error: stored: got a run that has not finished; expected its tables"
        )

    def test_a_journal_that_is_gone(self, stored: Path) -> None:
        (stored / store.JOURNAL).unlink()
        assert refused(3, "report", "stored") == [
            "error: stored/journal.jsonl: got no file; expected it, the manifest names it",
            "hint: bench run --resume stored trains again what is missing or damaged",
        ]

    def test_all_that_is_damaged_is_told(self, stored: Path) -> None:
        (stored / "lanes.csv").write_text("")
        (stored / "convergence.csv").unlink()
        lines = refused(3, "verify", "stored")
        assert len(lines) == 3
        assert lines[-1] == "hint: bench run --resume stored trains again what is missing or damaged"


class TestCompare:
    """`compare` of runs that were stored."""

    def test_a_run_with_itself(self, stored: Path, here: Path) -> None:
        result = bench("compare", "stored", "stored", "--fail-if-worse", "--fail-if-slower", "0%", "--out", "page")
        assert result.exit_code == 0
        assert "has the same scores, seed by seed" in result.stdout
        assert (here / "page" / "index.html").exists()

    def test_as_json(self, stored: Path) -> None:
        found = json.loads(bench("compare", "stored", "stored", "--json").stdout)
        assert all(cell["verdict"] == "level" for cell in found["cells"])

    @pytest.mark.parametrize("share", ["x%", "100%", "-1"])
    def test_no_percentage(self, stored: Path, share: str) -> None:
        (line,) = refused(2, "compare", "stored", "stored", f"--fail-if-slower={share}")
        assert line.startswith(f"error: --fail-if-slower: got '{share}'; expected a percentage")

    def test_no_run(self, stored: Path) -> None:
        assert refused(2, "compare", "stored", "nowhere")[0].startswith("error: nowhere: got no manifest.json")

    def test_runs_of_other_data(self, stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            "bench.findings.comparable._differences", lambda *_: iter(["stored: t: version: got 2; expected 1"])
        )
        assert refused(3, "compare", "stored", "stored")[0] == "error: stored: t: version: got 2; expected 1"

    @pytest.mark.parametrize("option", ["--fail-if-worse", "--fail-if-slower=10%"])
    def test_a_regression_has_its_exit_code(self, stored: Path, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
        found = SimpleNamespace(
            worse=lambda: ["t: relu + sgd"], slower=lambda share: [f"all {1 - share} times as fast"],
            untested=list, untimed=list,
        )  # fmt: skip
        monkeypatch.setattr("bench.findings.compare.compare", lambda *_: found)
        monkeypatch.setattr("bench.pages.comparison.lines", lambda *_: ["table"])
        result = bench("compare", "stored", "stored", option)
        assert (result.exit_code, result.stdout) == (7, "table\n")
        assert result.stderr.startswith("error: stored: got ")

    @pytest.mark.parametrize("option", ["--fail-if-worse", "--fail-if-slower=10%"])
    def test_a_run_without_results_does_not_pass(self, stored: Path, here: Path, option: str) -> None:
        emptied(stored, here / "begun")
        result = bench("compare", "stored", "begun", option)
        assert result.exit_code == 7
        assert len(result.stderr.splitlines()) == 4
        assert result.stderr.startswith("error: begun: got no s")


class TestUsage:
    @pytest.mark.parametrize("arguments", [["fly"], ["plan"], ["plan", "quick", "--fast"], ["--fast"], ["verify"]])
    def test_what_is_no_command_has_exit_code_2(self, arguments: list[str]) -> None:
        result = bench(*arguments)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.startswith("Usage: bench")

    @pytest.mark.parametrize("verb", VERBS)
    def test_every_verb_has_help(self, verb: str) -> None:
        result = bench(verb, "--help")
        assert result.exit_code == 0
        assert result.stdout.startswith(f"Usage: bench {verb} ")
        assert bench(verb, "-h").stdout == result.stdout

    def test_help_names_every_verb_whole(self) -> None:
        shown = bench("--help").stdout
        lines = shown.partition("Commands:\n")[2].splitlines()
        assert [line.split()[0] for line in lines] == list(VERBS)
        assert all(line.endswith(".") and not line.endswith("...") for line in lines)

    def test_version(self) -> None:
        assert bench("--version").stdout == f"bench {__version__}\n"


class TestProcess:
    """In a process of its own, as a shell runs it."""

    def test_python_m_bench(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "bench", "plan", "smoke", "--json"], capture_output=True, check=True
        )
        assert json.loads(done.stdout)["lanes"] == 36

    def test_a_mistake_has_its_exit_code(self, here: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "bench", "plan", "quik"], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: quik: got no such file")

    @pytest.mark.skipif(os.name != "posix", reason="pipes that break")
    def test_a_reader_that_leaves_is_no_error(self) -> None:
        with subprocess.Popen([*PYTHON_M_BENCH, "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout and process.stderr
            process.stdout.close()
            assert (process.stderr.read(), process.wait()) == (b"", 0)

    @pytest.mark.skipif(os.name != "posix", reason="pipes that break")
    @pytest.mark.parametrize(
        ("arguments", "code", "written"),
        [
            ("train wine_mlp --steps 20 --eval-every 1 --batch-size 32 --out model", 0, "model/model.json"),
            ("report stored --out page", 0, "page/index.html"),
            ("compare stored stored --out page", 0, "page/index.html"),
            ("compare stored begun --fail-if-worse", 7, ""),
            ("verify begun", 3, ""),
        ],
    )
    def test_a_reader_that_leaves_does_not_end_the_work(
        self, stored: Path, here: Path, arguments: str, code: int, written: str
    ) -> None:
        emptied(stored, here / "begun")
        command = [*PYTHON_M_BENCH, *arguments.split()]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            assert process.stdout
            process.stdout.close()
            assert process.wait() == code
        assert (here / written).exists()


def test_sizes_that_were_measured_have_units() -> None:
    rates = {"gemm_flops_per_s": {"float32": {"64": 1e9}}, "triad_bytes_per_s": {"16384": 2e9, "67108864": 1e9}}
    shared = {"workers": 2, "gemm_sizes": [512, 1024], "triad_bytes": [2**26], "triad_bytes_per_s": 3e9}
    assert dict(_flat({"one_worker": rates, "all_workers": shared, "cores": 2})) == {
        "one_worker.gemm_flops_per_s.float32": "64 x 64 1e+09",
        "one_worker.triad_bytes_per_s": "16 KiB 2e+09, 64 MiB 1e+09",
        "all_workers.workers": 2,
        "all_workers.gemm_sizes": "512 x 512, 1024 x 1024",
        "all_workers.triad_bytes": "64 MiB",
        "all_workers.triad_bytes_per_s": 3e9,
        "cores": 2,
    }


@pytest.mark.slow
def test_info_measures_one_worker_and_all_at_once() -> None:
    result = bench("info", "--measure", "--json")
    found = json.loads(result.stdout)  # progress goes to the other stream
    assert "measuring" in result.stderr
    assert found["all_workers"]["workers"] >= 1
    assert found["all_workers"]["triad_bytes"] == [2**26]
    assert min(found["one_worker"]["gemm_flops_per_s"]["float32"].values()) > 1e6
    assert found["one_worker"]["dispatch_s"] > found["one_worker"]["scan_step_s"] > 0


def test_what_a_terminal_has_no_letter_for_does_not_stop_a_verb() -> None:
    command = [sys.executable, "-m", "bench", "validate"]
    found = subprocess.run(
        command, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0 and found.stderr == "" and "0 missed" in found.stdout
