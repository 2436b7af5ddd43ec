"""Comparing two runs: oracles of the tests, what may be compared, and what ends with which exit code."""

import json
import re
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats
from synthetic import REGRESSION, SyntheticRun, make_run, task_entry

from bench.errors import DataError, InputError
from bench.findings.compare import COLUMNS, REPEAT, Comparison, compare, percent
from bench.findings.verdicts import holm
from bench.pages.comparison import _signed, as_json, lines, render
from bench.stats import CELL, Metric

NAMES = (["relu", "tanh"], ["sgd", "adam"])


def changed(run: SyntheticRun, **frames: Any) -> SyntheticRun:
    """The run with other lanes, throughput or manifest."""
    given = {
        name: frames.get(name, getattr(run, name)) for name in ("lanes", "curves", "throughput", "times", "manifest")
    }
    return SyntheticRun(name="other", **given)


def fine(run: SyntheticRun, seed: int = 0) -> SyntheticRun:
    """The run with evaluation scores drawn anew, all survived, none rounded."""
    lanes, rng = run.lanes.copy(), np.random.default_rng(seed)
    evaluated = lanes["phase"] == "evaluate"
    lanes.loc[evaluated, "status"] = "ok"
    lanes.loc[evaluated, "test_metric"] = 0.9 + 0.01 * rng.standard_normal(int(evaluated.sum()))
    return changed(run, lanes=lanes)


@pytest.fixture(scope="module")
def run() -> SyntheticRun:
    return make_run(*NAMES, evaluate=10)


def scores(run: SyntheticRun, activation: str, optimizer: str) -> np.ndarray:
    lanes = run.lanes[(run.lanes["phase"] == "evaluate") & (run.lanes["activation"] == activation)]
    return lanes[lanes["optimizer"] == optimizer].sort_values("seed")["test_metric"].to_numpy()


def test_a_run_does_not_differ_from_itself(run: SyntheticRun) -> None:
    found = compare(run, run)
    assert list(found.cells.columns) == COLUMNS
    assert (found.cells["verdict"] == "level").all()
    assert (found.cells["difference"] == 0).all()
    assert (found.cells["p_value"] == 1).all()
    assert (found.cells["speed_ratio"] == 1).all()
    assert found.slower(0.0) == found.worse() == found.untested() == found.untimed() == []
    assert "has the same scores, seed by seed" in found.sentences[0]


def test_other_functions_of_the_same_name_are_told(run: SyntheticRun) -> None:
    a, b = (changed(run, manifest=deepcopy(run.manifest)) for _ in range(2))
    for one, code in ((a, "aaaa"), (b, "bbbb")):
        one.manifest["activations"]["tanh"]["code"] = one.manifest["optimizers"]["sgd"]["code"] = code
        one.manifest["activations"]["relu"]["code"] = "cccc"
    b.manifest["optimizers"]["adam"]["code"] = "dddd"  # a's is not known
    told = "Not the same in both runs, whatever the name: activation tanh, optimizer sgd."
    assert compare(a, b).sentences[0] == told
    assert told in lines(compare(a, b)) and told in json.loads(as_json(compare(a, b)))["sentences"]
    assert compare(a, a).renewed == compare(run, run).renewed == ()
    b.manifest["environment"]["packages"] = {"jax": "0.0.1"}
    assert compare(a, b).renewed == (), "another version of jax may tell the same function otherwise"


