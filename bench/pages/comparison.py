"""From a comparison to what a person reads: a table for the terminal, a page, a figure."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from bench.figures import speedup, styles
from bench.figures.scatter import seconds_scatter
from bench.findings.compare import SPEED, Comparison, seeds_told
from bench.findings.verdicts import LEADER, TIED
from bench.labels import joined, significant
from bench.pages import folder, templating
from bench.pages.commands import together
from bench.pages.standings import WORDS
from bench.pages.tables import UNKNOWN, Column, Entry, Read, Row, Table, entries, key, number, text
from bench.stats import Metric, cell_label

MACHINE = ("processor", "processor_model", "vectors", "device", "device_kind", "precision")  # of its environment
READS = "the second run less the first, of the mean test metric"
LEAST = ("its interval", "s to target A", "s to target B", "p", "95 % interval", "A / B")  # the first is missed least


def lines(found: Comparison, width: float = np.inf) -> list[str]:
    """The comparison as lines of plain text for a terminal of this width, its sentences last.

    Where the table is wider, columns are left out, those of `LEAST` in this order; a line says which.
    """
    table = as_table(found)
    texts = [[column.title for column in table.columns], *([entry.text for entry in row.entries] for row in table.rows)]
    widest = {titles[0]: max(map(len, titles)) for titles in zip(*texts, strict=True)}
    left_out: list[str] = []
    while sum(widest.values()) + 2 * (len(widest) - 1) > width and len(left_out) < len(LEAST):
        left_out.append(LEAST[len(left_out)])
        del widest[left_out[-1]]
    kept = [i for i, title in enumerate(texts[0]) if title in widest]
    texts, numbers = [[row[i] for i in kept] for row in texts], [table.columns[i].number for i in kept]
    shown = [
        "  ".join(
            f"{text:>{w}}" if n else f"{text:<{w}}" for text, w, n in zip(row, widest.values(), numbers, strict=True)
        ).rstrip()
        for row in texts
    ]
    missing = [f"Left out for the width of the terminal, and in --json: {joined(left_out)}."] if left_out else []
    return [*shown, "", *found.sentences, *missing]


def as_json(found: Comparison) -> str:
    """The comparison for programs; what is not finite is null."""
    cells = [{key: _plain(value) for key, value in row.items()} for row in found.cells.to_dict("records")]
    speed = {"ratio": found.speed.middle, "low": found.speed.low, "high": found.speed.high}
    head = {"runs": list(found.names), "sentences": list(found.sentences), "missing": found.missing}
    return json.dumps(head | {"speed": {k: _plain(v) for k, v in speed.items()}, "cells": cells}, indent=1)


def render(found: Comparison, runs: Sequence[Any]) -> dict[str, bytes]:
    """The files of a comparison's page, by name; the page last."""
    figure = seconds_scatter("compare", found.cells, found.names, found.of, styles(_ranked(found.cells)))
    speeds = found.cells.rename(columns={name: name.removeprefix("speed_") for name in SPEED})
    faster = speedup.ratios("compare-speed", speeds, *reversed(found.names))
    figures = [one for one in (faster, figure) if one]
    machines = [(name, _machine(run)) for name, run in zip(found.names, runs, strict=True)]
    page = templating.page(
        "compare.html", found=found, table=as_table(found), figures=figures, machines=machines,
        commands=together(runs, "compare"), data=Markup("[]"),
    )  # fmt: skip
    csv = found.cells.to_csv(index=False, lineterminator="\n")
    files = {"tables/compare.csv": csv.encode()} | {name: file for one in figures for name, file in one.files.items()}
    return folder.listed(files, "comparison") | {"index.html": page.encode()}


