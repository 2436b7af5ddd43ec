"""Tables as a person reads them: what stands in an entry, what it is sorted by, which columns are told once."""

import numpy as np
import pandas as pd
import pytest

from bench.pages.tables import (
    Entry,
    Table,
    decimals,
    durations,
    number,
    or_never,
    percent,
    reckoned,
    text,
    varied,
    whole,
)

FRAME = pd.DataFrame({"cell": ["a", "b"], "share": [0.25, np.nan], "steps": [1500.0, np.inf], "batch": [64, 64]})
READERS = [
    text("cell"),
    number("share", "share", percent, "of all", "less"),
    number("steps to go", "steps", or_never(whole)),
    reckoned("examples", lambda row: row["steps"] * row["batch"], or_never(whole)),
    number("batch", "batch", whole),
]


def test_what_is_unknown_is_no_number_and_what_is_endless_never_comes() -> None:
    found = Table.read(FRAME.to_dict("records"), READERS, lambda row: f"cell {row['cell']}")
    assert [column.title for column in found.columns] == ["cell", "share", "steps to go", "examples", "batch"]
    assert [row.name for row in found.rows] == ["cell a", "cell b"]
    first, second = (row.entries for row in found.rows)
    assert first == (
        Entry("a", "a"), Entry("25 %", "0.25"), Entry("1,500", "1500"), Entry("96,000", "96000"), Entry("64", "64"),
    )  # fmt: skip
    assert second[1:4] == (Entry("–", ""), Entry("never", "Infinity"), Entry("never", "Infinity"))


def test_a_setting_that_is_the_same_in_all_rows_is_told_once() -> None:
    kept, told = varied(FRAME, READERS, [READERS[0], READERS[-1]])
    assert kept == READERS[:-1] and told == ("All of them: batch 64.",)
    assert varied(FRAME, READERS, READERS[:1]) == (READERS, ())


@pytest.mark.parametrize(
    ("seconds", "places"),
    [
        ((0.0044, 0.01, 0.011), 3),
        ((0.5, 12.0, np.inf), 1),
        ((120.0, 150.0), 0),
        ((np.inf, np.nan), 0),
        ((0.0004, 3.0), 4),
    ],
)
def test_a_column_of_seconds_has_equal_decimals(seconds: tuple[float, ...], places: int) -> None:
    assert decimals(pd.Series(seconds)) == places


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        ((3.32e-5, 2.1e-4, 9e-5), ["33 µs", "210 µs", "90 µs"]),
        ((0.0064, 0.0049, 0.011), ["6.4 ms", "4.9 ms", "11.0 ms"]),
        ((0.5, 12.0, 20.0), ["0.5 s", "12.0 s", "20.0 s"]),
    ],
)
def test_times_are_told_in_a_unit_that_leaves_no_zeros_before_them(seconds: tuple[float, ...], told: list[str]) -> None:
    assert list(map(durations(pd.Series([*seconds, np.inf])), seconds)) == told