@pytest.mark.parametrize("paired", [True, False])
def test_p_values_and_intervals_are_scipy_s(run: SyntheticRun, paired: bool) -> None:
    a, b = fine(run, 1), fine(run, 2)
    if not paired:
        b.lanes["seed"] += 500
    found = compare(a, b).cells
    expected, lows = [], []
    for row in found.itertuples():
        x, y = (scores(side, row.activation, row.optimizer) for side in (a, b))
        test = scipy_stats.ttest_rel(y, x) if paired else scipy_stats.ttest_ind(y, x, equal_var=False)
        expected.append(test.pvalue)
        lows.append(test.confidence_interval().low)
    assert (found["paired"] == paired).all()
    assert found["p_value"].to_numpy() == pytest.approx(holm(expected), rel=2e-3)  # rounding of scores adds a little
    assert found["difference_low"].to_numpy() == pytest.approx(lows, rel=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("apart", [0, 500], ids=["paired", "Welch"])
def test_equal_runs_of_other_seeds_differ_at_most_five_times_in_a_hundred(run: SyntheticRun, apart: int) -> None:
    def differs(replicate: int) -> bool:
        a, b = fine(run, 2 * replicate), fine(run, 2 * replicate + 1)
        b.lanes["seed"] += apart
        found = compare(a, b)
        return bool((found.cells["verdict"] != "level").any())

    assert sum(differs(replicate) for replicate in range(100)) <= 5


def test_a_cell_that_is_worse_is_found_and_named(run: SyntheticRun) -> None:
    a, lanes = fine(run), fine(run).lanes
    lost = (lanes["activation"] == "relu") & (lanes["optimizer"] == "adam") & (lanes["phase"] == "evaluate")
    lanes.loc[lost, "test_metric"] -= 0.1 + 0.01 * np.arange(10)
    found = compare(a, changed(run, lanes=lanes))
    assert found.worse() == ["digits_mlp: relu + adam worse"]
    assert compare(changed(run, lanes=lanes), a).worse() == []
    assert "0 better and 1 worse" in found.sentences[0]


def test_less_is_better_where_the_metric_says_so() -> None:
    run = fine(make_run(*NAMES, {"t": REGRESSION}, evaluate=10))
    lanes = run.lanes.copy()
    lanes["test_metric"] += 1 + np.arange(len(lanes)) % 7 * 0.01
    assert len(compare(run, changed(run, lanes=lanes)).worse()) == 4
    assert compare(changed(run, lanes=lanes), run).worse() == []


def test_a_network_that_diverged_counts_as_the_worst_even_where_that_is_infinite() -> None:
    run = fine(make_run(*NAMES, {"t": REGRESSION}, evaluate=10))
    lanes = run.lanes.copy()
    lanes.loc[lanes["phase"] == "evaluate", "status"] = "diverged"
    found = compare(run, changed(run, lanes=lanes))
    assert len(found.worse()) == 4
    assert np.isinf(found.cells["metric_b"]).all()
    assert "Infinity" not in as_json(found)
    assert "nan" not in "\n".join(lines(found)).lower()


def slowed(run: SyntheticRun, times: float, **more: Any) -> SyntheticRun:
    columns = ["step_s_median", "step_s_low", "step_s_high"]
    return changed(run, throughput=run.throughput.assign(**{c: run.throughput[c] * times for c in columns}, **more))


def test_what_is_surely_slower_is_found(run: SyntheticRun) -> None:
    half = compare(run, slowed(run, 2.0))
    assert half.speed.middle == pytest.approx(0.5)
    assert half.cells["speed_ratio"].to_numpy() == pytest.approx(0.5)
    assert len(half.slower(0.1)) == 1 + 4
    assert half.slower(0.6) == []
    a_little = compare(run, slowed(run, 1.05))
    assert a_little.slower(0.1) == []
    few = compare(run, slowed(run, 2.0, noisy="few"))
    assert len(few.slower(0.1)) == 1  # single cells of few samples are not judged
    assert few.untimed() == []
    one = make_run(["relu"], ["sgd"])
    doubted = compare(one, slowed(one, 10.0, noisy="few"))
    assert doubted.slower(0.1) == [] and doubted.untimed() == ["digits_mlp: relu + sgd"]


def test_the_interval_of_a_ratio_is_that_of_both_times_and_of_what_differs_from_run_to_run() -> None:
    run = make_run(["relu"], ["sgd"])
    found = compare(run, run)
    half = np.hypot(np.log(1.03 / 0.98) / 2 * np.sqrt(2), np.log(1 + REPEAT))
    for ends in (found.cells.iloc[0][["speed_ratio_low", "speed_ratio_high"]], [found.speed.low, found.speed.high]):
        assert list(ends) == pytest.approx([np.exp(-half), np.exp(half)])
    text = (
        f"are not told apart: {found.names[1]} trains 1.00 times as fast ({np.exp(-half):.3f} to {np.exp(half):.2f})."
    )
    assert text in found.sentences[1]


def test_labels_of_many_decades_do_not_overlap(run: SyntheticRun) -> None:
    found = compare(run, run)
    wide = found.cells.assign(seconds_a=[1e-4, 1e-2, 1.0, 50.0], seconds_b=[1e-4, 1e-2, 1.0, 50.0], seconds_ratio=1.1)
    page = render(replace(found, cells=wide), [run, run])["index.html"].decode()
    assert 6 <= len(re.findall(r">\d+ [µm]?s<", page)) <= 16, "of both axes: one a decade"


@pytest.mark.parametrize("factor", [1.05, 1.4])
def test_cells_that_agree_do_not_hide_what_differs_from_run_to_run(run: SyntheticRun, factor: float) -> None:
    found = compare(run, slowed(run, factor))
    whole = f" ({1 / factor / (1 + REPEAT):.3g} to {1 / factor * (1 + REPEAT):.3g})"
    assert found.speed.interval == whole
    told = {1.05: "are not told apart: other trains 0.952 times as fast", 1.4: "other trains 0.714 times as fast as"}
    assert told[factor] in found.sentences[1] and whole in found.sentences[1]


def test_seconds_to_target_are_told_with_their_interval(run: SyntheticRun) -> None:
    assert (
        f"needs 4.00 ({4 / 1.1:.2f} to {4 * 1.1:.2f}) times the seconds" in compare(run, slowed(run, 4.0)).sentences[2]
    )


def test_who_reached_the_target_alone_is_told_beside_the_seconds(run: SyntheticRun) -> None:
    reached = run.convergence.loc[np.isfinite(run.convergence["steps_to_target"]), CELL].to_numpy().tolist()

    def missing(cells: list[list[str]]) -> SyntheticRun:
        of = pd.Series(run.lanes[CELL].to_numpy().tolist(), run.lanes.index).isin(cells)
        return changed(run, lanes=run.lanes.assign(steps_to_target=run.lanes["steps_to_target"].mask(of, np.inf)))

    assert len(reached) == 2
    one = compare(run, missing(reached[1:])).sentences[2]
    assert one.startswith("other needs 1.00 times the seconds")
    assert one.endswith("one cell that reached it in both; 1 reaches it only in synthetic.")
    none = compare(missing(reached), run).sentences[2]
    assert none == "No cell reached the target in both runs; 2 reach it only in synthetic."


def test_whole_runs_are_set_against_each_other_only_where_they_trained_as_much(run: SyntheticRun) -> None:
    def told(other: SyntheticRun) -> bool:
        return any(sentence.startswith("The whole run") for sentence in compare(run, other).sentences)

    tuned = run.lanes["phase"] == "tune"
    assert told(changed(run, lanes=run.lanes.assign(learning_rate=run.lanes["learning_rate"] * 2)))
    assert not told(changed(run, lanes=run.lanes[~tuned]))
    assert not told(changed(run, lanes=run.lanes[tuned | (run.lanes["seed"] != run.lanes["seed"].max())]))


def test_scores_that_are_the_same_seed_by_seed_are_called_so(run: SyntheticRun) -> None:
    told = "has the same scores, seed by seed."
    assert told in compare(run, changed(run, lanes=run.lanes.iloc[::-1])).sentences[0]
    other = run.lanes["test_metric"] + np.where(run.lanes.index == run.lanes.index[-1], 1e-7, 0)
    assert told not in compare(run, changed(run, lanes=run.lanes.assign(test_metric=other))).sentences[0]


def test_a_target_met_at_once_is_left_out_of_the_mean(run: SyntheticRun) -> None:
    found = compare(run, run)
    at_once = found.cells.assign(seconds_ratio=[0.0, np.nan, 0.5, 0.5])
    assert "needs 2.00 (" in replace(found, cells=at_once).sentences[2]
    assert "mean of 2 cells" in replace(found, cells=at_once).sentences[2]
    never = replace(found, cells=found.cells.assign(seconds_ratio=0.0))
    assert not any("to the target" in sentence for sentence in never.sentences)


def test_the_width_of_a_chunk_is_taken_out_of_the_ratio(run: SyntheticRun) -> None:
    wide = slowed(run, 100.0, width=run.throughput["width"] * 100)
    assert compare(run, wide).cells["speed_ratio"].to_numpy() == pytest.approx(1)


def test_runs_on_two_devices_are_compared_by_the_whole_machine(run: SyntheticRun) -> None:
    manifest = deepcopy(run.manifest)
    manifest["environment"] |= {"device": "gpu", "device_kind": "NVIDIA H100"}
    manifest["execution"]["device"] = "gpu"
    gpu = changed(run, manifest=manifest, throughput=run.throughput.assign(device="gpu", workers=1))
    found = compare(run, gpu)
    assert found.cells["speed_ratio"].to_numpy() == pytest.approx(0.5), "two workers against one as fast as each"
    reached = np.isfinite(found.cells["steps_a"])
    assert found.cells.loc[reached, "seconds_ratio"].to_numpy() == pytest.approx(0.5)
    assert "On two devices speeds and seconds are of the whole machine." in found.sentences
    assert found.sentences[:2] == (
        "other (gpu) trains 0.500 times as fast as synthetic (cpu) (0.455 to 0.550).",
        "The whole run, with what was compiled, took synthetic (cpu) 42 s and other (gpu) 42 s.",
    ), "of two devices the speeds are asked for first"
    page = render(found, [run, gpu])["index.html"].decode()
    assert "2 × NVIDIA H100" in page and "seconds of the whole machine" in page and "of one worker" not in page
    assert "mathdefault" not in page and re.search(r">\d+ ms<", page), "figures do not read formulas"
    assert not any("whole machine" in text for text in compare(run, run).sentences)
    assert compare(gpu, gpu).of == "one GPU", "on which workers take turns"
    more = changed(gpu, throughput=gpu.throughput.assign(workers=2))
    assert "1 GPU against 2; per GPU other (second) trains 1.00 times as fast" in compare(gpu, more).sentences[2]


def test_runs_with_unlike_numbers_of_workers_are_compared_by_the_whole_machine(run: SyntheticRun) -> None:
    wide = slowed(run, 2.0, workers=16)
    found = compare(run, wide)
    assert found.cells["speed_ratio"].to_numpy() == pytest.approx(4), "eight times the workers, each half as fast"
    reached = np.isfinite(found.cells["steps_a"])
    assert found.cells.loc[reached, "seconds_ratio"].to_numpy() == pytest.approx(4)
    assert found.sentences[1].startswith("other trains 4.00 times as fast as synthetic (")
    assert found.sentences[2] == (
        "Speeds and seconds are of the whole machine, 2 workers against 16; per worker other trains 0.500 times as "
        "fast (0.455 to 0.550)."
    )
    assert (
        found.slower(0.1) == [] and "seconds of the whole machine" in render(found, [run, wide])["index.html"].decode()
    )


def test_seconds_to_target_are_set_against_each_other(run: SyntheticRun) -> None:
    found = compare(run, slowed(run, 4.0)).cells
    reached = np.isfinite(found["steps_a"])
    assert reached.any()
    assert found.loc[reached, "seconds_ratio"].to_numpy() == pytest.approx(0.25)
    assert not np.isfinite(found.loc[~reached, "seconds_ratio"]).any()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": 2}, "version: got 2"),
        ({"data_sha256": "ff"}, "data_sha256: got ff"),
        ({"target": 0.5}, "target: got"),
    ],
)
def test_other_tasks_of_the_same_name_are_refused(run: SyntheticRun, change: dict[str, Any], told: str) -> None:
    manifest = deepcopy(run.manifest)
    manifest["tasks"]["digits_mlp"] |= change
    with pytest.raises(DataError, match=told):
        compare(run, changed(run, manifest=manifest))


