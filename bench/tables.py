"""The tables of a report, as a person reads them: what stands in each entry and what it is sorted by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bench import stats
from bench.labels import NO_ACTIVATION, significant, steps
from bench.reference import Reference
from bench.stats import Metric, cell_label, noun
from bench.verdicts import LEADER, TIED, Verdict

WORDS = {LEADER: "leader", TIED: "not told apart"}
UNKNOWN = "–"
UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}
MOST_UNCERTAIN = 5  # columns with ± beside each other on a page of a paper
WHOLE = "{:,.0f}".format


@dataclass(frozen=True)
class Entry:
    """One entry: its text and what it is sorted by (empty: unknown, always last)."""

    text: str
    key: str
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """One column: its title, whether it holds numbers, what it means, and which are better, `more` or `less`."""

    title: str
    number: bool
    hint: str = ""
    better: str = ""


@dataclass(frozen=True)
class Row:
    """One row; `mark` is that of `mark` below, `verdict` the same in words; `name` what it is about."""

    entries: tuple[Entry, ...]
    mark: str = ""
    name: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Table:
    """A table as a person reads it."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def marked(self) -> frozenset[int]:
        """The columns in which an entry is marked as level with the best, where print keeps room for the mark."""
        return frozenset(i for row in self.rows for i, entry in enumerate(row.entries) if entry.mark == TIED)


Read = tuple[Column, Callable[[dict[str, Any]], Entry]]


def _told(row: dict[str, Any], verdict: Verdict) -> str:
    """The same in words; of a cell that was not evaluated, or has no leader to stand behind, nothing."""
    lost = verdict.lost.get((row["activation"], row["optimizer"]))
    if lost:
        return f"{verdict.how} on {lost} of {verdict.seeds}"
    scored = verdict.winner is not None and not np.isnan(row["test_metric"])
    return WORDS.get(row["mark"], "behind" if scored else "")


def cells(table: pd.DataFrame, throughput: pd.DataFrame, verdict: Verdict, reference: Reference | None = None) -> Table:
    """All cells of one task, the best first.

    `table` may tell in `found` what was searched beside the learning rate, in `collapsed` whether a seed collapsed, and
    in `ahead` how far each is ahead of the `reference`.
    """
    speed = throughput.groupby(["activation", "optimizer"])["lane_steps_per_s"].median().rename("speed")
    timed = table.join(speed, on=["activation", "optimizer"])
    return _ranked(timed, _readers(timed, verdict.metric, reference), verdict)


def paper(table: pd.DataFrame, verdict: Verdict) -> Table:
    """All cells of one task as a page of a paper has room for them; `table` as `cells` takes it."""
    readers: list[Read] = [
        _number("rank", "rank", "{:g}".format),
        *_activation(table),
        (Column("optimizer", False), _marked_optimizer),
        (Column(_with_unit(verdict.metric), True), lambda row: _uncertain(row, verdict.metric)),
        (Column("rate", True), _rate),
        *_until_target(table, _number("steps", "steps_to_target", steps)),
        _number("diverged", "diverged_share", _percent),
    ]
    return _ranked(table, readers, verdict)


def _ranked(table: pd.DataFrame, readers: Sequence[Read], verdict: Verdict) -> Table:
    """The cells of `table` as `readers` read them, the best first."""
    rows = []
    for row in table.sort_values(["rank", "steps_to_target"], kind="stable").to_dict("records"):
        pair = row["activation"], row["optimizer"]
        row["mark"] = verdict.mark(pair)
        entries = tuple(read(row) for _, read in readers)
        rows.append(Row(entries, row["mark"], cell_label(*pair), _told(row, verdict)))
    return Table(tuple(column for column, _ in readers), tuple(rows))


def matrix(table: pd.DataFrame, verdict: Verdict) -> Table:
    """The mean test metric of one task, activation by optimizer; the longer side runs down.

    With half of its interval where a page has room for as many columns.
    """
    activations, optimizers = (list(dict.fromkeys(table[side])) for side in ("activation", "optimizer"))
    turned = len(optimizers) > len(activations)
    down, across = (optimizers, activations) if turned else (activations, optimizers)
    cells = table.set_index(["activation", "optimizer"]).to_dict("index")
    uncertain = len(across) <= MOST_UNCERTAIN

    def entry(row: str, column: str) -> Entry:
        pair = (column, row) if turned else (row, column)
        cell = cells[pair] | {"mark": verdict.mark(pair)}
        return (_uncertain if uncertain else _mean)(cell, verdict.metric)

    rows = [Row((Entry(row, row), *(entry(row, column) for column in across))) for row in down]
    titles = ["" if column == NO_ACTIVATION else column for column in across]
    return Table((Column("", False), *(Column(title, True) for title in titles)), tuple(rows))


def told_rate(row: dict[str, Any], edge: str = "") -> str:
    """The learning rate of a cell, marked by `edge`, and what was found beside it."""
    rest = f", {row['found']}" if row.get("found") else ""
    return f"{row['learning_rate']:.3g}{edge}{rest}"


