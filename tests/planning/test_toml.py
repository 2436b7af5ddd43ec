"""Plain values written as TOML are what Python reads of it."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bench.planning import suite, toml
from bench.planning.locate import suite_files

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_is_read_as_it_was(values: dict[str, Any]) -> None:
    assert tomllib.loads(toml.text(values)) == values


def test_a_suite_is_a_line_a_key() -> None:
    described = suite.read("smoke").described()
    assert toml.text(described).splitlines()[0] == 'name = "smoke"'
    assert len(toml.text(described).splitlines()) == len(described)


def test_every_suite_is_the_same_again() -> None:
    from bench.kinds import parse, read

    for file in suite_files():
        made = read(file)
        assert parse(tomllib.loads(toml.text(made.described()))) == made
