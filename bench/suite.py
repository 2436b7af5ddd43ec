"""A suite file: which tasks, activations and optimizers, and the budget that each cell gets."""

import difflib
import json
import math
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import count, islice, product
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from bench.activations import ACTIVATIONS, Activation
from bench.errors import InputError
from bench.locate import locate, suite_files
from bench.optimizers import COMMON, OPTIMIZERS, Optimizer
from bench.schedules import SCHEDULES, Schedule
from bench.tasks import TASKS, Task, own
from bench.tasks.base import Option

SEED_LIMIT = 2**32  # jax keys are made of 32 bits: PRNGKey(2**32) would be PRNGKey(0)
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"  # names stand in paths and labels
NAMED = "letters, digits and . _ - (1 to 64 of them, a letter or digit first)"
FEW = 12  # names that are worth listing in a message
REFUSED = "refused"  # the type of our own errors among pydantic's


def refused(expected: str, got: str = "") -> PydanticCustomError:
    """What a validator raises: what was expected and, where it is not the value itself, what was got."""
    return PydanticCustomError(REFUSED, "expected {expected}", {"expected": expected, "got": got})


def nearest(what: str, name: str, known: Iterable[str], elsewhere: str = "") -> str:
    """`what` was expected, and which the user may have meant, or all there are, or where to see them."""
    known = sorted(known)
    wanted = name.lower()
    close = [wanted] if wanted in known else difflib.get_close_matches(wanted, known)
    if close:
        return f"{what}, perhaps {' or '.join(close)}"
    if len(known) > FEW and elsewhere:
        return f"{what}; {elsewhere} shows them"
    return f"{what}: {'one of ' if len(known) > 1 else ''}{', '.join(known)}"


def _number(kind: type, low: float, high: float, text: str = "") -> Callable[[Any], Any]:
    """A number within bounds; neither a bool nor a string passes for one, and nan is within no bounds."""
    expected = text or f"a {'whole ' if kind is int else ''}number from {low:,} to {high:,}"

    def check(value: Any) -> Any:
        if type(value) not in {int, kind} or not low <= value <= high:
            raise refused(expected)
        return kind(value)

    return check


def _whole(low: int, high: int) -> BeforeValidator:
    return BeforeValidator(_number(int, low, high))


