"""What several tasks say together."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from synthetic import REGRESSION, SyntheticRun, make_run, task_entry

from bench.findings import crosstask, effects

TASKS = {name: task_entry(data_sha256=name) for name in "abcd"} | {"e": REGRESSION}


@pytest.fixture(scope="module")
def run() -> SyntheticRun:
    return make_run(["relu", "tanh"], ["sgd", "momentum", "adam"], TASKS, evaluate=6)


def test_the_leaderboard_has_the_best_mean_rank_first(run: SyntheticRun) -> None:
    board = crosstask.leaderboard(run.lanes, run.convergence, TASKS)
    assert len(board) == 6
    assert board["mean_rank"].is_monotonic_increasing
    assert board["mean_rank"].sum() == pytest.approx(21)
    assert board["profile"].between(0, 1).all()
    assert (board["tasks"] == 5).all()
    first = run.convergence[run.convergence["rank"] == 1]
    leads = first.groupby(["activation", "optimizer"]).size() / 5
    for cell, share in leads.items():
        row = board[(board["activation"] == cell[0]) & (board["optimizer"] == cell[1])]
        assert row["lead_share"].item() >= share


def test_optimizers_alone_have_a_leaderboard_of_their_own(run: SyntheticRun) -> None:
    board = crosstask.leaderboard(run.lanes, run.convergence, TASKS, by=("optimizer",))
    assert set(board["optimizer"]) == {"sgd", "momentum", "adam"}
    assert board["mean_rank"].sum() == pytest.approx(6)


def test_a_cell_that_lacks_a_task_stands_last_without_a_mean_rank(run: SyntheticRun) -> None:
    lost = (run.convergence["task"] == "a") & (run.convergence["optimizer"] == "adam")
    board = crosstask.leaderboard(run.lanes, run.convergence[~lost], TASKS)
    assert list(board["mean_rank"].isna()) == [False] * 4 + [True] * 2
    assert "incomplete blocks" in crosstask.rank_test(run.convergence[~lost], TASKS).sentence


def test_a_task_without_activations_stands_apart(run: SyntheticRun) -> None:
    table = run.convergence.copy()
    table.loc[table["task"] == "a", "activation"] = "none"
    assert list(crosstask.ranks(table).columns) == ["b", "c", "d", "e"]
    assert list(crosstask.ranks(table, ("optimizer",)).columns) == list("abcde")


def test_nothing_evaluated_gives_empty_frames() -> None:
    none = make_run(["relu"], ["sgd", "adam"], keep_evaluated=0)
    tasks = none.manifest["tasks"]
    assert effects.spread(none.lanes, tasks)["phase"].isin(["tune"]).all()
    assert crosstask.leaderboard(none.lanes, none.convergence.iloc[:0], tasks).empty


def test_the_test_over_tasks_speaks_or_says_why_not(run: SyntheticRun) -> None:
    assert "Friedman" in crosstask.rank_test(run.convergence, TASKS).sentence
    one = run.convergence[run.convergence["task"] == "a"]
    assert "too few" in crosstask.rank_test(one, TASKS).sentence


def test_tasks_on_the_same_data_are_counted_once(run: SyntheticRun) -> None:
    assert crosstask.shared_data_sentence(run.convergence, TASKS) == ""
    assert crosstask.blocks(run.convergence, TASKS).equals(crosstask.ranks(run.convergence))
    names = [f"t{i}" for i in range(8)]
    first = run.convergence[run.convergence["task"] == "a"].assign(rank=np.arange(1.0, 7))
    table = pd.concat([first.assign(task=name) for name in names])
    shared = {name: task_entry(data_sha256="x" if i < 3 else None) for i, name in enumerate(names)}
    told = crosstask.shared_data_sentence(table, shared)
    assert told.startswith("The 8 tasks are of 6 data sets, 3 of them of one: as that is no independent evidence, each")
    assert told.endswith("once, at its rank by the mean of its tasks' ranks; shares of tasks count every task.")
    assert list(crosstask.data_set_counts(table, shared)) == [3, 1, 1, 1, 1, 1]
    found = crosstask.rank_test(table, shared)
    assert (found.tasks, len(found.level)) == (6, 4)
    table.loc[table["task"] == "t0", "rank"] = np.arange(6.0, 0, -1)
    assert list(crosstask.blocks(table, shared)["x"]) == list(range(1, 7))  # of 3 tasks 2 agree
    lost = (table["task"] == "t1") & (table["rank"] == 1)
    assert crosstask.blocks(table[~lost], shared)["x"].isna().sum() == 1
    few = {name: task_entry(data_sha256="x" if i < 5 else None) for i, name in enumerate(names)}
    assert "4 data sets are too few" in crosstask.rank_test(table, few).sentence


def test_a_data_set_s_mean_ranks_are_ranked_again(run: SyntheticRun) -> None:
    rng, names = np.random.default_rng(0), [f"t{i}" for i in range(9)]
    first = run.convergence[run.convergence["task"] == "a"]
    ranks = {name: rng.permutation(6) + 1.0 for name in names}
    table = pd.concat([first.assign(task=name, rank=ranks[name]) for name in names])
    data = {name: "x" if i < 4 else name for i, name in enumerate(names)}
    found = crosstask.rank_test(table, {name: task_entry(data_sha256=data[name]) for name in names})
    blocks = [np.mean([ranks[name] for name in names[:4]], axis=0), *(ranks[name] for name in names[4:])]
    assert len(set(blocks[0])) == 6, "no ties"
    chi2 = scipy.stats.friedmanchisquare(*np.transpose(blocks)).statistic  # which ranks within each block
    assert found.chi2 == pytest.approx(chi2)
    assert found.p_value == pytest.approx(scipy.stats.f.sf(5 * chi2 / (6 * 5 - chi2), 5, 5 * 5))  # Iman and Davenport


def test_flips_are_told_where_there_are_two_tasks(run: SyntheticRun) -> None:
    assert "change their order" in crosstask.flips_sentence(run.convergence)
    assert crosstask.flips_sentence(run.convergence[run.convergence["task"] == "a"]) == ""


def test_profiles_are_there_for_every_cell(run: SyntheticRun) -> None:
    curves = crosstask.profile_curves(run.convergence)
    assert set(curves.columns) == {"activation", "optimizer", "ratio", "share"}


def test_the_leaderboard_of_an_interrupted_run_is_of_what_was_evaluated(run: SyntheticRun) -> None:
    table = run.convergence.copy()
    table.loc[table["task"] == "a", ["seeds", "rank", "steps_to_target"]] = [0, np.nan, np.nan]
    board = crosstask.leaderboard(run.lanes[run.lanes["task"] != "a"], table, TASKS)
    assert (board["tasks"] == 4).all()
    pd.testing.assert_frame_equal(
        board, crosstask.leaderboard(run.lanes[run.lanes["task"] != "a"], table[table["task"] != "a"], TASKS)
    )


def test_no_two_tasks_are_named_where_no_pair_changes_its_order(run: SyntheticRun) -> None:
    alike = run.convergence.assign(rank=run.convergence.groupby(["activation", "optimizer"]).ngroup() + 1)
    assert "two tasks order, 0 % change their order from one to the other; 50 %" in crosstask.flips_sentence(alike)
