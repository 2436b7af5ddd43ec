"""What each cell reached: summaries over its seeds, intervals, curves."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bench.losses import rounded
from bench.stats.metric import CELL, Floats, Metric, Tasks, finished, scores

CONVERGENCE = [
    *CELL,
    *("learning_rate", "at_grid_edge", "seeds", "test_metric", "ci_low", "ci_high"),
    *("steps_to_target", "seconds_to_target", "diverged_share", "rank"),
]
COLLAPSED = 0.25  # of what its cell's median gains over the baseline: a seed that gains less collapsed
EDGE = 0.05  # of a range, in logarithms: a rate so near to an end counts as at it
MOST_PLACES = 2_000_000  # of resampled values at once: 16 MB
QUARTILES = {"low": 0.25, "middle": 0.5, "high": 0.75}


@lru_cache(maxsize=32)
def _resamples(size: int, resamples: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, size, (resamples, size))


def _drawn(size: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """The places [some, size] of all resamples, in parts that fit in memory; few are kept for the next sample."""
    if resamples * size <= MOST_PLACES:
        yield _resamples(size, resamples, seed)
        return
    random, some = np.random.default_rng(seed), max(1, MOST_PLACES // size)
    for start in range(0, resamples, some):
        yield random.integers(0, size, (min(some, resamples - start), size))


CONFIDENCE = 0.95


def bootstrap_interval(
    values: ArrayLike,
    resamples: int = 10_000,
    seed: int = 0,
    statistic: Callable[..., Floats] = np.mean,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean, or of another statistic `statistic(values, axis=1)`.

    The 2.5 and 97.5 % quantiles of the means of `resamples` draws with replacement of `values` [n].
    Fewer than two values have no interval: (NaN, NaN). Infinite values give infinite ends. An interval from
    few values is too short: at 95 % it covers 75, 84, 90, 94 % of the time for n = 3, 5, 10, 30.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    sample = np.asarray(values, dtype=float)
    if len(sample) < 2 or np.isnan(sample).any():
        return np.nan, np.nan
    means = np.concatenate([statistic(sample[places], axis=1) for places in _drawn(len(sample), resamples, seed)])
    tail = (1 - CONFIDENCE) / 2
    # no interpolation: between a finite and an infinite mean it has no answer
    low, high = np.quantile(means, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


def iqm(values: ArrayLike, worst: float = np.nan) -> float:
    """Interquartile mean: the mean of `values` [...] without the lowest and the highest quarter of them.

    NaN becomes `worst` first, so that a diverged lane never helps.
    Source: Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, 2021.
    """
    ordered = np.sort(np.nan_to_num(np.asarray(values, dtype=float).ravel(), nan=worst, posinf=np.inf, neginf=-np.inf))
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def collapsed(lanes: pd.DataFrame, tasks: Tasks) -> "pd.Series[int]":
    """By cell, how many evaluation seeds collapsed, of the cells that have such.

    A seed collapsed where it was carried through and yet gains over the task's baseline less than a quarter of what
    the median of its cell gains. A cell whose median does not beat the baseline has none.
    """
    done = finished(lanes, "evaluate")
    signs = done["task"].map({name: Metric.of(task).sign for name, task in tasks.items()}).astype(float)
    baselines = done["task"].map({name: task["baseline"] for name, task in tasks.items()}).astype(float)
    gain = signs * (scores(done, "test_metric", tasks) - baselines)
    middle = gain.groupby([done[column] for column in CELL]).transform("median")
    lost = done[(middle > 0) & (gain < COLLAPSED * middle) & (done["status"] == "ok")]
    return lost.groupby(CELL, sort=False).size()


def convergence(
    lanes: pd.DataFrame, throughput: pd.DataFrame, tasks: Tasks, searched: Mapping[str, Any] = MappingProxyType({})
) -> pd.DataFrame:
    """One row a cell, in the order of the lanes: what its evaluation seeds reached, how surely, how soon.

    `test_metric` is the mean over the evaluation seeds, `ci_low` and `ci_high` its bootstrap interval;
    `steps_to_target` the median (infinite when missed); `seconds_to_target` = steps x seconds of a step /
    width of the chunk, so the amortised seconds of one worker for one network. `rank` is within the task, 1
    the best, ties share the mean rank. A cell that was not evaluated has NaN.

    `searched`: optimizer label -> the `low` and `high` of each number that was drawn and not on a grid. With it there
    are the chosen `hyperparameters` after the learning rate, and `at_grid_edge` is a rate within 5 % of either end of
    its range, in logarithms.
    """
    if lanes.empty:
        return pd.DataFrame({column: pd.Series(dtype=object) for column in CONVERGENCE})
    done = finished(lanes, "evaluate").copy()
    done["test_metric"] = scores(done, "test_metric", tasks)
    evaluated = {key: done.iloc[rows] for key, rows in done.groupby(CELL, sort=False).indices.items()}
    grids = lanes[lanes["phase"] == "tune"].groupby(CELL)["learning_rate"].agg(["min", "max"])
    ends = {label: of["learning_rate"] for label, of in searched.items()}
    seconds = (throughput["step_s_median"] / throughput["width"]).groupby([throughput[c] for c in CELL]).median()
    cells = lanes[CELL].drop_duplicates().itertuples(index=False, name=None)
    rows = [_cell(key, evaluated.get(key), grids, seconds, ends.get(key[2])) for key in cells]
    table = pd.DataFrame(rows)
    signs = table["task"].map({name: -Metric.of(task).sign for name, task in tasks.items()})
    signed = (table["test_metric"] * signs).map(rounded)
    table["rank"] = signed.groupby(table["task"]).rank(method="average")
    place = CONVERGENCE.index("learning_rate") + 1
    return table[[*CONVERGENCE[:place], *["hyperparameters"] * bool(searched), *CONVERGENCE[place:]]]


def _cell(
    key: tuple[str, str, str],
    evaluated: pd.DataFrame | None,
    grids: pd.DataFrame,
    seconds: "pd.Series[float]",
    ends: Mapping[str, float] | None,
) -> dict[str, Any]:
    row: dict[str, Any] = dict(zip(CELL, key, strict=True))
    if evaluated is None:
        missing = [c for c in CONVERGENCE[3:] if c not in ("at_grid_edge", "seeds", "rank")]
        return row | {"at_grid_edge": False, "seeds": 0, "hyperparameters": "{}"} | dict.fromkeys(missing, np.nan)
    values = evaluated["test_metric"].to_numpy()
    rate = float(evaluated["learning_rate"].iloc[0])
    steps = float(np.median(evaluated["steps_to_target"].fillna(np.inf)))
    low, high = bootstrap_interval(values)
    on_grid = _at_edge(rate, *grids.loc[key]) if key in grids.index else False
    return row | {
        "learning_rate": rate,
        "hyperparameters": evaluated["hyperparameters"].iloc[0] if ends else "{}",
        "at_grid_edge": _near_an_end(rate, ends["low"], ends["high"]) if ends else on_grid,
        "seeds": len(values),
        "test_metric": float(values.mean()),
        "ci_low": low,
        "ci_high": high,
        "steps_to_target": steps,
        "seconds_to_target": steps * float(seconds.get(key, np.nan)) if np.isfinite(steps) else np.inf,
        "diverged_share": float((evaluated["status"] == "diverged").mean()),
    }


def _at_edge(rate: float, low: float, high: float) -> bool:
    return bool(low < high and np.isclose([low, high], rate, rtol=1e-6, atol=0).any())


def _near_an_end(rate: float, low: float, high: float) -> bool:
    if not low < high:
        return False
    share = np.log(rate / low) / np.log(high / low)
    return bool(min(share, 1 - share) < EDGE)


def curve_bands(curves: pd.DataFrame, lanes: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """Median and quartiles of the validation metric over the evaluation seeds of each cell at each step.

    Columns: the cell, `step`, `low` (25 %), `middle` (50 %), `high` (75 %). After a divergence a lane has the
    worst value, so the band falls to it.
    """
    done = finished(lanes, "evaluate")
    joined = curves[["lane", "step", "validation_metric"]].merge(done[["lane", *CELL]], on="lane").assign(status="ok")
    # quantiles interpolate, and between two infinities they have no answer: a huge number stands in
    joined["value"] = np.nan_to_num(scores(joined, "validation_metric", tasks), posinf=1e300, neginf=-1e300)
    groups = joined.groupby([*CELL, "step"], sort=False)["value"]
    bands = pd.DataFrame({name: groups.quantile(q) for name, q in QUARTILES.items()})
    bands = bands.mask(bands > 1e200, np.inf).mask(bands < -1e200, -np.inf)
    return bands.reset_index().sort_values([*CELL, "step"], kind="stable")
