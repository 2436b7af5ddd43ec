"""What tuning tries and how many networks count: ranges, learning rates, trials and seeds of a suite."""

import math
from collections.abc import Mapping
from itertools import count, islice
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, ValidationInfo, field_validator

from bench.checks import REFUSED, Strict, listed, number, one_of, refused, repeated, whole
from bench.planning.search import SAMPLERS, SCALES, rungs, single_precision, spread

SEED_LIMIT = 2**32  # jax keys are made of 32 bits: PRNGKey(2**32) would be PRNGKey(0)
Rate = Annotated[float, BeforeValidator(number(float, 1e-30, 1e30, "a number above 0 (from 1e-30 to 1e30)"))]

Finite = Annotated[float, BeforeValidator(number(float, -3e38, 3e38, "a finite number"))]


class Trial(NamedTuple):
    """What tuning tries of a cell: a learning rate, and values of the arguments that its optimizer searches."""

    learning_rate: float = math.nan
    values: tuple[float, ...] = ()


class Range(Strict):
    """Where a number is searched: from `low` to `high`, evenly on a scale."""

    low: Finite
    high: Finite
    scale: Annotated[str, BeforeValidator(one_of(tuple(SCALES)))] = Field(default="log", validate_default=True)

    @field_validator("high")
    @classmethod
    def _rising(cls, high: float, info: ValidationInfo) -> float:
        if high <= info.data.get("low", -math.inf):
            raise refused(f"more than {info.data['low']:g}, the value of low")
        return high

    @field_validator("scale")
    @classmethod
    def _defined(cls, scale: str, info: ValidationInfo) -> str:
        try:
            for end in info.data.values():
                SCALES[scale].forward(end)
        except ValueError:
            raise refused(SCALES[scale].needs, " to ".join(f"{end:g}" for end in info.data.values())) from None
        return scale

    def at(self, u: float) -> float:
        """The number at the share `u` of the way."""
        return single_precision(spread(u, self.low, self.high, self.scale))

    def __str__(self) -> str:
        return f"{self.low:.12g}..{self.high:.12g}" + (f" {self.scale}" if self.scale != "log" else "")


class LearningRates(Strict):
    """A grid with equal ratios from `low` to `high`; without `num` a range to search."""

    low: Rate
    high: Rate
    num: Annotated[int, whole(1, 1000)] | None = None

    @field_validator("high")
    @classmethod
    def _ordered(cls, high: float, info: ValidationInfo) -> float:
        low = info.data.get("low", high)
        if high < low:
            raise refused(f"at least {low:g}, the value of low")
        return high

    @field_validator("num")
    @classmethod
    def _distinct(cls, num: int | None, info: ValidationInfo) -> int | None:
        if num is not None and {"low", "high"} <= info.data.keys():
            low, high = info.data["low"], info.data["high"]
            if num == 1 and low != high:
                raise refused("at least 2, as low and high differ")
            if any(len(set(_log_grid(a, b, num))) < num for a, b in ((low, high), _centred(low, high))):
                raise refused("1, as low = high" if low == high else "fewer: some of the rates are alike in six digits")
        return num

    def ends(self, multiplier: bool = False) -> tuple[float, float]:
        """The lowest and the highest rate. `multiplier`: the same ratio, centred on 1."""
        return _centred(self.low, self.high) if multiplier else (self.low, self.high)

    def values(self, multiplier: bool = False) -> list[float]:
        """The rates of the grid, of six significant digits."""
        return _log_grid(*self.ends(multiplier), self.num or 1)


def _centred(low: float, high: float) -> tuple[float, float]:
    """Ends of the same ratio around 1, for optimizers that find their own rate."""
    return math.sqrt(low / high), math.sqrt(high / low)


def _log_grid(low: float, high: float, num: int) -> list[float]:
    ratio = (high / low) ** (1 / max(1, num - 1))
    return [float(f"{low * ratio**i:.6g}") for i in range(num)]


METHODS: dict[str, dict[str, Any]] = {  # what each takes, and its default where it has one
    "grid": {},
    "sobol": {"trials": None, "seed": 0},
    "random": {"trials": None, "seed": 0},
    "halving": {"trials": None, "seed": 0, "eta": 3, "of": "sobol"},
}