def test_other_budgets_and_other_cells_are_refused(run: SyntheticRun) -> None:
    with pytest.raises(DataError, match=r"steps: got \[900\]"):
        compare(run, changed(run, lanes=run.lanes.assign(steps=900)))
    with pytest.raises(DataError, match=r"got no cell .*, on digits_mlp; expected some of those on digits_mlp"):
        compare(run, make_run(["gelu"], ["lion"]))


def test_what_is_to_be_doubted_of_the_timings_is_told(run: SyntheticRun) -> None:
    few = changed(run, throughput=run.throughput.assign(noisy="few"))
    sure = changed(run, throughput=run.throughput.assign(noisy="no"))
    told = "All 4 timings rest on few samples: compare speeds with care."
    assert compare(sure, sure).doubts == ()
    assert compare(few, replace(few, name="third")).sentences[-1] == f"other and third: {told}"
    assert compare(replace(sure, name="third"), few).sentences[-1] == f"other: {told}"


def test_what_only_one_run_has_is_left_out_and_counted(run: SyntheticRun) -> None:
    found = compare(run, make_run(["relu"], ["sgd", "adam", "lion"], evaluate=10))
    assert len(found.cells) == 2
    assert found.missing == 3
    assert found.sentences[-1] == "3 cells are in one run only and left out."
    assert found.untested() == found.untimed() == ["digits_mlp: tanh + sgd", "digits_mlp: tanh + adam"]