def _against_first(board: pd.DataFrame) -> "list[Read]":
    if not (board["p_value"] < stats.LEVEL).any():
        return []
    about = "that chance alone sets its ranks as far from those of the first (Wilcoxon, with Holm over all cells)"
    return [_number("p against the first", "p_value", lambda v: significant(v, 2) if v >= 0.001 else "< 0.001", about)]


def leaderboard(board: pd.DataFrame, level: Sequence[object] = ()) -> Table:
    """Cells over all tasks, the best mean rank first; `level` are those that cannot be told from the first."""
    readers: list[Read] = [
        *_activation(board),
        _text("optimizer"),
        _number("tasks", "tasks", lambda v: f"{v:g}", "it was evaluated on"),
        _number(
            "mean rank", "mean_rank", lambda v: f"{v:.2f}", "over the tasks, each data set counted once; 1 is the best"
        ),
        *_against_first(board),
        *[_number("profile score", "profile", lambda v: f"{v:.2f}", "area under its performance profile, 0 to 1")]
        * bool(board["profile"].any()),
        _number(
            "leads or not told apart", "lead_share", _percent,
            "share of the tasks in which it is the leader or cannot be told from it",
        ),
    ]  # fmt: skip
    rows = []
    for place, row in enumerate(board.to_dict("records")):
        pair = (row["activation"], row["optimizer"])
        known = TIED if pair in level else ""
        name, shown = cell_label(*pair), LEADER if place == 0 and level else known
        rows.append(Row(tuple(read(row) for _, read in readers), shown, name))
    return Table(tuple(column for column, _ in readers), tuple(rows))


def against(counts: pd.DataFrame, by: str) -> Table:
    """An activation, optimizer or cell (`by`) a row: on how many tasks it beats the reference or not.

    `counts` are those of `effects.against_over_tasks`.
    """
    about = "that chance alone sets its ranks as far from the reference's (Wilcoxon over data sets, with Holm)"
    readers: list[Read] = [
        (Column(by, False), lambda row: Entry(row["entrant"], row["entrant"])),
        _number("tasks", "tasks", WHOLE),
        _number("better", "better", WHOLE, "tasks on which the test tells that"),
        _number("not told apart", "level", WHOLE),
        _number("worse", "worse", WHOLE, "tasks on which the test tells that"),
        *(
            _number(title, told, WHOLE, hint)
            for told, title, hint in (
                ("kept", "lost fewer seeds", "to divergence or failure, where no test tells them apart"),
                ("lost", "lost more seeds", "to divergence or failure, where no test tells them apart"),
                ("lacking", "lacks cells or seeds", "that others have, as of a run that was interrupted"),
            )
            if counts[told].any()
        ),
        *[_number("p over tasks", "p_value", lambda v: significant(v, 2), about)]
        * bool((counts["p_value"] < stats.LEVEL).any()),
    ]
    rows = [Row(tuple(read(row) for _, read in readers), "", row["entrant"]) for row in counts.to_dict("records")]
    return Table(tuple(column for column, _ in readers), tuple(rows))


def leaders(verdicts: Sequence[tuple[str, Verdict]]) -> Table:
    """A row a run and task: its leader, how good that is, and how many cannot be told from it.

    A single run is not named.
    """
    columns = [
        Column("run", False),
        Column("task", False),
        Column("leader", False),
        Column("test metric", True, "mean over the evaluation seeds, ± half of its 95 % bootstrap interval"),
        Column("learning rate", True, "of the leader, chosen in tuning"),
        Column("not told apart", True, "cells that cannot be told from the leader"),
        Column("diverged", True, "cells that diverged on more seeds than the leader"),
        Column("cells", True, "that were evaluated"),
    ]
    first = 0 if len({run for run, _ in verdicts}) > 1 else 1
    rows = []
    for run, found in verdicts:
        who = cell_label(*found.winner) if found.winner else UNKNOWN
        told = f"{found.metric.told(found.mean, found.half_width)} {found.metric.name}" if found.winner else UNKNOWN
        counts = len(found.tied), len(found.lost), found.cells
        rate = f"{found.rate:.3g}" if found.winner else UNKNOWN
        texts = [Entry(text, text) for text in (run, found.task, who)]
        numbers = [Entry(told, _key(found.mean) if found.winner else ""), Entry(rate, _key(found.rate))]
        numbers += [Entry(str(n), str(n)) for n in counts]
        rows.append(Row((*texts, *numbers)[first:], "", f"{run} {found.task}"))
    return Table(tuple(columns[first:]), tuple(rows))


def decimals(values: "pd.Series[float]") -> int:
    """Of a column: two digits of its middle value and one of its least, the same in every row."""
    known = values[np.isfinite(values.astype(float)) & (values > 0)]
    if known.empty:
        return 0
    least, middle = (int(np.floor(np.log10(value))) for value in (known.min(), known.median()))
    return max(0, 1 - middle, -least)


