"""The activation functions and one table of them, `ACTIVATIONS`.

To add one: write the function, add one entry. Its arguments with defaults can be set in a suite file; an entry with
`parameters` learns them, one value per channel; an entry with `pieces` reads that many channels for each that it gives.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bench.labels import called
from bench.lazy import Lazy

if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    from jax import Array
else:
    jax, jnp = Lazy("jax"), Lazy("jax.numpy")


@dataclass(frozen=True)
class Activation:
    """An entry of the table.

    `function(x, **parameters, **arguments)` maps [..., channels * pieces] to [..., channels].
    `parameters` are learned: name -> initial value of each channel. They are never decayed.
    `arguments` are fixed: name -> default.
    `initializer` is how a task that leaves it to the activation draws the weights (see `bench.initializers`): He's for
    rectifiers and what behaves like one, Glorot's for what saturates on both sides, LeCun's where the authors ask for
    it or where there is nothing to make up for.
    """

    name: str
    function: Callable[..., "Array"]
    parameters: Mapping[str, float] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    initializer: str = "he"
    rises: bool = False  # never falls, where no argument is negative
    label: str = ""
    divisors: tuple[str, ...] = ()  # arguments that x is divided by
    own: bool = False  # a user's own, registered

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label or self.name)

    def __hash__(self) -> int:
        return hash(self.label)

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or self.name).strip().splitlines()[0]

    @property
    def pieces(self) -> int:
        """Channels read for each channel given."""
        return int(self.arguments.get("pieces", 1))

    @property
    def keeps_order(self) -> bool:
        """Whether the largest of its values is that of the largest x."""
        return self.rises and all(value >= 0 for value in self.arguments.values())

    @property
    def shares_program(self) -> bool:
        """Whether it can be one branch of a program: no parameters of its own, no change of width."""
        return not self.parameters and self.pieces == 1

    def configured(self, arguments: Mapping[str, Any]) -> "Activation":
        """This entry with other arguments; its label names those that differ from the defaults."""
        changed = {k: v for k, v in arguments.items() if self.arguments[k] != v}
        return replace(self, arguments={**self.arguments, **arguments}, label=called(self.name, changed))

    def __call__(self, x: "Array", **parameters: "Array") -> "Array":
        """Apply it to x [..., channels * pieces]; `parameters` are arrays [channels]."""
        return self.function(x, **parameters, **self.arguments)


def identity(x: "Array") -> "Array":
    """f(x) = x: a network of linear layers, the reference that any non-linearity must beat."""
    return x


def sigmoid(x: "Array") -> "Array":
    """f(x) = 1 / (1 + exp(-x)). Rumelhart, Hinton and Williams 1986."""
    return jax.nn.sigmoid(x)


def tanh(x: "Array") -> "Array":
    """f(x) = tanh(x). LeCun, Bottou, Orr and Müller 1998, "Efficient BackProp"."""
    return jnp.tanh(x)


def relu(x: "Array") -> "Array":
    """f(x) = max(x, 0); the slope at 0 is 0. Nair and Hinton 2010."""
    return jax.nn.relu(x)


def leaky_relu(x: "Array", negative_slope: float = 0.01) -> "Array":
    """f(x) = x for x >= 0, else a x with a = 0.01. Maas, Hannun and Ng 2013."""
    return jnp.where(x >= 0, x, negative_slope * x)


def prelu(x: "Array", slope: "Array") -> "Array":
    """f(x) = x for x >= 0, else a x with a learned per channel, from 0.25. He et al. 2015."""
    return jnp.where(x >= 0, x, slope * x)


def elu(x: "Array", alpha: float = 1.0) -> "Array":
    """f(x) = x for x > 0, else a (exp(x) - 1) with a = 1. Clevert, Unterthiner and Hochreiter 2016."""
    return jax.nn.elu(x, alpha)


def maxout(x: "Array", pieces: int = 2) -> "Array":
    """f(x) = max over k = 2 linear pieces of each channel. Goodfellow et al. 2013.

    x [..., channels * pieces], the pieces of one channel side by side; returns [..., channels].
    """
    return x.reshape(*x.shape[:-1], -1, pieces).max(-1)


def gelu(x: "Array") -> "Array":
    """f(x) = x Φ(x) with the exact normal distribution Φ. Hendrycks and Gimpel 2016."""
    return jax.nn.gelu(x, approximate=False)


def silu(x: "Array") -> "Array":
    """f(x) = x sigmoid(x), also called swish. Elfwing, Uchibe and Doya 2018; Ramachandran et al. 2017."""
    return jax.nn.silu(x)


def mish(x: "Array") -> "Array":
    """f(x) = x tanh(log(1 + exp(x))). Misra 2020."""
    return jax.nn.mish(x)


def selu(x: "Array") -> "Array":
    """f(x) = 1.0507 x for x > 0, else 1.0507 * 1.6733 (exp(x) - 1). Klambauer et al. 2017."""
    return jax.nn.selu(x)


def softplus(x: "Array") -> "Array":
    """f(x) = log(1 + exp(x)). Dugas et al. 2001."""
    return jax.nn.softplus(x)


def softsign(x: "Array") -> "Array":
    """f(x) = x / (1 + |x|). Bergstra et al. 2009."""
    return jax.nn.soft_sign(x)


def celu(x: "Array", alpha: float = 1.0) -> "Array":
    """f(x) = max(x, 0) + min(0, a (exp(x / a) - 1)) with a = 1. Barron 2017."""
    return jax.nn.celu(x, alpha)


def hard_tanh(x: "Array") -> "Array":
    """f(x) = max(-1, min(1, x)). Collobert 2004."""
    return jax.nn.hard_tanh(x)


def relu6(x: "Array") -> "Array":
    """f(x) = min(max(x, 0), 6). Krizhevsky 2010."""
    return jax.nn.relu6(x)


def squared_relu(x: "Array") -> "Array":
    """f(x) = max(x, 0)^2. So et al. 2021, "Primer"."""
    return jnp.square(jax.nn.relu(x))


def hard_swish(x: "Array") -> "Array":
    """f(x) = x relu6(x + 3) / 6. Howard et al. 2019, "MobileNetV3"."""
    return jax.nn.hard_silu(x)


ACTIVATIONS: dict[str, Activation] = {
    entry.name: entry
    for entry in (
        Activation("sigmoid", sigmoid, initializer="glorot", rises=True),
        Activation("tanh", tanh, initializer="glorot", rises=True),
        Activation("relu", relu, rises=True),
        Activation("leaky_relu", leaky_relu, arguments={"negative_slope": 0.01}, rises=True),
        Activation("prelu", prelu, parameters={"slope": 0.25}),
        Activation("elu", elu, arguments={"alpha": 1.0}, rises=True),
        Activation("maxout", maxout, arguments={"pieces": 2}),
        Activation("identity", identity, initializer="lecun", rises=True),
        Activation("gelu", gelu),
        Activation("silu", silu),
        Activation("mish", mish),
        Activation("selu", selu, initializer="lecun", rises=True),
        Activation("softplus", softplus, rises=True),
        Activation("softsign", softsign, initializer="glorot", rises=True),
        Activation("celu", celu, arguments={"alpha": 1.0}, rises=True, divisors=("alpha",)),
        Activation("hard_tanh", hard_tanh, initializer="glorot", rises=True),
        Activation("relu6", relu6, rises=True),
        Activation("squared_relu", squared_relu, rises=True),
        Activation("hard_swish", hard_swish),
    )
}
