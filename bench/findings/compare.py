"""Two runs side by side, cell by cell: what they reach, how soon, how fast. Frames in, frames and sentences out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from bench.errors import InputError
from bench.findings import comparable
from bench.findings.effort import trained_on, wall_s
from bench.findings.run import Run
from bench.findings.verdicts import LOST
from bench.labels import counted, duration, joined, significant
from bench.stats import CELL, Floats, Metric, cell_label, finished, scores
from bench.stats.moderated import resolution
from bench.stats.pairs import holm
from bench.stats.throughput import Speedup, log_half, repeated

SPEED = ["speed_ratio", "speed_ratio_low", "speed_ratio_high"]
COLUMNS = [
    *CELL,
    *("metric_a", "metric_b", "difference", "difference_low", "difference_high", "paired", "p_value"),
    *("seeds_a", "seeds_b", "lost_a", "lost_b", "verdict"),
    *("steps_a", "steps_b", "seconds_a", "seconds_b", "seconds_ratio"),
    *("speed_a", "speed_b", *SPEED, "sure"),
]
LEVEL = 0.01  # of the whole family: a comparison is made again and again, and one alarm in twenty would be ignored
TRUSTED = ("no", "noisy")  # timings that a single cell may be judged by
ALL = "the whole machine"  # whose times are compared, or else one worker's or, as workers take turns there, one GPU's
UNITS = {"gpu": "GPU"}
TO_PAIR = 2  # seeds that both evaluated: the differences of fewer have no spread
REPEAT = 0.10  # the speeds of two equal runs differ by up to this: those of three of `quick` by up to 8.7 %


@dataclass(frozen=True)
class Comparison:
    """What `compare` found: `cells` one row a cell that both runs have, `missing` how many only one of them has.

    `gone` are the cells that only the first has, by name; `renewed` what is registered under the same name in both
    runs and does not compute the same. `of` is whose times these are: one worker's or, where the runs are of two
    devices or had unlike numbers of workers, the whole machine's; then `workers` are these numbers and `each` the
    speeds of one worker. `machines` are what they trained on, `walls` the seconds that the whole runs took.
    """

    names: tuple[str, str]
    cells: pd.DataFrame
    metrics: Mapping[str, Metric]
    speed: Speedup
    missing: int
    gone: tuple[str, ...] = ()
    renewed: tuple[str, ...] = ()
    of: str = "one worker"
    machines: tuple[str, str] = ("", "")
    walls: tuple[float, float] | None = None  # of two runs that trained the same
    identical: bool = False  # every score of a seed that both evaluated
    beyond: tuple[int, int] = (0, 0)  # seeds that one alone evaluated, at most of a cell, where cells are paired
    workers: tuple[int, int] | None = None
    unit: str = "worker"
    each: Speedup | None = None
    tuned: tuple[str, ...] = ()  # in what they were not tuned alike
    doubts: tuple[str, ...] = ()  # about the timings of each
    faults: tuple[str, ...] = ()  # what either lacks

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What it comes to, in words."""
        counts = self.cells["verdict"].value_counts()
        better, worse = (int(counts.get(word, 0)) for word in ("better", "worse"))
        a, b = self.names
        scored = self.cells[["metric_a", "metric_b"]].notna().all(axis=1)
        untold = int((scored & (self.cells["verdict"] == "")).sum())
        number = int(scored.sum())
        tested = " (1 % over all of them, Holm)" * bool(self.cells["p_value"].notna().any())
        told = f"{better} better and {worse} worse in {b} than in {a}" if better + worse else "none can be told apart"
        first = f"Of {counted(number, 'cell')} that both evaluated {told}{tested}."
        if not number:
            first = "No cell was evaluated in both runs."
        elif self.identical:
            each = "The only cell" if number == 1 else f"Each of the {number:,} cells"
            first = f"{each} that both evaluated has the same scores, seed by seed."
        rest = self._beyond() + self._losses()
        if untold:
            rest += f" {_have(untold)} too few seeds to be tested."
        if number and (lost := len(self.cells) - number):
            rest += f" {_have(lost)} no result in one of them."
        are = "is" if self.missing == 1 else "are"
        only = (f"{counted(self.missing, 'cell')} {are} in one run only and left out.",) if self.missing else ()
        renewed = (f"Not the same in both runs, whatever the name: {', '.join(self.renewed)}.",) if self.renewed else ()
        speed = self.speed.sentence(a, b)
        end = (*self.tuned, *self.doubts, *only)
        if self.workers or self.of != ALL:
            head = (*renewed, first + rest, *self.faults, speed)
            return *head, *self._each(), *self._soonest(), *self._whole(), *end
        across = "On two devices speeds and seconds are of the whole machine."
        return *renewed, speed, *self.faults, *self._whole(), first + rest, *self._soonest(), across, *end

    def _beyond(self) -> str:
        """Which seeds say nothing here."""
        told = [f"{name} has {count:,} more" for name, count in zip(self.names, self.beyond, strict=True) if count]
        return f" Scores are of the seeds that both evaluated; {joined(told)}." if told else ""

    def _losses(self) -> str:
        """What lost seeds, to divergence or failure, have to do with it."""
        lost, seeds = ([self.cells[f"{name}_{end}"] for end in "ab"] for name in ("lost", "seeds"))
        more, fewer = lost[1] * seeds[0] > lost[0] * seeds[1], lost[1] * seeds[0] < lost[0] * seeds[1]
        told = self.cells["verdict"].isin(("better", "worse"))
        facts = int((told & (more | fewer)).sum())
        text = f" Of these {facts} lost more seeds in one run than in the other." if facts else ""
        others = {"more": ~told & more, "fewer": ~told & fewer}
        counts = [f"{counted(int(of.sum()), 'cell')} lost {word} seeds" for word, of in others.items() if of.any()]
        if counts:
            text += f" In {self.names[1]} {joined(counts)}; as the seeds are others, that may be chance."
        return text

    def _each(self) -> Iterator[str]:
        if self.workers and self.each:
            first, second = self.workers
            yield (
                f"Speeds and seconds are of the whole machine, {counted(first, self.unit)} against {second:,}; per "
                f"{self.unit} {self.names[1]} trains {self.each}."
            )

    def _whole(self) -> Iterator[str]:
        if self.walls:
            a, b = (f"{name} {duration(seconds)}" for name, seconds in zip(self.names, self.walls, strict=True))
            yield f"The whole run, with what was compiled, took {a} and {b}."

    def _soonest(self) -> Iterator[str]:
        needed = 1 / self.cells["seconds_ratio"].replace(0, np.nan)
        found = Speedup.over(pd.DataFrame({"ratio": needed}).assign(low=np.nan, high=np.nan), REPEAT)
        alone = " and ".join(self._reached_alone())
        if found.cells:
            of = f"mean of {found.cells} cells" if found.cells > 1 else "one cell"
            ratio = f"{significant(found.middle)}{found.interval}"
            rest = f"; {alone}" if alone else ""
            yield f"{self.names[1]} needs {ratio} times the seconds to the target: {of} that reached it in both{rest}."
        elif alone:
            both = np.isfinite(self.cells[["steps_a", "steps_b"]].astype(float)).all(axis=1).any()
            yield f"{'Not every' if both else 'No'} cell reached the target in both runs; {alone}."

    def _reached_alone(self) -> Iterator[str]:
        """How many cells reached the target in one run and missed it in the other, by run."""
        steps = [self.cells[column].to_numpy(dtype=float) for column in ("steps_a", "steps_b")]
        for name, own, other in zip(self.names, steps, reversed(steps), strict=True):
            if count := int((np.isfinite(own) & np.isposinf(other)).sum()):
                yield f"{count} {'reaches' if count == 1 else 'reach'} it only in {name}"

    def slower(self, share: float) -> list[str]:
        """What is surely slower in the second run by more than `share`: whole intervals below `1 - share`."""
        sure = self.cells[self.cells["sure"] & (self.cells["speed_ratio_high"] < 1 - share)]
        each = [f"{_name(row)} {row['speed_ratio']:.3g} times as fast" for _, row in sure.iterrows()]
        return self.speed.slower(share, "cells") + each

    def worse(self) -> list[str]:
        """The cells that are worse in the second run."""
        rows = self.cells[self.cells["verdict"] == "worse"]
        return [f"{_name(row)} worse{_lost_more(row)}" for _, row in rows.iterrows()]

    def untested(self) -> list[str]:
        """The cells of the first run of which cannot be said whether they are worse in the second."""
        return [*self._named(self.cells["verdict"] == ""), *self.gone]

    def untimed(self) -> list[str]:
        """The cells of the first run whose speeds cannot be compared, or whose single timing cannot be trusted."""
        doubted = ~self.cells["sure"] & (self.speed.cells < 2)
        return [*self._named(self.cells["speed_ratio"].isna() | doubted), *self.gone]

    def _named(self, which: "pd.Series[bool]") -> list[str]:
        return [_name(row) for _, row in self.cells[which].iterrows()]


