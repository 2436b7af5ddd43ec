"""The figures of a report: frames in, SVG out."""

from collections.abc import Mapping

import pandas as pd

from bench import stats
from bench.figures.bars import throughput, times, workers_of
from bench.figures.exhibits import chosen, exhibit
from bench.figures.forest import against
from bench.figures.heatmaps import diverged_heatmap, metric_heatmap, steps_heatmap
from bench.figures.panels import curves, sensitivity
from bench.figures.style import Style, styles
from bench.figures.svg import Figure
from bench.findings.run import Run
from bench.findings.tuning import first_rung
from bench.findings.verdicts import Verdict
from bench.planning.search import searched

__all__ = ["Figure", "Style", "against", "of_run", "of_task", "styles"]

MANY_CELLS = 300  # a run of more has its lines drawn without bands and with fewer markers


def of_task(run: Run, task: str, verdict: Verdict, drawn: Mapping[str, Style], prefix: str) -> dict[str, Figure]:
    """The figures about one task of `run`, by kind; a kind with nothing to show is left out."""
    entry = run.manifest["tasks"][task]
    table, lanes, speeds = (_of(frame, task) for frame in (run.convergence, run.lanes, run.throughput))
    tasks = {task: entry}
    bands = stats.curve_bands(run.curves, lanes, tasks)
    rates = _of(run.trials, task)
    light = int(run.manifest["plan"]["cells"]) > MANY_CELLS
    found = {
        "metric": metric_heatmap(prefix, table, verdict, float(entry["baseline"])),
        "steps": steps_heatmap(prefix, table, verdict.metric.plain(entry["target"])),
        "diverged": diverged_heatmap(prefix, lanes),
        "exhibit": _exhibit(run, task, table, verdict, drawn, prefix),
        "curves": curves(prefix, bands, table, entry, drawn, light) if len(bands) else None,
        "rates": sensitivity(prefix, rates, table, entry, drawn, light, bool(searched(run.manifest)), first_rung(lanes))
        if len(rates)
        else None,
        "throughput": throughput(prefix, speeds, drawn),
    }
    return {kind: figure for kind, figure in found.items() if figure is not None}


def of_run(run: Run, prefix: str) -> dict[str, Figure]:
    """The figures about `run` as a whole."""
    return (
        {"times": times(prefix, run.times, workers_of(run.manifest["execution"]))} if run.times["seconds"].any() else {}
    )


def _exhibit(
    run: Run, task: str, table: pd.DataFrame, verdict: Verdict, drawn: Mapping[str, Style], prefix: str
) -> Figure | None:
    entry = run.manifest["tasks"][task]
    arrays = {(a, o): array for (of, a, o), array in run.exhibits.items() if of == task}
    kind = entry.get("exhibit")
    return exhibit(kind, prefix, arrays, entry["shown"], chosen(table, verdict, arrays), drawn) if kind else None


def _of(frame: pd.DataFrame, task: str) -> pd.DataFrame:
    return frame[frame["task"] == task]
