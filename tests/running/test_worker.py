"""A worker's process: where it runs, what it survives, and that it never outlives who started it."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from bench import datasets
from bench.errors import Raised
from bench.planning import devices, plan, suite
from bench.running import calls, worker
from bench.running.worker import BrokenWorker, Worker

HOARD: list[np.ndarray] = []


@pytest.fixture(scope="module")
def one() -> Iterator[Worker]:
    """A worker that the tests of this module share; it is started again where one of them has ended it."""
    made = Worker("cpu", 1)
    yield made
    made.shutdown()


def asked(one: Worker, fn: Callable[..., Any], *args: Any) -> Any:
    return one.submit(fn, *args).result(timeout=60)


# What the worker is asked to do. ------------------------------------------------------------------------------------


def affinity() -> set[int]:
    return os.sched_getaffinity(0)


def variables() -> dict[str, str]:
    return dict(os.environ)


def modules() -> set[str]:
    return {name.partition(".")[0] for name in sys.modules}


def compile_cache() -> str:
    import jax

    return str(jax.config.values["jax_compilation_cache_dir"])


def hoard(megabytes: int) -> int:
    """Keep so much memory."""
    HOARD.append(np.ones(megabytes * 2**17))
    return os.getpid()


def complain() -> None:
    raise ValueError("no such thing")


# --------------------------------------------------------------------------------------------------------------------


def test_it_runs_in_a_process_of_its_own_always_the_same(one: Worker) -> None:
    pid = asked(one, os.getpid)
    assert pid != os.getpid()
    assert psutil.Process(pid).ppid() == os.getpid()
    assert asked(one, os.getpid) == pid


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can pin a process to a core")
def test_it_is_pinned_to_one_core(one: Worker) -> None:
    cores = worker.cores()
    assert asked(one, affinity) == {cores[1 % len(cores)]}
    assert affinity() == set(cores)


def test_its_environment_is_set_before_anything_is_imported(one: Worker) -> None:
    found = asked(one, variables)
    assert worker.environment("cpu", 1).items() <= found.items()
    assert found["OMP_NUM_THREADS"] == found["OPENBLAS_NUM_THREADS"] == "1"
    assert "JAX_PLATFORMS" not in os.environ or os.environ["JAX_PLATFORMS"] == "cpu"


def failing(text: str) -> None:
    raise RuntimeError(text)


def test_a_process_whose_gpu_answers_no_more_is_replaced(one: Worker) -> None:
    pid = asked(one, os.getpid)
    with pytest.raises(Raised, match="out of memory"):
        asked(one, worker.plainly(failing), "CUDA_ERROR_OUT_OF_MEMORY: out of memory")
    assert asked(one, os.getpid) == pid
    with pytest.raises(BrokenWorker):
        asked(one, worker.plainly(failing), "INTERNAL: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access")
    assert asked(one, os.getpid) != pid


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_no_gpu_is_looked_for_where_all_are_hidden(monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert devices.worker_count("gpu") == 1
    assert worker.environment("gpu", 0)["CUDA_VISIBLE_DEVICES"] == hidden


def test_programs_are_kept_in_the_cache_folder(one: Worker, cache_home: Path) -> None:
    assert Path(asked(one, compile_cache)).is_relative_to(cache_home)


def test_it_says_what_it_runs_on(one: Worker) -> None:
    found = asked(one, calls.describe)
    assert (found["device"], found["devices"], found["precision"]) == ("cpu", 1, "float32")
    assert found["ready"] == pytest.approx(time.time(), abs=30)


def test_training_a_shard_imports_nothing_that_only_analysis_needs(one: Worker) -> None:
    made = plan.make(suite.read("smoke"))
    shard = made.tune_shards(made.blocks[0])[0]
    assert shard.program.task.dataset is not None
    datasets.arrays(shard.program.task.dataset)  # scikit-learn, which is only asked for what is not in the cache yet
    result = asked(one, calls.execute, shard)
    assert [row["lane"] for row in result.rows] == [lane.id for lane in shard.lanes]
    assert not asked(one, modules) & {"pandas", "matplotlib", "seaborn", "sklearn", "typer"}


def test_an_exception_comes_back_and_ends_nothing(one: Worker) -> None:
    pid = asked(one, os.getpid)
    with pytest.raises(ValueError, match="no such thing"):
        asked(one, complain)
    assert asked(one, os.getpid) == pid


def unfit(error: str) -> Any:
    """A shard whose activation cannot be traced, or ends its process."""

    def function(x: Any) -> Any:
        return sys.exit("no more") if error == "SystemExit" else np.tanh(x)

    made = plan.make(suite.read("smoke"))
    shard = made.tune_shards(made.blocks[0])[0]
    unfit = tuple(dataclasses.replace(one, function=function) for one in shard.program.activations)
    return dataclasses.replace(shard, program=dataclasses.replace(shard.program, activations=unfit))


@pytest.mark.parametrize("error", ["TracerArrayConversionError", "SystemExit"])
def test_an_exception_that_cannot_be_pickled_is_told_and_ends_nothing(one: Worker, error: str) -> None:
    pid = asked(one, os.getpid)
    with pytest.raises(Raised, match=f"^{error}: "):
        asked(one, calls.execute, unfit(error), error)
    assert asked(one, os.getpid) == pid


def test_it_may_grow_without_being_started_again(one: Worker) -> None:
    """loky replaces a process that has grown by 300 MB; with it went every program that it had loaded."""
    pid = asked(one, os.getpid)
    time.sleep(1.1)  # loky looks at most once a second
    assert asked(one, hoard, 400) == pid
    assert asked(one, os.getpid) == pid


def test_its_death_costs_the_calls_in_hand_and_the_next_one_finds_a_new_process(one: Worker) -> None:
    pid = asked(one, os.getpid)
    in_hand = [one.submit(os._exit, 3), one.submit(os.getpid)]
    for future in in_hand:
        with pytest.raises(BrokenWorker):
            future.result(timeout=60)
    assert asked(one, os.getpid) not in (pid, os.getpid())


def test_shutdown_waits_for_no_call() -> None:
    mine = Worker("cpu", 0)
    pid = asked(mine, os.getpid)
    mine.submit(time.sleep, 60)
    started = time.monotonic()
    mine.shutdown()
    assert time.monotonic() - started < 5
    assert not alive(pid)
    mine.shutdown()  # again does no harm


# --- its parent -----------------------------------------------------------------------------------------------------

PARENT = """
import os, signal, sys
from bench.running.worker import Worker

