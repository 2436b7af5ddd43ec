"""How long a run's measured shards would take on other numbers of workers like its own."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

LOADING = ("trace_s", "compile_s", "load_s")


class Projection(NamedTuple):
    """A run on `workers` workers: `seconds` from the first shard's start to the last one's end."""

    workers: int
    seconds: float
    lanes_per_hour: float


def projection(journal: Iterable[Mapping[str, Any]], workers: Iterable[int]) -> list[Projection]:
    """List scheduling (Graham 1966) of the measured shards of a journal, as `store.read_journal` returns it.

    The worker that is free first takes, of the shards that may start, one of a program that it has loaded, else the
    longest. A program costs a worker once the most that any worker took to trace, compile and load it. What is
    evaluated waits for its block's tuning; a shard that failed is left out. Raises ValueError where there is no shard
    or fewer than one worker.
    """
    entries, counts = [entry for entry in journal if entry.get("chunks")], list(workers)
    if not entries or min(counts, default=1) < 1:
        raise ValueError(f"projection: got {len(entries)} shards on {counts} workers; expected at least one of each")
    lanes = sum(chunk["lanes"] for entry in entries for chunk in entry["chunks"])
    found = []
    for count in counts:
        seconds = _makespan(entries, count)
        found.append(Projection(count, seconds, 3600 * lanes / seconds))
    return found


def _makespan(entries: list[Mapping[str, Any]], workers: int) -> float:
    loading: dict[str, float] = defaultdict(float)
    for entry in entries:
        loading[entry["program"]] = max(loading[entry["program"]], _loading(entry))
    block = {entry["shard"]: entry["shard"].partition("-")[0] for entry in entries}
    tuning = {entry["shard"] for entry in entries if "-evaluate-" not in entry["shard"]}
    unplaced: dict[str, int] = defaultdict(int)
    for shard in tuning:
        unplaced[block[shard]] += 1
    tuned: dict[str, float] = defaultdict(float)  # when the last shard of a block's tuning ends
    free, loaded = [0.0] * workers, [set[str]() for _ in range(workers)]
    waiting = sorted(entries, key=_work, reverse=True)
    while waiting:
        one = min(range(workers), key=free.__getitem__)
        placeable = [e for e in waiting if e["shard"] in tuning or not unplaced[block[e["shard"]]]]
        starts = {e["shard"]: 0.0 if e["shard"] in tuning else tuned[block[e["shard"]]] for e in placeable}
        now = max(free[one], min(starts.values()))
        ready = [e for e in placeable if starts[e["shard"]] <= now]
        entry = next((e for e in ready if e["program"] in loaded[one]), ready[0])
        load = 0.0 if entry["program"] in loaded[one] else loading[entry["program"]]
        loaded[one].add(entry["program"])
        free[one] = now + load + _work(entry)
        waiting.remove(entry)
        if entry["shard"] in tuning:
            unplaced[block[entry["shard"]]] -= 1
            tuned[block[entry["shard"]]] = max(tuned[block[entry["shard"]]], free[one])
    return max(free)


def _loading(entry: Mapping[str, Any]) -> float:
    return float(sum(entry[name] for name in LOADING))


def _work(entry: Mapping[str, Any]) -> float:
    return float(entry["finished"] - entry["started"]) - _loading(entry)
