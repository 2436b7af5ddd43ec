"""The unit of work and of commit: lanes of one program, and what a worker gives back of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nan
from typing import Any

from bench.activations import Activation
from bench.planning.lanes import Cell, Lane
from bench.planning.program import Program

SHARD_LANE_STEPS = 8_000  # a few seconds of work: what a crash can cost
SHARD_FLOPS = 200e9  # the same for large models
SCORES = ("train_loss", "validation_loss", "validation_metric", "test_loss", "test_metric")
CURVES = ("curve_step", "curve_train_loss", "curve_validation_loss", "curve_validation_metric")


def together(activation: Activation, of_optimizer: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of both by name; one of the activation that the optimizer has too as `elu.alpha`."""
    own = {f"{activation.name}.{key}" if key in of_optimizer else key: of for key, of in activation.arguments.items()}
    return {**own, **of_optimizer}


@dataclass(frozen=True)
class Block:
    """Cells of one program that are tuned and evaluated together."""

    program: Program
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Shard:
    """The unit of work and of commit."""

    id: str
    program: Program
    lanes: tuple[Lane, ...]
    rung: int = 0  # of tuning that halves
    part: int = 1  # how often the steps of its lanes go into those of the program

    @property
    def phase(self) -> str:
        """What its lanes are for."""
        return self.lanes[0].phase

    @property
    def steps(self) -> int:
        """Of each of its lanes."""
        return self.program.steps // self.part

    @property
    def lane_steps(self) -> int:
        """Steps of all its lanes."""
        return len(self.lanes) * self.steps

    def identity(self, lane: Lane) -> dict[str, Any]:
        """What is known of a lane before it is trained, by column of the results."""
        program = self.program
        activation = next(a for a in program.activations if a.label == lane.activation)
        optimizer = next(o for o in program.optimizers if o.label == lane.optimizer)
        return {
            "lane": lane.id,
            "task": lane.task,
            "activation": lane.activation,
            "optimizer": lane.optimizer,
            "phase": lane.phase,
            "learning_rate": lane.learning_rate,
            "hyperparameters": together(
                activation, {**optimizer.arguments, **dict(zip(optimizer.searched, lane.values, strict=True))}
            ),
            "seed": lane.seed,
            "steps": self.steps,
            "batch_size": program.batch_size,
            "parameters": program.task.parameters,
            "shard": self.id,
        }

    def failed(self, lane: Lane) -> dict[str, Any]:
        """The row of a lane that could not be trained; the journal tells why."""
        return {
            **self.identity(lane), **dict.fromkeys(SCORES, nan), **{curve: [] for curve in CURVES},
            "status": "failed", "stopped_at": None, "steps_to_target": inf,
        }  # fmt: skip


@dataclass
class Result:
    """What a worker gives back of a shard; here, as who reads it needs no jax."""

    rows: list[dict[str, Any]]
    timing: dict[str, Any]


def shard_lanes(program: Program) -> int:
    """How many lanes of a program are worth a shard."""
    return int(min(SHARD_LANE_STEPS, SHARD_FLOPS / max(1, program.lane_step_flops)) // program.steps)
