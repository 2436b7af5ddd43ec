"""What README and docs show is true: their commands run, their suites parse, their code works, their links lead."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = PAGES[0].read_text("utf-8")


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def shown(text: str) -> list[str]:
    """The commands of the console blocks, in order, without their comments."""
    lines = "".join(blocks("console", text)).splitlines()
    return [line[2:].partition("  #")[0] for line in lines if line.startswith("$ ")]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder to run commands in that looks like the checkout."""
    for name in ("suites", "constraints.txt", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "quick").symlink_to(ROOT / "results" / "quick")
    return tmp_path


def run(command: list[str], folder: Path) -> str:
    bin_folder = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": bin_folder + os.pathsep + os.environ["PATH"]}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", [p for p in PAGES if shown(p.read_text("utf-8"))], ids=lambda p: p.name)
def test_the_commands_shown_run(page: Path, checkout: Path) -> None:
    for command in shown(page.read_text("utf-8")):
        words = shlex.split(command)
        assert words[0] in {"bench", "pytest"}
        if words[0] == "bench":
            run(words, checkout)


@pytest.mark.slow
def test_the_main_command_of_the_readme_runs(checkout: Path) -> None:
    line = next(line for line in "".join(blocks("sh", README)).splitlines() if "bench run" in line)
    run(shlex.split(line.rpartition("&&")[2]), checkout)
    (page,) = (checkout / "reports").glob("quick-*/index.html")
    assert "cannot be told from it" in page.read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_the_suites_shown_parse(page: Path) -> None:
    from bench.kinds import parse

    for text in blocks("toml", page.read_text("utf-8")):
        values = tomllib.loads(text)
        if "name" in values:
            parse(values, page.name)


@pytest.mark.slow
def test_the_python_of_the_readme_runs(checkout: Path) -> None:
    for code in blocks("python", README):
        run([sys.executable, "-c", code], checkout)
    assert (checkout / "reports" / "snake" / "index.html").exists()


def test_every_verb_and_every_suite_is_in_the_readme() -> None:
    import typer.main

    from bench.cli import app
    from bench.locate import suite_files

    for verb in typer.main.get_command(app).commands:  # type: ignore[attr-defined]
        assert f"bench {verb}" in README, verb
    for file in suite_files():
        assert f"`{file.stem}`" in README, file


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_readme_says_how_to_test_where_ci_looks_for_it() -> None:
    after = README.split("<!-- test command -->\n")[1].splitlines()
    assert after[0] == "```sh"
    assert after[1].endswith("pytest") and "constraints.txt" in after[1]
    assert "<!-- test command -->" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_the_packages_of_the_project_are_pinned_without_an_address() -> None:
    pins = (ROOT / "constraints.txt").read_text("utf-8")
    assert "://" not in pins and "--" not in pins
    names = {line.split("==")[0].lower() for line in pins.splitlines()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        assert re.split(r"[<>=~]", requirement)[0].lower() in names, requirement
