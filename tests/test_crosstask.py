"""What several tasks say together."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from synthetic import REGRESSION, SyntheticRun, make_run, task_entry

from bench import crosstask, stats
from bench.stats import Metric

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
    assert crosstask.variance_by_task(none.lanes, tasks)["phase"].isin(["tune"]).all()
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


def test_the_spread_is_told_of_every_task_and_phase(run: SyntheticRun) -> None:
    shares = crosstask.variance_by_task(run.lanes, TASKS)
    assert set(shares["task"]) == set(TASKS)
    assert len(crosstask.variance_sentences(shares, TASKS, "a")) == 2


def test_the_default_is_the_table_s(run: SyntheticRun) -> None:
    found = crosstask.default_against_tuned(run.lanes, TASKS)
    rates = found.groupby("optimizer")["default_rate"].first()
    assert rates["adam"] == pytest.approx(0.001)
    assert rates["sgd"] == pytest.approx(0.01)
    assert crosstask.default_rates({"adam(b1=0.8)": None, "mine": None}) == {"adam(b1=0.8)": 0.001}


def test_what_a_method_contains_is_followed_to_the_end() -> None:
    found = crosstask.contained({"adamw": None, "adam(b1=0.5)": None, "mine": None})
    assert found == {"adamw": frozenset({"adam", "momentum", "rmsprop", "sgd"})}


def test_trials_and_regions_are_there_for_every_cell(run: SyntheticRun) -> None:
    assert len(crosstask.best_so_far(run.lanes, TASKS)) == 5 * 6 * 5
    assert len(crosstask.good_region(run.lanes, TASKS)) == 5 * 6
    curves = crosstask.profile_curves(run.convergence)
    assert set(curves.columns) == {"activation", "optimizer", "ratio", "share"}


def test_what_forgives_a_rate_that_is_off_is_told() -> None:
    regions = pd.DataFrame({"optimizer": ["sgd", "sgd", "adam", "adam"], "decades": [0.4, 0.6, 2.0, np.nan]})
    regions = regions.assign(open=False, rates=5)
    assert crosstask.region_sentence(regions) == (
        "adam is the most forgiving: over 2.0 decades of learning rates (median) it keeps 95 % of what its best one "
        "gains over the baseline; sgd is the least forgiving, 0.5 decades."
    )
    assert crosstask.region_sentence(regions[:2]).startswith(
        "sgd forgives a learning rate that is off: over 0.5 decades"
    )
    assert crosstask.region_sentence(regions.assign(decades=np.nan)) == ""
    assert crosstask.region_sentence(regions.assign(rates=3)) == ""


@pytest.mark.parametrize(
    ("opened", "head", "tail"),
    [
        (
            [False, False, True, True],
            "adam is the most forgiving: over at least 2.0 decades",
            "forgiving, 0.5 decades.",
        ),
        (
            [False, True, True, True],
            "adam forgives a learning rate that is off: over at least 2.0 decades",
            "baseline.",
        ),
        ([True, True, False, False], "adam forgives a learning rate that is off: over 2.0 decades", "baseline."),
        (
            [False, False, False, True],
            "adam is the most forgiving: over at least 2.0 decades",
            "forgiving, 0.5 decades.",
        ),
    ],
)
def test_a_region_that_reaches_an_end_of_the_grid_is_a_bound_and_ranks_nobody(
    opened: list[bool], head: str, tail: str
) -> None:
    regions = pd.DataFrame({"optimizer": ["sgd", "sgd", "adam", "adam"], "decades": [0.4, 0.6, 1.8, 2.2]})
    told = crosstask.region_sentence(regions.assign(open=opened, rates=5))
    assert told.startswith(head) and told.endswith(tail)


def test_what_fewer_trials_would_cost_is_told() -> None:
    cells = [("a", "relu", "sgd"), ("a", "tanh", "sgd"), ("a", "elu", "sgd")]
    rows = [(*cell, k, 0.9 - 0.1 * (3 - k) * (i + 1)) for i, cell in enumerate(cells) for k in (1, 2, 3)]
    trials = pd.DataFrame(rows, columns=[*stats.CELL, "trials", "expected"])
    metric = Metric.of(TASKS["a"])
    assert crosstask.budget_sentence(trials, metric, 0.1) == (
        "In validation accuracy, with only 2 of its 3 trials, drawn at random, a cell would be expected to lose 20.0 "
        "points; with a single one, 40.0 points (medians over the cells)."
    )
    assert crosstask.budget_sentence(trials[trials["trials"] < 3], metric, 0.1) == ""
    assert crosstask.budget_sentence(trials.iloc[:0], metric, 0.1) == ""


def test_a_loss_of_more_than_a_cell_gains_is_told_in_words() -> None:
    rows = [("e", "relu", "sgd", k, expected) for k, expected in ((1, 7e21), (2, 60.0), (3, 55.0))]
    trials = pd.DataFrame(rows, columns=[*stats.CELL, "trials", "expected"])
    assert crosstask.budget_sentence(trials, Metric.of(REGRESSION), REGRESSION["baseline"]).endswith(
        "to lose 5.00; with a single one, more than all it gains over the baseline (medians over the cells)."
    )


def test_a_trial_that_diverged_infinitely_counts_in_what_fewer_trials_cost() -> None:
    """And does not remove its cell, so that the median would be of the forgiving ones alone."""
    cells = [("e", "relu", name) for name in ("sgd", "adam", "lion")]
    losses = [(np.inf, np.inf, 3.0), (np.inf, 5.0, 4.0), (6.0, 5.0, 4.0)]
    rows = [(*cell, k, of[k - 1]) for cell, of in zip(cells, losses, strict=True) for k in (1, 2, 3)]
    trials = pd.DataFrame(rows, columns=[*stats.CELL, "trials", "expected"])
    told = crosstask.budget_sentence(trials, Metric.of(REGRESSION), REGRESSION["baseline"])
    more = "more than all it gains over the baseline"
    assert told.endswith(f"lose 1.00; with a single one, {more} (medians over the cells).")
    never = pd.DataFrame([("e", "elu", "sgd", k, np.inf) for k in (1, 2, 3)], columns=trials.columns)
    lost = pd.concat([trials, never])
    assert crosstask.budget_sentence(lost, Metric.of(REGRESSION), 1.0).endswith("(medians over 3 of 4 cells).")


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
    assert "0 % change their order from one task to another; 50 %" in crosstask.flips_sentence(alike)


def test_cells_below_the_baseline_that_lose_nothing_are_told_so() -> None:
    rows = [("a", "relu", "sgd", k, 0.05) for k in (1, 2, 3)]
    trials = pd.DataFrame(rows, columns=[*stats.CELL, "trials", "expected"])
    told = crosstask.budget_sentence(trials, Metric.of(TASKS["a"]), 0.1)
    assert told.endswith("lose 0.0 points; with a single one, 0.0 points (medians over the cells).")


def test_what_tuning_brought_is_told(run: SyntheticRun) -> None:
    table = crosstask.default_against_tuned(run.lanes, TASKS)
    own = table[table["task"] == "a"]
    better, known = int(own["beaten"].sum()), int(own["default_rate"].notna().sum())
    told = crosstask.default_sentence(own, Metric.of(TASKS["a"]))
    assert told.startswith(f"Tuning beat the conventional learning rate in {better} of {known} cells; ")
    assert f"over all {known} is {100 * own['gain'].median():.1f} points." in told
    assert crosstask.default_sentence(own.assign(default_rate=np.nan), Metric.of(TASKS["a"])) == ""