signal.signal(signal.SIGINT, lambda *_: None)
one = Worker("cpu", 0)
print("started", flush=True)
pending = one.submit(os.getpid)
for _ in sys.stdin:
    print(pending.result(), "jax" in sys.modules, flush=True)
    pending = one.submit(os.getpid)
"""


class Parent:
    """A process group of a parent and its worker; the parent says its worker's pid and whether it has imported jax."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def asked(self) -> tuple[int, bool]:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        pid, jax = self.says().split()
        return int(pid), jax == "True"

    def interrupted(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)


@contextmanager
def parent() -> Iterator[Parent]:
    command = [sys.executable, "-c", PARENT]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as process:
        found = Parent(process)
        try:
            assert found.says() == "started"
            yield found
        finally:
            process.kill()


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_ctrl_c_at_a_terminal_does_not_reach_it() -> None:
    with parent() as process:
        for _ in range(12):  # while it starts
            process.interrupted()
            time.sleep(0.1)
        pid, jax = process.asked()
        process.interrupted()
        assert process.asked() == (pid, jax)
        assert not jax, "the parent has imported jax"


def test_it_goes_away_when_its_parent_is_killed() -> None:
    with parent() as process:
        pid, _ = process.asked()
        assert alive(pid)
        process.process.kill()
        deadline = time.monotonic() + 3
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not alive(pid)


def test_numbers_do_not_hang_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ENABLE_X64": "1", "DEFAULT_PRNG_IMPL": "rbg", "THREEFRY_PARTITIONABLE": "0"}.items():
        monkeypatch.setenv(f"JAX_{name}", value)
    one = Worker("cpu", 0)
    try:
        found = one.submit(configured).result()
    finally:
        one.shutdown()
    assert found == worker.NUMBERS


def configured() -> dict[str, object]:
    """What jax is set to in the worker that is asked."""
    import jax

    return {name: jax.config.values[name] for name in worker.NUMBERS}
