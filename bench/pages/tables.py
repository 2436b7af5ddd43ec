"""Tables as a person reads them: what stands in each entry and what it is sorted by."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.findings.verdicts import TIED

UNKNOWN = "–"
UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}


@dataclass(frozen=True)
class Entry:
    """One entry: its text and what it is sorted by (empty: unknown, always last)."""

    text: str
    key: str
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """One column: its title, whether it holds numbers, what it means, and which are better, `more` or `less`."""

    title: str
    number: bool
    hint: str = ""
    better: str = ""


@dataclass(frozen=True)
class Row:
    """One row; `mark` is that of `mark` below, `verdict` the same in words; `name` what it is about."""

    entries: tuple[Entry, ...]
    mark: str = ""
    name: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Table:
    """A table as a person reads it."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @classmethod
    def read(
        cls, rows: Iterable[dict[str, Any]], readers: "Sequence[Read]", name: Callable[[dict[str, Any]], str]
    ) -> "Table":
        """What `readers` read of each of `rows`, which is called by its `name`."""
        return cls.of(readers, (Row(entries(row, readers), name=name(row)) for row in rows))

    @classmethod
    def of(cls, readers: "Sequence[Read]", rows: Iterable[Row]) -> "Table":
        """Rows that `readers` have read."""
        return cls(tuple(column for column, _ in readers), tuple(rows))

    @property
    def marked(self) -> frozenset[int]:
        """The columns in which an entry is marked as level with the best, where print keeps room for the mark."""
        return frozenset(i for row in self.rows for i, entry in enumerate(row.entries) if entry.mark == TIED)


Show = Callable[[Any], str]
Read = tuple[Column, Callable[[dict[str, Any]], Entry]]


def entries(row: dict[str, Any], readers: Sequence[Read]) -> tuple[Entry, ...]:
    """What `readers` read of a row."""
    return tuple(read(row) for _, read in readers)


def varied(
    frame: pd.DataFrame, readers: Sequence[Read], settings: Sequence[Read]
) -> tuple[list[Read], tuple[str, ...]]:
    """The columns less those of `settings` that are the same in all rows, and a sentence that tells these."""
    rows = frame.to_dict("records")
    alike = [one for one in settings if len({one[1](row) for row in rows}) == 1]
    told = ", ".join(f"{column.title} {read(rows[0]).text}" for column, read in alike)
    return [one for one in readers if one not in alike], (f"All of them: {told}.",) if alike else ()


def text(title: str, column: str | None = None, hint: str = "") -> Read:
    """A column of text; by default it has the title of what it shows."""
    key = title if column is None else column
    return Column(title, False, hint), lambda row: Entry(str(row[key]), str(row[key]))


def number(title: str, column: str, show: Show, hint: str = "", better: str = "") -> Read:
    """A column of numbers, told by `show` where they are known."""
    return Column(title, True, hint, better), lambda row: numbered(row[column], show)


def reckoned(title: str, value: Callable[[dict[str, Any]], float], show: Show, hint: str = "") -> Read:
    """A column of numbers that are reckoned from a row."""
    return Column(title, True, hint), lambda row: numbered(value(row), show)


def numbered(value: float, show: Show) -> Entry:
    """The entry of a number."""
    return Entry(UNKNOWN if pd.isna(value) else show(value), key(value))


def key(value: float) -> str:
    """What a number is sorted by."""
    if pd.isna(value):
        return ""
    return f"{value:.9g}" if np.isfinite(value) else f"{'-' * (value < 0)}Infinity"


def whole(value: float) -> str:
    """A whole number."""
    return f"{value:,.0f}"


def percent(value: float) -> str:
    """A share."""
    return f"{value * 100:.0f} %"


def or_never(show: Show) -> Show:
    """As `show`, of what may never come to pass."""
    return lambda value: show(value) if np.isfinite(value) else "never"


def decimals(values: "pd.Series[float]") -> int:
    """Of a column: two digits of its middle value and one of its least, the same in every row."""
    known = values[np.isfinite(values.astype(float)) & (values > 0)]
    if known.empty:
        return 0
    least, middle = (int(np.floor(np.log10(value))) for value in (known.min(), known.median()))
    return max(0, 1 - middle, -least)


def durations(seconds: "pd.Series[float]") -> Callable[[float], str]:
    """How a column of seconds is told: in the largest unit that does not exceed its middle value."""
    known = seconds[np.isfinite(seconds.astype(float)) & (seconds > 0)]
    unit = next((unit for unit, size in UNITS.items() if size <= known.median()), "s")
    places = decimals(known / UNITS[unit])
    return lambda value: f"{value / UNITS[unit]:,.{places}f} {unit}"
