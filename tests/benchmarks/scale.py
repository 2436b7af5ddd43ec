"""What a lane costs by how many there are: `pytest tests/benchmarks/scale.py -n 0 --benchmark-enable -s`.

One cell of a small network with more and more seeds, each count a run and process of its own, programs compiled
before. Memory should follow the chunk and not the sweep. Let nothing else run beside it.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COUNTS = (2, 10, 100, 1_000, 10_000)
RUN = """
import json, resource, sys, time
import bench
count, out = int(sys.argv[1]), sys.argv[2]
suite = bench.Suite(
    name="scale", tasks=["wine_mlp"], activations=["relu"], optimizers=["adam"], steps=100, batch_size=32,
    eval_every=50, learning_rates={"low": 0.01, "high": 0.01, "num": 1}, seeds={"tune": 1, "evaluate": count - 1},
)
start = time.perf_counter()
run = bench.run(suite, out=out, device="cpu")
seconds = time.perf_counter() - start
train = float(run.times.set_index("bucket")["seconds"]["train"])
worker = max(entry["resident_bytes"] for entry in run.journal)
own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
stored = sum(file.stat().st_size for file in run.path.rglob("*") if file.is_file())
print(json.dumps(dict(lanes=len(run.lanes), seconds=seconds, train_s=train, worker=worker, own=own, stored=stored)))
"""


def test_cost_a_lane(benchmark: Any, tmp_path: Path) -> None:
    found: list[dict[str, float]] = []

    def measured() -> None:
        for number, count in enumerate((COUNTS[1], *COUNTS)):  # the first compiles and is not counted
            command = [sys.executable, "-c", RUN, str(count), str(tmp_path / str(number))]
            done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))

    benchmark.pedantic(measured, rounds=1)
    rows = found[1:]
    benchmark.extra_info["rows"] = rows
    print("\n| lanes | seconds | ms a lane | ms of training a lane | worker MB | parent MB | stored KB a lane |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        lanes = row["lanes"]
        told = [row["seconds"] * 1e3 / lanes, row["train_s"] * 1e3 / lanes, row["worker"] / 1e6, row["own"] / 1e6]
        texts = " | ".join(f"{value:.3g}" for value in [*told, row["stored"] / lanes / 1e3])
        print(f"| {lanes:,} | {row['seconds']:.1f} | {texts} |")
    assert [row["lanes"] for row in rows] == list(COUNTS)
    assert rows[-1]["worker"] < 1.3 * rows[2]["worker"]  # the first two are narrower than a chunk
    assert rows[-1]["seconds"] / COUNTS[-1] < rows[0]["seconds"] / COUNTS[0]
    if benchmark.stats is None:
        pytest.skip("without --benchmark-enable this only shows that it runs")
