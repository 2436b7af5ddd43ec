"""A suite file: which tasks, activations and optimizers, and the budget that each cell gets."""

import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from bench import scripts
from bench.checks import NAME, NAMED, UNKNOWN, Strict, listed, nearest, plain, refusals, refused, repeated, short
from bench.errors import InputError, UnknownName
from bench.labels import NO_ACTIVATION, same
from bench.optimizers import FACTORS, OPTIMIZERS, Optimizer
from bench.planning.budget import LearningRates, Range, Seeds, Trial, Tuning
from bench.planning.entries import (
    TASK_FACTORS,
    ActivationEntry,
    BatchSize,
    Entry,
    Factors,
    OptimizerEntry,
    Steps,
    TaskEntry,
    at_most_the_data,
    with_values,
)
from bench.planning.locate import locate, suite_files
from bench.planning.reference import Reference
from bench.tasks import Task

GRID = Tuning()
REGISTERED = (
    "what Python registered is known there alone: register it and go on from there, "
    'or begin anew with a suite that names its file, python = ["own.py"]'
)
ON_A_GRID = refused("a number, or a range and a [tuning] whose method is not grid", "a range")


class Work(NamedTuple):
    """A task and how long it trains in this suite."""

    task: Task
    steps: int
    batch_size: int
    eval_every: int


class SuiteFile(Strict):
    """What suite files of every kind have: names, no entry twice, and `InputError` with all that is wrong.

    Files of `python` are run before the rest, which may name what they register. Each kind declares its entries itself,
    as their order is that in which they are checked.
    """

    python: list[str] = Field(default=[], exclude_if=lambda files: not files)
    name: str = Field(pattern=NAME)
    description: str = ""

    def __init__(self, /, **values: Any) -> None:
        """The suite of these keys, each as a suite file has it: numbers, strings, lists and dicts.

        Raises `InputError` with every key that is unknown, missing or does not fit.
        """
        values = {key: plain(value) for key, value in values.items()}
        try:
            super().__init__(**values)
        except ValidationError as error:
            found = error.errors()
            found = [e for e in found if e["loc"][:1] == ("python",)] or found  # or it is why names are unknown
            hints = [hint for e in found if (hint := e.get("ctx", {}).get("hint"))]
            kind = UnknownName if any(e["type"] == UNKNOWN for e in found) else InputError
            raise kind([_told(values, e, type(self)) for e in found], next(iter(hints), "")) from None

    @field_validator("python")
    @classmethod
    def _run(cls, files: list[str]) -> list[str]:
        """Run each; what is stored of it is read from anywhere."""
        found = [Path(file).parent.resolve() / Path(file).name for file in files]
        for place, path in enumerate(found):
            try:
                scripts.run(path, "a Python file that registers what the suite names")
            except InputError as error:
                raise refusals(error, place) from None
        return [str(path) for path in found]

    @field_validator("activations", "optimizers", check_fields=False)
    @classmethod
    def _once(cls, entries: list[Any]) -> list[Any]:
        labels = [entry.resolve().label for entry in entries]
        if twice := repeated(labels):
            raise refused("each once", f"{listed(twice)} more than once")
        return entries

    @field_validator("tasks", check_fields=False)
    @classmethod
    def _tasks_once(cls, entries: list[TaskEntry]) -> list[TaskEntry]:
        files = {entry.name: entry.task.file for entry in entries}
        if other := next((entry for entry in entries if entry.task.file != files[entry.name]), None):
            raise refused("a name for each file", f"{other.name} of {other.task.file} and of {files[other.name]}")
        alike = defaultdict[str, list[str]](list)
        for entry in entries:
            alike[_label(entry, named=True, defaults=entry.task.defaults)].append(_label(entry, named=True))
        if twice := [label for labels in alike.values() if len(labels) > 1 for label in dict.fromkeys(labels)]:
            raise refused("each once", f"{listed(twice)} more than once")
        return entries

    def described(self) -> dict[str, Any]:
        """The suite as plain values, defaults filled in: what a run's manifest keeps."""
        return self.model_dump(mode="json", exclude_none=True)


AnySuite = TypeVar("AnySuite", bound=SuiteFile)


