"""The audit: each finding where there is cause for it, and silence where there is none."""

import numpy as np
import pytest
from synthetic import SyntheticRun, make_run, task_entry

from bench import stats
from bench.findings.audit import LEVELS, audit, audit_together
from bench.findings.verdicts import verdict


def texts(run: SyntheticRun) -> str:
    """All findings in one text; the tables are made anew from what the test changed."""
    run.convergence = stats.convergence(run.lanes, run.throughput, run.manifest["tasks"])
    return "\n".join(f"{finding.level}: {finding.text}" for finding in audit(run))


def sound(evaluate: int = 12) -> SyntheticRun:
    """A run in which there is nothing to find: a good rate in the middle of the grid, twelve seeds."""
    run = make_run(["relu", "tanh"], ["momentum", "adam"], rates=3, evaluate=evaluate)
    run.lanes.loc[run.lanes["phase"] == "evaluate", "learning_rate"] = 0.01
    trained = run.lanes["phase"] == "evaluate"
    run.lanes.loc[trained, ["status", "test_metric"]] = ["ok", 0.97]
    run.lanes["status"] = "ok"
    run.lanes.loc[run.lanes["learning_rate"] == 1.0, "validation_metric"] = 0.999  # better than any default
    return run


def test_a_sound_run_is_met_with_silence() -> None:
    assert texts(sound()) == ""


def test_a_target_met_before_the_first_step_is_a_fault() -> None:
    run = sound()
    run.curves.loc[run.curves["step"] == 0, "validation_metric"] = 0.96
    assert "fault: 72 networks met the target before the first step" in texts(run)


def test_a_target_is_met_before_the_first_step_by_the_float32_next_to_it() -> None:
    run = make_run(["relu"], ["adam"], {"t": task_entry(target=0.9)})
    run.curves.loc[run.curves["step"] == 0, "validation_metric"] = float(np.float32(0.9))  # 0.89999998
    assert f"fault: {len(run.lanes)} networks met the target before the first step" in texts(run)


def test_a_target_nobody_reaches_is_noted() -> None:
    run = sound()
    run.lanes["steps_to_target"] = np.inf
    assert "note: No cell reached the target of 95 %" in texts(run)
    run.manifest["tasks"]["digits_mlp"]["base"] = "mine"
    mine = {"name": "mine", "file": "/somewhere/mine.npz"}
    run.manifest["suite"]["tasks"] = [mine | {"target": 0.95}]
    assert "No cell reached" in texts(run)
    run.manifest["suite"]["tasks"] = [mine]
    assert "No cell reached" not in texts(run)


def test_worse_than_a_constant_predictor_is_a_warning() -> None:
    run = sound()
    run.lanes.loc[run.lanes["optimizer"] == "adam", "test_metric"] = 0.05
    assert "warning: 2 of 4 cells are worse than always predicting one constant (10.1 %)" in texts(run)


def test_worse_than_what_the_task_names_is_said_by_that_name() -> None:
    run = make_run(["relu"], ["sgd"], {"photos": task_entry(baseline=2.0, baseline_is="bicubic interpolation")})
    assert "1 of 1 cells is worse than bicubic interpolation (200 %)" in texts(run)


def test_a_seed_that_collapsed_is_a_warning() -> None:
    run = sound()
    seeds = run.lanes.index[(run.lanes["phase"] == "evaluate") & (run.lanes["optimizer"] == "adam")]
    run.lanes.loc[seeds[0], "test_metric"] = 0.33  # gains more than a quarter of what 97 % gains over 10.1 %
    assert "collapsed" not in texts(run)
    run.lanes.loc[seeds[0], "test_metric"] = 0.21
    assert "warning: 1 of 4 cells has a seed that collapsed: the mean says little there" in texts(run)


