"""From runs to a report: one page, the same in Markdown, its figures and its tables."""

import base64
import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench import figures, stats, tables
from bench.audit import Finding, Run, audit
from bench.errors import InputError

TEMPLATES = Path(__file__).parent / "templates"
LIST = "report.json"  # which files of a report's folder are the report's own
GENERATOR = '<meta name="generator" content="bench">'


@dataclass(frozen=True)
class Section:
    """One task of one run, ready to be shown."""

    slug: str
    run: str
    task: str
    facts: tuple[str, ...]
    verdict: stats.Verdict
    figures: Mapping[str, figures.Figure]
    cells: tables.Table
    matrix: tables.Table

    @property
    def title(self) -> str:
        """The task and its run."""
        return f"{self.run}, {self.task}"

    @property
    def level(self) -> list[str]:
        """The cells that cannot be told from the leader."""
        return [stats.cell_label(*pair) for pair in self.verdict.tied]


@dataclass(frozen=True)
class Part:
    """One run, ready to be shown."""

    slug: str
    run: Run
    sections: tuple[Section, ...]
    findings: tuple[Finding, ...]
    figures: Mapping[str, figures.Figure]
    asked: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    commands: tuple[str, ...]
    suite: str


def report(runs: Sequence[Run], out: str | Path) -> Path:
    """Write the report of `runs` into the folder `out` and return the path of its page.

    The files are written beside `out` first and moved in one by one, the page last; files of an older report that this
    one lacks are removed where nobody has changed them. Errors: `InputError` where `out` is not a report's folder.
    """
    out = Path(out)
    _refuse_foreign(out)
    files = render(runs)
    out.mkdir(parents=True, exist_ok=True)
    _remove_stale(out, files)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as beside:
        for number, (name, content) in enumerate(files.items()):
            waiting = Path(beside, str(number))
            waiting.write_bytes(content)
            (out / name).parent.mkdir(exist_ok=True)
            waiting.replace(out / name)
    return out / "index.html"


def render(runs: Sequence[Run]) -> dict[str, bytes]:
    """All files of the report of `runs`, by name; the page last. The same runs give the same bytes."""
    if not runs:
        raise InputError("report: got no run; expected at least one")
    slugs = _slugs([run.name for run in runs])
    parts = [_part(run, slug if len(runs) > 1 else "") for run, slug in zip(runs, slugs, strict=True)]
    texts = _figure_files(parts) | _table_files(parts)
    many = len(parts) > 1 or len(parts[0].sections) > 1
    texts["report.md"] = _markdown().get_template("report.md").render(
        parts=parts, title=_title(parts), kicker=_kicker(parts), many=many
    )
    texts["index.html"] = _page(parts)
    files = {name: text.encode() for name, text in texts.items()}
    page = files.pop("index.html")
    listed = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return files | {LIST: json.dumps({"schema": 1, "files": listed}, indent=1).encode(), "index.html": page}


def verdicts(runs: Sequence[Run]) -> list[str]:
    """The verdict on each task of each run, one sentence each."""
    found = []
    for run in runs:
        tasks = run.manifest["tasks"]
        sentences = {task: stats.verdict(run.lanes, run.convergence, tasks, task).sentence for task in tasks}
        found += [f"{task}: {sentence}" for task, sentence in sentences.items()]
    return found


# What is shown


def _part(run: Run, slug: str) -> Part:
    tasks = list(run.manifest["tasks"])
    drawn = figures.styles(run.convergence)
    names = _slugs([f"{slug}-{task}" if slug else task for task in tasks])
    return Part(
        slug=slug,
        run=run,
        sections=tuple(_section(run, task, name, drawn) for task, name in zip(tasks, names, strict=True)),
        findings=tuple(audit(run)),
        figures=figures.of_run(run, slug or "run"),
        asked=_asked(run),
        environment=tuple(_flat(run.manifest["environment"])),
        commands=_commands(run),
        suite=json.dumps(run.manifest["suite"], indent=2, ensure_ascii=False),
    )


