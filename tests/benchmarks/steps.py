"""What each part costs beside a fixed piece of work: `pytest tests/benchmarks/steps.py -n 0 --benchmark-enable`.

A step of `digits_mlp` by activation and by optimizer, compiling, planning, storing, reporting. Each is timed in turns
with a reference that no change of bench touches, and `extra_info` keeps the ratio of the two, which holds on another
machine where seconds do not. `--benchmark-json FILE` keeps them; `python tests/benchmarks/compare.py FILE` compares
with baseline.json. Three minutes on one core; let nothing else run beside it.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.activations import ACTIVATIONS
from bench.optimizers import OPTIMIZERS
from bench.planning import plan, suite
from bench.planning.lanes import Lane
from bench.planning.shard import Shard

STEPS, ROUNDS = 50, 7
FIXED = np.random.default_rng(0).standard_normal((200_000, 4))


@pytest.fixture(scope="module", autouse=True)
def one_core() -> Iterator[None]:
    """As a worker is, though in this process: one core, before jax starts its threads."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def beside(benchmark: Any, call: Callable[[], Any], reference: Callable[[], Any], rounds: int = ROUNDS) -> None:
    """Both in turns; the ratio is that of the fastest of each, which other work on the machine touches least."""
    ours: list[float] = []
    references: list[float] = []

    def turn() -> None:
        ours.append(seconds(call))
        references.append(seconds(reference))

    if benchmark.enabled:
        call(), reference()
    benchmark.pedantic(turn, rounds=rounds)
    benchmark.extra_info.update(ratio=round(min(ours) / min(references), 3), s=ours, reference_s=references)


# Training


@cache
def gemm() -> Callable[[], Any]:
    """500 products of 64 x 128 with 128 x 128, one after another."""
    import jax
    import jax.numpy as jnp

    kernel = jnp.eye(128)
    run = jax.jit(lambda x: jax.lax.scan(lambda x, _: (x @ kernel, None), x, None, length=500)[0])
    x = jnp.ones((64, 128))
    call = run.lower(x).compile()
    return lambda: jax.block_until_ready(call(x))


@cache
def shards(activations: tuple[str, ...], optimizers: tuple[str, ...]) -> dict[tuple[str, str], Shard]:
    """One chunk of each cell, as bench plans it."""
    described = {
        "name": "steps", "description": "Steps", "tasks": ["digits_mlp"], "activations": list(activations),
        "optimizers": list(optimizers), "steps": STEPS, "batch_size": 64, "eval_every": STEPS,
        "learning_rates": {"low": 1e-3, "high": 1e-3, "num": 1}, "seeds": {"tune": 5, "evaluate": 5},
    }  # fmt: skip
    made = plan.make(suite.parse(described))
    found = {}
    for block in made.blocks:
        lanes = [lane for shard in made.tune_shards(block) for lane in shard.lanes]
        for cell in block.cells:
            own = tuple(lane for lane in lanes if lane[1:4] == cell[:3])[: block.program.width]
            found[cell.activation, cell.optimizer] = Shard("steps", block.program, own)
    return found


def chunk(benchmark: Any, shard: Shard) -> None:
    from bench.engine.execute import execute

    execute(shard)  # compiles, where none of its program has run
    beside(benchmark, partial(execute, shard), gemm())
    benchmark.extra_info.update(lanes=len(shard.lanes), steps=STEPS)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation(benchmark: Any, activation: str) -> None:
    """A chunk of 50 steps with Adam."""
    chunk(benchmark, shards(tuple(ACTIVATIONS), ("adam",))[activation, "adam"])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizer(benchmark: Any, optimizer: str) -> None:
    """A chunk of 50 steps with relu."""
    chunk(benchmark, shards(("relu",), tuple(OPTIMIZERS))["relu", optimizer])


def test_compile(benchmark: Any) -> None:
    """Trace and compile five activations with six optimizers, beside a perceptron in plain jax with SGD."""
    import jax
    import jax.numpy as jnp

    from bench.engine import execute
    from bench.engine.compile import compile_lowered

    program = next(iter(shards(
        ("sigmoid", "tanh", "relu", "leaky_relu", "elu"),
        ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"),
    ).values())).program  # fmt: skip
    data = jax.device_put(program.task.load(program.task))
    lanes = execute.traced_lanes(program, [Lane("", "digits_mlp", "relu", "adam", "tune", 1e-3, 0)])
    weights = [jnp.ones((64, 128)), jnp.ones((128, 128)), jnp.ones((128, 10))]

    def ours() -> None:
        jax.clear_caches()
        compile_lowered(jax.jit(execute.batched(program)).lower(lanes, data, np.asarray(program.windows, np.int32)))

    def loss(w: Any, x: Any) -> Any:
        for kernel in w:
            x = jnp.tanh(x @ kernel)
        return jnp.square(x).mean()

    def plain(w: Any, x: Any) -> Any:
        step = lambda w, _: (jax.tree.map(lambda p, g: p - g, w, jax.grad(loss)(w, x)), None)  # noqa: E731
        return jax.lax.scan(step, w, None, length=10)[0]

    def reference() -> None:
        jax.clear_caches()
        jax.jit(plain).lower(weights, jnp.ones((64, 64))).compile()

    beside(benchmark, ours, reference, rounds=3)


# Planning and results


def numbers() -> None:
    """A fixed piece of work of pandas and of Python."""
    import pandas as pd

    frame = pd.DataFrame(FIXED, columns=list("abcd"))
    frame.assign(key=frame.a.round(1)).groupby("key").agg(["mean", "std"])
    json.loads(json.dumps(FIXED[:20_000].tolist()))


def test_plan(benchmark: Any) -> None:
    """`standard` to blocks and every lane."""
    beside(benchmark, lambda: list(plan.make(suite.read("standard")).planned()), numbers)


def test_store(benchmark: Any, tmp_path: Path) -> None:
    """Twenty shards of ten lanes committed and read, beside as many files written, flushed, renamed and read."""
    from bench.running.launch import failed_rows
    from bench.storage.store import Store, parts, read_journal

    shard = shards(("relu",), ("adam",))["relu", "adam"]
    rows = [row for _ in range(2) for row in failed_rows(shard, "")]
    content = os.urandom(20_000)

    def ours() -> None:
        with Store(tmp_path / "run") as held:
            for number in range(20):
                held.commit(f"{number:05d}", [row | {"shard": f"{number:05d}"} for row in rows], {})
            assert sum(len(part.read()) for part in parts(held.path, read_journal(held.path))) == 20 * len(rows)

    def reference() -> None:
        for number in range(20):
            for path in (tmp_path / f"{number}", tmp_path / f"{number}.log"):
                with path.with_suffix(".tmp").open("wb") as file:
                    file.write(content)
                    os.fsync(file.fileno())
                assert path.with_suffix(".tmp").replace(path).read_bytes() == content

    beside(benchmark, ours, reference)


def test_report(benchmark: Any, tmp_path: Path) -> None:
    """The page of `results/quick`, beside six plain figures of matplotlib."""
    from bench.pages.report import report
    from bench.storage.results import load

    run = load(Path(__file__).parents[2] / "results/quick")

    def reference() -> None:
        from matplotlib.figure import Figure

        for _ in range(6):
            figure = Figure(figsize=(8, 5))
            axes = figure.subplots(2, 3)
            for axis in axes.flat:
                axis.plot(FIXED[:500, 0], FIXED[:500, 1])
            figure.savefig(tmp_path / "reference.svg")

    beside(benchmark, lambda: report([run], tmp_path / "report"), reference, rounds=2)
