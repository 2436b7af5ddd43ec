"""Whole runs with real processes: each lane once, the same bytes whatever happens on the way, and how a run stops."""

import ast
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from stored import assert_alike, contents, problems

import bench
from bench.errors import DataError, InputError
from bench.hardware import rates
from bench.planning import plan, shard
from bench.planning import suite as suites
from bench.planning.budget import Seeds
from bench.running import calls, launch, manifests
from bench.running.runner import Progress, Row
from bench.storage import store
from bench.storage.results import Run, planned_lanes
from bench.storage.store import JOURNAL, MANIFEST, Store

MIDDLE = """
name = "middle"
tasks = ["wine_mlp"]
activations = ["tanh", "relu", "elu", "hard_tanh", "relu6", "softsign"]
optimizers = ["sgd", "momentum"]
steps = 2_000
batch_size = 16
eval_every = 500
[learning_rates]
low = 1e-3
high = 0.1
num = 2
[seeds]
tune = 2
evaluate = 3
"""
ENDLESS = MIDDLE.replace("middle", "endless").replace("2_000", "1_000_000").replace("500\n", "1_000_000\n")
ENDLESS = ENDLESS.replace("batch_size = 16", "batch_size = 1")
SHARDS = 24


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite of 24 shards: enough that a signal lands in the middle."""
    file = tmp_path_factory.mktemp("suites") / "middle.toml"
    file.write_text(MIDDLE, "utf-8")
    return file


@pytest.fixture(scope="module")
def undisturbed(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bench.run(suite, out=tmp_path_factory.mktemp("undisturbed") / "run").path


@contextmanager
def started(*arguments: str | Path) -> Iterator["subprocess.Popen[str]"]:
    """`bench run` in a session of its own, so that signals reach its workers as they would from a terminal."""
    command = [sys.executable, "-m", "bench", "run", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, **pipes, text=True, start_new_session=True)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.002)


def commits(path: Path) -> int:
    with suppress(FileNotFoundError):
        return (path / JOURNAL).read_bytes().count(b"\n")
    return 0


def finish(process: "subprocess.Popen[str]", timeout: float = 60) -> tuple[int, str]:
    """Its exit code and what it told on standard error."""
    _, errors = process.communicate(timeout=timeout)
    return process.returncode, errors


# --- one run, undisturbed -------------------------------------------------------------------------------------------


def test_every_planned_lane_is_one_row(smoke_run: Path) -> None:
    run = bench.load(smoke_run)
    assert len(run.lanes) == 36 == run.manifest["plan"]["lanes"]
    assert sorted(run.lanes["lane"]) == sorted(lane.id for lane in planned_lanes(run.manifest))
    assert run.lanes["lane"].is_unique
    assert set(run.lanes["status"]) <= {"ok", "diverged"}
    assert run.lanes.loc[run.lanes["status"] == "ok", "stopped_at"].isna().all()
    assert run.manifest["status"] == "complete"
    assert problems(smoke_run) == []


def test_test_data_are_read_by_evaluation_alone(smoke_run: Path) -> None:
    lanes = bench.load(smoke_run).lanes
    tune = lanes["phase"] == "tune"
    ok = lanes["status"] == "ok"
    assert tune.sum() == 24 and (ok & ~tune).sum() > 0
    assert lanes.loc[tune | ~ok, ["test_metric", "test_loss"]].isna().all(axis=None)
    assert lanes.loc[ok & ~tune, ["test_metric", "test_loss"]].notna().all(axis=None)
    assert not set(lanes.loc[tune, "seed"]) & set(lanes.loc[~tune, "seed"])


def assert_times_add_up(run: Run) -> None:
    times = run.times.set_index("bucket")["seconds"]
    sessions = run.manifest["execution"]["sessions"]
    total = sum(session["workers"] * (session["finished"] - session["started"]) for session in sessions)
    assert (times >= 0).all(), times
    assert times.sum() == pytest.approx(total)


def test_where_the_time_went_adds_up_to_workers_times_wall(smoke_run: Path) -> None:
    run = bench.load(smoke_run)
    assert_times_add_up(run)
    times = run.times.set_index("bucket")["seconds"]
    assert (times[["start", "train", "evaluate", "trace"]] > 0).all()
    assert run.manifest["execution"]["gemm_flops_per_s"] > 1e8


@pytest.mark.slow
def test_the_number_of_workers_changes_no_byte(smoke_run: Path, tmp_path: Path) -> None:
    before = bench.load(smoke_run).manifest["execution"]["workers"]
    run = bench.run("smoke", out=tmp_path / "run", workers=1 if before > 1 else 2)
    assert run.manifest["execution"]["workers"] != before
    assert_alike(run.path, smoke_run)


def test_seeds_are_added_to_a_run_that_is_complete(smoke_run: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(smoke_run, tmp_path / "run"))
    before = bench.load(path).lanes.set_index("lane")
    seen: list[int] = []
    run = bench.run(resume=path, evaluate=5, observe=lambda progress, _: seen.append(progress.resumed))
    assert problems(path) == [] and run.manifest["status"] == "complete"
    assert run.manifest["seeds"] == {"tune": [0, 1], "evaluate": [2, 3, 4, 5, 6]}
    assert run.manifest["rounds"] == [3, 5]
    assert run.manifest["plan"]["lanes"] == 44 == len(run.lanes) and seen[-1] == 36
    after = run.lanes.set_index("lane")
    pd.testing.assert_frame_equal(after.loc[before.index], before)
    assert set(after.drop(before.index)["seed"]) == {5, 6}
    assert (run.convergence["seeds"] == 5).all()
    assert_times_add_up(run)
    whole = bench.run("smoke", out=tmp_path / "whole", evaluate=5).lanes.set_index("lane").loc[after.index]
    scores = ["learning_rate", "status", "test_metric", "steps_to_target"]
    pd.testing.assert_frame_equal(after[scores], whole[scores])


def test_a_run_that_was_loaded_before_it_was_given_seeds_says_so(smoke_run: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(smoke_run, tmp_path / "run"))
    before, read = bench.load(path), bench.load(path)
    lanes = read.lanes
    bench.run(resume=path, evaluate=4)
    with pytest.raises(DataError, match="got a run that was written to since it was loaded"):
        print(before.lanes)
    assert len(lanes) == 36 == len(read.lanes) and len(bench.load(path).lanes) == 40


@pytest.mark.parametrize(
    "status, known, asked, rounds",
    [
        ("complete", (), 3, ()),
        ("complete", (), 5, (3, 5)),
        ("complete", (3, 5), 8, (3, 5, 8)),
        ("complete", (3, 5), 4, (3, 5)),  # which is refused: the run has more
        ("failed", (3, 5), 8, (3, 5, 8)),
        ("interrupted", (3, 2000), 2000, (3, 2000)),
        ("interrupted", (3, 2000), 10, (3, 10)),
        ("interrupted", (3, 5, 2000), 5, (3, 5)),
        ("running", (3, 2000), 3, ()),
        ("interrupted", (3, 2000), 2, (3, 2000)),
        ("interrupted", (), 5, (3, 5)),
    ],
)
def test_seeds_that_were_added_and_not_trained_may_become_fewer(
    status: str, known: tuple[int, ...], asked: int, rounds: tuple[int, ...]
) -> None:
    had = list(range(2, 2 + (known or (3,))[-1]))
    previous = {"status": status, "seeds": {"tune": [0, 1], "evaluate": had}} | ({"rounds": known} if known else {})
    smoke = suites.read("smoke").model_copy(update={"seeds": Seeds(tune=2, evaluate=asked)})
    assert manifests.rounds(smoke, previous) == rounds


def test_a_number_of_seeds_that_was_mistyped_can_be_taken_back(smoke_run: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(smoke_run, tmp_path / "run"))
    suite = suites.read("smoke").described() | {"seeds": {"tune": 2, "evaluate": 900}}
    with Store(path) as held:  # as if it had been stopped at once
        manifest = store.read_manifest(path) | {"status": "interrupted", "rounds": [3, 900], "suite": suite}
        made = plan.make(suites.parse(suite), rounds=(3, 900))
        held.write_manifest(manifest | manifests.planned(made))
    again = Path(shutil.copytree(path, tmp_path / "again"))
    run = bench.run(resume=path, evaluate=4)
    assert run.manifest["rounds"] == [3, 4] and run.manifest["status"] == "complete" and problems(path) == []
    assert len(run.lanes) == 40
    run = bench.run(resume=again, evaluate=3)
    assert run.manifest["rounds"] == [] and run.manifest["status"] == "complete" and problems(again) == []
    assert_alike(again, smoke_run)


def test_a_run_that_is_given_seeds_goes_on_as_any_other(smoke_run: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(smoke_run, tmp_path / "run"))
    smoke = suites.read("smoke")
    more = smoke.model_copy(update={"seeds": Seeds(tune=2, evaluate=4)})
    lanes = bench.run(more, resume=path).lanes  # by its suite
    with Store(path) as held:  # as if it had been stopped before it had trained what was added
        entries = [entry for entry in store.read_journal(path) if "-evaluate1-" not in entry["shard"]]
        (path / store.JOURNAL).write_bytes(b"")
        for entry in entries:
            held.enter(entry)
        held.write_manifest(store.read_manifest(path) | {"status": "interrupted"})
    run = bench.run(resume=path)
    assert run.manifest["rounds"] == [3, 4] and problems(path) == []
    pd.testing.assert_frame_equal(run.lanes, lanes)
    assert bench.run(resume=path, evaluate=5).manifest["rounds"] == [3, 4, 5]
    others = [{"tune": 1, "evaluate": 6}, {"tune": 2, "evaluate": 4}, {"tune": 2, "evaluate": [2, 3, 4, 5, 7, 6]}]
    for seeds in others:
        with pytest.raises(InputError, match="expected those of the run, tune = 2, evaluate = 5, or more"):
            bench.run(smoke.model_copy(update={"seeds": Seeds(**seeds)}), resume=path)


@pytest.mark.slow
def test_a_complete_run_resumed_stays_as_it_is(smoke_run: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(smoke_run, tmp_path / "run"))
    seen: list[int] = []

    def observe(progress: Progress, _: list[Row]) -> None:
        seen.append(progress.resumed)
        assert "files" not in store.read_manifest(path), "were it killed now, they would be of the session before"

    run = bench.run(resume=path, workers=2, observe=observe)
    assert seen[-1] == 36
    assert_alike(path, smoke_run)
    assert problems(path) == []
    assert_times_add_up(run)


def test_a_run_keeps_the_rate_of_this_machine_for_plans(
    smoke_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copytree(smoke_run, tmp_path / "again"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert rates.known("cpu") is None
    again = bench.run(resume=path, progress=False)
    assert rates.known("cpu") == again.manifest["execution"]["gemm_flops_per_s"]


@pytest.mark.parametrize("lane_steps", [100, pytest.param(500, marks=pytest.mark.slow)])
def test_a_run_whose_shards_were_cut_otherwise_is_mended(
    smoke_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lane_steps: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shard, "SHARD_LANE_STEPS", lane_steps)  # as an earlier version may have had it
        path = bench.run("smoke", out=tmp_path / "run").path
    assert commits(path) > commits(smoke_run)
    run = bench.run(resume=path, workers=1)
    assert problems(path) == []
    assert_alike(path, smoke_run)
    assert {entry["file"] for entry in run.journal} == {file.name for file in (path / "shards").iterdir()}


def test_a_run_of_which_the_pack_is_damaged_is_mended(smoke_run: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(smoke_run, tmp_path / "run"))
    (pack,) = (path / "shards").iterdir()
    os.truncate(pack, 1000)
    assert problems(path)
    assert bench.run(resume=path, workers=1).manifest["status"] == "complete"
    assert problems(path) == []
    assert_alike(path, smoke_run)


def test_a_run_that_has_lost_planned_lanes_is_not_complete(
    smoke_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copytree(smoke_run, tmp_path / "run"))
    monkeypatch.setattr(launch.Session, "train", lambda *_: (True, Progress(36, done=35)))
    with pytest.raises(DataError, match="got results of 35 of 36 planned lanes; expected all") as caught:
        bench.run(resume=path, workers=1)
    assert caught.value.exit_code == 3
    assert store.read_manifest(path)["status"] == "incomplete"


def test_a_directory_in_use_is_refused(smoke_run: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(smoke_run, tmp_path / "run"))
    with Store(path):
        before = contents(path)
        with started("--resume", path) as process:
            code, errors = finish(process)
        assert code == 6
        assert "another run is writing to" in errors and "Traceback" not in errors
        assert contents(path) == before


def test_a_session_that_another_enters_before_the_lock_is_held_is_kept(
    smoke_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copytree(smoke_run, tmp_path / "run"))
    enter, between = Store.__enter__, store.read_manifest(path)
    between["execution"]["sessions"].append(between["execution"]["sessions"][0] | {"commit": "another"})

    def late(held: Store) -> Store:
        held.write_manifest(between)
        return enter(held)

    monkeypatch.setattr(Store, "__enter__", late)
    sessions = bench.run(resume=path, workers=1).manifest["execution"]["sessions"]
    assert [session["commit"] == "another" for session in sessions] == [False, True, False]


# --- killed, and resumed --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_run_resumed_is_the_undisturbed_run(suite: Path, undisturbed: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    with started(suite, "--out", path) as process:
        until(lambda: commits(path) >= 5, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert 5 <= commits(path) < SHARDS, "killed in the middle, or this shows nothing"
    assert problems(path), "which verify tells"
    run = bench.run(resume=path, workers=1)
    assert run.manifest["status"] == "complete"
    assert len(run.manifest["execution"]["sessions"]) == 2
    assert_alike(path, undisturbed)
    assert problems(path) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_run_killed_again_and_again_is_the_undisturbed_run(
    suite: Path, undisturbed: Path, tmp_path: Path, seed: int
) -> None:
    path, random_ = tmp_path / "run", random.Random(seed)
    for commits_first in random_.sample([0, 1, 2, 3], 4):
        resume = ["--resume", path] if (path / MANIFEST).exists() else [suite, "--out", path]
        goal = commits(path) + commits_first
        with started(*resume) as process:
            until(lambda goal=goal: commits(path) >= goal, process)
            time.sleep(random_.uniform(0, 0.05 if commits_first else 2))  # in the midst of a commit, or of its start
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert commits(path) < SHARDS
    assert bench.run(suite, resume=path).manifest["status"] == "complete"
    assert_alike(path, undisturbed)
    assert problems(path) == []


@pytest.mark.slow
def test_a_killed_worker_costs_nothing_but_time(suite: Path, undisturbed: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    with started(suite, "--out", path, "--workers", "1") as process:
        until(lambda: commits(path) >= 2, process)
        children = psutil.Process(process.pid).children()
        workers = [child for child in children if any("popen_loky" in word for word in child.cmdline())]
        assert len(workers) == 1
        workers[0].kill()
        assert finish(process)[0] == 0
    assert_alike(path, undisturbed)
    assert problems(path) == []


# --- stopped --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_what_is_done(
    suite: Path, undisturbed: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    path = tmp_path / "run"
    with started(suite, "--out", path, "--workers", "1") as process:
        until(lambda: commits(path) >= 3, process)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal sends it: to the workers too
        else:
            process.send_signal(number)
        returned, errors = finish(process)
    assert returned == code
    assert f"bench run --resume {path}" in errors and "Traceback" not in errors
    run = bench.load(path)
    assert run.manifest["status"] == "interrupted"
    lanes = pd.read_csv(path / "lanes.csv", keep_default_na=False)
    assert sorted(lanes["lane"]) == sorted(lane.id for lane in planned_lanes(run.manifest))
    assert set(lanes["status"]) == {"ok", "interrupted"}
    assert (lanes["status"] == "ok").sum() == sum(map(len, (pd.read_parquet(f) for f in path.glob("shards/*"))))
    assert 3 <= commits(path) < SHARDS
    assert_times_add_up(run)
    if number == signal.SIGINT:
        bench.run(resume=path, workers=1)
        assert_alike(path, undisturbed)
        assert problems(path) == []


@pytest.mark.parametrize(
    "first, code", [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)]
)
def test_a_second_signal_stops_at_once(tmp_path: Path, first: signal.Signals, code: int) -> None:
    file, path = tmp_path / "endless.toml", tmp_path / "run"
    file.write_text(ENDLESS, "utf-8")
    with started(file, "--out", path, "--workers", "1") as process:
        until(lambda: (path / MANIFEST).exists(), process)
        time.sleep(1)
        process.send_signal(first)
        with pytest.raises(subprocess.TimeoutExpired):
            finish(process, timeout=1)
        os.killpg(process.pid, signal.SIGINT)
        begin = time.monotonic()
        returned, errors = finish(process)
        assert returned == code and "Traceback" not in errors
        assert time.monotonic() - begin < 10
    run = bench.load(path)
    assert run.manifest["status"] == "interrupted"
    assert set(run.lanes["status"]) == {"interrupted"}


# --- refused --------------------------------------------------------------------------------------------------------


def test_the_directory_of_another_run_is_refused(smoke_run: Path, suite: Path) -> None:
    before = contents(smoke_run)
    with pytest.raises(InputError, match="got a run of the suite smoke; expected a new directory") as caught:
        bench.run(suite, out=smoke_run)
    assert caught.value.exit_code == 2 and caught.value.hint == "give another --out"
    with pytest.raises(InputError, match="got a run of the suite smoke") as caught:
        bench.run("smoke", out=smoke_run)
    assert "--resume" in caught.value.hint
    assert contents(smoke_run) == before


def test_a_file_and_a_folder_of_something_else_are_refused(suite: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    for out in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(InputError, match="got something else's files"):
            bench.run(suite, out=out)
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_resuming_with_another_suite_is_refused(smoke_run: Path, suite: Path) -> None:
    before = contents(smoke_run)
    with pytest.raises(InputError, match="got a run of another suite or budget") as caught:
        bench.run(suite, resume=smoke_run)
    assert caught.value.exit_code == 2
    assert contents(smoke_run) == before


def test_resuming_with_other_software_is_refused(smoke_run: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(smoke_run, tmp_path / "run"))
    with Store(path) as held:
        manifest = store.read_manifest(path)
        manifest["environment"]["packages"]["jax"] = "0.0.1"
        held.write_manifest(manifest)
    before = contents(path)
    with pytest.raises(DataError, match=r"got results of other software \(jax 0\.0\.1, now") as caught:
        bench.run(resume=path)
    assert caught.value.exit_code == 3
    assert contents(path) == before


def test_resuming_with_other_options_of_the_compiler_is_refused(
    smoke_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copytree(smoke_run, tmp_path / "run"))
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    told = "(XLA_FLAGS none, now --xla_cpu_enable_fast_math=true)"
    with pytest.raises(DataError, match=re.escape(told)):
        bench.run(resume=path)


def test_an_unknown_device_and_no_suite_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected auto, cpu or gpu"):
        bench.run("smoke", out=tmp_path / "run", device="tpu")
    with pytest.raises(InputError, match="suite: got a dict; expected a Suite, a suite file or") as caught:
        bench.run({"name": "mine"})  # type: ignore[arg-type]
    assert caught.value.hint.startswith("bench.Suite(**keys)")
    with pytest.raises(InputError, match="SUITE: got nothing"):
        bench.run(out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def die() -> None:
    """End the worker that is asked."""
    os._exit(3)


def test_workers_that_die_of_describing_themselves_lose_no_run(
    smoke_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copytree(smoke_run, tmp_path / "run"))
    with Store(path) as held:
        manifest = store.read_manifest(path)
        del manifest["execution"]["gemm_flops_per_s"]
        held.write_manifest(manifest | {"status": "running"})
    for name in ("describe", "gemm_rate"):
        monkeypatch.setattr(calls, name, die)
    run = bench.run(resume=path, workers=1)
    assert run.manifest["status"] == "complete" and problems(path) == []
    assert "gemm_flops_per_s" not in run.manifest["execution"]
    assert run.throughput["peak_share"].isna().all()
    assert_times_add_up(run)


# --- lanes that fail ------------------------------------------------------------------------------------------------

SCRIPT = """
import sys
import warnings
import bench

