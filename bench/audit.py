"""What a reader must know before believing a run: findings in words, the gravest first."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from bench import stats
from bench.verdicts import leader

ENOUGH_SEEDS = 10


class Run(Protocol):
    """What an audit and a report read of a run."""

    @property
    def name(self) -> str: ...
    @property
    def lanes(self) -> pd.DataFrame: ...
    @property
    def curves(self) -> pd.DataFrame: ...
    @property
    def convergence(self) -> pd.DataFrame: ...
    @property
    def throughput(self) -> pd.DataFrame: ...
    @property
    def times(self) -> pd.DataFrame: ...
    @property
    def manifest(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Finding:
    """One thing found: `level` is fault (something is wrong), warning (may mislead) or note."""

    level: str
    text: str


LEVELS = ("fault", "warning", "note")


def audit(run: Run) -> list[Finding]:
    """All findings about `run`, the gravest first; an empty list means that nothing was found."""
    found = [*_completeness(run), *_seeds(run.convergence), *_timing(run.throughput)]
    for task in run.manifest["tasks"]:
        prefix = f"{task}: " if len(run.manifest["tasks"]) > 1 else ""
        found += [Finding(f.level, prefix + f.text) for f in audit_task(run, task)]
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def audit_task(run: Run, task: str) -> Iterator[Finding]:
    """The findings about one task of `run`."""
    lanes = run.lanes[run.lanes["task"] == task]
    table = run.convergence[run.convergence["task"] == task]
    entry = run.manifest["tasks"][task]
    yield from _target(run, lanes, table, entry)
    yield from _below_baseline(table, entry)
    yield from _edges(table, leader(table, task))
    yield from _divergence(lanes, table)


def _completeness(run: Run) -> Iterator[Finding]:
    status, lanes, planned = run.manifest["status"], run.lanes, int(run.manifest["plan"]["lanes"])
    missing = planned - int((lanes["status"] != "interrupted").sum())
    if status != "complete" or missing:
        left = f"; {missing:,} of its {planned:,} networks were not trained" if missing else ""
        yield Finding("fault", f"This run is {status if status != 'complete' else 'incomplete'}{left}.")
    failed = int((lanes["status"] == "failed").sum())
    if failed:
        yield Finding(
            "fault", f"{_networks(failed)} failed for reasons outside the training, which counts as the worst."
        )
    cells = run.convergence
    most = cells.groupby("task")["seeds"].transform("max")
    partial = cells[cells["seeds"] < np.maximum(most, 1)]
    if len(partial):
        yield Finding(
            "warning",
            f"{_of(partial, cells)} evaluated on fewer seeds than the rest or not at all: {_names(partial)}.",
        )


def _target(run: Run, lanes: pd.DataFrame, table: pd.DataFrame, entry: Mapping[str, Any]) -> Iterator[Finding]:
    metric, target = stats.Metric.of(entry), float(entry["target"])
    first = run.curves[(run.curves["step"] == 0) & run.curves["lane"].isin(lanes["lane"])]["validation_metric"]
    met = int((metric.sign * first >= metric.sign * target).sum())
    if met:
        yield Finding("fault", f"{_networks(met)} met the target before the first step: steps to it mean nothing here.")
    evaluated = table[table["seeds"] > 0]
    if len(evaluated) and np.isinf(evaluated["steps_to_target"]).all():
        yield Finding("note", f"No cell reached the target of {metric.plain(target)} within the steps given.")


def _below_baseline(table: pd.DataFrame, entry: Mapping[str, Any]) -> Iterator[Finding]:
    metric, baseline = stats.Metric.of(entry), float(entry["baseline"])
    worse = table[metric.sign * table["test_metric"] < metric.sign * baseline]
    if len(worse):
        constant = metric.plain(baseline)
        yield Finding(
            "warning",
            f"{_of(worse, table)} worse than always predicting one constant ({constant}): {_names(worse)}.",
        )


def _edges(table: pd.DataFrame, best: "pd.Series[Any] | None") -> Iterator[Finding]:
    edge = table[table["at_grid_edge"].astype(bool)]
    if edge.empty:
        return
    leads = best is not None and bool(best["at_grid_edge"])
    level = "warning" if leads or len(edge) > len(table) / 4 else "note"
    tail = ", the leader among them" if leads else ""
    verb = "has its best learning rate" if len(edge) == 1 else "have their best learning rate"
    text = f"{len(edge)} of {len(table)} cells {verb} at the edge of the grid{tail}; a wider one may help"
    yield Finding(level, f"{text}: {_names(edge)}.")


def _divergence(lanes: pd.DataFrame, table: pd.DataFrame) -> Iterator[Finding]:
    diverged = lanes[lanes["status"] == "diverged"]
    counts = [int((diverged["phase"] == phase).sum()) for phase in ("tune", "evaluate")]
    if counts[1]:
        cells = table[table["diverged_share"] > 0]
        text = f"{_networks(counts[1])} diverged in evaluation, which counts as the worst: {_names(cells)}."
        yield Finding("warning", text)
    if counts[0]:
        tuned = int((lanes["phase"] == "tune").sum())
        yield Finding(
            "note",
            f"{counts[0]:,} of {tuned:,} networks diverged while tuning.",
        )


def _seeds(table: pd.DataFrame) -> Iterator[Finding]:
    seeds = int(table["seeds"].max()) if len(table) else 0
    if seeds == 1:
        yield Finding("warning", "One evaluation seed a cell: nothing can be said about uncertainty.")
    elif 1 < seeds < ENOUGH_SEEDS:
        text = (
            f"{seeds} evaluation seeds a cell: intervals from fewer than ten are too short "
            "(at 95 % they cover about 75 % of the time with 3 seeds, 84 % with 5, 90 % with 10), "
            "and small differences go unnoticed."
        )
        yield Finding("note", text)


def _timing(throughput: pd.DataFrame) -> Iterator[Finding]:
    counts = throughput["noisy"].value_counts() if len(throughput) else pd.Series(dtype=int)
    words = {"unstable": "unstable", "noisy": "noisy", "few": "taken from few samples"}
    parts = [
        f"{counts[key]} {'is' if counts[key] == 1 else 'are'} {word}"
        for key, word in words.items()
        if counts.get(key, 0)
    ]
    if parts:
        text = f"Of {len(throughput)} timings {' and '.join(parts)}: compare speeds with care."
        yield Finding("note", text)


def _networks(count: int) -> str:
    return f"{count:,} network{'s' * (count != 1)}"


def _of(part: pd.DataFrame, whole: pd.DataFrame) -> str:
    return f"{len(part)} of {len(whole)} cells {'is' if len(part) == 1 else 'are'}"


def _names(cells: pd.DataFrame, most: int = 6) -> str:
    pairs: Iterable[tuple[str, str]] = cells[["activation", "optimizer"]].itertuples(index=False, name=None)
    labels = [stats.cell_label(*pair) for pair in pairs]
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(labels[:most]) + more
