"""The lanes of a cell, by what its tuning tries and its budget of trials and seeds."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bench.planning.budget import Trial, Tuning
from bench.planning.suite import Suite

UNKNOWN = Trial()


class Lane(NamedTuple):
    """One training run."""

    id: str
    task: str
    activation: str
    optimizer: str
    phase: str  # tune or evaluate
    learning_rate: float
    seed: int
    values: tuple[float, ...] = ()  # of the arguments that its optimizer searches

    @property
    def trial(self) -> Trial:
        """What tuning may pick of it."""
        return Trial(self.learning_rate, self.values)


class Cell(NamedTuple):
    """One (task, activation, optimizer) by label, with what its tuning tries."""

    task: str
    activation: str
    optimizer: str
    trials: tuple[Trial, ...]


class Budget(NamedTuple):
    """What each cell gets: how its tuning goes, and the seeds of it and of the evaluation."""

    tuning: Tuning
    tune: Sequence[int]
    evaluate: Sequence[int]

    @classmethod
    def of(cls, suite: Suite) -> "Budget":
        """That of a suite."""
        return cls(suite.tuning, suite.seeds.tune_list(), suite.seeds.evaluate_list())

    def lanes(self, trials: int, steps: int = 1) -> tuple[int, int]:
        """How many lanes a cell of so many trials has, and how many steps they take, `steps` being a whole training."""
        rungs = self.tuning.rungs(trials)
        lanes = sum(count for count, _ in rungs) * len(self.tune) + len(self.evaluate)
        tuned = sum(count * (steps // part) for count, part in rungs) * len(self.tune)
        return lanes, tuned + steps * len(self.evaluate)


def planned(cells: Iterable[Cell], budget: Budget) -> Iterator[Lane]:
    """The lanes of the cells: each trial of each rung with each tuning seed, then the evaluation seeds."""
    for cell in cells:
        for rung, (count, _) in enumerate(budget.tuning.rungs(len(cell.trials))):
            yield from tuned(cell, [UNKNOWN] * count if rung else cell.trials, rung, budget)
        yield from evaluated(cell, UNKNOWN, budget)


def tuned(cell: Cell, trials: Iterable[Trial], rung: int, budget: Budget) -> Iterator[Lane]:
    """The lanes of a rung. What a later rung trains is planned before it is known, so that a name holds its place."""
    for place, trial in enumerate(trials):
        name = f"rung{rung}.{place}" if rung else f"trial{place}"
        name = f"{trial.learning_rate:g}" if budget.tuning.grids else name
        for seed in budget.tune:
            yield _lane(cell, "tune", f"tune/{name}/{seed}", trial, seed)


def evaluated(cell: Cell, trial: Trial, budget: Budget) -> Iterator[Lane]:
    """The lanes of an evaluation, whose names do not hold their trial: they are planned before that is known."""
    for seed in budget.evaluate:
        yield _lane(cell, "evaluate", f"evaluate/{seed}", trial, seed)


def _lane(cell: Cell, phase: str, name: str, trial: Trial, seed: int) -> Lane:
    return Lane("/".join((*cell[:3], name)), *cell[:3], phase, trial.learning_rate, seed, trial.values)