class Suite(SuiteFile):
    """The contents of a suite file: which cells, and what each gets. docs/suites.md tells more of each key.

    Arguments:
        name: names the folder of the results.
        description: a sentence for whoever reads the report.
        tasks, activations, optimizers: names, or dicts with a `name` and arguments: `{"name": "adam", "b1": 0.8}`.
        steps: of each training, of `batch_size` samples each, with an evaluation every `eval_every` of them.
        learning_rates: the grid that tuning tries, `{"low": 1e-3, "high": 1.0, "num": 4}`.
        seeds: how many for each learning rate and how many fresh ones for the verdict, `{"tune": 2, "evaluate": 10}`.
        tuning: how tuning searches, `{"method": "sobol", "trials": 16}`; on the grid by default.
        factors: what else is swept, `{"width": [16, 64]}`; nothing by default.
        reference: an activation, an optimizer or a cell (`relu + adam`) that reports hold all others against.
        python: Python files that are run first and register what the suite names; none by default.

    Raises `InputError` with all that is wrong.
    """

    tuning: Tuning = Field(default=GRID, exclude_if=lambda tuning: tuning == GRID)  # first: what follows depends on it
    tasks: list[TaskEntry] = Field(min_length=1)
    activations: list[ActivationEntry] = Field(min_length=1)
    optimizers: list[OptimizerEntry] = Field(min_length=1)
    steps: Steps
    batch_size: BatchSize
    eval_every: Steps
    learning_rates: LearningRates
    seeds: Seeds
    factors: Factors = Factors()
    reference: str = Field(default="", exclude_if=lambda name: not name)

    @field_validator("optimizers")
    @classmethod
    def _searched(cls, entries: list[OptimizerEntry], info: ValidationInfo) -> list[OptimizerEntry]:
        """A grid tries learning rates alone."""
        wrong: list[InitErrorDetails] = []
        tuning: Tuning | None = info.data.get("tuning")
        for place, entry in enumerate(entries):
            if tuning is None:
                break
            if entry.learning_rates:
                wrong += [_under((place, "learning_rates"), found) for found in _num(entry.learning_rates, tuning)]
            if tuning.grids:
                wrong += [
                    InitErrorDetails(type=ON_A_GRID, loc=(place, key), input=of) for key, of in entry.ranges.items()
                ]
        if wrong:
            raise ValidationError.from_exception_data("optimizers", wrong)
        return entries

    @field_validator("learning_rates")
    @classmethod
    def _grid_or_range(cls, rates: LearningRates, info: ValidationInfo) -> LearningRates:
        if "tuning" in info.data and (wrong := _num(rates, info.data["tuning"])):
            raise ValidationError.from_exception_data("learning_rates", wrong)
        return rates

    @field_validator("steps")
    @classmethod
    def _enough_to_halve(cls, steps: int, info: ValidationInfo) -> int:
        tuning, tasks = info.data.get("tuning"), info.data.get("tasks", [])
        if tuning and not tuning.grids:
            _, part = tuning.rungs(tuning.trials)[0]
            if min([entry.steps or steps for entry in tasks], default=steps) < part:
                raise refused(f"at least {part}, as the first trials of a halving train for 1/{part} of them")
        return steps

    @field_validator("batch_size")
    @classmethod
    def _within_data(cls, batch_size: int, info: ValidationInfo) -> int:
        return at_most_the_data(batch_size, [e.resolve() for e in info.data.get("tasks", []) if not e.batch_size])

    @field_validator("factors")
    @classmethod
    def _fits(cls, factors: Factors, info: ValidationInfo) -> Factors:
        """Each value must suit every task or optimizer of the suite, once, and no entry may set it itself."""
        sides = (TASK_FACTORS, info.data.get("tasks", [])), (FACTORS, info.data.get("optimizers", []))
        grids = "tuning" in info.data and info.data["tuning"].grids
        wrong: dict[str, InitErrorDetails] = {}
        for key, entry in (pair for side in sides for pair in product(*side)):
            values, labels = getattr(factors, key) or (), []
            for value in values:
                try:
                    labels.append(_factored(entry, key, value, grids))
                except PydanticCustomError as error:
                    wrong[key] = InitErrorDetails(type=error, loc=(key,), input=value)
            if twice := repeated(labels):
                once = refused("each value once", f"{listed(twice)} more than once")
                wrong.setdefault(key, InitErrorDetails(type=once, loc=(key,), input=values))
        if wrong:
            raise ValidationError.from_exception_data("factors", list(wrong.values()))
        return factors

    @field_validator("reference")
    @classmethod
    def _among_cells(cls, reference: str, info: ValidationInfo) -> str:
        """One of what the suite names, with the factors over its optimizers."""
        found = info.data
        if not (reference and {"tasks", "activations", "optimizers", "factors"} <= found.keys()):
            return reference  # what is wrong is told of those
        swept = [with_values(entry, of) for entry in found["optimizers"] for of in found["factors"].of_optimizers()]
        sides = [[entry.resolve().label for entry in entries] for entries in (found["activations"], swept)]
        if not any(entry.task.uses_activation for entry in found["tasks"]):
            sides[0] = [NO_ACTIVATION]
        cells = product(*sides)
        try:
            return Reference.find(reference, cells, "reference", "this suite").label
        except InputError as error:
            raise refused(error.problems[0].partition("; expected ")[2]) from None

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
        plain = Counter(_label(entry, named=False) for entry in self.task_entries)
        return [self._work(entry, named=plain[_label(entry, named=False)] > 1) for entry in self.task_entries]

    @cached_property
    def task_entries(self) -> list[TaskEntry]:
        """The tasks with the factors that the suite sweeps over them."""
        return [with_values(entry, values) for entry in self.tasks for values in self.factors.of_tasks()]

    def _work(self, entry: TaskEntry, named: bool) -> Work:
        steps = entry.steps or self.steps
        return Work(
            replace(entry.resolve(), name=_label(entry, named)),
            steps,
            entry.batch_size or self.batch_size,
            min(entry.eval_every or self.eval_every, steps),
        )

    @cached_property
    def tuned_optimizers(self) -> list[tuple[Optimizer, tuple[Trial, ...]]]:
        """The optimizers with the factors that the suite sweeps over them, each with what its tuning tries."""
        return [(entry.resolve(), self.trials(entry)) for entry in self.optimizer_entries]

    @cached_property
    def optimizer_entries(self) -> list[OptimizerEntry]:
        """The optimizers with the factors that the suite sweeps over them."""
        return [with_values(entry, values) for entry in self.optimizers for values in self.factors.of_optimizers()]

    def trials(self, entry: OptimizerEntry) -> tuple[Trial, ...]:
        """What tuning tries for this optimizer: learning rates of its own range or the shared one, and more."""
        return self.tuning.tried(*self.rates(entry), entry.ranges)

    def rates(self, entry: OptimizerEntry) -> tuple[LearningRates, bool]:
        """The learning rates of an optimizer, its own or the shared ones, and whether these are centred on 1."""
        if entry.learning_rates:
            return entry.learning_rates, False
        return self.learning_rates, OPTIMIZERS[entry.name].multiplier


