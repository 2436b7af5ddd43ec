"""Lists in words, and numbers in words and tables."""

import math

import numpy as np
import pytest

from bench.labels import called, counted, few, few_cells, joined, mean_rank, parts, same, significant, slugs, steps


@pytest.mark.parametrize(
    ("names", "told"), [("a", "a"), ("ab", "a and b"), ("abc", "a, b and c"), ("abcde", "a, b and 3 more"), ("", "")]
)
def test_a_list_names_the_first_few_and_never_hides_a_single_one(names: str, told: str) -> None:
    assert few(list(names), 2) == told


def test_of_cells_that_share_a_place_the_first_is_named() -> None:
    assert few_cells([("relu", "adam")]) == "relu + adam"
    assert few_cells([("relu", "adam"), ("none", "sgd")]) == "relu + adam and sgd"
    assert few_cells(("none", optimizer) for optimizer in ("sgd", "adam", "lion")) == "sgd and 2 more"


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


def test_a_list_in_words_ends_in_and() -> None:
    assert [joined(["a"]), joined(["a", "b", "c"]), joined(["a", "b"], "or")] == ["a", "a, b and c", "a or b"]


@pytest.mark.parametrize(
    ("label", "other", "alike"),
    [
        ("adam", "adam", True),
        ("adam(b1=0.5,b2=0.9)", "adam(b2=0.9, b1=0.5)", True),
        ("adam(b1=0.5)", "adam(b1=0.6)", False),
        ("adam(b1=0.5)", "adam", False),
        ("sgd(a=0.9,schedule=step(every=0.3,factor=0.1))", "sgd(schedule=step(factor=0.1,every=0.3),a=0.9)", True),
        ("sgd(schedule=step(every=0.3,factor=0.1))", "sgd(schedule=step(every=0.3,factor=0.2))", False),
        ("sgd(schedule=step(every=0.3))", "sgd(schedule=cosine)", False),
    ],
)
def test_labels_are_the_same_in_any_order_of_their_arguments(label: str, other: str, alike: bool) -> None:
    assert same(label, other) == same(other, label) == alike


@pytest.mark.parametrize(
    ("name", "arguments", "label"),
    [
        ("adam", {}, "adam"),
        ("adam", {"b1": 0.5, "eps": 1e-8, "nesterov": True}, "adam(b1=0.5,eps=1e-08,nesterov=True)"),
        ("sgd", {"a": 1.0, "schedule": "step(every=0.3)"}, "sgd(a=1,schedule=step(every=0.3))"),
    ],
)
def test_a_label_is_read_as_it_was_made(name: str, arguments: dict[str, object], label: str) -> None:
    assert called(name, arguments) == label
    found, texts = parts(label)
    assert called(found, texts) == label and list(texts) == list(arguments)


def test_one_thing_has_no_s() -> None:
    assert [counted(number, "cell") for number in (0, 1, 1090)] == ["0 cells", "1 cell", "1,090 cells"]
    assert [counted(np.int64(number), "seed") for number in (1, 2)] == ["1 seed", "2 seeds"]


def test_steps_between_two_evaluations_keep_their_half() -> None:
    assert [steps(value) for value in (22.5, 37.5, 1_022.0, 1_022.5)] == ["22.5", "37.5", "1,022", "1,022.5"]


def test_mean_ranks_round_their_halves_up() -> None:
    told = [mean_rank(value) for value in (7.25, 7.35, 7.2499, 1.0, math.nan)]
    assert told == ["7.3", "7.4", "7.2", "1.0", "–"]


def test_names_become_plain_and_never_the_same() -> None:
    assert slugs(["Digits MLP", "digits_mlp", "漢", "../../etc"]) == ["digits-mlp", "digits-mlp-again", "x", "etc"]
