"""A convolutional network beside PyTorch's: `pytest tests/benchmarks/peers/cnn.py -n 0 --benchmark-enable -s`.

`digits_cnn` at 16 x 16 pixels with 16 and 32 channels, relu, Adam, batches of 64: steps of single networks a second, on
the whole machine, against PyTorch in eager mode with its fused Adam (the better of one process that has all cores and
one process a core). First both are shown to be the same: equal weights and batches give equal losses. Needs the extra
`peers`. Nothing here fails for being slow. Let nothing else run beside it.
"""

import json
import multiprocessing
import os
import time
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

BATCH, RATE, LANES, ROUNDS = 64, 1e-3, 10, 5
OPTIONS = {"resolution": "16", "width": 16}
COMPARED = 20  # steps whose losses are compared
TIMED = 200  # steps of PyTorch that are timed at once


def program(steps: int, width: int) -> Any:
    """The program of bench: one cell."""
    from bench.activations import ACTIVATIONS
    from bench.optimizers import OPTIMIZERS
    from bench.plan import Program
    from bench.tasks import TASKS

    return Program(
        task=TASKS["digits_cnn"].configured(OPTIONS), activations=(ACTIVATIONS["relu"],),
        optimizers=(OPTIMIZERS["adam"],), batch_size=BATCH, full_batch=False, steps=steps, eval_every=steps,
        width=width, mixed=False,
    )  # fmt: skip


def lanes(count: int) -> list[Any]:
    from bench.plan import Lane

    return [Lane(str(seed), "digits_cnn", "relu", "adam", "evaluate", RATE, seed) for seed in range(count)]


def network(weights: dict[str, np.ndarray] | None = None) -> Any:
    """The same model in PyTorch, channels last in memory, its weights those of a network of bench."""
    from torch import nn

    made = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(4 * 4 * 32, 10),
    )  # fmt: skip
    if weights:
        state = made.state_dict()
        for name, value in weights.items():
            state[name].copy_(torch.tensor(value))
    return made.to(memory_format=torch.channels_last)


def translated(parameters: Any) -> dict[str, np.ndarray]:
    """Parameters of bench as PyTorch names and arranges them."""
    from flax import nnx

    pure = {"/".join(map(str, path)): np.asarray(leaf[...]) for path, leaf in nnx.to_flat_state(parameters)}
    found = {}
    for ours, theirs in (("convolutions/0/filters", "0"), ("convolutions/1/filters", "3")):
        found[f"{theirs}.weight"] = pure[f"{ours}/kernel"].transpose(3, 2, 0, 1).copy()
        found[f"{theirs}.bias"] = pure[f"{ours}/bias"]
    # PyTorch flattens channel by channel
    found["7.weight"] = pure["output/kernel"].reshape(4, 4, 32, 10).transpose(3, 2, 0, 1).reshape(10, -1).copy()
    found["7.bias"] = pure["output/bias"]
    return found


class Training:
    """PyTorch's loop, written as its tutorials do."""

    def __init__(self, data: tuple[np.ndarray, np.ndarray], weights: dict[str, np.ndarray] | None = None) -> None:
        x, self.y = torch.from_numpy(data[0]), torch.from_numpy(data[1]).long()
        self.x = x.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        self.network = network(weights)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=RATE, fused=True)

    def step(self, samples: Any) -> Any:
        self.optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(self.network(self.x[samples]), self.y[samples])
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def serve(cores: set[int], data: tuple[np.ndarray, np.ndarray], pipe: Any) -> None:
    """A process that trains for `TIMED` steps each time it is asked, and tells how long it took."""
    os.sched_setaffinity(0, cores)
    torch.set_num_threads(len(cores))
    training = Training(data)
    samples = torch.from_numpy(np.random.default_rng(0).integers(0, len(data[0]), (TIMED, BATCH)))
    for batch in samples[:20]:
        training.step(batch)
    pipe.send(0.0)
    while pipe.recv():
        start = time.perf_counter()
        for batch in samples:
            training.step(batch)
        pipe.send(time.perf_counter() - start)


