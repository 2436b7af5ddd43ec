"""What the main job reaches on this machine: `pytest tests/benchmarks/main_job.py -n 0 --benchmark-enable -s`.

Each measurement is printed and, with `--benchmark-json FILE`, saved. Nothing here fails for being slow: the figures
belong into docs/performance.md. Let nothing else run beside it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def bench(*arguments: str, cache: Path, cwd: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    subprocess.run([sys.executable, "-m", "bench", *arguments], check=True, cwd=cwd, env=environment)


def tell(benchmark: Any, **facts: Any) -> None:
    benchmark.extra_info.update(facts)
    print("\n" + json.dumps({benchmark.name: facts}, indent=1))


@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_quick(benchmark: Any, cache: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The whole of `bench run suites/quick.toml --report`, process start and report included."""
    from bench.storage.results import load

    folder = tmp_path_factory.mktemp(cache)
    home = folder / "cache"
    if cache == "warm":
        bench("run", str(ROOT / "suites/quick.toml"), "--out", "first", cache=home, cwd=folder)
    benchmark.pedantic(
        lambda: bench("run", str(ROOT / "suites/quick.toml"), "--out", "run", "--report", cache=home, cwd=folder),
        rounds=1,
    )
    run = load(folder / "run")
    compiled = [entry for entry in run.journal if entry["cache"]]
    tell(
        benchmark,
        worker_seconds={row.bucket: round(row.seconds, 2) for row in run.times.itertuples()},
        programs=len(run.manifest["programs"]),
        compiles={kind: sum(e["cache"] == kind for e in compiled) for kind in ("hit", "miss")},
        worker_peak_bytes=max(entry["resident_bytes"] for entry in run.journal),
        lane_steps_per_s_all_workers=round(
            run.manifest["plan"]["lane_steps"] / (run.times.set_index("bucket").seconds.loc["train"] / 2)
        ),
    )


def test_share_of_gemm(benchmark: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """digits_mlp with Adam over the parameter-free activations, all cores busy, against the largest GEMM rate.

    The rate is the largest over sizes, over XLA with our options and with its defaults, and over numpy, taken on all
    cores at once between the chunks.
    """
    from bench.planning import plan, suite
    from bench.running import calls, worker

    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    described = suite.read(ROOT / "suites/quick.toml").described()
    described |= {"activations": ["sigmoid", "tanh", "relu", "leaky_relu", "elu"], "optimizers": ["adam"]}
    made = plan.make(suite.parse(described))
    pool = [worker.Worker("cpu", core) for core in range(len(worker.cores()))]
    shards = [made.tune_shards(block)[0] for block in made.blocks]
    rates: list[float] = []
    peaks: list[float] = []

    def sweep() -> None:
        for shard in shards:
            for result in [one.submit(calls.execute, shard) for one in pool]:
                timing = result.result().timing
                rates.append(shard.lane_steps / (timing["train_s"] + timing["evaluate_s"]))
            peaks.append(sum(future.result() for future in [one.submit(largest_gemm_rate) for one in pool]))

    try:
        sweep()
        rates.clear(), peaks.clear()
        benchmark.pedantic(sweep, rounds=4)
    finally:
        for one in pool:
            one.shutdown()
    flops = median(rates) * len(pool) * made.programs[0].lane_step_flops
    tell(
        benchmark,
        lane_steps_per_s_a_core=round(median(rates)),
        flops_per_s_all_cores=flops,
        largest_gemm_flops_per_s_all_cores=median(peaks),
        share=round(flops / median(peaks), 3),
    )


def largest_gemm_rate() -> float:
    import time

    import jax
    import numpy as np

    from bench.running.worker import gemm_rate

    def rate(product: Any, a: Any, size: int) -> float:
        best = float("inf")
        for _ in range(6):
            start = time.perf_counter()
            jax.block_until_ready(product(a, a))
            best = min(best, time.perf_counter() - start)
        return 2.0 * size**3 / best

    found = [gemm_rate()]
    for size in (512, 1024):
        a = np.random.default_rng(0).standard_normal((size, size), np.float32)
        found += [rate(jax.jit(lambda x, y: x @ y), jax.device_put(a), size), rate(lambda x, y: x @ y, a, size)]
    return max(found)


@pytest.mark.parametrize("verb", [["--help"], ["list"], ["plan", "quick"]], ids=" ".join)
def test_start_up(benchmark: Any, verb: list[str], tmp_path: Path) -> None:
    """From the command to its last line, the median of ten."""
    command = [sys.executable, "-m", "bench", *verb]
    benchmark.pedantic(
        lambda: subprocess.run(command, check=True, cwd=tmp_path, stdout=subprocess.DEVNULL), rounds=10, warmup_rounds=1
    )
    if benchmark.stats:
        tell(benchmark, median_s=round(benchmark.stats.stats.median, 3))
