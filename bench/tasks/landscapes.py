"""Functions to minimize: what an optimizer does where the minimum is known; no network, no activation.

Each function is written as its gap f(x) − f*, a sum of terms that vanish at the minima, so that float32 resolves it
there: 1 − cos as 2 sin², exp − 1 as expm1. A seed draws the start, uniformly in a box around the conventional one.
Weight decay touches none of them, since 0 is seldom the minimum. Nothing is held back: validation and test evaluate
f itself, so a test score is that of fresh starts.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.datasets import DATASETS, Samples, arrays
from bench.lazy import Lazy
from bench.losses import Metric
from bench.tasks.base import Problem, Task, Tree, variants

if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    from jax import Array

    from bench.activations import Activation
else:
    jax, jnp = Lazy("jax"), Lazy("jax.numpy")

Numpy = Any  # numpy or jax.numpy: the formulas are those of both
Vector = tuple[float, ...]
LEAST, LEAST_OF_A_MEAN = 1e-10, 1e-7  # gaps below are taken as these; float32 knows a mean of 0.1 to 1e-8 only
GRID = 61  # points a side of the contours, from which a figure interpolates


def log_gap(gap: "Array", least: float = LEAST) -> "Array":
    """log10 of max(f − f*, least): of several starts, the mean is that of the orders of magnitude."""
    return jnp.log10(jnp.maximum(gap, least))


LOG_GAP = Metric("log10 gap", log_gap, "minimize", worst=float("inf"), best=math.log10(LEAST))


@dataclass(frozen=True)
class Landscape:
    """A function with its minima, where it is started and the part of the plane that a picture shows.

    `gap(x, numpy)` [...] is f − f* at x [..., n]. The start is centre ± radius in each coordinate, turned by
    `rotation` [n, n] as the function is.
    """

    gap: Callable[[Any, Numpy], Any]
    minima: tuple[Vector, ...]
    centre: Vector
    radius: float
    window: tuple[tuple[float, float], tuple[float, float]]
    minimum: float = 0.0  # f*
    logarithmic: bool = True  # contours of log10 of the gap
    rotation: tuple[Vector, ...] | None = field(default=None, repr=False)


def rosenbrock(x: Any, numpy: Numpy) -> Any:
    """(1 − x₁)² + 100 (x₂ − x₁²)²: a curved valley. Minimum 0 at (1, 1); start (−1.2, 1). Rosenbrock 1960."""
    return (1 - x[..., 0]) ** 2 + 100 * (x[..., 1] - x[..., 0] ** 2) ** 2


def beale(x: Any, numpy: Numpy) -> Any:
    """Σ (cᵢ − x₁ (1 − x₂ⁱ))², c = 1.5, 2.25, 2.625: flat, with steep corners. On [−4.5, 4.5]².

    Minimum 0 at (3, 0.5); start (1, 1). Beale 1958; Moré, Garbow and Hillstrom 1981, problem 5.
    """
    a, b = x[..., 0], x[..., 1]
    return sum((c - a * (1 - b**i)) ** 2 for i, c in ((1, 1.5), (2, 2.25), (3, 2.625)))


def branin(x: Any, numpy: Numpy) -> Any:
    """(x₂ − 5.1/(4π²) x₁² + 5/π x₁ − 6)² + 10 (1 − 1/(8π)) cos x₁ + 10, on [−5, 10] × [0, 15].

    Minimum 10/(8π) = 0.397887 at (−π, 12.275), (π, 2.275) and (3π, 2.475): there cos x₁ = −1, and the square is 0.
    Start: the centre of the domain. Branin 1972; Dixon and Szegő 1978.
    """
    a, b = x[..., 0], x[..., 1]
    valley = b - 5.1 / (4 * math.pi**2) * a**2 + 5 / math.pi * a - 6
    return valley**2 + 20 * (1 - 1 / (8 * math.pi)) * numpy.cos(a / 2) ** 2


def himmelblau(x: Any, numpy: Numpy) -> Any:
    """(x₁² + x₂ − 11)² + (x₁ + x₂² − 7)²: four minima alike, on [−5, 5]². Himmelblau 1972.

    Minimum 0 at (3, 2), (−2.805118, 3.131313), (−3.779310, −3.283186), (3.584428, −1.848127). Start (0, 0), close to
    the maximum between them: which one is found depends on the draw.
    """
    a, b = x[..., 0], x[..., 1]
    return (a**2 + b - 11) ** 2 + (a + b**2 - 7) ** 2


def rastrigin(x: Any, numpy: Numpy) -> Any:
    """10 n + Σ (xᵢ² − 10 cos 2πxᵢ): a bowl with a minimum near each whole number, on [−5.12, 5.12]ⁿ.

    Minimum 0 at 0. Start (3, −2), above the minimum nearest to it, of gap 12.9: that is where descent ends, and the
    target, gap 5, asks for a way out. Rastrigin 1974.
    """
    return (x**2 + 20 * numpy.sin(math.pi * x) ** 2).sum(-1)


def ackley(x: Any, numpy: Numpy) -> Any:
    """20 + e − 20 exp(−0.2 √(Σxᵢ²/n)) − exp(Σ cos(2πxᵢ)/n): a funnel in a rippled plain, on [−32.768, 32.768]ⁿ.

    Minimum 0 at 0, where it has a tip like |x|. Start (3, −2). Ackley 1987.
    """
    size = numpy.sqrt((x**2).mean(-1) + 1e-30)  # the slope of a root is infinite at 0
    return -20 * numpy.expm1(-0.2 * size) - math.e * numpy.expm1(-2 * (numpy.sin(math.pi * x) ** 2).mean(-1))


def parabola(x: Any, numpy: Numpy, curvatures: Vector, rotation: tuple[Vector, ...] | None = None) -> Any:
    """½ Σ λᵢ zᵢ², z = x, or z = x Q in turned axes."""
    z = x if rotation is None else x @ numpy.asarray(rotation, x.dtype)
    return (numpy.asarray(curvatures, x.dtype) * z**2).sum(-1) / 2


def curvatures(dimension: int, condition: float) -> Vector:
    """λ from 1 down to 1/condition, equal ratios between them."""
    return tuple(condition ** (-i / max(1, dimension - 1)) for i in range(dimension))


def cosines(dimension: int) -> tuple[Vector, ...]:
    """The orthogonal matrix [n, n] of the discrete cosine transform: every axis leans on every coordinate."""
    scale = [math.sqrt((1 if k == 0 else 2) / dimension) for k in range(dimension)]
    angle = math.pi / dimension
    return tuple(tuple(scale[k] * math.cos(angle * (i + 0.5) * k) for k in range(dimension)) for i in range(dimension))


def build(task: Task, activations: tuple["Activation", ...], index: "Array") -> Problem:
    """The problem of minimizing `options["landscape"]`.

    With `options["shift"]`, a step sees the function moved by shift(key): a minibatch has a minimum of its own.
    """
    landscape, shift = task.options["landscape"], task.options.get("shift")

    def start(key: "Array") -> "Array":
        offset = jax.random.uniform(key, (len(landscape.centre),), minval=-1, maxval=1)
        x = jnp.asarray(landscape.centre, jnp.float32) + landscape.radius * offset
        return x if landscape.rotation is None else jnp.asarray(landscape.rotation, jnp.float32) @ x

    def loss(x: "Array", batch: Tree, key: "Array") -> "Array":
        moved = x - shift(key).astype(x.dtype) if shift else x
        found: Array = landscape.minimum + landscape.gap(moved, jnp)
        return found

    return problem(task, start, loss, lambda x, _: landscape.gap(x, jnp), landscape.minimum)


def problem(
    task: Task,
    start: Callable[["Array"], "Array"],
    loss: Callable[["Array", Tree, "Array"], "Array"],
    gap: Callable[["Array", Tree], "Array"],
    minimum: float,
) -> Problem:
    """The problem of the vector x: start(key), loss(x, batch, key), and gap(x, part) = f − minimum to judge it."""

    def objective(parameters: Tree, state: Tree, batch: Tree, key: "Array") -> "Array":
        return loss(parameters["x"], batch, key)

    def gradient(parameters: Tree, state: Tree, batch: Tree, key: "Array") -> tuple["Array", Tree, Tree]:
        value, gradients = jax.value_and_grad(objective)(parameters, state, batch, key)
        return value, gradients, state

    def evaluate(parameters: Tree, state: Tree, part: Tree) -> tuple["Array", "Array"]:
        excess = gap(parameters["x"], part)
        return minimum + excess, task.metric.function(excess)

    return Problem(
        init=lambda key: ({"x": start(key)}, ()),
        gradient=gradient,
        objective=objective,
        evaluate=evaluate,
        decayed=lambda parameters: {"x": False},
        trace=lambda parameters: parameters["x"][:2].astype(jnp.float32),
    )


def load(task: Task) -> dict[str, tuple[()]]:
    """Nothing: a landscape has no data."""
    return dict.fromkeys(("train", "validation", "test"), ())


def shown(task: Task) -> dict[str, Any]:
    """The contours and minima of the first two coordinates, the others at their minimum."""
    import numpy as np

    landscape = task.options["landscape"]
    rest = landscape.minima[0][2:]

    def gap(x: Any, y: Any) -> Any:
        return landscape.gap(np.stack([x, y, *(np.full_like(x, value) for value in rest)], -1), np)

    return contours(gap, landscape.window, landscape.minima, landscape.logarithmic)


def contours(
    gap: Callable[[Any, Any], Any],
    window: tuple[tuple[float, float], tuple[float, float]],
    minima: tuple[Vector, ...],
    logarithmic: bool = True,
    least: float = LEAST,
) -> dict[str, Any]:
    """{title, x, y, z [y, x], logarithmic, minima} as plain values; z is the gap, or its log10."""
    import numpy as np

    x, y = (np.linspace(low, high, GRID) for low, high in window)
    z = gap(*np.meshgrid(x, y))
    z = np.log10(np.maximum(z, least)) if logarithmic else z
    return {
        "title": f"The way over {'log10 (f − f*)' if logarithmic else 'f − f*'}",
        "x": x.round(4).tolist(),
        "y": y.round(4).tolist(),
        "z": z.round(3).tolist(),
        "logarithmic": logarithmic,
        "minima": [[round(float(value), 6) for value in point[:2]] for point in minima],
    }


def task_of(name: str, summary: str, landscape: Landscape, *, target: float, baseline: float, flops: int) -> Task:
    """A landscape as an entry of the table. `baseline` is the metric at the centre of the starts.

    `flops` counts each elementwise operation of f and its gradient once, and a product as two.
    """
    return Task(
        name=name,
        kind="landscape",
        summary=summary,
        metric=LOG_GAP,
        target=target,
        baseline=baseline,
        samples=Samples(0, 0, 0),
        parameters=len(landscape.centre),
        flops=flops,
        build=build,
        load=load,
        uses_activation=False,
        baseline_is="the middle of the starts",
        options={"landscape": landscape},
        exhibit="path",
        shown=shown,
    )


def quadratic(dimension: int = 10, condition: float = 100.0, rotated: bool = False) -> Task:
    """½ Σ λᵢ xᵢ², λ from 1 to 1/condition: gradient descent has the rates 1 − η λᵢ. Minimum 0 at 0.

    Start: each coordinate from 0.5 to 1.5. `rotated`: in axes that lean on all coordinates, so that a method that
    scales each coordinate has nothing to go by; the rest find the same. Polyak 1964; Goh 2017.
    """
    found = curvatures(dimension, condition)
    rotation = cosines(dimension) if rotated else None
    gap = partial(parabola, curvatures=found, rotation=rotation)
    zero, ones = (0.0,) * dimension, (1.0,) * dimension
    landscape = Landscape(gap, (zero,), ones, 0.5, ((-2, 2), (-2, 2)), rotation=rotation)
    return task_of(
        "quadratic", f"A parabola in {dimension} dimensions, of condition {condition:g}{', rotated' * rotated}",
        landscape, target=-6.0, baseline=math.log10(sum(found) / 2),
        flops=6 * dimension + 4 * dimension**2 * rotated,
    )  # fmt: skip


def noisy_quadratic(dimension: int = 100, noise: float = 0.3) -> Task:
    """½ Σ λᵢ (xᵢ − cᵢ)², λᵢ = 1/i, at each step another c ~ N(0, noise² / λᵢ): gradients of covariance noise² H.

    A minibatch of B is noise = 1/√B. SGD ends at E xᵢ² = η noise² / (2 − η λᵢ): only a falling learning rate gets
    below. Judged without the noise: minimum 0 at 0. Start: each coordinate from 0.5 to 1.5. Schaul, Zhang and LeCun
    2013; Wu et al. 2018; the spectrum and the covariance of Zhang et al. 2019.
    """
    found = tuple(1 / i for i in range(1, dimension + 1))
    gap = partial(parabola, curvatures=found)
    landscape = Landscape(gap, ((0.0,) * dimension,), (1.0,) * dimension, 0.5, ((-2, 2), (-2, 2)))
    task = task_of(
        "noisy_quadratic", f"A parabola in {dimension} dimensions with the noise of minibatches", landscape,
        target=-1.0, baseline=math.log10(sum(found) / 2), flops=20 * dimension,
    )  # fmt: skip
    task.options["shift"] = partial(shift, dimension, noise)
    return task


def shift(dimension: int, noise: float, key: "Array") -> "Array":
    """c ~ N(0, noise² i), i = 1, 2, ... [n]."""
    deviation = noise * jnp.sqrt(jnp.arange(1, dimension + 1, dtype=jnp.float32))
    return deviation * jax.random.normal(key, (dimension,), jnp.float32)


CANCER = DATASETS["breast_cancer"]
L2 = 0.01
LOGISTIC_MINIMUM = 0.1007302064475768


def logistic(x: Any, numpy: Numpy, features: Any, labels: Any) -> Any:
    """Mean of log(1 + e^(−s z)) + L2/2 ‖w‖², z = w features + b, s = ±1, (w, b) = x [..., n + 1]."""
    w, b = x[..., :-1], x[..., -1:]
    z = w @ features.T + b
    return numpy.logaddexp(0, (1 - 2 * labels) * z).mean(-1) + L2 / 2 * (w**2).sum(-1)


def build_logistic(task: Task, activations: tuple["Activation", ...], index: "Array") -> Problem:
    """The problem of `logistic` on a batch (features, labels), judged on all of the training part."""

    def start(key: "Array") -> "Array":
        return jax.random.uniform(key, (task.parameters,), minval=-0.5, maxval=0.5)

    def loss(x: "Array", batch: Tree, key: "Array") -> "Array":
        found: Array = logistic(x, jnp, *batch)
        return found

    return problem(task, start, loss, lambda x, part: logistic(x, jnp, *part) - LOGISTIC_MINIMUM, LOGISTIC_MINIMUM)


def load_logistic(task: Task) -> dict[str, tuple[Any, Any]]:
    """The training part three times: the objective is judged, not what it predicts elsewhere."""
    return dict.fromkeys(("train", "validation", "test"), arrays(CANCER)["train"])


def shown_logistic(task: Task) -> dict[str, Any]:
    """The contours of the first two weights, the others at the optimum."""
    import numpy as np

    x, y = arrays(CANCER)["train"]
    x = x.astype(np.float64)
    best = optimum(x, y)

    def gap(a: Any, b: Any) -> Any:
        points = np.broadcast_to(best, (*a.shape, len(best))).copy()
        points[..., 0], points[..., 1] = a, b
        return logistic(points, np, x, y) - LOGISTIC_MINIMUM

    return contours(gap, ((-1, 1), (-1, 1)), (tuple(best),), least=LEAST_OF_A_MEAN)


def optimum(features: Any, labels: Any) -> Any:
    """The minimum (w, b) [n + 1] of `logistic` in float64, by Newton's method."""
    import numpy as np

    rows = np.column_stack([features, np.ones(len(features))])
    ridge = np.diag([L2] * features.shape[1] + [0.0])
    x = np.zeros(rows.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-(rows @ x)))
        gradient = rows.T @ (p - labels) / len(rows) + ridge @ x
        x = x - np.linalg.solve(rows.T @ (rows * (p * (1 - p))[:, None]) / len(rows) + ridge, gradient)
    return x


