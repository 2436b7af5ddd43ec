"""Lists in words."""

import pytest

from bench.labels import few, few_cells


@pytest.mark.parametrize(
    ("names", "told"), [("a", "a"), ("ab", "a and b"), ("abc", "a, b and 1 more"), ("abcde", "a, b and 3 more")]
)
def test_a_list_names_the_first_few(names: str, told: str) -> None:
    assert few(list(names), 2) == told


def test_of_cells_that_share_a_place_the_first_is_named() -> None:
    assert few_cells([("relu", "adam")]) == "relu + adam"
    assert few_cells(("none", optimizer) for optimizer in ("sgd", "adam", "lion")) == "sgd and 2 more"
