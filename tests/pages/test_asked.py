"""What was asked of a run, in words: its cells and its budget."""

import pytest
from synthetic import make_run, searched, task_entry

from bench.pages.asked import asked

TASKS = {"digits_mlp": task_entry()}


def test_cells_networks_and_budget_are_counted() -> None:
    cells, budget = asked(make_run(["relu", "tanh"], ["sgd", "adam"], TASKS, rates=5, tune=2, evaluate=6, steps=500))
    assert cells == (
        "2 activations × 2 optimizers × 1 task: 4 cells, 64 networks. Each network trains for 500 steps of 64 examples."
    )
    assert budget.startswith(
        "Each cell is tuned alike: 5 learning rates between 0.0001 and 1, 2 seeds each; the best one"
    )
    assert "with 6 other seeds and scored on test data, which tuning never sees." in budget


def test_a_run_of_which_nothing_was_trained_says_so_alone() -> None:
    run = make_run(["relu"], ["sgd"], TASKS)
    run.lanes["status"] = "interrupted"
    assert asked(run) == ("No network was trained.",)


def test_factors_of_a_rate_are_not_mixed_with_rates() -> None:
    _, budget = asked(make_run(["none"], ["sgd", "prodigy"], {"valley": task_entry(uses_activation=False)}))
    assert "5 learning rates between 0.0001 and 1 or 5 factors between 0.0001 and 1" in budget
    assert "of the rate that an optimizer finds itself" in budget
    named = make_run(["none"], ["sgd", "calm"], {"valley": task_entry(uses_activation=False)})
    named.manifest["optimizers"]["calm"]["base"] = "prodigy"
    assert "or 5 factors between 0.0001 and 1" in asked(named)[1]


@pytest.mark.parametrize(
    ("rates", "told"), [(1, "one learning rate, 2 seeds each"), (3, "3 learning rates between 0.0001 and 1,")]
)
def test_a_single_rate_is_no_range(rates: int, told: str) -> None:
    assert told in asked(make_run(["relu"], ["sgd"], TASKS, rates=rates))[1]


def test_rungs_of_a_halving_are_told_with_how_much_longer_they_train() -> None:
    run = searched(make_run(["relu"], ["sgd", "adam"], TASKS))
    run.manifest["suite"]["tuning"] = {"method": "halving", "of": "sobol", "trials": 9, "eta": 3}
    told = asked(run)[1]
    assert "9 trials of a Sobol sequence over learning rate, then the best 3 and 1 of them, each for 3 times as" in told