def durations(seconds: "pd.Series[float]") -> Callable[[float], str]:
    """How a column of seconds is told: in the largest unit that does not exceed its middle value."""
    known = seconds[np.isfinite(seconds.astype(float)) & (seconds > 0)]
    unit = next((unit for unit, size in UNITS.items() if size <= known.median()), "s")
    places = decimals(known / UNITS[unit])
    return lambda value: f"{value / UNITS[unit]:,.{places}f} {unit}"


def _readers(table: pd.DataFrame, metric: Metric, reference: Reference | None) -> list[Read]:
    what = noun(table)
    cost = f"of one worker for one {what}: steps x seconds of a step / width of the chunk it trains in"
    return [
        _number("rank", "rank", "{:g}".format, "1 is the best; equals share the mean rank"),
        *_activation(table),
        _text("optimizer"),
        _metric(metric),
        (
            Column("95 % interval", True, "of the mean, by bootstrap; sorted by its lower end; ‡ a seed collapsed"),
            lambda row: _interval(row, metric),
        ),
        *([_ahead(metric, reference)] if reference else []),
        *_until_target(
            table,
            _number("steps to target", "steps_to_target", steps, "median over the seeds; never: missed", "less"),
            _number("time to target", "seconds_to_target", durations(table["seconds_to_target"]), cost, "less"),
        ),
        _number("diverged in evaluation", "diverged_share", _percent, f"share of the evaluation {what}s", "less"),
        (Column("learning rate", True, "chosen in tuning; * at the edge of what was tried"), _rate),
        _number(
            "lane-steps/s",
            "speed",
            WHOLE,
            f"steps of single {what}s by one worker, all workers busy",
            "more",
        ),
    ]


def _activation(table: pd.DataFrame) -> list[Read]:
    """The column of activations, where there are any."""
    return [_text("activation")] if (table["activation"] != NO_ACTIVATION).any() else []


def _until_target(table: pd.DataFrame, *columns: Read) -> list[Read]:
    """The columns on the way to the target, where a cell reached it or all await it."""
    found = table["steps_to_target"]
    missed = np.isinf(found).any() and not np.isfinite(found).any()  # others may not have been evaluated
    return [] if missed else list(columns)


def _with_unit(metric: Metric) -> str:
    return f"{metric.name}{f' ({metric.unit})' if metric.unit else ''}"


def _text(name: str) -> Read:
    return Column(name, False), lambda row: Entry(str(row[name]), str(row[name]))


def _percent(value: float) -> str:
    return f"{value * 100:.0f} %"


def _number(title: str, name: str, show: Callable[[float], str], hint: str = "", better: str = "") -> Read:
    return Column(title, True, hint, better), lambda row: Entry(_shown(row[name], show), _key(row[name]))


def _metric(metric: Metric) -> Read:
    better = "more" if metric.sign > 0 else "less"
    column = Column(f"test {_with_unit(metric)}", True, "mean over the evaluation seeds", better)
    return column, lambda row: _mean(row, metric)


def _ahead(metric: Metric, reference: Reference) -> Read:
    beside = f" with the same {reference.other}" if reference.other else ""
    hint = f"how much better its mean is than that of {reference.label}{beside}"
    column = Column(f"ahead of {reference.label}", True, hint, "more")
    return column, lambda row: Entry(metric.gain(row["ahead"]), _key(row["ahead"]))


def _mean(row: dict[str, Any], metric: Metric) -> Entry:
    value = row["test_metric"]
    return Entry(UNKNOWN if pd.isna(value) else metric.show(value), _key(value), row["mark"])


def _uncertain(row: dict[str, Any], metric: Metric) -> Entry:
    """The mean ± half of its interval, where it has one."""
    known = _mean(row, metric)
    half = (row["ci_high"] - row["ci_low"]) / 2
    return replace(known, text=replace(metric, unit="").told(row["test_metric"], half)) if np.isfinite(half) else known


def _shown(value: float, show: Callable[[float], str]) -> str:
    if pd.isna(value):
        return UNKNOWN
    return show(value) if np.isfinite(value) else "never"


def _key(value: float) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.9g}" if np.isfinite(value) else f"{'-' * (value < 0)}Infinity"


def _interval(row: dict[str, Any], metric: Metric) -> Entry:
    if pd.isna(row["ci_low"]):
        return Entry(UNKNOWN, "")
    return Entry(f"{metric.show(row['ci_low'])} to {metric.show(row['ci_high'])}{_collapsed(row)}", _key(row["ci_low"]))


def _marked_optimizer(row: dict[str, Any]) -> Entry:
    return Entry(f"{row['optimizer']}{_collapsed(row)}", row["optimizer"])


def _collapsed(row: dict[str, Any]) -> str:
    return " ‡" * bool(row.get("collapsed"))


def _rate(row: dict[str, Any]) -> Entry:
    if pd.isna(row["learning_rate"]):
        return Entry(UNKNOWN, "")
    return Entry(told_rate(row, "*" * bool(row["at_grid_edge"])), _key(row["learning_rate"]))