def _num(rates: LearningRates, tuning: Tuning) -> list[InitErrorDetails]:
    """What is wrong with the number of learning rates: a grid needs it, a search counts its trials."""
    if tuning.grids == (rates.num is not None):
        return []
    error = refused("this key", "nothing") if tuning.grids else refused("no such key: [tuning] says how many trials")
    return [InitErrorDetails(type=error, loc=("num",), input=rates.num)]


def _under(place: tuple[int | str, ...], details: InitErrorDetails) -> InitErrorDetails:
    return InitErrorDetails(type=details["type"], loc=(*place, *details["loc"]), input=details["input"])


def _factored(entry: TaskEntry | OptimizerEntry, key: str, value: Any, grids: bool) -> str:
    """The label of an entry with a value of a factor. Raises `PydanticCustomError` where it does not fit."""
    if isinstance(entry, TaskEntry):
        return _label(with_values(entry, {key: value}), named=True)
    found = with_values(entry, {key: value})
    if grids and found.ranges:
        raise ON_A_GRID
    return found.resolve().label


def _label(entry: TaskEntry, named: bool, defaults: Mapping[str, Any] = MappingProxyType({})) -> str:
    """The task's name with the options that were set; `named`: also its length of training, where others are alike."""
    told = {key: of for key in ("batch_size", "steps") if named and (of := getattr(entry, key))}
    return entry.task.label({**defaults, **entry.arguments, **told})


def single(
    described: Mapping[str, Any],
    task: str,
    activation: str,
    optimizer: str,
    found: Mapping[str, Any] = MappingProxyType({}),
) -> Suite:
    """The suite of one cell of a described suite, by its labels; without factors, as the entries have taken them in.

    Where it was searched, `found` are the values that were: those of the optimizer's arguments and `learning_rate`.
    """
    with stored():
        suite = parse(described)
    optimizers = [entry for entry in suite.optimizer_entries if same(entry.resolve().label, optimizer)]
    picked: dict[str, Sequence[Entry]] = {
        "tasks": [
            entry for entry, work in zip(suite.task_entries, suite.works, strict=True) if same(work.task.name, task)
        ],
        "activations": [e for e in suite.activations if same(e.resolve().label, activation)] or suite.activations[:1],
        "optimizers": optimizers,
    }
    plain: dict[str, Any] = {
        key: [entry.model_dump(exclude_none=True) for entry in entries] for key, entries in picked.items()
    }
    if not suite.tuning.grids:
        (entry,), rate = plain["optimizers"], found["learning_rate"]
        values = {key: found[key] for key in optimizers[0].ranges}
        plain["optimizers"] = [{key: of for key, of in entry.items() if key != "learning_rates"} | values]
        plain["learning_rates"] = {"low": rate, "high": rate, "num": 1}
    return parse({**suite.described(), **plain, "tuning": {}, "factors": {}, "reference": ""})


