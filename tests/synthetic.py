"""Makers of runs with invented numbers, for the tests of what reads a run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench import stats
from bench.planning import search

ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "prelu", "elu", "maxout")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam")
ACCURACY = {"name": "accuracy", "direction": "maximize", "unit": "%", "scale": 100, "worst": 0.0, "best": 1.0}
RMSE = {"name": "RMSE", "direction": "minimize", "unit": "", "scale": 1, "worst": np.inf}
THROUGHPUT = {
    "device": "cpu",
    "device_kind": "AMD EPYC",
    "precision": "float32",
    "batch_size": 64,
    "workers": 2,
    "cache": "off",
    "samples": 12,
    "noisy": "no",
}


def task_entry(**changes: Any) -> dict[str, Any]:
    """One entry of a manifest's `tasks`."""
    entry = {
        "kind": "classification",
        "summary": "Handwritten digits, 8x8 pixels, by an MLP of 64-128-128-10",
        "metric": ACCURACY,
        "target": 0.95,
        "baseline": 0.101,
        "baseline_is": "always predicting one constant",
        "uses_activation": True,
        "exhibit": "",
        "shown": {},
        "samples": {"train": 1077, "validation": 360, "test": 360},
        "parameters": 26122,
        "data_sha256": "ab" * 32,
    }
    return entry | changes


REGRESSION = task_entry(
    kind="regression",
    summary="Progression of diabetes, ten measurements",
    metric=RMSE,
    target=56.0,
    baseline=77.0,
)


@dataclass
class SyntheticRun:
    """Looks like a run."""

    name: str
    lanes: pd.DataFrame
    curves: pd.DataFrame
    throughput: pd.DataFrame
    times: pd.DataFrame
    manifest: dict[str, Any]
    path: Path = Path("results/synthetic")
    kind: str = "convergence"
    exhibits: dict[tuple[str, str, str], np.ndarray] = field(default_factory=dict)
    halved: dict[str, int] = field(default_factory=dict)
    convergence: pd.DataFrame = field(init=False)

    @property
    def failures(self) -> pd.DataFrame:
        failed = self.lanes[self.lanes["status"] == "failed"]
        return failed[stats.CELL].drop_duplicates().assign(error="ValueError: no (own.py, line 3)\nmore", lanes=1)

    @property
    def trials(self) -> pd.DataFrame:
        return stats.learning_rate_sensitivity(self.lanes, self.manifest["tasks"])

    def __post_init__(self) -> None:
        self.convergence = stats.convergence(self.lanes, self.throughput, self.manifest["tasks"])


def make_run(
    activations: Sequence[str] = ACTIVATIONS,
    optimizers: Sequence[str] = OPTIMIZERS,
    tasks: dict[str, dict[str, Any]] | None = None,
    *,
    rates: int = 5,
    tune: int = 2,
    evaluate: int = 5,
    steps: int = 500,
    evaluations: int = 20,
    status: str = "complete",
    keep_evaluated: float = 1.0,
    all_diverge: bool = False,
    name: str = "synthetic",
    seed: int = 0,
) -> SyntheticRun:
    """A run of the given size, of whose evaluation lanes the share `keep_evaluated` was carried through."""
    rng = np.random.default_rng(seed)
    tasks = tasks or {"digits_mlp": task_entry()}
    lanes = _lanes(rng, activations, optimizers, list(tasks), rates, tune, evaluate, all_diverge)
    at = np.linspace(0, steps, evaluations + 1).astype(int)
    values = _values(rng, lanes, at, tasks)
    _finish(lanes, values, at, tasks, rng)
    _interrupt(lanes, values, keep_evaluated)
    done = np.flatnonzero(lanes["status"] != "interrupted")
    return SyntheticRun(
        name=name,
        lanes=lanes.drop(columns=["speed", "top"]),
        curves=_curves(lanes, values, at, done),
        throughput=_throughput(rng, activations, optimizers, list(tasks)),
        times=_times(),
        manifest=_manifest(name, status, activations, optimizers, tasks, lanes, (steps, rates, tune, evaluate)),
    )


