"""How a task's metric is read, what a cell is called, and which lanes count.

One rule stands before all others: a lane that diverged or failed has the worst value its metric can have,
before any mean, interval or rank. A lane that was interrupted was never measured and counts nowhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bench.labels import NO_ACTIVATION

CELL = ["task", "activation", "optimizer"]
Floats = NDArray[np.float64]
Tasks = Mapping[str, Mapping[str, Any]]
Pair = tuple[str, str]
LEAST_TOLD = 0.001  # of a difference, in the unit that is shown
BASELINE_DIGITS = 4  # rounded as coarsely as a score, a baseline would seem to be met


@dataclass(frozen=True)
class Metric:
    """How the metric of a task is read: its direction, its worst value, and how a person is shown it.

    `decimals` are those of every value that is shown; None where each may have its own.
    """

    name: str
    direction: str
    unit: str
    scale: float
    worst: float
    best: float = np.nan  # beyond which nothing goes, where there is such a value
    decimals: int | None = None

    @classmethod
    def of(cls, task: Mapping[str, Any]) -> "Metric":
        """The metric of one entry of a manifest's `tasks`."""
        entry = task["metric"]
        worst, scale = float(entry["worst"]), float(entry["scale"])
        best = np.nan if entry.get("best") is None else float(entry["best"])
        return cls(entry["name"], entry["direction"], entry["unit"], scale, worst, best)

    @property
    def sign(self) -> int:
        """+1 where more is better, -1 where less is."""
        return 1 if self.direction == "maximize" else -1

    def sampling_error(self, value: float, samples: int) -> float:
        """The standard error of a mean over `samples` that lie between 0 and 1: at most √(v (1 − v) / n).

        Exact where each is 0 or 1, as of accuracy. NaN for other metrics, at either end, and without samples.
        """
        bounded = {self.worst, self.best} == {0.0, 1.0}
        return float(np.sqrt(value * (1 - value) / samples)) if bounded and samples and 0 < value < 1 else np.nan

    def show(self, value: float) -> str:
        """The value as a person reads it, without its unit."""
        if pd.isna(value):
            return "no data"
        if np.isinf(value):
            return "∞" if value > 0 else "−∞"
        shown = float(value) * self.scale
        if self.decimals is None and self.scale == 1 and abs(shown) < 1000:
            return _signed(f"{shown:.3g}")
        return _signed(f"{shown:,.{self._places(shown)}f}")

    def _places(self, shown: float) -> int:
        if abs(shown) >= 1000:
            return 0
        three = 1 if self.scale != 1 else _to_digit(shown, 3)
        return three if self.decimals is None else self.decimals

    def plain(self, value: float, digits: int = 6) -> str:
        """A value that stands beside scores, such as a target or, to four digits, a baseline: those, and its unit."""
        return self._with_unit(_signed(f"{value * self.scale:.{digits}g}"))

    def told(self, value: float, half_width: float = np.nan) -> str:
        """The value with its uncertainty and its unit: `97.8 % ± 0.4`; as many decimals as its uncertainty takes."""
        if not np.isfinite(value):
            return self.show(value)
        if not np.isfinite(half_width):
            return self._with_unit(self.show(value))
        places = self._places(value * self.scale)
        if half_width * self.scale < 0.5 * 10.0**-places and half_width > 0:
            places = _to_digit(half_width * self.scale, 1)
        shown = replace(self, decimals=places).show(value)
        return f"{self._with_unit(shown)} ± {half_width * self.scale:,.{places}f}"

    def difference(self, value: float) -> str:
        """By how much two values differ: `0.7 points`, of a metric in percent; never zero of what is not."""
        shown = abs(value) * self.scale
        places = self._places(shown)
        text = f"{shown:,.{places}f}"
        if 0 < shown < 0.5 * 10.0**-places:
            text = f"{shown:.1g}" if shown >= LEAST_TOLD else f"less than {LEAST_TOLD:g}"
        return f"{text} {'points' if self.unit == '%' else self.unit}".rstrip()

    def gain(self, value: float) -> str:
        """A difference of which more is better, with its sign and without its unit: `+0.7`, `−1.2`, `0.0`."""
        if not np.isfinite(value):
            return "–"
        places = self._places(value * self.scale)
        text = f"{value * self.scale:+,.{places}f}"
        return _signed(text) if text.strip("+-0.,") else text.lstrip("+-")

    def _with_unit(self, shown: str) -> str:
        return f"{shown} {self.unit}" if self.unit else shown

    def fitted(self, values: ArrayLike, half_widths: ArrayLike, leader: float = np.nan) -> "Metric":
        """This metric with the decimals that a column of `values` [cells] takes, by the `half_widths` of intervals.

        They show one digit of the leader's, two where the first is a 1; where it is zero, of their lower quartile.
        Without any, three digits of the middle value.
        """
        known, widths = (np.abs(np.asarray(found, dtype=float)) * self.scale for found in (values, half_widths))
        known, widths = (found[np.isfinite(found) & (found > 0)] for found in (known, widths))
        if len(widths):
            sure = leader * self.scale if leader > 0 else float(np.quantile(widths, 0.25))
            decimals = _to_digit(sure, 2 if sure < 2 * 10.0 ** np.floor(np.log10(sure)) else 1)
        else:
            decimals = _to_digit(float(np.median(known)), 3) if len(known) else 0
        return replace(self, decimals=max(decimals, int(self.scale != 1)))


