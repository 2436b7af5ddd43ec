"""How long a run's measured shards would take on other numbers of workers like its own."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from itertools import pairwise
from math import inf
from operator import itemgetter
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
    evaluated waits for its block's tuning, and a rung of that for the one before; a shard that failed is left out.
    Raises ValueError where there is no shard or fewer than one worker.
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
    waiting = _Waiting(entries)
    loading: dict[str, float] = defaultdict(float)
    for entry in entries:
        loading[entry["program"]] = max(loading[entry["program"]], _loading(entry))
    free, loaded = [(0.0, worker) for worker in range(workers)], [set[str]() for _ in range(workers)]
    for _ in entries:
        at, worker = heappop(free)
        start, shard = waiting.take(at, loaded[worker])
        entry = waiting.longest[shard]
        load = 0.0 if entry["program"] in loaded[worker] else loading[entry["program"]]
        end = start + load + _work(entry)
        loaded[worker].add(entry["program"])
        heappush(free, (end, worker))
        waiting.placed(shard, end)
    return max(end for end, _ in free)


class Stage(NamedTuple):
    """Shards of a block that wait for all of the stage before: rungs of its tuning in their order, then evaluation."""

    block: str
    number: float


def _stage(shard: str) -> Stage:
    block, kind, _ = shard.split("-")
    return Stage(block, inf if kind.startswith("evaluate") else int(kind.removeprefix("tune") or 0))


class _Waiting:
    """The shards that no worker has yet; each is known by its place among `longest`, the one with most work first."""

    def __init__(self, entries: list[Mapping[str, Any]]) -> None:
        self.longest = sorted(entries, key=_work, reverse=True)
        self.stage = [_stage(entry["shard"]) for entry in self.longest]
        self.unplaced = Counter(self.stage)
        before = {later: earlier for earlier, later in pairwise(sorted(self.unplaced)) if earlier.block == later.block}
        self.ended: dict[Stage, float] = defaultdict(float)  # when the last shard of a stage ends
        self.after: dict[Stage, list[int]] = defaultdict(list)  # what waits for it
        self.known: list[tuple[float, int]] = []  # a heap: those of which it is known from when on they may start
        self.ready: dict[str, list[int]] = defaultdict(list)  # heaps by program: those that may
        self.now = 0.0
        for shard, stage in enumerate(self.stage):
            if stage in before:
                self.after[before[stage]].append(shard)
            else:
                self.known.append((0.0, shard))

    def take(self, at: float, loaded: set[str]) -> tuple[float, int]:
        """When a worker that is free `at` a time begins its next shard, and which."""
        self.now = max(self.now, at) if any(self.ready.values()) else max(at, self.known[0][0])
        while self.known and self.known[0][0] <= self.now:
            _, shard = heappop(self.known)
            heappush(self.ready[self.longest[shard]["program"]], shard)
        longest = {program: shards[0] for program, shards in self.ready.items() if shards}
        own = {program: shard for program, shard in longest.items() if program in loaded}
        program, shard = min((own or longest).items(), key=itemgetter(1))
        heappop(self.ready[program])
        return self.now, shard

    def placed(self, shard: int, end: float) -> None:
        """It ends then; what waits for the last of its stage may start when that has ended."""
        stage = self.stage[shard]
        self.unplaced[stage] -= 1
        self.ended[stage] = max(self.ended[stage], end)
        if not self.unplaced[stage]:
            for later in self.after[stage]:
                heappush(self.known, (self.ended[stage], later))


def _loading(entry: Mapping[str, Any]) -> float:
    return float(sum(entry[name] for name in LOADING))


def _work(entry: Mapping[str, Any]) -> float:
    return float(entry["finished"] - entry["started"]) - _loading(entry) - float(entry.get("turn_s", 0.0))
