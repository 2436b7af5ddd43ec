"""From runs to a report's folder: a page, the same in Markdown, its figures and its tables."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from bench import stats
from bench.errors import InputError
from bench.findings import crosstask, effects
from bench.findings.run import Run
from bench.findings.verdicts import cells
from bench.pages import embedded, folder, templating
from bench.pages.across import together
from bench.pages.page import Part, kicker_of, overall, parts_of, promise_of, title_of

FRAMES: dict[str, Callable[[Run], pd.DataFrame]] = {
    "cells": lambda run: cells(run.lanes, run.convergence, run.manifest["tasks"]),
    "learning_rates": lambda run: run.trials,
    "good_regions": lambda run: stats.good_region(run.trials, run.manifest["tasks"]),
    "best_so_far": lambda run: stats.best_so_far(run.trials, run.manifest["tasks"]),
    "curves": lambda run: stats.curve_bands(run.curves, run.lanes, run.manifest["tasks"]),
    "leaderboard": lambda run: crosstask.leaderboard(run.lanes, run.convergence, run.manifest["tasks"]),
    "activations": lambda run: _ranked(run, "activation"),
    "optimizers": lambda run: _ranked(run, "optimizer"),
    "variance": lambda run: effects.spread(run.lanes, run.manifest["tasks"]),
    "throughput": lambda run: run.throughput,
    "times": lambda run: run.times,
}


def _ranked(run: Run, by: str) -> pd.DataFrame:
    return crosstask.leaderboard(run.lanes, crosstask.comparable(run.convergence), run.manifest["tasks"], (by,))


def report(runs: Sequence[Run], out: str | Path, reference: str = "") -> Path:
    """Write the report of `runs` into the folder `out` and return the path of its page.

    Each is held against the `reference`, by default what its suite names, if anything.

    The files are written beside `out` first and moved in one by one, the page last; files of an older report
    that this one lacks are removed where nobody has changed them. Raises `InputError` where `out` is somebody
    else's.
    """
    out = Path(out)
    folder.check(out)
    return folder.write(render(runs, reference), out)


def render(runs: Sequence[Run], reference: str = "") -> dict[str, bytes]:
    """All files of the report of `runs`, by name; the page last. The same runs give the same bytes."""
    if not runs:
        raise InputError("report: got no run; expected at least one")
    parts = parts_of(runs, reference)
    verdicts = [(part.run.name, section.verdict) for part in parts for section in part.sections]
    head = {
        "together": together(runs, verdicts),
        "overall": overall(parts),
        "parts": parts,
        "title": title_of(parts),
        "kicker": kicker_of(parts),
        "promise": promise_of(parts),
    }
    texts = _table_files(parts) | {"report.md": templating.markdown("report.md", **head)}
    files = _figure_files(parts) | {name: text.encode() for name, text in texts.items()}
    return folder.listed(files) | {"index.html": _page(head, parts).encode()}


def _page(head: Mapping[str, object], parts: Sequence[Part]) -> str:
    data = embedded.encoded([section.data for part in parts for section in part.sections])
    return templating.page("index.html", **head, data=Markup(data))


def _figure_files(parts: Sequence[Part]) -> dict[str, bytes]:
    groups = [part.figures for part in parts]
    groups += [section.figures for part in parts for section in part.sections]
    groups += [part.across.figures for part in parts if part.across]
    drawn = (figure for group in groups for figure in group.values())
    return {name: content for figure in drawn for name, content in figure.files.items()}


def _table_files(parts: Sequence[Part]) -> dict[str, str]:
    frames = {name: pd.concat([_named(read(part.run), part.run) for part in parts]) for name, read in FRAMES.items()}
    held = [_named(section.held.assign(task=section.task), part.run) for part in parts for section in part.sections]
    if any(map(len, held)):
        frames["against"] = pd.concat([frame for frame in held if len(frame)])[["run", "task", *effects.AGAINST]]
    files = {f"tables/{name}.csv": frame.to_csv(index=False, lineterminator="\n") for name, frame in frames.items()}
    for section in (section for part in parts for section in part.sections):
        cells = templating.latex("cells.tex", table=section.paper, task=section.label)
        matrix = templating.latex("matrix.tex", table=section.matrix)
        files |= {f"tables/{section.slug}-cells.tex": cells, f"tables/{section.slug}-matrix.tex": matrix}
    for slug, across in ((part.slug, part.across) for part in parts if part.across):
        files[f"tables/{slug}-leaderboard.tex"] = templating.latex("leaderboard.tex", table=across.board)
    return files


def _named(frame: pd.DataFrame, run: Run) -> pd.DataFrame:
    frame = frame.copy()
    frame.insert(0, "run", run.name)
    return frame
