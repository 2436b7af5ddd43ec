"""A stored run as frames: what is read, what is refused, and what the tables of the contract hold."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bench
from bench import files
from bench.errors import DataError, InputError
from bench.findings.audit import audit
from bench.storage import results, store
from bench.storage.results import Run, noise
from bench.storage.store import Store
from bench.tasks import TASKS

LANES = (
    "lane, task, activation, optimizer, phase, learning_rate, hyperparameters, seed, steps, batch_size, status, "
    "stopped_at, train_loss, validation_loss, validation_metric, test_loss, test_metric, steps_to_target, parameters, "
    "shard"
)
CURVES = "lane, step, train_loss, validation_loss, validation_metric"
CONVERGENCE = (
    "task, activation, optimizer, learning_rate, at_grid_edge, seeds, test_metric, ci_low, ci_high, steps_to_target, "
    "seconds_to_target, diverged_share, rank"
)
THROUGHPUT = (
    "task, activation, optimizer, device, device_kind, precision, batch_size, lanes, width, workers, trace_s, "
    "compile_s, cache, first_run_s, step_s_median, step_s_low, step_s_high, step_s_p95, samples, noisy, "
    "lane_steps_per_s, examples_per_s, flops_per_s, peak_share, peak_memory_bytes"
)


@pytest.fixture
def copy(smoke_run: Path, tmp_path: Path) -> Path:
    """A finished run that may be damaged."""
    return Path(shutil.copytree(smoke_run, tmp_path / "copy"))


@pytest.fixture(scope="module")
def run(smoke_run: Path) -> Run:
    return bench.load(smoke_run)


def cut(path: Path, keep: int) -> Run:
    """The run as a kill after `keep` commits would have left it, recovered."""
    journal = path / store.JOURNAL
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:keep]))
    with Store(path) as held:
        held.write_manifest({**store.read_manifest(path), "status": "running", "files": {}})
        assert len(held.recover()) == keep
    return Run(path)


# --- what is refused ------------------------------------------------------------------------------------------------


def test_no_run_is_input_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", Path(__file__)):
        with pytest.raises(InputError, match=r"got no manifest\.json; expected a run's directory"):
            bench.load(path)


def test_tasks_are_in_the_order_of_the_suite(smoke_run: Path, tmp_path: Path) -> None:
    manifest = store.read_manifest(smoke_run)
    cells = [["zebra", *cell[1:]] for cell in manifest["cells"]] + manifest["cells"]
    tasks = {**manifest["tasks"], "zebra": manifest["tasks"]["wine_mlp"]}
    with Store(tmp_path) as held:
        held.write_manifest(manifest | {"cells": cells, "tasks": tasks})
    assert list(Run(tmp_path).manifest["tasks"]) == ["zebra", "wine_mlp"]


def test_a_damaged_manifest_is_data_error(copy: Path) -> None:
    (copy / store.MANIFEST).write_bytes((copy / store.MANIFEST).read_bytes()[:-100])
    with pytest.raises(DataError, match="damaged JSON"):
        bench.load(copy)
    (copy / store.MANIFEST).write_bytes(b"[" * 100_000)
    with pytest.raises(DataError, match="damaged JSON"):
        bench.load(copy)


def test_a_damaged_shard_is_data_error(copy: Path) -> None:
    file = next((copy / "shards").iterdir())
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    for name in ("lanes", "curves", "convergence"):
        with pytest.raises(DataError, match=f"{file.name}: got bytes that do not match their checksum"):
            getattr(bench.load(copy), name)


def test_a_missing_shard_is_data_error(copy: Path) -> None:
    next((copy / "shards").iterdir()).unlink()
    with pytest.raises(DataError, match="got no file; expected it, the journal names it"):
        _ = bench.load(copy).lanes


@pytest.mark.parametrize("keep", [-1, 0, 1])
def test_a_journal_that_lost_lines_since_the_run_ended_is_data_error(copy: Path, keep: int) -> None:
    journal = copy / store.JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.unlink()
    if keep >= 0:
        journal.write_bytes(b"".join(lines[:keep]))
    with pytest.raises(DataError, match="got no file" if keep < 0 else "do not match their checksum"):
        _ = bench.load(copy).lanes


def test_a_damaged_journal_is_data_error(copy: Path) -> None:
    with (copy / store.JOURNAL).open("ab") as journal:
        journal.write(b"torn")
    with pytest.raises(DataError, match="got a damaged line"):
        _ = bench.load(copy).lanes


# --- the tables of the contract -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, columns", [("lanes", LANES), ("curves", CURVES), ("convergence", CONVERGENCE), ("throughput", THROUGHPUT)]
)
def test_the_columns_are_exactly_the_contract_s(run: Run, smoke_run: Path, name: str, columns: str) -> None:
    assert list(getattr(run, name).columns) == columns.split(", ")
    if name != "curves":
        assert list(pd.read_csv(smoke_run / f"{name}.csv").columns) == columns.split(", ")


def test_the_tables_can_be_rebuilt_from_the_shards(copy: Path) -> None:
    before = {name: (copy / name).read_bytes() for name in store.TABLES}
    for name in store.TABLES:
        (copy / name).unlink()
    digests = bench.load(copy).write_tables()
    assert {name: (copy / name).read_bytes() for name in store.TABLES} == before
    assert digests == {name: files.sha256(content) for name, content in before.items()}


def test_a_curve_starts_before_the_first_step_and_ends_at_the_lane_s_result(run: Run) -> None:
    manifest = run.manifest["suite"]
    steps = [0, *range(manifest["eval_every"], manifest["steps"] + 1, manifest["eval_every"])]
    assert len(run.curves) == len(run.lanes) * len(steps)
    assert set(run.curves["lane"]) == set(run.lanes["lane"])
    for _, curve in run.curves.groupby("lane"):
        assert curve["step"].tolist() == steps
    ends = run.curves[run.curves["step"] == steps[-1]].set_index("lane")
    ok = run.lanes[run.lanes["status"] == "ok"].set_index("lane")
    assert len(ok) > 0
    for name in ("train_loss", "validation_loss", "validation_metric"):
        pd.testing.assert_series_equal(ends[name].loc[ok.index], ok[name])
    starts = run.curves[run.curves["step"] == 0]
    assert starts["validation_loss"].notna().all() and starts["train_loss"].isna().all()


def test_steps_to_target_is_where_the_curve_first_meets_it(run: Run) -> None:
    target = run.manifest["tasks"]["wine_mlp"]["target"]
    reached = run.curves[run.curves["validation_metric"] >= target].groupby("lane")["step"].min()
    expected = run.lanes["lane"].map(reached).fillna(np.inf).rename("steps_to_target")
    pd.testing.assert_series_equal(run.lanes["steps_to_target"], expected)
    assert 0 < np.isinf(expected).sum() < len(expected), "some meet it and some do not, or this shows nothing"


def test_throughput_is_one_plausible_row_a_cell(run: Run) -> None:
    frame, suite = run.throughput, run.manifest["suite"]
    assert len(frame) == run.manifest["plan"]["cells"]
    assert not frame[["task", "activation", "optimizer"]].duplicated().any()
    assert frame["lanes"].sum() == len(run.lanes)
    assert (frame["step_s_low"] <= frame["step_s_median"]).all()
    assert (frame["step_s_median"] <= frame["step_s_high"]).all()
    assert (frame["step_s_median"] <= frame["step_s_p95"]).all()
    assert (frame[["trace_s", "compile_s", "first_run_s", "step_s_median", "peak_memory_bytes"]] > 0).all(axis=None)
    rate = frame["width"] / frame["step_s_median"]
    np.testing.assert_allclose(frame["lane_steps_per_s"], rate)
    np.testing.assert_allclose(frame["examples_per_s"], rate * suite["batch_size"])
    np.testing.assert_allclose(frame["flops_per_s"], frame["examples_per_s"] * TASKS["wine_mlp"].flops)
    assert frame["peak_share"].between(0, 1).all()
    assert set(frame["device"]) == {"cpu"} and set(frame["precision"]) == {"float32"}
    assert set(frame["cache"]) <= {"off", "hit", "miss"}


def test_no_commit_yet_is_empty_tables(copy: Path) -> None:
    run = cut(copy, 0)
    assert len(run.curves) == len(run.throughput) == 0
    assert list(run.throughput.columns) == THROUGHPUT.split(", ")
    assert set(run.lanes["status"]) == {"interrupted"}
    run.write_tables()
    assert len(pd.read_csv(copy / "lanes.csv")) == run.manifest["plan"]["lanes"]


def test_lanes_without_a_result_are_interrupted_rows(copy: Path, run: Run) -> None:
    found = cut(copy, 1)
    assert sorted(found.lanes["lane"]) == sorted(run.lanes["lane"]), "nothing vanishes"
    assert list(found.lanes.columns) == LANES.split(", ")
    lost = found.lanes[found.lanes["status"] == "interrupted"]
    assert 0 < len(lost) < len(run.lanes)
    assert lost[["train_loss", "validation_metric", "test_metric"]].isna().all(axis=None)
    assert np.isinf(lost["steps_to_target"]).all(), "a miss stays a miss"
    assert lost["parameters"].isna().all(), "how many there are is known of what was trained"
    assert not [finding.text for finding in audit(found) if "unlike numbers" in finding.text]
    whole = run.lanes.set_index("lane")
    same = found.lanes[found.lanes["status"] != "interrupted"].set_index("lane")
    pd.testing.assert_frame_equal(same, whole.loc[same.index])
    assert set(found.curves["lane"]) == set(same.index)
    found.write_tables()


def test_an_interrupted_cell_has_a_row_without_a_verdict(copy: Path, run: Run) -> None:
    found = cut(copy, 1)
    assert len(found.convergence) == len(run.convergence)
    assert (found.convergence["seeds"] == 0).sum() >= len(run.convergence) - 1
    assert found.convergence.loc[found.convergence["seeds"] == 0, "test_metric"].isna().all()


# --- noise and time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "low, high, samples, expected",
    [
        (1.0, 1.0, 9, "few"),
        (0.1, 9.0, 9, "few"),
        (1.0, 1.0, 10, "no"),
        (0.96, 1.059, 10, "no"),
        (0.95, 1.0500001, 10, "noisy"),
        (0.9, 1.149, 99, "noisy"),
        (0.9, 1.1500001, 99, "unstable"),
    ],
)
def test_noise_is_the_interquartile_range_over_the_median(low: float, high: float, samples: int, expected: str) -> None:
    assert noise(low, 1.0, high, samples) == expected
    assert noise(1000 * low, 1000.0, 1000 * high, samples) == expected


def shard_entry(session: int, started: float, finished: float, **seconds: float) -> dict[str, Any]:
    spent = dict.fromkeys(("load_s", "trace_s", "compile_s", "train_s", "evaluate_s"), 0.0)
    return {"session": session, "started": started, "finished": finished, **spent, **seconds}


def test_the_trials_are_what_tuning_saw(run: Run) -> None:
    tuned = run.lanes[run.lanes["phase"] == "tune"]
    assert run.trials["lanes"].sum() == len(tuned)
    chosen = run.trials[run.trials["chosen"]].set_index(["task", "activation", "optimizer"])["learning_rate"]
    cells = run.convergence.set_index(["task", "activation", "optimizer"])["learning_rate"]
    assert chosen.sort_index().equals(cells.sort_index())


def test_times_add_up_over_sessions() -> None:
    sessions = [
        {"started": 100.0, "finished": 110.0, "workers": 2, "ready": [102.0, 103.0]},
        {"started": 200.0, "finished": None, "workers": 1, "ready": []},  # killed
    ]
    journal = [
        shard_entry(0, 103.0, 108.0, compile_s=1.0, train_s=3.0, evaluate_s=0.5),
        shard_entry(0, 103.0, 106.0, load_s=1.0, trace_s=0.25, train_s=1.75),
        shard_entry(1, 203.0, 207.0, train_s=3.0, turn_s=1.0),  # while another trained on the same GPU
        {"session": 1, "error": "ValueError: no"},
    ]
    found = results.times(journal, {"sessions": sessions}).set_index("bucket")["seconds"].to_dict()
    assert found == {
        "start": 5.0, "load": 1.0, "trace": 0.25, "compile": 1.0, "train": 7.75, "evaluate": 0.5, "rows": 0.5,
        "wait": 20.0 + 7.0 - 16.0,
    }  # fmt: skip
    assert sum(found.values()) == 2 * 10 + 7


def test_a_program_that_was_halved_is_as_fast_as_its_narrow_chunks() -> None:
    entry = shard_entry(0, 0.0, 9.0) | {"task": "t", "program": "p", "program_bytes": 1, "cache": "off"}
    chunk = {"activations": ["relu"], "optimizer": "sgd", "steps": 10, "first": False}
    wide = {"chunks": [{**chunk, "lanes": 4, "width": 4, "seconds": 8.0}] * 3}
    narrow = {"chunks": [{**chunk, "lanes": 2, "width": 2, "seconds": 5.0}] * 2}
    manifest = {
        "cells": [["t", "relu", "sgd", []]], "environment": {}, "execution": {"workers": 1},
        "programs": {"p": {"width": 4, "steps": 10, "batch_size": 8, "lane_step_flops": 1}},
    }  # fmt: skip
    for entries, width, step_s, lanes in (([wide], 4, 0.8, 12), ([wide, narrow], 2, 0.5, 16)):
        (found,) = results.throughput([entry | one for one in entries], manifest).to_dict("records")
        assert (found["width"], found["step_s_median"], found["lanes"]) == (width, step_s, lanes)
        assert found["lane_steps_per_s"] == pytest.approx(width / step_s)


def test_the_lanes_of_a_mixed_chunk_are_counted_by_activation() -> None:
    entry = shard_entry(0, 0.0, 9.0) | {"task": "t", "program": "p", "program_bytes": 1, "cache": "off"}
    chunk = {"optimizer": "sgd", "steps": 10, "first": False, "lanes": 10, "width": 10, "seconds": 1.0}
    manifest = {
        "cells": [["t", activation, "sgd", []] for activation in ("relu", "tanh")], "environment": {},
        "execution": {"workers": 1},
        "programs": {"p": {"width": 10, "steps": 10, "batch_size": 8, "lane_step_flops": 1}},
    }  # fmt: skip
    mixed = [{**chunk, "activations": {"relu": 7, "tanh": 3}}, {**chunk, "activations": {"tanh": 10}}]
    found = results.throughput([entry | {"chunks": mixed}], manifest)
    assert found["lanes"].tolist() == [7, 13]
    earlier = [{**chunk, "activations": ["relu"]}, {**chunk, "activations": ["tanh"]}]
    assert results.throughput([entry | {"chunks": earlier}], manifest)["lanes"].tolist() == [10, 10]


@pytest.mark.parametrize(("execution", "told"), [({"workers": 8}, 8), ({"workers": 8, "busy": 1}, 1)])
def test_workers_are_those_that_train_at_once(execution: dict[str, int], told: int) -> None:
    entry = shard_entry(0, 0.0, 9.0) | {"task": "t", "program": "p", "program_bytes": 1, "cache": "off"}
    chunk = {"activations": {"relu": 4}, "optimizer": "sgd", "steps": 10, "first": False, "lanes": 4, "width": 4}
    manifest = {
        "cells": [["t", "relu", "sgd", []]], "environment": {}, "execution": execution,
        "programs": {"p": {"width": 4, "steps": 10, "batch_size": 8, "lane_step_flops": 1}},
    }  # fmt: skip
    found = results.throughput([entry | {"chunks": [{**chunk, "seconds": 1.0}]}], manifest)
    assert found["workers"].tolist() == [told]


# --- exhibits -------------------------------------------------------------------------------------------------------


def shown(path: Path, rows: list[dict[str, Any]]) -> Run:
    """A run of these rows whose evaluation seeds are 12 and 11, in this order."""
    with Store(path) as held:
        seeds = {"tune": [1], "evaluate": [12, 11]}
        tasks = {"t": {"metric": {"name": "m", "direction": "minimize", "worst": np.inf, "unit": "", "scale": 1}}}
        held.write_manifest({"schema": store.SCHEMA_VERSION, "seeds": seeds, "cells": [], "tasks": tasks})
        common = {"task": "t", "activation": "relu", "optimizer": "adam", "phase": "evaluate", "hyperparameters": {}}
        common |= {"shard": "00000", "status": "ok", "test_metric": 0.5}
        held.commit("00000", [common | {"lane": str(i)} | row for i, row in enumerate(rows)], {})
    return Run(path)


def flat(start: int) -> dict[str, Any]:
    """What a lane keeps, from `start` on."""
    return {"exhibit": np.arange(start, start + 6.0).tolist(), "exhibit_shape": [2, 3]}


def test_the_seed_of_the_middle_score_is_shown(tmp_path: Path) -> None:
    scores = [0.9, 0.1, np.nan, 0.3, 0.2]  # of which the third diverged: the middle one is 0.3
    rows = [
        {"seed": seed, "test_metric": score, "status": "ok" if score == score else "diverged", **flat(10 * seed)}
        for seed, score in enumerate(scores)
    ]
    kept = {"adam": rows, "sgd": [row | {"optimizer": "sgd"} for row in rows]}
    for name in ("exhibit", "exhibit_shape"):
        kept["sgd"][3][name] = None  # an older run kept others: the nearest in rank is 0.2 or 0.9
    found = shown(tmp_path / "run", [*kept["adam"], *kept["sgd"]]).exhibits
    assert found["t", "relu", "adam"][0, 0] == 30
    assert found["t", "relu", "sgd"][0, 0] in (0, 40)


def test_the_first_evaluation_seed_that_has_an_exhibit_is_shown_of_equals(tmp_path: Path) -> None:
    rows = [
        {"seed": 12, "phase": "tune", **flat(50)},
        {"seed": 11, **flat(0)},
        {"seed": 12, **flat(10)},
        {"seed": 12, "optimizer": "sgd"},
        {"seed": 11, "optimizer": "sgd", **flat(20)},
        {"seed": 11, "optimizer": "lion"},
    ]
    found = shown(tmp_path / "run", rows).exhibits
    assert {cell[2]: array[0, 0] for cell, array in found.items()} == {"adam": 10, "sgd": 20}
    assert found["t", "relu", "adam"].tolist() == [[10, 11, 12], [13, 14, 15]]


def test_a_way_is_shown_where_there_is_no_exhibit(tmp_path: Path) -> None:
    way = [[0.5, 1.0], [0.25, 0.5], [0.0, 0.0]]
    found = shown(tmp_path / "run", [{"seed": 12, "activation": "none", "curve_trace": way}]).exhibits
    assert found["t", "none", "adam"].tolist() == way


def test_a_run_that_has_trained_nothing_shows_nothing(tmp_path: Path) -> None:
    with Store(tmp_path) as held:
        manifest = {"seeds": {"tune": [1], "evaluate": [2]}, "cells": [], "tasks": {}}
        held.write_manifest({"schema": store.SCHEMA_VERSION, **manifest})
    assert Run(tmp_path).exhibits == {}


def test_a_run_that_was_stopped_has_a_report(smoke_run: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(smoke_run, tmp_path / "stopped"))
    with store.Store(path) as held:
        manifest = store.read_manifest(path)
        told = {"device", "device_kind", "precision", "ready", "devices", "compile_options", "xla_flags"}
        manifest["environment"] = {key: of for key, of in manifest["environment"].items() if key not in told}
        held.write_manifest(manifest | {"status": "interrupted"})  # as before its workers have told of their device
    found = Run(path)
    assert set(found.throughput["device"]) == {"cpu"}
    assert "is interrupted" in bench.report(found, tmp_path / "report").with_name("report.md").read_text("utf-8")


def test_the_workers_of_a_timing_are_those_that_were_busy_then(copy: Path) -> None:
    before = Run(copy).throughput["workers"]
    manifest = Run(copy).manifest
    assert all("busy" in session for session in manifest["execution"]["sessions"])
    manifest["execution"]["sessions"].append({**manifest["execution"]["sessions"][0], "busy": 8, "workers": 8})
    manifest["execution"] |= {"busy": 8, "workers": 8}  # as of a run that was complete and resumed with more
    assert results.throughput(Run(copy).journal, manifest)["workers"].equals(before)