def searched(run: SyntheticRun, *optimizers: str) -> SyntheticRun:
    """The run as if it had drawn its trials, those of these optimizers with values of b1 too."""
    own = run.lanes["optimizer"].isin(optimizers)
    run.lanes.loc[own, "hyperparameters"] = [f'{{"b1": {rate}}}' for rate in run.lanes.loc[own, "learning_rate"]]
    rates = {"low": 1e-4, "high": 1.0, "scale": "log"}
    for label, entry in run.manifest["optimizers"].items():
        entry["searched"] = {**({"b1": rates} if label in optimizers else {}), "learning_rate": rates}
    run.manifest["suite"]["tuning"] = {"method": "sobol", "trials": run.lanes["learning_rate"].nunique(), "seed": 0}
    times, tasks = run.throughput, run.manifest["tasks"]
    run.convergence = stats.convergence(run.lanes, times, tasks, search.searched(run.manifest))
    return run


def _lanes(
    rng: np.random.Generator,
    activations: Sequence[str],
    optimizers: Sequence[str],
    tasks: list[str],
    rates: int,
    tune: int,
    evaluate: int,
    all_diverge: bool,
) -> pd.DataFrame:
    grid = np.logspace(-4, 0, rates) if rates > 1 else np.array([0.01])
    rows = []
    for task, (a, activation), (o, optimizer) in product(tasks, enumerate(activations), enumerate(optimizers)):
        best = -2.6 + 0.35 * (o % 5)
        chosen = grid[np.argmin(abs(np.log10(grid) - best))]
        plan = [("tune", rate, s) for rate in grid for s in range(tune)]
        plan += [("evaluate", chosen, 1000 + s) for s in range(evaluate)]
        for phase, rate, lane_seed in plan:
            off = np.log10(rate) - best
            diverged = all_diverge or (off > 1.6 and rng.random() < 0.5)
            rows.append((task, activation, optimizer, phase, rate, lane_seed, diverged, off, a, o))
    columns = [
        "task",
        "activation",
        "optimizer",
        "phase",
        "learning_rate",
        "seed",
        "diverged",
        "off",
        "a",
        "o",
    ]
    frame = pd.DataFrame(rows, columns=columns)
    frame["speed"] = np.exp(-(frame["off"] ** 2)) * (0.05 + 0.05 * (frame["o"] % 6))
    frame["top"] = 0.975 - 0.002 * (frame["a"] % 7) - 0.02 * frame["off"] ** 2 + rng.normal(0, 0.003, len(frame))
    frame["status"] = np.where(frame["diverged"], "diverged", "ok")
    frame["lane"] = np.arange(len(frame))
    return frame.drop(columns=["diverged", "off", "a", "o"])


def _values(rng: np.random.Generator, lanes: pd.DataFrame, at: np.ndarray, tasks: dict[str, Any]) -> np.ndarray:
    """Metric [lane, evaluation]; a diverged lane is NaN from the third evaluation on."""
    grow = 1 - np.exp(-np.outer(lanes["speed"] * 0.6, at / max(at[-1], 1) * 100))
    share = 0.1 + (lanes["top"].to_numpy()[:, None] - 0.1) * grow + rng.normal(0, 0.002, grow.shape)
    falls = lanes["task"].map({name: task["metric"]["direction"] == "minimize" for name, task in tasks.items()})
    values = np.where(falls.to_numpy()[:, None], 54 + 100 * (1 - share), share)
    late = np.arange(len(at)) >= 2
    return np.where((lanes["status"] == "diverged").to_numpy()[:, None] & late, np.nan, values)


def _finish(
    lanes: pd.DataFrame, values: np.ndarray, at: np.ndarray, tasks: dict[str, Any], rng: np.random.Generator
) -> None:
    signs = lanes["task"].map({n: stats.Metric.of(t).sign for n, t in tasks.items()}).to_numpy()[:, None]
    targets = lanes["task"].map({n: t["target"] for n, t in tasks.items()}).to_numpy()[:, None]
    reached = signs * values >= signs * targets
    lanes["steps_to_target"] = np.where(reached.any(axis=1), at[reached.argmax(axis=1)], np.inf)
    lanes["validation_metric"] = values[:, -1]
    lanes["test_metric"] = np.where(
        lanes["phase"] == "evaluate", values[:, -1] + rng.normal(0, 0.002, len(lanes)), np.nan
    )
    lanes["train_loss"] = np.where(np.isnan(values[:, -1]), np.nan, 0.1)
    lanes["validation_loss"] = lanes["test_loss"] = lanes["train_loss"]
    lanes["stopped_at"] = pd.array(np.where(lanes["status"] == "diverged", at[2], 0), dtype="Int64")
    lanes.loc[lanes["status"] != "diverged", "stopped_at"] = pd.NA
    lanes["hyperparameters"], lanes["shard"] = "{}", "shard-000"
    lanes["steps"], lanes["batch_size"], lanes["parameters"] = at[-1], 64, 26122


