"""How fast and at what cost: frames of the contract's throughput columns in, frames out.

Rates are of a whole device: `machine_rate` is lane-steps a second of one worker times the workers that were busy, and
a step is of all `lanes` that they train at once.
Ratios carry the 95 % interval that those of the two medians give on a log scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from bench.hardware.timing import noise
from bench.labels import counted, joined, significant
from bench.stats.cells import bootstrap_interval
from bench.stats.metric import CELL, Floats

SETTING = ["device", "precision", "batch_size", "width", "workers"]
KEY = [*CELL, *SETTING]
SUMMARY = ("step_s_median", "step_s_low", "step_s_high", "step_s_min", "step_s_p95", "samples", "noisy")
RATIO = ("ratio", "ratio_low", "ratio_high")
OPPOSITE = {"low": "high", "high": "low"}  # a long step is a low rate
MEMORY = {"memory_ratio": "working", "state_ratio": "carry"}


def summary(samples: Sequence[float]) -> dict[str, float | int | str]:
    """Median of `samples` [seconds a step] with its 95 % bootstrap interval, least, 95th percentile and noise label."""
    values = np.asarray(samples, dtype=float)
    low, median, high, p95 = (float(value) for value in np.percentile(values, [25, 50, 75, 95]))
    ends = bootstrap_interval(values, statistic=np.median)
    label = noise(low, median, high, len(values))
    return dict(zip(SUMMARY, (median, *ends, float(values.min()), p95, len(values), label), strict=True))


def timed(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of which there are timings."""
    return frame[frame["status"] == "ok"].reset_index(drop=True)


def geometric_mean(ratios: "pd.Series[float]") -> tuple[float, float, float]:
    """The geometric mean of those `ratios` that are finite and positive, and the t interval of its logarithm.

    One ratio has no interval and none has no mean: NaN.
    """
    values = ratios.to_numpy(dtype=float)
    logs = np.log(values[np.isfinite(values) & (values > 0)])
    if not len(logs):
        return np.nan, np.nan, np.nan
    middle = float(logs.mean())
    half = np.nan
    if len(logs) > 1:
        half = float(stdtrit(len(logs) - 1, 0.975) * logs.std(ddof=1) / np.sqrt(len(logs)))
    return float(np.exp(middle)), float(np.exp(middle - half)), float(np.exp(middle + half))


@dataclass(frozen=True)
class Speedup:
    """How many times as fast a second run is as a first, over `cells` cells, and its 95 % interval (NaN: no speeds)."""

    middle: float
    low: float
    high: float
    cells: int

    @classmethod
    def over(cls, ratios: pd.DataFrame, repeat: float) -> "Speedup":
        """Of a frame of three columns, the ratio of each cell and the ends of its interval, as `repeated` gives them.

        The geometric mean with the t interval of its logarithm, and in it what two runs of the same differ by, which is
        all cells' at once; of a single cell its own interval.
        """
        known = ratios[np.isfinite(ratios.iloc[:, 0]) & (ratios.iloc[:, 0] > 0)]
        if len(known) == 1:
            middle, low, high = (float(value) for value in known.iloc[0])
            return cls(middle, low, high, 1)
        middle, low, high = geometric_mean(known.iloc[:, 0])
        ends = repeated(np.array(middle), np.log(high / low) / 2, repeat)
        return cls(middle, float(ends[0]), float(ends[1]), len(known))

    @property
    def interval(self) -> str:
        """` (1.01 to 1.09)`, or nothing where there is none."""
        return f" ({significant(self.low)} to {significant(self.high)})" if np.isfinite(self.low) else ""

    def sentence(self, first: str, second: str) -> str:
        """What it comes to, of runs of these names."""
        if not self.cells:
            return "Speeds were not measured."
        if not np.isfinite(self.low):
            return f"{second} trains {self} as {first}, by too few samples to tell how surely."
        if self.low < 1 < self.high:
            return f"The speeds of {first} and {second} are not told apart: {second} trains {self}."
        return f"{second} trains {significant(self.middle)} times as fast as {first}{self.interval}."

    def __str__(self) -> str:
        return f"{significant(self.middle)} times as fast{self.interval}"

    def slower(self, share: float, what: str) -> list[str]:
        """What is said where all cells together are surely slower by more than `share`; one cell speaks for itself."""
        sure = self.cells > 1 and self.high < 1 - share
        return [f"all {what} together {self}"] if sure else []


def repeated(ratio: Floats, half: Floats | float, repeat: float) -> tuple[Floats, Floats]:
    """The ends of the interval of a ratio of two runs, `half` in logarithms of that which the samples within them give.

    Samples of one process know nothing of what differs from one run to the next: `repeat` is the 95 % bound of what
    two runs of the same differ by, independent of the rest, so that half = sqrt(half^2 + log(1 + repeat)^2).
    """
    whole = np.hypot(half, np.log1p(repeat))
    return ratio * np.exp(-whole), ratio * np.exp(whole)


