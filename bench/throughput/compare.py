"""Two throughput runs side by side, cell by cell and setting by setting: frames in, frames and sentences out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.errors import DataError
from bench.figures import speedup
from bench.findings.comparable import others
from bench.labels import counted, few, joined
from bench.pages import folder
from bench.pages.commands import together
from bench.pages.tables import number, text, varied, whole
from bench.stats import CELL, cell_label
from bench.stats import throughput as stats
from bench.throughput.page import Section, doubts, page, ran
from bench.throughput.suite import ALL
from bench.throughput.tables import SETTING, TASK, table, times

REPEAT = 0.05  # two runs of the same on a quiet machine differ by up to this
TRUSTED = ("no", "noisy")
UNSURE, DOUBTED = "unsure", "unstable or had few samples"  # what is not judged
SAME = ("parameters", "version", "data_sha256")  # of a task, or its steps are other work
OWN = ("width", "workers")  # what one device is at its best with says nothing of another
ACROSS = "Two devices are compared each at its best width and number of workers, by the rate of the whole machine."
WHOLE = "Settings with all of a machine's workers are compared by the rate of the whole machine: {} against {} workers."
SHARED = [*CELL, "precision", "batch_size"]
EACH = ("device", *OWN, "step_s_median")
JOINED = [*SHARED, "side", *(f"same_{name}" for name in OWN)]


@dataclass(frozen=True)
class SpeedComparison:
    """What `compare` found: `cells` one row a cell and setting that both runs have; a ratio above 1: B is faster.

    `missing` is how many only one of them has, `gone` are those that only A has, by name.
    """

    names: tuple[str, str]
    cells: pd.DataFrame
    missing: int
    gone: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()  # what a run lacks

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    @property
    def speed(self) -> stats.Speedup:
        """All timings together that are judged."""
        return stats.Speedup.over(self.cells.loc[self.cells["sure"], list(stats.RATIO)], REPEAT)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What it comes to, in words."""
        across = *self._whole(), *((ACROSS,) if (self.cells["device_a"] != self.cells["device_b"]).any() else ())
        are = "is" if self.missing == 1 else "are"
        rest = (f"{counted(self.missing, 'timing')} {are} in one run only and left out.",) if self.missing else ()
        doubt = int((~self.cells["sure"]).sum())
        if doubt == len(self.cells):
            every = "the only timing was" if doubt == 1 else f"all {doubt:,} timings were"
            none = f"No verdict, as {every} {DOUBTED} in one of the runs: run both again on an idle machine."
            return *self.doubts, none, *rest
        return *self.doubts, self._counts(doubt), self.speed.sentence(*self.names), *across, *rest

    def _whole(self) -> Iterator[str]:
        """Whose rates are compared, where all of one machine's workers stand against all of another's."""
        cells = self.cells[self.cells["device_a"] == self.cells["device_b"]]
        unlike = cells[cells["workers_a"] != cells["workers_b"]]
        if len(unlike):
            yield WHOLE.format(*(joined([str(n) for n in unlike[f"workers_{end}"].unique()]) for end in "ab"))

    def _counts(self, doubt: int) -> str:
        """How many are faster and slower of those that were judged, and how many were not."""
        counts = self.cells["verdict"].value_counts()
        faster, slower = (int(counts.get(word, 0)) for word in ("faster", "slower"))
        a, b = self.names
        told = (
            f"{faster} faster and {slower} slower in {b} than in {a}" if faster + slower else "none can be told apart"
        )
        of = f"{counted(len(self.cells), 'timing')} that both have"
        if doubt:
            were, they = ("was", "it was") if doubt == 1 else ("were", "they were")
            of += f" {doubt:,} {were} set aside, as {they} {DOUBTED}; of the rest"
        return f"Of {of} {told} (95 %, with {REPEAT * 100:.0f} % from run to run)."

    def slower(self, share: float) -> list[str]:
        """What is surely slower in B by more than `share`: whole intervals below `1 - share`."""
        sure = self.cells[self.cells["sure"] & (self.cells["ratio_high"] < 1 - share)]
        each = [f"{_name(row)} {row['ratio']:.3g} times as fast" for row in sure.to_dict("records")]
        return self.speed.slower(share, "timings") + each

    def untimed(self) -> list[str]:
        """What A has timed and B has not; where no timing can be trusted, that nothing could be tested."""
        if self.cells["sure"].any():
            return list(self.gone)
        names = [_name(row) for row in self.cells.to_dict("records")]
        return [
            names[0] if len(names) == 1 else f"any of {len(names):,} timings, as all were {DOUBTED} in one of the runs",
            *self.gone,
        ]


