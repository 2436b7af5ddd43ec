"""Statistics of a run: frame in, frame out, every random draw seeded.

One rule stands before all others: a lane that diverged or failed has the worst value its metric can have,
before any mean, interval or rank. A lane that was interrupted was never measured and counts nowhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

CELL = ["task", "activation", "optimizer"]
CONVERGENCE = [
    *CELL,
    *("learning_rate", "at_grid_edge", "seeds", "test_metric", "ci_low", "ci_high"),
    *("steps_to_target", "seconds_to_target", "diverged_share", "rank"),
]
QUARTILES = {"low": 0.25, "middle": 0.5, "high": 0.75}
Floats = NDArray[np.float64]
Tasks = Mapping[str, Mapping[str, Any]]
Pair = tuple[str, str]


@dataclass(frozen=True)
class Metric:
    """How the metric of a task is read: its direction, its worst value, and how a person is shown it."""

    name: str
    direction: str
    unit: str
    scale: float
    worst: float

    @classmethod
    def of(cls, task: Mapping[str, Any]) -> "Metric":
        """The metric of one entry of a manifest's `tasks`."""
        entry = task["metric"]
        worst, scale = float(entry["worst"]), float(entry["scale"])
        return cls(entry["name"], entry["direction"], entry["unit"], scale, worst)

    @property
    def sign(self) -> int:
        """+1 where more is better, -1 where less is."""
        return 1 if self.direction == "maximize" else -1

    def show(self, value: float) -> str:
        """The value as a person reads it, without its unit."""
        if pd.isna(value):
            return "no data"
        if np.isinf(value):
            return "∞" if value > 0 else "−∞"
        shown = float(value) * self.scale
        if self.scale != 1:
            return f"{shown:.1f}"
        return f"{shown:,.0f}" if abs(shown) >= 1000 else f"{shown:.3g}"

    def plain(self, value: float) -> str:
        """A value that somebody set, such as a target: all its digits, and its unit."""
        return f"{value * self.scale:g}{f' {self.unit}' if self.unit else ''}"

    def told(self, value: float, half_width: float = np.nan) -> str:
        """The value with its uncertainty and its unit: `97.8 % ± 0.4`."""
        shown = self.show(value)
        unit = f" {self.unit}" if self.unit and np.isfinite(value) else ""
        spread = f" ± {half_width * self.scale:.{len(shown.partition('.')[2])}f}" if np.isfinite(half_width) else ""
        return f"{shown}{unit}{spread}"


def cell_label(activation: str, optimizer: str) -> str:
    """A cell's name: `relu + adam`, or the optimizer alone where a task has no activation."""
    return optimizer if activation == "none" else f"{activation} + {optimizer}"


@lru_cache(maxsize=32)
def _resamples(size: int, resamples: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, size, (resamples, size))


