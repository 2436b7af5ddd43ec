"""What a user calls the thing that all others are held against."""

import pytest

from bench.errors import InputError
from bench.planning.reference import Reference

CELLS = [(a, o) for a in ("relu", "leaky_relu(negative_slope=0.2)") for o in ("sgd", "adam")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("relu", Reference("activation", "relu")),
        ("adam", Reference("optimizer", "adam")),
        ("relu + adam", Reference("cell", "relu + adam")),
        ("relu+adam", Reference("cell", "relu + adam")),
        (" leaky_relu( negative_slope=0.2 ) ", Reference("activation", "leaky_relu(negative_slope=0.2)")),
    ],
)
def test_it_is_found_whatever_its_spaces(text: str, found: Reference) -> None:
    assert Reference.find(text, CELLS, "here", "it") == found


def test_the_order_of_arguments_changes_nothing() -> None:
    label = "adam(b1=0.8,eps=1e+20,schedule=cosine(final=0.1,warmup=0.2))"
    cells = [("relu", label), ("relu", "sgd"), ("elu(alpha=1e+20)", "sgd")]
    told = "adam(schedule=cosine(warmup=0.2, final=0.1), eps=1e+20, b1=0.8)"
    assert Reference.find(told, cells, "here", "it") == Reference("optimizer", label)
    assert Reference.find(f"relu+{told}", cells, "here", "it") == Reference("cell", f"relu + {label}")
    assert Reference.find("elu(alpha=1e+20) + sgd", cells, "here", "it").label == "elu(alpha=1e+20) + sgd"


def test_what_is_not_there_is_refused_with_what_may_have_been_meant() -> None:
    with pytest.raises(InputError) as error:
        Reference.find("rellu", CELLS, "--reference", "quick")
    told = "--reference: got 'rellu'; expected an activation, an optimizer or a cell of quick, perhaps relu"
    assert error.value.problems[0] == told
    with pytest.raises(InputError, match=r"perhaps relu \+ adam"):
        Reference.find("relu + adma", CELLS, "--reference", "quick")
    with pytest.raises(InputError, match=r"one of adam, leaky_relu\(negative_slope=0\.2\), relu, sgd$"):
        Reference.find("zzz + zzz", CELLS, "--reference", "quick")


def test_the_only_one_of_its_kind_is_refused_as_nothing_is_held_against_it() -> None:
    one = [("relu", "sgd"), ("relu", "adam")]
    assert Reference.find("adam", one, "here", "it").label == "adam"
    with pytest.raises(InputError, match="here: got 'relu', the only activation of it; expected one with others"):
        Reference.find("relu", one, "here", "it")
    with pytest.raises(InputError, match="the only optimizer of it"):
        Reference.find("sgd", one[:1], "here", "it")


def test_a_run_without_activations_has_none_to_name() -> None:
    alone = [("none", "sgd"), ("none", "adam")]
    assert Reference.find("adam", alone, "here", "it") == Reference("optimizer", "adam")
    with pytest.raises(InputError):
        Reference.find("none", alone, "here", "it")


@pytest.mark.parametrize(
    ("reference", "beside"),
    [
        (Reference("activation", "relu"), "relu + sgd"),
        (Reference("optimizer", "adam"), "tanh + adam"),
        (Reference("cell", "relu + adam"), "relu + adam"),
    ],
)
def test_each_cell_has_one_that_it_is_held_against(reference: Reference, beside: str) -> None:
    assert reference.cell("tanh", "sgd") == beside
