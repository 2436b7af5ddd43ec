"""What tuning saw: learning rates, how forgiving they are, what more trials bring, who was tuned too little."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import gammaln

from bench.stats.metric import CELL, TRIAL, UNTOLD, Floats, Metric, Tasks, finished, score_table, scores, tried
from bench.stats.moderated import LEVEL, moderated_tests
from bench.stats.pairs import holm

GOOD = 0.05  # of the way from the baseline to the best rate: what may be lost within the good region


def learning_rate_sensitivity(lanes: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """What tuning saw: one row for each cell and trial, so for each learning rate of a grid.

    Columns: the cell, `learning_rate`, `hyperparameters` (JSON), `validation_metric` (mean over tuning seeds), `lanes`,
    `diverged_share`, and `chosen`: the trial that was evaluated or, where none was yet, the best one. Where tuning
    halves, each trial is as the first rung saw it: all after the same steps.
    """
    seen = tried(lanes)
    seen = seen.assign(
        validation_metric=scores(seen, "validation_metric", tasks), diverged=seen["status"] == "diverged"
    )
    groups = seen.groupby([*CELL, *TRIAL], sort=False)
    table = groups.agg(
        validation_metric=("validation_metric", "mean"),
        lanes=("seed", "size"),
        diverged_share=("diverged", "mean"),
    ).reset_index()
    told = [c for c in TRIAL if c in lanes]
    evaluated = finished(lanes, "evaluate").groupby(CELL)[told].first()
    picked = evaluated.combine_first(best_trials(table, tasks)).rename(columns=lambda c: f"picked_{c}")
    picked = table.join(picked, on=CELL)
    rate = picked["picked_learning_rate"].astype(float)
    table["chosen"] = np.isclose(table["learning_rate"], rate, rtol=1e-6, atol=0)
    table["chosen"] &= table["hyperparameters"] == picked["picked_hyperparameters"]
    return table


def best_trials(sensitivity: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """Of each cell the trial, `learning_rate` and `hyperparameters`, with the best mean on validation data.

    The one with the lowest rate of several.
    """
    ranked = sensitivity.assign(order=-sensitivity["validation_metric"] * _signs(sensitivity, tasks))
    ranked = ranked.sort_values(["order", "learning_rate"], kind="stable")
    return ranked.groupby(CELL, sort=False)[[c for c in TRIAL if c in ranked]].first()


def best_learning_rates(sensitivity: pd.DataFrame, tasks: Tasks) -> "pd.Series[float]":
    """The rate of each cell with the best mean on validation data; the lowest of several."""
    return best_trials(sensitivity, tasks)["learning_rate"]


def equal_trials(lanes: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """The cells whose best trials were told apart by nothing but their validation loss, or their rate.

    Those of the last rung, where tuning halves. Columns: the cell; its `trials`; how many of them are `equal` in the
    best mean validation score, two or more.
    """
    seen = finished(lanes.assign(**{c: of for c, of in UNTOLD.items() if c not in lanes}), "tune")
    seen = seen[seen["steps"] == seen.groupby(CELL, sort=False)["steps"].transform("max")]
    seen = seen.assign(gain=scores(seen, "validation_metric", tasks) * _signs(seen, tasks))
    means = seen.groupby([*CELL, *TRIAL], sort=False)["gain"].mean().reset_index()
    best = means.groupby(CELL, sort=False)["gain"].transform("max")
    means["equal"] = np.isclose(means["gain"], best, rtol=1e-7, atol=0)
    counts = means.groupby(CELL, sort=False).agg(trials=("equal", "size"), equal=("equal", "sum"))
    return counts[counts["equal"] > 1].reset_index()


def _signs(rows: pd.DataFrame, tasks: Tasks) -> "pd.Series[float]":
    signs = rows["task"].map({name: Metric.of(task).sign for name, task in tasks.items()})
    return signs.astype(float)  # of no rows pandas would keep the type of the names


def several_searched(rows: pd.DataFrame) -> bool:
    """Whether the trials of a cell differ in more than their learning rate."""
    return "hyperparameters" in rows and rows["hyperparameters"].nunique() > 1


def good_region(sensitivity: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """How forgiving each cell is of its learning rate.

    A rate is good where the mean validation score loses at most `GOOD` of the way from the task's
    baseline to the cell's best rate. Between rates of the grid the score runs straight over log10 of the rate.
    Columns: the cell, `low` and `high` (ends of the region that holds the best rate), `decades` = log10(high / low),
    `open`: it reaches an end of the grid, so that it may be wider; how many `rates` were tried, and the widest `step`
    from one to the next, in decades. NaN where the best is no better than the baseline, and where the trials of the
    cell differ in more than their rate. `sensitivity`: what `learning_rate_sensitivity` gave.
    """
    found = [
        (*key, *_region(rows.sort_values("learning_rate"), tasks[key[0]]), len(rows), _widest(rows))
        for key, rows in sensitivity.groupby(CELL, sort=False)
    ]
    return pd.DataFrame(found, columns=[*CELL, "low", "high", "decades", "open", "rates", "step"])


def _widest(rows: pd.DataFrame) -> float:
    return float(np.diff(np.sort(np.log10(rows["learning_rate"]))).max(initial=0.0))


def _region(rows: pd.DataFrame, task: Mapping[str, Any]) -> tuple[float, float, float, bool]:
    sign = Metric.of(task).sign
    x, y = np.log10(rows["learning_rate"].to_numpy()), sign * rows["validation_metric"].to_numpy()
    best, baseline = int(y.argmax()), sign * float(task["baseline"])
    if not y[best] > baseline or several_searched(rows):
        return np.nan, np.nan, np.nan, False
    least = y[best] - GOOD * (y[best] - baseline)
    up, down = (_reach(x[best::step], y[best::step], least) for step in (1, -1))
    return 10**down, 10**up, up - down, bool(up == x[-1] or down == x[0])


def _reach(x: Floats, y: Floats, least: float) -> float:
    """Where y [n], at the start above `least`, first falls to it, straight between x [n]; else the last of x."""
    below = np.flatnonzero(y < least)
    if not len(below):
        return float(x[-1])
    i = int(below[0])
    share = (y[i - 1] - least) / (y[i - 1] - y[i]) if np.isfinite(y[i]) else 0.0
    return float(x[i - 1] + share * (x[i] - x[i - 1]))


def expected_best(values: ArrayLike) -> Floats:
    """The expected best of k of `values` [n] drawn without replacement, for k = 1, ..., n.

    E_k = Σ_i v_(i) C(i - 1, k - 1) / C(n, k) over the ascending values: of {1, 2, 3, 4}, k = 2: 10/3. Values of
    which more is better; an infinite one counts only where it can be the best.
    Source: Dodge et al., Show Your Work, 2019, with replacement; the form without is ours.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    i, k = np.arange(1, n + 1), np.arange(1, n + 1)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(i >= k, np.exp(_log_choose(i - 1, k - 1) - _log_choose(n, k)), 0.0)
        found: Floats = np.where(weight > 0, weight * ordered, 0.0).sum(axis=1)
    return found


