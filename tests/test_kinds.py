"""The verbs of Python: what runs a suite shows how far it is and warns of what failed; what reports takes a run."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

import bench
from bench import kinds
from bench.errors import DataError, InputError
from bench.running.progress import Observer
from bench.running.runner import Progress
from bench.storage import store
from bench.storage.results import Run
from bench.throughput.results import ThroughputRun

FAILURES = pd.DataFrame({"error": ["TypeError: no\n  at all", "ValueError: nor this"]})


def stand_in(lost: str = "") -> Any:
    return SimpleNamespace(
        path=Path("there"), name="there", kind="convergence", manifest={}, lost=lost, failures=FAILURES
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `bench.running.launch.run` was asked for; it says to be done at once."""
    calls: list[dict[str, Any]] = []

    def run(
        suite: Any, out: Any, device: Any, workers: Any, resume: Any, observe: Observer | None = None, **more: Any
    ) -> Any:
        calls.append({"suite": suite.name, "out": out, "workers": workers, "observe": observe, **more})
        if observe:
            observe(Progress(lanes=36, done=36), [])
        return stand_in("3 failed lanes" if workers == 3 else "")

    monkeypatch.setattr("bench.running.launch.run", run)
    return calls


def test_progress_is_shown_unless_it_is_not_wanted(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    bench.run("smoke", "there", progress=False)
    assert capsys.readouterr().err == ""
    bench.run("smoke", "there")
    assert "36/36 lanes" in capsys.readouterr().err
    seen: list[int] = []
    bench.run("smoke", "there", observe=lambda progress, rows: seen.append(progress.done))
    assert (seen, capsys.readouterr().err) == ([36], "")
    assert [call["out"] for call in asked] == ["there"] * 3


def test_what_failed_is_a_warning_where_run_was_called(asked: list[dict[str, Any]]) -> None:
    with pytest.warns(RuntimeWarning) as caught:
        bench.run("smoke", workers=3, progress=False)
    (warning,) = caught
    assert str(warning.message) == (
        "there: got 3 failed lanes; expected none; TypeError: no (all reasons: run.failures)"
    )
    assert warning.filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bench.run("smoke", workers=1, progress=False)


def test_what_only_the_other_kind_can_do_is_refused(asked: list[dict[str, Any]]) -> None:
    with pytest.raises(InputError, match="--dask tcp://there: got a throughput suite"):
        bench.run("throughput_quick", dask="tcp://there")
    with pytest.raises(InputError, match="expected one device: only a throughput suite is for several"):
        bench.run("smoke", device="cpu,gpu")
    assert asked == []


def test_a_report_is_of_one_run_or_of_several(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[Any, Any]] = []
    monkeypatch.setattr("bench.pages.report.report", lambda runs, out: calls.append((runs, out)))
    one, other = stand_in(), stand_in()
    bench.report(one)
    bench.report([one, other])
    bench.report((other, one), out=tmp_path)
    assert calls == [([one], Path("reports/there")), ([one, other], Path("reports/there")), ((other, one), tmp_path)]
    with pytest.raises(InputError, match="expected a run or a list of runs") as caught:
        bench.report("there")
    assert caught.value.hint == "bench.load(path) reads one"


def test_a_verdict_is_of_one_run_or_of_several() -> None:
    quick, timed = (bench.load(Path(__file__).parents[1] / "results" / name) for name in ("quick", "throughput_quick"))
    line = bench.verdict(quick)
    assert line.startswith("digits_mlp: ") and "cannot be told from it" in line and "\n" not in line
    assert bench.verdict([quick, quick]) == f"quick: {line}\nquick: {line}"
    assert bench.verdict(timed).startswith("Fastest:")
    assert bench.verdict(quick, reference="relu").splitlines()[1].startswith("digits_mlp: Against relu, each over 6 ")
    with pytest.raises(InputError, match="expected none for throughput runs"):
        bench.verdict(timed, reference="relu")
    with pytest.raises(InputError, match="expected the name of one activation, optimizer or cell"):
        bench.verdict(quick, reference=["relu", "gelu"])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected a run or a list of runs"):
        bench.verdict("results/quick")


def failing(run: Any, **known: Any) -> Any:
    """A run of which this is known without a file."""
    found = run.__new__(run)
    found.__dict__.update(known)
    return found


def test_failures_are_one_row_a_cell_and_reason() -> None:
    lanes = pd.DataFrame(
        [
            ("t", "a", "sgd", "failed", "s1"), ("t", "a", "sgd", "failed", "s1"), ("t", "a", "sgd", "failed", "s2"),
            ("t", "b", "sgd", "ok", "s1"), ("t", "b", "sgd", "diverged", "s3"), ("t", "c", "adam", "failed", "gone"),
        ],
        columns=["task", "activation", "optimizer", "status", "shard"],
    )  # fmt: skip
    journal = [{"shard": "s1", "error": "TypeError: no"}, {"shard": "s2", "error": "it died"}, {"shard": "s3"}]
    run = failing(Run, lanes=lanes, journal=journal)
    assert run.failures.to_dict("split")["data"] == [
        ["t", "a", "sgd", "TypeError: no", 2],
        ["t", "a", "sgd", "it died", 1],
        ["t", "c", "adam", "no reason was recorded", 1],
    ]
    assert run.lost == "4 failed lanes"
    whole = failing(Run, lanes=lanes[3:5], journal=journal)
    assert (list(whole.failures), len(whole.failures), whole.lost) == (list(run.failures), 0, "")


def test_groups_that_could_not_be_timed_are_failures_too() -> None:
    journal = [{"shard": "g1", "error": "TypeError: no"}, {"shard": "g2", "workers": []}]
    run = failing(ThroughputRun, journal=journal)
    assert run.failures.to_dict("list") == {"group": ["g1"], "error": ["TypeError: no"]}
    assert run.lost == "1 group that could not be timed"
    assert failing(ThroughputRun, journal=journal[1:]).lost == ""


def test_a_run_shows_what_it_is_of() -> None:
    run = kinds.load(Path(__file__).parents[1] / "results" / "quick")
    assert repr(run) == f"<Run {run.path}: 630 lanes of quick, complete>"
    timed = kinds.load(Path(__file__).parents[1] / "results" / "throughput_quick")
    assert repr(timed).startswith(f"<ThroughputRun {timed.path}: ") and repr(timed).endswith("quick, complete>")


def test_two_runs_are_compared_from_python() -> None:
    a, b = bench.load("results/quick"), bench.load("results/quick_cpu16")
    found = bench.comparison(a, b)
    assert len(found.cells) == 42 and found.sentences[0].startswith("Of 42 cells that both evaluated ")
    with pytest.raises(InputError, match="runs: got "):
        bench.comparison(a, 3)
    with pytest.raises(DataError, match="got a throughput run; expected a convergence run"):
        bench.comparison(a, bench.load("results/throughput"))


def test_a_kind_of_another_type_and_an_empty_address_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"kind: got \['throughput'\]; expected"):
        kinds.parse({"kind": ["throughput"], "name": "x"})
    with pytest.raises(InputError, match="--dask: got nothing; expected the address of a scheduler"):
        bench.run("smoke", tmp_path / "run", dask="")
    assert not (tmp_path / "run").exists()


