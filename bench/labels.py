"""What a cell is called, how long something took, numbers and lists, everywhere in the same words."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence

NO_ACTIVATION = "none"  # in the column of activations, where a task has none


def cell_label(activation: str, optimizer: str) -> str:
    """A cell's name: `relu + adam`, or the optimizer alone where a task has no activation."""
    return optimizer if activation == NO_ACTIVATION else f"{activation} + {optimizer}"


UNITS = (("h", 3600), ("min", 60), ("s", 1))


def duration(seconds: float) -> str:
    """In the largest unit of which there are two: 42 s, 21 min, 3 h."""
    unit, size = next((unit, size) for unit, size in UNITS if seconds >= 2 * size or size == 1)
    return f"{seconds / size:,.0f} {unit}"


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, zeros among them: 0.0650, 2.00, 1,303; – for what is not finite."""
    if not math.isfinite(value):
        return "–"
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    return f"{value:,.{max(0, digits - 1 - exponent)}f}"


def steps(value: float) -> str:
    """Steps to a target: a median of an even number of seeds may lie between two, 1,022.5."""
    return f"{value:,.1f}".removesuffix(".0")


def mean_rank(value: float) -> str:
    """A mean rank to one decimal, halves up, so that it agrees with a table's second decimal: 7.25 -> 7.3."""
    return f"{math.floor(value * 10 + 0.5 + 1e-9) / 10:.1f}" if math.isfinite(value) else "–"


CALL = re.compile(r"(?P<name>.+?)\((?P<inner>([^()]|\([^()]*\))*)\)")  # arguments may have parentheses of their own
BETWEEN = re.compile(r",(?![^(]*\))")  # a comma outside of those


def parts(label: str) -> tuple[str, dict[str, str]]:
    """A label's name and its arguments as texts: `adam(b1=0.5)` -> adam, {b1: 0.5}."""
    found = CALL.fullmatch(label)
    if not found:
        return label, {}
    pairs = (part.partition("=") for part in BETWEEN.split(found["inner"]))
    return found["name"], {key.strip(): text.strip() for key, _, text in pairs}


def called(name: str, arguments: Mapping[str, object]) -> str:
    """The label that `parts` reads: adam, {b1: 0.5} -> `adam(b1=0.5)`."""
    told = [f"{key}={of:.12g}" if isinstance(of, float) else f"{key}={of}" for key, of in arguments.items()]
    return f"{name}({','.join(told)})" if told else name


def same(label: str, other: str) -> bool:
    """Whether two labels are of the same entry, whatever the order of its arguments and of theirs."""
    (name, own), (called, theirs) = parts(label), parts(other)
    return (
        name == called
        and own.keys() == theirs.keys()
        and all(
            own[key] == theirs[key] or (bool(CALL.fullmatch(own[key])) and same(own[key], theirs[key])) for key in own
        )
    )


def counted(number: int, noun: str) -> str:
    """So many of something: `1 worker`, `1,090 cells`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def spanned(numbers: Iterable[int], noun: str) -> str:
    """So many of something or, where they are unlike, from the least to the most: `1 to 5 seeds`."""
    low, high = min(numbers), max(numbers)
    return f"{f'{low:,} to ' * (low != high)}{counted(high, noun)}"


def joined(names: Sequence[str], last: str = "and") -> str:
    """A list in words: `a, b and c`."""
    return f" {last} ".join([*[", ".join(names[:-1])] * (len(names) > 1), names[-1]])


def few(names: Sequence[str], most: int = 6) -> str:
    """A list in words that names so many: `a, b and 3 more`; a single one is not left out, which saves no room."""
    return joined(names if len(names) <= most + 1 else [*names[:most], f"{len(names) - most} more"]) if names else ""


def few_cells(pairs: Iterable[tuple[str, str]]) -> str:
    """Cells that share a place: the first by name, and how many more there are."""
    return few([cell_label(*pair) for pair in pairs], most=1)


def slugs(names: Sequence[str]) -> list[str]:
    """A name for files and anchors for each of `names`: letters, digits, hyphens, no two alike."""
    found: list[str] = []
    for name in names:
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "x"
        while slug in found:
            slug += "-again"
        found.append(slug)
    return found
