"""The tables of throughput runs: which columns each has, and how what stands in them is told."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from bench.labels import significant
from bench.pages.tables import Read, Table, number, or_never, percent, reckoned, text, whole
from bench.stats import cell_label


def table(frame: pd.DataFrame, readers: Sequence[Read]) -> Table:
    """A frame as a table with these columns."""
    return Table.read(frame.to_dict("records"), readers, name)


def name(row: dict[str, Any]) -> str:
    """What a row is of."""
    return cell_label(str(row.get("activation", "")), str(row.get("optimizer", "")))


def times(value: float) -> str:
    """How many times."""
    return f"{value:,.2f}"


def _milli(value: float) -> str:
    return significant(value * 1e3)


def costs(side: str) -> list[Read]:
    """The columns of what activations or optimizers cost."""
    return [
        text(side),
        number("time", "ratio", times, "geometric mean of the ratios of step times, of each task and of these"),
        number("from", "ratio_low", times, "95 % interval over tasks; of a single task, over its settings"),
        number("to", "ratio_high", times),
        number("median", "median", times, "of the tasks; of a single task, of its settings"),
        number("highest", "highest", times),
        number("memory", "memory_ratio", times, "bytes that a program works in"),
        number("state", "state_ratio", times, "bytes that a step hands to the next"),
        number("tasks", "tasks", whole),
        number("timings", "cells", whole),
    ]


TASK = text("task")
SETTING: list[Read] = [
    TASK,
    text("activation"),
    text("optimizer"),
]
COMPILE: list[Read] = [
    text("device"),
    text("task"),
    text("optimizer"),
    number("trace, s", "trace_s", significant, "median over activations and settings"),
    number("compile, s", "compile_s", significant, "without a cache"),
    number("first run, s", "first_run_s", significant, "one step and an evaluation"),
    number("transfer, s", "transfer_s", significant, "arguments to the device"),
]
DEVICES: list[Read] = [
    *SETTING,
    text("precision"),
    number("batch", "batch_size", whole),
    number("GPU / CPU", "ratio", times, "lane-steps a second, each at its best width"),
    number("from", "ratio_low", times, "95 % interval"),
    number("to", "ratio_high", times),
    number(
        "pays after lane-steps",
        "steps",
        or_never(whole),
        "difference in start over difference in the time of a lane-step",
    ),
]
TARGET: list[Read] = [
    *SETTING,
    text("device"),
    number("batch", "batch_size", whole),
    number("steps", "steps_to_target", or_never(whole)),
    number("seconds", "seconds", or_never(significant)),
]
MACHINE: list[Read] = [
    text("device"),
    text("precision"),
    number("batch", "batch_size", whole),
    number("width", "width", whole, "lanes a chunk"),
    number("workers", "workers", whole, "busy at once"),
]
SETTINGS = [TASK, *MACHINE]
LACKING: list[Read] = [*SETTING, *MACHINE]
OF_PEAK = number("of peak", "peak_share", percent, "of the rate of a large product, measured beside it")
TOP: list[Read] = [
    *LACKING,
    number("lane-steps/s", "rate", whole, "of all workers together"),
    number("equally fast", "level", whole, "other cells of the task whose time cannot be told from it"),
    reckoned(
        "MFLOP a step", lambda row: row["flops_per_s"] / row["lane_steps_per_s"] / 1e6, significant, "of a network"
    ),
    OF_PEAK,
]
EVERY: list[Read] = [
    *LACKING,
    number("step, ms", "step_s_median", _milli, "median, of a whole chunk on one worker"),
    number("from", "step_s_low", _milli, "95 % bootstrap interval of the median"),
    number("to", "step_s_high", _milli),
    number("samples", "samples", whole),
    text("noisy", hint="interquartile range over median: noisy from .10, unstable from .25"),
    number("lane-steps/s per worker", "lane_steps_per_s", whole, "of one worker while all are busy"),
    OF_PEAK,
    number("memory, MB", "peak_memory_bytes", lambda value: f"{value / 1e6:,.1f}", "XLA's own account"),
]
