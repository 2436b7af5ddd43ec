"""The tables of docs/tasks.md: what the entries say of themselves, their options, and the best cell of stored runs.

Refresh it with `python -m bench.catalogue docs/tasks.md results/quick results/standard`, the runs that come with it.
"""

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.labels import few_cells
from bench.planning import toml
from bench.tasks import TASKS, Task

BATCH = 64  # for the column of FLOP a step
BEGIN, END = "<!-- begin table -->\n", "<!-- end table -->\n"
BEGIN_OPTIONS, END_OPTIONS = "<!-- begin options -->\n", "<!-- end options -->\n"
COLUMNS = (
    "task", "kind", "data", "samples", "parameters", "FLOP a step", "loss", "metric", "target", "baseline",
    "best cell measured",
)  # fmt: skip


def table(tasks: Iterable[Task], best: Mapping[str, str]) -> str:
    """The tasks as a table in Markdown; `best` are cells by task."""
    lines = [COLUMNS, ["---"] * 4 + ["---:"] * 2 + ["---"] * 2 + ["---:"] * 2 + ["---"]]
    lines += [_row(task, best.get(task.name, "–")) for task in tasks]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def options(tasks: Iterable[Task]) -> str:
    """What a suite may set of each task, with the defaults, as a table in Markdown."""
    rows = [f"| `{task.name}` | {', '.join(_options(task))} |\n" for task in tasks if task.accepts]
    return "| task | options with their defaults (other names) |\n| --- | --- |\n" + "".join(rows)


def _options(task: Task) -> Iterator[str]:
    for name, default in task.defaults.items():
        kind = task.accepts[name]
        others = ", ".join(toml.value(of) for of in kind if of != default) if isinstance(kind, tuple) else ""
        yield f"`{name} = {toml.value(default)}`{f' ({others})' * bool(others)}"


def best_cells(runs: Iterable[Path]) -> dict[str, str]:
    """By task, the best evaluated cell of all `runs`, how many are its equals in its run, its score and the run.

    Read from their convergence.csv.
    """
    found: dict[str, tuple[float, str]] = {}
    for run in runs:
        rows = _evaluated(run / "convergence.csv")
        for name in dict.fromkeys(row["task"] for row in rows):
            own = [row for row in rows if row["task"] == name]
            equals = [(row["activation"], row["optimizer"]) for row in own if row["rank"] == own[0]["rank"]]
            task, score = TASKS[name], float(own[0]["test_metric"])
            if name not in found or task.metric.better(score, found[name][0]):
                found[name] = score, f"{few_cells(equals)}, {_shown(task, score)} ({run.name})"
    return {task: cell for task, (_, cell) in found.items()}


def refreshed(page: str, best: Mapping[str, str]) -> str:
    """The page with its tables made anew."""
    page = _between(page, BEGIN, table(TASKS.values(), best), END)
    return _between(page, BEGIN_OPTIONS, options(TASKS.values()), END_OPTIONS)


def _between(page: str, begin: str, text: str, end: str) -> str:
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{text}{end}{after}"


def _evaluated(file: Path) -> list[dict[str, str]]:
    """The rows of cells of tasks in the table, the best first; of equals the one soonest at the target."""
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["rank"] and row["task"] in TASKS]
    return sorted(rows, key=lambda row: (float(row["rank"]), float(row["steps_to_target"])))


def _row(task: Task, best: str) -> list[str]:
    sizes = " / ".join(f"{size:,}" for size in task.samples if size)
    flops = task.flops * (BATCH if task.samples.train else 1)
    return [
        f"`{task.name}`",
        task.kind,
        task.dataset.name if task.dataset else "none",
        sizes or "none",
        f"{task.parameters:,}",
        f"{flops:,}",
        _loss(task),
        task.metric.name,
        _shown(task, task.target),
        _baseline(task),
        best,
    ]


def _baseline(task: Task) -> str:
    """What the baseline scores, and what it is where it is not the usual one."""
    return f"{_shown(task, task.baseline)}{f', {task.baseline_is}' * (task.baseline_is != Task.baseline_is)}"


def _loss(task: Task) -> str:
    loss: Any = task.options.get("loss")
    loss = loss.func if isinstance(loss, partial) else loss
    return str(getattr(loss, "__name__", loss or "its own")).replace("_", " ")


def _shown(task: Task, value: float) -> str:
    return f"{value * task.metric.scale:.3g}{f' {task.metric.unit}' * bool(task.metric.unit)}"


def main(arguments: Sequence[str]) -> None:
    """Refresh the page that the first argument names, with the runs of the others."""
    page, *runs = map(Path, arguments)
    page.write_text(refreshed(page.read_text("utf-8"), best_cells(runs)), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
