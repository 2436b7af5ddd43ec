"""The tables of a report: the cells of a task, those of all tasks, and what is held against a reference."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from bench import stats
from bench.findings.verdicts import LEADER, TIED, Verdict
from bench.labels import NO_ACTIVATION, mean_rank, significant, steps
from bench.pages.tables import (
    UNKNOWN,
    Column,
    Entry,
    Read,
    Row,
    Table,
    durations,
    entries,
    key,
    number,
    or_never,
    percent,
    text,
    whole,
)  # fmt: skip
from bench.planning.reference import Reference
from bench.stats import Metric, cell_label, noun

WORDS = {LEADER: "leader", TIED: "not told apart"}
MOST_UNCERTAIN = 5  # columns with ± beside each other on a page of a paper


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
        number("rank", "rank", "{:g}".format),
        *_activation(table),
        (Column("optimizer", False), _marked_optimizer),
        (Column(_with_unit(verdict.metric), True), lambda row: _uncertain(row, verdict.metric)),
        (Column("rate", True), _rate),
        *_until_target(table, number("steps", "steps_to_target", or_never(steps))),
        number("diverged", "diverged_share", percent),
    ]
    return _ranked(table, readers, verdict)


def _ranked(table: pd.DataFrame, readers: Sequence[Read], verdict: Verdict) -> Table:
    """The cells of `table` as `readers` read them, the best first."""
    rows = []
    for row in table.sort_values(["rank", "steps_to_target"], kind="stable").to_dict("records"):
        pair = row["activation"], row["optimizer"]
        row["mark"] = verdict.mark(pair)
        rows.append(Row(entries(row, readers), row["mark"], cell_label(*pair), _told(row, verdict)))
    return Table.of(readers, rows)


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
    return [number("p against the first", "p_value", lambda v: significant(v, 2) if v >= 0.001 else "< 0.001", about)]


def leaderboard(board: pd.DataFrame, level: Sequence[object] = ()) -> Table:
    """Cells over all tasks, the best mean rank first; `level` are those that cannot be told from the first."""
    readers: list[Read] = [
        *_activation(board),
        text("optimizer"),
        number("tasks", "tasks", lambda v: f"{v:g}", "it was evaluated on"),
        number(
            "mean rank", "mean_rank", lambda v: f"{v:.2f}", "over the tasks, each data set counted once; 1 is the best"
        ),
        *_against_first(board),
        *[number("profile score", "profile", lambda v: f"{v:.2f}", "area under its performance profile, 0 to 1")]
        * bool(board["profile"].any()),
        number(
            "leads or not told apart", "lead_share", percent,
            "share of the tasks in which it is the leader or cannot be told from it",
        ),
    ]  # fmt: skip
    rows = []
    for place, row in enumerate(board.to_dict("records")):
        pair = (row["activation"], row["optimizer"])
        known = TIED if pair in level else ""
        name, shown = cell_label(*pair), LEADER if place == 0 and level else known
        rows.append(Row(entries(row, readers), shown, name))
    return Table.of(readers, rows)


def alone(board: pd.DataFrame, by: str, level: Sequence[object]) -> Table:
    """Activations or optimizers (`by`) over all tasks, the best mean rank first, each at that of its cells.

    `level` are those that cannot be told from the first.
    """
    share = "share of the tasks in which one of its cells is the leader or cannot be told from it"
    readers: list[Read] = [
        text(by),
        number("mean rank", "mean_rank", mean_rank, f"among {len(board)}, over the tasks, each data set counted once"),
        number("leads or not told apart", "lead_share", percent, share),
    ]
    marks = {place: LEADER if place == 0 else TIED for place, name in enumerate(board[by]) if level and name in level}
    rows = [
        Row(entries(row, readers), marks.get(place, ""), str(row[by]))
        for place, row in enumerate(board.to_dict("records"))
    ]
    return Table.of(readers, rows)


def against(counts: pd.DataFrame, by: str) -> Table:
    """An activation, optimizer or cell (`by`) a row: on how many tasks it beats the reference or not.

    `counts` are those of `effects.against_over_tasks`.
    """
    about = "that chance alone sets its ranks as far from the reference's (Wilcoxon over data sets, with Holm)"
    readers: list[Read] = [
        text(by, "entrant"),
        number("tasks", "tasks", whole),
        number("better", "better", whole, "tasks on which the test tells that"),
        number("not told apart", "level", whole),
        number("worse", "worse", whole, "tasks on which the test tells that"),
        *(
            number(title, told, whole, hint)
            for told, title, hint in (
                ("kept", "lost fewer seeds", "to divergence or failure, where no test tells them apart"),
                ("lost", "lost more seeds", "to divergence or failure, where no test tells them apart"),
                ("lacking", "lacks cells or seeds", "that others have, as of a run that was interrupted"),
            )
            if counts[told].any()
        ),
        *[number("p over tasks", "p_value", lambda v: significant(v, 2), about)]
        * bool((counts["p_value"] < stats.LEVEL).any()),
    ]
    return Table.read(counts.to_dict("records"), readers, lambda row: str(row["entrant"]))


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
        texts = [Entry(of, of) for of in (run, found.task, who)]
        numbers = [Entry(told, key(found.mean) if found.winner else ""), Entry(rate, key(found.rate))]
        numbers += [Entry(str(n), str(n)) for n in counts]
        rows.append(Row((*texts, *numbers)[first:], "", f"{run} {found.task}"))
    return Table(tuple(columns[first:]), tuple(rows))


def _readers(table: pd.DataFrame, metric: Metric, reference: Reference | None) -> list[Read]:
    what, seconds = noun(table), durations(table["seconds_to_target"])
    missed = "median over the seeds; never: missed"
    cost = f"of one worker for one {what}: steps x seconds of a step / width of the chunk it trains in"
    return [
        number("rank", "rank", "{:g}".format, "1 is the best; equals share the mean rank"),
        *_activation(table),
        text("optimizer"),
        _metric(metric),
        (
            Column("95 % interval", True, "of the mean, by bootstrap; sorted by its lower end; ‡ a seed collapsed"),
            lambda row: _interval(row, metric),
        ),
        *([_ahead(metric, reference)] if reference else []),
        *_until_target(
            table,
            number("steps to target", "steps_to_target", or_never(steps), missed, "less"),
            number("time to target", "seconds_to_target", or_never(seconds), cost, "less"),
        ),
        *[number("diverged in evaluation", "diverged_share", percent, f"share of the evaluation {what}s", "less")]
        * bool((table["diverged_share"] > 0).any()),
        (Column("learning rate", True, "chosen in tuning; * at the edge of what was tried"), _rate),
        number(
            "lane-steps/s",
            "speed",
            whole,
            f"steps of single {what}s by one worker, all workers busy",
            "more",
        ),
    ]


def _activation(table: pd.DataFrame) -> list[Read]:
    """The column of activations, where there are any."""
    return [text("activation")] if (table["activation"] != NO_ACTIVATION).any() else []


def _until_target(table: pd.DataFrame, *columns: Read) -> list[Read]:
    """The columns on the way to the target, where a cell reached it or all await it."""
    found = table["steps_to_target"]
    missed = np.isinf(found).any() and not np.isfinite(found).any()  # others may not have been evaluated
    return [] if missed else list(columns)


def _with_unit(metric: Metric) -> str:
    return f"{metric.name}{f' ({metric.unit})' if metric.unit else ''}"


def _metric(metric: Metric) -> Read:
    better = "more" if metric.sign > 0 else "less"
    column = Column(f"test {_with_unit(metric)}", True, "mean over the evaluation seeds", better)
    return column, lambda row: _mean(row, metric)


def _ahead(metric: Metric, reference: Reference) -> Read:
    beside = f" with the same {reference.other}" if reference.other else ""
    hint = f"how much better its mean is than that of {reference.label}{beside}"
    column = Column(f"ahead of {reference.label}", True, hint, "more")
    return column, lambda row: Entry(metric.gain(row["ahead"]), key(row["ahead"]))


def _mean(row: dict[str, Any], metric: Metric) -> Entry:
    value = row["test_metric"]
    return Entry(UNKNOWN if pd.isna(value) else metric.show(value), key(value), row["mark"])


def _uncertain(row: dict[str, Any], metric: Metric) -> Entry:
    """The mean ± half of its interval, where it has one."""
    known = _mean(row, metric)
    half = (row["ci_high"] - row["ci_low"]) / 2
    return replace(known, text=replace(metric, unit="").told(row["test_metric"], half)) if np.isfinite(half) else known


def _interval(row: dict[str, Any], metric: Metric) -> Entry:
    if pd.isna(row["ci_low"]):
        return Entry(UNKNOWN, "")
    return Entry(f"{metric.show(row['ci_low'])} to {metric.show(row['ci_high'])}{_collapsed(row)}", key(row["ci_low"]))


def _marked_optimizer(row: dict[str, Any]) -> Entry:
    return Entry(f"{row['optimizer']}{_collapsed(row)}", row["optimizer"])


def _collapsed(row: dict[str, Any]) -> str:
    return " ‡" * bool(row.get("collapsed"))


def _rate(row: dict[str, Any]) -> Entry:
    if pd.isna(row["learning_rate"]):
        return Entry(UNKNOWN, "")
    return Entry(told_rate(row, "*" * bool(row["at_grid_edge"])), key(row["learning_rate"]))
