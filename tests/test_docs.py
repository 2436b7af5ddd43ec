"""What README and docs show is true: their commands run, their suites parse, their code works, their links lead."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = PAGES[0].read_text("utf-8")
SCALING = (ROOT / "docs" / "scaling.md").read_text("utf-8")


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
    for stored in (ROOT / "results").glob("*/manifest.json"):
        (tmp_path / "results" / stored.parent.name).symlink_to(stored.parent)
    return tmp_path


def environment() -> dict[str, str]:
    bin_folder = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": bin_folder + os.pathsep + os.environ["PATH"]}


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_architecture_names_every_module_in_the_table_of_its_package() -> None:
    tables = (ROOT / "docs" / "architecture.md").read_text("utf-8").partition("## The engine")[0].split("\n| in ")[1:]
    for file in (ROOT / "bench").rglob("*.py"):
        folder = f"`{file.parent.relative_to(ROOT).as_posix()}/`"
        table = next(table for table in tables if folder in table.partition("\n")[0])
        assert file.name.startswith("__") or f"`{file.name}`" in table or f"| `{file.parent.name}/` |" in table, file


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
@pytest.mark.parametrize("page", [p for p in PAGES if blocks("python", p.read_text("utf-8"))], ids=lambda p: p.name)
def test_the_python_shown_runs(page: Path, checkout: Path) -> None:
    for code in blocks("python", page.read_text("utf-8")):
        run([sys.executable, "-W", "error::RuntimeWarning", "-c", code], checkout)
        written = re.findall(r'bench\.report\(.*out="(.*)"\)', code)
        assert all((checkout / folder / "index.html").exists() for folder in written)


OWN_TASK = """
import bench

suite = bench.Suite(
    name="own", tasks=["sines"], activations=["tanh", "prelu", "maxout"], optimizers=["adam", "sgd"],
    steps=300, batch_size=32, eval_every=60,
    learning_rates={"low": 1e-2, "high": 1e-1, "num": 2}, seeds={"tune": 1, "evaluate": 2},
)
run = bench.run(suite, out="run", progress=False)
assert run.failures.empty
assert run.convergence["steps_to_target"].min() < 300, "the target can be reached"
assert run.convergence["test_metric"].max() < TASK.baseline
"""


@pytest.mark.slow
@pytest.mark.parametrize("named", ["registered", "by its file"])
def test_the_task_shown_trains_with_every_kind_of_activation(checkout: Path, named: str) -> None:
    _, code = blocks("python", (ROOT / "docs" / "tasks.md").read_text("utf-8"))
    own = OWN_TASK
    if named == "by its file":
        (checkout / "sines.py").write_text(code.replace("TASK = register_task(", "TASK = ("), "utf-8")
        code, own = "from sines import TASK", own.replace('["sines"]', '[{"file": "sines.py"}]')
    (checkout / "script.py").write_text(code + own, "utf-8")
    run([sys.executable, "-W", "error::RuntimeWarning", "script.py"], checkout)


OWN_MODULE = """
import bench