def test_a_run_of_a_kind_that_is_not_known_is_told(tmp_path: Path) -> None:
    with store.Store(tmp_path) as held:
        held.write_manifest({"schema": store.SCHEMA_VERSION, "kind": "odd", "device": "cpu", "suite": {}})
    told = "got a run of the kind odd; expected a kind: one of convergence, throughput"
    for call in (kinds.of_run, kinds.load, lambda path: kinds.wanted(None, path)):
        with pytest.raises(DataError, match=told):
            call(tmp_path)  # type: ignore[operator]


@pytest.mark.parametrize(
    "ask, told",
    [
        (
            lambda: bench.run("smoke", evaluate="six"),
            "--evaluate: got 'six'; expected a whole number from 1, or a list",
        ),  # type: ignore[arg-type]
        (lambda: bench.run("smoke", evaluate=[0]), "seeds.evaluate: got 0, as in tune"),
        (lambda: bench.run(3), "suite: got 3; expected a Suite, a suite file or a suite's name"),  # type: ignore[arg-type]
        (lambda: bench.load(3), "path: got 3; expected the directory of a run"),  # type: ignore[arg-type]
        (lambda: bench.run(resume=stand_in()), "resume: got namespace"),
    ],
)
def test_what_is_no_argument_is_told(ask: Callable[[], object], told: str) -> None:
    with pytest.raises(InputError, match=re.escape(told)):
        ask()
