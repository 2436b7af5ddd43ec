"""Chunks over several devices: the results of one, whatever their number, and every device at work."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from bench.engine import mesh

SCRIPT = """
import json, sys
import jax
from bench.engine import execute
from bench.activations import ACTIVATIONS
from bench.optimizers import OPTIMIZERS
from bench.planning.lanes import Lane
from bench.planning.program import Program
from bench.planning.shard import Shard
from bench.tasks import TASKS

held = {}  # by device: how many lanes of each chunk

def watched(lowered, compile=execute.compile_lowered):
    compiled = compile(lowered)

    def call(*arguments):
        outcome = compiled.call(*arguments)
        for part in outcome.stopped_at.addressable_shards:
            held.setdefault(str(part.device), set()).add(part.data.shape[0])
        return outcome

    return compiled._replace(call=call)

execute.compile_lowered = watched
width, mixed = int(sys.argv[1]), sys.argv[2] == "mixed"
cells = [("relu", "sgd"), ("tanh", "sgd"), ("relu", "adam"), ("tanh", "adam")]
program = Program(
    task=TASKS["wine_mlp"], activations=(ACTIVATIONS["relu"], ACTIVATIONS["tanh"]),
    optimizers=(OPTIMIZERS["sgd"], OPTIMIZERS["adam"]), batch_size=32, full_batch=False, steps=8, eval_every=4,
    width=width, mixed=mixed,
)
lanes = [Lane(f"{a}/{o}/{s}", "wine_mlp", a, o, "evaluate", 0.01, s) for a, o in cells for s in range(5)]
result = execute.execute(Shard("00000-evaluate-000", program, tuple(lanes)))
told = {key: result.timing[key] for key in ("devices", "width", "halved")}
print(json.dumps({"rows": repr(result.rows), "held": {k: sorted(v) for k, v in held.items()}, **told}))
"""


def trained(devices: int, width: int, kind: str) -> dict[str, Any]:
    """By a process that sees so many devices."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    command = [sys.executable, "-c", SCRIPT, str(width), kind]
    done = subprocess.run(
        command, env={**os.environ, "XLA_FLAGS": flags}, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["switched", "mixed"])
def test_every_device_trains_and_a_lane_is_that_of_one_device_to_the_last_bit(kind: str) -> None:
    alone = trained(1, 2, kind)
    assert (alone["devices"], alone["width"], len(alone["held"])) == (1, 2, 1)
    for devices, width in ((2, 4), (4, 7), (4, 8)):  # 7 lanes are no whole number for each of 4
        found = trained(devices, width, kind)
        assert (found["devices"], found["width"], found["halved"]) == (devices, 2 * devices, 0)
        assert list(found["held"].values()) == [[2]] * devices
        assert found["rows"] == alone["rows"]


@pytest.mark.parametrize(
    "devices, width, halved, each",
    [(1, 7, 0, 7), (1, 7, 1, 3), (1, 7, 9, 1), (4, 7, 0, 2), (4, 8, 1, 1), (4, 8, 9, 1), (8, 1, 0, 1), (2, 512, 2, 64)],
)
def test_each_device_has_as_many_lanes_and_one_at_least(
    monkeypatch: pytest.MonkeyPatch, devices: int, width: int, halved: int, each: int
) -> None:
    monkeypatch.setattr(mesh, "count", lambda: devices)
    assert mesh.each(width, halved) == each


def test_one_device_is_compiled_as_ever() -> None:
    import jax

    def run(lanes: Any, data: Any, windows: Any) -> Any:
        return lanes * data + windows

    arguments = (2.0, 3.0, 4.0)
    assert mesh.jitted(run, 0).lower(*arguments).as_text() == jax.jit(run).lower(*arguments).as_text()
