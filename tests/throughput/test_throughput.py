"""A throughput run end to end: measured in workers, stored, verified, resumed, reported, compared."""

import html
import io
import json
import multiprocessing
import re
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from bench import kinds
from bench.cli import app
from bench.errors import DataError, InputError, Interrupted, ResourceError
from bench.hardware import rates
from bench.hardware.machine import cores
from bench.stats import throughput as stats
from bench.storage import store
from bench.tasks import TASKS
from bench.throughput import launch, page, plan
from bench.throughput.calls import prepare
from bench.throughput.compare import as_json, compare, lines, render
from bench.throughput.results import BUCKETS, COLUMNS, ThroughputRun, times
from bench.throughput.suite import ThroughputSuite

TINY: dict[str, Any] = {
    "kind": "throughput",
    "name": "tiny",
    "tasks": ["wine_mlp"],
    "activations": ["relu", "tanh"],
    "optimizers": ["sgd"],
    "batch_sizes": [16],
    "widths": [1, 2],
    "workers": [1],
    "samples": 10,
    "seconds": 0,
}


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One finished run. Read it; to change it, copy it first."""
    return launch.run(ThroughputSuite(**TINY), tmp_path_factory.mktemp("timed") / "tiny", "cpu").path


@pytest.fixture
def copied(timed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(timed, tmp_path / "copied"))


def bench(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_every_cell_and_setting_is_a_row_with_its_samples(timed: Path) -> None:
    run = kinds.load(timed)
    frame = run.throughput
    assert isinstance(run, ThroughputRun)
    assert list(frame.columns) == COLUMNS and len(frame) == 4
    assert frame["device"].unique().tolist() == ["cpu"]
    assert (frame["samples"] >= 10).all() and len(run.samples) == frame["samples"].sum()
    assert (frame["step_s_low"] <= frame["step_s_median"]).all()
    assert (frame["step_s_median"] <= frame["step_s_high"]).all()
    assert (frame["step_s_min"] <= frame["step_s_low"]).all()
    assert np.allclose(frame["lane_steps_per_s"], frame["width"] / frame["step_s_median"])
    assert (frame["cache"] == "off").all() and (frame["compile_s"] > 0).all()
    assert (frame[["peak_share", "bandwidth_share", "peak_memory_bytes", "carry_bytes"]] > 0).all(axis=None)
    stored = pd.read_csv(timed / "throughput.csv")
    assert np.allclose(stored["step_s_median"], frame["step_s_median"])


def test_the_parts_add_up_to_the_wall_time(timed: Path) -> None:
    run = kinds.load(timed)
    wall_s = sum(len(entry["workers"]) * entry["wall_s"] for entry in run.journal)
    spent = run.times.set_index("bucket")["seconds"]
    assert list(spent.index) == list(BUCKETS)
    assert spent.drop("start").sum() == pytest.approx(wall_s)
    assert 0 <= spent["wait"] < 0.15 * wall_s  # of what is left: messages, and bookkeeping between the parts
    assert (spent >= 0).all()
    assert spent["compile"] > 0 and spent["steps"] > 0 and spent["evaluate"] > 0


def test_times_of_a_made_up_journal() -> None:
    entry = {"wall_s": 10.0, "workers": [{"spent": {"compile": 6.0, "steps": 3.0}}, {"spent": {"compile": 5.0}}]}
    found = times([entry, {"error": "no"}], [{"start_s": 2.0}]).set_index("bucket")["seconds"]
    assert (found["compile"], found["steps"], found["wait"], found["start"]) == (11.0, 3.0, 6.0, 2.0)


def test_it_verifies_and_a_changed_byte_does_not(timed: Path, copied: Path) -> None:
    assert "2 groups, every byte" in bench("verify", timed).stdout
    journal = (copied / store.JOURNAL).read_bytes()
    (copied / store.JOURNAL).write_bytes(journal.replace(b"relu", b"tanh", 1))
    assert bench("verify", copied).exit_code == 3


def test_a_run_goes_on_where_it_was_killed(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lines = (copied / store.JOURNAL).read_bytes().splitlines(keepends=True)
    (copied / store.JOURNAL).write_bytes(lines[0] + lines[1][:40])
    seen = list[str]()
    _, suite = kinds.wanted(None, copied)
    assert isinstance(suite, ThroughputSuite)
    run = launch.run(suite, resume=copied, observe=lambda done, every, group: seen.append(group.id))
    assert len(seen) == 1
    assert len(run.throughput) == 4 and run.manifest["status"] == "complete"
    assert (copied / store.JOURNAL).read_bytes().startswith(lines[0])
    assert rates.known("cpu") == run.throughput["gemm_flops_per_s"].iloc[-1]  # for plans to come
    assert bench("verify", copied).exit_code == 0


def test_another_suite_does_not_go_on_with_it(copied: Path) -> None:
    with pytest.raises(InputError, match="another suite"):
        launch.run(ThroughputSuite(**(TINY | {"widths": [1]})), resume=copied)


def test_it_goes_on_with_the_kind_of_device_it_began_on(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "Pool", Idle)
    manifest = store.read_manifest(copied)
    manifest["devices"]["cpu"]["device_kind"] = "another"
    rewrite(copied, manifest)
    with pytest.raises(DataError, match="got cpu; expected another, on which it began"):
        launch.run(ThroughputSuite(**TINY), resume=copied)
    assert store.read_manifest(copied)["devices"]["cpu"]["device_kind"] == "another"


def test_a_run_of_one_kind_does_not_go_on_with_a_suite_of_the_other(copied: Path) -> None:
    told = "got a throughput run; expected a convergence run, as smoke is a suite of"
    with pytest.raises(InputError, match=told):
        kinds.wanted("smoke", copied)


def test_cells_of_tasks_without_activations_count_once() -> None:
    suite = ThroughputSuite(**(TINY | {"tasks": ["rosenbrock", "wine_mlp"], "activations": ["relu", "tanh"]}))
    facts = plan.make(suite, ["cpu"], 1).facts()
    assert facts["cells"] == 3 * len(suite.optimizers)


def test_it_goes_on_with_the_data_it_began_with_as_far_as_it_says(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "Pool", Idle)
    suite, manifest = ThroughputSuite(**TINY), store.read_manifest(copied)
    assert manifest["tasks"]["wine_mlp"]["data_sha256"] == TASKS["wine_mlp"].dataset.sha256
    rewrite(copied, manifest, data_sha256="0" * 64)
    with pytest.raises(DataError, match="got other data for wine_mlp; expected those the run began with"):
        launch.run(suite, resume=copied)
    rewrite(copied, manifest)  # as earlier versions left it
    assert launch.run(suite, resume=copied).manifest["status"] == "complete"


def rewrite(path: Path, manifest: dict[str, Any], **told: Any) -> None:
    """The manifest with no checksum of the task's data, but with what is told here."""
    task = {key: of for key, of in manifest["tasks"]["wine_mlp"].items() if key != "data_sha256"}
    for key in ("processor_model", "vectors"):
        manifest["environment"].pop(key, None)
    with store.Store(path) as held:
        held.write_manifest(manifest | {"tasks": {"wine_mlp": task | told}})


