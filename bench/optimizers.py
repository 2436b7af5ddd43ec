"""One table of optimizers, `OPTIMIZERS`: each names its factory and, as data, what is special about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Optimizer:
    """An entry of the table.

    `factory` is "module:function" of an optax alias, or a function; called inside the trace with the lane's learning
    rate under the name `learning_rate` and with `arguments`.
    """

    name: str
    factory: str | Callable[..., Any]
    summary: str
    arguments: Mapping[str, Any] = field(default_factory=dict)  # set by us; a suite may set any other
    learning_rate: str = "learning_rate"  # the argument that a lane's learning rate sets
    multiplier: bool = False  # the learning rate scales a step that it finds itself: 1 is neutral
    extra: tuple[str, ...] = ()  # what update needs beside gradients and parameters: value, grad, value_fn, obj_fn
    evaluation: str = ""  # "module:function"(state, parameters): the parameters to evaluate, where not the trained ones
    full_batch: bool = False  # each step sees all training data
    alone: bool = False  # a program of its own, one lane at a time: rare heavy work that vmap would always do
    label: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label or self.name)

    def __hash__(self) -> int:
        return hash(self.label)

    def configured(self, arguments: Mapping[str, Any]) -> "Optimizer":
        """This entry with other arguments; its label names those that differ from the table's."""
        changed = {k: v for k, v in arguments.items() if self.arguments.get(k, _UNSET) != v}
        inner = ",".join(f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in changed.items())
        label = f"{self.name}({inner})" if changed else self.name
        return replace(self, arguments={**self.arguments, **arguments}, label=label)

    def build(self, learning_rate: Any) -> Any:
        """The optax transformation for a (traced) learning rate."""
        return resolve(self.factory)(**{self.learning_rate: learning_rate}, **self.arguments)

    def evaluated(self, state: Any, parameters: Any) -> Any:
        """The parameters to evaluate."""
        return resolve(self.evaluation)(state, parameters) if self.evaluation else parameters


_UNSET = object()


def resolve(reference: str | Callable[..., Any]) -> Callable[..., Any]:
    """The function that "module:function" names."""
    if callable(reference):
        return reference
    module, _, function = reference.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found


OPTIMIZERS: dict[str, Optimizer] = {
    entry.name: entry
    for entry in (
        Optimizer("gradient_descent", "optax:sgd", "θ ← θ − η ∇L over all training data. Cauchy 1847.", full_batch=True),
        Optimizer("sgd", "optax:sgd", "θ ← θ − η g on a minibatch. Robbins and Monro 1951."),
        Optimizer("momentum", "optax:sgd", "m ← 0.9 m + g, θ ← θ − η m. Polyak 1964.", {"momentum": 0.9}),
        Optimizer("nesterov", "optax:sgd", "Momentum with a look ahead. Nesterov 1983.", {"momentum": 0.9, "nesterov": True}),
        Optimizer("adagrad", "optax:adagrad", "Step scaled by the sum of squared gradients. Duchi et al. 2011."),
        Optimizer("rmsprop", "optax:rmsprop", "Step scaled by a running mean of squares. Hinton 2012.", {"decay": 0.9}),
        Optimizer("adam", "optax:adam", "Momentum scaled by a running mean of squares. Kingma and Ba 2015."),
    )
}
