"""Progress that a person can trust: lanes done of all, lane-steps a second, time left, the best cell so far.

A bar on a terminal; elsewhere plain lines, at most one every few seconds.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench.runner import Progress as State
from bench.runner import Row

PLAIN_EVERY_S = 5.0
Observer = Callable[[State, list[Row]], None]


class Leader:
    """The cell with the best mean test metric among those evaluated so far."""

    def __init__(self) -> None:
        self.scores: dict[tuple[str, str, str], list[float]] = defaultdict(list)

    def add(self, rows: list[Row]) -> None:
        """Take note of evaluation lanes that ran to their end."""
        for row in rows:
            if row["phase"] == "evaluate" and row["status"] == "ok":
                self.scores[row["task"], row["activation"], row["optimizer"]].append(row["test_metric"])

    def __str__(self) -> str:
        from bench.tasks import TASKS

        best: dict[str, tuple[float, str]] = {}
        for (task, activation, optimizer), values in self.scores.items():
            score = sum(values) / len(values)
            metric = TASKS[task].metric if task in TASKS else None
            if task not in best or (metric and metric.better(score, best[task][0])):
                best[task] = score, f"{activation} + {optimizer} {_shown(score, metric)}"
        if not best:
            return ""
        tail = f" ({task})" if len(best) > 1 else ""
        return f"best so far: {best[task][1]}{tail}"


def _shown(value: float, metric: object) -> str:
    scale, unit = getattr(metric, "scale", 1.0), getattr(metric, "unit", "")
    return f"{value * scale:.1f} {unit}" if unit else f"{value * scale:.3g}"


def line(state: State, leader: Leader, now: float) -> str:
    """The state in one line of text."""
    elapsed = max(now - state.started, 1e-9)
    rate = state.lane_steps / elapsed
    parts = [f"{state.done:,}/{state.lanes:,} lanes", f"{rate:,.0f} lane-steps/s", left(state, elapsed)]
    parts += [f"{state.diverged:,} diverged"] if state.diverged else []
    parts += [f"{state.failed:,} failed"] if state.failed else []
    return " · ".join([*parts, *([str(leader)] if str(leader) else [])])


def left(state: State, elapsed: float) -> str:
    """The time left at the pace so far, lanes that were there already aside."""
    fresh = state.done - state.resumed
    if not fresh:
        return "time left unknown"
    return f"{(state.lanes - state.done) * elapsed / fresh:,.0f} s left"


@contextmanager
def watched(stream: object = None) -> Iterator[Observer]:
    """An observer that shows progress on standard error."""
    console = Console(stderr=True) if stream is None else Console(file=stream)  # type: ignore[arg-type]
    leader = Leader()
    if console.is_terminal:
        yield from _bar(console, leader)
    else:
        yield _plain(leader)


def _plain(leader: Leader) -> Observer:
    last = -PLAIN_EVERY_S

    def observe(state: State, rows: list[Row]) -> None:
        nonlocal last
        leader.add(rows)
        now = time.monotonic()
        if now - last >= PLAIN_EVERY_S or state.done == state.lanes:
            last = now
            print(line(state, leader, now), file=sys.stderr, flush=True)

    return observe


def _bar(console: Console, leader: Leader) -> Iterator[Observer]:
    columns = (BarColumn(bar_width=24), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting workers, compiling", total=None)

        def observe(state: State, rows: list[Row]) -> None:
            leader.add(rows)
            text = line(state, leader, time.monotonic())
            bar.update(task, total=state.lanes, completed=state.done, description=text)

        yield observe