def test_a_cell_that_cannot_be_timed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "prepare", broken)
    run = launch.run(ThroughputSuite(**TINY), tmp_path / "broken", "cpu")
    assert run.manifest["status"] == "failed" and run.throughput.empty
    assert run.journal[0]["error"] == "ValueError: no such thing"
    assert "Nothing was measured." in page.verdicts([run])


def broken(group: object) -> None:
    raise ValueError("no such thing")


@pytest.mark.slow
def test_a_width_that_memory_is_too_small_for_is_a_row_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "prepare", cramped)
    run = launch.run(ThroughputSuite(**TINY), tmp_path / "cramped", "cpu")
    assert run.manifest["status"] == "complete" and not any("error" in entry for entry in run.journal)
    frame = run.throughput.set_index(["activation", "width"])
    assert frame["status"].to_dict() == {
        ("relu", 1): "ok", ("tanh", 1): "ok", ("relu", 2): "ok", ("tanh", 2): "out of memory",
    }  # fmt: skip
    lacking = frame.loc["tanh", 2]
    assert (lacking["samples"], lacking["lanes"], lacking["device"]) == (0, 2, "cpu")
    assert lacking[["step_s_median", "lane_steps_per_s", "peak_share"]].isna().all()
    assert (frame.loc[frame["status"] == "ok", "samples"] >= 10).all()
    assert "status" in pd.read_csv(run.path / "throughput.csv").columns
    assert bench("verify", run.path).exit_code == 0
    told = (
        "Memory was too small for 1 of the timings that were planned, the narrowest tanh + sgd on wine_mlp at width 2"
    )
    done = bench("report", run.path, "--out", tmp_path / "page")
    assert done.exit_code == 0 and "Fastest: " in done.stdout and told in done.stdout
    assert "Out of memory" in (tmp_path / "page" / "index.html").read_text("utf-8")
    done = bench("compare", run.path, run.path, "--out", tmp_path / "compared")
    assert done.exit_code == 0
    assert len(json.loads(bench("compare", run.path, run.path, "--json").stdout)["cells"]) == 3


def cramped(group: Any) -> Any:
    """`prepare` where memory is too small for two lanes of tanh."""
    from jax.errors import JaxRuntimeError

    from bench.throughput import measure

    def ready(program: Any, data: Any, ledger: Any, whole: Any = measure._ready) -> Any:
        if program.activations[0].name == "tanh" and program.width > 1:
            raise JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes.")
        return whole(program, data, ledger)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "_ready", ready)
        return measure.prepare(group)


