"""A run that was stored: its lanes, curves and tables as frames. Derived tables are always made from the shards."""

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from statistics import median_low
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from bench import files, stats
from bench.findings.verdicts import cells
from bench.hardware.timing import noise
from bench.labels import counted
from bench.planning.budget import Trial, Tuning
from bench.planning.lanes import Budget, Cell, Lane, planned
from bench.planning.search import searched
from bench.storage import parquet, store

NO_REASON = "no reason was recorded"
NULLABLE = {"stopped_at": "Int64", "parameters": "Int64"}  # of a lane that has none yet
BUCKETS = ("start", "load", "trace", "compile", "train", "evaluate", "rows", "wait")


class Run:
    """A run's directory, read and checked lazily."""

    kind, unit = "convergence", "lanes"

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = self.path.resolve().name
        self.manifest = store.read_manifest(self.path)
        store.check_kind(self.path, self.manifest, self.kind)
        order = dict.fromkeys(cell[0] for cell in self.manifest["cells"])  # the suite's; the file has its keys sorted
        place = {task: number for number, task in enumerate(order)}
        self.manifest["tasks"] = dict(sorted(self.manifest["tasks"].items(), key=lambda item: place.get(item[0], -1)))

    def __repr__(self) -> str:
        return f"<Run {self.path}: {self.manifest['plan']['lanes']:,} lanes of {told(self.manifest)}>"

    @cached_property
    def planned(self) -> list[str]:
        """What it was to bring, by id: its lanes."""
        return [lane.id for lane in planned_lanes(self.manifest)]

    @cached_property
    def journal(self) -> list[dict[str, Any]]:
        """One entry a committed shard."""
        return store.whole_journal(self.path, self.manifest)

    @cached_property
    def _shards(self) -> pa.Table:
        tables = [part.read() for part in store.parts(self.path, self.journal)]
        return pa.concat_tables([parquet.SCHEMA.empty_table(), *tables])

    @cached_property
    def lanes(self) -> pd.DataFrame:
        """One row a planned lane, in the suite's order; those without a result yet are `interrupted`."""
        found = self._shards.select(parquet.LANE_COLUMNS).to_pandas(use_threads=False).astype(NULLABLE)
        planned = list(planned_lanes(self.manifest))
        done = set(found["lane"])
        rest = [lane._asdict() for lane in planned if lane.id not in done]
        place = {lane.id: i for i, lane in enumerate(planned)}
        if not rest:
            return found.sort_values("lane", key=lambda lanes: lanes.map(place), ignore_index=True)
        missing = pd.DataFrame(rest).rename(columns={"id": "lane"}).assign(status="interrupted", hyperparameters="{}")
        missing = missing.assign(steps_to_target=np.inf, shard="", batch_size=0, steps=0)
        every = pd.concat([found, missing.reindex(columns=found.columns).astype(NULLABLE)])
        return every.sort_values("lane", key=lambda lanes: lanes.map(place), ignore_index=True)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row an evaluation of a lane."""
        columns = {name: f"curve_{name}" for name in ("step", "train_loss", "validation_loss", "validation_metric")}
        lists = {name: self._shards.column(column).combine_chunks() for name, column in columns.items()}
        counts = np.diff(lists["step"].offsets.to_numpy())
        lane = np.repeat(self._shards.column("lane").to_numpy(zero_copy_only=False), counts)
        return pd.DataFrame({"lane": lane, **{name: values.flatten().to_numpy() for name, values in lists.items()}})

    @cached_property
    def exhibits(self) -> dict[tuple[str, str, str], NDArray[np.float32]]:
        """What each cell (task, activation, optimizer) has to show, of the seed of its middle test score.

        Where that seed kept nothing, of the one nearest to it in rank that did. The array has the shape that its kind
        in `bench.figures.exhibits` takes; of a path [evaluations, 2].
        """
        keys = self._shards.select([*stats.CELL, "phase", "seed", "status", "test_metric"]).to_pandas(use_threads=False)
        exhibit, trace = (self._shards.column(name).is_valid().to_numpy() for name in ("exhibit", "curve_trace"))
        keys["kept"] = exhibit | trace
        keys = keys[keys["phase"] == "evaluate"]
        signs = keys["task"].map({name: stats.Metric.of(task).sign for name, task in self.manifest["tasks"].items()})
        keys["worse"] = -signs.astype(float) * stats.scores(keys, "test_metric", self.manifest["tasks"])
        order = {seed: place for place, seed in enumerate(self.manifest["seeds"]["evaluate"])}
        keys = keys.sort_values("seed", key=lambda seeds: seeds.map(order)).sort_values("worse", kind="stable")
        cells = keys.groupby(stats.CELL)["worse"]
        off = (cells.cumcount() - (cells.transform("size") - 1) // 2).abs()
        nearest = keys.assign(off=off)[keys["kept"]].sort_values("off", kind="stable").drop_duplicates(stats.CELL)
        rows = nearest[stats.CELL].itertuples(name=None)
        return {(task, activation, optimizer): self._exhibit(row) for row, task, activation, optimizer in rows}

    def _exhibit(self, row: int) -> NDArray[np.float32]:
        exhibit, shape, trace = (self._shards.column(c)[row] for c in ("exhibit", "exhibit_shape", "curve_trace"))
        found: NDArray[np.float32] = (
            exhibit.values.to_numpy().reshape(shape.as_py())
            if exhibit.is_valid
            else np.array(trace.as_py(), np.float32)
        )
        return found

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row a cell and trial: what tuning saw of it; see `bench.stats.learning_rate_sensitivity`."""
        return stats.learning_rate_sensitivity(self.lanes, self.manifest["tasks"])

    @cached_property
    def convergence(self) -> pd.DataFrame:
        """One row a cell: what evaluation found."""
        return stats.convergence(self.lanes, self.throughput, self.manifest["tasks"], searched(self.manifest))

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """`convergence` with what the verdict on its task says of each cell: see `bench.findings.verdicts.cells`."""
        return cells(self.lanes, self.convergence, self.manifest["tasks"])

    @cached_property
    def throughput(self) -> pd.DataFrame:
        """One row a cell: how fast it was, from the chunks as they ran."""
        return throughput(self.journal, self.manifest)

    @cached_property
    def failures(self) -> pd.DataFrame:
        """Why lanes failed: one row a cell and reason, with `lanes`, how many; empty where none did.

        `error` is the type and message of what was raised, as the worker told it.
        """
        errors = {entry["shard"]: entry["error"] for entry in self.journal if "error" in entry}
        failed = self.lanes[self.lanes["status"] == "failed"]
        failed = failed.assign(error=failed["shard"].map(errors).fillna(NO_REASON))
        return failed.groupby([*stats.CELL, "error"], sort=False).size().reset_index(name="lanes")

    @property
    def lost(self) -> str:
        """How many lanes failed, in words; empty where none did."""
        count = int(self.failures["lanes"].sum())
        return counted(count, "failed lane") if count else ""

    @cached_property
    def times(self) -> pd.DataFrame:
        """Where the workers' time went, in worker-seconds: adds up to workers times wall time."""
        return times(self.journal, self.manifest["execution"])

    @cached_property
    def halved(self) -> dict[str, int]:
        """The shards of each task that were trained at less than the planned width, for want of memory."""
        return dict(Counter(entry["task"] for entry in self.journal if entry.get("halved")))

    def write_tables(self) -> dict[str, str]:
        """Write the derived tables; returns the checksum of each."""
        frames = {"lanes.csv": self.lanes, "convergence.csv": self.convergence, "throughput.csv": self.throughput}
        digests = {}
        for name, frame in frames.items():
            content = frame.to_csv(index=False, lineterminator="\n").encode()
            files.write(self.path / name, content)
            digests[name] = files.sha256(content)
        return digests