def bootstrap_interval(
    values: ArrayLike,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    statistic: Callable[..., Floats] = np.mean,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean, or of another statistic `statistic(values, axis=1)`.

    The `(1 ± confidence) / 2` quantiles of the means of `resamples` draws with replacement of `values` [n].
    Fewer than two values have no interval: (NaN, NaN). Infinite values give infinite ends. An interval from
    few values is too short: at 95 % it covers 75, 84, 90, 94 % of the time for n = 3, 5, 10, 30.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    sample = np.asarray(values, dtype=float)
    if len(sample) < 2 or np.isnan(sample).any():
        return np.nan, np.nan
    means = statistic(sample[_resamples(len(sample), resamples, seed)], axis=1)
    tail = (1 - confidence) / 2
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


def scores(frame: pd.DataFrame, column: str, tasks: Tasks) -> Floats:
    """`frame[column]` [rows] with the task's worst value where a lane diverged, failed or is not a number."""
    worst = frame["task"].map({name: Metric.of(task).worst for name, task in tasks.items()}).to_numpy(dtype=float)
    values = frame[column].to_numpy(dtype=float)
    bad = np.isnan(values) | frame["status"].isin(["diverged", "failed"]).to_numpy()
    found: Floats = np.where(bad, worst, values)
    return found


def finished(lanes: pd.DataFrame, phase: str) -> pd.DataFrame:
    """The lanes of a phase, tune or evaluate, that were carried through, whatever came of them."""
    return lanes[(lanes["phase"] == phase) & (lanes["status"] != "interrupted")]


def convergence(lanes: pd.DataFrame, throughput: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """One row a cell, in the order of the lanes: what its evaluation seeds reached, how surely, how soon.

    `test_metric` is the mean over the evaluation seeds, `ci_low` and `ci_high` its bootstrap interval;
    `steps_to_target` the median (infinite when missed); `seconds_to_target` = steps x seconds of a step /
    width of the chunk, so the amortised seconds of one worker for one network. `rank` is within the task, 1
    the best, ties share the mean rank. A cell that was not evaluated has NaN.
    """
    if lanes.empty:
        return pd.DataFrame({column: pd.Series(dtype=object) for column in CONVERGENCE})
    done = finished(lanes, "evaluate").copy()
    done["test_metric"] = scores(done, "test_metric", tasks)
    evaluated = {key: done.iloc[rows] for key, rows in done.groupby(CELL, sort=False).indices.items()}
    grids = lanes[lanes["phase"] == "tune"].groupby(CELL)["learning_rate"].agg(["min", "max"])
    seconds = (throughput["step_s_median"] / throughput["width"]).groupby([throughput[c] for c in CELL]).median()
    cells = lanes[CELL].drop_duplicates().itertuples(index=False, name=None)
    rows = [_cell(key, evaluated.get(key), grids, seconds) for key in cells]
    table = pd.DataFrame(rows)
    signs = table["task"].map({name: -Metric.of(task).sign for name, task in tasks.items()})
    signed = (table["test_metric"] * signs).map(_rounded)
    table["rank"] = signed.groupby(table["task"]).rank(method="average")
    return table[CONVERGENCE]


def _cell(
    key: tuple[str, str, str],
    evaluated: pd.DataFrame | None,
    grids: pd.DataFrame,
    seconds: "pd.Series[float]",
) -> dict[str, Any]:
    row: dict[str, Any] = dict(zip(CELL, key, strict=True))
    if evaluated is None:
        missing = [c for c in CONVERGENCE[3:] if c not in ("at_grid_edge", "seeds", "rank")]
        return row | {"at_grid_edge": False, "seeds": 0} | dict.fromkeys(missing, np.nan)
    values = evaluated["test_metric"].to_numpy()
    rate = float(evaluated["learning_rate"].iloc[0])
    steps = float(np.median(evaluated["steps_to_target"].fillna(np.inf)))
    low, high = bootstrap_interval(values)
    return row | {
        "learning_rate": rate,
        "at_grid_edge": _at_edge(rate, *grids.loc[key]) if key in grids.index else False,
        "seeds": len(values),
        "test_metric": float(values.mean()),
        "ci_low": low,
        "ci_high": high,
        "steps_to_target": steps,
        "seconds_to_target": steps * float(seconds.get(key, np.nan)) if np.isfinite(steps) else np.inf,
        "diverged_share": float((evaluated["status"] == "diverged").mean()),
    }


def _rounded(value: float) -> float:
    """To nine digits: means of the same values in another order are the same."""
    return float(f"{value:.9g}")


def _at_edge(rate: float, low: float, high: float) -> bool:
    return bool(low < high and np.isclose([low, high], rate, rtol=1e-6, atol=0).any())


def learning_rate_sensitivity(lanes: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """What tuning saw: one row for each cell and learning rate.

    Columns: the cell, `learning_rate`, `validation_metric` (mean over tuning seeds), `lanes`,
    `diverged_share`, and `chosen`: the rate that was evaluated or, where none was yet, the best one.
    """
    tuned = finished(lanes, "tune")
    tuned = tuned.assign(
        validation_metric=scores(tuned, "validation_metric", tasks), diverged=tuned["status"] == "diverged"
    )
    groups = tuned.groupby([*CELL, "learning_rate"], sort=False)
    table = groups.agg(
        validation_metric=("validation_metric", "mean"),
        lanes=("seed", "size"),
        diverged_share=("diverged", "mean"),
    ).reset_index()
    evaluated = finished(lanes, "evaluate").groupby(CELL)["learning_rate"].first()
    rate = evaluated.combine_first(best_learning_rates(table, tasks)).rename("rate")
    chosen = table.join(rate, on=CELL)["rate"] if len(table) else pd.Series(dtype=float)
    table["chosen"] = np.isclose(table["learning_rate"], chosen, rtol=1e-6, atol=0)
    return table


def best_learning_rates(sensitivity: pd.DataFrame, tasks: Tasks) -> "pd.Series[float]":
    """The rate of each cell with the best mean on validation data; the lowest of several."""
    signs = sensitivity["task"].map({name: -Metric.of(task).sign for name, task in tasks.items()})
    ranked = sensitivity.assign(order=sensitivity["validation_metric"] * signs)
    ranked = ranked.sort_values(["order", "learning_rate"], kind="stable")
    return ranked.groupby(CELL, sort=False)["learning_rate"].first()


def curve_bands(
    curves: pd.DataFrame, lanes: pd.DataFrame, tasks: Tasks, column: str = "validation_metric"
) -> pd.DataFrame:
    """Median and quartiles of `column` over the evaluation seeds of each cell at each step.

    Columns: the cell, `step`, `low` (25 %), `middle` (50 %), `high` (75 %). After a divergence a lane has the
    worst value, so the band falls to it.
    """
    done = finished(lanes, "evaluate")
    joined = curves[["lane", "step", column]].merge(done[["lane", *CELL]], on="lane").assign(status="ok")
    # quantiles interpolate, and between two infinities they have no answer: a huge number stands in
    joined["value"] = np.nan_to_num(scores(joined, column, tasks), posinf=1e300, neginf=-1e300)
    groups = joined.groupby([*CELL, "step"], sort=False)["value"]
    bands = pd.DataFrame({name: groups.quantile(q) for name, q in QUARTILES.items()})
    bands = bands.mask(bands > 1e200, np.inf).mask(bands < -1e200, -np.inf)
    return bands.reset_index().sort_values([*CELL, "step"], kind="stable")
