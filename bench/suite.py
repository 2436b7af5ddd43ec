"""A suite file: which tasks, activations and optimizers, and the budget that each cell gets."""

import difflib
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from bench.activations import ACTIVATIONS, Activation
from bench.errors import InputError
from bench.locate import locate, suite_files
from bench.optimizers import OPTIMIZERS, Optimizer
from bench.tasks import TASKS, Task

SEED_LIMIT = 2**32  # jax keys are made of 32 bits: PRNGKey(2**32) would be PRNGKey(0)


def nearest(name: str, known: Iterable[str]) -> str:
    """What the user may have meant, or all there is."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"one of {', '.join(known)}"


def _look_up(kind: str, table: Mapping[str, Any]) -> Callable[[str], str]:
    def check(name: str) -> str:
        if name not in table:
            raise ValueError(f"a known {kind}; {nearest(name, table)}")
        return name

    return check


def _as_table(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Strict(BaseModel):
    """Unknown keys and loose types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class LearningRates(Strict):
    """A grid with equal ratios from `low` to `high`."""

    low: float = Field(gt=0)
    high: float = Field(gt=0)
    num: int = Field(ge=1, le=1000)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high < self.low or (self.num == 1 and self.high != self.low):
            raise ValueError("low <= high, and low = high where num = 1")
        return self

    def values(self, multiplier: bool = False) -> list[float]:
        """The rates, of six significant digits. `multiplier`: the same ratios, centred on 1."""
        low, high = self.low, self.high
        if multiplier:
            low, high = math.sqrt(low / high), math.sqrt(high / low)
        ratio = (high / low) ** (1 / max(1, self.num - 1))
        return [float(f"{low * ratio**i:.6g}") for i in range(self.num)]