class Crowded:
    """A worker that has no memory for some programs, and what it was asked to sample."""

    def __init__(self, too_large: list[str]) -> None:
        self.untimed, self.sampled = dict.fromkeys(too_large, "out of memory"), list[str]()

    def submit(self, function: object, group: Any) -> "Future[Any]":
        found = Future[Any]()
        if function is prepare:
            found.set_result({"spent": {"compile": 1.0, "load": 2.0}, "untimed": self.untimed})
        else:
            self.sampled += [program.id for program in group.programs]
            found.set_result({"spent": {"steps": 3.0, "compile": 0.5}, "cells": []})
        return found


def test_what_one_of_several_workers_has_no_memory_for_none_of_them_samples() -> None:
    group = plan.make(ThroughputSuite(**TINY), ["cpu"]).groups[1]
    first, second = (program.id for program in group.programs)
    workers: list[Any] = [Crowded([]), Crowded([second])]
    entry = launch._attempt(group, workers, Stopped(0))  # type: ignore[arg-type]
    assert entry is not None and entry["untimed"] == [["tanh", "sgd", "out of memory"]]
    assert [one.sampled for one in workers] == [[first], [first]]
    assert entry["workers"][0]["spent"] == {"compile": 1.5, "load": 2.0, "steps": 3.0}
    workers = [Crowded([first]), Crowded([second])]
    entry = launch._attempt(group, workers, Stopped(0))  # type: ignore[arg-type]
    assert entry is not None and [cell for *cell, _ in entry["untimed"]] == [["relu", "sgd"], ["tanh", "sgd"]]
    assert [one.sampled for one in workers] == [[], []]


def test_nothing_that_fits_is_told_in_words_alone(timed: Path) -> None:
    run = kinds.load(timed)
    entry = {**run.journal[1], "untimed": [["relu", "sgd", "out of memory"], ["tanh", "sgd", "ValueError: no"]]}
    entry["workers"] = [{**told, "cells": []} for told in entry["workers"]]
    run.journal[:] = [entry]
    assert page.verdicts([run])[1] == "Nothing was measured."
    text = page.render([run])["index.html"].decode()
    assert "Memory was too small for 1 of the timings" in text and "Fastest" not in text


def test_what_a_cell_raises_costs_that_cell_alone(timed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.throughput import measure

    group = plan.make(ThroughputSuite(**TINY), ["cpu"]).groups[0]
    first, second = (program.id for program in group.programs)
    monkeypatch.setattr(measure, "_ready", Mock(side_effect=[MemoryError(), ValueError("no such thing")]))
    monkeypatch.setattr(measure.jax.config, "update", Mock())  # this process keeps its cache
    untimed = measure.prepare(group)["untimed"]
    assert untimed == {first: "out of memory", second: "ValueError: no such thing"}
    one = Crowded([])
    one.untimed = untimed
    entry = launch._attempt(group, [one], Stopped(0))  # type: ignore[arg-type, list-item]
    assert entry is not None and entry["error"] == "ValueError: no such thing", "so that --resume tries it again"
    run = kinds.load(timed)
    measured = run.journal[0]["workers"]
    run.journal[:] = [{**entry, "shard": "00000", "workers": [{**told, "cells": []} for told in measured]}]
    assert run.throughput["status"].tolist() == ["out of memory", "failed"]
    assert run.times.set_index("bucket")["seconds"]["compile"] > 0


class Stopped:
    """What signals have come so far."""

    def __init__(self, times: int) -> None:
        self.received = [2] * times


@pytest.mark.parametrize(("times", "failed", "groups"), [(1, {}, 1), (1, {"error": "its own"}, 0), (2, {}, 0)])
def test_a_signal_ends_the_run_after_the_group_in_hand_a_second_at_once(
    timed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, failed: dict[str, str], groups: int
) -> None:
    signals = Stopped(0)
    entry = {key: value for key, value in kinds.load(timed).journal[0].items() if key not in ("shard", "session")}
    entry |= failed

    def attempt(*_: object) -> dict[str, Any] | None:
        signals.received += [2] * times
        return entry if times == 1 else None

    monkeypatch.setattr(launch, "Signals", lambda: nullcontext(signals))
    monkeypatch.setattr(launch, "_attempt", attempt)
    monkeypatch.setattr(launch, "Pool", Idle)
    with pytest.raises(Interrupted, match=f"with {groups} of 2 groups measured") as error:
        launch.run(ThroughputSuite(**TINY), tmp_path / "stopped", "cpu")
    assert error.value.exit_code == 130
    assert store.read_manifest(tmp_path / "stopped")["status"] == "interrupted"


class Idle:
    """Workers that are never asked."""

    def __init__(self, *_: object) -> None:
        self.started, self.start_s, self.described = 0.0, 0.0, {"device": "cpu", "device_kind": "cpu"}
        self.workers: list[object] = [None]


def test_what_is_not_done_is_dropped_after_a_second_signal() -> None:
    done, waiting = Future[int](), Future[int]()
    done.set_result(7)
    assert launch._all([done], Stopped(2)) == [7]
    assert launch._all([done, waiting], Stopped(2)) == []


def test_without_a_gpu_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"--device gpu: got .*; expected a GPU") as error:
        launch.run(ThroughputSuite(**TINY), tmp_path / "out", "cpu,gpu")
    assert error.value.exit_code == 4
    assert not (tmp_path / "out").exists()


