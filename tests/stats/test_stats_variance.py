"""Analysis of variance: against a least-squares fit, and where the shares are known."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import f as f_distribution
from synthetic import make_run, task_entry

from bench import stats
from bench.stats import Metric

TASKS = {"t": task_entry(metric={"name": "R²", "direction": "maximize", "unit": "", "scale": 1, "worst": -np.inf})}


def lanes(y: np.ndarray) -> pd.DataFrame:
    """Evaluation lanes of y [activation, optimizer, seed]."""
    rows = [("t", f"a{i}", f"o{j}", "evaluate", "ok", k, y[i, j, k]) for i, j, k in np.ndindex(*y.shape)]
    return pd.DataFrame(rows, columns=[*stats.CELL, "phase", "status", "seed", "test_metric"])


def shares(y: np.ndarray) -> pd.DataFrame:
    return stats.variance_shares(lanes(y), TASKS, "t").set_index("source")


def test_sums_of_squares_are_those_of_nested_least_squares_fits() -> None:
    y = np.random.default_rng(0).normal(size=(3, 4, 5))
    a, o, s = (np.eye(n)[index.ravel()] for n, index in zip(y.shape, np.indices(y.shape), strict=True))
    both = np.einsum("ni,nj->nij", a, o).reshape(y.size, -1)
    designs = [np.ones((y.size, 1)), a, np.hstack([a, o]), both, np.hstack([both, s])]
    residual = [float(((y.ravel() - x @ np.linalg.lstsq(x, y.ravel(), rcond=None)[0]) ** 2).sum()) for x in designs]
    found = shares(y)
    assert list(found["squares"]) == pytest.approx([*-np.diff(residual), residual[-1]])
    assert list(found["freedom"]) == [2, 3, 6, 4, 44]


def test_shares_add_up_and_an_optimizer_that_does_all_has_all() -> None:
    y = np.tile(np.arange(4.0)[None, :, None], (3, 1, 5))
    found = shares(y)
    assert found["eta2"].sum() == pytest.approx(1)
    assert found.loc["optimizer", "omega2"] == pytest.approx(1)
    assert found.loc["rest", "omega2"] == pytest.approx(0)


def test_omega_squared_finds_the_shares_that_were_put_in() -> None:
    rng = np.random.default_rng(1)
    y = 2 * rng.normal(size=(40, 1, 1)) + rng.normal(size=(1, 40, 1)) + rng.normal(size=(40, 40, 3))
    found = shares(y)["omega2"]
    assert found["activation"] == pytest.approx(4 / 6, abs=0.15)
    assert found["optimizer"] == pytest.approx(1 / 6, abs=0.1)
    assert found["both"] < 0.02
    assert found.sum() == pytest.approx(1)


def test_of_pure_noise_nothing_is_explained() -> None:
    found = shares(np.random.default_rng(2).normal(size=(7, 6, 5)))
    assert found.loc["rest", "omega2"] > 0.8
    expected = f_distribution.sf(found["f"][:-1], found["freedom"][:-1], found.loc["rest", "freedom"])
    assert list(found["p_value"][:-1]) == pytest.approx(list(expected))
    assert (found["p_value"][:-1] > 0.01).all()


def test_a_cell_that_is_missing_leaves_nothing_to_say() -> None:
    frame = lanes(np.random.default_rng(0).normal(size=(2, 2, 3)))
    assert stats.variance_shares(frame.iloc[3:], TASKS, "t").empty
    assert stats.variance_shares(frame.iloc[1:], TASKS, "t").empty
    assert stats.share_sentence(stats.variance_shares(frame.iloc[1:], TASKS, "t"), Metric.of(TASKS["t"])) == ""


def test_equal_scores_have_no_spread() -> None:
    found = stats.variance_shares(lanes(np.full((2, 3, 4), 0.5)), TASKS, "t")
    assert stats.share_sentence(found, Metric.of(TASKS["t"])) == "All cells have the same test R²."


def test_the_learning_rate_has_its_share_of_tuning() -> None:
    run = make_run()
    tasks = run.manifest["tasks"]
    found = stats.tuning_shares(run.lanes, tasks, "digits_mlp").set_index("source")
    assert found["eta2"].sum() == pytest.approx(1)
    assert found["freedom"].sum() == 420 - 1
    assert found["omega2"].idxmax() == "rate"


def test_trials_that_differ_in_more_than_their_rate_have_theirs() -> None:
    run = make_run()
    lanes = run.lanes.assign(hyperparameters=[f'{{"b1": {rate}}}' for rate in run.lanes["learning_rate"]])
    found = stats.tuning_shares(lanes, run.manifest["tasks"], "digits_mlp")
    rates = stats.tuning_shares(run.lanes, run.manifest["tasks"], "digits_mlp")
    assert list(found["source"]) == ["activation", "optimizer", "both", "trial", "rest"]
    assert list(found["omega2"]) == list(rates["omega2"])
    metric = Metric.of(run.manifest["tasks"]["digits_mlp"])
    assert "the learning rate and what else was searched" in stats.share_sentence(found, metric, "validation")


def test_the_sentence_names_the_largest_first_and_chance_last() -> None:
    y = np.random.default_rng(0).normal(size=(3, 4, 5)) + 3 * np.arange(4.0)[None, :, None]
    text = stats.share_sentence(stats.variance_shares(lanes(y), TASKS, "t"), Metric.of(TASKS["t"]))
    assert text.startswith("Of the spread in test R², 9")
    assert "% is due to the optimizer, " in text
    assert text.endswith("% to chance.")