def test_cells_that_one_run_never_evaluated_are_not_called_level(run: SyntheticRun) -> None:
    lanes = run.lanes.copy()
    lanes.loc[(lanes["activation"] == "relu") & (lanes["phase"] == "evaluate"), "status"] = "interrupted"
    found = compare(run, changed(run, lanes=lanes))
    assert found.sentences[0] == (
        "Each of the 2 cells that both evaluated has the same scores, seed by seed. "
        "2 cells have no result in one of them."
    )
    assert found.sentences[1].startswith("other: This run is incomplete; ")
    assert found.untested() == ["digits_mlp: relu + sgd", "digits_mlp: relu + adam"]
    assert found.worse() == found.untimed() == []


def test_a_single_cell_is_told_without_an_s(run: SyntheticRun) -> None:
    lanes = run.lanes
    of = (lanes["phase"] == "evaluate") & (lanes["activation"] == "relu")
    adam, sgd = (of & (lanes["optimizer"] == name) for name in ("adam", "sgd"))
    few = lanes.drop(lanes[adam].index[1:]).assign(status=lanes["status"].where(~sgd, "interrupted"))
    told = compare(run, changed(run, lanes=few)).sentences[0]
    assert told.endswith("1 cell has too few seeds to be tested. 1 cell has no result in one of them.")