def log_half(frame: pd.DataFrame, suffix: str = "") -> Floats:
    """Half of the interval of the median step time, in logarithms."""
    low, high = (np.log(frame[f"step_s_{end}{suffix}"].to_numpy(dtype=float)) for end in ("low", "high"))
    half: Floats = (high - low) / 2
    return half


def ratios(pairs: pd.DataFrame, of: str, over: str, repeat: float = 0.0) -> pd.DataFrame:
    """`pairs` with the ratio of the whole machine's lane-step times of suffix `of` over `over`, and its interval.

    `repeat` as in `repeated`, for pairs from two runs; within one both are of the same processes.
    """
    steps = [pairs[f"step_s_median{s}"] / pairs[f"lanes{s}"] for s in (of, over)]
    half = np.hypot(log_half(pairs, of), log_half(pairs, over))
    ratio = steps[0] / steps[1]
    low, high = repeated(ratio, half, repeat)
    return pairs.assign(ratio=ratio, ratio_low=low, ratio_high=high)


def relative_cost(frame: pd.DataFrame, side: str, reference: str) -> pd.DataFrame:
    """What each entry of `side` (activation or optimizer) costs against `reference`, all else alike.

    One row a cell and setting: `ratio` of the step times with its interval, `memory_ratio` of the bytes that a program
    works in, `state_ratio` of those that a step hands to the next. Cells without a partner of the reference are left
    out; those of the reference itself too.
    """
    rest = [name for name in KEY if name != side]
    base = frame[frame[side] == reference]
    others = frame[frame[side] != reference]
    pairs = others.merge(base, on=rest, suffixes=("", "_ref"))
    bytes_ = {kind: pairs[f"{of}_bytes"] / pairs[f"{of}_bytes_ref"] for kind, of in MEMORY.items()}
    return ratios(pairs, "", "_ref").assign(**bytes_)[[*KEY, *RATIO, *MEMORY]]


def mean_cost(costs: pd.DataFrame, side: str) -> pd.DataFrame:
    """`relative_cost` of each entry: geometric means with t intervals over tasks, the cheapest first.

    Settings of one task are no independent samples: each task's are averaged first, and `median` and `highest` are of
    those means, `dearest` is the task of the highest. Of a single task all this is over its settings.
    """
    several = costs["task"].nunique() > 1
    rows = []
    for label, cells in costs.groupby(side, sort=False):
        parts = _task_means(cells) if several else cells.set_index("task")
        ratio, memory = parts["ratio"], [geometric_mean(parts[kind])[0] for kind in MEMORY]
        spread = ratio.median(), ratio.max(), ratio.idxmax()
        rows.append([label, *geometric_mean(ratio), *spread, *memory, parts.index.nunique(), len(cells)])
    columns = [side, *RATIO, "median", "highest", "dearest", *MEMORY, "tasks", "cells"]
    return pd.DataFrame(rows, columns=columns).sort_values("ratio", ignore_index=True, kind="stable")


def _task_means(costs: pd.DataFrame) -> pd.DataFrame:
    of_task = costs.groupby("task", sort=False)[["ratio", *MEMORY]]
    return of_task.agg(lambda ratios: geometric_mean(ratios)[0])


def machine_rate(frame: pd.DataFrame) -> "pd.Series[float]":
    """Lane-steps a second of all busy workers together."""
    rate: pd.Series[float] = frame["lane_steps_per_s"] * frame["workers"]
    return rate


@dataclass(frozen=True)
class Beside:
    """How many other cells share the measurement of the fastest, and how many more cannot be told from it."""

    shared: int
    level: int
    few: bool = False  # samples

    @classmethod
    def fastest(cls, frame: pd.DataFrame) -> "Beside":
        """Of one device's timings of networks that may be compared: the ratio's interval holds 1, as in `ratios`."""
        frame = frame.reset_index(drop=True)
        rate, half = machine_rate(frame), pd.Series(log_half(frame))
        place = int(rate.idxmax())
        cells = pd.MultiIndex.from_frame(frame[CELL])
        taken = frame[list(SUMMARY[:3])].fillna(0.0)  # a single sample has no interval
        same = (taken == taken.loc[place]).all(axis=1) & (rate == rate[place])
        level = np.log(rate[place] / rate) <= np.hypot(half, half[place])
        alike = set(cells[same]) - {cells[place]}
        return cls(
            len(alike),
            len(set(cells[level]) - alike - {cells[place]}),
            len(cells) > 1 and frame.at[place, "noisy"] == "few",
        )

    def __str__(self) -> str:
        """What follows the name of the fastest in a sentence; nothing where it stands alone."""
        shared = f"{counted(self.shared, 'other')} share{'s' * (self.shared == 1)} its measurement"
        more = f"{self.level:,} more" if self.shared else counted(self.level, "other")
        told = [shared] * (self.shared > 0) + [f"{more} cannot be told from it"] * (self.level > 0)
        return f"{f'; {joined(told)}' if told else ''}{', by few samples of each' * self.few}"


