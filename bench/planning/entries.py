"""What a suite names: activations, optimizers, schedules and tasks with their arguments, and factors over them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from bench.activations import ACTIVATIONS, Activation
from bench.checks import (
    NAME,
    REFUSED,
    UNKNOWN,
    Strict,
    name_of,
    nearest,
    number,
    one_of,
    refusals,
    refused,
    short,
    truth,
    whole,
)
from bench.errors import InputError
from bench.labels import NO_ACTIVATION, called, parts
from bench.optimizers import COMMON, FACTORS, OPTIMIZERS, Optimizer
from bench.planning.budget import LearningRates, Range
from bench.planning.search import MOST_AXES
from bench.schedules import SCHEDULES, Schedule
from bench.tasks import TASKS, Task, own
from bench.tasks.base import Option


class Entry(Strict):
    """An entry of the tables, by name or as a table with its name and arguments of its own."""

    table: ClassVar[Mapping[str, Any]]  # where its name is looked up
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)

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
        """Each of its type, in the order of their names, as a manifest has them; each that is wrong under its key."""
        if "name" not in info.data:
            return arguments
        name, found, wrong = info.data["name"], {}, []
        for key, value in arguments.items():
            try:
                found[key] = cls.checked(name, key, value)
            except PydanticCustomError as error:
                wrong.append(InitErrorDetails(type=error, loc=(key,), input=value))
            except ValidationError as error:
                wrong += [_within(key, details) for details in error.errors()]
        if wrong:
            raise ValidationError.from_exception_data(name, wrong)
        return dict(sorted(found.items()))

    @classmethod
    def checked(cls, name: str, key: str, value: Any) -> Any:
        """The value of an argument, where it is one."""
        accepts = cls.accepts(name)
        if key not in accepts:
            expected = nearest(f"an argument of {name}", key, accepts) if accepts else f"none: {name} has no arguments"
            raise refused(expected, "an unknown argument")
        if isinstance(value, Mapping):
            raise refused("one value: only numbers that an optimizer takes can have a range")
        option = accepts[key]
        if isinstance(option, tuple):  # a label has a number without quotes: digits_cnn(resolution=16)
            return one_of(option)(str(value) if type(value) is int else value)
        # What a user's own means by b1 or decay is not known.
        free = option is float and key not in COMMON and getattr(cls.table[name], "own", False)
        return (TYPES[option] if free else ARGUMENTS.get((key, option), TYPES[option]))(value)

    @model_serializer(mode="wrap")
    def _spread(self, serialize: Callable[[Self], dict[str, Any]]) -> dict[str, Any]:
        found = serialize(self)
        plain = {key: of.model_dump() if isinstance(of, BaseModel) else of for key, of in self.arguments.items()}
        return {**{key: of for key, of in found.items() if key != "arguments"}, **plain}


def _under(keys: Iterable[str], error: PydanticCustomError, value: Mapping[str, Any]) -> ValidationError:
    """The same error under each of these keys."""
    wrong = [InitErrorDetails(type=error, loc=(key,), input=value[key]) for key in keys]
    return ValidationError.from_exception_data("task", wrong)


def _within(key: str, details: Any) -> InitErrorDetails:
    """An error of a table under the key that holds it."""
    kind, context = details["type"], details.get("ctx", {})
    error = refused(**context, kind=kind) if kind in (REFUSED, UNKNOWN) else kind
    return InitErrorDetails(type=error, loc=(key, *details["loc"]), input=details["input"])


TYPES: dict[type, Callable[[Any], Any]] = {
    float: number(float, -3e38, 3e38, "a finite number"),
    int: number(int, 0, 1_000_000),
    bool: truth,
}
BELOW_1 = 1 - 2**-24  # the last number that is not 1 as a float32
_FLOATS = (  # bounds by name: wherever an argument is called so, it can be no other
    ("b1 b2 b3 beta3 adam_b1 adam_b2", 0, BELOW_1, "a number from 0 to below 1"),
    ("eps eps_root adam_eps_root weight_decay weight_decay_rate clip_norm", 0, 3e38, "a number of 0 or more"),
    ("momentum decay final start", 0, 1, "a number from 0 to 1"),
    ("factor", 0, 3e38, "a number of 0 or more"),
    ("warmup peak every", 1e-6, BELOW_1, "a number between 0 and 1"),
    ("condition", 1, 1e12, ""),
    ("train_fraction", 0.01, 0.99, ""),
    ("noise", 0, 1e6, ""),
)
_INTS = (
    ("pieces", 2, 64),
    ("width", 1, 100_000),
    ("depth", 1, 1_000),
    ("dimension", 2, 1_000),
    ("code latent", 1, 100_000),
    ("length", 2, 1_000_000),
    ("modulus", 3, 1_000),
    ("rank ns_steps memory_size update_interval update_proj_gap", 1, 1_000_000),
)
ARGUMENTS: dict[tuple[str, type], Callable[[Any], Any]] = {  # those with bounds of their own
    **{(name, float): number(float, low, high, text) for names, low, high, text in _FLOATS for name in names.split()},
    **{(name, int): number(int, low, high) for names, low, high in _INTS for name in names.split()},
}


LEAST_DIVISOR = 1e-6


def _free(table: Mapping[str, Any]) -> AfterValidator:
    """A label that is not the name of an entry, which would say that it is that."""

    def check(label: str) -> str:
        if label in table or label == NO_ACTIVATION:
            raise refused("a label that is not the name of an entry", short(label))
        return label

    return AfterValidator(check)


class ActivationEntry(Entry):
    """An activation, by name or as a table with its arguments; `label` is what reports call it."""

    table = ACTIVATIONS
    name: Annotated[str, name_of("activation", "an", ACTIVATIONS)]
    label: Annotated[str, Field(pattern=NAME), _free(ACTIVATIONS)] | None = None

    @classmethod
    def accepts(cls, name: str) -> Mapping[str, Option]:
        """Those with defaults in the table."""
        return {key: type(value) for key, value in ACTIVATIONS[name].arguments.items()}

    @classmethod
    def checked(cls, name: str, key: str, value: Any) -> Any:
        """The value of an argument, where it is one and not 0 where it is divided by."""
        entry = ACTIVATIONS[name]
        if key in entry.parameters:
            raise refused(f"no such key, as {key} is learned, from {entry.parameters[key]:g}")
        found = super().checked(name, key, value)
        if key in entry.divisors and abs(found) < LEAST_DIVISOR:
            raise refused(f"a number of at least {LEAST_DIVISOR:g} or at most {-LEAST_DIVISOR:g}")
        return found

    def resolve(self) -> Activation:
        """The table's entry with these arguments."""
        found = ACTIVATIONS[self.name].configured(self.arguments)
        return replace(found, label=self.label or found.label)