def read(path: str | Path) -> Suite:
    """The suite of a TOML file, or of a suite's bare name. Raises `InputError` with all that is wrong."""
    values, where = contents(path)
    return parse(values, where)


def contents(path: str | Path) -> tuple[dict[str, Any], str]:
    """The plain values of a suite file of any kind, and where they stand. Raises `InputError`."""
    try:
        path = locate(path)
        text = path.read_bytes().decode("utf-8-sig")  # some editors begin with a mark
    except FileNotFoundError:
        known = {file.stem for file in suite_files()}
        expected = nearest("a suite file or a suite's name", Path(path).stem, known, "bench list suites")
        raise InputError(f"{path}: got no such file; expected {expected}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: got a directory; expected a suite file (TOML)") from None
    except OSError as error:
        raise InputError(f"{short(str(path))}: got {error.strerror}; expected a readable suite file") from None
    except UnicodeDecodeError as error:
        if Path(path).suffix == ".npz":
            hint = f'a suite names it: tasks = [{{ file = "{Path(path).name}", model = "mlp" }}]'
            raise InputError(f"{path}: got a data set; expected a suite file (TOML)", hint) from None
        raise InputError(f"{path}: got bytes that are not UTF-8 at {error.start}; expected TOML in UTF-8") from None
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # beside what it declares: numbers too long, tables too deep
        reason = str(error)[:80]
        raise InputError(f"{path}: got text that is not TOML ({reason}); expected a suite file (TOML)") from None
    return _beside(values, path.parent), str(path)


def _beside(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The values with files found from where the suite lies."""

    def placed(entry: Any) -> Any:
        if isinstance(entry, dict) and isinstance(entry.get("file"), str):
            return {**entry, "file": str(folder / entry["file"])}
        return entry

    found = dict(values)
    if isinstance(tasks := values.get("tasks"), list):
        found["tasks"] = [placed(task) for task in tasks]
    if isinstance(files := values.get("python"), list):
        found["python"] = [str(folder / file) if isinstance(file, str) else file for file in files]
    return found


def parse(values: Mapping[str, Any], where: str = "suite") -> Suite:
    """The suite of plain values. Raises `InputError`: where, key, got, expected; all that are wrong at once."""
    return parse_as(Suite, values, where)


@contextmanager
def stored() -> Iterator[None]:
    """Where the suite of a run or model is parsed: what it names may have been known to the process that made it."""
    try:
        yield
    except UnknownName as error:
        raise InputError(error.problems, REGISTERED) from None


def parse_as(kind: type[AnySuite], values: Mapping[str, Any], where: str) -> AnySuite:
    """The suite of this kind of plain values."""
    try:
        return kind(**values)
    except InputError as error:
        raise type(error)([f"{where}: {problem}" for problem in error.problems], error.hint) from None


def _told(values: Any, error: Any, suite: type[BaseModel]) -> str:
    key, kind, context = _path(values, error["loc"]), error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        got, expected = "an unknown key", nearest(*_keys_around(error["loc"], suite))
        if len(error["loc"]) > 1 and error["loc"][-1] in suite.model_fields:
            expected += f"; {error['loc'][-1]} is a key of the suite, above its first [table]"
    elif kind == "missing":
        got, expected = "nothing", "this key"
    else:
        got = context.get("got") or short(error["input"])
        expected = context.get("expected") or _EXPECTED.get(kind) or error["msg"]
    place = f"{key}: {context['where']}" if "where" in context else key
    return f"{place}: got {got}; expected {expected}"


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


def _keys_around(location: tuple[Any, ...], suite: type[BaseModel]) -> tuple[str, str, Iterable[str]]:
    """Where an unknown key was found, in words, the key, and the keys that are known there."""
    *tables, key = location
    models: dict[int | str, type[BaseModel]] = {
        "learning_rates": LearningRates, "seeds": Seeds, "factors": Factors, "tuning": Tuning,
    }  # fmt: skip
    if not tables:
        return "a key of a suite file", key, suite.model_fields
    return f"a key of {tables[-1]}", key, models.get(tables[-1], Range).model_fields