def logistic_regression() -> Task:
    """Malignant or benign by a linear model: convex, so that all find the same.

    Mean of log(1 + e^(−s z)) + 0.005 ‖w‖² on the 341 training samples of breast_cancer; z = w x + b, s = ±1. The
    minimum is known to 1e-10. Start: each of w and b from −0.5 to 0.5. Cox 1958; Hoerl and Kennard 1970 for the term.
    """
    return Task(
        name="logistic_regression",
        kind="landscape",
        summary="Logistic regression with an L2 term on 30 measurements of tumours, as an objective",
        metric=Metric(
            "log10 gap",
            partial(log_gap, least=LEAST_OF_A_MEAN),
            "minimize",
            worst=float("inf"),
            best=math.log10(LEAST_OF_A_MEAN),
        ),
        target=-3.0,
        baseline=math.log10(math.log(2) - LOGISTIC_MINIMUM),
        samples=Samples(CANCER.samples.train, 0, 0),
        parameters=CANCER.shape[0] + 1,
        flops=5 * CANCER.shape[0],
        build=build_logistic,
        load=load_logistic,
        dataset=CANCER,
        uses_activation=False,
        baseline_is="the middle of the starts",
        exhibit="path",
        shown=shown_logistic,
    )


TASKS = (
    task_of(
        "rosenbrock", "Rosenbrock's curved valley",
        Landscape(rosenbrock, ((1, 1),), (-1.2, 1), 0.3, ((-2, 2), (-1, 3))),
        target=-3.0, baseline=math.log10(24.2), flops=21,
    ),
    task_of(
        "beale", "Beale's function, flat with steep corners",
        Landscape(beale, ((3, 0.5),), (1, 1), 0.3, ((-1, 4.5), (-2, 2.5))),
        target=-3.0, baseline=math.log10(14.203125), flops=48,
    ),
    task_of(
        "branin", "Branin's function, three minima alike",
        Landscape(
            branin, ((-math.pi, 12.275), (math.pi, 2.275), (3 * math.pi, 2.475)), (2.5, 7.5), 1.0, ((-5, 10), (0, 15)),
            minimum=10 / (8 * math.pi),
        ),
        target=-3.0, baseline=math.log10(23.732077), flops=31,
    ),
    task_of(
        "himmelblau", "Himmelblau's function, four minima alike",
        Landscape(
            himmelblau,
            ((3, 2), (-2.805118087, 3.131312518), (-3.779310253, -3.283185991), (3.584428340, -1.848126527)),
            (0, 0), 1.0, ((-5, 5), (-5, 5)),
        ),
        target=-3.0, baseline=math.log10(170), flops=22,
    ),
    task_of(
        "rastrigin", "Rastrigin's bowl with a minimum near each whole number",
        Landscape(rastrigin, ((0, 0),), (3, -2), 0.5, ((-5.12, 5.12), (-5.12, 5.12)), logarithmic=False),
        target=0.7, baseline=math.log10(13), flops=33,
    ),
    task_of(
        "ackley", "Ackley's funnel in a rippled plain",
        Landscape(ackley, ((0, 0),), (3, -2), 0.5, ((-5, 5), (-5, 5)), logarithmic=False),
        target=-2.0, baseline=math.log10(7.988911), flops=52,
    ),
    variants(quadratic, {"dimension": int, "condition": float, "rotated": bool}),
    variants(noisy_quadratic, {"dimension": int, "noise": float}),
    logistic_regression(),
)  # fmt: skip
