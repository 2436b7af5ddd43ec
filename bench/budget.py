"""What tuning tries and how many networks count: learning rates and seeds of a suite."""

import math
from itertools import count, islice
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, ValidationInfo, field_validator

from bench.checks import REFUSED, Strict, listed, number, refused, repeated, whole

SEED_LIMIT = 2**32  # jax keys are made of 32 bits: PRNGKey(2**32) would be PRNGKey(0)
Rate = Annotated[float, BeforeValidator(number(float, 1e-30, 1e30, "a number above 0 (from 1e-30 to 1e30)"))]


class LearningRates(Strict):
    """A grid with equal ratios from `low` to `high`."""

    low: Rate
    high: Rate
    num: Annotated[int, whole(1, 1000)]

    @field_validator("high")
    @classmethod
    def _ordered(cls, high: float, info: ValidationInfo) -> float:
        low = info.data.get("low", high)
        if high < low:
            raise refused(f"at least {low:g}, the value of low")
        return high

    @field_validator("num")
    @classmethod
    def _distinct(cls, num: int, info: ValidationInfo) -> int:
        if {"low", "high"} <= info.data.keys():
            low, high = info.data["low"], info.data["high"]
            if num == 1 and low != high:
                raise refused("at least 2, as low and high differ")
            if len(set(_log_grid(low, high, num))) < num:
                raise refused("1, as low = high" if low == high else "fewer: some of the rates are alike in six digits")
        return num

    def values(self, multiplier: bool = False) -> list[float]:
        """The rates, of six significant digits. `multiplier`: the same ratios, centred on 1."""
        if multiplier:
            return _log_grid(math.sqrt(self.low / self.high), math.sqrt(self.high / self.low), self.num)
        return _log_grid(self.low, self.high, self.num)


def _log_grid(low: float, high: float, num: int) -> list[float]:
    ratio = (high / low) ** (1 / max(1, num - 1))
    return [float(f"{low * ratio**i:.6g}") for i in range(num)]


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
