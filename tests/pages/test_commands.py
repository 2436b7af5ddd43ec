"""The lines that reproduce a run: those that are shown do it."""

import os
import subprocess
import sys
import tomllib
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from synthetic import make_run

import bench
from bench.pages.commands import commands, suite_text, together
from bench.pages.report import render
from bench.planning import suite


def test_a_run_is_named_by_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(["relu"], ["sgd"], evaluations=4)
    run.manifest["command"] = "bench run mine.toml --out 'runs/my run' --report"
    monkeypatch.chdir(tmp_path)
    places = {
        Path("runs/my run"): "'runs/my run'",
        tmp_path / "runs" / "mine": "runs/mine",
        tmp_path.parent / "results" / "quick": "results/quick",
        tmp_path.parent / "runs" / "quick": str(tmp_path.parent / "runs" / "quick"),
    }
    for path, told in places.items():
        run.path = path
        first, *rest = commands(run)
        assert first.startswith("pip install")
        made = [f"bench run mine.toml --out {told} --report", f"bench verify {told}"]
        assert rest == [*made, f"bench report {told}"], "all of the same directory, wherever the run was written"
        assert together([run, run], "compare")[1:] == (*made, f"bench compare {told} {told}")


@pytest.mark.parametrize("typed", ["bench run", "bench run --out=a", "bench run --out 'it'\"'\"'s a'"])
def test_every_line_names_the_same_directory(typed: str) -> None:
    run = make_run(["relu"], ["sgd"], evaluations=4)
    run.manifest["command"], run.path = f"{typed} s.toml", Path("runs/mine")
    assert sorted(commands(run)[1].split()) == ["--out", "bench", "run", "runs/mine", "s.toml"]
    assert "--out runs/mine" in commands(run)[1] and commands(run)[2] == "bench verify runs/mine"


def test_seeds_that_were_added_are_added_again() -> None:
    run = make_run(["relu"], ["sgd"], evaluations=4)
    smoke = suite.read("smoke").described()
    run.manifest |= {"command": "bench run s.toml", "rounds": [3, 6, 8]}
    run.manifest["suite"] = smoke | {"seeds": {"tune": 2, "evaluate": 8}}
    run.path = Path("runs/mine")
    lines = list(commands(run))
    assert "seeds = { tune = 2, evaluate = 3 }" in lines
    more = [f"bench run --resume runs/mine --evaluate {count}" for count in (6, 8)]
    assert lines[lines.index("END") + 1 : -2] == ["bench run smoke.toml --out runs/mine", *more]
    run.manifest["suite"] = smoke | {"seeds": {"tune": 2, "evaluate": list(range(10, 18))}}
    lines = list(commands(run))
    written = [line for line in lines if line.startswith(("seeds =", "bench run"))]
    named = [f"seeds = {{ tune = 2, evaluate = {list(range(10, 10 + count))} }}" for count in (3, 6, 8)]
    assert written[::2] == named
    assert written[1::2] == ["bench run smoke.toml --out runs/mine", *["bench run smoke.toml --resume runs/mine"] * 2]


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [[3, 5], [[7, 8, 9], [7, 8, 9, 20]]], ids=["a number", "listed"])
def test_a_run_that_was_given_seeds_is_reproduced_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: list[Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    first, more = rounds
    began = suite.parse(suite.read("smoke").described() | {"seeds": {"tune": 2, "evaluate": first}})
    bench.run(began, out="results/mine", progress=False)
    run = bench.run(resume="results/mine", evaluate=more, progress=False)
    (tmp_path / "again").mkdir()
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    lines = "\n".join(commands(run)[1:-1])
    subprocess.run(["bash", "-ec", lines], cwd="again", env=environment, check=True)
    assert Path("again/results/mine/lanes.csv").read_bytes() == Path("results/mine/lanes.csv").read_bytes()


def test_a_run_from_python_is_reproduced_by_its_suite_as_a_file(tmp_path: Path) -> None:
    run = make_run(["relu"], ["sgd"], evaluations=4)
    run.manifest |= {"command": "", "suite": suite.read("smoke").described()}
    run.path = Path("runs/mine")
    shown = commands(run)
    assert shown[-3:] == ("bench run smoke.toml --out runs/mine", "bench verify runs/mine", "bench report runs/mine")
    subprocess.run(["bash", "-ec", "\n".join(shown[1:-3])], cwd=tmp_path, check=True)
    assert suite.read(tmp_path / "smoke.toml") == suite.read("smoke")
    page = render([run])
    assert "bench run smoke.toml --out runs/mine" in page["index.html"].decode()
    assert "    bench run smoke.toml --out runs/mine\n" in page["report.md"].decode()


def test_what_was_registered_is_asked_for() -> None:
    run = make_run(["relu", "lam"], ["sgd", "own"], evaluations=4)
    run.manifest |= {"command": "", "suite": suite.read("smoke").described()}
    for kind, name in (("activations", "lam"), ("optimizers", "own")):
        run.manifest[kind][name]["code"] = "0123456789abcdef"
    run.manifest["optimizers"]["own"]["code"] = ""  # of a run that had none
    page = render([run])
    told = [
        "the activation lam: The function lam, fingerprint 0123456789abcdef",
        "the optimizer own: The optimizer own",
    ]
    assert all(f"<li>{entry}</li>" in page["index.html"].decode() for entry in told)
    assert all(f"- {entry}\n" in page["report.md"].decode() for entry in told)
    run.path = Path("runs/my run")
    assert commands(run)[-4:-2] == (
        "# the activation lam and the optimizer own must be registered in Python first, then there:",
        '# bench.run("smoke.toml", out="runs/my run")',
    )


def test_the_suite_as_it_was_run_can_be_pasted_into_a_file(tmp_path: Path) -> None:
    run = make_run(["relu"], ["sgd"], evaluations=4)
    run.manifest |= {"suite": suite.read("smoke").described()}
    page = render([run])["index.html"].decode()
    assert "Registered in Python" not in page
    _, _, rest = page.partition("<summary>The suite as it was run</summary>")
    shown = unescape(rest.partition('<pre tabindex="0">')[2].partition("</pre>")[0])
    (tmp_path / "pasted.toml").write_text(shown)
    assert suite.read(tmp_path / "pasted.toml") == suite.read("smoke")


def test_what_is_0_is_shown_of_a_suite() -> None:
    text = suite_text({"suite": {"name": "x", "seconds": 0.0, "python": [], "description": ""}})
    assert tomllib.loads(text) == {"name": "x", "seconds": 0.0}


def test_files_of_one_s_own_are_named() -> None:
    run = make_run(["relu"], ["sgd"], evaluations=4)
    own = {"python": ["/somewhere/own.py"], "tasks": [{"name": "mine", "file": "/somewhere/mine.npz"}, {"name": "t"}]}
    run.manifest |= {"command": "bench run mine.toml --out run", "suite": run.manifest["suite"] | own}
    run.path = Path("run")
    assert commands(run)[1:3] == ("# needs own.py and mine.npz, where the suite says", "bench run mine.toml --out run")