@pytest.mark.parametrize("rate, level", [(0.0001, "warning"), (1.0, "warning")])
def test_a_leader_at_the_edge_of_its_grid_is_a_warning(rate: float, level: str) -> None:
    run = sound()
    leads = (
        (run.lanes["activation"] == "tanh") & (run.lanes["optimizer"] == "adam") & (run.lanes["phase"] == "evaluate")
    )
    run.lanes.loc[leads, ["learning_rate", "test_metric"]] = [rate, 0.99]
    assert f"{level}: 1 of 4 cells has its best learning rate at the edge of the grid, the leader among them" in texts(
        run
    )


def test_learning_rates_that_validation_could_not_tell_apart_are_a_warning_where_they_are_many() -> None:
    run = sound()
    some = (run.lanes["phase"] == "tune") & (run.lanes["optimizer"] == "adam") & (run.lanes["learning_rate"] > 0.001)
    run.lanes.loc[some, "validation_metric"] = 0.972
    assert "warning: 2 of 4 cells have several learning rates with the same best score in tuning" in texts(run)


def test_one_cell_of_many_that_validation_could_not_tell_apart_is_a_note() -> None:
    run = sound()
    one = (run.lanes["optimizer"] == "adam") & (run.lanes["activation"] == "tanh") & (run.lanes["phase"] == "tune")
    run.lanes.loc[one, "validation_metric"] = 0.972
    assert (
        "note: 1 of 4 cells has several learning rates with the same best score in tuning; the loss chose between "
        "them, which may be a poor guide: tanh + adam."
    ) in texts(run)


def test_divergence_is_told_apart_by_phase() -> None:
    run = sound()
    run.lanes.loc[[0, 1, 2], "status"] = "diverged"
    run.lanes.loc[run.lanes.index[run.lanes["phase"] == "evaluate"][:1], "status"] = "diverged"
    found = texts(run)
    assert "note: 3 of 24 networks diverged while tuning" in found
    assert "warning: 1 network diverged in evaluation, which counts as the worst: relu + momentum." in found


def test_cells_of_unlike_size_are_noted_by_their_activations() -> None:
    run = make_run(["relu", "tanh", "maxout"], ["sgd", "adam"], rates=3)
    run.lanes.loc[run.lanes["activation"] == "tanh", "parameters"] = 28_000
    assert "parameters" not in texts(run)
    run.lanes.loc[run.lanes["activation"] == "maxout", "parameters"] = 51_000
    assert (
        "note: 2 of 6 cells have unlike numbers of parameters, over 10 % from the median of 28,000: maxout 51,000."
    ) in texts(run)


@pytest.mark.parametrize("status, parameters", [("interrupted", 0), ("failed", 26_122)])
def test_the_size_of_a_cell_is_that_of_what_was_trained(status: str, parameters: int) -> None:
    run = make_run(["relu", "maxout"], ["sgd", "adam"], rates=3)
    run.lanes["parameters"] = 51_000
    run.lanes.loc[0, ["status", "parameters"]] = [status, parameters]
    assert "unlike numbers of parameters" not in texts(run)
    run.lanes["status"] = status
    assert "unlike numbers of parameters" not in texts(run)


def test_chunks_halved_for_want_of_memory_are_noted() -> None:
    run = sound()
    run.halved = {"digits_mlp": 3}
    assert "note: Memory ran out, so that 3 shards were trained in chunks of half the width or less" in texts(run)


def test_a_run_gone_on_with_elsewhere_or_with_other_code_is_a_warning() -> None:
    run = sound()
    run.manifest["execution"]["sessions"] = [
        {"processor": "AMD EPYC", "commit": "a" * 40},
        {},  # of an older version
        {"processor": "Intel Xeon", "commit": "a" * 40 + "+changes"},
    ]
    found = texts(run)
    assert "warning: The run was made on several processors, as it was gone on with: AMD EPYC and Intel Xeon;" in found
    assert "several versions of the code, as it was gone on with: aaaaaaaaaaaa and aaaaaaaaaaaa+changes;" in found
    run.manifest["execution"]["sessions"] = [{"processor": "AMD EPYC", "commit": "a" * 40}] * 2
    assert "several" not in texts(run)


