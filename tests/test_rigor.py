"""The rules that a benchmark's statistics must keep, each with a case whose answer is known.

Rules that need training are held elsewhere: scikit-learn's own example in test_sklearn_example.py, optax's test
problems in test_optax_problems.py, every inclusion of the table in test_optimizers.py.
"""

import numpy as np
import pandas as pd
import pytest
from scored import ACCURACY, NO_TIMES, evaluated
from synthetic import make_run

from bench import stats, validate
from bench.findings import crosstask, tuning
from bench.validate import CASES, Case

NAN = float("nan")
RULES = {
    "lanes": "every lane planned is a row",
    "divergence": "divergence never helps",
    "bootstrap": "intervals are seeded, and as sure as is said",
    "improvement": "ties count a half",
    "ranks": "blocks are tasks, and too few are refused",
    "profile": "a miss is infinite",
    "selection": "select on validation, score on test",
    "verdict": "the best is among those not told from it",
    "inclusion": "a method equals what it contains",
    "budget": "trials are counted",
    "power": "what a number of seeds can see is said",
    "activation": "closed forms",
    "convergence": "Adam's counter-example",
}


def test_every_rule_has_its_cases() -> None:
    assert {case.topic for case in CASES} == set(RULES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{RULES[case.topic]}: {case.name}")
def test_known_answer(case: Case) -> None:
    (one,) = validate.replay((case,))
    assert one.ok, f"got {one.got}, expected {one.expected}"


@pytest.mark.parametrize("column", ["test_metric", "ci_low", "ci_high"])
def test_divergence_never_helps_whatever_the_statistic(column: str) -> None:
    values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    whole = stats.convergence(evaluated({"x": values}), NO_TIMES, ACCURACY)[column].item()
    for place in range(8):
        lost = [NAN if i == place else value for i, value in enumerate(values)]
        assert stats.convergence(evaluated({"x": lost}), NO_TIMES, ACCURACY)[column].item() <= whole
        assert stats.iqm(lost, worst=0.0) <= stats.iqm(values)


@pytest.mark.parametrize(("seeds", "share"), [(3, 0.75), (30, 0.94)])
def test_the_interval_covers_as_is_said(seeds: int, share: float) -> None:
    assert validate._coverage(seeds, 800) == pytest.approx(share, abs=0.03)


def test_ranks_are_refused_where_cells_are_missing() -> None:
    table = stats.convergence(evaluated({"x": [0.9], "y": [0.8]}), NO_TIMES, ACCURACY)
    assert "1 task is too few" in crosstask.rank_test(table, ACCURACY).sentence


def test_a_target_never_reached_is_infinite_and_scores_nothing() -> None:
    lanes = evaluated({"x": [0.9, 0.8]}).assign(steps_to_target=np.inf)
    found = stats.convergence(lanes, NO_TIMES, ACCURACY)
    assert found["steps_to_target"].item() == np.inf
    assert stats.performance_profile(pd.DataFrame({"t": found["steps_to_target"]})).scores.item() == 0


def test_tuned_adam_that_loses_to_tuned_momentum_is_under_tuned() -> None:
    good = np.array([0.90, 0.91, 0.92, 0.93, 0.94])
    frame = evaluated({"adam": list(good - [0.1, 0.11, 0.1, 0.09, 0.1]), "momentum": list(good)})
    found = tuning.under_tuned(frame, ACCURACY)
    assert list(found["optimizer"]) == ["adam"]
    assert list(found["contained"]) == ["momentum"]


def test_every_cell_gets_the_same_trials_and_the_default_its_own_column() -> None:
    run = make_run()
    tasks = run.manifest["tasks"]
    trials = stats.best_so_far(run.trials, tasks).groupby(stats.CELL)["trials"].max()
    assert trials.nunique() == 1
    found = tuning.default_against_tuned(run.trials, tasks, run.manifest["optimizers"])
    assert len(found) == 42
    assert (found["gain"] >= 0).all()


def test_methods_that_lose_to_what_they_contain_are_tested_as_one_family_over_all_tasks() -> None:
    good, step = np.array([0.90, 0.91, 0.92, 0.93, 0.94]), np.array([0.004, 0.012, 0.008, 0.001, 0.011])
    scores = {"adam": list(good - step), "momentum": list(good)}
    alone = evaluated(scores)
    assert len(tuning.under_tuned(alone, ACCURACY)) == 1
    many = [f"t{i}" for i in range(20)]
    level = pd.concat([evaluated({"adam": list(good), "momentum": list(good)}).assign(task=name) for name in many])
    tasks = ACCURACY | dict.fromkeys(many, ACCURACY["t"])
    assert tuning.under_tuned(pd.concat([alone, level]), tasks).empty