def compare(a: Any, b: Any) -> SpeedComparison:
    """Compare throughput run `b` with `a`: the ratio of lane-step times `a / b` of all workers, with its interval.

    That is of both medians and of what differs by `REPEAT` from run to run. A cell is faster or slower where it does
    not hold 1 and neither timing was unstable. Raises `DataError` where they have no setting in common, or where a task
    of the same name is another one.
    """
    timed = _sided(*_asked(a, b))
    pairs = timed[0].merge(timed[1], on=JOINED, suffixes=("_a", "_b"))
    if pairs.empty:
        raise DataError(list(_apart(a, b)), "only timings of the same cells and settings can be compared")
    _refuse(a, b, set(pairs["task"]))
    found = stats.ratios(pairs, "_a", "_b", REPEAT)
    sure = found["noisy_a"].isin(TRUSTED) & found["noisy_b"].isin(TRUSTED)
    faster, slower = found["ratio_low"] > 1, found["ratio_high"] < 1
    verdict = np.select([~sure, faster, slower], [UNSURE, "faster", "slower"], "level")
    shown = found[[*SHARED, *(f"{name}_{end}" for name in EACH for end in "ab"), *stats.RATIO]]
    names = (a.name, b.name) if a.name != b.name else (f"{a.name} (first)", f"{b.name} (second)")
    missing = sum(map(len, timed)) - 2 * len(pairs)
    both = pd.MultiIndex.from_frame(pairs[JOINED])
    gone = timed[0][~pd.MultiIndex.from_frame(timed[0][JOINED]).isin(both)]
    told = tuple(_name(row) for row in gone.rename(columns={name: f"{name}_a" for name in OWN}).to_dict("records"))
    doubted = tuple(f"{name}: {doubt}" for name, run in zip(names, (a, b), strict=True) for doubt in doubts(run))
    return SpeedComparison(names, shown.assign(sure=sure, verdict=verdict), missing, told, doubted)


def _asked(a: Any, b: Any) -> Iterator[pd.DataFrame]:
    """The timings of each with a column `asked`: how many workers, or `all` where both asked that of their machines."""
    frames = [stats.timed(run.throughput) for run in (a, b)]
    every = [_everyone(frame, run.manifest) for frame, run in zip(frames, (a, b), strict=True)]
    shared = set.intersection(*(set(frame["device"][of]) for frame, of in zip(frames, every, strict=True)))
    for frame, of in zip(frames, every, strict=True):
        yield frame.assign(asked=frame["workers"].astype(str).mask(of & frame["device"].isin(shared), ALL))


def _everyone(frame: pd.DataFrame, manifest: Mapping[str, Any]) -> "pd.Series[bool]":
    """Which timings are of all workers that the machine could have busy, as the suite asked."""
    most = {"gpu": 1, "cpu": manifest["environment"]["cores"]}
    wanted = manifest["execution"].get("asked") is None and ALL in manifest["suite"]["workers"]
    return (frame["workers"] == frame["device"].map(most)) & wanted


def _apart(a: Any, b: Any) -> Iterator[str]:
    """Why the two have no timing of the same: in what all of one's differ from all of the other's."""
    frames = [stats.timed(run.throughput) for run in (a, b)]
    if unlike := [run.name for run, frame in zip((a, b), frames, strict=True) if frame.empty]:
        yield f"{joined(unlike)}: got no timing; expected some"
        return
    own = OWN if set(frames[0]["device"]) & set(frames[1]["device"]) else ()
    told = list(_disjoint(a.name, b.name, frames, [*SHARED, *own]))
    yield from told or [f"{b.name}: got no cell in a setting that {a.name} has it in; expected the same suite"]


def _disjoint(a: str, b: str, frames: Sequence[pd.DataFrame], names: Sequence[str]) -> Iterator[str]:
    for name in names:
        first, second = (sorted(frame[name].unique()) for frame in frames)
        if not set(first) & set(second):
            told, expected = (few([str(value) for value in values]) for values in (second, first))
            yield f"{b}: {name}: got {told}; expected some of {expected} as in {a}"


