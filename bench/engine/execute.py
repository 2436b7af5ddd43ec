"""One shard to rows: trace, compile, run and time it. Runs in a worker; keeps what it has compiled and loaded."""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from math import inf, isfinite
from operator import itemgetter
from typing import Any

import jax
import numpy as np

from bench.engine import faults, mesh, train
from bench.engine.compile import compile_lowered
from bench.engine.cost import Cost, cost
from bench.engine.train import Outcome
from bench.errors import in_words, out_of_memory
from bench.hardware import turns
from bench.losses import Metric
from bench.planning.lanes import Lane
from bench.planning.program import Program
from bench.planning.shard import Result, Shard
from bench.tasks import Task

Row = dict[str, Any]


@dataclass
class Timing:
    """Where the time of a shard went, in seconds; `other_s` is what none of the rest is."""

    worker: int = 0
    started: float = 0.0  # seconds since the epoch
    finished: float = 0.0
    load_s: float = 0.0
    trace_s: float = 0.0
    compile_s: float = 0.0
    cache: str = ""  # hit, miss or off, where this shard compiled
    train_s: float = 0.0
    evaluate_s: float = 0.0
    turn_s: float = 0.0  # waited until others had trained their chunks
    program: str = ""
    devices: int = 1  # that trained side by side
    width: int = 0  # of the last chunk, over all devices
    halved: int = 0  # how often the planned width has been, for want of memory
    lane_step_flops: int = 0
    program_bytes: int = 0  # XLA's own account, of each device: arguments, outputs and temporaries of one chunk
    resident_bytes: int = 0  # the worker's peak so far
    chunks: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Loaded:
    """A program, ready to run; narrower than planned where memory had run out, and without what cannot be traced."""

    program: Program
    compiled: Callable[..., Outcome]
    data: dict[str, Any]
    windows: np.ndarray
    program_bytes: int
    cost: Cost
    faults: faults.Faults  # of its entries that are left out
    evaluate_s: float = -1.0  # of one chunk; measured once, by the same program with no steps
    fresh: bool = True


_LOADED: dict[str, Loaded] = {}
_HALVED: dict[str, int] = defaultdict(int)  # by program: how often its width was
_DATA: dict[str, Any] = {}  # by task
_ALIKE: dict[Any, Any] = {}  # the same by what they are
_ORDERS: dict[tuple[int, int, int, int], np.ndarray] = {}
_RUN: set[str] = set()  # whose these are


def begin(run: str) -> None:
    """Forget what was kept for another run: its data and functions may have been others of the same names."""
    if run not in _RUN:
        for kept in (_LOADED, _HALVED, _DATA, _ALIKE, _ORDERS, _RUN):
            kept.clear()
        _RUN.add(run)


def execute(shard: Shard) -> Result:
    """Train every lane of the shard; where memory runs out, the rest of it and what follows at half the width.

    Lanes whose activation or optimizer raises while it is traced are failed, and `error` of the timing tells why.
    Raises that error where it is every lane's, and one for want of memory where a single lane has too little.
    """
    timing = Timing(worker=os.getpid(), started=time.time())
    raised = _halving(shard.program, _load, shard.program, timing).faults
    lost = {lane.id: fault for lane in shard.lanes if (fault := faults.of(lane, raised))}
    if len(lost) == len(shard.lanes):
        raise lost[shard.lanes[0].id].with_traceback(None)
    rows = {lane.id: shard.failed(lane) for lane in shard.lanes if lane.id in lost}
    outcomes: dict[str, tuple[Outcome, int]] = {}
    for lanes in groups(shard.program, [lane for lane in shard.lanes if lane.id not in lost]):
        while lanes:
            width, outcome = _halving(shard.program, _train, shard, lanes, timing)
            for i, lane in enumerate(lanes[:width]):
                rows[lane.id] = row(shard, lane, outcome, i) | {"parameters": _LOADED[shard.program.id].cost.parameters}
                outcomes |= {lane.id: (outcome, i)} if lane.phase == "evaluate" else {}
            lanes = lanes[width:]
    for name in typical([rows[name] for name in outcomes], shard.program.task.metric):
        rows[name] |= shown(*outcomes[name])
    timing.program, timing.devices = shard.program.id, mesh.count()
    timing.width, timing.halved = narrowed(shard.program).width, _HALVED[shard.program.id]
    timing.program_bytes = _LOADED[shard.program.id].program_bytes
    timing.lane_step_flops = _LOADED[shard.program.id].cost.lane_step_flops
    timing.resident_bytes = peak_resident_bytes()
    timing.finished = time.time()
    told = asdict(timing)
    if lost:
        told["error"] = "; ".join(dict.fromkeys(map(in_words, lost.values())))
    return Result([rows[lane.id] for lane in shard.lanes], told)