def _section(run: Run, task: str, slug: str, drawn: Mapping[str, figures.Style]) -> Section:
    entry = run.manifest["tasks"][task]
    table, speeds = (frame[frame["task"] == task] for frame in (run.convergence, run.throughput))
    verdict = stats.verdict(run.lanes, run.convergence, run.manifest["tasks"], task)
    return Section(
        slug=slug,
        run=run.name,
        task=task,
        facts=tuple(_facts(entry, verdict.metric)),
        verdict=verdict,
        figures=figures.of_task(run, task, verdict, drawn, slug),
        cells=tables.cells(table, speeds, verdict),
        matrix=tables.matrix(table, verdict),
    )


def _facts(entry: Mapping[str, Any], metric: stats.Metric) -> Iterator[str]:
    """A task in sentences."""
    yield f"{entry['summary'].rstrip('.')}."
    samples = {part: count for part, count in entry["samples"].items() if count}
    if samples:
        yield " + ".join(f"{count:,} {part}" for part, count in samples.items()) + " examples,"
    yield f"{entry['parameters']:,} parameters."
    better = "more" if metric.sign > 0 else "less"
    yield f"Judged by {metric.name}, {better} is better; target {metric.plain(entry['target'])} on validation data;"
    yield f"always predicting one constant scores {metric.plain(entry['baseline'])}."


def _commands(run: Run) -> tuple[str, ...]:
    start = run.manifest["command"] or f"bench run suites/{run.manifest['suite']['name']}.toml"
    return "pip install -c constraints.txt -e .", start, f"bench verify results/{run.name}", f"bench report results/{run.name}"