def test_both_devices_are_for_throughput_only() -> None:
    done = bench("run", "smoke", "--device", "cpu,gpu")
    assert done.exit_code == 2 and "only a throughput suite is for several" in done.stderr


def test_a_plan_of_it() -> None:
    facts = json.loads(bench("plan", "throughput_quick", "--json").stdout)
    assert facts["timings"] == 16 and facts["kind"] == "throughput"


def test_the_report_opens_with_what_is_fastest_and_says_that_there_is_no_gpu(timed: Path, tmp_path: Path) -> None:
    done = bench("report", timed, "--out", tmp_path / "page")
    assert done.exit_code == 0 and "Fastest: " in done.stdout
    text = (tmp_path / "page" / "index.html").read_text("utf-8")
    assert text.index("Fastest: ") < text.index("Costliest activation: ") < text.index("<main>")
    assert text.count("No GPU has been measured.") == 1 and "GPU against CPU" not in text
    assert {file.name for file in (tmp_path / "page" / "figures").glob("*.svg")} >= {
        "throughput-costs.svg", "throughput-width.svg", "throughput-roofline.svg",
    }  # fmt: skip
    assert "mathdefault" not in text  # figures do not read formulas
    assert "No GPU has been measured" in (tmp_path / "page" / "report.md").read_text("utf-8")


class MadeUp:
    """A run of a made-up device beside the CPU's; nothing of it was measured."""

    kind = "throughput"

    def __init__(self, run: ThroughputRun, device: str, factor: float, name: str = "made-up") -> None:
        self.name, self.journal, self.times, self.manifest = name, run.journal, run.times, run.manifest
        self.path = run.path
        times = [column for column in run.throughput.columns if column.startswith("step_s_")]
        frame = run.throughput.assign(device=device)
        frame[times] = frame[times] * factor
        self.throughput = frame.assign(lane_steps_per_s=frame["lane_steps_per_s"] / factor)


def test_rates_say_whether_they_are_of_a_worker_or_of_all(timed: Path) -> None:
    run = kinds.load(timed)
    one, two = run.throughput, run.throughput.assign(workers=2)
    rate = one["lane_steps_per_s"].max()
    assert f" {rate:,.0f} lane-steps a second of one worker (cpu, " in next(page.headline(one))
    told = f" {2 * rate:,.0f} lane-steps a second of 2 workers together, {rate:,.0f} of each (cpu, "
    assert told in next(page.headline(two))
    text = page.render([run])["index.html"].decode()
    assert ">lane-steps/s per worker<" in text and "the share of a rate that it tells is lower" in text


def test_settings_that_all_timings_share_are_told_once_and_take_no_columns(timed: Path) -> None:
    run = kinds.load(timed)
    text = page.render([run])["report.md"].decode()
    assert "All of them: task wine\\_mlp, device cpu, precision float32, batch 16, workers 1." in text
    assert "| activation | optimizer | width | step, ms |" in text  # two widths


def test_the_fastest_is_told_with_those_as_fast(timed: Path) -> None:
    run = kinds.load(timed)
    ends = {"step_s_median": 1.0, "step_s_low": 0.9, "step_s_high": 1.1}
    frame = run.throughput.assign(**ends, lane_steps_per_s=run.throughput["width"].astype(float))
    frame.loc[frame["activation"] == "tanh", ["step_s_median", "lane_steps_per_s"]] *= [1.01, 1 / 1.01]
    assert next(page.headline(frame)).endswith("; 1 other cannot be told from it.")
    several = pd.concat([frame.assign(task=task) for task in "ab"])
    found = page._tops(several)
    assert found is not None and found.tables[0][1].columns[-3].title == "equally fast"
    assert [row.entries[-3].text for row in found.tables[0][1].rows] == ["1", "1"]


def of_tasks(run: ThroughputRun, **slower: float) -> MadeUp:
    """A run of several tasks, each as many times as slow as the first run's."""
    made = [MadeUp(run, "cpu", factor).throughput.assign(task=task) for task, factor in slower.items()]
    found = MadeUp(run, "cpu", 1.0)
    found.throughput = pd.concat(made, ignore_index=True)
    return found


def test_the_page_of_several_tasks_opens_with_a_line_for_each(timed: Path) -> None:
    run = of_tasks(kinds.load(timed), a=1.0, b=10.0)
    text = page.render([run])["report.md"].decode()
    rates = run.throughput.groupby("task")["lane_steps_per_s"].max()
    first = f"The fastest cell of a task makes {rates['b']:,.0f} (b) to {rates['a']:,.0f} (a) lane-steps a second, "
    assert page.verdicts([run])[0].startswith(first) and "Fastest: " not in text
    top = text[: text.index("\n## ")]
    assert all(f"| {task} | " in top and f" | {rates[task]:,.0f} | " in top for task in "ab")
    assert "| task | activation | optimizer | " in top and "All of them: device cpu, precision float32, " in top
    assert page._tops(of_tasks(kinds.load(timed), a=1.0).throughput) is None


