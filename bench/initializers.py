"""How weights are drawn before training: one table, `INITIALIZERS`.

All draw from N(0, σ²) or from rotations, biases start at 0. `default` picks for each activation what its authors or
common practice pair it with (`Activation.initializer`), so that no activation is held back by another's start.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from bench.lazy import Lazy

if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    from jax import Array

    from bench.activations import Activation
else:
    jax, jnp = Lazy("jax"), Lazy("jax.numpy")

Deviation = Callable[[int, int], float]


def lecun(fan_in: int, fan_out: int) -> float:
    """σ² = 1 / fan_in: keeps the variance of a linear layer. LeCun, Bottou, Orr and Müller 1998."""
    return fan_in**-0.5


def glorot(fan_in: int, fan_out: int) -> float:
    """σ² = 2 / (fan_in + fan_out): a compromise of both directions. Glorot and Bengio 2010."""
    return (2 / (fan_in + fan_out)) ** 0.5


def he(fan_in: int, fan_out: int) -> float:
    """σ² = 2 / fan_in: makes up for the half that a rectifier cuts off. He et al. 2015."""
    return (2 / fan_in) ** 0.5


DEVIATIONS: dict[str, Deviation] = {"lecun": lecun, "glorot": glorot, "he": he}
DRAWN: dict[str, Callable[[], Callable[..., "Array"]]] = {"orthogonal": lambda: jax.nn.initializers.orthogonal()}
INITIALIZERS = {
    "default": "What fits the activation.",
    **{name: str(of.__doc__) for name, of in DEVIATIONS.items()},
    "orthogonal": "A random rotation of singular values 1. Saxe, McClelland and Ganguli 2014.",
}


def initializer(name: str, activations: Sequence["Activation"], index: "Array") -> Callable[..., "Array"]:
    """The function (key, shape, dtype) -> kernel for the activation that `index` picks.

    `shape` is [..., fan_in, fan_out]; the axes before, a convolution's window, count into both fans. Raises `KeyError`
    for a name that the table does not have.
    """
    if name in DRAWN:
        return DRAWN[name]()
    chosen = [{"default": activation.initializer}.get(name, name) for activation in activations]
    deviations = [DEVIATIONS[one] for one in chosen]

    def draw(key: "Array", shape: Sequence[int], dtype: Any = jnp.float32, *_: Any, **__: Any) -> "Array":
        window = prod(shape[:-2])
        choices = [of(window * shape[-2], window * shape[-1]) for of in deviations]
        return jnp.array(choices, dtype)[index if len(choices) > 1 else 0] * jax.random.normal(key, shape, dtype)

    return draw
