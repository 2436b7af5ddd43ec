"""bench beside what others would write: `pytest tests/benchmarks/peers/race.py -n 0 --benchmark-enable -s`.

Training steps of single networks a second, the whole machine given to each: the same model, batches in the same order,
float32, an evaluation every 25 steps. Each peer in its better arrangement, one process that has all cores or one
process a core. Before any time counts, the losses of the first 50 steps are compared with those of bench, whose shard
is the one that is timed. Needs the extra `peers`. Nothing here fails for being slow. Let nothing else run beside it.
Without `--benchmark-enable` little more than the losses is looked at, and no figure means anything.

`--benchmark-json FILE` keeps what was measured, of which `python tests/benchmarks/peers/table.py FILE [SVG]` makes the
table and the figure; `-k "MLP or sweep"` runs a part.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import table
from entrants import ENTRANTS, Groups, installed, middle
from raced import MODELS, plan_of, work

ROOT = Path(__file__).parents[3]
ROUNDS, SECONDS = 4, 0.6  # of each measurement; calls of a peer take about so long
SWEEP_STEPS = 20_000  # of the cold figures: forty networks of 500 steps
# Of the mean loss of the first 25 steps, and of what comes later: Adam's correction 1 - 0.999^t is off by 3e-5 at first
# in the float32 of optax, where PyTorch has Python's doubles, and training makes that grow.
TOLERANCES = 2e-4, 5e-3
CORES = sorted(os.sched_getaffinity(0))


@pytest.fixture(scope="module")
def told() -> Iterator[list[dict[str, Any]]]:
    """What was found; the end of the race prints it as one table."""
    found: list[dict[str, Any]] = []
    yield found
    print("\n\n" + table.markdown(found))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scratch")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    return folder


@pytest.fixture(scope="module")
def groups(scratch: Path) -> Iterator[Groups]:
    made = Groups(CORES, scratch)
    yield made
    made.close()


@pytest.fixture(scope="module")
def workers(scratch: Path) -> Iterator[list[Any]]:
    from bench.running import calls, worker

    start = time.perf_counter()
    pool = [worker.Worker("cpu", index) for index in range(len(CORES))]
    for ready in [one.submit(calls.describe) for one in pool]:
        ready.result()
    pool[0].start_s = time.perf_counter() - start  # type: ignore[attr-defined]
    yield pool
    for one in pool:
        one.shutdown()


def tell(benchmark: Any, told: list[dict[str, Any]], **facts: Any) -> None:
    benchmark.extra_info.update(facts)
    told.append(facts)


def trained(pool: list[Any], shard: Any) -> list[Any]:
    """The same shard on all workers at once: what each gives back."""
    from bench.running import calls

    return [result.result() for result in [one.submit(calls.execute, shard) for one in pool]]


def rate_of(shard: Any, results: list[Any]) -> float:
    """Steps a second of all workers; evaluations and making rows included."""
    return sum(shard.lane_steps / (result.timing["finished"] - result.timing["started"]) for result in results)


@pytest.mark.parametrize("name", MODELS)
def test_race(benchmark: Any, name: str, workers: list[Any], groups: Groups, told: list[dict[str, Any]]) -> None:
    """All peers in turn, then again; each with the whole machine to itself."""
    model = MODELS[name]
    plan = plan_of(model)
    (block,) = plan.blocks
    shard = plan.tune_shards(block)[0]
    entrants = {e.name: e for e in ENTRANTS if installed(e) and (not e.models or name in e.models)}
    arrangements = dict.fromkeys((1, len(CORES)))
    given = work(model, block.program)
    seconds = SECONDS if benchmark.enabled else 0

    results = trained(workers, shard)
    timing = results[0].timing
    first_s = {"bench": timing["load_s"] + timing["trace_s"] + timing["compile_s"]}
    start_s = {"bench": workers[0].start_s}
    ours = np.array([[row["curve_train_loss"][1:3], row["curve_validation_loss"][1:3]] for row in results[0].rows])
    rates: dict[str, dict[str, list[float]]] = {"bench": {"": []}}
    differences, best, cold = {}, {}, {}
    trained(workers, shard)
    for who, entrant in entrants.items():
        for processes in arrangements:
            group = groups[entrant, processes]
            curves, first = group.begin(entrant.trainer, given)
            theirs = curves.transpose(2, 1, 0)[: len(ours)]  # [lane, train or validation, evaluation]
            found = np.abs(theirs / ours[: len(theirs)] - 1)
            assert found[:, 0, 0].max() < TOLERANCES[0] and found.max() < TOLERANCES[1], (who, theirs, ours)
            differences[who] = float(found.max())
            lanes = model.lanes if curves.shape[2] > 1 else 1
            rates.setdefault(who, {})[str(processes)] = [lanes * group.rate(entrant.trainer, seconds)]
            cold[who, processes] = group.start_s, first
        best[who] = max(arrangements, key=lambda n, who=who: rates[who][str(n)][0])
        start_s[who], first_s[who] = cold[who, best[who]]
        rates[who][str(best[who])].clear()

    def turn() -> None:
        rates["bench"][""].append(rate_of(shard, trained(workers, shard)))
        for who, entrant in entrants.items():
            lanes = model.lanes if entrant.trainer in ("ensemble", "scan") else 1
            rates[who][str(best[who])].append(lanes * groups[entrant, best[who]].rate(entrant.trainer, seconds))

    benchmark.pedantic(turn, rounds=ROUNDS)
    groups.end()
    warm = {who: max(map(middle, found.values())) for who, found in rates.items()}
    tell(
        benchmark,
        told,
        model=name,
        lane_steps_per_s=warm,
        rounds=rates,
        processes=best,
        start_s=start_s,
        first_s=first_s,
        cold_s={who: start_s[who] + first_s[who] + SWEEP_STEPS / warm[who] for who in warm},
        largest_difference_of_losses=differences,
        width=block.program.width,
    )


def products(sizes: tuple[int, ...], width: int, apart: bool, steps: int) -> float:
    """Steps a second of the matrix products of a perceptron's forward and backward pass alone, in a scan.

    The gradient of a layer is its next weight, so that nothing else is computed and nothing can be left out.
    `width` perceptrons at once; `apart`: transposed weights are copied ahead of their product.
    """
    import jax
    import jax.numpy as jnp

    from bench.engine.compile import compile_lowered

    def step(weights: Any, _: None) -> tuple[Any, None]:
        inputs = [jnp.ones((64, sizes[0]))]
        for kernel in weights:
            inputs.append(inputs[-1] @ kernel)
        slope, found = inputs.pop(), []
        for layer, (kernel, x) in enumerate(zip(reversed(weights), reversed(inputs), strict=True)):
            found.append(x.T @ slope)
            if layer < len(weights) - 1:
                slope = slope @ (jax.lax.optimization_barrier(kernel.T) if apart else kernel.T)
        return tuple(reversed(found)), None

    weights = tuple(jnp.zeros((width, *shape)) for shape in pairwise(sizes))
    run = jax.jit(jax.vmap(lambda w: jax.lax.scan(step, w, None, length=steps)[0]))
    call = compile_lowered(run.lower(weights)).call
    jax.block_until_ready(call(weights))
    start = time.perf_counter()
    jax.block_until_ready(call(weights))
    return width * steps / (time.perf_counter() - start)


def test_share_of_the_products(benchmark: Any, workers: list[Any], told: list[dict[str, Any]]) -> None:
    """digits_mlp with Adam over the parameter-free activations of quick, against its matrix products alone."""
    from bench.planning import plan, suite

    described = suite.read(ROOT / "suites/quick.toml").described()
    described["activations"] = [a for a in described["activations"] if a not in ("prelu", "maxout")]
    made = plan.make(suite.parse(described))
    shards = [made.tune_shards(b)[0] for b in made.blocks if b.cells[0].optimizer == "adam"]
    kinds = [(width, apart) for width in (1, made.programs[0].width) for apart in (False, True)]
    ours: list[float] = []
    ceilings: dict[tuple[int, bool], list[float]] = {kind: [] for kind in kinds}

    def turn() -> None:
        for shard in shards:
            ours.append(rate_of(shard, trained(workers, shard)))
        for kind in kinds:
            futures = [one.submit(products, (64, 128, 128, 10), *kind, 4000 // kind[0]) for one in workers]
            ceilings[kind].append(sum(future.result() for future in futures))

    turn()
    for found in (ours, *ceilings.values()):
        found.clear()
    benchmark.pedantic(turn, rounds=ROUNDS)
    ceiling = max(map(middle, ceilings.values()))
    tell(
        benchmark,
        told,
        model="share of the products alone",
        lane_steps_per_s={"bench": middle(ours), "products alone": ceiling},
        share=round(middle(ours) / ceiling, 3),
        by_arrangement={
            f"{width} wide, {'copied' if apart else 'folded'}": r for (width, apart), r in ceilings.items()
        },
    )


def test_sweep(benchmark: Any, told: list[dict[str, Any]], tmp_path: Path) -> None:
    """All of quick, cold, from the command to the last result: bench, and jit(vmap(scan)) with one compile a cell."""
    seconds = {}

    def timed(who: str, commands: list[list[str]]) -> None:
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / who)}
        start = time.perf_counter()
        processes = [subprocess.Popen(command, cwd=tmp_path, env=environment) for command in commands]
        assert [process.wait() for process in processes] == [0] * len(commands)
        seconds[who] = time.perf_counter() - start

    def turn() -> None:
        timed("bench", [[sys.executable, "-m", "bench", "run", str(ROOT / "suites/quick.toml"), "--out", "run"]])
        script = str(Path(__file__).with_name("sweep.py"))
        parts = [[sys.executable, script, str(core), str(part), str(len(CORES))] for part, core in enumerate(CORES)]
        timed("jit(vmap(scan))", parts)

    benchmark.pedantic(turn, rounds=1)
    tell(benchmark, told, model="quick, cold", seconds=seconds)
