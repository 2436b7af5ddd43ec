"""Numbers in words and tables."""

import math

import pytest

from bench.labels import significant


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.065, "0.0650"), (0.0578, "0.0578"), (2.0, "2.00"), (9.999, "10.0"), (1303.2, "1,303"), (0.0, "0.00"),
        (-0.5, "-0.500"), (math.nan, "–"), (math.inf, "–"),
    ],
)  # fmt: skip
def test_a_number_keeps_the_zeros_that_are_significant(value: float, shown: str) -> None:
    assert significant(value) == shown
    assert significant(3, 2) == "3.0"