def test_failed_networks_are_a_fault() -> None:
    run = sound()
    run.lanes.loc[0, "status"] = "failed"
    told = "fault: 1 network failed for reasons outside the training (ValueError: no (own.py, line 3)): "
    assert f"{told}of relu + momentum they count as the worst." in texts(run)


def test_a_cell_that_cannot_be_trained_has_no_score() -> None:
    """What its optimizer raised is no race that it lost: not its mean, nor its rank, nor what the spread is due to."""
    run = sound()
    raises = (run.lanes["optimizer"] == "adam") & (run.lanes["activation"] == "tanh")
    run.lanes.loc[raises, ["status", "test_metric", "validation_metric"]] = ["failed", np.nan, np.nan]
    found = texts(run)
    assert "18 networks failed" in found and "tanh + adam has no score." in found
    assert "worse than" not in found and "edge" not in found and "conventional" not in found
    row = run.convergence.set_index(["activation", "optimizer"]).loc[("tanh", "adam")]
    assert row["seeds"] == 0 and np.isnan(row["test_metric"]) and np.isnan(row["rank"])
    told = verdict(run.lanes, run.convergence, run.manifest["tasks"], "digits_mlp")
    assert (told.cells, told.planned) == (3, 4) and not told.lost
    assert len(stats.score_table(run.lanes, run.manifest["tasks"], "digits_mlp")) == 3


@pytest.mark.parametrize(
    "seeds, words", [(1, "One evaluation seed a cell"), (5, "5 evaluation seeds a cell"), (10, "")]
)
def test_few_seeds_are_said(seeds: int, words: str) -> None:
    found = texts(sound(seeds))
    assert words in found
    assert bool(words) == ("evaluation seed" in found)


def test_rounds_of_seeds_are_said() -> None:
    run = sound(10)
    run.manifest["rounds"] = [3, 6, 10]
    (found,) = audit(run)
    rounds, doubt = found.text.split(": ")
    assert (found.level, rounds) == ("note", "Evaluated in rounds, 3 seeds a cell, then 6 and then 10")
    assert doubt == "each look at the scores in between gave chance another try."


def test_an_interrupted_run_says_what_is_missing() -> None:
    run = make_run(["relu"], ["sgd", "adam"], keep_evaluated=0.7, status="interrupted")
    found = texts(run)
    assert "fault: This run is interrupted; 3 of its 30 networks were not trained." in found
    assert "warning: 1 of 2 cells is evaluated on fewer seeds than the rest or not at all: relu + adam" in found


def test_lanes_that_vanished_are_a_fault_though_the_run_calls_itself_complete() -> None:
    run = sound()
    run.lanes = run.lanes.iloc[1:]
    assert "fault: This run is incomplete; 1 of its 72 networks were not trained." in texts(run)


def test_doubtful_timings_are_counted() -> None:
    run = sound()
    run.throughput["noisy"] = ["no", "noisy", "unstable", "few"]
    assert "1 of 4 timings is unstable, 1 is noisy and 1 rests on few samples: compare" in texts(run)
    run.throughput["noisy"] = ["no", "few", "few", "few"]
    assert "note: 3 of 4 timings rest on few samples: compare" in texts(run)
    run.throughput["noisy"] = "few"
    assert "note: All 4 timings rest on few samples: compare" in texts(run)


def test_the_gravest_stand_first_and_tasks_are_named_where_there_are_several() -> None:
    run = make_run(
        ["relu"], ["sgd", "adam"], {"a": task_entry(), "b": task_entry(baseline=0.999)}, status="interrupted"
    )
    levels = [finding.level for finding in audit(run)]
    assert levels == sorted(levels, key=LEVELS.index)
    assert "warning: b: 2 of 2 cells" in texts(run)