def scaling(frame: pd.DataFrame, axis: str) -> pd.DataFrame:
    """The best lane-steps a second of a device at each value of `axis` (width, batch_size or lanes).

    Columns: device, task, `axis`, `rate`, of the fastest cell and the best of the other settings, and `rate_low` and
    `rate_high`, which the interval of its median step time gives.
    """
    rate = machine_rate(frame)
    ends = {f"rate_{end}": rate * frame["step_s_median"] / frame[f"step_s_{other}"] for end, other in OPPOSITE.items()}
    best = rate.groupby([frame[column] for column in ("device", "task", axis)], sort=True).idxmax()
    return frame.assign(rate=rate, **ends).loc[best, ["device", "task", axis, "rate", *ends]].reset_index(drop=True)


# Two devices


COMPARED = [*CELL, "precision", "batch_size"]  # what two devices are compared at


def against(frame: pd.DataFrame) -> pd.DataFrame:
    """How many times as fast the GPU trains a cell as the CPU, each at its best width and number of workers.

    One row a (cell, precision, batch size) that both have: `ratio` of their machine rates with its interval. Empty
    where only one of them was measured.
    """
    pairs = _side_by_side(frame.assign(half=log_half(frame)))
    half, ratio = np.hypot(pairs["half"], pairs["half_other"]), pairs["rate"] / pairs["rate_other"]
    found = pairs.assign(ratio=ratio, ratio_low=ratio * np.exp(-half), ratio_high=ratio * np.exp(half))
    return found[[*COMPARED, "width", "width_other", "rate", "rate_other", *RATIO]]


def _side_by_side(frame: pd.DataFrame) -> pd.DataFrame:
    """The fastest timing of each cell on the GPU, with its `rate`, and beside it, as `_other`, that on the CPU."""
    rated = frame.assign(rate=machine_rate(frame)).sort_values("rate", ascending=False, kind="stable")
    best = rated.drop_duplicates([*COMPARED, "device"])
    one, two = (best[best["device"] == name] for name in ("gpu", "cpu"))
    return one.merge(two, on=COMPARED, suffixes=("", "_other"))


def overtakes(frame: pd.DataFrame, axis: str) -> pd.DataFrame:
    """The least value of `axis` from which on the GPU is faster than the CPU, a row a task; infinite: never.

    At each value of `batch_size` both devices are compared at that value. Lanes are the GPU's alone: at each number
    of `lanes` its rate stands against the best of the CPU, which trains its lanes in chunks as it likes.
    """
    rates = scaling(frame, axis)
    rows = []
    for task, of_task in rates.groupby("task", sort=False):
        ours, theirs = (of_task[of_task["device"] == name].set_index(axis)["rate"] for name in ("gpu", "cpu"))
        if ours.empty or theirs.empty:
            continue
        bar = theirs.reindex(ours.index) if axis == "batch_size" else pd.Series(theirs.max(), index=ours.index)
        known = bar.notna()
        slower = ours[known] <= bar[known]
        after = [value for value in slower.index if not slower[slower.index >= value].any()]
        rows.append([task, float(min(after, default=np.inf))])
    return pd.DataFrame(rows, columns=["task", axis])


def break_even(frame: pd.DataFrame) -> pd.DataFrame:
    """After how many lane-steps the GPU has paid for its longer start, a row a (cell, precision, batch size).

    `steps` = (fixed of GPU - fixed of CPU) / (1 / rate of CPU - 1 / rate of GPU); fixed is trace, compile, transfer
    and first run. 0 where it starts no later and is faster, infinite where it is not faster.
    """
    fixed = frame[["trace_s", "compile_s", "transfer_s", "first_run_s"]].sum(axis=1)
    pairs = _side_by_side(frame.assign(fixed=fixed))
    gain = 1 / pairs["rate_other"] - 1 / pairs["rate"]
    steps = ((pairs["fixed"] - pairs["fixed_other"]).clip(lower=0) / gain.where(gain > 0)).fillna(np.inf)
    return pairs[COMPARED].assign(steps=steps)


def seconds_to_target(convergence: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Steps to target of a convergence run times the time of a lane-step, for each device that was measured.

    The amortized seconds of one network while the device trains as many as it likes: steps over the best machine
    rate at each batch size. A target that was not reached stays infinite.
    """
    keys = [*CELL, "device", "precision", "batch_size"]
    best = frame.assign(rate=machine_rate(frame)).groupby(keys, sort=False)["rate"].max().reset_index()
    pairs = best.merge(convergence[[*CELL, "steps_to_target"]], on=CELL)
    return pairs.assign(seconds=pairs["steps_to_target"] / pairs["rate"])