def _seed_list(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    if len(set(map(str, value))) < len(value):
        raise ValueError("no seed twice")
    return value


Seed = Annotated[int, Field(ge=0, lt=SEED_LIMIT)]
Count = Annotated[int, Field(ge=1, le=100_000)]
SeedChoice = Annotated[Count | Annotated[list[Seed], Field(min_length=1)], BeforeValidator(_seed_list)]


class Seeds(Strict):
    """How many seeds, or which. Tuning and evaluation never share one."""

    tune: SeedChoice
    evaluate: SeedChoice

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        if both := set(self.tune_list()) & set(self.evaluate_list()):
            raise ValueError(f"tune and evaluate seeds with none in common; both have {sorted(both)[:5]}")
        return self

    def tune_list(self) -> list[int]:
        """The tuning seeds: those named, or 0, 1, ..."""
        return self.tune if isinstance(self.tune, list) else list(range(self.tune))

    def evaluate_list(self) -> list[int]:
        """The evaluation seeds: those named, or the first ones that tuning does not use."""
        if isinstance(self.evaluate, list):
            return self.evaluate
        taken, fresh, seed = set(self.tune_list()), [], 0
        while len(fresh) < self.evaluate:
            if seed not in taken:
                fresh.append(seed)
            seed += 1
        return fresh


class Entry(BaseModel):
    """An activation or optimizer of the tables with arguments of its own."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)
    name: str

    def arguments(self) -> dict[str, Any]:
        """What the file sets beside the fields that every entry has."""
        return dict(self.model_extra or {})


class ActivationEntry(Entry):
    """An activation, by name or as a table with its arguments."""

    name: Annotated[str, BeforeValidator(_look_up("activation", ACTIVATIONS))]

    @model_validator(mode="after")
    def _known_arguments(self) -> Self:
        accepts = ACTIVATIONS[self.name].arguments
        for key, value in self.arguments().items():
            if key not in accepts:
                raise ValueError(f"an argument of {self.name}, not {key!r}; {_choices(key, accepts)}")
            _check_type(key, value, type(accepts[key]))
            if key == "pieces" and not 2 <= value <= 64:
                raise ValueError(f"pieces from 2 to 64, not {value}")
        return self

    def resolve(self) -> Activation:
        """The table's entry with these arguments."""
        return ACTIVATIONS[self.name].configured(self.arguments())


class OptimizerEntry(Entry):
    """An optimizer, by name or as a table with its arguments and a grid of its own."""

    name: Annotated[str, BeforeValidator(_look_up("optimizer", OPTIMIZERS))]
    learning_rates: LearningRates | None = None

    @model_validator(mode="after")
    def _known_arguments(self) -> Self:
        accepts = OPTIMIZERS[self.name].accepts
        for key, value in self.arguments().items():
            if key not in accepts:
                raise ValueError(f"an argument of {self.name}, not {key!r}; {_choices(key, accepts)}")
            _check_type(key, value, accepts[key])
        return self

    def resolve(self) -> Optimizer:
        """The table's entry with these arguments."""
        return OPTIMIZERS[self.name].configured(self.arguments())


def _choices(key: str, accepts: Mapping[str, Any]) -> str:
    return nearest(key, accepts) if accepts else "it has none"


def _check_type(key: str, value: Any, expected: type) -> None:
    fits = isinstance(value, (int, float)) if expected is float else isinstance(value, expected)
    if not fits or (isinstance(value, bool) and expected is not bool):
        raise ValueError(f"{key} of type {expected.__name__}, not {value!r}")


class Suite(Strict):
    """The contents of a suite file; see docs/suites.md."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    description: str = ""
    tasks: list[Annotated[str, BeforeValidator(_look_up("task", TASKS))]] = Field(min_length=1)
    activations: list[Annotated[ActivationEntry, BeforeValidator(_as_table)]] = Field(min_length=1)
    optimizers: list[Annotated[OptimizerEntry, BeforeValidator(_as_table)]] = Field(min_length=1)
    steps: int = Field(ge=1, le=10_000_000)
    batch_size: int = Field(ge=1, le=1_000_000)
    eval_every: int = Field(ge=1)
    learning_rates: LearningRates
    seeds: Seeds

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = []
        if self.eval_every > self.steps:
            wrong.append(f"eval_every of at most steps = {self.steps}, not {self.eval_every}")
        for kind, labels in (
            ("task", self.tasks),
            ("activation", [a.resolve().label for a in self.activations]),
            ("optimizer", [o.resolve().label for o in self.optimizers]),
        ):
            if twice := sorted({label for label in labels if labels.count(label) > 1}):
                wrong.append(f"each {kind} once; {', '.join(twice)} is there twice")
        for task in map(TASKS.__getitem__, self.tasks):
            if 0 < task.samples.train < self.batch_size:
                size = task.samples.train
                wrong.append(f"batch_size of at most {size}, the training samples of {task.name}, not {self.batch_size}")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def resolved_tasks(self) -> list[Task]:
        """The table's entries."""
        return [TASKS[name] for name in self.tasks]

    def grid(self, entry: OptimizerEntry) -> list[float]:
        """The learning rates that tuning tries for this optimizer: its own, or the shared ones."""
        if entry.learning_rates:
            return entry.learning_rates.values()
        return self.learning_rates.values(multiplier=OPTIMIZERS[entry.name].multiplier)

    def described(self) -> dict[str, Any]:
        """The suite as plain values, defaults filled in: what a run's manifest keeps."""
        return self.model_dump(mode="json", exclude_none=True)


def read(path: str | Path) -> Suite:
    """The suite of a TOML file, or of a suite's bare name. Raises `InputError` with all that is wrong."""
    path = locate(path)
    if path.is_dir():
        raise InputError(f"{path}: got a directory; expected a suite file (TOML)")
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        known = [file.name for file in suite_files()]
        raise InputError(f"{path}: got no such file; expected a suite file", f"there are {', '.join(known)}") from None
    except OSError as error:
        raise InputError(f"{path}: got {error.strerror}; expected a readable file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: got bytes that are not UTF-8 at {error.start}; expected TOML in UTF-8") from None
    try:
        return parse(tomllib.loads(text), str(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: got text that is not TOML; expected TOML: {error}") from None


def parse(values: Mapping[str, Any], where: str = "suite") -> Suite:
    """The suite of plain values. Raises `InputError`: where, key, got, expected; all that are wrong at once."""
    try:
        return Suite.model_validate(values)
    except ValidationError as error:
        raise InputError([_told(where, e) for e in error.errors()]) from None


def _told(where: str, error: Any) -> str:
    location = ".".join(str(part) for part in error["loc"] if part not in _UNION_BRANCHES)
    key = f"{where}: {location}" if location else where
    kind, message, got = error["type"], error["msg"], error["input"]
    if kind == "extra_forbidden":
        return f"{key}: got an unknown key; expected {nearest(str(error['loc'][-1]), _fields(error['loc']))}"
    if kind == "missing":
        return f"{key}: got nothing; expected a value"
    if kind == "value_error":
        return f"{key}: got {_short(got)}; expected {message.removeprefix('Value error, ')}"
    return f"{key}: got {_short(got)}; expected {_lower(message.removeprefix('Input should be ').removeprefix('a '))}"


_UNION_BRANCHES = {"constrained-int", "int", "list[constrained-int]"}


def _fields(location: tuple[Any, ...]) -> Iterable[str]:
    tables: dict[str, type[BaseModel]] = {"learning_rates": LearningRates, "seeds": Seeds}
    parents = [tables[part] for part in location[:-1] if part in tables]
    return (parents[-1] if parents else Suite).model_fields


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
