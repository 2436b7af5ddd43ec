"""Progress that a person can trust: lanes done of all, lane-steps a second, time left, the best cell so far.

A bar on a terminal; elsewhere plain lines, at most one every few seconds.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from bench.labels import cell_label, duration
from bench.losses import Metric
from bench.running.runner import Progress as State
from bench.running.runner import Row
from bench.say import say

PLAIN_EVERY_S = 5.0
Observer = Callable[[State, list[Row]], None]


class Leader:
    """The cell with the best mean test metric of those evaluated so far; a lane that diverged counts as the worst."""

    def __init__(self) -> None:
        self.scores: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        self.metrics: dict[str, Metric] = {}

    def add(self, state: State, rows: list[Row]) -> None:
        """Take note of evaluation lanes."""
        self.metrics = state.metrics
        for row in rows:
            if row["phase"] == "evaluate":
                metric = self.metrics[row["task"]]
                score = metric.counted(row["test_metric"]) if row["status"] == "ok" else metric.worst
                self.scores[row["task"], row["activation"], row["optimizer"]].append(score)

    def __str__(self) -> str:
        best: dict[str, tuple[float, str]] = {}
        for (task, activation, optimizer), values in self.scores.items():
            score, metric = sum(values) / len(values), self.metrics[task]
            if isfinite(score) and (task not in best or metric.better(score, best[task][0])):
                best[task] = score, f"{cell_label(activation, optimizer)} {metric.told(score)}"
        if not best:
            return ""
        latest = next(reversed(best))
        return f"best so far: {best[latest][1]}{f' ({latest})' if len(best) > 1 else ''}"


def line(state: State, leader: Leader, now: float) -> str:
    """The state in one line of text."""
    elapsed = max(now - state.started, 1e-9)
    rate = state.lane_steps / elapsed
    parts = [f"{state.done:,}/{state.lanes:,} lanes", f"{rate:,.0f} lane-steps/s", left(state, now)]
    if state.done == state.resumed == state.lanes:
        parts[1:] = ["nothing left to do"]
    parts += [f"{state.diverged:,} diverged"] if state.diverged else []
    parts += [f"{state.failed:,} failed"] if state.failed else []
    return " · ".join([*parts, *([str(leader)] if str(leader) else [])])


def left(state: State, now: float) -> str:
    """The time left at the pace since every worker had compiled a program."""
    since, before = state.warm or (now, state.done)
    if state.done == before < state.lanes:
        return "time left unknown"
    seconds = (state.lanes - state.done) * (now - since) / max(1, state.done - before)
    return f"{duration(seconds)} left"


@contextmanager
def watched(stream: IO[str] | None = None) -> Iterator[Observer]:
    """An observer that shows progress on `stream`, by default standard error."""
    console = Console(file=stream or sys.stderr)
    leader = Leader()
    if console.is_terminal:
        yield from _bar(console, leader)
    else:
        yield _plain(console.file, leader)


def _plain(stream: IO[str], leader: Leader) -> Observer:
    last = -PLAIN_EVERY_S

    def observe(state: State, rows: list[Row]) -> None:
        nonlocal last
        leader.add(state, rows)
        now = time.monotonic()
        if (now - last >= PLAIN_EVERY_S and state.done > state.resumed) or state.done == state.lanes:
            last = now
            say(line(state, leader, now), stream)

    return observe


def _bar(console: Console, leader: Leader) -> Iterator[Observer]:
    told = TextColumn("{task.description}", markup=False, table_column=Column())  # its own would not wrap
    columns = (BarColumn(bar_width=min(24, console.width // 5)), TimeElapsedColumn(), told)
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting workers, compiling", total=None)

        def observe(state: State, rows: list[Row]) -> None:
            leader.add(state, rows)
            text = line(state, leader, time.monotonic())
            bar.update(task, total=state.lanes, completed=state.done, description=text)

        yield observe


@contextmanager
def drawing(stream: IO[str] | None = None) -> Iterator[None]:
    """Within it a terminal says that a report is being drawn, which takes seconds to half a minute."""
    console = Console(file=stream or sys.stderr)
    if not console.is_terminal:
        yield
        return
    with console.status("drawing the report"):
        yield


@contextmanager
def watched_groups(stream: IO[str] | None = None) -> Iterator[Callable[[int, int, object], None]]:
    """An observer of a throughput run: a line for each group that is about to be timed."""

    def observe(done: int, every: int, group: object) -> None:
        say(f"{done + 1}/{every} {group}", stream or sys.stderr)

    yield observe