class Tuning(Strict):
    """How tuning searches: on the grid of learning rates, at points spread over ranges, or by halving these."""

    method: Annotated[str, BeforeValidator(one_of(tuple(METHODS)))] = "grid"
    eta: Annotated[int, whole(2, 100)] | None = Field(default=None, validate_default=True)
    of: Annotated[str, BeforeValidator(one_of(tuple(SAMPLERS)))] | None = Field(default=None, validate_default=True)
    seed: Annotated[int, whole(0, SEED_LIMIT - 1)] | None = Field(default=None, validate_default=True)
    trials: Annotated[int, whole(1, 100_000)] | None = Field(default=None, validate_default=True)

    @field_validator("eta", "of", "seed", "trials")
    @classmethod
    def _of_the_method(cls, value: Any, info: ValidationInfo) -> Any:
        method, key = info.data.get("method"), str(info.field_name)
        if method is None:
            return value
        takes = METHODS[method]
        if key not in takes and value is not None:
            rest = ", ".join(name for name, keys in METHODS.items() if key in keys)
            raise refused(f"no such key with the method {method}: it is for {rest}")
        found = takes.get(key) if value is None else value
        if key in takes and found is None:
            raise refused("this key", "nothing")
        return found

    @field_validator("trials")
    @classmethod
    def _enough_to_halve(cls, trials: int | None, info: ValidationInfo) -> int | None:
        eta = info.data.get("eta")
        if eta and trials is not None and trials < eta:
            raise refused(f"at least {eta}, as one in {eta} goes on")
        return trials

    @property
    def grids(self) -> bool:
        """Whether it tries the grid of learning rates, and nothing else."""
        return self.trials is None

    def rungs(self, trials: int) -> list[tuple[int, int]]:
        """How many trials are trained at once, and for which part of the steps; more than one rung where it halves."""
        return rungs(trials, self.eta) if self.eta else [(trials, 1)]

    def tried(self, rates: LearningRates, multiplier: bool, ranges: Mapping[str, Range]) -> tuple[Trial, ...]:
        """What is tried of each cell of an optimizer: its grid, or as many points as of any other cell."""
        if self.trials is None:
            return tuple(Trial(rate) for rate in rates.values(multiplier))
        sampler, seed = SAMPLERS[self.of or self.method], self.seed or 0
        low, high = rates.ends(multiplier)
        drawn = [float(f"{spread(u, low, high, 'log'):.6g}") for u in sampler(self.trials, 0, seed)]
        columns = [
            [axis.at(u) for u in sampler(self.trials, place, seed)] for place, axis in enumerate(ranges.values(), 1)
        ]
        return tuple(Trial(rate, tuple(values)) for rate, *values in zip(drawn, *columns, strict=True))


def _each_once(seeds: list[int]) -> list[int]:
    if twice := repeated(seeds):
        raise refused("each seed once", f"{listed(twice)} more than once")
    return seeds


def _count_or_list(value: Any) -> str | None:
    return "list" if isinstance(value, list) else "count" if type(value) is int else None


Seed = Annotated[int, whole(0, SEED_LIMIT - 1)]
Count = Annotated[int, whole(1, 100_000)]
SeedList = Annotated[list[Seed], Field(min_length=1), AfterValidator(_each_once)]
SeedChoice = Annotated[
    Annotated[Count, Tag("count")] | Annotated[SeedList, Tag("list")],
    Discriminator(_count_or_list, REFUSED, "expected", {"expected": "a number of seeds, or a list of them"}),
]


class Seeds(Strict):
    """How many seeds, or which. Tuning and evaluation never share one."""

    tune: SeedChoice
    evaluate: SeedChoice

    def __str__(self) -> str:
        return f"tune = {self.tune}, evaluate = {self.evaluate}"

    @field_validator("evaluate")
    @classmethod
    def _disjoint(cls, evaluate: int | list[int], info: ValidationInfo) -> int | list[int]:
        tune = info.data.get("tune", [])
        if isinstance(evaluate, list):
            both = set(evaluate) & set(tune if isinstance(tune, list) else range(tune))
            if both:
                raise refused("fresh seeds, none that tuning uses", f"{listed(sorted(both))}, as in tune")
        return evaluate

    def tune_list(self) -> list[int]:
        """The tuning seeds: those named, or 0, 1, ..."""
        return self.tune if isinstance(self.tune, list) else list(range(self.tune))

    def evaluate_list(self) -> list[int]:
        """The evaluation seeds: those named, or the first ones that tuning does not use."""
        if isinstance(self.evaluate, list):
            return self.evaluate
        taken = set(self.tune_list())
        return list(islice((seed for seed in count() if seed not in taken), self.evaluate))
