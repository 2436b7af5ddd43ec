"""What bench reaches on a GPU: `pytest tests/benchmarks/gpu.py -n 0 --benchmark-enable -s`.

A perceptron of quick with Adam: how many networks at once take how long, of what share of the memory's bandwidth, and
beside PyTorch eager on the same GPU (extra `peers`). `--benchmark-json FILE` keeps what was measured. Nothing here
fails for being slow. `BENCH_DEVICE=cpu` tries it where there is no GPU; no figure of that means anything.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).with_name("peers")))
DEVICE = os.environ.get("BENCH_DEVICE", "gpu")
MODEL, ROUNDS, SECONDS = "MLP, 128 hidden", 5, 3.0
WIDTHS = {"gpu": [1, 64, 512, 2048], "cpu": [1, 4]}[DEVICE]  # lanes a chunk
LANES = {"gpu": 512, "cpu": 4}[DEVICE]  # of one sweep
LOSSES = 2e-3  # how far apart the mean losses of the first 25 steps may be


def tell(benchmark: Any, **facts: Any) -> None:
    benchmark.extra_info.update(facts)
    print("\n" + json.dumps({benchmark.name: facts}, indent=1))


def test_widths(benchmark: Any, tmp_path: Path) -> None:
    """Lane-steps a second and the share of the bandwidth of a stream, by the number of networks at once."""
    import bench
    from bench.throughput.suite import ThroughputSuite

    timed = ThroughputSuite(
        kind="throughput", name="widths", description="Networks at once", tasks=["digits_mlp"], activations=["relu"],
        optimizers=["sgd", "adam"], batch_sizes=[64], widths=WIDTHS, precisions=["float32"], workers=[1],
        seconds=0.5 if benchmark.enabled else 0.1,
    )  # fmt: skip
    run = benchmark.pedantic(lambda: bench.run(timed, tmp_path / "run", DEVICE, progress=False), rounds=1)
    columns = ["optimizer", "width", "step_s_median", "noisy", "lane_steps_per_s", "bandwidth_share", "peak_share"]
    tell(benchmark, device_kind=run.throughput["device_kind"].iloc[0], rows=run.throughput[columns].to_dict("records"))


def test_beside_pytorch(benchmark: Any, tmp_path: Path) -> None:
    """A sweep of as many networks as one chunk holds, from call to rows, beside single networks in PyTorch eager."""
    pytest.importorskip("torch")
    from entrants import ENTRANTS, Groups, middle
    from raced import MODELS, plan_of, work

    from bench.hardware import gpus
    from bench.running import calls, worker

    eager = next(entrant for entrant in ENTRANTS if entrant.name == "PyTorch eager")
    device = {"gpu": "cuda", "cpu": "cpu"}[DEVICE]
    eager = eager._replace(environment=(("PEER_DEVICE", device), ("CUDA_VISIBLE_DEVICES", gpus.visible()[0])))
    plan = plan_of(MODELS[MODEL], LANES, DEVICE)
    (block,) = plan.blocks
    shard = plan.tune_shards(block)[0]
    ours, theirs = list[float](), list[float]()
    one, peers = worker.Worker(DEVICE, 0), Groups([min(os.sched_getaffinity(0))], tmp_path)
    try:
        rows = one.submit(calls.execute, shard).result().rows
        curves, _ = peers[eager, 1].begin(eager.trainer, work(MODELS[MODEL], block.program))
        difference = abs(float(curves[0, 0, 0]) / rows[0]["curve_train_loss"][1] - 1)
        assert difference < LOSSES, (curves[:, :, 0], rows[0])

        def turn() -> None:
            timing = one.submit(calls.execute, shard).result().timing
            ours.append(shard.lane_steps / (timing["finished"] - timing["started"]))
            theirs.append(peers[eager, 1].rate(eager.trainer, SECONDS if benchmark.enabled else 0))

        benchmark.pedantic(turn, rounds=ROUNDS)
    finally:
        one.shutdown()
        peers.close()
    tell(
        benchmark,
        lanes=len(shard.lanes),
        width=block.program.width,
        lane_steps_per_s={"bench": ours, "PyTorch eager": theirs},
        times_as_fast=round(middle(ours) / middle(theirs), 1),
        difference_of_losses=difference,
    )