def _log_choose(n: Any, k: Any) -> Any:
    """log C(n, k), of any value where k > n."""
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(np.maximum(n - k, 0) + 1)


def best_so_far(sensitivity: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """The validation score that a cell would be expected to reach with fewer trials, drawn at random from its own.

    Columns: the cell, `trials` (1 to the number of them), `expected`: see `expected_best`.
    """
    parts = []
    for key, rows in sensitivity.groupby(CELL, sort=False):
        sign = Metric.of(tasks[key[0]]).sign
        expected = sign * expected_best(sign * rows["validation_metric"].to_numpy())
        cell = dict(zip(CELL, key, strict=True))
        parts.append(pd.DataFrame({**cell, "trials": np.arange(1, len(rows) + 1), "expected": expected}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*CELL, "trials", "expected"])


def default_against_tuned(sensitivity: pd.DataFrame, tasks: Tasks, defaults: Mapping[str, float]) -> pd.DataFrame:
    """What tuning brought over the optimizer's conventional learning rate, on validation data.

    `defaults`: optimizer label -> its conventional rate. The default's column is the rate of the cell's grid that is
    nearest to it, where the grid has one within half a step; else, and where the trials of the cell differ in more than
    their rate, NaN. Columns: the cell, `default_rate`,
    `default_metric`, `tuned_rate`, `tuned_metric`, `gain` (positive where tuning helped), `beaten` (the best rate is
    another one, and better). The tuned score is the best of several and so a little too good.
    Source: Schmidt, Schneider and Hennig, Descending through a Crowded Valley, 2021.
    """
    found = [
        (*key, *_against_default(rows, Metric.of(tasks[key[0]]).sign, defaults.get(key[2], np.nan)))
        for key, rows in sensitivity.groupby(CELL, sort=False)
    ]
    columns = ["default_rate", "default_metric", "tuned_rate", "tuned_metric", "gain", "beaten"]
    return pd.DataFrame(found, columns=[*CELL, *columns])


def _against_default(rows: pd.DataFrame, sign: int, default: float) -> tuple[float, float, float, float, float, bool]:
    ordered = rows.sort_values("learning_rate")
    rates, values = ordered["learning_rate"].to_numpy(), ordered["validation_metric"].to_numpy()
    best = int((sign * values).argmax())
    near = None if several_searched(rows) else _nearest(rates, default)
    if near is None:
        return np.nan, np.nan, rates[best], values[best], np.nan, False
    gain = 0.0 if values[best] == values[near] else float(sign * (values[best] - values[near]))
    return rates[near], values[near], rates[best], values[best], gain, gain > 0


def _nearest(rates: Floats, default: float) -> int | None:
    """The place of the rate nearest to `default` in logarithms, None where none is within half a step."""
    if not default > 0:
        return None
    off = np.abs(np.log10(rates / default))
    half = np.diff(np.log10(rates)).max() / 2 if len(rates) > 1 else 0.0
    place = int(off.argmin())
    return place if off[place] <= half + 1e-6 else None


def under_tuned(lanes: pd.DataFrame, tasks: Tasks, contains: Mapping[str, frozenset[str]]) -> pd.DataFrame:
    """Cells that lose to a cell of an optimizer which theirs contains, beyond chance at 5 %.

    `contains`: optimizer label -> the labels that it equals for some arguments: tuned as well, it should not lose to
    them, so that where it does its tuning fell short (too coarse a grid, arguments left at their defaults). Two-sided
    moderated t tests over the shared seeds, to which all cells but those that lost seeds lend their noise, with Holm
    over the relations of all tasks. Columns: task, activation, `optimizer`, `contained`, `difference`
    (contained - optimizer, evaluation mean), `p_value`.
    Source: Choi et al., On Empirical Comparisons of Optimizers for Deep Learning, 2019.
    """
    columns = ["task", "activation", "optimizer", "contained", "difference", "p_value"]
    rows = [row for task in tasks for row in _relations(lanes, tasks, task, contains)]
    found = pd.DataFrame(rows, columns=columns)
    if found.empty:
        return found
    found["p_value"] = holm(found["p_value"])
    behind = found["difference"] * _signs(found, tasks) > 0
    return found[behind & (found["p_value"] < LEVEL)].reset_index(drop=True)


def _relations(
    lanes: pd.DataFrame, tasks: Tasks, task: str, contains: Mapping[str, frozenset[str]]
) -> list[tuple[Any, ...]]:
    """Each relation of a task, with the p-value of its own test."""
    table = score_table(lanes, tasks, task)
    place = {cell: i for i, cell in enumerate(table.index)}
    relations = [
        (cell, (cell[0], inner))
        for cell in table.index
        for inner in sorted(contains.get(cell[1], frozenset()))
        if (cell[0], inner) in place
    ]
    if not relations:
        return []
    pairs = np.array([[place[one], place[two]] for one, two in relations])
    values, means = table.to_numpy(), table.mean(axis=1).to_numpy()
    done = finished(lanes[lanes["task"] == task], "evaluate")
    survived = done["status"].eq("ok").groupby([done[column] for column in CELL[1:]]).all().reindex(table.index)
    p = moderated_tests(values, pairs, survived.to_numpy(bool) & np.isfinite(values).all(axis=1))
    differences = means[pairs[:, 1]] - means[pairs[:, 0]]
    return [
        (task, *cell, inner[1], float(d), float(q))
        for (cell, inner), d, q in zip(relations, differences, p, strict=True)
    ]
