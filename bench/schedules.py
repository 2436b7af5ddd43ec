"""How the learning rate changes over a run: one table, `SCHEDULES`, of functions of the share of steps that are done.

To add one: write the function, add it to the table. Its arguments with defaults can be set in a suite file.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bench.labels import called
from bench.lazy import Lazy

if TYPE_CHECKING:
    import jax.numpy as jnp
    from jax import Array
else:
    jnp = Lazy("jax.numpy")


@dataclass(frozen=True)
class Schedule:
    """An entry of the table.

    `function(progress, **arguments)` is the factor of the learning rate, progress in [0, 1).
    """

    name: str
    function: Callable[..., "Array"]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label or self.name)

    def __hash__(self) -> int:
        return hash(self.label)

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return str(self.function.__doc__).splitlines()[0]

    def configured(self, arguments: Mapping[str, Any]) -> "Schedule":
        """This entry with other arguments; its label names those that differ from the defaults."""
        changed = {key: of for key, of in arguments.items() if self.arguments[key] != of}
        return replace(self, arguments={**self.arguments, **arguments}, label=called(self.name, changed))

    def __call__(self, progress: "Array") -> "Array":
        """The factor at this share of the steps."""
        return self.function(jnp.asarray(progress, jnp.float32), **self.arguments)


def constant(progress: "Array") -> "Array":
    """1 throughout."""
    return jnp.ones_like(progress)


def linear(progress: "Array", final: float = 0.0) -> "Array":
    """1 − (1 − final) p: straight down."""
    return 1 - (1 - final) * progress


def cosine(progress: "Array", final: float = 0.0) -> "Array":
    """final + (1 − final) (1 + cos πp) / 2. Loshchilov and Hutter 2017, "SGDR", without restarts."""
    return final + (1 - final) * (1 + jnp.cos(jnp.pi * progress)) / 2


def warmup_cosine(progress: "Array", warmup: float = 0.1, final: float = 0.0) -> "Array":
    """Straight up from 0 over the first `warmup` of the steps, then the cosine. Goyal et al. 2017."""
    return jnp.where(progress < warmup, progress / warmup, cosine((progress - warmup) / (1 - warmup), final))


def step(progress: "Array", factor: float = 0.1, every: float = 1 / 3) -> "Array":
    """factor^⌊p / every⌋: divided by ten after each third. He et al. 2016."""
    return factor ** jnp.floor(progress / every)


def exponential(progress: "Array", final: float = 0.01) -> "Array":
    """final^p: the same ratio at each step."""
    return final**progress


def one_cycle(progress: "Array", peak: float = 0.3, start: float = 0.04, final: float = 1e-4) -> "Array":
    """Cosine up from `start` to 1 over the first `peak` of the steps, and down to `final`. Smith and Topin 2019."""
    up = start + (1 - start) * (1 - jnp.cos(jnp.pi * progress / peak)) / 2
    return jnp.where(progress < peak, up, cosine((progress - peak) / (1 - peak), final))


def _entry(function: Callable[..., "Array"]) -> Schedule:
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return Schedule(function.__name__, function, {p.name: p.default for p in parameters})


SCHEDULES: dict[str, Schedule] = {
    entry.name: entry for entry in map(_entry, (constant, linear, cosine, warmup_cosine, step, exponential, one_cycle))
}