def _asked(run: Run) -> tuple[str, ...]:
    """What was asked of a run, in sentences read off its lanes."""
    lanes, manifest = run.lanes[run.lanes["status"] != "interrupted"], run.manifest
    if lanes.empty:
        return ("No network was trained.",)
    counts = " × ".join(_count(len(manifest[kind]), kind[:-1]) for kind in ("activations", "optimizers", "tasks"))
    tune, evaluate = (lanes[lanes["phase"] == phase] for phase in ("tune", "evaluate"))
    grid = sorted(tune["learning_rate"].unique())
    rates = f"{len(grid)} learning rates from {grid[0]:g} to {grid[-1]:g}" if len(grid) > 1 else "its learning rate"
    return (
        f"{counts}: {_count(int(manifest['plan']['cells']), 'cell')}. Every network trains for {_range(lanes['steps'])} steps "
        f"of {_range(lanes['batch_size'])} examples; {_count(int(manifest['plan']['lanes']), 'network')} in all.",
        f"Each cell is tuned alike: {rates}, {_count(tune['seed'].nunique(), 'seed')} each, and the best rate on validation "
        f"data is kept. It is then trained afresh with {_count(evaluate['seed'].nunique(), 'other seed')} and scored on test "
        "data, which tuning never sees. A network that diverges counts as the worst.",
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _range(values: "pd.Series[int]") -> str:
    low, high = values.min(), values.max()
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _flat(entries: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values of an environment, nested ones on one line, the empty left out."""
    for name, value in entries.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)
        if name.endswith("_bytes") and value:
            name, text = name.removesuffix("_bytes"), f"{value / 1e9:.1f} GB"
        if text:
            yield name.replace("_", " "), text


def _slugs(names: Sequence[str]) -> list[str]:
    """A name for files and anchors for each of `names`: letters, digits, hyphens, no two alike."""
    slugs: list[str] = []
    for name in names:
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "x"
        slugs.append(slug if slug not in slugs else f"{slug}-{len(slugs)}")
    return slugs


# Files


def _figure_files(parts: Sequence[Part]) -> dict[str, str]:
    groups = [group.figures for part in parts for group in (*part.sections, part)]
    return {f"figures/{figure.name}.svg": figure.file for group in groups for figure in group.values()}


def _table_files(parts: Sequence[Part]) -> dict[str, str]:
    csv = {name: pd.concat([_of_run(read(part.run), part.run) for part in parts]) for name, read in FRAMES.items()}
    csv["cells"]["verdict"] = [word for part in parts for word in _words(part)]
    files = {f"tables/{name}.csv": frame.to_csv(index=False, lineterminator="\n") for name, frame in csv.items()}
    template = _latex().get_template("table.tex")
    for section in (section for part in parts for section in part.sections):
        files[f"tables/{section.slug}-cells.tex"] = template.render(table=section.cells)
        files[f"tables/{section.slug}-matrix.tex"] = template.render(table=section.matrix)
    return files


FRAMES: dict[str, Callable[[Run], pd.DataFrame]] = {
    "cells": lambda run: run.convergence,
    "learning_rates": lambda run: stats.learning_rate_sensitivity(run.lanes, run.manifest["tasks"]),
    "curves": lambda run: stats.curve_bands(run.curves, run.lanes, run.manifest["tasks"]),
    "throughput": lambda run: run.throughput,
    "times": lambda run: run.times,
}


def _of_run(frame: pd.DataFrame, run: Run) -> pd.DataFrame:
    frame = frame.copy()
    frame.insert(0, "run", run.name)
    return frame


def _words(part: Part) -> Iterator[str]:
    verdicts = {section.task: section.verdict for section in part.sections}
    for task, activation, optimizer in part.run.convergence[stats.CELL].itertuples(index=False, name=None):
        yield tables.mark(activation, optimizer, verdicts[task])


def _page(parts: Sequence[Part]) -> str:
    style, script = ((TEMPLATES / name).read_text() for name in ("style.css", "sort.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = _html().get_template("index.html")
    return template.render(
        parts=parts, title=_title(parts), kicker=_kicker(parts), style=Markup(style), script=Markup(script), digest=digest
    )


def _title(parts: Sequence[Part]) -> str:
    return "; ".join(dict.fromkeys(part.run.manifest["suite"]["description"] or part.run.name for part in parts))


def _kicker(parts: Sequence[Part]) -> str:
    return "; ".join(f"{part.run.name}, {part.run.manifest['created'][:10]}, {_effort(part.run)}" for part in parts)


def _effort(run: Run) -> str:
    """What was spent on what: `630 networks in 42 s on 2 workers (AMD EPYC)`."""
    workers = int(run.manifest["execution"]["workers"])
    trained = int((run.lanes["status"] != "interrupted").sum())
    seconds = float(run.times["seconds"].sum()) / max(workers, 1)
    return f"{_count(trained, 'network')} in {seconds:,.0f} s on {_count(workers, 'worker')}, {run.manifest['environment']['processor']}"


def _refuse_foreign(out: Path) -> None:
    """Refuse a folder whose page somebody else wrote."""
    page = out / "index.html"
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: got a file; expected a folder for the report")
    if page.exists() and GENERATOR not in page.read_text(errors="replace")[:2000]:
        raise InputError(f"{page}: got a page that is not a report's; expected an empty folder or an older report")


def _remove_stale(out: Path, files: Mapping[str, bytes]) -> None:
    """Remove what an older report listed as its own, is unchanged since, and is not written again."""
    listed = json.loads((out / LIST).read_text())["files"] if (out / LIST).exists() else {}
    for name, digest in listed.items():
        path = out / name
        ours = path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest
        if ours and name not in files:
            path.unlink()


# Templates: each kind escapes whatever it is given, by default


def _html() -> Environment:
    return _environment(autoescape=True)


def _markdown() -> Environment:
    environment = _environment(finalize=lambda value: _escaped(value, MARKDOWN))
    environment.filters["verbatim"] = lambda value: Markup(" ".join(str(value).split()))  # in a block of code nothing is read
    return environment


def _latex() -> Environment:
    marks = {"variable_start_string": "<<", "variable_end_string": ">>", "block_start_string": "<%", "block_end_string": "%>"}
    return _environment(finalize=lambda value: _escaped(value, LATEX), comment_start_string="<#", comment_end_string="#>", **marks)


def _environment(**settings: Any) -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, **settings,
    )  # fmt: skip


def _escaped(value: object, table: Mapping[int, str]) -> str:
    """`value` with what `table` names replaced and on one line; Markup stays as it is."""
    return value if isinstance(value, Markup) else " ".join(str(value).split()).translate(table)


MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\`*_[]#|~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})
LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "±": r"$\pm$", "–": "--", "×": r"$\times$", "∞": r"$\infty$"}
)