def test_the_page_says_how_to_reproduce_it_and_names_a_cpu_once(timed: Path) -> None:
    files = page.render([kinds.load(timed)])
    assert all("How to reproduce it" in files[name].decode() for name in ("index.html", "report.md"))
    assert "    bench run tiny.toml --out " in files["report.md"].decode()
    run = kinds.load(timed)
    found = html.unescape(render(compare(run, run), [run, run])["index.html"].decode())
    (path,) = set(re.findall(r"bench verify (\S+)", found))
    assert f"\nbench compare {path} {path}</pre>" in found
    assert "cpu: cpu" not in files["index.html"].decode()


def test_noisy_timings_are_told_by_task_and_without_a_cause(timed: Path) -> None:
    frame = of_tasks(kinds.load(timed), a=1.0, b=1.0).throughput.assign(noisy="no")
    frame.loc[frame["task"] == "b", "noisy"] = "noisy"
    assert "4 of 8 timings are noisy (b 4)." in list(page.headline(frame))
    frame.loc[0, "noisy"] = "unstable"
    assert "5 of 8 timings are noisy, 1 of them unstable (b 4, a 1)." in list(page.headline(frame))
    assert "4 of 4 timings are noisy." in list(page.headline(frame[frame["task"] == "b"]))


def test_the_dearest_task_is_named_where_it_makes_the_mean(timed: Path) -> None:
    run = kinds.load(timed)
    frame = of_tasks(run, a=1.0, b=1.0, c=1.0).throughput.assign(step_s_median=1.0, step_s_low=1.0, step_s_high=1.0)
    frame.loc[frame["activation"] == "tanh", "step_s_median"] = 1.1
    assert "; the median" not in "".join(page.headline(frame))
    frame.loc[(frame["activation"] == "tanh") & (frame["task"] == "c"), "step_s_median"] = 8.0
    assert "; the median task 1.10, the most expensive, c, 8.00." in "".join(page.headline(frame))


def test_the_reference_itself_may_be_the_costliest(timed: Path) -> None:
    run = kinds.load(timed)
    run.throughput = run.throughput.assign(step_s_median=1.0, step_s_low=1.0, step_s_high=1.0)
    run.throughput.loc[run.throughput["activation"] == "tanh", "step_s_median"] = 0.98
    assert "Costliest activation: relu, then tanh, a step 0.98 times as long as with relu" in "".join(
        page.headline(run.throughput)
    )
    text = html.unescape(page.render([run])["index.html"].decode())
    assert "The costliest activation is relu, then tanh: 0.98 times the step of relu." in text


def test_without_relu_costs_are_relative_to_what_the_suite_names_first(timed: Path) -> None:
    run = kinds.load(timed)
    run.throughput = run.throughput.replace({"activation": {"relu": "silu"}})
    files = page.render([run])
    assert "### Activation against silu" in files["report.md"].decode()
    assert any(told.startswith("Costliest activation: ") and "silu" in told for told in page.verdicts([run]))
    assert set(pd.read_csv(io.BytesIO(files["tables/activation_cost.csv"]))["reference"]) == {"silu"}
    run.throughput = run.throughput[run.throughput["activation"] == "tanh"]
    files = page.render([run])
    assert "What activations and optimizers cost" not in files["index.html"].decode()
    assert not any(name.startswith("figures/throughput-costs") for name in files)


def test_two_devices_are_set_against_each_other(timed: Path, smoke_run: Path) -> None:
    run = kinds.load(timed)
    both = page.render([run, MadeUp(run, "gpu", 0.1)])
    text = both["index.html"].decode()
    assert "The GPU trains 10 times as fast" in text and "No GPU has been measured" not in text
    assert "pays after lane-steps" in text and "tables/break_even.csv" in both
    assert "Seconds to the target" not in text
    trained = kinds.load(smoke_run)
    one, two = (page.render([run, *[trained] * number])["index.html"].decode() for number in (1, 2))
    assert "Seconds to the target" in one and "trained by" not in one and "trained by" in two


