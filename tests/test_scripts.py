"""Python files of a user's that suites name."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from bench import kinds, scripts
from bench.activations import ACTIVATIONS
from bench.errors import InputError
from bench.network import saved
from bench.pages.commands import commands
from bench.planning import suite

OWN = """
import bench
import jax.numpy as jnp
import optax

bench.register_activation("wavy", lambda x, a=0.5: x + a * jnp.sin(x))
bench.register_optimizer("still", lambda learning_rate, decay=0.5: optax.sgd(learning_rate, decay))
"""
NAMES: dict[str, Any] = {
    "activations": ["relu", {"name": "wavy", "a": 1.0}],
    "optimizers": ["sgd", {"name": "still", "decay": 0.9}],
}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(OWN, "utf-8")
    return tmp_path / "own.py"


@pytest.fixture
def file(own: Path) -> Path:
    """A suite beside its Python file, in a folder of its own."""
    from bench.planning import toml

    described = suite.read("smoke").described() | NAMES | {"name": "mine", "python": ["own.py"]}
    (own.parent / "mine.toml").write_text(toml.text(described), "utf-8")
    return own.parent / "mine.toml"


def parsed(*files: object) -> suite.Suite:
    return suite.parse(suite.read("smoke").described() | NAMES | {"python": [str(file) for file in files]})


class TestRun:
    def test_gives_what_the_file_defines(self, tmp_path: Path) -> None:
        (tmp_path / "some.py").write_text("found = 7", "utf-8")
        assert scripts.run(tmp_path / "some.py", "a file").found == 7

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("1 / 0", "got ZeroDivisionError: division by zero (some.py, line 1); expected a Python"),
            ("open('nowhere.csv')", "nowhere.csv"),
            ("import sys; sys.exit(3)", "expected a Python file that runs"),
            ("def", "expected a Python file that runs"),
            ("import bench; bench.register_activation('relu', abs)", "got 'relu', which is taken"),
        ],
    )
    def test_tells_whatever_the_file_raises(self, text: str, told: str, tmp_path: Path) -> None:
        (tmp_path / "some.py").write_text(text, "utf-8")
        with pytest.raises(InputError) as caught:
            scripts.run(tmp_path / "some.py", "a file")
        (problem,) = caught.value.problems
        assert problem.startswith(f"{tmp_path / 'some.py'}: ") and told in problem and "\n" not in problem

    def test_tells_that_there_is_none_or_that_it_is_no_python(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"some\.py: got no such file; expected a file"):
            scripts.run(tmp_path / "some.py", "a file")
        (tmp_path / "some.txt").write_text("found = 7", "utf-8")
        with pytest.raises(InputError, match=r"some\.txt: got a file that is no Python; expected one .* \.py"):
            scripts.run(tmp_path / "some.txt", "a file")


class TestSuite:
    def test_names_what_its_file_registers(self, own: Path) -> None:
        labels = [entry.resolve().label for entry in (*parsed(own).activations, *parsed(own).optimizers)]
        assert labels == ["relu", "wavy(a=1)", "sgd", "still(decay=0.9)"]

    def test_finds_files_from_where_it_lies_and_keeps_where_they_are(
        self, file: Path, own: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert suite.read(file).described()["python"] == [str(own)]
        monkeypatch.chdir(own.parent)
        assert parsed("own.py") == parsed(own), "from Python: from where it runs"

    def test_of_none_is_described_as_before(self) -> None:
        """Or no older run could be resumed: its plan would be another."""
        assert "python" not in suite.read("smoke").described()

    def test_tells_only_what_is_wrong_with_the_file(self, tmp_path: Path) -> None:
        with pytest.raises(InputError) as caught:
            parsed(tmp_path / "own.py")
        expected = "a Python file that registers what the suite names"
        told = f"suite: python[0]: {tmp_path / 'own.py'}: got no such file; expected {expected}"
        assert caught.value.problems == [told]

    def test_tells_of_a_call_of_ours_what_that_expected(self, tmp_path: Path) -> None:
        text = 'import bench\nbench.register_activation("mine", lambda x: x if x > 0 else 0)'
        (tmp_path / "own.py").write_text(text, "utf-8")
        with pytest.raises(InputError) as caught:
            parsed(tmp_path / "own.py")
        (problem,) = caught.value.problems
        assert problem.startswith(f"suite: python[0]: {tmp_path / 'own.py'}: register_activation: mine: got ValueError")
        assert problem.endswith("(own.py, line 2); expected a function of jax that maps x to an array")
        assert "jnp.where" in caught.value.hint

    @pytest.mark.parametrize(("name", "hinted"), [("wavy", True), ("rleu", False)])
    def test_without_the_file_says_how_to_name_it(self, name: str, hinted: bool) -> None:
        with pytest.raises(InputError, match=f'activations.0.: got "{name}"; expected the name of an') as caught:
            suite.parse(suite.read("smoke").described() | {"activations": [name]})
        assert ('python = ["own.py"]' in caught.value.hint) == hinted

    @pytest.mark.parametrize(
        ("python", "told"),
        [("own.py", 'python: got "own.py"; expected a list'), ([3], "python[0]: got 3; expected a string")],
    )
    def test_wants_a_list_of_files(self, python: Any, told: str, file: Path) -> None:
        text = file.read_text("utf-8").replace('python = ["own.py"]', f"python = {json.dumps(python)}")
        file.write_text(text, "utf-8")
        with pytest.raises(InputError) as caught:
            suite.read(file)
        assert caught.value.problems == [f"{file}: {told}"]

    def test_of_throughput_may_have_one_too(self, own: Path) -> None:
        described = kinds.read("throughput_quick").described() | NAMES | {"python": [str(own)]}
        assert [entry.name for entry in kinds.parse(described).activations] == ["relu", "wavy"]  # type: ignore[attr-defined]


def bench(folder: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == code and "Traceback" not in done.stderr, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_a_run_needs_nothing_but_its_suite_and_the_file(file: Path, own: Path) -> None:
    """Each verb in a process of its own: planned, run, resumed, reported, its best cell trained and asked."""
    folder, run = file.parent, file.parent / "run"
    assert "cells                4" in bench(folder, "plan", file.name)
    bench(folder, "run", file.name, "--out", "run")
    whole = (run / "lanes.csv").read_bytes()
    for stored in (*run.glob("*.csv"), *list((run / "shards").glob("*"))[:1]):
        stored.unlink()
    bench(Path("/"), "run", "--resume", str(run))
    assert (run / "lanes.csv").read_bytes() == whole
    bench(folder, "report", "run", "--out", "page")
    assert "wavy(a=1)" in (folder / "page/report.md").read_text("utf-8")
    task = suite.read(file).tasks[0].name
    bench(folder, "train", task, "--best", "run", "--out", "best")
    bench(folder, "train", task, "--python", "own.py", "--activation", "wavy", "--steps", "20", "--out", "one")
    ACTIVATIONS.pop("wavy", None)
    assert [entry.name for entry in saved.load(folder / "one").suite.activations] == ["wavy"]
    own.write_text(OWN.replace("a * jnp.sin", "a * jnp.cos"), "utf-8")
    assert "got another activation wavy" in bench(folder, "run", "--resume", "run", code=3)


@pytest.mark.slow
def test_the_best_of_a_run_from_python_is_trained_with_the_file(own: Path) -> None:
    folder, described = own.parent, suite.read("smoke").described() | NAMES
    described["activations"], described["optimizers"] = NAMES["activations"][1:], NAMES["optimizers"][1:]
    (folder / "script.py").write_text(
        f"{OWN}\nbench.run(bench.Suite(**{described!r}), out='run', progress=False)", "utf-8"
    )
    subprocess.run([sys.executable, "script.py"], cwd=folder, check=True, timeout=300)
    task = described["tasks"][0]["name"]
    hint = "hint: --python FILE runs the file that registers what the run was given from Python"
    assert hint in bench(folder, "train", task, "--best", "run", "--out", "best", code=2)
    lost = bench(folder, "train", task, "--best", "run", "--python", "lost.py", "--out", "best", code=2)
    assert lost.startswith(f"error: --python: {folder / 'lost.py'}: got no such file")
    assert "wavy(a=1)" in bench(folder, "train", task, "--best", "run", "--python", "own.py", "--out", "best")
    assert saved.load(folder / "best").suite.python == [str(own)]


def test_how_to_reproduce_a_run_names_the_file(own: Path, tmp_path: Path) -> None:
    from synthetic import make_run

    run = make_run(["relu", "wavy"], ["sgd", "still"], evaluations=4)
    run.manifest |= {"command": "", "suite": parsed(own).described()}
    for kind, name in (("activations", "wavy"), ("optimizers", "still")):
        run.manifest[kind][name]["code"] = "0123456789abcdef"
    run.path = Path("runs/mine")
    shown = "\n".join(commands(run))
    assert f'python = ["{own}"]' in shown and "bench run smoke.toml --out runs/mine" in shown
    assert "must be registered" not in shown


def test_what_a_file_prints_is_not_mixed_into_what_was_asked_for(
    file: Path, own: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    own.write_text("print('hello')\n" + OWN, "utf-8")
    scripts.run(own, "a Python file")
    assert capfd.readouterr() == ("", "hello\n")


def test_modules_beside_a_file_are_found_and_each_folder_has_its_own(tmp_path: Path) -> None:
    code = (
        "import bench, sys\nfrom helpers import curve\nfrom pack.inner import twice\nsys.path[:] = sys.path[1:]\n"
        "bench.register_activation('bent', lambda x: twice(curve(x)) / 2)\n"
    )
    found = []
    for folder, factor in (("a", 2), ("b", 3)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "helpers.py").write_text(f"def curve(x):\n    return {factor} * x\n", "utf-8")
        (tmp_path / folder / "pack").mkdir()
        (tmp_path / folder / "pack" / "__init__.py").touch()
        (tmp_path / folder / "pack" / "inner.py").write_text("def twice(x):\n    return 2 * x\n", "utf-8")
        (tmp_path / folder / "own.py").write_text(code, "utf-8")
        scripts.run(tmp_path / folder / "own.py", "a Python file")
        found.append(cloudpickle.dumps(ACTIVATIONS["bent"]))
    assert not {"helpers", "pack", "pack.inner"} & sys.modules.keys() and str(tmp_path / "a") not in sys.path
    read = "import sys, pickle; print(*(pickle.loads(bytes.fromhex(one))(1.0) for one in sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", read, *(one.hex() for one in found)], capture_output=True, text=True, cwd="/", check=True
    )
    assert done.stdout.split() == ["2.0", "3.0"], "a worker needs none of the folders"
