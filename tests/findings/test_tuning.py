"""What tuning brought, how forgiving it was, and what fewer trials would have cost."""

import numpy as np
import pandas as pd
import pytest
from synthetic import REGRESSION, SyntheticRun, make_run, task_entry

from bench import stats
from bench.findings import tuning
from bench.stats import Metric

TASKS = {name: task_entry(data_sha256=name) for name in "abcd"} | {"e": REGRESSION}


@pytest.fixture(scope="module")
def run() -> SyntheticRun:
    return make_run(["relu", "tanh"], ["sgd", "momentum", "adam"], TASKS, evaluate=6)


def test_the_default_is_the_table_s(run: SyntheticRun) -> None:
    found = tuning.default_against_tuned(run.trials, TASKS, run.manifest["optimizers"])
    rates = found.groupby("optimizer")["default_rate"].first()
    assert rates["adam"] == pytest.approx(0.001)
    assert rates["sgd"] == pytest.approx(0.01)
    assert tuning.default_rates({"adam(b1=0.8)": {}, "mine": {}}) == {"adam(b1=0.8)": 0.001}
    assert tuning.default_rates({"calm": {"base": "adam"}}) == {"calm": 0.001}, "a label of the suite's own"


def test_what_a_method_contains_is_followed_to_the_end() -> None:
    found = tuning.contained({"adamw": None, "adam(b1=0.5)": None, "mine": None})
    assert found == {"adamw": frozenset({"adam", "momentum", "rmsprop", "sgd"})}


def test_what_forgives_a_rate_that_is_off_is_told() -> None:
    regions = pd.DataFrame({"optimizer": ["sgd", "sgd", "adam", "adam"], "decades": [0.4, 0.6, 2.0, np.nan]})
    regions = regions.assign(open=False, rates=5, step=0.5)
    assert tuning.region_sentence(regions) == (
        "adam is the most forgiving: over 2.0 decades of learning rates (median) it keeps 95 % of what its best one "
        "gains over the baseline; sgd is the least forgiving, 0.5 decades."
    )
    assert tuning.region_sentence(regions[:2]).startswith("sgd forgives a learning rate that is off: over 0.5 decades")
    assert tuning.region_sentence(regions.assign(decades=np.nan)) == ""
    assert tuning.region_sentence(regions.assign(rates=3)) == ""


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
    told = tuning.region_sentence(regions.assign(open=opened, rates=5, step=0.5))
    assert told.startswith(head) and told.endswith(tail)


def test_what_fewer_trials_would_cost_is_told() -> None:
    cells = [("a", "relu", "sgd"), ("a", "tanh", "sgd"), ("a", "elu", "sgd")]
    rows = [(*cell, k, 0.9 - 0.1 * (3 - k) * (i + 1)) for i, cell in enumerate(cells) for k in (1, 2, 3)]
    trials = pd.DataFrame(rows, columns=[*stats.CELL, "trials", "expected"])
    metric = Metric.of(TASKS["a"])
    assert tuning.budget_sentence(trials, metric, 0.1) == (
        "In validation accuracy, with only 2 of its 3 trials, drawn at random, a cell would be expected to lose 20.0 "
        "points; with a single one, 40.0 points (medians over the cells)."
    )
    assert tuning.budget_sentence(trials[trials["trials"] < 3], metric, 0.1) == ""
    assert tuning.budget_sentence(trials.iloc[:0], metric, 0.1) == ""


def test_a_loss_of_more_than_a_cell_gains_is_told_in_words() -> None:
    rows = [("e", "relu", "sgd", k, expected) for k, expected in ((1, 7e21), (2, 60.0), (3, 55.0))]
    trials = pd.DataFrame(rows, columns=[*stats.CELL, "trials", "expected"])
    assert tuning.budget_sentence(trials, Metric.of(REGRESSION), REGRESSION["baseline"]).endswith(
        "to lose 5.00; with a single one, more than all it gains over the baseline (medians over the cells)."
    )


