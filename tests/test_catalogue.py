"""The table of tasks in the docs: it is what the entries and the stored runs say."""

import re
import tomllib
from pathlib import Path

import pytest

from bench import catalogue
from bench.tasks import TASKS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tasks.md"
HEAD = "task,activation,optimizer,rank,test_metric,steps_to_target\n"


def test_the_page_is_fresh() -> None:
    page = PAGE.read_text("utf-8")
    _, _, command = page.partition("python -m bench.catalogue docs/tasks.md ")
    runs = [ROOT / run for run in command.splitlines()[0].split()]  # not those that its user made beside them
    assert runs and page == catalogue.refreshed(page, catalogue.best_cells(runs))


def test_has_a_row_a_task_of_all_columns() -> None:
    rows = catalogue.table(TASKS.values(), {"wine_mlp": "relu + adam, 99 % (mine)"}).splitlines()
    assert len(rows) == len(TASKS) + 2
    assert {row.count(" | ") for row in rows} == {len(catalogue.COLUMNS) - 1}
    assert rows[2].startswith("| `digits_mlp` | classification | digits | 1,079 / 359 / 359 | 26,122 | 8,880,128 |")
    assert any("| 25.5 dB, bicubic interpolation |" in row for row in rows)
    assert next(row for row in rows if row.endswith("| relu + adam, 99 % (mine) |")).startswith("| `wine_mlp` |")


def test_options_are_told_with_their_defaults_as_a_suite_has_them() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", catalogue.options(TASKS.values()), re.MULTILINE))
    assert rows.keys() == {name for name, task in TASKS.items() if task.accepts}
    assert rows["digits_cnn"].startswith('`width = 16`, `batch_norm = false`, `resolution = "8"` ("16"), `initial')
    assert rows["diabetes_mlp"].endswith('`loss = "squared_error"` ("absolute_error", "huber", "log_cosh")')
    for name, row in rows.items():
        defaults = tomllib.loads("\n".join(re.findall(r"`([^`]+)`", row)))
        assert defaults.keys() == TASKS[name].accepts.keys()
        same, plain = TASKS[name].configured(defaults), TASKS[name]
        assert (same.parameters, same.flops, same.summary) == (plain.parameters, plain.flops, plain.summary)
        assert catalogue._loss(same) == catalogue._loss(plain)


def test_every_option_is_explained() -> None:
    told = PAGE.read_text("utf-8").partition("## Options")[2].partition(catalogue.BEGIN_OPTIONS)[0]
    names = {option for task in TASKS.values() for option in task.accepts}
    assert names == set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]*) \|", told, re.MULTILINE))))


def test_the_best_cell_is_that_of_all_runs(tmp_path: Path) -> None:
    def run(name: str, *rows: str) -> Path:
        (tmp_path / name).mkdir()
        (tmp_path / name / "convergence.csv").write_text(HEAD + "\n".join(rows) + "\n", "utf-8")
        return tmp_path / name

    runs = [
        run("old", "wine_mlp,relu,adam,1,0.98,50", "rosenbrock,none,sgd,1,-4,inf", "gone,relu,sgd,1,0.5,1"),
        run("new", "wine_mlp,relu,sgd,1.5,0.99,70", "wine_mlp,tanh,sgd,1.5,0.99,40", "rosenbrock,none,adam,1,-3,9"),
        run("unevaluated", "wine_mlp,relu,lion,,,"),
        tmp_path / "nothing",
    ]
    expected = {"wine_mlp": "tanh + sgd and relu + sgd, 99 % (new)", "rosenbrock": "sgd, -4 (old)"}
    assert catalogue.best_cells(runs) == catalogue.best_cells(runs[::-1]) == expected


def test_the_command_in_the_page_refreshes_it(tmp_path: Path) -> None:
    page = tmp_path / "tasks.md"
    page.write_text(
        f"before\n{catalogue.BEGIN}old\n{catalogue.END}after\n{catalogue.BEGIN_OPTIONS}old\n{catalogue.END_OPTIONS}end\n",
        "utf-8",
    )
    catalogue.main([str(page), str(ROOT / "results" / "quick")])
    text = page.read_text("utf-8")
    assert text.startswith("before\n") and text.endswith("end\n") and "after\n" in text and "old" not in text


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_entry_names_its_loss(task: catalogue.Task) -> None:
    assert catalogue._loss(task) and "<" not in catalogue._loss(task)