def _refuse(a: Any, b: Any, tasks: set[str]) -> None:
    """Raise `DataError` where tasks of these names are not the same, as far as both runs say."""
    problems = list[str]()
    for task in sorted(tasks):
        first, second = (run.manifest["tasks"].get(task, {}) for run in (a, b))
        problems += others(a, b, task, [key for key in SAME if key in first and key in second])
    if problems:
        raise DataError(problems, "only runs of the same tasks and data can be compared")


def _sided(a: pd.DataFrame, b: pd.DataFrame) -> list[pd.DataFrame]:
    """Both with a column `side`: the device, but nothing for tasks that the two timed on no device in common.

    So a GPU's run is compared with a CPU's, each at the best of its own settings, and of two runs of both devices each
    with its own at the same setting.
    """
    on = [set(frame[["task", "device"]].itertuples(index=False, name=None)) for frame in (a, b)]
    shared = {task for task, _ in on[0] & on[1]}
    return [_fastest(frame, frame["task"].isin(shared)) for frame in (a, b)]


def _fastest(frame: pd.DataFrame, alike: "pd.Series[bool]") -> pd.DataFrame:
    """All timings `alike`; of the rest the fastest of those that differ in the device's own settings alone."""
    same = {"same_width": frame["width"].where(alike, 0), "same_workers": frame["asked"].where(alike, "")}
    sided = frame.assign(side=frame["device"].where(alike, ""), rate=stats.machine_rate(frame), **same)
    return sided.loc[sided.groupby(JOINED, sort=False)["rate"].idxmax()]


def lines(found: SpeedComparison, _width: float = np.inf) -> list[str]:
    """The comparison as lines of plain text, its sentences last: as they are, no table, for any terminal."""
    rows = [
        f"{_name(row)}: {row['ratio']:.3g} times as fast ({row['ratio_low']:.3g} to {row['ratio_high']:.3g})"
        f" {row['verdict']}"
        for row in found.cells.to_dict("records")
    ]
    return [*rows, "", *found.sentences]


def as_json(found: SpeedComparison) -> str:
    """The comparison for programs; what is not finite is null."""
    cells = json.loads(found.cells.to_json(orient="records"))
    head = {"runs": list(found.names), "sentences": list(found.sentences), "missing": found.missing}
    return json.dumps(head | {"cells": cells}, indent=1)


def render(found: SpeedComparison, runs: Sequence[Any]) -> dict[str, bytes]:
    """The files of a comparison's page, by name; the page last."""
    readers, alike = varied(found.cells, READERS, SETTINGS)
    section = Section("cells", "Timing by timing", alike, (("Above 1: B is faster", table(found.cells, readers)),))
    figure = speedup.ratios("compare-speed", found.cells[found.cells["sure"]], *reversed(found.names))
    shown = [Section("speed", "Speed", figures=(figure,))] if figure else []
    head = {
        "title": f"{found.names[1]} against {found.names[0]}",
        "kicker": f"A: {found.names[0]}; B: {found.names[1]}",
        "heads": [(found.sentences, None)],
        "sections": [*shown, section],
        "runs": ran(found.names, runs),
        "commands": together(runs, "compare"),
        "numbers": "tables/compare.csv",
    }
    csv = found.cells.to_csv(index=False, lineterminator="\n").encode()
    files = {"tables/compare.csv": csv} | (figure.files if figure else {})
    return folder.listed(files, "comparison") | {"index.html": page(head)}


def _name(row: dict[str, Any]) -> str:
    cell = cell_label(row["activation"], row["optimizer"])
    width, workers = (_each(row, name) for name in OWN)
    return f"{row['task']}: {cell} (batch {row['batch_size']}, width {width}, {row['precision']}, {workers} busy)"


def _each(row: dict[str, Any], name: str) -> str:
    """What A and B have of it, once where it is the same or only A has the timing."""
    return " against ".join(dict.fromkeys(str(row[key]) for key in (f"{name}_a", f"{name}_b") if key in row))


SETTINGS = [
    TASK,
    text("precision"),
    number("batch", "batch_size", whole),
    *(text(f"{end.upper()} on", f"device_{end}") for end in "ab"),
    *(number(f"{end.upper()}'s {name}", f"{name}_{end}", whole) for name in OWN for end in "ab"),
]
READERS = [
    *SETTING,
    *SETTINGS[1:],
    number("B / A", "ratio", times, "lane-steps a second; above 1: B is faster"),
    number("from", "ratio_low", times, "95 % interval, of the two medians and of what differs from run to run"),
    number("to", "ratio_high", times),
    text("B is", "verdict", f"level: the interval holds 1; {UNSURE}: a timing was {DOUBTED}"),
]
