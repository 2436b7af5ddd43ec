"""The peers and their processes: each arrangement of each is a group of processes that train at the same time.

Imports no framework: a process imports its own.
"""

import multiprocessing
import os
import time
import traceback
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from raced import STEPS, Work

PEERS = ("MLP, 32 hidden", "MLP, 128 hidden", "MLP, 512 hidden")


class Entrant(NamedTuple):
    """`module` has `TRAINERS[trainer]`; those of a module and environment share processes. No `models`: all."""

    name: str
    needs: str
    module: str
    trainer: str
    environment: tuple[tuple[str, str], ...] = ()
    models: tuple[str, ...] = ()


def keras(backend: str) -> Entrant:
    return Entrant(
        f"Keras fit, {backend}", "keras", "in_keras", "fit", (("KERAS_BACKEND", backend), ("TF_CPP_MIN_LOG_LEVEL", "3"))
    )


NOT_CONVOLUTIONS = (*PEERS, "RNN", "LSTM", "autoencoder")  # whose gradient takes 30 times as long in a scan
ENTRANTS = (
    Entrant("PyTorch eager", "torch", "in_torch", "eager"),
    Entrant("torch.compile", "torch", "in_torch", "compiled", models=PEERS),
    Entrant("torch.func ensemble", "torch", "in_torch", "ensemble", models=(*PEERS, "autoencoder")),
    keras("jax"),
    keras("tensorflow"),
    keras("torch"),
    Entrant("flax, one jit a step", "flax", "in_jax", "loop"),
    Entrant("jit(vmap(scan))", "flax", "in_jax", "scan", models=NOT_CONVOLUTIONS),
)


def installed(entrant: Entrant) -> bool:
    backend = dict(entrant.environment).get("KERAS_BACKEND", entrant.needs)
    return find_spec(entrant.needs) is not None and find_spec(backend) is not None


def serve(cores: Sequence[int], environment: dict[str, str], module: str, log: Path, pipe: Any) -> None:
    """A process that builds trainers and trains as it is told; every answer is (what was asked for, error)."""
    os.sched_setaffinity(0, cores)
    os.environ.update(environment)
    with log.open("w") as file:
        os.dup2(file.fileno(), 2)  # TensorFlow and compilers are talkative
    made: dict[str, Any] = {}
    repeats: dict[str, int] = {}

    def begin(name: str, work: Work) -> tuple[np.ndarray, float]:
        """Curves of the first steps, and the seconds until they were there."""
        start = time.perf_counter()
        made[name] = import_module(module).TRAINERS[name](work)
        return made[name].train(1), time.perf_counter() - start

    def rate(name: str, seconds: float) -> float:
        """Steps a second, of calls that take about so long."""
        if name not in repeats:
            start = time.perf_counter()
            made[name].train(1)
            repeats[name] = max(1, round(seconds / (time.perf_counter() - start)))
            made[name].prepare(repeats[name])
        start = time.perf_counter()
        made[name].train(repeats[name])
        return repeats[name] * STEPS / (time.perf_counter() - start)

    def end() -> None:
        made.clear(), repeats.clear()

    verbs = {"load": lambda: import_module(module) and None, "begin": begin, "rate": rate, "end": end}
    while message := pipe.recv():
        verb, *arguments = message
        try:
            pipe.send((verbs[verb](*arguments), ""))
        except Exception:
            pipe.send((None, traceback.format_exc()))


class Group:
    """Processes of one module that are asked at the same time, one for each set of cores."""

    def __init__(self, entrant: Entrant, shares: Sequence[Sequence[int]], scratch: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipes, self.processes = [], []
        start = time.perf_counter()
        for cores in shares:
            here, there = context.Pipe()
            own = scratch / f"{entrant.name.replace(' ', '-')}-{len(shares)}-{cores[0]}"
            environment = {
                "OMP_NUM_THREADS": str(len(cores)), "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "",
                "TORCHINDUCTOR_CACHE_DIR": str(own), **dict(entrant.environment),
            }  # fmt: skip
            of_process = cores, environment, entrant.module, own.with_suffix(".log"), there
            process = context.Process(target=serve, args=of_process, daemon=True)
            process.start()
            self.pipes.append(here)
            self.processes.append(process)
        self.ask("load")
        self.start_s = time.perf_counter() - start

    def ask(self, *message: Any) -> list[Any]:
        for pipe in self.pipes:
            pipe.send(message)
        answers = [pipe.recv() for pipe in self.pipes]
        for _, error in answers:
            if error:
                raise RuntimeError(error)
        return [answer for answer, _ in answers]

    def begin(self, trainer: str, work: Work) -> tuple[np.ndarray, float]:
        answers = self.ask("begin", trainer, work)
        return answers[0][0], max(seconds for _, seconds in answers)

    def rate(self, trainer: str, seconds: float) -> float:
        return sum(self.ask("rate", trainer, seconds))

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join(5)
            process.kill()


class Groups:
    """All groups, each started when it is first asked for; `arrangement` is 1 process, or one a core."""

    def __init__(self, cores: Sequence[int], scratch: Path) -> None:
        self.cores, self.scratch = cores, scratch
        self.groups: dict[tuple[Any, ...], Group] = {}

    def __getitem__(self, key: tuple[Entrant, int]) -> Group:
        entrant, processes = key
        place = (entrant.module, entrant.environment, processes)
        if place not in self.groups:
            shares = [list(self.cores)] if processes == 1 else [[core] for core in self.cores]
            self.groups[place] = Group(entrant, shares, self.scratch)
        return self.groups[place]

    def end(self) -> None:
        """Let go of what they have trained."""
        for group in self.groups.values():
            group.ask("end")

    def close(self) -> None:
        for group in self.groups.values():
            group.close()


def middle(values: Sequence[float]) -> float:
    return round(median(values), 1)