def _halving(program: Program, call: Callable[..., Any], *arguments: Any) -> Any:
    """What the call gives, made again at half the program's width for as long as memory runs out."""
    while True:
        try:
            return call(*arguments)
        except (jax.errors.JaxRuntimeError, MemoryError) as error:
            if not out_of_memory(error) or narrowed(program).width == mesh.count():
                raise
        _LOADED.pop(program.id, None)
        _HALVED[program.id] += 1


def _train(shard: Shard, lanes: list[Lane], timing: Timing) -> tuple[int, Outcome]:
    """One call that trains as many of the lanes as the program is wide; that width and the outcome."""
    loaded = _load(shard.program, timing)
    program = loaded.program
    lanes = lanes[: program.width]
    windows = padded(program.windows_of(shard.steps), len(loaded.windows))
    outcome, seconds = _timed(loaded, lanes, windows, timing)
    if loaded.evaluate_s < 0:
        _, loaded.evaluate_s = _timed(loaded, lanes, np.zeros_like(loaded.windows), timing)
        timing.evaluate_s += loaded.evaluate_s
    timing.chunks.append(
        {"activations": dict(Counter(lane.activation for lane in lanes)), "optimizer": lanes[0].optimizer,
         "lanes": len(lanes), "width": program.width, "steps": shard.steps, "seconds": seconds, "first": loaded.fresh}
    )  # fmt: skip
    loaded.fresh = False
    evaluate_s = min(loaded.evaluate_s * float((windows[:, 0] >= 0).mean()), seconds)
    timing.evaluate_s += evaluate_s
    timing.train_s += seconds - evaluate_s
    return program.width, outcome


def narrowed(program: Program) -> Program:
    """The program at the width at which this worker trains it: as many lanes on each of its devices."""
    return replace(program, width=mesh.each(program.width, _HALVED[program.id]) * mesh.count())


def groups(program: Program, lanes: list[Lane]) -> list[list[Lane]]:
    """The lanes, those together that a call may train: of one optimizer and, unless mixed, one activation."""
    found: dict[tuple[str, str], list[Lane]] = defaultdict(list)
    for lane in lanes:
        found["" if program.mixed else lane.activation, lane.optimizer].append(lane)
    return list(found.values())


def row(shard: Shard, lane: Lane, outcome: Outcome, i: int) -> Row:
    """The i-th lane of an outcome as plain values: the columns of the results and its curves as lists."""
    program = shard.program
    ends = [end for _, end in program.windows_of(shard.steps)]
    train_loss, validation_loss, metric = (
        np.asarray(curve[i][: len(ends)], np.float64)
        for curve in (outcome.train_loss, outcome.validation_loss, outcome.validation_metric)
    )
    stopped_at = train.diverged_at(int(outcome.stopped_at[i]), validation_loss[-1], shard.steps)
    ok = stopped_at is None
    tested = ok and lane.phase == "evaluate"  # test data have no part in tuning
    return {
        **shard.identity(lane),
        "status": "ok" if ok else "diverged",
        "stopped_at": stopped_at,
        "train_loss": train_loss[-1],
        "validation_loss": validation_loss[-1],
        "validation_metric": metric[-1],
        "test_loss": float(outcome.test_loss[i]) if tested else np.nan,
        "test_metric": float(outcome.test_metric[i]) if tested else np.nan,
        "steps_to_target": steps_to_target(metric, ends, program),
        "curve_step": ends,
        "curve_train_loss": train_loss.tolist(),
        "curve_validation_loss": validation_loss.tolist(),
        "curve_validation_metric": metric.tolist(),
        **NOTHING_SHOWN,
    }