def test_runs_of_one_device_are_reported_each_for_itself(timed: Path) -> None:
    run = kinds.load(timed)
    files = page.render([run, MadeUp(run, "cpu", 2.0, "slow"), MadeUp(run, "cpu", 3.0, "slow")])
    rows = pd.read_csv(io.BytesIO(files["tables/throughput.csv"]))
    assert rows["run"].value_counts().to_dict() == {"tiny": 4, "slow": 4, "slow (2)": 4}
    assert set(pd.read_csv(io.BytesIO(files["tables/activation_cost.csv"]))["run"]) == set(rows["run"])
    assert "run" not in pd.read_csv(io.BytesIO(page.render([run])["tables/throughput.csv"])).columns
    rates = [f"{factor * run.throughput['lane_steps_per_s'].max():,.0f} lane-steps a second" for factor in (1, 1 / 2)]
    text = files["index.html"].decode()
    told = [text.index(f"{name}: Fastest: ") for name in ("tiny", "slow", "slow (2)")]
    assert told == sorted(told) and all(rate in text[: text.index("<main>")] for rate in rates)
    assert "What activations and optimizers cost: slow (2)" in text and text.count("No GPU has been measured.") == 1
    assert {"figures/tiny-throughput-costs.svg", "figures/slow-throughput-costs.svg"} <= files.keys()
    assert (
        sum(line.startswith("slow: Fastest: ") for line in page.verdicts([run, MadeUp(run, "cpu", 2.0, "slow")])) == 1
    )


def test_a_gpu_stands_against_the_cpu_of_every_run_that_it_does_not_share(timed: Path) -> None:
    run = kinds.load(timed)
    both = MadeUp(run, "cpu", 1.0, "both")
    both.throughput = pd.concat([run.throughput, MadeUp(run, "gpu", 0.5).throughput], ignore_index=True)
    files = page.render([run, MadeUp(run, "gpu", 0.1, "gpu"), both])
    rows = pd.read_csv(io.BytesIO(files["tables/gpu_against_cpu.csv"]))
    found = rows.groupby(["gpu_run", "cpu_run"])["ratio"].median().to_dict()
    expected = {("gpu", "tiny"): 10, ("gpu", "both"): 10, ("both", "tiny"): 2, ("both", "both"): 2}
    assert found == pytest.approx(expected)
    text = files["report.md"].decode()
    assert "## GPU against CPU: gpu against tiny" in text and "## GPU against CPU: both\n" in text
    assert {"figures/gpu-against-tiny.svg", "figures/both-throughput-devices.svg"} <= files.keys()


def test_what_a_run_lacks_is_said_first(timed: Path, copied: Path, tmp_path: Path) -> None:
    run = kinds.load(timed)
    assert page.doubts(run) == []
    run.manifest["status"], run.journal[:] = "interrupted", run.journal[:1]
    told = "This run is interrupted; 1 of its 2 groups was not measured."
    files = page.render([run])
    assert page.verdicts([run])[0] == told
    assert files["report.md"].decode().split("\n\n")[2] == f"**{told}**"
    whole = kinds.load(copied)
    found = compare(whole, run)
    assert found.sentences[0] == f"tiny: {told}" and f"tiny: {told}" in lines(found)
    assert json.loads(as_json(found))["sentences"][0] == f"tiny: {told}"


def test_a_run_against_itself_and_against_one_half_as_fast(timed: Path) -> None:
    run = kinds.load(timed)
    run.throughput["noisy"] = "no"  # whatever else the machine does
    same = compare(run, MadeUp(run, "cpu", 1.0))
    assert same.cells["verdict"].tolist() == ["level"] * 4
    assert same.slower(0.1) == [] and "none can be told apart" in same.sentences[0]
    assert same.speed.interval == " (0.952 to 1.05)"  # not of no width, as cells that agree would have it
    assert " are not told apart" in same.sentences[1]
    half = compare(run, MadeUp(run, "cpu", 20.0))
    assert half.cells["ratio"].tolist() == pytest.approx([0.05] * 4)
    assert half.cells["verdict"].tolist() == ["slower"] * 4 and len(half.slower(0.1)) == 5
    lacking = MadeUp(run, "cpu", 1.0)
    lacking.throughput = lacking.throughput.iloc[1:]
    assert same.untimed() == compare(lacking, run).untimed() == []
    assert len(compare(run, lacking).untimed()) == 1


def test_what_is_unsure_is_not_counted_among_what_was_judged(timed: Path) -> None:
    run, unsure = kinds.load(timed), MadeUp(kinds.load(timed), "cpu", 20.0)
    run.throughput["noisy"], unsure.throughput["noisy"] = "no", ["no", "no", "no", "few"]
    found = compare(run, unsure)
    assert found.cells["verdict"].tolist() == ["slower"] * 3 + ["unsure"]
    assert found.sentences[0].startswith(
        "Of 4 timings that both have 1 was set aside, as it was unstable or had few samples; of the rest 0 faster "
        "and 3 slower in made-up than in tiny"
    )
    assert [cell["verdict"] for cell in json.loads(as_json(found))["cells"]] == ["slower"] * 3 + ["unsure"]
    page = html.unescape(render(found, [run, unsure])["index.html"].decode())
    assert page.count(">unsure<") == sum(line.endswith(" unsure") for line in lines(found)) == 1
    unsure.throughput["noisy"] = "unstable"
    missing = MadeUp(run, "cpu", 1.0)
    missing.throughput = run.throughput.iloc[1:]
    assert compare(missing, unsure).sentences == (
        "No verdict, as all 3 timings were unstable or had few samples in one of the runs: run both again on an idle "
        "machine.",
        "1 timing is in one run only and left out.",
    )


