"""A throughput run that was stored, as frames; all of them are made from the journal."""

from functools import cached_property
from itertools import chain
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pandas as pd

from bench import files
from bench.labels import counted
from bench.stats.throughput import summary
from bench.storage import store
from bench.storage.results import THROUGHPUT_COLUMNS, told
from bench.throughput.plan import OUT_OF_MEMORY

MORE_COLUMNS = [
    "step_s_min", "transfer_s", "fetch_s", "evaluate_s", "intensity", "bytes_per_s", "gemm_flops_per_s",
    "triad_bytes_per_s", "bandwidth_share", "working_bytes", "carry_bytes", "parameter_bytes", "resident_bytes",
    "status",
]  # fmt: skip
COLUMNS = [*THROUGHPUT_COLUMNS, *MORE_COLUMNS]
BUCKETS = (
    "start", "load", "order", "transfer", "trace", "compile", "first_run", "fetch", "warm_up", "ceilings", "steps",
    "evaluate", "wait",
)  # fmt: skip


class ThroughputRun:
    """A throughput run's directory, read and checked lazily."""

    kind, unit = "throughput", "groups"

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = self.path.resolve().name
        self.manifest = store.read_manifest(self.path)
        store.check_kind(self.path, self.manifest, self.kind)

    def __repr__(self) -> str:
        return f"<ThroughputRun {self.path}: {len(self.manifest['plan']['groups']):,} groups of {told(self.manifest)}>"

    @property
    def planned(self) -> list[str]:
        """What it was to bring, by id: its groups."""
        return list(self.manifest["plan"]["groups"])

    @cached_property
    def journal(self) -> list[dict[str, Any]]:
        """One entry a group that was measured, with every sample."""
        return store.whole_journal(self.path, self.manifest)

    @cached_property
    def throughput(self) -> pd.DataFrame:
        """One row a cell and setting: the columns of the contract and `MORE_COLUMNS`.

        `status` is ok or, where nothing could be timed, out of memory (for so wide a chunk) or failed.
        """
        entries = [entry for entry in self.journal if "workers" in entry]
        rows = [row for entry in entries for row in _rows(entry, self.manifest)]
        return pd.DataFrame(rows, columns=COLUMNS)

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row a sample: seconds of a step of a whole chunk."""
        rows = [
            {"group": entry["shard"], "worker": number, "activation": cell["activation"],
             "optimizer": cell["optimizer"], "step_s": value}
            for entry in self.journal if "workers" in entry
            for number, told in enumerate(entry["workers"])
            for cell in told["cells"]
            for value in cell["step_samples"]
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["group", "worker", "activation", "optimizer", "step_s"])

    @cached_property
    def failures(self) -> pd.DataFrame:
        """Why groups could not be timed: one row each; empty where all were."""
        rows = [(entry["shard"], entry["error"]) for entry in self.journal if "error" in entry]
        return pd.DataFrame(rows, columns=["group", "error"])

    @property
    def lost(self) -> str:
        """How many groups could not be timed, in words; empty where all were."""
        count = len(self.failures)
        return f"{counted(count, 'group')} that could not be timed" if count else ""

    @cached_property
    def times(self) -> pd.DataFrame:
        """Where the busy workers' time went, in worker-seconds; `wait` is what is left of workers times wall time."""
        return times(self.journal, self.manifest["execution"]["sessions"])

    def write_tables(self) -> dict[str, str]:
        """Write the derived table; returns its checksum by name."""
        content = self.throughput.to_csv(index=False, lineterminator="\n").encode()
        files.write(self.path / "throughput.csv", content)
        return {"throughput.csv": files.sha256(content)}


def _rows(entry: dict[str, Any], manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a cell of one group; its samples are those of all workers together, none where it cannot be timed."""
    group, found = entry["group"], entry["workers"]
    setting = {key: group[key] for key in ("task", "device", "precision", "batch_size", "width", "workers")}
    peaks = {name: median(told[name] for told in found) for name in ("gemm_flops_per_s", "triad_bytes_per_s")}
    resident = max(told["resident_bytes"] for told in found)
    setting["device_kind"] = manifest["devices"][group["device"]]["device_kind"]
    setting["lanes"] = group["width"] * group["workers"]
    rows = []
    for first in ({"lane_step_flops": group["lane_step_flops"], **cell} for cell in found[0]["cells"]):
        alike = [c for told in found for c in told["cells"] if c["program"] == first["program"]]
        times = {
            name: fmean(cell[name] for cell in alike)
            for name in ("trace_s", "compile_s", "transfer_s", "first_run_s", "fetch_s", "evaluate_s")
        }
        step = summary(list(chain.from_iterable(cell["step_samples"] for cell in alike)))
        rate = group["width"] / float(step["step_s_median"])
        flops, moved = rate * first["lane_step_flops"], rate * step_bytes(first)
        rows.append(
            {**setting, **times, **step, **peaks, "activation": first["activation"], "optimizer": first["optimizer"],
             "cache": first["cache"], "status": "ok",
             "lane_steps_per_s": rate, "examples_per_s": rate * group["batch_size"], "flops_per_s": flops,
             "peak_share": flops / peaks["gemm_flops_per_s"], "peak_memory_bytes": first["program_bytes"],
             "intensity": first["lane_step_flops"] / step_bytes(first), "bytes_per_s": moved,
             "bandwidth_share": moved / peaks["triad_bytes_per_s"], "resident_bytes": resident,
             **{key: first[key] for key in ("working_bytes", "carry_bytes", "parameter_bytes")}}
        )  # fmt: skip
    for activation, optimizer, why in entry.get("untimed", []):
        status = why if why == OUT_OF_MEMORY else "failed"
        rows.append({**setting, "activation": activation, "optimizer": optimizer, "samples": 0, "status": status})
    return rows


def step_bytes(cell: dict[str, Any]) -> int:
    """Bytes that a lane-step moves at least, were nothing kept in a cache between steps.

    2 carry + 4 parameters: what a step hands to the next is read and written, parameters are read forward and
    backward, their gradients written and read. With float32: 24 bytes a parameter for SGD and 40 for Adam.
    """
    return int(2 * cell["carry_bytes"] + 4 * cell["parameter_bytes"])


def times(journal: list[dict[str, Any]], sessions: list[dict[str, Any]]) -> pd.DataFrame:
    """Worker-seconds by bucket; together the start of all workers and, of each group, busy workers x wall time."""
    spent = dict.fromkeys(BUCKETS, 0.0)
    spent["start"] = sum(session["start_s"] for session in sessions)
    for entry in (entry for entry in journal if "workers" in entry):
        used = [told["spent"] for told in entry["workers"]]
        for bucket, value in (item for one in used for item in one.items()):
            spent[bucket] += value
        spent["wait"] += len(used) * entry["wall_s"] - sum(sum(one.values()) for one in used)
    return pd.DataFrame({"bucket": list(spent), "seconds": list(spent.values())})
