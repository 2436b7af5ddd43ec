"""A run on a Dask cluster: a scheduler and two workers as processes of their own, on loopback."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pytest

import bench
from bench.errors import ResourceError
from bench.running import cluster

SUITE = """
name = "clustered"
tasks = ["wine_mlp"]
activations = ["tanh", "relu", "elu", "hard_tanh"]
optimizers = ["sgd", "momentum"]
steps = 2_000
batch_size = 16
eval_every = 500
[learning_rates]
low = 1e-3
high = 0.1
num = 2
[seeds]
tune = 2
evaluate = 3
"""
WAIT_S = 60


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    file = tmp_path / "clustered.toml"
    file.write_text(SUITE, "utf-8")
    return file


def started(stack: ExitStack, *command: str) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + command[0], *command[1:]],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def end() -> None:
        process.kill()
        process.wait()

    stack.callback(end)
    return process


Cluster = tuple[str, list["subprocess.Popen[bytes]"]]


HOST = ["--host", "127.0.0.1"]


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Path]:
    """The file that tells workers where it is."""
    file = tmp_path / "scheduler.json"
    with ExitStack() as stack:
        started(stack, "dask_scheduler", *HOST, "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
        until(file.exists)
        yield file


def address_of(scheduler: Path) -> str:
    address: str = json.loads(scheduler.read_text())["address"]
    return address


@pytest.fixture
def two_workers(scheduler: Path, tmp_path: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        own = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path)]
        workers = [started(stack, "dask_worker", *HOST, *own, "--scheduler-file", str(scheduler)) for _ in range(2)]
        address = address_of(scheduler)
        from distributed import Client

        with Client(address, timeout=WAIT_S) as client:
            client.wait_for_workers(2, timeout=WAIT_S)
        yield address, workers


def until(condition: object) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


def alike(a: Path, b: Path) -> bool:
    """But for what depends on the clock."""
    tables = [pd.read_csv(path / "convergence.csv").drop(columns="seconds_to_target").to_csv() for path in (a, b)]
    return tables[0] == tables[1] and (a / "lanes.csv").read_bytes() == (b / "lanes.csv").read_bytes()


def test_nobody_there_is_told_and_nothing_written(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE_S", 1)
    with pytest.raises(ResourceError, match=r"--dask tcp://127.0.0.1:9: got no answer"):
        bench.run(suite, out=tmp_path / "run", device="cpu", dask="tcp://127.0.0.1:9")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_cluster_without_a_worker_is_told(
    suite: Path, scheduler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "ARRIVAL_S", 1)
    with pytest.raises(ResourceError, match="got no worker; expected one or more"):
        bench.run(suite, out=tmp_path / "run", device="cpu", dask=address_of(scheduler))
    assert not (tmp_path / "run").exists()


def test_without_the_library_it_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with ExitStack() as stack, pytest.raises(ResourceError, match="expected it to be installed") as raised:
        cluster.connected("tcp://127.0.0.1:9", "cpu", None, stack)
    assert raised.value.hint == "pip install -e '.[dask]' in a checkout"


@pytest.mark.slow
def test_a_cluster_gives_the_tables_of_this_machine(suite: Path, two_workers: Cluster, tmp_path: Path) -> None:
    here = bench.run(suite, out=tmp_path / "here", device="cpu")
    there = bench.run(suite, out=tmp_path / "there", device="cpu", dask=two_workers[0])
    assert there.manifest["status"] == "complete"
    assert there.manifest["execution"]["workers"] == 2
    assert len({entry["worker"] for entry in there.journal}) == 2, "both trained"
    assert alike(here.path, there.path)


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing_but_time(suite: Path, two_workers: Cluster, tmp_path: Path) -> None:
    here = bench.run(suite, out=tmp_path / "here", device="cpu")
    address, workers = two_workers
    done: list[int] = []

    def observe(progress: object, rows: object) -> None:
        done.append(1)
        if len(done) == 3:
            workers[0].kill()

    there = bench.run(suite, out=tmp_path / "there", device="cpu", dask=address, observe=observe)
    assert workers[0].poll() is not None, "it was killed"
    assert there.manifest["status"] == "complete"
    assert alike(here.path, there.path)
