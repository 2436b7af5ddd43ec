"""Lists in words."""

from bench.labels import joined, some


def test_a_list_in_words_ends_in_and() -> None:
    assert [joined(["a"]), joined(["a", "b", "c"]), joined(["a", "b"], "or")] == ["a", "a, b and c", "a or b"]


def test_of_a_long_list_the_rest_is_counted_but_never_a_single_name_hidden() -> None:
    assert some(list("abcdefg")) == "a, b, c, d, e, f, g"
    assert some(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"
    assert [some([]), some(["a"]), some(list("abcdef"), 4)] == ["", "a", "a, b, c, d and 2 more"]