def test_a_run_without_any_result_is_compared_in_words(run: SyntheticRun) -> None:
    manifest = deepcopy(run.manifest)
    manifest["environment"].pop("device")
    lanes = run.lanes.assign(status="interrupted")
    found = compare(run, changed(run, lanes=lanes, throughput=run.throughput.iloc[:0], manifest=manifest))
    assert found.names == ("synthetic", "other")
    assert found.sentences[:3] == (
        "No cell was evaluated in both runs.",
        "other: This run is incomplete; 80 of its 80 networks were not trained.",
        "Speeds were not measured.",
    )
    assert len(found.untested()) == len(found.untimed()) == 4
    assert found.slower(0.0) == []
    assert len(lines(found)) == 1 + 4 + 1 + 4


def test_one_seed_is_not_tested() -> None:
    run = make_run(*NAMES, evaluate=1)
    found = compare(run, run)
    assert found.cells["p_value"].isna().all()
    assert (found.cells["verdict"] == "").all()
    assert "too few seeds" in found.sentences[0]
    assert len(found.untested()) == 4


@pytest.mark.parametrize(("text", "share"), [("10%", 0.1), ("10 %", 0.1), ("2.5", 0.025), ("0%", 0.0)])
def test_a_percentage_is_read(text: str, share: float) -> None:
    assert percent(text, "--x") == pytest.approx(share)


def test_what_may_be_a_percentage_or_a_share_is_refused() -> None:
    with pytest.raises(InputError, match=r"--x: got '0.1'; expected a percentage with its sign: 0.1% or 10%"):
        percent("0.1", "--x")
    assert percent("0.1%", "--x") == pytest.approx(0.001)
    assert percent("0", "--x") == 0