def _interrupt(lanes: pd.DataFrame, values: np.ndarray, keep: float) -> None:
    evaluated = np.flatnonzero(lanes["phase"] == "evaluate")
    lost = lanes.index[evaluated[int(len(evaluated) * keep) :]]
    lanes.loc[lost, "status"] = "interrupted"
    lanes.loc[lost, ["validation_metric", "test_metric", "steps_to_target"]] = np.nan
    values[lost] = np.nan


def _curves(lanes: pd.DataFrame, values: np.ndarray, at: np.ndarray, done: np.ndarray) -> pd.DataFrame:
    flat = values[done].ravel()
    frame = pd.DataFrame({"lane": np.repeat(lanes["lane"].to_numpy()[done], len(at)), "step": np.tile(at, len(done))})
    frame["train_loss"] = np.where(frame["step"] == 0, np.nan, 1 - flat)
    frame["validation_loss"] = 1 - flat
    frame["validation_metric"] = flat
    return frame


def _throughput(
    rng: np.random.Generator, activations: Sequence[str], optimizers: Sequence[str], tasks: list[str]
) -> pd.DataFrame:
    cells = pd.DataFrame(list(product(tasks, activations, optimizers)), columns=stats.CELL)
    step = 0.0006 * (1 + 0.2 * rng.random(len(cells)))
    measured = {
        "width": 4,
        "lanes": 15,
        "trace_s": 0.2,
        "compile_s": 1.3,
        "first_run_s": step * 25,
        "step_s_median": step,
        "step_s_low": step * 0.98,
        "step_s_high": step * 1.03,
        "step_s_p95": step * 1.1,
        "lane_steps_per_s": 2 * 4 / step,
        "examples_per_s": 2 * 4 * 64 / step,
        "flops_per_s": 2 * 4 * 9.9e6 / step,
        "peak_share": 0.62,
        "peak_memory_bytes": 4e8,
    }
    return cells.assign(**THROUGHPUT, **measured)


def _times() -> pd.DataFrame:
    seconds = {
        "start": 6.1, "load": 0.7, "trace": 2.0, "compile": 9.5,
        "train": 55.0, "evaluate": 6.0, "rows": 0.6, "wait": 4.1,
    }  # fmt: skip
    return pd.DataFrame({"bucket": list(seconds), "seconds": list(seconds.values())})


def _manifest(
    name: str,
    status: str,
    activations: Sequence[str],
    optimizers: Sequence[str],
    tasks: dict[str, dict[str, Any]],
    lanes: pd.DataFrame,
    sizes: tuple[int, int, int, int],
) -> dict[str, Any]:
    steps, rates, tune, evaluate = sizes
    return {
        "schema": 1,
        "name": name,
        "status": status,
        "created": "2026-01-02T03:04:05+00:00",
        "finished": "2026-01-02T03:04:47+00:00",
        "suite": {
            "name": "quick",
            "description": "Seven activations by six optimizers on handwritten digits",
            "tasks": [{"name": name} for name in tasks],
            "activations": [{"name": name} for name in activations],
            "steps": steps,
            "batch_size": 64,
            "eval_every": 25,
            "learning_rates": {"low": 1e-4, "high": 1.0, "num": rates},
            "seeds": {"tune": tune, "evaluate": evaluate},
            "optimizers": [{"name": label} for label in optimizers],
        },
        "plan": {
            "cells": len(activations) * len(optimizers) * len(tasks),
            "lanes": len(lanes),
            "programs": 3,
            "lane_steps": len(lanes) * steps,
            "sha256": "cd" * 32,
        },
        "tasks": tasks,
        "activations": {label: {"summary": f"The function {label}."} for label in activations},
        "optimizers": {label: {"summary": f"The optimizer {label}.", "arguments": {"b1": 0.9}} for label in optimizers},
        "environment": {
            "machine": "x86_64",
            "processor": "AMD EPYC 7R13",
            "cores": 2,
            "memory_bytes": 8_000_000_000,
            "platform": "Linux",
            "python": "3.11.2",
            "packages": {"jax": "0.10.2", "flax": "0.12.8", "optax": "0.2.8"},
            "device": "cpu",
            "device_kind": "cpu",
            "precision": "float32",
            "xla_flags": "--xla_cpu_multi_thread_eigen=false",
        },
        "execution": {"device": "cpu", "workers": 2, "width": 4, "wall_s": 42.0, "startup_s": 3.0},
        "command": "bench run suites/quick.toml --report",
    }
