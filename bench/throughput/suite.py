"""A suite file of `kind = "throughput"`: which cells, on what settings, and how many samples each gets."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails

from bench.checks import listed, number, one_of, refused, repeated, whole
from bench.hardware import timing
from bench.hardware.machine import cores
from bench.planning.entries import ActivationEntry, BatchSize, OptimizerEntry, TaskEntry, at_most_the_data
from bench.planning.suite import SuiteFile

ALL = "all"  # workers: one a core, or one a GPU
# What `jax.default_matmul_precision` calls them; a CPU multiplies float32 whatever it is told. What jax itself calls
# "bfloat16" leaves it to a GPU, which takes TF32 (jax#39869).
PRECISIONS = {
    "cpu": {"float32": "float32"},
    "gpu": {"float32": "float32", "tf32": "TF32_TF32_F32", "bfloat16": "BF16_BF16_F32"},
}


def _each_once(values: Sequence[Any]) -> Sequence[Any]:
    if twice := repeated(list(map(str, values))):
        raise refused("each once", f"{listed(twice)} more than once")
    return values


def _number_of_workers(value: Any) -> Any:
    if value == ALL:
        return value
    return number(int, 1, 4096, 'a whole number from 1 to 4,096, or "all"')(value)


Once = AfterValidator(_each_once)
Sizes = Annotated[list[BatchSize], Field(min_length=1), Once]
Widths = Annotated[list[Annotated[int, whole(1, 100_000)]], Field(min_length=1), Once]
Precision = Annotated[str, BeforeValidator(one_of(tuple(PRECISIONS["gpu"])))]
Workers = Annotated[int | str, BeforeValidator(_number_of_workers)]


class ThroughputSuite(SuiteFile):
    """The contents of such a file; see docs/throughput.md. Raises `InputError` with all that is wrong.

    Every task by every activation by every optimizer is measured at every batch size, width (lanes a chunk), precision
    and number of workers. A cell gets at least `samples` samples that take `seconds` together.
    """

    kind: Literal["throughput"]
    tasks: list[TaskEntry] = Field(min_length=1)
    activations: list[ActivationEntry] = Field(min_length=1)
    optimizers: list[OptimizerEntry] = Field(min_length=1)
    batch_sizes: Sizes
    widths: Widths
    precisions: Annotated[list[Precision], Field(min_length=1), Once] = Field(default=["float32"])
    workers: Annotated[list[Workers], Field(min_length=1), Once] = Field(default=[ALL])
    samples: Annotated[int, whole(1, 10_000)] = timing.SAMPLES
    seconds: Annotated[float, BeforeValidator(number(float, 0, 600))] = timing.SECONDS

    @field_validator("tasks", "optimizers")
    @classmethod
    def _timed(cls, entries: list[Any]) -> list[Any]:
        """What only matters to networks trained to the end has no place here."""
        wrong = [
            InitErrorDetails(type=refused("no such key: nothing is trained to the end"), loc=(place, key), input=value)
            for place, entry in enumerate(entries)
            for key, value in _of_training(entry).items()
        ]
        if wrong:
            raise ValidationError.from_exception_data("entries", wrong)
        return entries

    @field_validator("batch_sizes")
    @classmethod
    def _within_data(cls, batch_sizes: list[int], info: ValidationInfo) -> list[int]:
        at_most_the_data(max(batch_sizes), [entry.resolve() for entry in info.data.get("tasks", [])])
        return batch_sizes

    def workers_on(self, device: str) -> list[int]:
        """How many workers are busy at once, for each setting of the suite on this device."""
        most = most_workers(device)
        return list(dict.fromkeys(most if workers == ALL else int(workers) for workers in self.workers))


def _of_training(entry: TaskEntry | OptimizerEntry) -> dict[str, Any]:
    """What an entry says of training: its length, its learning rates, arguments that are searched."""
    searched = entry.ranges if isinstance(entry, OptimizerEntry) else {}
    keys = ("steps", "batch_size", "eval_every", "learning_rates")
    return {key: value for key in keys if (value := getattr(entry, key, None)) is not None} | searched


def most_workers(device: str) -> int:
    """How many can be busy without sharing a core; a GPU has one."""
    return 1 if device == "gpu" else len(cores())