@pytest.mark.parametrize("text", ["", "%", "ten", "-1%", "100%", "nan", "inf%", "10%%"])
def test_what_is_no_percentage_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--x: got"):
        percent(text, "--x")


@pytest.fixture(scope="module")
def found(run: SyntheticRun) -> Comparison:
    return compare(run, slowed(fine(run), 1.5))


def test_the_table_of_the_terminal_is_aligned(found: Comparison) -> None:
    shown = lines(found)
    assert shown[0].split()[:3] == ["cell", "A", "B"]
    assert len(shown) == 1 + 4 + 1 + len(found.sentences)
    assert len({len(line) for line in shown[:5]}) == 1


def test_a_narrow_terminal_has_fewer_columns_and_is_told_which_it_lacks(found: Comparison) -> None:
    whole, narrow, narrowest = lines(found), lines(found, 100), lines(found, 1)
    assert max(map(len, narrow[: narrow.index("")])) <= 100 < max(map(len, whole[: whole.index("")]))
    assert narrow[-1].startswith("Left out for the width of the terminal, and in --json: its interval")
    for title in ("cell", "A", "B", "B - A", "B is", "speed B / A"):
        assert f" {title} " in f" {narrowest[0]} "
    assert lines(found, 1000) == whole


def test_json_holds_every_cell(found: Comparison) -> None:
    told = json.loads(as_json(found))
    assert len(told["cells"]) == 4
    assert set(told["cells"][0]) == set(COLUMNS)
    assert told["speed"]["ratio"] == pytest.approx(1 / 1.5)


def test_the_page_is_the_same_each_time_and_safe(run: SyntheticRun) -> None:
    hostile = make_run(["relu", "</script><b>"], ["sgd", "adam"], {"<i>": task_entry()}, name="<u>", evaluate=4)
    files = render(compare(hostile, hostile), [hostile, hostile])
    assert set(files) == {
        "index.html",
        *(f"figures/compare-{of}.{kind}" for of in ("speed", "seconds") for kind in ("svg", "pdf")),
        "tables/compare.csv",
        "report.json",
    }
    text = files["index.html"].decode()
    assert not {"<b>", "<i>", "<u>"} & set(text.replace("><", "> <").split())
    assert "<b>" not in text and "<i>" not in text and "<u>" not in text
    assert render(compare(hostile, hostile), [hostile, hostile]) == files


def test_differences_have_proper_signs_and_zero_has_none() -> None:
    accuracy = Metric.of(task_entry())
    assert [_signed(accuracy, value) for value in (0.0123, -0.0123, 0.0, -1e-6, np.nan)] == [
        "+1.23", "−1.23", "0.00", "0.00", "–",
    ]  # fmt: skip


def survived(run: SyntheticRun, count: int, seeds: int = 0) -> SyntheticRun:
    """The run with so many evaluation seeds of relu + adam lost, and all of them shifted by `seeds`."""
    lanes = run.lanes.copy()
    evaluated = lanes["phase"] == "evaluate"
    cell = lanes.index[evaluated & (lanes["activation"] == "relu") & (lanes["optimizer"] == "adam")]
    lanes.loc[cell[:count], "status"] = "diverged"
    lanes.loc[evaluated, "seed"] += seeds
    return changed(run, lanes=lanes)


@pytest.mark.parametrize("task", [task_entry(), REGRESSION])
@pytest.mark.parametrize("count", [1, 4, 10])
def test_seeds_lost_of_the_same_ones_are_worse_whatever_a_test_says(task: dict[str, Any], count: int) -> None:
    run = fine(make_run(*NAMES, {"t": task}, evaluate=10))
    found = compare(run, survived(run, count))
    seeds = f"lost {count} of 10 seeds against 0 of 10"
    assert found.worse() == [f"t: relu + adam worse ({seeds})"]
    assert "Of these 1 lost more seeds in one run than in the other." in found.sentences[0]
    assert compare(survived(run, count), run).worse() == []
    assert f"worse, {seeds}" in "\n".join(lines(found))


