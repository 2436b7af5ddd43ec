"""Progress as a person sees it."""

import io
import os
from typing import Any

import pytest

from bench.losses import Metric
from bench.running import progress
from bench.running.progress import Leader, left, line, watched
from bench.running.runner import Progress as State
from bench.tasks import TASKS


def rows(activation: str, *scores: float, task: str = "wine_mlp", phase: str = "evaluate") -> list[dict[str, Any]]:
    """Lanes of one cell; one whose score is not a number has diverged."""
    cell = {"task": task, "activation": activation, "optimizer": "adam", "phase": phase}
    return [cell | {"status": "ok" if score == score else "diverged", "test_metric": score} for score in scores]


NAN = float("nan")


METRICS = {name: task.metric for name, task in TASKS.items()}


def state(**known: Any) -> State:
    return State(**({"lanes": 100, "started": 0.0, "metrics": METRICS} | known))


def test_a_group_that_is_about_to_be_timed_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.watched_groups() as observe:
        observe(0, 12, "wine_mlp, 64 samples")
    assert capsys.readouterr().err == "1/12 wine_mlp, 64 samples\n"


class TestLine:
    def test_says_how_far_how_fast_and_how_long(self) -> None:
        now = state(done=25, lane_steps=5000, warm=(0.0, 0))
        assert line(now, Leader(), 10.0) == "25/100 lanes · 500 lane-steps/s · 30 s left"

    def test_says_what_went_wrong_and_what_leads(self) -> None:
        leader = Leader()
        leader.add(state(), rows("relu", 0.975))
        now = state(lanes=2000, done=1000, lane_steps=10**6, diverged=3, failed=2, warm=(0.0, 0))
        expected = (
            "1,000/2,000 lanes · 100,000 lane-steps/s · 10 s left · 3 diverged · 2 failed"
            " · best so far: relu + adam 97.5 %"
        )
        assert line(now, leader, 10.0) == expected

    def test_time_left_leaves_out_what_was_there_already_and_the_first_compilations(self) -> None:
        assert left(state(done=60, resumed=40, warm=(20.0, 50)), 30.0) == "40 s left"
        assert left(state(done=50, resumed=40, warm=(20.0, 50)), 20.0) == "time left unknown"
        assert left(state(done=50, resumed=40), 10.0) == "time left unknown"
        assert left(state(), 10.0) == "time left unknown"
        assert left(state(done=100, warm=(2.0, 10)), 10.0) == "0 s left"
        assert left(state(done=100), 10.0) == left(state(done=100, warm=(9.0, 100)), 10.0) == "0 s left"

    def test_nothing_is_left_of_a_run_that_was_done(self) -> None:
        assert line(state(done=100, resumed=100), Leader(), 1.0) == "100/100 lanes · nothing left to do"

    @pytest.mark.parametrize(
        ("elapsed", "expected"),
        [(119, "119 s left"), (120, "2 min left"), (5400, "90 min left"), (7200, "2 h left"), (360_000, "100 h left")],
    )
    def test_time_left_is_in_a_unit_of_its_size(self, elapsed: float, expected: str) -> None:
        assert left(state(done=50, warm=(0.0, 0)), elapsed) == expected

    def test_no_time_has_passed(self) -> None:
        assert "0 lane-steps/s" in line(state(), Leader(), 0.0)


class TestLeader:
    def test_is_the_best_mean_of_the_evaluations(self) -> None:
        leader = Leader()
        assert str(leader) == ""
        leader.add(state(), rows("relu", 0.9, 1.0))
        leader.add(state(), rows("tanh", 0.96))
        leader.add(state(), rows("elu", 1.0, phase="tune"))
        assert str(leader) == "best so far: tanh + adam 96.0 %"
        leader.add(state(), rows("relu", 1.0, 1.0))
        assert str(leader) == "best so far: relu + adam 97.5 %"

    def test_a_diverged_lane_counts_as_the_worst(self) -> None:
        leader = Leader()
        leader.add(state(), rows("relu", 1.0, NAN))
        leader.add(state(), rows("tanh", 0.6))
        assert str(leader) == "best so far: tanh + adam 60.0 %"
        unbounded = Leader()
        unbounded.add(state(), rows("relu", NAN, task="diabetes_mlp"))
        assert str(unbounded) == ""

    def test_less_is_better_where_the_metric_says_so(self) -> None:
        errors = state(metrics={"wine_mlp": Metric("error", max, "minimize", worst=float("inf"))})
        leader = Leader()
        leader.add(errors, rows("relu", 0.5) + rows("tanh", 0.25) + rows("elu", 0.75))
        assert str(leader) == "best so far: tanh + adam 0.25"

    def test_of_several_tasks_is_that_of_the_latest(self) -> None:
        leader = Leader()
        leader.add(
            state(), rows("relu", 0.9) + rows("tanh", 0.4, task="diabetes_mlp") + rows("elu", NAN, task="digits_mlp")
        )
        assert str(leader) == "best so far: elu + adam 0.0 % (digits_mlp)"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestWatched:
    def test_writes_plain_lines_now_and_then_where_there_is_no_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stream, clock = io.StringIO(), [0.0]
        monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
        with watched(stream) as observe:
            for done in range(1, 13):
                clock[0] = float(done)
                observe(state(lanes=12, done=done), [])
        assert [text.partition("/")[0] for text in stream.getvalue().splitlines()] == ["1", "6", "11", "12"]
        assert "\x1b" not in stream.getvalue()

    def test_says_nothing_of_what_was_there_but_the_end(self) -> None:
        stream = io.StringIO()
        with watched(stream) as observe:
            for done in (50, 75, 100):
                observe(state(done=done, resumed=done), [])
        assert stream.getvalue() == "100/100 lanes · nothing left to do\n"

    def test_a_narrow_terminal_shows_all_of_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "40")
        stream = Terminal()
        with watched(stream) as observe:
            observe(state(done=50, lane_steps=100), rows("relu", 0.9))
        assert "90.0 %" in stream.getvalue() and "…" not in stream.getvalue()

    def test_draws_a_bar_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "120")
        stream = Terminal()
        with watched(stream) as observe:
            observe(state(done=50, lane_steps=100), rows("relu", 0.9))
        assert "\x1b" in stream.getvalue()
        assert "50/100 lanes" in stream.getvalue()
        assert "best so far: relu + adam 90.0 %" in stream.getvalue()

    def test_standard_error_is_the_default(self, capsys: pytest.CaptureFixture[str]) -> None:
        with watched() as observe:
            observe(state(done=100), [])
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("100/100 lanes")

    def test_a_reader_that_leaves_ends_nothing(self) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "w") as stream, watched(stream) as observe:
            observe(state(done=100), [])
            observe(state(done=100), [])

    def test_an_error_passes_through(self) -> None:
        with pytest.raises(KeyError), watched(io.StringIO()):
            raise KeyError


def test_a_score_that_is_not_a_number_is_the_worst() -> None:
    leader = Leader()
    found = [*rows("relu", 0.5), *rows("tanh", NAN)]
    leader.add(state(), [row | {"status": "ok"} for row in found])
    assert str(leader).startswith("best so far: relu + adam")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_says_that_a_report_is_being_drawn(terminal: bool) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: terminal  # type: ignore[method-assign]
    with progress.drawing(stream):
        pass
    assert ("drawing the report" in stream.getvalue()) == terminal
