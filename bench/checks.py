"""What the values of a suite file are checked by, and what is said of those that do not fit."""

import difflib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from bench.errors import InputError

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"  # names stand in paths and labels
NAMED = "letters, digits and . _ - (1 to 64 of them, a letter or digit first)"
FEW = 12  # names that are worth listing in a message
UNKNOWN = "the name of"  # what is expected in place of an unknown one
REFUSED = "refused"  # the type of our own errors among pydantic's


def refused(expected: str, got: str = "") -> PydanticCustomError:
    """What a validator raises: what was expected and, where it is not the value itself, what was got."""
    return PydanticCustomError(REFUSED, "expected {expected}", {"expected": expected, "got": got})


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


def name_of(kind: str, article: str, table: Mapping[str, Any]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in table:
            raise refused(nearest(f"{UNKNOWN} {article} {kind}", name, table, f"bench list {kind}s"))
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