def _name_of(kind: str, article: str, table: Mapping[str, Any]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in table:
            raise refused(nearest(f"the name of {article} {kind}", name, table, f"bench list {kind}s"))
        return name

    return AfterValidator(check)


def _twice(values: Sequence[Any]) -> list[Any]:
    """Those that are there more than once."""
    return sorted(value for value, times in Counter(values).items() if times > 1)


class Strict(BaseModel):
    """Unknown keys and loose types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Rate = Annotated[float, BeforeValidator(_number(float, 1e-30, 1e30, "a number above 0 (from 1e-30 to 1e30)"))]


class LearningRates(Strict):
    """A grid with equal ratios from `low` to `high`."""

    low: Rate
    high: Rate
    num: Annotated[int, _whole(1, 1000)]

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
    if twice := _twice(seeds):
        raise refused("each seed once", f"{_listed(twice)} more than once")
    return seeds


def _count_or_list(value: Any) -> str | None:
    return "list" if isinstance(value, list) else "count" if type(value) is int else None


Seed = Annotated[int, _whole(0, SEED_LIMIT - 1)]
Count = Annotated[int, _whole(1, 100_000)]
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
                raise refused("fresh seeds, none that tuning uses", f"{_listed(sorted(both))}, as in tune")
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


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values[:5])) + (", ..." if len(values) > 5 else "")


class Entry(Strict):
    """An entry of the tables, by name or as a table with its name and arguments of its own."""

    name: str
    arguments: dict[str, Any] = {}

    @classmethod
    def accepts(cls, name: str) -> Mapping[str, Option]:
        """The arguments that the entry of this name takes, and their types."""
        raise NotImplementedError

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, value: Any) -> Any:
        """The file has an entry's arguments beside its name."""
        if isinstance(value, str):
            return {"name": value}
        if not isinstance(value, Mapping):
            raise refused("a name, or a table with a name")
        own = {key: of for key, of in value.items() if key in cls.model_fields and key != "arguments"}
        return {**own, "arguments": {key: of for key, of in value.items() if key not in own}}

    @field_validator("arguments")
    @classmethod
    def _known(cls, arguments: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """Each of its type; all that are wrong are told, each under its key."""
        if "name" not in info.data:
            return arguments
        name, found, wrong = info.data["name"], {}, []
        for key, value in arguments.items():
            try:
                found[key] = _argument(name, key, value, cls.accepts(name))
            except PydanticCustomError as error:
                wrong.append(InitErrorDetails(type=error, loc=(key,), input=value))
        if wrong:
            raise ValidationError.from_exception_data(name, wrong)
        return found

    @model_serializer(mode="wrap")
    def _spread(self, serialize: Callable[[Self], dict[str, Any]]) -> dict[str, Any]:
        found = serialize(self)
        return {**{key: of for key, of in found.items() if key != "arguments"}, **self.arguments}


def _argument(name: str, key: str, value: Any, accepts: Mapping[str, Option]) -> Any:
    if key in accepts:
        option = accepts[key]
        check = _one_of(option) if isinstance(option, tuple) else ARGUMENTS.get(key, TYPES[option])
        return check(value)
    expected = nearest(f"an argument of {name}", key, accepts) if accepts else f"none: {name} has no arguments"
    raise refused(expected, "an unknown argument")


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise refused("true or false")
    return value


def _one_of(names: Sequence[str]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value not in names:
            raise refused(nearest("a name", str(value), names))
        return value

    return check


TYPES: dict[type, Callable[[Any], Any]] = {
    float: _number(float, -3e38, 3e38, "a finite number"),
    int: _number(int, 0, 1_000_000),
    bool: _truth,
}
ARGUMENTS = {  # those with bounds of their own
    "pieces": _number(int, 2, 64),
    "width": _number(int, 1, 100_000),
    "depth": _number(int, 1, 1_000),
    "clip_norm": _number(float, 0, 3e38),
    "dimension": _number(int, 2, 1_000),
    "condition": _number(float, 1, 1e12),
    "noise": _number(float, 0, 1e6),
}


class ActivationEntry(Entry):
    """An activation, by name or as a table with its arguments."""

    name: Annotated[str, _name_of("activation", "an", ACTIVATIONS)]

    @classmethod
    def accepts(cls, name: str) -> Mapping[str, Option]:
        """Those with defaults in the table."""
        return {key: type(value) for key, value in ACTIVATIONS[name].arguments.items()}

    def resolve(self) -> Activation:
        """The table's entry with these arguments."""
        return ACTIVATIONS[self.name].configured(self.arguments)


class ScheduleEntry(Entry):
    """A learning-rate schedule, by name or as a table with its arguments."""

    name: Annotated[str, _name_of("schedule", "a", SCHEDULES)]

    @classmethod
    def accepts(cls, name: str) -> Mapping[str, Option]:
        """Those with defaults in the table."""
        return dict.fromkeys(SCHEDULES[name].arguments, float)

    def resolve(self) -> Schedule:
        """The table's entry with these arguments."""
        return SCHEDULES[self.name].configured(self.arguments)


class OptimizerEntry(Entry):
    """An optimizer, by name or as a table with its arguments, a schedule and a grid of its own."""

    name: Annotated[str, _name_of("optimizer", "an", OPTIMIZERS)]
    learning_rates: LearningRates | None = None
    schedule: ScheduleEntry | None = None

    @classmethod
    def accepts(cls, name: str) -> Mapping[str, Option]:
        """Those that the table says a suite may set, and those that any optimizer takes."""
        return {**OPTIMIZERS[name].accepts, **dict.fromkeys(COMMON, float)}

    def resolve(self) -> Optimizer:
        """The table's entry with these arguments."""
        return OPTIMIZERS[self.name].configured(self.arguments, self.schedule.resolve() if self.schedule else None)


Steps = Annotated[int, _whole(1, 10_000_000)]
BatchSize = Annotated[int, _whole(1, 1_000_000)]


class TaskEntry(Entry):
    """A task, by name or as a table with its options and a length of training of its own.

    Or a file: arrays with a model family, or a Python file; it is then in the table of tasks from here on.
    """

    name: Annotated[str, _name_of("task", "a", TASKS)]
    file: str | None = None
    model: str | None = None
    target: Annotated[float, BeforeValidator(_number(float, -3e38, 3e38, "a finite number"))] | None = None
    steps: Steps | None = None
    batch_size: BatchSize | None = None
    eval_every: Steps | None = None

    @classmethod
    def accepts(cls, name: str) -> Mapping[str, Option]:
        """Those that the table says a suite may set."""
        return TASKS[name].accepts

    def resolve(self) -> Task:
        """The table's entry with these options."""
        return TASKS[self.name].configured(self.arguments)

    @model_validator(mode="before")
    @classmethod
    def _of_file(cls, value: Any) -> Any:
        """Enter the file's task into the table and name it."""
        if not isinstance(value, Mapping) or "file" not in value:
            return value
        path, model, target = (value.get(key) for key in ("file", "model", "target"))
        if not isinstance(path, str) or not isinstance(model, str | None):
            raise refused("a file as a string, and the model as a string", _short(dict(value)))
        try:
            found = own.task(Path(path), model or "", own.PERFECT if target is None else target)
        except InputError as error:
            told = [problem.partition(": got ")[2].partition("; expected ") for problem in error.problems]
            raise refused("; ".join(t[2] for t in told), "; ".join(f"{path} with {t[0]}" for t in told)) from None
        TASKS[found.name] = found
        return {**value, "name": found.name}

    @field_validator("batch_size")
    @classmethod
    def _within_data(cls, batch_size: int | None, info: ValidationInfo) -> int | None:
        return _at_most_the_data(batch_size, [info.data["name"]]) if batch_size and "name" in info.data else batch_size


def _at_most_the_data(batch_size: int, names: Iterable[str]) -> int:
    found = [task for task in map(TASKS.__getitem__, names) if task.samples.train]
    if found:
        least = min(found, key=lambda task: task.samples.train)
        if batch_size > least.samples.train:
            raise refused(f"at most {least.samples.train}, the training samples of {least.name}")
    return batch_size


T = TypeVar("T")


def _each_value_once(values: list[T]) -> list[T]:
    told = [_short(value.model_dump() if isinstance(value, BaseModel) else value) for value in values]
    if twice := _twice(told):
        raise refused("each value once", f"{_listed(twice)} more than once")
    return values


Swept = Annotated[list[T], Field(min_length=1), AfterValidator(_each_value_once)]


class Factors(Strict):
    """What else is swept: each value of each key with every task, or with every optimizer."""

    schedule: Swept[ScheduleEntry] | None = None
    clip_norm: Swept[Any] | None = None
    weight_decay: Swept[Any] | None = None
    batch_size: Swept[BatchSize] | None = None
    width: Swept[Any] | None = None
    depth: Swept[Any] | None = None
    initialization: Swept[Any] | None = None
    loss: Swept[Any] | None = None

    def of_optimizers(self) -> list[dict[str, Any]]:
        """Every combination of what an optimizer is given."""
        return _product({key: getattr(self, key) for key in ("schedule", *COMMON)})

    def of_tasks(self) -> list[dict[str, Any]]:
        """Every combination of what a task is given."""
        return _product({key: getattr(self, key) for key in ("batch_size", *OPTIONS)})


OPTIONS = ("width", "depth", "initialization", "loss")


def _product(values: Mapping[str, Sequence[Any] | None]) -> list[dict[str, Any]]:
    swept = {key: each for key, each in values.items() if each}
    return [dict(zip(swept, combination, strict=True)) for combination in product(*swept.values())]


class Work(NamedTuple):
    """A task and how long it trains in this suite."""

    task: Task
    steps: int
    batch_size: int
    eval_every: int


class Suite(Strict):
    """The contents of a suite file; see docs/suites.md. Raises `InputError` with all that is wrong."""

    name: str = Field(pattern=NAME)
    description: str = ""
    tasks: list[TaskEntry] = Field(min_length=1)
    activations: list[ActivationEntry] = Field(min_length=1)
    optimizers: list[OptimizerEntry] = Field(min_length=1)
    steps: Steps
    batch_size: BatchSize
    eval_every: Steps
    learning_rates: LearningRates
    seeds: Seeds
    factors: Factors = Factors()

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InputError([_told(values, e) for e in error.errors()]) from None

    @field_validator("activations", "optimizers")
    @classmethod
    def _once(cls, entries: list[Any]) -> list[Any]:
        labels = [entry.resolve().label for entry in entries]
        if twice := _twice(labels):
            raise refused("each once", f"{_listed(twice)} more than once")
        return entries

    @field_validator("tasks")
    @classmethod
    def _tasks_once(cls, entries: list[TaskEntry]) -> list[TaskEntry]:
        if twice := _twice([_label(entry, named=True) for entry in entries]):
            raise refused("each once", f"{_listed(twice)} more than once")
        return entries

    @field_validator("batch_size")
    @classmethod
    def _within_data(cls, batch_size: int, info: ValidationInfo) -> int:
        return _at_most_the_data(batch_size, [e.name for e in info.data.get("tasks", []) if not e.batch_size])

    @field_validator("factors")
    @classmethod
    def _fits(cls, factors: Factors, info: ValidationInfo) -> Factors:
        """Each value must suit every task or optimizer of the suite, and no entry may set it itself."""
        wrong = {}
        for given, entries in (
            (factors.of_tasks(), info.data.get("tasks", [])),
            (factors.of_optimizers(), info.data.get("optimizers", [])),
        ):
            for entry, values in product(entries, given):
                for key, value in values.items():
                    try:
                        _given(entry, {key: value})
                    except PydanticCustomError as error:
                        wrong[key] = InitErrorDetails(type=error, loc=(key,), input=value)
        if wrong:
            raise ValidationError.from_exception_data("factors", list(wrong.values()))
        return factors

    @field_validator("eval_every")
    @classmethod
    def _within_steps(cls, eval_every: int, info: ValidationInfo) -> int:
        steps = info.data.get("steps", eval_every)
        if eval_every > steps:
            raise refused(f"at most {steps}, the number of steps")
        return eval_every

    @cached_property
    def works(self) -> list[Work]:
        """The tasks with the factors that the suite sweeps over them, each with its length of training."""
        entries = [_given(entry, values) for entry in self.tasks for values in self.factors.of_tasks()]
        plain = Counter(_label(entry, named=False) for entry in entries)
        return [self._work(entry, named=plain[_label(entry, named=False)] > 1) for entry in entries]

    def _work(self, entry: TaskEntry, named: bool) -> Work:
        steps = entry.steps or self.steps
        return Work(
            replace(entry.resolve(), name=_label(entry, named)),
            steps,
            entry.batch_size or self.batch_size,
            min(entry.eval_every or self.eval_every, steps),
        )

    @cached_property
    def tuned_optimizers(self) -> list[tuple[Optimizer, tuple[float, ...]]]:
        """The optimizers with the factors that the suite sweeps over them, each with the rates that tuning tries."""
        entries = [_given(entry, values) for entry in self.optimizers for values in self.factors.of_optimizers()]
        return [(entry.resolve(), tuple(self.grid(entry))) for entry in entries]

    def grid(self, entry: OptimizerEntry) -> list[float]:
        """The learning rates that tuning tries for this optimizer: its own, or the shared ones."""
        if entry.learning_rates:
            return entry.learning_rates.values()
        return self.learning_rates.values(multiplier=OPTIMIZERS[entry.name].multiplier)

    def described(self) -> dict[str, Any]:
        """The suite as plain values, defaults filled in: what a run's manifest keeps."""
        return self.model_dump(mode="json", exclude_none=True)


E = TypeVar("E", TaskEntry, OptimizerEntry)


def _given(entry: E, values: Mapping[str, Any]) -> E:
    """The entry with these values set, checked as if the file had them there."""
    own = entry.model_dump(exclude_none=True)
    if both := sorted(values.keys() & own.keys()):
        raise refused(f"a factor that no entry sets itself, as {entry.name} does", ", ".join(both))
    try:
        return type(entry)(**own, **values) if values else entry
    except ValidationError as error:
        first = error.errors()[0]
        raise refused(str(first.get("ctx", {}).get("expected") or first["msg"]), _short(first["input"])) from None


def _label(entry: TaskEntry, named: bool) -> str:
    """The task's name with the options that were set; `named`: also its length of training, where others are alike."""
    told = {key: of for key in ("batch_size", "steps") if named and (of := getattr(entry, key))}
    return TASKS[entry.name].label({**entry.arguments, **told})


def single(described: Mapping[str, Any], task: str, activation: str, optimizer: str) -> Suite:
    """The suite of one cell of a described suite, by its labels; without factors, as the entries have taken them in."""
    suite = parse(described)
    tasks = [_given(entry, values) for entry in suite.tasks for values in suite.factors.of_tasks()]
    works = dict(zip((work.task.name for work in suite.works), tasks, strict=True))
    optimizers = [_given(entry, values) for entry in suite.optimizers for values in suite.factors.of_optimizers()]
    picked: dict[str, Sequence[Entry]] = {
        "tasks": [works[task]],
        "activations": [e for e in suite.activations if e.resolve().label == activation] or suite.activations[:1],
        "optimizers": [entry for entry in optimizers if entry.resolve().label == optimizer],
    }
    plain = {key: [entry.model_dump(exclude_none=True) for entry in entries] for key, entries in picked.items()}
    return parse({**suite.described(), **plain, "factors": {}})


def read(path: str | Path) -> Suite:
    """The suite of a TOML file, or of a suite's bare name. Raises `InputError` with all that is wrong."""
    try:
        path = locate(path)
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        known = {file.stem for file in suite_files()}
        expected = nearest("a suite file or a suite's name", Path(path).stem, known, "bench list suites")
        raise InputError(f"{path}: got no such file; expected {expected}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: got a directory; expected a suite file (TOML)") from None
    except OSError as error:
        raise InputError(f"{_short(str(path))}: got {error.strerror}; expected a readable suite file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: got bytes that are not UTF-8 at {error.start}; expected TOML in UTF-8") from None
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # beside what it declares: numbers too long, tables too deep
        reason = str(error)[:80]
        raise InputError(f"{path}: got text that is not TOML ({reason}); expected a suite file (TOML)") from None
    return parse(_beside(values, path.parent), str(path))


def _beside(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The values with files of tasks found from where the suite lies."""
    tasks = values.get("tasks")
    if not isinstance(tasks, list):
        return values
    found = [
        {**task, "file": str(folder / task["file"])}
        if isinstance(task, dict) and isinstance(task.get("file"), str)
        else task
        for task in tasks
    ]
    return {**values, "tasks": found}


def parse(values: Mapping[str, Any], where: str = "suite") -> Suite:
    """The suite of plain values. Raises `InputError`: where, key, got, expected; all that are wrong at once."""
    try:
        return Suite(**values)
    except InputError as error:
        raise InputError([f"{where}: {problem}" for problem in error.problems]) from None


def _told(values: Any, error: Any) -> str:
    key, kind, context = _path(values, error["loc"]), error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        got, expected = "an unknown key", nearest(*_keys_around(error["loc"]))
    elif kind == "missing":
        got, expected = "nothing", "this key"
    else:
        got = context.get("got") or _short(error["input"])
        expected = context.get("expected") or _EXPECTED.get(kind) or error["msg"]
    return f"{key}: got {got}; expected {expected}"


_EXPECTED = {
    "list_type": "a list",
    "model_type": "a table",
    "string_pattern_mismatch": NAMED,
    "string_type": "a string",
    "too_short": "at least one entry",
}


def _path(values: Any, location: Sequence[int | str]) -> str:
    """The key as the file has it: pydantic's location also names branches of unions and what we gathered."""
    path, here = "", values
    for depth, part in enumerate(location, 1):
        if isinstance(here, Mapping) and (depth == len(location) or (part in here and part != "arguments")):
            path, here = f"{path}.{part}", here.get(part)
        elif isinstance(here, list) and isinstance(part, int):
            path, here = f"{path}[{part}]", here[part]
    return path.removeprefix(".")


def _keys_around(location: tuple[Any, ...]) -> tuple[str, str, Iterable[str]]:
    """Where an unknown key was found, in words, the key, and the keys that are known there."""
    *tables, key = location
    models: dict[str, type[BaseModel]] = {"learning_rates": LearningRates, "seeds": Seeds, "factors": Factors}
    if not tables:
        return "a key of a suite file", key, Suite.model_fields
    return f"a key of {tables[-1]}", key, models[tables[-1]].model_fields


def _short(value: Any) -> str:
    """A value much as TOML has it, not too long."""
    try:
        text = json.dumps(value, ensure_ascii=False, skipkeys=True, default=str)
    except (ValueError, RecursionError):  # Python writes no number of more than 4300 digits
        return "a value too long to show"
    text = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}.get(text, text)
    return text if len(text) <= 80 else text[:77] + "..."
