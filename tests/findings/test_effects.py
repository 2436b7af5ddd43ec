"""Activations, optimizers and cells as a whole, beside the best and beside a reference."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from synthetic import REGRESSION, SyntheticRun, make_run, task_entry

from bench import stats
from bench.findings import effects
from bench.findings.verdicts import against_row
from bench.planning.reference import Reference
from bench.stats import Metric

RELU = Reference("activation", "relu")
TASKS = {"t": task_entry()}


def scored(
    gains: dict[str, float], optimizers: tuple[str, ...] = ("sgd", "adam"), noise: float = 0.003
) -> SyntheticRun:
    """A run of task t whose activations score 90 % and so much more, with noise on each of ten seeds."""
    run, rng = make_run(list(gains), list(optimizers), TASKS, evaluate=10), np.random.default_rng(0)
    done = run.lanes["phase"] == "evaluate"
    run.lanes.loc[done, "status"] = "ok"
    gained = run.lanes.loc[done, "activation"].map(gains)
    run.lanes.loc[done, "test_metric"] = 0.9 + gained + noise * rng.normal(size=done.sum())
    run.convergence = stats.convergence(run.lanes, run.throughput, TASKS)
    return run


def test_nothing_evaluated_gives_empty_frames() -> None:
    none = make_run(["relu", "tanh"], ["sgd", "adam"], TASKS, keep_evaluated=0)
    assert effects.main_effect(none.lanes, TASKS, "t", "optimizer").empty
    found = effects.against(none.lanes, TASKS, "t", RELU)
    assert found.empty and effects.against_sentence(found, RELU, Metric.of(TASKS["t"])) == ""
    assert effects.against_over_tasks(none.lanes, none.convergence, TASKS, RELU).empty


def test_many_cells_on_the_same_seeds_see_what_no_single_one_does() -> None:
    run = make_run(["relu", "tanh", "elu", "prelu"], ["sgd", "adam"], evaluate=5)
    tasks, rng = run.manifest["tasks"], np.random.default_rng(0)
    done = run.lanes["phase"] == "evaluate"
    better = 0.008 * (run.lanes["optimizer"] == "adam")
    run.lanes.loc[done, "status"] = "ok"
    run.lanes.loc[done, "test_metric"] = 0.9 + better[done] + 0.003 * rng.normal(size=done.sum())
    effect = effects.main_effect(run.lanes, tasks, "digits_mlp", "optimizer")
    assert list(effect["optimizer"]) == ["adam", "sgd"]
    assert list(effect["tied"]) == [True, False]
    assert list(effect["cells"]) == [4, 4]
    sentence = effects.main_effect_sentence(effect, Metric.of(tasks["digits_mlp"]))
    assert sentence.startswith("Over all 4 activations, adam has the best mean of any optimizer, 90.8 % test")
    assert sentence.endswith("; each of the others can be told from it.")


def test_the_values_of_a_factor_are_compared_over_the_optimizers_that_they_were_swept_over() -> None:
    labels = [f"{name}{schedule}" for name in ("sgd", "adamw") for schedule in ("", "(schedule=cosine(final=0.1))")]
    run = make_run(["relu", "tanh"], labels, evaluate=5)
    tasks, rng = run.manifest["tasks"], np.random.default_rng(0)
    done = run.lanes["phase"] == "evaluate"
    better = 0.02 * run.lanes["optimizer"].str.contains("cosine") + 0.1 * run.lanes["optimizer"].str.startswith("sgd")
    run.lanes.loc[done, "status"] = "ok"
    run.lanes.loc[done, "test_metric"] = 0.8 + better[done] + 0.003 * rng.normal(size=done.sum())
    effect = effects.main_effect(run.lanes, tasks, "digits_mlp", "schedule")
    assert list(effect["schedule"]) == ["cosine(final=0.1)", "constant"]
    assert list(effect["cells"]) == [4, 4] and list(effect["tied"]) == [True, False]
    assert effects.main_effect_sentence(effect, Metric.of(tasks["digits_mlp"])).startswith(
        "Over all 4 cells of each, cosine(final=0.1) has the best mean of any schedule, 87.0 % test accuracy; "
    )
    decayed = effects.main_effect(run.lanes, tasks, "digits_mlp", "weight_decay")
    assert list(decayed["weight_decay"]) == ["0"]


def test_levels_that_lack_different_cells_are_not_compared() -> None:
    run = scored({"relu": 0.0, "tanh": 0.0, "elu": 0.0}, ("sgd", "adam", "adagrad"))
    lacks = (("relu", "sgd"), ("tanh", "adam"))
    gone = run.lanes[["activation", "optimizer"]].apply(tuple, axis=1).isin(lacks)
    for by, left, cells in (("activation", ["elu"], 3), ("optimizer", ["adagrad"], 3)):
        effect = effects.main_effect(run.lanes[~gone], TASKS, "t", by)
        assert list(effect[by]) == left and list(effect["cells"]) == [cells]
    # With two cells each, of relu and tanh those of adagrad alone are the same.
    without = run.lanes[~gone & (run.lanes["activation"] != "elu")]
    assert list(effects.main_effect(without, TASKS, "t", "activation")["activation"]) == ["relu"]


def test_values_of_a_factor_that_lack_different_cells_are_not_compared() -> None:
    labels = ("sgd", "adam", "sgd(weight_decay=0.1)", "adam(weight_decay=0.1)")
    run = scored({"relu": 0.0, "tanh": 0.0}, labels)
    for lacks, left in (((), ["0", "0.1"]), ((("relu", "sgd"), ("tanh", "adam(weight_decay=0.1)")), ["0"])):
        kept = ~run.lanes[["activation", "optimizer"]].apply(tuple, axis=1).isin(lacks)
        effect = effects.main_effect(run.lanes[kept], TASKS, "t", "weight_decay")
        assert sorted(effect["weight_decay"]) == left


def test_levels_of_the_same_mean_share_it() -> None:
    effect = pd.DataFrame({"activation": ["relu", "tanh", "elu"], "cells": 3, "mean": [0.9, 0.9, 0.8], "tied": True})
    metric = Metric.of(task_entry())
    assert effects.main_effect_sentence(effect, metric) == (
        "Over all 3 optimizers, relu and tanh share the best mean of any activation, 90.0 % test accuracy; "
        "cannot be told from them: elu."
    )
    assert effects.main_effect_sentence(effect.assign(mean=0.9), metric) == (
        "Over all 3 optimizers, each activation has the same mean, 90.0 % test accuracy."
    )


def test_each_activation_is_held_against_the_reference_over_all_optimizers() -> None:
    run = scored({"relu": 0.0, "tanh": 0.01, "elu": -0.02, "prelu": 0.0})
    found = effects.against(run.lanes, TASKS, "t", RELU)
    assert list(found["entrant"]) == ["tanh", "prelu", "elu"]
    assert list(found["told"]) == ["better", "level", "worse"]
    assert (found["cells"] == 2).all() and (found["lost"] == 0).all()
    assert effects.against_sentence(found, RELU, Metric.of(TASKS["t"])) == (
        "Against relu, each over 2 optimizers: tanh (1.1 points) is better; elu (1.8 points) is worse; "
        "prelu cannot be told from it."
    )


def test_differences_and_their_intervals_are_those_of_a_paired_t_test() -> None:
    run = scored({"relu": 0.0, "tanh": 0.01})
    row = effects.against(run.lanes, TASKS, "t", RELU).iloc[0]
    means = stats.score_table(run.lanes, TASKS, "t").groupby("activation").mean()
    paired = (means.loc["tanh"] - means.loc["relu"]).to_numpy()
    interval = scipy.stats.ttest_1samp(paired, 0).confidence_interval()
    assert row["difference"] == pytest.approx(paired.mean())
    assert (row["low"], row["high"]) == pytest.approx(tuple(interval), rel=1e-3)  # a score's rounding adds to it
    assert row["p_value"] == pytest.approx(scipy.stats.ttest_1samp(paired, 0).pvalue, rel=1e-2)


def test_optimizers_and_single_cells_are_references_too() -> None:
    run = scored({"relu": 0.0, "tanh": 0.02}, ("sgd", "adam", "rmsprop"))
    adam = effects.against(run.lanes, TASKS, "t", Reference("optimizer", "adam"))
    assert sorted(adam["entrant"]) == ["rmsprop", "sgd"] and set(adam["told"]) == {"level"}
    reference = Reference("cell", "relu + sgd")
    cells = effects.against(run.lanes, TASKS, "t", reference)
    assert len(cells) == 5 and (cells["cells"] == 1).all()
    assert set(cells.loc[cells["told"] == "better", "entrant"]) == {"tanh + sgd", "tanh + adam", "tanh + rmsprop"}
    told = effects.against_sentence(cells, reference, Metric.of(TASKS["t"]))
    assert told.startswith("Against relu + sgd: tanh + ") and "each over" not in told
    none = effects.against_sentence(adam, Reference("optimizer", "adam"), Metric.of(TASKS["t"]))
    assert none == "Against adam, each over 2 activations: none of the 2 others can be told from it."


def test_less_is_better_of_an_error() -> None:
    tasks = {"t": REGRESSION}
    run = scored({"relu": 0.0, "tanh": 0.02})
    found = effects.against(run.lanes, tasks, "t", RELU)
    assert list(found["told"]) == ["worse"] and found["difference"].iloc[0] > 0


def test_who_lost_more_seeds_than_the_reference_is_not_level_with_it() -> None:
    run = scored({"relu": 0.0, "tanh": 0.0, "elu": 0.0})
    lost = (run.lanes["phase"] == "evaluate") & (run.lanes["activation"] == "elu") & (run.lanes["optimizer"] == "sgd")
    run.lanes.loc[run.lanes[lost].index[:2], "status"] = "diverged"
    found = effects.against(run.lanes, TASKS, "t", RELU).set_index("entrant")
    assert dict(found["told"]) == {"tanh": "level", "elu": "lost"} and found.loc["elu", "lost"] == 2
    sentence = effects.against_sentence(found.reset_index(), RELU, Metric.of(TASKS["t"]))
    assert sentence.endswith(": tanh cannot be told from it; elu lost more seeds.")
    elu = effects.against(run.lanes, TASKS, "t", Reference("activation", "elu"))
    assert set(elu["told"]) == {"kept"}, "whoever lost fewer is not level"
    told = effects.against_sentence(elu, Reference("activation", "elu"), Metric.of(TASKS["t"]))
    assert told == "Against elu, each over 2 optimizers: tanh and relu lost fewer seeds."


def test_who_lacks_cells_is_named_and_not_compared() -> None:
    run = scored({"relu": 0.0, "tanh": 0.01, "elu": 0.0})
    gone = (run.lanes["activation"] == "elu") & (run.lanes["optimizer"] == "adam") & (run.lanes["phase"] == "evaluate")
    run.lanes.loc[run.lanes[gone].index[0], "status"] = "interrupted"
    found = effects.against(run.lanes, TASKS, "t", RELU)
    assert list(zip(found["entrant"], found["told"], strict=True)) == [("tanh", "better"), ("elu", "lacking")]
    sentence = effects.against_sentence(found, RELU, Metric.of(TASKS["t"]))
    assert sentence.endswith(" is better; elu lacks cells or seeds.")
    assert effects.against_over_tasks(run.lanes, run.convergence, TASKS, RELU)["lacking"].tolist() == [0, 1]


def test_each_is_held_against_the_reference_over_the_same_cells() -> None:
    """relu over sgd and momentum was held against tanh over momentum and adam."""
    run = scored({"relu": 0.0, "tanh": 0.0, "elu": 0.0}, ("sgd", "momentum", "adam"))
    done, lanes = run.lanes["phase"] == "evaluate", run.lanes
    lanes.loc[done & (lanes["optimizer"] == "sgd"), "test_metric"] -= 0.3
    for activation, optimizer in (("relu", "adam"), ("tanh", "sgd")):
        mine = done & (lanes["activation"] == activation) & (lanes["optimizer"] == optimizer)
        lanes.loc[lanes[mine].index[0], "status"] = "interrupted"
    found = effects.against(lanes, TASKS, "t", RELU)
    assert list(zip(found["entrant"], found["told"], found["cells"], strict=True)) == [
        ("elu", "level", 2), ("tanh", "lacking", 2),
    ]  # fmt: skip


def test_a_reference_that_lacks_everything_is_told_as_such() -> None:
    run = scored({"relu": 0.0, "tanh": 0.0})
    mine = run.lanes[(run.lanes["phase"] == "evaluate") & (run.lanes["activation"] == "relu")]
    run.lanes.loc[mine.groupby("optimizer").head(1).index, "status"] = "interrupted"
    found = effects.against(run.lanes, TASKS, "t", RELU)
    assert list(found["told"]) == ["lacking"]
    assert effects.against_sentence(found, RELU, Metric.of(TASKS["t"])) == (
        "Against relu: nothing has all the cells and seeds that it takes to compare."
    )


def test_infinite_scores_have_no_amount() -> None:
    tasks = {"t": REGRESSION}
    run = scored({"relu": 0.0, "tanh": 0.0, "elu": 0.0})
    gone = (run.lanes["phase"] == "evaluate") & (run.lanes["activation"] == "elu")
    run.lanes.loc[gone, "status"] = "diverged"
    found = effects.against(run.lanes, tasks, "t", RELU).set_index("entrant")
    assert np.isinf(found.loc["elu", "mean"]) and np.isinf(found.loc["elu", "difference"])
    assert np.isnan(found.loc["elu", "low"]) and found.loc["elu", "told"] in ("worse", "lost")
    assert "elu (" not in effects.against_sentence(found.reset_index(), RELU, Metric.of(REGRESSION))
    run.lanes.loc[run.lanes["phase"] == "evaluate", "status"] = "diverged"
    assert effects.against(run.lanes, tasks, "t", RELU).empty, "where nothing survived there is nothing to say"


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_those_far_ahead_of_a_weak_reference_lend_no_noise(seeds: int) -> None:
    """Fifteen far ahead are three times as quiet; four equals of the reference were told from it in up to 13 of 100."""
    rng, runs, wrong = np.random.default_rng(seeds), 150, 0
    names = [f"a{i}" for i in range(20)]
    run = make_run(names, ["sgd"], TASKS, evaluate=seeds)
    done = run.lanes["phase"] == "evaluate"
    run.lanes.loc[done, "status"] = "ok"
    ahead = run.lanes.loc[done, "activation"].isin(names[5:]).to_numpy()
    for _ in range(runs):
        noise = rng.normal(size=done.sum()) * np.where(ahead, 0.003, 0.01)
        run.lanes.loc[done, "test_metric"] = 0.5 + 0.3 * ahead + noise
        found = effects.against(run.lanes, TASKS, "t", Reference("activation", "a0")).set_index("entrant")
        wrong += (found.loc[names[1:5], "told"] != "level").any()
        assert (found.loc[names[5:], "told"] == "better").sum() > 10 or seeds == 2
    assert wrong / runs < 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)


def test_a_task_without_the_reference_says_nothing() -> None:
    run = scored({"tanh": 0.0, "elu": 0.0})
    assert effects.against(run.lanes, TASKS, "t", RELU).empty
    assert effects.against(scored({"relu": 0.0}).lanes, TASKS, "t", RELU).empty


def test_equal_cells_are_seldom_told_from_a_reference_that_was_named() -> None:
    """A reference that is not picked for its scores: a wrong claim of any of 19 cells in 5 runs of 100 at most."""
    rng, runs = np.random.default_rng(0), 400
    wrong = sum((against_row(rng.normal(size=(20, 5)), 0) < stats.LEVEL).any() for _ in range(runs))
    assert wrong / runs < 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)
    seen = sum(
        against_row(rng.normal(size=(20, 5)) + 4 * np.eye(20)[7][:, None], 0)[7] < stats.LEVEL for _ in range(100)
    )
    assert seen > 90, "and one that is far better is seen"


def test_tasks_won_and_lost_are_counted() -> None:
    tasks = {name: task_entry(data_sha256=name) for name in "abcdefgh"}
    run, rng = make_run(["relu", "tanh", "elu"], ["sgd", "adam"], tasks, evaluate=6), np.random.default_rng(0)
    done = run.lanes["phase"] == "evaluate"
    run.lanes.loc[done, "status"] = "ok"
    gain = run.lanes["activation"].map({"relu": 0.0, "tanh": 0.05, "elu": 0.0}).where(run.lanes["task"] != "h", -0.05)
    gain = gain.where(run.lanes["activation"] == "tanh", 0.0)
    run.lanes.loc[done, "test_metric"] = 0.8 + gain[done] + 0.002 * rng.normal(size=done.sum())
    run.convergence = stats.convergence(run.lanes, run.throughput, tasks)
    counts = effects.against_over_tasks(run.lanes, run.convergence, tasks, RELU)
    assert list(counts["entrant"]) == ["tanh", "elu"]
    assert counts.iloc[0][["tasks", "better", "level", "lost", "worse"]].tolist() == [8, 7, 0, 0, 1]
    assert counts.iloc[1]["level"] > 5
    ranks = np.array([[1.0, 2.0]] * 7 + [[3.0, 1.5]])
    alone = scipy.stats.wilcoxon(ranks[:, 0] - ranks[:, 1], method="exact").pvalue
    assert counts["p_value"][0] <= min(1, 2 * alone) + 1e-9
    elu = f"elu on {counts['better'][1] or 'none'} and {counts['worse'][1] or 'none'}"
    told = effects.over_tasks_sentence(counts, RELU)
    assert told == f"Against relu, of 8 tasks: tanh is better on 7 and worse on 1; {elu}."
    told = effects.over_tasks_sentence(counts.iloc[:1].assign(better=0, worse=8), RELU)
    assert told == "Against relu, of 8 tasks: tanh is better on none and worse on 8."
    many = pd.concat([counts] * 4, ignore_index=True)
    assert effects.over_tasks_sentence(many, RELU).endswith(" (3 more below).")


def test_tasks_without_activations_count_where_an_optimizer_is_the_reference() -> None:
    frame = make_run(["none"], ["sgd", "adam"], TASKS, evaluate=5)
    found = effects.against(frame.lanes, TASKS, "t", Reference("optimizer", "adam"))
    assert list(found["entrant"]) == ["sgd"]
    counts = effects.against_over_tasks(frame.lanes, frame.convergence, TASKS, Reference("optimizer", "adam"))
    assert counts["tasks"].tolist() == [1]


def test_the_spread_is_told_of_every_task_and_phase() -> None:
    tasks = {"a": task_entry(), "e": REGRESSION}
    run = make_run(["relu", "tanh"], ["sgd", "momentum", "adam"], tasks, evaluate=6)
    shares = effects.spread(run.lanes, tasks)
    assert set(shares["task"]) == set(tasks) and set(shares["phase"]) == {"evaluate", "tune"}
    assert len(effects.spread_sentences(shares, tasks, "a")) == 2


def test_what_lost_networks_has_no_finite_mean_where_the_metric_has_no_worst_value() -> None:
    tasks = {"e": REGRESSION}
    run = make_run(["relu", "tanh", "elu"], ["sgd", "adam"], tasks, evaluate=6)
    evaluated = run.lanes["phase"] == "evaluate"
    run.lanes.loc[evaluated, "status"] = "ok"
    run.lanes.loc[evaluated & (run.lanes["activation"] == "tanh"), "status"] = "diverged"
    metric = Metric.of(REGRESSION)
    found = effects.main_effect(run.lanes, tasks, "e", "activation")
    assert list(found["activation"])[-1] == "tanh" and np.isinf(found["mean"].iloc[-1])
    assert not found["tied"].iloc[-1] and np.isfinite(found["p_value"].iloc[:-1]).all()
    told = effects.main_effect_sentence(found, metric)
    assert told.endswith("; the mean of tanh is not finite.") and "∞" not in told
    every = effects.main_effect(run.lanes, tasks, "e", "optimizer")
    assert effects.main_effect_sentence(every, metric) == (
        "Over all 3 activations, no optimizer has a finite mean test RMSE."
    )
    alone = effects.main_effect(run.lanes[run.lanes["activation"] != "elu"], tasks, "e", "activation")
    assert effects.main_effect_sentence(alone, metric).startswith(
        "Over all 2 optimizers, relu has the best mean of any"
    )
    shares = effects.spread(run.lanes, tasks)
    assert shares.loc[shares["phase"] == "evaluate", "stood_in"].unique().tolist() == [12]
    assert (
        "Here 12 infinite scores stand at the worst finite one, and the shares hang on that."
        in (effects.spread_sentences(shares, tasks, "e")[0])
    )
    run.lanes.loc[evaluated, "status"] = "diverged"
    assert set(effects.spread(run.lanes, tasks)["phase"]) == {"tune"}, "where all are infinite there are no shares"