def test_findings_of_one_kind_on_several_tasks_are_folded() -> None:
    run = make_run(["relu"], ["sgd", "adam"], {name: task_entry(baseline=0.999) for name in "abc"})
    found = [finding for finding in audit(run) if "worse than" in finding.text]
    (text,) = (finding.text for finding in found)
    assert text == "Cells are worse than the task's baseline on 3 of 3 tasks: a, b and c."
    assert [text[:18] for text in found[0].details] == [
        "a: 2 of 2 cells ar",
        "b: 2 of 2 cells ar",
        "c: 2 of 2 cells ar",
    ]
    levels = [finding.level for finding in audit(run)]
    assert levels == sorted(levels, key=LEVELS.index)


def test_a_method_that_loses_to_a_case_of_itself_is_under_tuned() -> None:
    run = sound()
    loses = (run.lanes["optimizer"] == "adam") & (run.lanes["activation"] == "relu")
    noise = np.random.default_rng(0).normal(0, 0.002, len(run.lanes))
    run.lanes["test_metric"] += noise
    run.lanes.loc[loses, "test_metric"] -= 0.1
    assert "against the leader): relu + adam (loses to momentum)." in texts(run)


def test_cells_whose_tuning_never_beat_the_default_are_noted() -> None:
    run = sound()
    run.lanes.loc[run.lanes["learning_rate"] == 0.01, "validation_metric"] = 1.0
    found = texts(run)
    assert "note: In 2 of 4 cells no learning rate beat the optimizer's conventional one" in found
    assert "relu + momentum and tanh + momentum" in found


def test_cells_that_always_diverged_or_failed_are_not_counted_as_best_at_the_default() -> None:
    run = sound()
    run.lanes.loc[run.lanes["learning_rate"] == 0.01, "validation_metric"] = 1.0
    for activation, status in (("relu", "diverged"), ("tanh", "failed")):
        lost = (run.lanes["optimizer"] == "momentum") & (run.lanes["activation"] == activation)
        run.lanes.loc[lost & (run.lanes["phase"] == "tune"), "status"] = status
    assert not [text for text in texts(run).splitlines() if "conventional" in text and "momentum" in text]


def test_cells_whose_tuning_never_beat_the_default_are_told_task_by_task() -> None:
    run = make_run(["relu", "tanh"], ["momentum", "adam"], {"a": task_entry(), "b": task_entry()}, rates=3)
    run.lanes.loc[run.lanes["learning_rate"] == 0.01, "validation_metric"] = 1.0
    (found,) = [finding for finding in audit(run) if "conventional" in finding.text]
    assert found.text == "Cells have no learning rate better than the conventional one on 2 of 2 tasks: a and b."
    told = "In 2 of 4 cells no learning rate beat the optimizer's conventional one"
    assert [text.partition(",")[0] for text in found.details] == [f"a: {told}", f"b: {told}"]


def test_cells_that_lack_a_task_are_said() -> None:
    run = make_run(["relu", "tanh"], ["sgd", "adam"], {"a": task_entry(), "b": task_entry()}, evaluate=3)
    gone = (run.lanes["task"] == "b") & (run.lanes["activation"] == "relu") & (run.lanes["optimizer"] == "sgd")
    run.lanes = run.lanes[~gone]
    assert "Not evaluated on every task, so that ranks across tasks are incomplete: relu + sgd." in texts(run)


def test_runs_of_several_machines_or_versions_are_said() -> None:
    one, two = make_run(["relu"], ["sgd"], name="one"), make_run(["relu"], ["sgd"], name="two")
    assert audit_together([one, two]) == []
    two.manifest["environment"] |= {"processor": "Xeon", "packages": {"jax": "0.11.0"}}
    found = audit_together([one, two])
    assert [finding.level for finding in found] == ["warning", "note"]
    assert "differ in software: one: jax 0.10.2" in found[0].text
    assert "one: AMD EPYC 7R13; two: Xeon" in found[1].text