@pytest.mark.parametrize(("key", "other"), [("parameters", 7), ("version", 9), ("data_sha256", "0" * 9)])
def test_another_task_of_the_same_name_is_not_compared(timed: Path, key: str, other: Any) -> None:
    run = kinds.load(timed)
    changed, before = MadeUp(run, "cpu", 1.0), MadeUp(run, "cpu", 1.0)
    task = run.manifest["tasks"]["wine_mlp"]
    changed.manifest = run.manifest | {"tasks": {"wine_mlp": task | {key: other}}}
    before.manifest = run.manifest | {"tasks": {"wine_mlp": {k: of for k, of in task.items() if k != "data_sha256"}}}
    with pytest.raises(DataError, match=f"made-up: wine_mlp: {key}: got {other}; expected ") as error:
        compare(run, changed)
    assert error.value.exit_code == 3
    assert len(compare(run, before).cells) == 4  # of a version that stored no checksum


def test_each_device_is_compared_with_itself_and_with_another_only_where_it_must(timed: Path) -> None:
    cpu = kinds.load(timed)
    cpu.throughput["noisy"] = "no"
    gpu = MadeUp(cpu, "gpu", 0.1)
    both = MadeUp(cpu, "cpu", 1.0)
    both.throughput = pd.concat([cpu.throughput, gpu.throughput], ignore_index=True)
    same = compare(both, both)
    assert len(same.cells) == 8 and same.missing == 0 and same.untimed() == same.slower(0.1) == []
    assert (same.cells["device_a"] == same.cells["device_b"]).all()
    assert len(compare(cpu, gpu).cells) == 2 and set(compare(cpu, gpu).cells["device_b"]) == {
        "gpu"
    }  # at its best width
    half = compare(cpu, both)
    assert len(half.cells) == 4 and set(half.cells["device_b"]) == {"cpu"} and half.missing == 4


def cored(run: ThroughputRun, cores: int, asked: int | None = None, workers: Any = ("all",)) -> MadeUp:
    """The run as if made on so many cores, all of them busy, each as fast as before."""
    found = MadeUp(run, "cpu", 1.0, f"cores{cores}")
    manifest = {"suite": run.manifest["suite"] | {"workers": list(workers)}, "execution": {"asked": asked}}
    found.manifest = run.manifest | manifest | {"environment": run.manifest["environment"] | {"cores": cores}}
    frame = run.throughput
    found.throughput = frame.assign(workers=cores, lanes=cores * frame["width"], noisy="no")
    return found


def test_all_workers_are_compared_with_all_workers_as_whole_machines(timed: Path) -> None:
    run = kinds.load(timed)
    found = compare(cored(run, 2), cored(run, 16))
    assert len(found.cells) == 4 and found.missing == 0 and found.untimed() == []
    assert found.cells["ratio"].tolist() == pytest.approx([8.0] * 4)
    assert (
        "Settings with all of a machine's workers are compared by the rate of the whole machine: 2 against 16 workers."
        in found.sentences
    )
    both = cored(run, 2)
    both.throughput = pd.concat([both.throughput, run.throughput.assign(noisy="no")], ignore_index=True)
    assert len(compare(both, cored(run, 16)).cells) == 4, "one worker has no partner"
    assert len(compare(cored(run, 2), cored(run, 2, asked=2)).cells) == 4, "as many, whatever was asked"


def test_runs_without_a_setting_in_common_are_told_what_differs(timed: Path) -> None:
    run = kinds.load(timed)
    with pytest.raises(DataError) as error:
        compare(cored(run, 2, asked=2), cored(run, 16, asked=16))
    assert str(error.value.problems) == "['cores16: workers: got 16; expected some of 2 as in cores2']"
    assert "bench plan" not in str(error.value)
    narrow, wide = (MadeUp(run, "cpu", 1.0, name) for name in ("narrow", "wide"))
    narrow.throughput, wide.throughput = (run.throughput[run.throughput["width"] == n] for n in (1, 2))
    wide.throughput = wide.throughput.assign(batch_size=99)
    with pytest.raises(DataError) as error:
        compare(narrow, wide)
    assert error.value.problems == [
        "wide: batch_size: got 99; expected some of 16 as in narrow",
        "wide: width: got 2; expected some of 1 as in narrow",
    ]