class Peers:
    """Processes of PyTorch, one for each set of cores, that train at the same time."""

    def __init__(self, shares: list[set[int]], data: tuple[np.ndarray, np.ndarray]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipes, self.processes = [], []
        for cores in shares:
            here, there = context.Pipe()
            self.pipes.append(here)
            self.processes.append(context.Process(target=serve, args=(cores, data, there), daemon=True))
            self.processes[-1].start()
        for pipe in self.pipes:
            pipe.recv()

    def rate(self) -> float:
        """Steps a second of all processes."""
        for pipe in self.pipes:
            pipe.send(True)
        return sum(TIMED / pipe.recv() for pipe in self.pipes)

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.send(False)
        for process in self.processes:
            process.join()


def losses_of_both() -> tuple[np.ndarray, np.ndarray]:
    """The loss of each of the first steps, by bench and by PyTorch, from equal weights on equal batches."""
    import jax
    import jax.numpy as jnp

    from bench import execute

    made = program(COMPARED, 1)
    made = replace(made, eval_every=1)
    data = made.task.load(made.task)
    arguments = execute.traced_lanes(made, lanes(1))
    outcome = jax.jit(execute.batched(made))(arguments, jax.device_put(data), np.asarray(made.windows, np.int32))
    problem = made.task.build(made.task, made.activations, jnp.int32(0))
    parameters, _ = problem.init(jax.random.split(jax.random.key(np.uint32(0)), 3)[0])
    training = Training(data["train"], translated(parameters))
    theirs = [float(training.step(torch.from_numpy(batch.astype(np.int64)))) for batch in arguments.order[0]]
    return np.asarray(outcome.train_loss[0])[1:], np.array(theirs)


def test_cnn(benchmark: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Rounds of bench and of PyTorch in turn, each with the whole machine to itself."""
    from bench import worker
    from bench.plan import Shard

    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    ours, theirs = losses_of_both()
    np.testing.assert_allclose(ours, theirs, rtol=2e-4)

    cores = worker.cores()
    data = program(1, 1).task.load(program(1, 1).task)["train"]
    peers = {
        f"torch, 1 process of {len(cores)} threads": Peers([set(cores)], data),
        f"torch, {len(cores)} processes of 1 thread": Peers([{core} for core in cores], data),
    }
    pool = [worker.Worker("cpu", index) for index in range(len(cores))]
    shards = {f"bench, chunks of {width}": Shard("0", program(100, width), tuple(lanes(LANES))) for width in (1, 2, 5)}
    rates: dict[str, list[float]] = {name: [] for name in (*peers, *shards)}

    def bench_rate(shard: Shard) -> float:
        results = [one.submit(worker.execute, shard) for one in pool]
        timings = [result.result().timing for result in results]
        return sum(shard.lane_steps / (t["train_s"] + t["evaluate_s"]) for t in timings)

    def turn() -> None:
        for name, shard in shards.items():
            rates[name].append(bench_rate(shard))
        for name, peer in peers.items():
            rates[name].append(peer.rate())

    try:
        turn()  # compiles
        for values in rates.values():
            values.clear()
        benchmark.pedantic(turn, rounds=ROUNDS)
    finally:
        for one in pool:
            one.shutdown()
        for peer in peers.values():
            peer.close()
    found = {name: round(median(values)) for name, values in rates.items()}
    best = {who: max(v for name, v in found.items() if name.startswith(who)) for who in ("bench", "torch")}
    facts = {
        "steps_per_s": found,
        "ratio": round(best["bench"] / best["torch"], 2),
        "largest_difference_of_losses": float(np.abs(ours / theirs - 1).max()),
        "torch": torch.__version__,
    }
    benchmark.extra_info.update(facts)
    print("\n" + json.dumps(facts, indent=1))
