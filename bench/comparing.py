"""From a comparison to what a person reads: a table for the terminal, a page, a figure."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from bench import reporting, templating
from bench.commands import together
from bench.compare import Comparison
from bench.figures import styles
from bench.figures.scatter import seconds_scatter
from bench.labels import joined, significant
from bench.stats import cell_label
from bench.tables import WORDS, Column, Entry, Row, Table
from bench.verdicts import LEADER, TIED

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
    machines = [(name, _machine(run)) for name, run in zip(found.names, runs, strict=True)]
    page = templating.page(
        "compare.html", found=found, table=as_table(found), figure=figure, machines=machines,
        commands=together(runs, "compare"), data=Markup("[]"),
    )  # fmt: skip
    csv = found.cells.to_csv(index=False, lineterminator="\n")
    drawn = figure.files if figure else {}
    return reporting.listed(drawn | {"tables/compare.csv": csv.encode()}, "comparison") | {"index.html": page.encode()}


def as_table(found: Comparison) -> Table:
    """One row a cell, what differs first."""
    several = found.cells["task"].nunique() > 1
    order = found.cells["verdict"].map({"worse": 0, "better": 1}).fillna(2)
    ordered = found.cells.assign(order=order).sort_values(["order", "p_value"], kind="stable")
    columns = (
        *([Column("task", False)] if several else []),
        Column("cell", False),
        Column("A", True, f"mean test metric of {found.names[0]}"),
        Column("B", True, f"mean test metric of {found.names[1]}"),
        Column("B - A", True, READS),
        Column("95 % interval", True, "of the difference"),
        Column("p", True, "adjusted by Holm over all cells"),
        Column("B is", False, "not told apart: cannot be told from A at 1 %"),
        *(Column(f"s to target {side}", True, f"seconds of {found.of} for one network") for side in "AB"),
        Column("A / B", True, "seconds to target; above 1: B is sooner"),
        Column("speed B / A", True, f"steps of single networks a second of {found.of}; above 1: B is faster"),
        Column("its interval", True, "95 %, of the two medians and of what differs from run to run"),
    )
    return Table(columns, tuple(_row(row, found, several) for row in ordered.to_dict("records")))


def _row(row: dict[str, Any], found: Comparison, several: bool) -> Row:
    metric, name = found.metrics[row["task"]], cell_label(row["activation"], row["optimizer"])
    ends = [row[f"difference_{end}"] * metric.scale for end in ("low", "high")]
    digits = 2 if metric.scale != 1 else None
    entries = (
        *([Entry(row["task"], row["task"])] if several else []),
        Entry(name, name),
        *(Entry(metric.show(row[f"metric_{side}"]), _key(row[f"metric_{side}"])) for side in "ab"),
        Entry(_signed(row["difference"] * metric.scale, digits), _key(row["difference"])),
        Entry(
            f"{_signed(ends[0], digits)} to {_signed(ends[1], digits)}" if np.isfinite(ends[0]) else "–", _key(ends[0])
        ),
        Entry("–" if pd.isna(row["p_value"]) else f"{row['p_value']:.2g}", _key(row["p_value"])),
        Entry(WORDS[TIED] if row["verdict"] == TIED else row["verdict"] or "–", row["verdict"]),
        *(Entry(_seconds(row[f"seconds_{side}"]), _key(row[f"seconds_{side}"])) for side in "ab"),
        *(Entry(significant(row[name]), _key(row[name])) for name in ("seconds_ratio", "speed_ratio")),
        Entry(_interval(row["speed_ratio_low"], row["speed_ratio_high"]), _key(row["speed_ratio_low"])),
    )
    return Row(entries, LEADER if row["verdict"] in ("better", "worse") else "", name)


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


def _key(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.9g}".replace("inf", "Infinity")


def _signed(value: float, digits: int | None) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:+.{digits}f}" if digits is not None else f"{value:+.3g}"


def _seconds(value: float) -> str:
    return "never" if np.isposinf(value) else significant(value, 2)


def _interval(low: float, high: float) -> str:
    return f"{significant(low)} to {significant(high)}" if np.isfinite(low) else "–"
