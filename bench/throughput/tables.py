"""The tables of throughput runs: which columns each has, what stands in them and how it is told."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.labels import significant
from bench.stats import cell_label
from bench.tables import Column, Entry, Row, Table

# Title, whether a number, hint, value of a row, its text
Read = tuple[str, bool, str, Callable[[dict[str, Any]], Any], Callable[[Any], str]]


def table(frame: pd.DataFrame, readers: Sequence[Read]) -> Table:
    """A frame as a table with these columns."""
    columns = tuple(Column(title, number, hint) for title, number, hint, _, _ in readers)
    rows = []
    for row in frame.to_dict("records"):
        values = [(read(row), text) for *_, read, text in readers]
        rows.append(Row(tuple(Entry(text(value), _key(value)) for value, text in values), "", name(row)))
    return Table(columns, tuple(rows))


def varied(
    frame: pd.DataFrame, readers: Sequence[Read], settings: Sequence[Read]
) -> tuple[list[Read], tuple[str, ...]]:
    """The columns less those of `settings` that are the same in all rows, and a sentence that tells these."""
    rows = frame.to_dict("records")
    alike = [one for one in settings if len({one[3](row) for row in rows}) == 1]
    told = ", ".join(f"{title} {text(read(rows[0]))}" for title, _, _, read, text in alike)
    return [one for one in readers if one not in alike], (f"All of them: {told}.",) if alike else ()


def _key(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if pd.isna(value) else f"{value:.9g}".replace("inf", "Infinity")


def name(row: dict[str, Any]) -> str:
    """What a row is of."""
    return cell_label(str(row.get("activation", "")), str(row.get("optimizer", "")))


def text(title: str, column: str, hint: str = "") -> Read:
    """A column of text."""
    return title, False, hint, lambda row: str(row[column]), str


def number(title: str, column: str, show: Callable[[Any], str], hint: str = "") -> Read:
    """A column of numbers, shown by `show`."""
    return title, True, hint, lambda row: row[column], show


def count(value: float) -> str:
    """A whole number."""
    return f"{value:,.0f}" if np.isfinite(value) else "never"


def times(value: float) -> str:
    """How many times."""
    return f"{value:,.2f}" if np.isfinite(value) else "–"


def percent(value: float) -> str:
    """A share."""
    return f"{value * 100:.0f} %" if np.isfinite(value) else "–"


def _milli(value: float) -> str:
    return significant(value * 1e3)


def costs(side: str) -> list[Read]:
    """The columns of what activations or optimizers cost."""
    return [
        text(side, side),
        number("time", "ratio", times, "geometric mean of the ratios of step times, of each task and of these"),
        number("from", "ratio_low", times, "95 % interval over tasks; of a single task, over its settings"),
        number("to", "ratio_high", times),
        number("median", "median", times, "of the tasks; of a single task, of its settings"),
        number("highest", "highest", times),
        number("memory", "memory_ratio", times, "bytes that a program works in"),
        number("state", "state_ratio", times, "bytes that a step hands to the next"),
        number("tasks", "tasks", count),
        number("timings", "cells", count),
    ]


TASK = text("task", "task")
SETTING: list[Read] = [
    TASK,
    text("activation", "activation"),
    text("optimizer", "optimizer"),
]
COMPILE: list[Read] = [
    text("device", "device"),
    text("task", "task"),
    text("optimizer", "optimizer"),
    number("trace, s", "trace_s", significant, "median over activations and settings"),
    number("compile, s", "compile_s", significant, "without a cache"),
    number("first run, s", "first_run_s", significant, "one step and an evaluation"),
    number("transfer, s", "transfer_s", significant, "arguments to the device"),
]
DEVICES: list[Read] = [
    *SETTING,
    text("precision", "precision"),
    number("batch", "batch_size", count),
    number("GPU / CPU", "ratio", times, "lane-steps a second, each at its best width"),
    number("from", "ratio_low", times, "95 % interval"),
    number("to", "ratio_high", times),
    number("pays after lane-steps", "steps", count, "difference in start over difference in the time of a lane-step"),
]
TARGET: list[Read] = [
    *SETTING,
    text("device", "device"),
    number("batch", "batch_size", count),
    number("steps", "steps_to_target", count),
    number("seconds", "seconds", lambda value: significant(value) if np.isfinite(value) else "never"),
]
MACHINE: list[Read] = [
    text("device", "device"),
    text("precision", "precision"),
    number("batch", "batch_size", count),
    number("width", "width", count, "lanes a chunk"),
    number("workers", "workers", count, "busy at once"),
]
SETTINGS = [TASK, *MACHINE]
LACKING: list[Read] = [*SETTING, *MACHINE]
OF_PEAK = number("of peak", "peak_share", percent, "of the rate of a large product, measured beside it")
TOP: list[Read] = [
    *LACKING,
    number("lane-steps/s", "rate", count, "of all workers together"),
    number("as fast", "level", count, "other cells of the task whose time cannot be told from it"),
    ("MFLOP a step", True, "of a network", lambda row: row["flops_per_s"] / row["lane_steps_per_s"] / 1e6, significant),
    OF_PEAK,
]
EVERY: list[Read] = [
    *LACKING,
    number("step, ms", "step_s_median", _milli, "median, of a whole chunk on one worker"),
    number("from", "step_s_low", _milli, "95 % bootstrap interval of the median"),
    number("to", "step_s_high", _milli),
    number("samples", "samples", count),
    text("noisy", "noisy", "interquartile range over median: noisy from .10, unstable from .25"),
    number("lane-steps/s per worker", "lane_steps_per_s", count, "of one worker while all are busy"),
    OF_PEAK,
    number("memory, MB", "peak_memory_bytes", lambda value: f"{value / 1e6:,.1f}", "XLA's own account"),
]