def _lost_more(row: "pd.Series[Any]") -> str:
    told = seeds_told(row)
    return f" ({told})" if told else ""


def seeds_told(row: Mapping[str, Any]) -> str:
    """How many seeds B lost and A did; empty where neither lost any, or both as many."""
    (lost_a, lost_b), (a, b) = ([int(row[f"{name}_{end}"]) for end in "ab"] for name in ("lost", "seeds"))
    return f"lost {lost_b} of {counted(b, 'seed')} against {lost_a} of {a}" if lost_a * b != lost_b * a else ""


def _have(number: int) -> str:
    return f"{counted(number, 'cell')} {'has' if number == 1 else 'have'}"


def compare(a: Run, b: Run) -> Comparison:
    """Compare run `b` with run `a`, over the cells that both have.

    Scores: mean difference `b - a` of the test metric with its 95 % t interval; paired by seed, over the seeds that
    both evaluated, where these are two or more, otherwise Welch's; p-values adjusted by Holm over all cells. On the
    same seeds a cell is worse where it lost more of them, whatever a test says: that is a fact. On others it may be
    chance. Speeds: the ratio of the medians of the time of a step, `a / b`, for one worker and one network, with the
    interval that the two medians' intervals and `REPEAT` give on a log scale; between two devices, or where the numbers
    of workers differ, for all workers together, and seconds likewise. `seconds_ratio` is seconds to target of `a` over
    `b`; above 1 `b` is sooner.
    Raises `DataError` where the two cannot be compared. Source: Welch, The Generalization of Student's Problem, 1947;
    Holm 1979.
    """
    tables = [run.convergence.set_index(CELL) for run in (a, b)]
    shared = [cell for cell in tables[0].index if cell in tables[1].index]
    comparable.refuse(a, b, {cell[0] for cell in shared})
    tasks = {task: a.manifest["tasks"][task] for task in dict.fromkeys(cell[0] for cell in shared)}
    rows = [dict(zip(CELL, cell, strict=True)) for cell in shared]
    found = [_scores(run, tasks) for run in (a, b)]
    tested, identical = _tests(found, shared, tasks), _identical(*found)
    timings = [_timings(run.throughput, shared) for run in (a, b)]
    one = len({comparable.device(run) for run in (a, b)} - {""}) < 2
    workers, unit = _unlike(timings) if one else None, UNITS.get(comparable.device(a), "worker")
    of = f"one {unit}" if one and not workers else ALL
    alone = [np.ones(len(shared))] * 2
    busy = alone if of != ALL else [frame["workers"].astype(float).to_numpy() for frame in timings]
    timed, steps = _times(timings, busy), _steps(tables, shared, busy)
    cells = pd.concat([pd.DataFrame(rows), tested, steps, timed], axis=1)[COLUMNS]
    names = comparable.names_of(a, b)
    return Comparison(
        names,
        cells,
        metrics={task: Metric.of(entry) for task, entry in tasks.items()},
        speed=Speedup.over(cells[SPEED], REPEAT),
        missing=len(tables[0]) + len(tables[1]) - 2 * len(shared),
        gone=tuple(_called(*cell) for cell in tables[0].index.difference(shared, sort=False)),
        renewed=tuple(comparable.renewed(a, b, shared)),
        of=of,
        machines=(trained_on(a), trained_on(b)),
        walls=(wall_s(a), wall_s(b)) if _trained_alike(a, b) else None,
        identical=identical,
        beyond=_beyond(found, shared),
        workers=workers,
        unit=unit,
        each=Speedup.over(_times(timings, alone)[SPEED], REPEAT) if workers else None,
        tuned=tuple(comparable.unlike_tuning(names, (a, b), shared)),
        doubts=comparable.doubts(names, (a, b)),
        faults=tuple(comparable.faults(names, (a, b))),
    )


