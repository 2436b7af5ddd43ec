"""What a task is: a table entry that can be read without jax, and the pure functions that it gives to training."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.datasets import SPLITS, Dataset, Samples, Scaling
from bench.errors import DataError
from bench.labels import called
from bench.lazy import Lazy
from bench.losses import Metric

if TYPE_CHECKING:
    import jax
    from jax import Array

    from bench.activations import Activation
else:
    jax = Lazy("jax")

Tree = Any
Option = type | tuple[str, ...]  # what a suite may set an option to: int, float or bool, or one of these names


class Problem(NamedTuple):
    """The pure functions that training needs of a task; one example set of arrays in, arrays out, no hidden state.

    `init(key) -> (parameters, state)`: state is whatever changes with training but is not trained (running means).
    `gradient(parameters, state, batch, key) -> (loss, gradients, state)`: of one player or of several at once.
    `objective(parameters, state, batch, key) -> loss`: for optimizers that evaluate it themselves.
    `evaluate(parameters, state, part) -> (loss, metric)`.
    `decayed(parameters) -> tree of bool`: which of them weight decay may touch.
    `exhibit(parameters, state, data) -> float32 array`: what a report shows of a trained network; its kind is the
    task's `exhibit`.
    `trace(parameters) -> float32 vector`: where the parameters are, kept at every evaluation.
    `predict(parameters, state, x) -> outputs [samples, ...]` for examples that nobody has labelled.
    """

    init: Callable[["Array"], tuple[Tree, Tree]]
    gradient: Callable[[Tree, Tree, Tree, "Array"], tuple["Array", Tree, Tree]]
    objective: Callable[[Tree, Tree, Tree, "Array"], "Array"]
    evaluate: Callable[[Tree, Tree, Tree], tuple["Array", "Array"]]
    decayed: Callable[[Tree], Tree]
    exhibit: Callable[[Tree, Tree, dict[str, Tree]], "Array"] | None = None
    trace: Callable[[Tree], "Array"] | None = None
    predict: Callable[[Tree, Tree, "Array"], "Array"] | None = None


@dataclass(frozen=True)
class Task:
    """An entry of the table.

    `build(task, activations, index) -> Problem` is called inside a trace; `index` picks the activation.
    `load(task) -> {part: tree of arrays}` gives the parts train, validation and test; the leading axis of train's
    arrays are the samples that minibatches are drawn from. A task that draws its own data has `samples.train == 0`.
    `baseline_is` reads as the subject of "scores ...": what any trained network should beat.
    `options` are what its `build` and `load` read. `accepts` are the arguments that a suite may set,
    `make(**arguments)` the same task with them; `arguments` those that were set.
    `exhibit` is the kind of picture that its problem's `exhibit` or `trace` is shown as: images, points, masks, boxes,
    series or path; `shown(task)` what the figure needs beside the array (titles, references), as plain values.
    """

    name: str
    kind: str
    summary: str
    metric: Metric
    target: float  # of the validation metric
    baseline: float  # what `baseline_is` scores on the test part
    samples: Samples
    parameters: int  # with an activation that has none of its own
    flops: int  # of one forward and backward pass, per example
    build: Callable[["Task", tuple["Activation", ...], "Array"], Problem]
    load: Callable[["Task"], dict[str, Tree]]
    dataset: Dataset | None = None
    scales: Scaling | None = None  # of its x and y, where not the data set's
    uses_activation: bool = True
    baseline_is: str = "always predicting one constant"
    version: int = 1
    options: dict[str, Any] = field(default_factory=dict)
    accepts: Mapping[str, Option] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    make: Callable[..., "Task"] | None = None
    exhibit: str = ""
    shown: Callable[["Task"], dict[str, Any]] | None = None
    file: str = ""  # of a user's own, where it comes from one
    own: bool = False  # a user's own functions: registered, or of a Python file

    def __hash__(self) -> int:
        return hash((self.name, self.version))

    @property
    def defaults(self) -> dict[str, Any]:
        """What each of its options is where nobody sets it; of a choice the first, where the factory says nothing."""
        known = inspect.signature(self.make).parameters if self.make else {}
        first = {name: of[0] for name, of in self.accepts.items() if isinstance(of, tuple)}
        return {name: known[name].default or first.get(name, known[name].default) for name in self.accepts}

    def configured(self, arguments: Mapping[str, Any]) -> "Task":
        """This task with other options; its name tells those that were set."""
        if not arguments or self.make is None:
            return self
        made = self.make(**arguments)
        return replace(
            made,
            name=self.label(arguments),
            accepts=self.accepts,
            make=self.make,
            arguments=dict(arguments),
            file=self.file,
            own=self.own,
        )

    def label(self, arguments: Mapping[str, Any]) -> str:
        """The name of this task with other options."""
        return called(self.name, arguments)

    def data(self) -> dict[str, Tree]:
        """What `load` gives. Raises `DataError` where training would read beside it: jax clamps places, unheard."""
        found = self.load(self)
        if not isinstance(found, dict) or (missing := [part for part in SPLITS if part not in found]):
            got = f"no {' and no '.join(missing)}" if isinstance(found, dict) else f"a {type(found).__name__}"
            raise DataError(f"task {self.name}: load: got {got}; expected a dict of {', '.join(SPLITS)}")
        if strange := [leaf for part in SPLITS for leaf in jax.tree.leaves(found[part]) if not hasattr(leaf, "shape")]:
            got = f"a {type(strange[0]).__name__} among its leaves"
            raise DataError(f"task {self.name}: load: got {got}; expected arrays of numpy: lists are trees of numbers")
        samples = self.samples.train
        wrong = [leaf.shape for leaf in jax.tree.leaves(found["train"]) if leaf.shape[:1] != (samples,)]
        if wrong and samples:
            raise DataError(
                f"task {self.name}: load: got train of the shape {wrong[0]}; expected its first axis to be of "
                f"{samples:,}, as the task's samples say"
            )
        return found


def variants(factory: Callable[..., Task], accepts: Mapping[str, Option]) -> Task:
    """The task of `factory` called without arguments, that a suite may configure with those that `accepts` names."""
    return replace(factory(), make=factory, accepts=dict(accepts))
