"""Losses and metrics: pure functions of a model's outputs and the targets."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

from bench.lazy import Lazy

if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    import optax
    from jax import Array
else:
    jax, jnp, optax = Lazy("jax"), Lazy("jax.numpy"), Lazy("optax")


def cross_entropy(outputs: "Array", targets: "Array") -> "Array":
    """Mean of -log softmax(z)[y]; outputs z [samples, classes], targets y [samples] int32; nats.

    By one-hot targets: picking z[y] would be a scatter on the way back.
    """
    return optax.softmax_cross_entropy(outputs, jax.nn.one_hot(targets, outputs.shape[-1])).mean()


def one_hot_error(outputs: "Array", targets: "Array") -> "Array":
    """Mean over samples of Σ (z − one_hot(y))²; outputs [samples, classes], targets [samples] int32.

    Brier 1950 for probabilities; here of the outputs themselves, as in Hui and Belkin 2021.
    """
    return jnp.square(outputs - jax.nn.one_hot(targets, outputs.shape[-1])).sum(-1).mean()


def hinge(outputs: "Array", targets: "Array") -> "Array":
    """Mean of max(0, 1 + max over k ≠ y of z_k − z_y). Crammer and Singer 2001."""
    right = jax.nn.one_hot(targets, outputs.shape[-1])
    margin = 1 - right + outputs - (outputs * right).sum(-1, keepdims=True)
    return jax.nn.relu(jnp.where(right > 0, -jnp.inf, margin).max(-1)).mean()


def focal(outputs: "Array", targets: "Array") -> "Array":
    """Mean of −(1 − p)² log p, p = softmax(z)[y]: what is easy counts less. Lin et al. 2017, γ = 2."""
    log_p = (jax.nn.log_softmax(outputs) * jax.nn.one_hot(targets, outputs.shape[-1])).sum(-1)
    return -(jnp.square(1 - jnp.exp(log_p)) * log_p).mean()


def absolute_error(outputs: "Array", targets: "Array") -> "Array":
    """Mean of |ŷ − y|; outputs [samples, 1], targets [samples]."""
    return jnp.abs(outputs[:, 0] - targets).mean()


def huber(outputs: "Array", targets: "Array") -> "Array":
    """Mean of (ŷ − y)² / 2 within 1, of |ŷ − y| − 1/2 beyond. Huber 1964."""
    return optax.huber_loss(outputs[:, 0], targets).mean()


def log_cosh(outputs: "Array", targets: "Array") -> "Array":
    """Mean of log cosh(ŷ − y): smooth between the square and the absolute value."""
    return optax.log_cosh(outputs[:, 0], targets).mean()


def squared_error(outputs: "Array", targets: "Array") -> "Array":
    """Mean of (ŷ - y)^2; outputs [samples, 1], targets [samples]."""
    return jnp.square(outputs[:, 0] - targets).mean()


def accuracy(outputs: "Array", targets: "Array") -> "Array":
    """Share of samples whose largest output is the target's; outputs [samples, classes], targets [samples]."""
    return (outputs.argmax(-1) == targets).mean(dtype=jnp.float32)


def r2(outputs: "Array", targets: "Array") -> "Array":
    """1 - Σ(ŷ - y)^2 / Σ(y - ȳ)^2: 0 for the mean of these very targets, 1 for no error."""
    return 1 - jnp.square(outputs[:, 0] - targets).sum() / jnp.square(targets - targets.mean()).sum()


def rounded(value: float) -> float:
    """To seven digits, as many as a float32 has: means of equal scores are equal, in whatever order they were added."""
    return float(f"{value:.7g}")


@dataclass(frozen=True)
class Metric:
    """What a task is judged by. Shown as value * scale followed by unit; a lane that failed counts as `worst`."""

    name: str
    function: Callable[..., Any]
    direction: str  # maximize or minimize
    worst: float
    unit: str = ""
    scale: float = 1.0
    best: float | None = None  # beyond which nothing goes: a floor or a ceiling

    @property
    def sign(self) -> int:
        """+1 where more is better, -1 where less is."""
        return 1 if self.direction == "maximize" else -1

    def described(self) -> dict[str, Any]:
        """The metric as plain values."""
        return {k: v for k, v in asdict(self).items() if k != "function"}

    def told(self, value: float) -> str:
        """The value as a person reads it, with its unit."""
        if not isfinite(value):
            return "–"
        return f"{value * self.scale:.1f} {self.unit}" if self.unit else f"{value * self.scale:.3g}"

    def counted(self, value: float) -> float:
        """The value, or the worst where it is not a number."""
        return self.worst if isnan(value) else value

    def better(self, a: float, b: float) -> bool:
        """Whether a is better than b; not a number is never better."""
        return self.sign * a > self.sign * b


ACCURACY = Metric("accuracy", accuracy, "maximize", worst=0.0, unit="%", scale=100.0, best=1.0)
R2 = Metric("R²", r2, "maximize", worst=float("-inf"))
MSE = Metric("mean squared error", squared_error, "minimize", worst=float("inf"))

# What a suite may choose, by what is predicted; the first is the default.
LOSSES: dict[str, dict[str, Callable[..., Any]]] = {
    "classification": {
        "cross_entropy": cross_entropy, "squared_error": one_hot_error, "hinge": hinge, "focal": focal,
    },
    "regression": {
        "squared_error": squared_error, "absolute_error": absolute_error, "huber": huber, "log_cosh": log_cosh,
    },
}  # fmt: skip