def _to_digit(value: float, digit: int) -> int:
    """The decimals that show so many digits of a `value`, in its own size: 1 of 0.03 takes 2."""
    return max(0, digit - 1 - int(np.floor(np.log10(abs(value))))) if value else 0


def _signed(text: str) -> str:
    """A number with a proper minus, and zero without."""
    return text.lstrip("-") if not text.strip("-0.,") else text.replace("-", "−", 1)


def noun(frame: pd.DataFrame, count: int = 1) -> str:
    """What is trained in the rows of `frame`: networks, or runs where no task has an activation."""
    alone = len(frame) > 0 and bool((frame["activation"] == NO_ACTIVATION).all())
    return f"{'run' if alone else 'network'}{'s' * (count != 1)}"


def told_seeds(table: pd.DataFrame, what: str = "seed") -> str:
    """Over how many seeds the cells of a `convergence` table were evaluated, those that were."""
    counts = table.loc[table["seeds"] > 0, "seeds"]
    low, high = (int(counts.min()), int(counts.max())) if len(counts) else (0, 0)
    return f"{f'{low} to ' * (low != high)}{high} {what}{'s' * (high != 1)}"


def scores(frame: pd.DataFrame, column: str, tasks: Tasks) -> Floats:
    """`frame[column]` [rows] with the task's worst value where a lane diverged, failed or is not a number."""
    worst = frame["task"].map({name: Metric.of(task).worst for name, task in tasks.items()}).to_numpy(dtype=float)
    values = frame[column].to_numpy(dtype=float)
    bad = np.isnan(values) | frame["status"].isin(["diverged", "failed"]).to_numpy()
    found: Floats = np.where(bad, worst, values)
    return found


def finished(lanes: pd.DataFrame, phase: str) -> pd.DataFrame:
    """The lanes of a phase, tune or evaluate, that were carried through, whatever came of them.

    Those of a cell of which every lane of the phase failed are left out: what cannot be trained has no score.
    """
    done = lanes[(lanes["phase"] == phase) & (lanes["status"] != "interrupted")]
    failed = done["status"] == "failed"
    if not failed.any():
        return done
    return done[~failed.groupby([done[column] for column in CELL]).transform("all")]


def tried(lanes: pd.DataFrame) -> pd.DataFrame:
    """The tuning lanes that were carried through; where tuning halves those of its first rung, which tries all.

    A frame that does not tell `steps` or `hyperparameters` is taken to have the same in all rows.
    """
    found = finished(lanes.assign(**{c: of for c, of in UNTOLD.items() if c not in lanes}), "tune")
    return found[found["steps"] == found.groupby("task", sort=False)["steps"].transform("min")]


UNTOLD = {"steps": 0, "hyperparameters": "{}"}
TRIAL = ["learning_rate", "hyperparameters"]  # what tells one trial of a cell from another


def score_table(lanes: pd.DataFrame, tasks: Tasks, task: str) -> pd.DataFrame:
    """The test scores of `task` as cells [activation, optimizer] x seeds, NaN where a seed was not run.

    An infinite score, which has no variance, stands at the worst finite one.
    """
    return bounded(raw_table(lanes, tasks, task), Metric.of(tasks[task]).sign)


def raw_table(lanes: pd.DataFrame, tasks: Tasks, task: str) -> pd.DataFrame:
    """The same with infinite scores as they are."""
    done = finished(lanes[lanes["task"] == task], "evaluate")
    done = done.assign(score=scores(done, "test_metric", tasks))
    return done.set_index([*CELL[1:], "seed"])["score"].unstack("seed", sort=False)


def bounded(values: pd.DataFrame, sign: int) -> pd.DataFrame:
    """`values` with the worst finite one in place of infinite ones; `sign` is +1 where more is better."""
    finite = values.to_numpy()[np.isfinite(values.to_numpy())]
    worst = sign * (sign * finite).min() if len(finite) else 0.0
    return values.replace([np.inf, -np.inf], worst)
