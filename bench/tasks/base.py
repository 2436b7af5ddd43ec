"""What a task is: a table entry that can be read without jax, and the pure functions that it gives to training."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.datasets import Dataset, Samples
from bench.losses import Metric

if TYPE_CHECKING:
    from jax import Array

    from bench.activations import Activation

Tree = Any


class Problem(NamedTuple):
    """The pure functions that training needs of a task; one example set of arrays in, arrays out, no hidden state.

    `init(key) -> (parameters, state)`: state is whatever changes with training but is not trained (running means).
    `gradient(parameters, state, batch, key) -> (loss, gradients, state)`: of one player or of several at once.
    `objective(parameters, state, batch, key) -> loss`: for optimizers that evaluate it themselves.
    `evaluate(parameters, state, part) -> (loss, metric)`.
    `decayed(parameters) -> tree of bool`: which of them weight decay may touch.
    """

    init: Callable[["Array"], tuple[Tree, Tree]]
    gradient: Callable[[Tree, Tree, Tree, "Array"], tuple["Array", Tree, Tree]]
    objective: Callable[[Tree, Tree, Tree, "Array"], "Array"]
    evaluate: Callable[[Tree, Tree, Tree], tuple["Array", "Array"]]
    decayed: Callable[[Tree], Tree]


@dataclass(frozen=True)
class Task:
    """An entry of the table.

    `build(task, activations, index) -> Problem` is called inside a trace; `index` picks the activation.
    `load(task) -> {part: tree of arrays}` gives the parts train, validation and test; the leading axis of train's
    arrays are the samples that minibatches are drawn from. A task that draws its own data has `samples.train == 0`.
    `options` are what its `build` and `load` read.
    """

    name: str
    kind: str
    summary: str
    metric: Metric
    target: float  # of the validation metric
    baseline: float  # what a constant predictor scores on the test part
    samples: Samples
    parameters: int  # with an activation that has none of its own
    flops: int  # of one forward and backward pass, per example
    build: Callable[["Task", tuple["Activation", ...], "Array"], Problem]
    load: Callable[["Task"], dict[str, Tree]]
    dataset: Dataset | None = None
    uses_activation: bool = True
    version: int = 1
    options: dict[str, Any] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.name, self.version))