def _trained_alike(a: Run, b: Run) -> bool:
    """Whether both are complete and trained the same networks."""
    return all(run.manifest["status"] == "complete" for run in (a, b)) and comparable.work(a).equals(comparable.work(b))


def percent(text: str, where: str) -> float:
    """A share from a text such as `10%`. Raises `InputError`."""
    stripped = text.strip()
    number = stripped.removesuffix("%").strip()
    try:
        share = float(number) / 100
    except ValueError:
        share = np.nan
    if not 0 <= share < 1:
        raise InputError(f"{where}: got {text!r}; expected a percentage from 0% to below 100%, such as 10%")
    if 0 < share < 0.01 and stripped == number:
        raise InputError(
            f"{where}: got {text!r}; expected a percentage with its sign: {number}% or {share * 1e4:g}%",
            "below 1 a number without a sign may be meant as a share",
        )
    return share


# What they reach


def _scores(run: Run, tasks: Mapping[str, Any]) -> dict[tuple[str, str, str], pd.DataFrame]:
    """The `score` of each cell by evaluation seed, and whether that was `lost`."""
    done = finished(run.lanes[run.lanes["task"].isin(list(tasks))], "evaluate")
    done = done.assign(score=scores(done, "test_metric", tasks), lost=done["status"].isin(LOST))
    return {cell: rows.set_index("seed")[["score", "lost"]] for cell, rows in done.groupby(CELL, sort=False)}