broken = False  # as on a machine on which it works

def mine(x, scale=1.0):
    if broken:
        raise ValueError("no such luck")
    return x * scale

bench.register_activation("mine", mine, parameters={"scale": 1.0} if sys.argv[2] == "alone" else {})
suite = bench.Suite.model_validate({
    "name": "own", "tasks": ["wine_mlp"], "activations": ["tanh", "mine"], "optimizers": ["sgd"],
    "steps": 20, "batch_size": 16, "eval_every": 10,
    "learning_rates": {"low": 0.01, "high": 0.1, "num": 2}, "seeds": {"tune": 1, "evaluate": 2},
})
broken = True
with warnings.catch_warnings(record=True) as caught:
    run = bench.run(suite, out=sys.argv[1], workers=1, progress=False)
print(*(warning.message for warning in caught), file=sys.stderr)
print(run.failures.to_dict("list"), file=sys.stderr)
print(run.lanes.groupby(["activation", "status"]).size().to_dict(), run.manifest["status"], flush=True)
sys.stdin.readline()
broken = False
run = bench.run(suite, resume=sys.argv[1], workers=1, progress=False)
print(run.lanes.groupby(["activation", "status"]).size().to_dict(), run.manifest["status"])
"""


RAISED = "ValueError: no such luck (script.py, line 10)"


@pytest.mark.slow
@pytest.mark.parametrize("sharing", ["alone", "in the program of others"])
def test_lanes_of_an_activation_that_raises_are_failed_and_tried_again(tmp_path: Path, sharing: str) -> None:
    script, path = tmp_path / "script.py", tmp_path / "run"
    script.write_text(SCRIPT, "utf-8")  # as anyone would write it: no `if __name__ == "__main__":`
    command, pipe = [sys.executable, str(script), str(path), sharing], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first == "{('mine', 'failed'): 4, ('tanh', 'ok'): 4} failed\n", process.communicate()
        assert problems(path) == [], "each planned lane is there, as failed"
        run = bench.load(path)
        assert {entry["error"] for entry in run.journal if "error" in entry} == {RAISED}
        failed = run.lanes[run.lanes["status"] == "failed"]
        assert failed["test_metric"].isna().all() and np.isinf(failed["steps_to_target"]).all()
        second, errors = process.communicate("go on\n", timeout=60)
    assert second == "{('mine', 'ok'): 4, ('tanh', 'ok'): 4} complete\n", errors
    warning, failures = errors.splitlines()
    assert warning.startswith(f"{path}: got 4 failed lanes; expected none; {RAISED}")
    cell = {"task": "wine_mlp", "activation": "mine", "optimizer": "sgd"}
    told = cell | {"error": RAISED, "lanes": 4}
    assert ast.literal_eval(failures) == {key: [value] for key, value in told.items()}
    assert problems(path) == []
    again = bench.load(path)
    tanh = {entry["shard"]: entry["finished"] for entry in run.journal if "error" not in entry}
    assert len(tanh) == (2 if sharing == "alone" else 0), "tried again are whole shards"
    assert tanh.items() <= {entry["shard"]: entry["finished"] for entry in again.journal}.items()
    assert all("file" not in entry for entry in run.journal) and all("file" in entry for entry in again.journal)
    assert not any("error" in entry for entry in again.journal)
    kept = [one.lanes[one.lanes["activation"] == "tanh"] for one in (run, again)]
    pd.testing.assert_frame_equal(*kept)
    assert run.throughput["activation"].tolist() == ["tanh"] and len(again.throughput) == 2
