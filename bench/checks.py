"""What the values of a suite file are checked by, and what is said of those that do not fit."""

import difflib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike, fspath
from typing import Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from bench.errors import InputError

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"  # names stand in paths and labels
NAMED = "letters, digits and . _ - (1 to 64 of them, a letter or digit first)"
FEW = 12  # names that are worth listing in a message
REFUSED, UNKNOWN = "refused", "unknown"  # the types of our own errors among pydantic's: of values, and of names
REGISTERING = (
    'one of your own must be registered: in Python, or by a file that a suite names, python = ["own.py"], '
    "or bench train, --python own.py"
)


def plain(value: Any) -> Any:
    """What a suite file could hold: numpy's numbers and arrays as Python's, tuples as lists, paths as texts."""
    if isinstance(value, Mapping):
        return {key: plain(of) for key, of in value.items()}
    if isinstance(value, list | tuple):
        return [plain(of) for of in value]
    if isinstance(value, PathLike):
        return fspath(value)
    return value.tolist() if hasattr(value, "tolist") else value


def refused(expected: str, got: str = "", hint: str = "", kind: str = REFUSED) -> PydanticCustomError:
    """What a validator raises: what was expected and, where it is not the value itself, what was got."""
    return PydanticCustomError(kind, "expected {expected}", {"expected": expected, "got": got, "hint": hint})


def refusals(error: InputError, key: str | int) -> ValidationError:
    """What a validator raises of problems that something else found: each as it is told, under a key, and the hint."""
    told = [problem.partition(": got ")[::2] for problem in error.problems]
    context = [(where, *text.partition("; expected ")[::2]) for where, text in told]
    return ValidationError.from_exception_data(
        str(key),
        [
            InitErrorDetails(
                type=PydanticCustomError(
                    REFUSED, "expected {expected}", {"where": w, "got": g, "expected": e, "hint": error.hint}
                ),
                loc=(key,),
                input=w,
            )
            for w, g, e in context
        ],
    )


def alike(name: str, known: Iterable[str]) -> list[str]:
    """Which of the known names the user may have meant."""
    wanted, known = name.lower(), sorted(known)
    return [wanted] if wanted in known else difflib.get_close_matches(wanted, known)


def nearest(what: str, name: str, known: Iterable[str], elsewhere: str = "") -> str:
    """`what` was expected, and which the user may have meant, or all there are, or where to see them."""
    known = sorted(known)
    if close := alike(name, known):
        return f"{what}, perhaps {' or '.join(close)}"
    if len(known) > FEW and elsewhere:
        return f"{what}; {elsewhere} shows them"
    return f"{what}: {'one of ' if len(known) > 1 else ''}{', '.join(known)}"


def number(kind: type, low: float, high: float, text: str = "") -> Callable[[Any], Any]:
    """A number within bounds; neither a bool nor a string passes for one, and nan is within no bounds."""
    expected = text or f"a {'whole ' if kind is int else ''}number from {low:,} to {high:,}"

    def check(value: Any) -> Any:
        if type(value) not in {int, kind} or not low <= value <= high:
            raise refused(expected)
        return kind(value)

    return check


def whole(low: int, high: int) -> BeforeValidator:
    return BeforeValidator(number(int, low, high))


def name_of(kind: str, article: str, table: Mapping[str, Any], registered: bool = True) -> AfterValidator:
    """A name of the table, to which a user may have `registered` more."""

    def check(name: str) -> str:
        if name not in table:
            expected = nearest(f"the name of {article} {kind}", name, table, f"bench list {kind}s")
            hint = REGISTERING if registered and not alike(name, table) else ""
            raise refused(expected, hint=hint, kind=UNKNOWN if registered else REFUSED)
        return name

    return AfterValidator(check)


def repeated(values: Sequence[Any]) -> list[Any]:
    """Those that are there more than once."""
    return sorted(value for value, times in Counter(values).items() if times > 1)


class Strict(BaseModel):
    """Unknown keys and loose types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def listed(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values[:5])) + (", ..." if len(values) > 5 else "")


def truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise refused("true or false")
    return value


def one_of(names: Sequence[str]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value not in names:
            raise refused(nearest("a name", str(value), names))
        return value

    return check


def short(value: Any) -> str:
    """A value much as TOML has it, not too long."""
    try:
        text = json.dumps(value, ensure_ascii=False, skipkeys=True, default=str)
    except (ValueError, RecursionError):  # Python writes no number of more than 4300 digits
        return "a value too long to show"
    text = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}.get(text, text)
    return text if len(text) <= 80 else text[:77] + "..."