def test_only_the_seeds_that_both_evaluated_say_what_was_lost() -> None:
    run = fine(make_run(*NAMES, {"t": task_entry()}, evaluate=10))
    last = run.lanes.loc[run.lanes["phase"] == "evaluate", "seed"].max()
    fewer = survived(run, 4)
    fewer = changed(fewer, lanes=fewer.lanes[(fewer.lanes["phase"] == "tune") | (fewer.lanes["seed"] != last)])
    found = compare(run, fewer)
    assert found.cells["paired"].all() and found.worse() == ["t: relu + adam worse (lost 4 of 9 seeds against 0 of 9)"]
    assert "may be chance" not in found.sentences[0]
    same = compare(survived(run, 4), fewer)
    assert (same.cells["verdict"] == "level").all() and "lost" not in same.sentences[0]


def test_seeds_lost_of_others_may_be_chance_unless_all_are() -> None:
    run = fine(make_run(*NAMES, {"t": REGRESSION}, evaluate=10))
    found = compare(run, survived(run, 2, seeds=1000))
    assert found.worse() == [] and (found.cells["verdict"] == "level").all()
    told = "In other (second) 1 cell lost more seeds; as the seeds are others, that may be chance."
    assert told in found.sentences[0]
    every = compare(run, survived(run, 10, seeds=1000))
    assert every.worse() == ["t: relu + adam worse (lost 10 of 10 seeds against 0 of 10)"]
    assert "may be chance" not in every.sentences[0]
    lanes = survived(run, 2, seeds=1000).lanes
    half = changed(run, lanes=lanes[(lanes["phase"] == "tune") | (lanes["seed"] < 1005)])
    share = compare(survived(run, 4), half)  # 4 of 10 and 2 of 5
    assert "lost" not in share.sentences[0]


def test_what_was_tuned_otherwise_is_told(run: SyntheticRun) -> None:
    lanes = run.lanes.copy()
    assert not compare(run, run).tuned
    fewer = changed(run, lanes=lanes[(lanes["phase"] == "evaluate") | (lanes["seed"] == lanes["seed"].min())])
    alike = fewer.lanes[fewer.lanes["phase"] == "tune"].groupby(CELL)["learning_rate"].nunique()
    (told,) = compare(run, fewer).tuned
    assert told == (
        f"Tuned unlike, {run.name} with {alike.max()} trials on 2 seeds, other with {alike.max()} trials on 1 seed: "
        "what differs may come from that."
    )
    stopped = lanes.assign(status=lanes["status"].mask(lanes["phase"] == "tune", "interrupted"))
    assert not compare(run, changed(run, lanes=stopped)).tuned, "it was to be tuned alike"
    evaluated = (lanes["phase"] == "evaluate") & (lanes["activation"] == "relu")
    lanes.loc[evaluated, "learning_rate"] *= 10
    (told,) = compare(run, changed(run, lanes=lanes)).tuned
    assert told.startswith("In 2 of 4 cells tuning chose another learning rate in other; each is tested at its own")


def test_a_run_that_was_given_more_seeds_is_compared_on_those_of_before() -> None:
    run = fine(make_run(*NAMES, {"t": task_entry()}, evaluate=10))
    evaluated = sorted(run.lanes.loc[run.lanes["phase"] == "evaluate", "seed"].unique())
    before = changed(run, lanes=run.lanes[~run.lanes["seed"].isin(evaluated[5:])])
    found = compare(before, run)
    assert found.identical and found.cells["paired"].all() and (found.cells["difference"] == 0).all()
    assert (found.cells[["seeds_a", "seeds_b"]] == 5).all(axis=None)
    assert str(found) == "\n".join(found.sentences)
    assert "Scores are of the seeds that both evaluated; " in str(found) and "has 5 more." in str(found)
    assert found.beyond == (0, 5) and compare(run, run).beyond == (0, 0)
    single = changed(run, lanes=run.lanes[~run.lanes["seed"].isin(evaluated[1:])])
    assert not compare(single, run).cells["paired"].any(), "one seed has no spread"