class ScheduleEntry(Entry):
    """A learning-rate schedule, by name or as a table with its arguments."""

    table = SCHEDULES
    name: Annotated[str, name_of("schedule", "a", SCHEDULES, registered=False)]

    @classmethod
    def accepts(cls, name: str) -> Mapping[str, Option]:
        """Those with defaults in the table."""
        return dict.fromkeys(SCHEDULES[name].arguments, float)

    def resolve(self) -> Schedule:
        """The table's entry with these arguments."""
        return SCHEDULES[self.name].configured(self.arguments)


class OptimizerEntry(Entry):
    """An optimizer, by name or as a table with its arguments, a schedule and a grid of its own; `label` as above."""

    table = OPTIMIZERS
    name: Annotated[str, name_of("optimizer", "an", OPTIMIZERS)]
    label: Annotated[str, Field(pattern=NAME), _free(OPTIMIZERS)] | None = None
    _swept: frozenset[str] = PrivateAttr(default=frozenset())  # the factors among its arguments
    learning_rates: LearningRates | None = None
    schedule: ScheduleEntry | None = None

    @classmethod
    def accepts(cls, name: str) -> Mapping[str, Option]:
        """Those that the table says a suite may set, and those that any optimizer takes."""
        return {**OPTIMIZERS[name].accepts, **dict.fromkeys(COMMON, float)}

    @classmethod
    def checked(cls, name: str, key: str, value: Any) -> Any:
        """The value of an argument or, for a number, the range in which it is searched."""
        if not isinstance(value, Mapping) or cls.accepts(name).get(key) is not float:
            return super().checked(name, key, value)
        found = Range(**value)
        for end in (found.low, found.high):
            super().checked(name, key, end)
        return found

    @field_validator("arguments")
    @classmethod
    def _few_ranges(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        if sum(isinstance(value, Range) for value in arguments.values()) >= MOST_AXES:
            raise refused(f"at most {MOST_AXES - 1} ranges", "more")
        return arguments

    @property
    def ranges(self) -> dict[str, Range]:
        """The arguments that are searched, and where."""
        return {key: value for key, value in self.arguments.items() if isinstance(value, Range)}

    def resolve(self) -> Optimizer:
        """The table's entry with these arguments."""
        fixed = {key: value for key, value in self.arguments.items() if key not in self.ranges}
        schedule = self.schedule.resolve() if self.schedule else None
        found = OPTIMIZERS[self.name].configured(fixed, schedule, self.ranges)
        if not self.label:
            return found
        told = {key: text for key, text in parts(found.label)[1].items() if key in self._swept}
        return replace(found, label=called(self.label, told))


Steps = Annotated[int, whole(1, 10_000_000)]
BatchSize = Annotated[int, whole(1, 1_000_000)]


class TaskEntry(Entry):
    """A task, by name or as a table with its options and a length of training of its own.

    Or a file: arrays with a model family, or a Python file; it is then in the table of tasks from here on.
    """

    table = TASKS
    name: Annotated[str, name_of("task", "a", TASKS)]
    file: str | None = None
    model: str | None = None
    target: Annotated[float, BeforeValidator(number(float, -3e38, 3e38, "a finite number"))] | None = None
    steps: Steps | None = None
    batch_size: BatchSize | None = None
    eval_every: Steps | None = None

    @classmethod
    def accepts(cls, name: str) -> Mapping[str, Option]:
        """Those that the table says a suite may set."""
        return TASKS[name].accepts

    @cached_property
    def task(self) -> Task:
        """The table's entry as it was when this was read: what is read later of the same file leaves it alone."""
        return TASKS[self.name]

    @model_validator(mode="after")
    def _kept(self) -> Self:
        _ = self.task
        return self

    def resolve(self) -> Task:
        """The table's entry with these options."""
        return self.task.configured(self.arguments)

    @model_validator(mode="before")
    @classmethod
    def _of_file(cls, value: Any) -> Any:
        """Enter the file's task into the table and name it."""
        if not isinstance(value, Mapping):
            return value
        is_arrays = "file" in value and not str(value["file"]).endswith(".py")
        if unread := [] if is_arrays else [key for key in ("model", "target") if key in value]:
            raise _under(unread, refused("no such key: it is for a file of arrays, a .npz"), value)
        if "file" not in value:
            return value
        path, model, target = (value.get(key) for key in ("file", "model", "target"))
        if not isinstance(path, str) or not isinstance(model, str | None):
            raise refused("a file as a string, and the model as a string", short(dict(value)))
        file = Path(path).parent.resolve() / Path(path).name  # what is stored of it is read from anywhere
        try:
            found = own.task(file, model or "", own.PERFECT if target is None else target)
            own.enter(found)
        except InputError as error:
            raise refusals(error, "file") from None
        if value.get("name", found.name) != found.name:
            raise _under(["name"], refused(f"no such key, or {found.name}, as the file's task is called"), value)
        return {**value, "name": found.name, "file": str(file)}

    @field_validator("batch_size")
    @classmethod
    def _within_data(cls, batch_size: int | None, info: ValidationInfo) -> int | None:
        if not batch_size or not {"name", "arguments"} <= info.data.keys():
            return batch_size
        return at_most_the_data(batch_size, [TASKS[info.data["name"]].configured(info.data["arguments"])])


def at_most_the_data(batch_size: int, tasks: Iterable[Task]) -> int:
    """A batch size, refused where one of these tasks has fewer training samples."""
    found = [task for task in tasks if task.samples.train]
    if found:
        least = min(found, key=lambda task: task.samples.train)
        if batch_size > least.samples.train:
            raise refused(f"at most {least.samples.train}, the training samples of {least.name}")
    return batch_size


T = TypeVar("T")
Swept = Annotated[list[T], Field(min_length=1)]


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
        return _product({key: getattr(self, key) for key in FACTORS})

    def of_tasks(self) -> list[dict[str, Any]]:
        """Every combination of what a task is given."""
        return _product({key: getattr(self, key) for key in TASK_FACTORS})


TASK_FACTORS = ("batch_size", "width", "depth", "initialization", "loss")


def _product(values: Mapping[str, Sequence[Any] | None]) -> list[dict[str, Any]]:
    swept = {key: each for key, each in values.items() if each}
    return [dict(zip(swept, combination, strict=True)) for combination in product(*swept.values())]


E = TypeVar("E", TaskEntry, OptimizerEntry)


def with_values(entry: E, values: Mapping[str, Any]) -> E:
    """The entry with these values set, checked as if the file had them there."""
    own = entry.model_dump(exclude_none=True)
    if both := sorted(values.keys() & own.keys()):
        raise refused(f"a factor that no entry sets itself, as {entry.name} does", ", ".join(both))
    try:
        found = type(entry)(**own, **values) if values else entry
    except ValidationError as error:
        first = error.errors()[0]
        raise refused(str(first.get("ctx", {}).get("expected") or first["msg"]), short(first["input"])) from None
    if isinstance(found, OptimizerEntry) and values:
        found._swept = frozenset(values)
    return found