def told(manifest: dict[str, Any]) -> str:
    """What a run is of and how it ended, as `quick, complete`."""
    return f"{manifest['name']}, {manifest['status']}"


def planned_lanes(manifest: dict[str, Any]) -> Iterator[Lane]:
    """The lanes that a run's manifest says were planned."""
    cells = [Cell(a, b, c, tuple(map(_trial, trials))) for a, b, c, trials in manifest["cells"]]
    tuning = Tuning(**manifest["suite"].get("tuning", {}))
    return planned(cells, Budget(tuning, manifest["seeds"]["tune"], manifest["seeds"]["evaluate"]))


def _trial(stored: float | list[float]) -> Trial:
    rate, *values = stored if isinstance(stored, list) else [stored]
    return Trial(rate, tuple(values))


def throughput(journal: list[dict[str, Any]], manifest: dict[str, Any]) -> pd.DataFrame:
    """The columns of the contract, one row a cell, from the chunks that the journal tells of.

    `step_s` is of one step of a whole chunk on one worker, `lane_steps_per_s` and what follows of one worker while all
    were busy. A convergence run has few samples a cell and says so in `noisy`.
    """
    entries = [entry for entry in journal if "chunks" in entry]
    rows = [row for entry in entries for row in _chunk_rows(entry)]
    if not rows:
        return pd.DataFrame(columns=THROUGHPUT_COLUMNS)
    chunks = pd.DataFrame(rows)
    programs = {entry["program"]: entry for entry in sorted(entries, key=lambda e: -float(e["compile_s"]))[::-1]}
    groups = dict(iter(chunks.groupby(["task", "activation", "optimizer"], sort=False)))
    cells = [tuple(cell[:3]) for cell in manifest["cells"]]
    found = [_throughput_row(cell, groups[cell], programs, manifest) for cell in cells if cell in groups]
    return pd.DataFrame(found, columns=THROUGHPUT_COLUMNS)