def test_a_trial_that_diverged_infinitely_counts_in_what_fewer_trials_cost() -> None:
    """And does not remove its cell, so that the median would be of the forgiving ones alone."""
    cells = [("e", "relu", name) for name in ("sgd", "adam", "lion")]
    losses = [(np.inf, np.inf, 3.0), (np.inf, 5.0, 4.0), (6.0, 5.0, 4.0)]
    rows = [(*cell, k, of[k - 1]) for cell, of in zip(cells, losses, strict=True) for k in (1, 2, 3)]
    trials = pd.DataFrame(rows, columns=[*stats.CELL, "trials", "expected"])
    told = tuning.budget_sentence(trials, Metric.of(REGRESSION), REGRESSION["baseline"])
    more = "more than all it gains over the baseline"
    assert told.endswith(f"lose 1.00; with a single one, {more} (medians over the cells).")
    never = pd.DataFrame([("e", "elu", "sgd", k, np.inf) for k in (1, 2, 3)], columns=trials.columns)
    lost = pd.concat([trials, never])
    assert tuning.budget_sentence(lost, Metric.of(REGRESSION), 1.0).endswith("(medians over 3 of 4 cells).")


def test_cells_below_the_baseline_that_lose_nothing_are_told_so() -> None:
    rows = [("a", "relu", "sgd", k, 0.05) for k in (1, 2, 3)]
    trials = pd.DataFrame(rows, columns=[*stats.CELL, "trials", "expected"])
    told = tuning.budget_sentence(trials, Metric.of(TASKS["a"]), 0.1)
    assert told.endswith("lose 0.0 points; with a single one, 0.0 points (medians over the cells).")


def test_what_tuning_brought_is_told(run: SyntheticRun) -> None:
    table = tuning.default_against_tuned(run.trials, TASKS, run.manifest["optimizers"])
    own = table[table["task"] == "a"]
    better, known = int(own["beaten"].sum()), int(own["default_rate"].notna().sum())
    told = tuning.default_sentence(own, Metric.of(TASKS["a"]))
    assert told.startswith(f"Tuning beat the conventional learning rate in {better} of {known} cells; ")
    gained = f"over all {known} is {100 * own['gain'].median():.1f} points"
    assert told.endswith(f"{gained} (optimistic: the best of noisy trials looks better than it is).")
    assert tuning.default_sentence(own.assign(default_rate=np.nan), Metric.of(TASKS["a"])) == ""


def test_trials_and_regions_are_there_for_every_cell(run: SyntheticRun) -> None:
    assert len(stats.best_so_far(run.trials, TASKS)) == 5 * 6 * 5
    assert len(stats.good_region(run.trials, TASKS)) == 5 * 6


def test_no_optimizer_forgives_more_for_less_than_half_a_step_of_the_grid() -> None:
    regions = pd.DataFrame({"optimizer": ["sgd", "adam"], "decades": [0.12, 0.17], "open": False, "rates": 5})
    kept = "95 % of what its best one gains over the baseline"
    assert tuning.region_sentence(regions.assign(step=1.0)) == (
        "No optimizer forgives a learning rate that is off much more than another, as far as the rates that were tried "
        f"show: over 0.1 to 0.2 decades of learning rates (medians) each keeps {kept}."
    )
    assert tuning.region_sentence(regions.assign(step=0.05)).startswith("adam is the most forgiving")
    three = pd.DataFrame({"optimizer": ["sgd", "adam", "lion"], "decades": [1.95, 2.0, 0.3], "rates": 5, "step": 0.5})
    assert tuning.region_sentence(three.assign(open=False)) == (
        f"sgd and adam are the most forgiving: over 1.9 to 2.0 decades of learning rates (medians) each keeps {kept}; "
        "lion is the least forgiving, 0.3 decades."
    )
    told = tuning.region_sentence(three[:2].assign(open=[False, True]))
    assert told.startswith("No optimizer") and "over at least 1.9 to 2.0 decades" in told


def test_where_tuning_halves_it_is_said_what_the_trials_were_seen_after(run: SyntheticRun) -> None:
    assert tuning.first_rung(run.lanes) == ""
    halved = run.lanes.copy()
    tuned = halved.index[halved["phase"] == "tune"]
    halved["steps"] = 54
    halved.loc[tuned[: len(tuned) // 2], "steps"] = 6
    assert tuning.first_rung(halved) == "6 of 54 steps"
    assert tuning.first_rung(halved[halved["phase"] == "evaluate"]) == ""