def typical(rows: list[Row], metric: Metric) -> list[str]:
    """The lane of each cell whose test score is the middle one among its `rows`, which a report shows.

    A lane without a score counts as the worst; of two in the middle it is the better one.
    """
    cells: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for row in rows:
        score = metric.sign * row["test_metric"]
        cells[row["activation"], row["optimizer"]].append((-score if isfinite(score) else inf, row["lane"]))
    ranked = [sorted(own, key=itemgetter(0)) for own in cells.values()]
    return [own[(len(own) - 1) // 2][1] for own in ranked]


NOTHING_SHOWN: Row = {"curve_trace": None, "exhibit": None, "exhibit_shape": None}


def shown(outcome: Outcome, i: int) -> Row:
    """What a report may show of a lane: its way and its exhibit, flat, with the exhibit's shape."""
    found = dict(NOTHING_SHOWN)
    if outcome.trace is not None:
        found["curve_trace"] = np.asarray(outcome.trace[i], np.float32).tolist()
    if outcome.exhibit is not None:
        exhibit = rounded(np.asarray(outcome.exhibit[i], np.float32))
        found |= {"exhibit": exhibit.ravel().tolist(), "exhibit_shape": list(exhibit.shape)}
    return found


def rounded(values: np.ndarray) -> np.ndarray:
    """Float32 values to 10 bits after the point, finer than a picture shows: a third of the bytes once compressed."""
    return ((values.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


def steps_to_target(metric: np.ndarray, ends: list[int], program: Program) -> float:
    """The step of the first evaluation whose validation metric is at least as good as the target; inf if none is."""
    better, target = program.task.metric.better, float(np.float32(program.task.target))  # as the scores are
    for value, end in zip(metric, ends, strict=True):
        if value == target or better(value, target):
            return float(end)
    return float("inf")


def order(samples: int, batch_size: int, steps: int, seed: int) -> np.ndarray:
    """The samples of each step, [steps, batch_size] int32: one shuffle an epoch, no sample twice within it.

    Every cell sees the same order for the same seed, so that cells are compared in pairs. An epoch's last samples
    that do not fill a batch are left out, as most data loaders do. A task that draws its own data is told how many by
    a batch of its one blank sample, the same at each step.
    """
    if samples == 0:
        return np.zeros((1, batch_size), np.int32)
    key = (samples, batch_size, steps, seed)
    if key not in _ORDERS:
        random = np.random.Generator(np.random.Philox(key=seed))
        per_epoch = samples // batch_size
        epochs = -(-steps // per_epoch)
        drawn = [random.permutation(samples)[: per_epoch * batch_size] for _ in range(epochs)]
        _ORDERS[key] = np.concatenate(drawn).astype(np.int32).reshape(-1, batch_size)[:steps]
    return _ORDERS[key]


def padded(windows: list[tuple[int, int]], count: int) -> np.ndarray:
    """The windows [count, 2] int32 of a training that may end before the program's, the rest of them empty."""
    return np.array(windows + [train.NO_WINDOW] * (count - len(windows)), np.int32)


def traced_lanes(program: Program, lanes: list[Lane]) -> train.Lane:
    """The arguments of one call; the last lane is repeated up to the full width, so that every chunk is alike."""
    full = lanes + [lanes[-1]] * (program.width - len(lanes))
    activations = [a.label for a in program.activations]
    optimizers = [o.label for o in program.optimizers]
    picked = [activations.index(lane.activation) for lane in full]
    if program.full_batch:
        orders = np.zeros((program.width, program.steps, 0), np.int32)
    else:
        samples = program.task.samples.train
        orders = np.stack([order(samples, program.batch_size, program.steps, lane.seed) for lane in full])
    return train.Lane(
        activation=np.array(picked if program.mixed else picked[0], np.int32),
        optimizer=np.int32(optimizers.index(lanes[0].optimizer)),
        learning_rate=np.array([lane.learning_rate for lane in full], np.float32),
        seed=np.array([lane.seed for lane in full], np.uint32),
        order=orders,
        values=np.array([_values(program, lane) for lane in full], np.float32),
    )


def _values(program: Program, lane: Lane) -> list[float]:
    """What the lane's optimizer searches, and zeros up to the most that an optimizer of the program does."""
    most = max(len(optimizer.searched) for optimizer in program.optimizers)
    return [*lane.values, *[0.0] * (most - len(lane.values))]


def batched(program: Program) -> Callable[[train.Lane, dict[str, Any], Any], Outcome]:
    """The training function of a chunk of lanes, neither traced nor compiled."""
    run = train.train(
        program.task, program.activations, program.optimizers, steps=program.steps, full_batch=program.full_batch
    )
    along = axes(program)

    def chunk(lanes: train.Lane, data: dict[str, Any], windows: Any) -> Outcome:
        if len(lanes.seed) > 1:
            return jax.vmap(run, in_axes=(along, None, None))(lanes, data, windows)
        # Without an axis of lanes XLA transposes no operand of a product ahead of it.
        alone = (x if axis is None else x[0] for x, axis in zip(lanes, along, strict=True))
        return jax.tree.map(lambda x: x[None], run(train.Lane(*alone), data, windows))

    return chunk


def axes(program: Program) -> train.Lane:
    """Along which axis of each argument the lanes of a chunk lie; None where they share it."""
    return train.Lane(
        activation=0 if program.mixed else None, optimizer=None, learning_rate=0, seed=0, order=0, values=0
    )


def _data(task: Task) -> Any:
    """A task's data on the devices, once where those of several are alike: most options change the network alone."""
    if task.name not in _DATA:
        loaded = task.data()
        key = _contents(loaded) or task.name
        if key not in _ALIKE:
            _ALIKE[key] = mesh.replicated(loaded)
        _DATA[task.name] = _ALIKE[key]
    return _DATA[task.name]


def _contents(loaded: Any) -> tuple[Any, str] | None:
    """What a tree of arrays is known by; None where some of them are not numpy's."""
    leaves, structure = jax.tree.flatten(loaded)
    digest = sha256()
    for leaf in leaves:
        if not isinstance(leaf, np.ndarray):
            return None
        digest.update(f"{leaf.dtype}{leaf.shape}".encode() + leaf.tobytes())
    return structure, digest.hexdigest()


def _load(planned: Program, timing: Timing) -> Loaded:
    if planned.id not in _LOADED:
        program = narrowed(planned)
        start = time.perf_counter()
        data = _data(program.task)
        timing.load_s += time.perf_counter() - start
        windows = np.asarray(program.windows, np.int32)
        start = time.perf_counter()
        program, raised, lowered = _lowered(program, data, windows)
        timing.trace_s += time.perf_counter() - start
        compiled = compile_lowered(lowered)
        timing.compile_s, timing.cache = timing.compile_s + compiled.compile_s, compiled.cache
        _LOADED[planned.id] = Loaded(
            program, compiled.call, data, windows, compiled.memory_bytes, cost(program, data), raised
        )
    return _LOADED[planned.id]


def _lowered(program: Program, data: Any, windows: np.ndarray) -> tuple[Program, faults.Faults, Any]:
    """The program as it could be traced, what had to be left out for it, and what is to be compiled."""

    def trace(program: Program) -> Any:
        example = traced_lanes(program, [_example(program)])
        return mesh.jitted(batched(program), axes(program)).lower(example, data, windows)

    try:
        return program, {}, trace(program)
    except Exception as error:  # whatever a user's activation or optimizer raises
        raised = {} if out_of_memory(error) else faults.found(program, trace)
        if not raised:
            raise
    rest = faults.without(program, raised)
    return rest, raised, trace(rest)


def _example(program: Program) -> Lane:
    first, optimizer = program.activations[0], program.optimizers[0]
    return Lane("", program.task.name, first.label, optimizer.label, "tune", 0.1, 0)


def _timed(loaded: Loaded, lanes: list[Lane], windows: np.ndarray, timing: Timing) -> tuple[Outcome, float]:
    """The outcome on the host, and the seconds from the call until it was there."""
    arguments = traced_lanes(loaded.program, lanes)
    asked = time.perf_counter()
    with turns.turn():
        start = time.perf_counter()
        outcome = loaded.compiled(arguments, loaded.data, windows)
        outcome = jax.device_get(jax.block_until_ready(outcome))
        end = time.perf_counter()
    timing.turn_s += start - asked
    return outcome, end - start


def peak_resident_bytes() -> int:
    """Of this process, so far; where its device has a memory of its own, of that."""
    if peak := (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use"):
        return int(peak)
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