suite = bench.Suite(
    name="own", tasks=[{"file": "residual.py"}], activations=["tanh", "prelu", "maxout"], optimizers=["adam"],
    steps=200, batch_size=32, eval_every=50, factors={"width": [16, 32]},
    learning_rates={"low": 1e-2, "high": 1e-2, "num": 1}, seeds={"tune": 1, "evaluate": 2},
)
run = bench.run(suite, out="run", progress=False)
assert run.failures.empty
assert set(run.lanes["task"]) == {"residual(width=16)", "residual(width=32)"}
assert run.convergence["test_metric"].min() > 0.85
"""


@pytest.mark.slow
def test_the_module_shown_trains_with_every_kind_of_activation(checkout: Path) -> None:
    code, _ = blocks("python", (ROOT / "docs" / "tasks.md").read_text("utf-8"))
    (checkout / "residual.py").write_text(code, "utf-8")
    (checkout / "script.py").write_text(OWN_MODULE, "utf-8")
    run([sys.executable, "-W", "error::RuntimeWarning", "script.py"], checkout)


@pytest.mark.parametrize("name", ["lanes", "curves", "convergence", "throughput"])
def test_the_columns_of_every_frame_are_told(name: str) -> None:
    from bench import load

    section = (ROOT / "docs" / "results.md").read_text("utf-8").partition(f"## `{name}`\n")[2].partition("\n## ")[0]
    told = [column for cell in re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE) for column in cell.split(", ")]
    columns = list(getattr(load(ROOT / "results" / "quick"), name))
    if name == "convergence":
        columns.insert(columns.index("learning_rate") + 1, "hyperparameters")
    assert [column.strip("`") for column in told] == columns


def test_the_columns_of_comparisons_and_costs_are_told() -> None:
    from bench import load
    from bench.findings.compare import COLUMNS
    from bench.throughput.compare import compare
    from bench.throughput.page import _frames, parts_of

    run = load(ROOT / "results" / "throughput_quick")
    shown = {
        "`compare.csv` of two runs that trained": COLUMNS,
        "`compare.csv` of two throughput runs": list(compare(run, run).cells),
        "`activation_cost.csv` and `optimizer_cost.csv`": list(_frames(parts_of([run]))["activation_cost"]),
    }
    text = (ROOT / "docs" / "results.md").read_text("utf-8")
    for title, columns in shown.items():
        section = text.partition(f"### {title}\n")[2].partition("\n### ")[0]
        told = [column for cell in re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE) for column in cell.split(", ")]
        assert sorted(column.strip("`") for column in told) == sorted(columns), title


def test_the_keys_of_throughput_suites_are_told_with_their_defaults() -> None:
    from bench.planning.suite import SuiteFile
    from bench.throughput.suite import ThroughputSuite

    text = (ROOT / "docs" / "throughput.md").read_text("utf-8")
    told = {key: default for key, _, default in re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|", text, re.MULTILINE)}
    same = {*SuiteFile.model_fields, "tasks", "activations", "optimizers"}
    fields = {key: of for key, of in ThroughputSuite.model_fields.items() if key not in same}
    shown = {k: "required" if of.is_required() else f"`{json.dumps(of.default)}`" for k, of in fields.items()}
    assert told == shown


def in_scripts(program: str, text: str) -> Iterator[list[str]]:
    """The command lines of this program in the bash and yaml blocks, each without the program's name."""
    lines = [shlex.split(line, comments=True) for line in "".join(blocks("bash", text)).splitlines()]
    containers = [
        container
        for block in blocks("yaml", text)
        for document in yaml.safe_load_all(block)
        if document["kind"] == "Deployment"
        for container in document["spec"]["template"]["spec"]["containers"]
    ]
    for words in [*lines, *(container["command"] for container in containers)]:
        if program in words:
            yield [word for word in words[words.index(program) + 1 :] if word != "&"]


@pytest.mark.parametrize("page", [p for p in PAGES if blocks("(?:ba)?sh", p.read_text("utf-8"))], ids=lambda p: p.name)
def test_the_scripts_shown_parse(page: Path) -> None:
    for script in blocks("(?:ba)?sh", page.read_text("utf-8")):
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), script


@pytest.mark.parametrize("program", ["dask", "bench"])
def test_the_options_in_scripts_are_those_of_their_programs(program: str) -> None:
    import typer.main
    from distributed.cli import dask_scheduler, dask_worker

    from bench.cli import app

    commands = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}
    if program == "bench":
        commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    shown = list(in_scripts(program, SCALING))
    assert len(shown) >= 4
    for verb, *words in shown:
        parameters = commands[verb].params
        known = {option for one in parameters for option in (*one.opts, *one.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= known, words


@pytest.mark.slow
def test_the_cluster_on_one_machine_runs_and_ends(checkout: Path) -> None:
    (script,) = (block for block in blocks("bash", SCALING) if "127.0.0.1" in block)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    lines = [line for line in script.replace("8786", port).splitlines() if not line.startswith("pip install")]
    command = ["bash", "-ec", "\n".join(lines)]
    with subprocess.Popen(command, cwd=checkout, env=environment(), start_new_session=True) as process:
        try:
            assert process.wait(timeout=300) == 0
            manifest = json.loads((checkout / "results" / "clustered" / "manifest.json").read_text("utf-8"))
            assert (manifest["status"], manifest["execution"]["workers"]) == ("complete", 2)
            end = time.monotonic() + 60
            while alive(process.pid) and time.monotonic() < end:
                time.sleep(0.1)
            assert not alive(process.pid), "what it started has ended with it"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def alive(group: int) -> bool:
    """Whether there are processes of this group."""
    with suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def test_every_verb_and_every_suite_is_in_the_readme() -> None:
    import typer.main

    from bench.cli import app
    from bench.planning.locate import suite_files

    for verb in typer.main.get_command(app).commands:  # type: ignore[attr-defined]
        assert f"bench {verb}" in README, verb
    for file in suite_files():
        assert f"`{file.stem}`" in README, file


def test_what_the_readme_quotes_is_what_the_report_says() -> None:
    quotes = [line.removeprefix("> ") for line in README.splitlines() if line.startswith("> ")]
    said = (ROOT / "reports/standard/report.md").read_text().replace("\\", "")
    assert len(quotes) == 3 and all(quote in said for quote in quotes)


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
