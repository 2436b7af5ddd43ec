"""Cases whose answer is known, replayed on this machine without training: `bench validate`.

To add one: a function that gives a number, and an entry of `CASES` with what it must be.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench import stats
from bench.activations import ACTIVATIONS
from bench.lazy import Lazy
from bench.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    import scipy.optimize as searches
else:
    jax, jnp, searches = Lazy("jax"), Lazy("jax.numpy"), Lazy("scipy.optimize")

ACCURACY = {"name": "accuracy", "direction": "maximize", "unit": "%", "scale": 100, "worst": 0.0}
NOISE = ACCURACY | {"name": "noise", "worst": -np.inf}
NO_TIMES = pd.DataFrame(columns=[*stats.CELL, "step_s_median", "width"])
DEMSAR = np.array([3.143, 2.000, 2.893, 1.964])


@dataclass(frozen=True)
class Case:
    """One number that is known: `got()` must be within `tolerance` of `expected`."""

    topic: str
    name: str
    expected: float
    got: Callable[[], float]
    tolerance: float = 1e-9


@dataclass(frozen=True)
class Replayed:
    """A case and what came of it."""

    topic: str
    case: str
    expected: float
    got: float
    ok: bool


def replay(cases: tuple["Case", ...] | None = None) -> Iterator[Replayed]:
    """Each case, one after the other, by default all of `CASES`."""
    for case in CASES if cases is None else cases:
        got = float(case.got())
        close = got == case.expected or abs(got - case.expected) <= case.tolerance
        yield Replayed(case.topic, case.name, case.expected, got, close)


def _lanes(scores: Mapping[str, list[float]]) -> pd.DataFrame:
    """Lanes of one task by optimizer; NaN is one that diverged."""
    rows = [(name, seed, value) for name, values in scores.items() for seed, value in enumerate(values)]
    frame = pd.DataFrame(rows, columns=["optimizer", "seed", "test_metric"])
    status = np.where(frame["test_metric"].isna(), "diverged", "ok")
    return frame.assign(
        task="t", activation="a", phase="evaluate", status=status, learning_rate=0.1, steps_to_target=np.inf
    )


def _converged() -> pd.DataFrame:
    lost = {name: [0.9, np.nan, 0.8, np.nan, 0.7, 0.6] for name in ("x", "y")}
    return stats.convergence(_lanes(lost), NO_TIMES, {"t": {"metric": ACCURACY}})


def _width(values: list[float]) -> float:
    low, high = stats.bootstrap_interval(values)
    return high - low


def _coverage(size: int, replicates: int = 1500) -> float:
    samples = np.random.default_rng(size).normal(size=(replicates, size))
    ends = np.array([stats.bootstrap_interval(sample, resamples=500) for sample in samples])
    return float(((ends[:, 0] <= 0) & (ends[:, 1] >= 0)).mean())


def _rank_test(tasks: int, tied: bool = False) -> stats.RankTest:
    ranks = np.full((3, tasks), 2.0) if tied else np.tile([[1.0], [2.0], [3.0]], tasks)
    return stats.rank_test(pd.DataFrame(ranks))


def _profile(rows: list[list[float]], entrant: int) -> float:
    return float(stats.performance_profile(pd.DataFrame(rows)).scores.iloc[entrant])


def _selected(column: str, cells: int = 400, rates: int = 20) -> float:
    """The mean score of the rates that pure noise would choose, in standard deviations of one score."""
    noise = np.random.default_rng(0).normal(size=(2, cells * rates))
    frame = pd.DataFrame({"validation_metric": noise[0], "test_metric": noise[1]})
    frame["optimizer"] = np.repeat(np.arange(cells), rates)
    frame["learning_rate"] = np.tile(np.arange(rates) + 1.0, cells)
    frame = frame.assign(task="t", activation="a", phase="tune", status="ok", seed=0)
    tasks = {"t": {"metric": NOISE}}
    best = stats.best_learning_rates(stats.learning_rate_sensitivity(frame, tasks), tasks)
    picked = frame.merge(best.reset_index(), on=["optimizer", "learning_rate"])
    return float(picked[column].mean())


def _minimum(name: str, where: bool = False) -> float:
    """The least value of an activation, or where it is taken, in float64."""
    with jax.enable_x64(True):
        function = jax.jit(ACTIVATIONS[name])
        found = searches.minimize_scalar(lambda x: float(function(x)), bounds=(-3, 0), options={"xatol": 1e-9})
    return float(found.x if where else found.fun)


def _value(name: str, x: float) -> float:
    with jax.enable_x64(True):
        return float(ACTIVATIONS[name](jnp.float64(x)))


def _apart(name: str, arguments: Mapping[str, Any], other: str, others: Mapping[str, Any], rate: float = 1) -> float:
    """How far the 30th updates of two optimizers are apart, in shares of the larger."""
    gradients = np.random.default_rng(0).normal(size=(30, 6))
    ours = _last_update(name, arguments, 0.1 * rate, gradients)
    theirs = _last_update(other, others, 0.1, gradients)
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def _last_update(name: str, arguments: Mapping[str, Any], rate: float, gradients: stats.Floats) -> stats.Floats:
    with jax.enable_x64(True):
        optimizer, weights = OPTIMIZERS[name].configured(arguments).build(rate), jnp.zeros(gradients.shape[1])

        def step(state: Any, gradient: Any) -> tuple[Any, Any]:
            updates, state = optimizer.update(gradient, state, weights)
            return state, updates

        run = jax.jit(lambda g: jax.lax.scan(step, optimizer.init(weights), g)[1][-1])
        return np.asarray(run(jnp.asarray(gradients)))


def _counter_example(name: str, arguments: Mapping[str, Any]) -> float:
    """Where an optimizer ends on f_t(x) = 1010 x if t mod 101 = 1 else -10 x over [-1, 1], whose best is -1.

    300,000 steps, learning rate 0.5 / sqrt(t). Source: Reddi, Kale and Kumar, On the Convergence of Adam, 2018.
    """
    optimizer = OPTIMIZERS[name].configured({"b2": 0.99, **arguments}).build(lambda t: 0.5 / jnp.sqrt(t + 1.0))

    def step(carry: Any, t: Any) -> tuple[Any, None]:
        x, state = carry
        updates, state = optimizer.update(jnp.where(t % 101 == 1, 1010.0, -10.0), state, x)
        return (jnp.clip(x + updates, -1, 1), state), None

    run = jax.jit(lambda x: jax.lax.scan(step, (x, optimizer.init(x)), jnp.arange(1, 300_001))[0][0])
    return float(run(jnp.float32(0)))


def _lost(cells: int, seeds: int = 5, replicates: int = 100) -> float:
    """How often the truly best of cells with unequal noise is told from the leader."""
    from bench.findings.verdicts import best_set

    rng = np.random.default_rng(0)
    spread = np.where(np.arange(cells) % 2, 3.0, 1.0)[:, None]
    draws = (spread * rng.normal(size=(cells, seeds)) + rng.normal(size=(1, seeds)) for _ in range(replicates))
    return sum(not best_set(values)[0] for values in draws) / replicates


INF, NAN = float("inf"), float("nan")
EIGHT = np.arange(8.0).reshape(4, 2)
HUGE = 1e8  # an eps beside which squares of gradients do not count
RMS = {"bias_correction": True, "eps_in_sqrt": False}
RACE: list[list[float]] = [[10, INF], [20, 30]]

# fmt: off
CASES = (
    Case("lanes", "12 lanes, 4 of them diverged: lanes counted", 12, lambda: _converged()["seeds"].sum()),
    Case("lanes", "and the share that diverged", 1 / 3, lambda: _converged()["diverged_share"].mean()),
    Case("divergence", "IQM of 0..7", 3.5, lambda: stats.iqm(EIGHT)),
    Case("divergence", "and its best lost to divergence", 2.5, lambda: stats.iqm([*range(7), NAN], worst=0.0)),
    Case("bootstrap", "width for constant values", 0, lambda: _width([0.1] * 7)),
    Case("bootstrap", "difference of two with the same seed", 0, lambda: _width([1, 2, 4]) - _width([1, 2, 4])),
    Case("bootstrap", "coverage of 95 % with 5 values", 0.84, lambda: _coverage(5), 0.03),
    Case("bootstrap", "coverage of 95 % with 10 values", 0.90, lambda: _coverage(10), 0.03),
    Case("improvement", "P([1, 1, 2] > [1, 2, 3])", 2.5 / 9,
        lambda: stats.probability_of_improvement([1, 1, 2], [1, 2, 3])),
    Case("improvement", "P(x > x)", 0.5, lambda: stats.probability_of_improvement([1, 1, 2], [1, 1, 2])),
    Case("ranks", "Friedman's chi² of Demšar's example", 9.28, lambda: stats.friedman(DEMSAR, 14)[0], 0.01),
    Case("ranks", "Iman and Davenport's F of it", 3.69, lambda: stats.friedman(DEMSAR, 14)[1], 0.01),
    Case("ranks", "Nemenyi's critical difference of it", 1.25, lambda: stats.critical_difference(4, 14), 0.005),
    Case("ranks", "p where all are tied", 1, lambda: _rank_test(6, tied=True).p_value),
    Case("ranks", "four tasks are refused", 1, lambda: bool(_rank_test(4).refusal)),
    Case("ranks", "five are not", 0, lambda: bool(_rank_test(5).refusal)),
    Case("profile", "[[10, inf], [20, 30]], first", 0.5, lambda: _profile(RACE, 0)),
    Case("profile", "and second", 5 / 6, lambda: _profile(RACE, 1)),
    Case("profile", "and first beside one that it dominates", 0.5, lambda: _profile([*RACE, [40, INF]], 0)),
    Case("profile", "none ever done", 0, lambda: _profile([[INF, INF], [INF, INF]], 0)),
    Case("selection", "test score of the best of 20 rates of noise", 0, lambda: _selected("test_metric"), 3 / 400**0.5),
    Case("selection", "its validation score, which selection made", 1.87,
        lambda: _selected("validation_metric"), 3 * 0.53 / 400**0.5),
    Case("verdict", "best of 20, unequal noise, told from the leader", 0, lambda: _lost(20), 0.05),
    Case("budget", "expected best of 2 of {1, 2, 3, 4}", 10 / 3, lambda: stats.expected_best([1, 2, 3, 4])[1]),
    Case("power", "seeds to see half a standard deviation", 34, lambda: stats.seeds_needed(0.5, 1.0) or NAN),
    Case("activation", "least value of swish", -0.278465, lambda: _minimum("silu"), 1e-6),
    Case("activation", "and where", -1.278465, lambda: _minimum("silu", where=True), 1e-6),
    Case("activation", "least value of GELU", -0.169971, lambda: _minimum("gelu"), 1e-6),
    Case("activation", "and where", -0.75179, lambda: _minimum("gelu", where=True), 1e-5),
    Case("activation", "least value of Mish", -0.308843, lambda: _minimum("mish"), 1e-6),
    Case("activation", "and where", -1.19243, lambda: _minimum("mish", where=True), 1e-5),
    Case("activation", "GELU(1), exact and not the tanh form", 0.841345, lambda: _value("gelu", 1), 1e-6),
    Case("inclusion", "AdamW without decay is Adam", 0, lambda: _apart("adamw", {"weight_decay": 0.0}, "adam", {})),
    Case("inclusion", "Nesterov without momentum is SGD", 0, lambda: _apart("nesterov", {"momentum": 0.0}, "sgd", {})),
    Case("inclusion", "Adam without b1 is RMSProp, corrected", 0,
        lambda: _apart("adam", {"b1": 0.0, "b2": 0.9}, "rmsprop", RMS), 1e-6),
    Case("inclusion", "Adam with a huge eps is momentum", 0,
        lambda: _apart("adam", {"b1": 0.5, "eps": HUGE}, "momentum", {"momentum": 0.5}, 2 * HUGE), 1e-6),
    Case("convergence", "Adam on its counter-example ends at the worst", 0.995,
        lambda: _counter_example("adam", {}), 3e-4),
    Case("convergence", "AMSGrad, as published, near the best", -0.9998,
        lambda: _counter_example("amsgrad", {"bias_correction_nu": False}), 3e-4),
)
# fmt: on