THROUGHPUT_COLUMNS = [
    "task", "activation", "optimizer", "device", "device_kind", "precision", "batch_size", "lanes", "width", "workers",
    "trace_s", "compile_s", "cache", "first_run_s", "step_s_median", "step_s_low", "step_s_high", "step_s_p95",
    "samples", "noisy", "lane_steps_per_s", "examples_per_s", "flops_per_s", "peak_share", "peak_memory_bytes",
]  # fmt: skip


def _chunk_rows(entry: dict[str, Any]) -> list[dict[str, Any]]:
    common = {name: entry.get(name) for name in ("task", "program", "session")} | {"steps": np.nan, "width": np.nan}
    return [
        {**common, **chunk, "activation": activation, "lanes": lanes}
        for chunk in entry["chunks"]
        for activation, lanes in _lanes_of(chunk).items()
    ]


def _lanes_of(chunk: dict[str, Any]) -> dict[str, int]:
    """How many lanes of a chunk are of each of its activations; of earlier versions the journal names those alone."""
    told = chunk["activations"]
    return told if isinstance(told, dict) else dict.fromkeys(told, chunk["lanes"])


def _throughput_row(
    cell: tuple[str, str, str], chunks: pd.DataFrame, programs: dict[str, dict[str, Any]], manifest: dict[str, Any]
) -> list[Any]:
    environment, execution = manifest["environment"], manifest["execution"]
    entry = programs[chunks["program"].iloc[0]]
    program = manifest["programs"][entry["program"]]
    steps = chunks["steps"].fillna(program["steps"])
    widths = chunks["width"].fillna(program["width"])
    width = int(widths.min())  # the one that had memory enough
    alike = chunks[widths == width]
    steps = steps[alike.index]
    longest = alike[steps == steps.max()]  # in a shorter rung of tuning evaluations weigh more
    steady = longest[~longest["first"]] if not longest["first"].all() else longest
    samples = (steady["seconds"] / steps.max()).to_numpy()
    low, median, high, p95 = (float(value) for value in np.percentile(samples, [25, 50, 75, 95]))
    rate = width / median
    flops = rate * (entry.get("lane_step_flops") or program["lane_step_flops"])
    peak = execution.get("gemm_flops_per_s")
    first = [chunk["seconds"] for chunk in entry["chunks"] if chunk["first"]]
    return [
        *cell, environment.get("device", manifest.get("device")), environment.get("device_kind"),
        environment.get("precision"), program["batch_size"], int(chunks["lanes"].sum()), width,
        _busy(execution, steady["session"]),
        entry["trace_s"], entry["compile_s"], entry["cache"], first[0] if first else np.nan,
        median, *stats.bootstrap_interval(samples, statistic=np.median), p95,
        len(samples), noise(low, median, high, len(samples)), rate, rate * program["batch_size"], flops,
        flops / peak if peak else np.nan, entry["program_bytes"],
    ]  # fmt: skip


def _busy(execution: dict[str, Any], sessions: "pd.Series[Any]") -> int:
    """How many workers trained at once in these sessions, or in the last where an earlier version did not tell."""
    told = [session.get("busy") for session in execution.get("sessions", [])]
    found = [told[int(number)] for number in sessions.dropna() if int(number) < len(told) and told[int(number)]]
    return int(median_low(found)) if found else int(execution.get("busy", execution["workers"]))


def times(journal: list[dict[str, Any]], execution: dict[str, Any]) -> pd.DataFrame:
    """Worker-seconds by bucket over all sessions of the run; `wait` is what no worker used."""
    spent = dict.fromkeys(BUCKETS, 0.0)
    total = 0.0
    for number, session in enumerate(execution["sessions"]):
        own = [entry for entry in journal if entry.get("session") == number and "finished" in entry]
        finished = session["finished"] or max([entry["finished"] for entry in own], default=session["started"])
        total += session["workers"] * (finished - session["started"])
        spent["start"] += sum(ready - session["started"] for ready in session["ready"])
        for entry in own:
            used = {bucket: entry[f"{bucket}_s"] for bucket in ("load", "trace", "compile", "train", "evaluate")}
            for bucket, seconds in used.items():
                spent[bucket] += seconds
            taken = entry["finished"] - entry["started"] - entry.get("turn_s", 0.0)  # its turn it waited for
            spent["rows"] += taken - sum(used.values())
    spent["wait"] = total - sum(spent.values())
    return pd.DataFrame({"bucket": list(spent), "seconds": list(spent.values())})
