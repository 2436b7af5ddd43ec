"""Progress: few plain lines elsewhere, a bar on a terminal, and figures that a person can trust."""

import dataclasses
import io
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bench.progress import Leader, left, line, watched
from bench.runner import Progress
from bench.tasks import TASKS


def row(metric: float, activation: str = "relu", task: str = "wine_mlp", **changes: Any) -> dict[str, Any]:
    found = {"task": task, "activation": activation, "optimizer": "adam", "phase": "evaluate", "status": "ok"}
    return {**found, "test_metric": metric, **changes}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The time, in seconds, as the test sets it."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    yield now


def test_plain_lines_are_few_and_the_last_is_there(clock: list[float]) -> None:
    stream = io.StringIO()
    with watched(stream) as observe:
        for second in range(20):
            clock[0] = 101.0 + second
            observe(Progress(lanes=20, done=second + 1, lane_steps=100 * (second + 1), started=100.0), [])
    lines = stream.getvalue().splitlines()
    assert lines[0] == "1/20 lanes · 100 lane-steps/s · 19 s left"
    assert [text.partition("/")[0] for text in lines] == ["1", "6", "11", "16", "20"], "every 5 s, and the last"
    assert "\x1b" not in stream.getvalue() and "\r" not in stream.getvalue()


def test_plain_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with watched() as observe:
        observe(Progress(lanes=2, done=2), [])
    out, err = capsys.readouterr()
    assert not out and err.startswith("2/2 lanes")


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    with watched(stream) as observe:
        observe(Progress(lanes=4, done=1, started=time.monotonic() - 1), [row(0.5)])
    shown = stream.getvalue()
    assert "\x1b[" in shown and "1/4 lanes" in shown and "best so far: relu + adam 50.0 %" in shown


def test_lanes_that_were_there_already_do_not_count_for_the_time_left() -> None:
    assert left(Progress(lanes=100, done=60, resumed=50), elapsed=20.0) == "80 s left"
    assert left(Progress(lanes=100, done=50, resumed=50), elapsed=20.0) == "time left unknown"


def test_losses_are_named() -> None:
    state = Progress(lanes=2000, done=1500, diverged=3, failed=1, lane_steps=10_000, started=0.0)
    text = line(state, Leader(), now=10.0)
    assert text == "1,500/2,000 lanes · 1,000 lane-steps/s · 3 s left · 3 diverged · 1 failed"


def test_the_leader_has_the_best_mean_of_evaluation_lanes() -> None:
    leader = Leader()
    assert str(leader) == ""
    leader.add([row(0.9), row(0.5), row(0.8, "tanh")])
    leader.add([row(1.0, "elu", phase="tune"), row(1.0, "elu", status="diverged")])
    assert str(leader) == "best so far: tanh + adam 80.0 %"
    leader.add([row(0.3, task="diabetes_mlp")])
    assert str(leader) == "best so far: relu + adam 0.3 (diabetes_mlp)"


def test_the_leader_is_the_least_where_less_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = dataclasses.replace(TASKS["wine_mlp"].metric, direction="minimize", unit="", scale=1.0)
    monkeypatch.setitem(TASKS, "wine_mlp", dataclasses.replace(TASKS["wine_mlp"], metric=metric))
    leader = Leader()
    leader.add([row(float("nan"), "elu"), row(2.0), row(0.25, "tanh"), row(3.0, "gelu")])
    assert str(leader) == "best so far: tanh + adam 0.25"