def _identical(first: dict[Any, pd.DataFrame], second: dict[Any, pd.DataFrame]) -> bool:
    """Whether both runs have the same score of each seed in every cell that both evaluated; False without any."""
    both = set(first) & set(second)
    return bool(both) and all(
        len(a) > 0 and a.equals(b) for a, b in (_on_the_same(first[cell], second[cell]) for cell in both)
    )


def _beyond(found: list[dict[Any, pd.DataFrame]], shared: list[Any]) -> tuple[int, int]:
    """How many seeds each run evaluated alone, at most of a cell that is paired by others."""
    both = [[scored[cell].index for scored in found] for cell in shared if all(cell in scored for scored in found)]
    paired = [(a, b) for a, b in both if len(a.intersection(b)) >= TO_PAIR]
    alone = [(len(a.difference(b)), len(b.difference(a))) for a, b in paired]
    return max((one for one, _ in alone), default=0), max((other for _, other in alone), default=0)


def _on_the_same(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both on the seeds that both evaluated, in their order."""
    seeds = a.index.intersection(b.index).sort_values()
    return a.loc[seeds], b.loc[seeds]


def _tests(found: list[Any], shared: list[Any], tasks: Mapping[str, Any]) -> pd.DataFrame:
    nothing = pd.DataFrame({"score": pd.Series(dtype=float), "lost": pd.Series(dtype=bool)})
    frames = [[scored.get(cell, nothing) for scored in found] for cell in shared]
    alike = [_on_the_same(a, b) for a, b in frames]
    frames = [list(same) if len(same[0]) >= TO_PAIR else pair for pair, same in zip(frames, alike, strict=True)]
    pairs = [[frame["score"] for frame in pair] for pair in frames]
    grains = {task: _grain(pairs, shared, task) for task in tasks}
    rows = [_test(pair[0], pair[1], grains[cell[0]]) for pair, cell in zip(pairs, shared, strict=True)]
    told_of = [list(same) if len(same[0]) else pair for pair, same in zip(frames, alike, strict=True)]
    seeds, lost = (np.array([[read(one) for one in pair] for pair in told_of]) for read in (len, _lost))
    columns = {"seeds": seeds, "lost": lost}
    counts = {f"{name}_{end}": of[:, i] for name, of in columns.items() for i, end in enumerate("ab")}
    table = pd.DataFrame(rows).assign(**counts)
    known = table["p_value"].notna()
    table.loc[known, "p_value"] = holm(table.loc[known, "p_value"])
    signs = np.array([Metric.of(tasks[cell[0]]).sign for cell in shared])
    told = np.where(table["p_value"] < LEVEL, np.where(table.pop("gap") * signs > 0, "better", "worse"), "level")
    verdict = np.where(known, told, "")
    some = np.array([len(same) > 0 for same, _ in alike])
    for word, fact in (("worse", lost[:, 1] > lost[:, 0]), ("better", lost[:, 1] < lost[:, 0])):
        verdict = np.where(some & fact, word, verdict)
    return table.assign(verdict=verdict)


def _lost(scored: pd.DataFrame) -> int:
    return int(scored["lost"].sum())


def _grain(pairs: list[Any], shared: list[Any], task: str) -> tuple[float, float, float]:
    """The scores' resolution, and where infinite ones are put: as far beyond the finite ones as these lie apart."""
    values = [series.to_numpy() for pair, cell in zip(pairs, shared, strict=True) if cell[0] == task for series in pair]
    every = np.concatenate(values)
    finite = every[np.isfinite(every)]
    if not len(finite):
        return 0.0, 0.0, 0.0
    low, high = float(finite.min()), float(finite.max())
    apart = high - low or abs(high) or 1.0
    return resolution(every), low - apart, high + apart


def _test(a: "pd.Series[float]", b: "pd.Series[float]", scale: tuple[float, float, float]) -> dict[str, Any]:
    means = {"metric_a": a.mean() if len(a) else np.nan, "metric_b": b.mean() if len(b) else np.nan}
    paired = set(a.index) == set(b.index)
    row = means | {
        "paired": paired,
        **dict.fromkeys(["difference", "difference_low", "difference_high", "p_value", "gap"], np.nan),
    }
    if min(len(a), len(b)) < 2:
        return row
    grain, low, high = scale
    infinite = not np.isfinite([*means.values()]).all()
    with np.errstate(invalid="ignore"):
        apart = means["metric_b"] - means["metric_a"]
    a, b = a.clip(low, high), b.clip(low, high)
    mean, error, freedom = _paired(a, b, grain) if paired else _welch(a, b, grain)
    p = 1.0 if mean == 0 else float(2 * stdtr(freedom, -abs(mean) / error)) if error > 0 else 0.0
    if infinite:  # where the stand-in tells what differs, and not by how much
        return row | {"difference": apart, "p_value": p, "gap": mean}
    half = float(stdtrit(freedom, 0.975)) * error
    row["gap"] = mean
    return row | {"difference": mean, "difference_low": mean - half, "difference_high": mean + half, "p_value": p}


def _paired(a: "pd.Series[float]", b: "pd.Series[float]", grain: float) -> tuple[float, float, float]:
    """Mean difference, its standard error, degrees of freedom; a score's rounding adds to its variance."""
    d = (b - a).to_numpy()
    return float(d.mean()), float(np.sqrt((d.var(ddof=1) + grain**2 / 6) / len(d))), len(d) - 1


def _welch(a: "pd.Series[float]", b: "pd.Series[float]", grain: float) -> tuple[float, float, float]:
    parts: Floats = np.array([(x.var(ddof=1) + grain**2 / 12) / len(x) for x in (a, b)])
    if parts.sum() == 0:
        return float(b.mean() - a.mean()), 0.0, len(a) + len(b) - 2
    freedom = parts.sum() ** 2 / sum(part**2 / (len(x) - 1) for part, x in zip(parts, (a, b), strict=True))
    return float(b.mean() - a.mean()), float(np.sqrt(parts.sum())), float(freedom)


# How soon and how fast


def _steps(tables: list[pd.DataFrame], shared: list[Any], busy: list[Floats]) -> pd.DataFrame:
    found: dict[str, Floats] = {}
    for side, table, workers in zip("ab", tables, busy, strict=True):
        steps, seconds = table.loc[shared, ["steps_to_target", "seconds_to_target"]].to_numpy(dtype=float).T
        found |= {f"steps_{side}": steps, f"seconds_{side}": seconds / workers}
    with np.errstate(invalid="ignore", divide="ignore"):
        return pd.DataFrame(found).assign(seconds_ratio=found["seconds_a"] / found["seconds_b"])


def _timings(frame: pd.DataFrame, shared: list[Any]) -> pd.DataFrame:
    return frame.drop_duplicates(CELL).set_index(CELL).reindex(pd.MultiIndex.from_tuples(shared))


def _unlike(timings: list[pd.DataFrame]) -> tuple[int, int] | None:
    """How many workers each run had, where the same cells were timed with unlike numbers of them."""
    both = pd.concat([frame["workers"].astype(float) for frame in timings], axis=1).dropna()
    differ = both[both.iloc[:, 0] != both.iloc[:, 1]]
    return (int(differ.iloc[0, 0]), int(differ.iloc[0, 1])) if len(differ) else None


def _times(frames: list[pd.DataFrame], busy: list[Floats]) -> pd.DataFrame:
    a, b = frames
    step_a, step_b = (_lane_step(frame) / workers for frame, workers in zip(frames, busy, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        half = np.hypot(log_half(a), log_half(b))
        ratio = step_a / step_b
    sure = [one in TRUSTED and other in TRUSTED for one, other in zip(a["noisy"], b["noisy"], strict=True)]
    low, high = repeated(ratio, half, REPEAT)
    return pd.DataFrame(
        {
            "speed_a": 1 / step_a, "speed_b": 1 / step_b, "speed_ratio": ratio,
            "speed_ratio_low": low, "speed_ratio_high": high, "sure": sure,
        }
    )  # fmt: skip


def _lane_step(frame: pd.DataFrame) -> Floats:
    values: Floats = (frame["step_s_median"].astype(float) / frame["width"].astype(float)).to_numpy()
    return values


def _name(row: "pd.Series[Any]") -> str:
    return _called(row["task"], row["activation"], row["optimizer"])


def _called(task: str, activation: str, optimizer: str) -> str:
    return f"{task}: {cell_label(activation, optimizer)}"