def test_the_ratio_of_all_is_of_those_that_were_judged(timed: Path) -> None:
    run, unsure = kinds.load(timed), MadeUp(kinds.load(timed), "cpu", 1.0)
    slow = MadeUp(kinds.load(timed), "cpu", 20.0).throughput.assign(noisy="unstable")
    run.throughput["noisy"] = "no"
    unsure.throughput = pd.concat([run.throughput.iloc[:2], slow.iloc[2:]], ignore_index=True)
    found = compare(run, unsure)
    assert found.speed.cells == 2 and found.speed.middle == pytest.approx(1)
    assert found.slower(0.1) == found.untimed() == [] and " are not told apart" in found.sentences[1]
    unsure.throughput = slow
    found = compare(run, unsure)
    assert found.slower(0.1) == [] and found.untimed() == [
        "any of 4 timings, as all were unstable or had few samples in one of the runs"
    ], "a gate that tested nothing does not pass"


def test_two_devices_are_compared_each_at_its_best_by_the_rate_of_the_whole_machine(timed: Path) -> None:
    cpu, gpu = (MadeUp(kinds.load(timed), device, 1.0, device) for device in ("cpu", "gpu"))
    cpu.throughput = cpu.throughput.assign(workers=4, lanes=4 * cpu.throughput["width"], noisy="no")
    rate = 100 / gpu.throughput["step_s_median"]
    gpu.throughput = gpu.throughput.assign(width=100, lanes=100, noisy="no", lane_steps_per_s=rate)
    found = compare(cpu, gpu)
    expected = stats.against(pd.concat([cpu.throughput, gpu.throughput])).set_index("activation")["ratio"]
    assert found.cells.set_index("activation")["ratio"].to_dict() == pytest.approx(expected.to_dict())
    assert found.cells[["workers_a", "workers_b", "width_b"]].to_numpy().tolist() == [[4, 1, 100]] * 2
    assert any("by the rate of the whole machine" in sentence for sentence in found.sentences)
    assert found.untimed() == [] and found.missing == 0 and "4 against 1 busy" in lines(found)[0]
    files = render(found, [cpu, gpu])
    text = html.unescape(files["index.html"].decode())
    assert {"figures/compare-speed.svg", "figures/compare-speed.pdf"} <= files.keys()
    assert (
        f"{found.names[1]} is " in text and "A's workers 4, B's workers 1." in text and "Above 1: B is faster" in text
    )


def test_a_single_timing_that_cannot_be_trusted_is_said_not_to_be_judged(timed: Path) -> None:
    run = kinds.load(timed)
    run.throughput = run.throughput.iloc[:1].assign(noisy="no")
    unsure = MadeUp(run, "cpu", 10.0)
    assert compare(run, unsure).untimed() == [] and len(compare(run, unsure).slower(0.1)) == 1
    unsure.throughput["noisy"] = "few"
    found = compare(run, unsure)
    assert found.slower(0.1) == [] and len(found.untimed()) == 1


def test_runs_without_scores_cannot_fail_for_being_worse(timed: Path, tmp_path: Path) -> None:
    refused = bench("compare", timed, timed, "--fail-if-worse", "--out", tmp_path / "page")
    assert refused.exit_code == InputError.exit_code and "--fail-if-worse: got throughput runs" in refused.stderr
    assert not (tmp_path / "page").exists()


def test_comparing_at_the_command_line(timed: Path, smoke_run: Path, tmp_path: Path) -> None:
    done = bench("compare", timed, timed, "--fail-if-slower", "10%", "--out", tmp_path / "page")
    untested = "No verdict, as " in done.stdout
    assert "none can be told apart" in done.stdout or untested
    assert done.exit_code == (7 if untested else 0) and ("no speed to compare of any" in done.stderr) == untested
    assert (tmp_path / "page" / "index.html").exists()
    assert len(json.loads(bench("compare", timed, timed, "--json").stdout)["cells"]) == 4
    mixed = bench("compare", timed, smoke_run)
    assert mixed.exit_code == DataError.exit_code and "expected a throughput run" in mixed.stderr


def burn() -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        pass


@contextmanager
def burners(number: int) -> Iterator[None]:
    """So many busy processes beside; they end with it."""
    started = [multiprocessing.get_context("spawn").Process(target=burn, daemon=True) for _ in range(number)]
    for process in started:
        process.start()
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.join()


@pytest.mark.slow
def test_busy_processes_beside_a_run_are_noticed(tmp_path: Path) -> None:
    suite = ThroughputSuite(**(TINY | {"workers": ["all"], "widths": [2], "seconds": 1.0, "tasks": ["digits_mlp"]}))
    quiet = launch.run(suite, tmp_path / "quiet", "cpu").throughput
    with burners(2 * len(cores())):
        busy = launch.run(suite, tmp_path / "busy", "cpu").throughput
    slower = busy["lane_steps_per_s"].sum() < 0.8 * quiet["lane_steps_per_s"].sum()
    assert slower or busy["noisy"].isin(["noisy", "unstable"]).any()


def test_the_number_of_workers_is_not_changed_on_the_way(timed: Path) -> None:
    refused = bench("run", "--resume", timed, "--workers", "7")
    assert refused.exit_code == InputError.exit_code
    assert f"--workers 7: got another number than {timed} began with; expected none beside --resume" in refused.stderr