def as_table(found: Comparison) -> Table:
    """One row a cell, what differs first."""
    order = found.cells["verdict"].map({"worse": 0, "better": 1}).fillna(2)
    ordered = found.cells.assign(order=order).sort_values(["order", "p_value"], kind="stable")
    readers = [
        *([text("task")] if found.cells["task"].nunique() > 1 else []),
        (Column("cell", False), lambda row: Entry(_name(row), _name(row))),
        *(
            _scored(side.upper(), f"metric_{side}", found, Metric.show, f"mean test metric of {name}")
            for side, name in zip("ab", found.names, strict=True)
        ),
        _scored("B - A", "difference", found, _signed, READS),
        (Column("95 % interval", True, "of the difference"), lambda row: _ends(row, found.metrics[row["task"]])),
        number("p", "p_value", "{:.2g}".format, "adjusted by Holm over all cells"),
        (Column("B is", False, "not told apart: cannot be told from A at 1 %"), _verdict),
        *(
            number(f"s to target {side.upper()}", f"seconds_{side}", _seconds, f"seconds of {found.of} for one network")
            for side in "ab"
        ),
        number("A / B", "seconds_ratio", significant, "seconds to target; above 1: B is sooner"),
        number(
            "speed B / A", "speed_ratio", significant,
            f"steps of single networks a second of {found.of}; above 1: B is faster",
        ),
        (Column("its interval", True, "95 %, of the two medians and of what differs from run to run"), _interval),
    ]  # fmt: skip
    rows = [_row(row, readers) for row in ordered.to_dict("records")]
    return Table.of(readers, rows)


def _row(row: dict[str, Any], readers: Sequence[Read]) -> Row:
    return Row(entries(row, readers), LEADER if row["verdict"] in ("better", "worse") else "", _name(row))


def _name(row: dict[str, Any]) -> str:
    return cell_label(row["activation"], row["optimizer"])


def _scored(title: str, column: str, found: Comparison, show: Callable[[Metric, float], str], hint: str) -> Read:
    """A column of numbers in the unit of each row's metric."""
    return Column(title, True, hint), lambda row: Entry(show(found.metrics[row["task"]], row[column]), key(row[column]))


def _signed(metric: Metric, value: float) -> str:
    """With its sign, zero without; – where it is not known."""
    if not np.isfinite(value):
        return UNKNOWN if np.isnan(value) else f"{'+' if value > 0 else '−'}∞"
    text = f"{value * metric.scale:{'+.2f' if metric.scale != 1 else '+.3g'}}"
    return text.replace("-", "−") if text.strip("+-0.") else text.lstrip("+-")


def _ends(row: dict[str, Any], metric: Metric) -> Entry:
    low, high = row["difference_low"], row["difference_high"]
    return Entry(f"{_signed(metric, low)} to {_signed(metric, high)}" if np.isfinite(low) else UNKNOWN, key(low))


def _verdict(row: dict[str, Any]) -> Entry:
    told = WORDS[TIED] if row["verdict"] == TIED else row["verdict"] or UNKNOWN
    return Entry(", ".join(filter(None, (told, seeds_told(row)))), row["verdict"])


def _seconds(value: float) -> str:
    return "never" if np.isposinf(value) else significant(value, 2)


def _interval(row: dict[str, Any]) -> Entry:
    low, high = row["speed_ratio_low"], row["speed_ratio_high"]
    return Entry(f"{significant(low)} to {significant(high)}" if np.isfinite(low) else UNKNOWN, key(low))


def _ranked(cells: pd.DataFrame) -> pd.DataFrame:
    return cells.assign(rank=cells["seconds_b"].rank())


def _machine(run: Any) -> str:
    environment = run.manifest["environment"]
    parts = [environment.get(key, "") for key in MACHINE]
    packages = environment.get("packages", {})
    versions = [f"{name} {packages[name]}" for name in ("optact", "jax") if name in packages]
    return ", ".join([*dict.fromkeys(str(part) for part in parts if part), *versions])


def _plain(value: Any) -> Any:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, float, np.number)):
        return float(value) if np.isfinite(value) else None
    return value
