"""Suite files: what they mean, and that whatever is wrong in one is told in plain words, all of it at once."""

import copy
import math
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import InputError
from bench.locate import suite_files
from bench.suite import SEED_LIMIT, Suite, parse, read

BASE: dict[str, Any] = {
    "name": "small",
    "tasks": ["wine_mlp"],
    "activations": ["relu", {"name": "elu", "alpha": 2}],
    "optimizers": ["sgd", {"name": "adam", "b1": 0.5, "learning_rates": {"low": 1e-3, "high": 0.1, "num": 3}}],
    "steps": 40,
    "batch_size": 32,
    "eval_every": 10,
    "learning_rates": {"low": 1e-4, "high": 1, "num": 5},
    "seeds": {"tune": 2, "evaluate": 3},
}
Path_ = Sequence[str | int]
NOWHERE = object()


def changed(path: Path_, value: object) -> dict[str, Any]:
    """The base with another value at one key; `NOWHERE` takes the key away."""
    values = copy.deepcopy(BASE)
    *way, last = path
    here: Any = values
    for part in way:
        here = here[part]
    if value is NOWHERE:
        del here[last]
    else:
        here[last] = value
    return values


def told(values: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse(values, "a.toml")
    return caught.value.problems


RATE = "expected a number above 0 (from 1e-30 to 1e30)"
SEED = "expected a whole number from 0 to 4,294,967,295"
ALIKE = "expected fewer: some of the rates are alike in six digits"
PIECES = "expected a whole number from 2 to 64"
STEPS = "expected a whole number from 1 to 10,000,000"


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("learning_rate", 1, "got an unknown key; expected a key of a suite file, perhaps learning_rates"),
        ("name", NOWHERE, "got nothing; expected this key"),
        ("name", "a/b", 'got "a/b"; expected letters, digits and . _ - (1 to 64 of them, a letter or digit first)'),
        ("name", 3, "got 3; expected a string"),
        ("description", date(2020, 1, 2), 'got "2020-01-02"; expected a string'),
        ("tasks", "wine_mlp", 'got "wine_mlp"; expected a list'),
        ("tasks", [], "got []; expected at least one entry"),
        ("tasks", [["wine_mlp"]], 'tasks[0]: got ["wine_mlp"]; expected a string'),
        ("tasks", ["wine"], 'tasks[0]: got "wine"; expected the name of a task, perhaps wine_mlp'),
        ("tasks", ["wine_mlp"] * 2, "got wine_mlp more than once; expected each once"),
        ("activations", ["ReLU"], 'activations[0]: got "ReLU"; expected the name of an activation, perhaps relu'),
        ("activations", ["zz"], 'activations[0]: got "zz"; expected the name of an activation; bench list activations shows them'),  # noqa: E501
        ("activations", ["elu", {"name": "elu", "alpha": 1.0}], "got elu more than once; expected each once"),
        ("activations[1].alpha", "2", 'got "2"; expected a finite number'),
        ("activations[1].beta", 2, "got an unknown argument; expected an argument of elu: alpha"),
        ("activations[0]", {"name": "relu", "a": 1}, "activations[0].a: got an unknown argument; expected none: relu has no arguments"),  # noqa: E501
        ("activations[0]", {"name": "maxout", "pieces": 65}, "activations[0].pieces: got 65; expected a whole number from 2 to 64"),  # noqa: E501
        ("activations[0]", {"name": "maxout", "pieces": True}, "activations[0].pieces: got true; expected a whole number from 2 to 64"),  # noqa: E501
        ("optimizers", ["adm"], 'optimizers[0]: got "adm"; expected the name of an optimizer, perhaps adam or radam or nadam'),  # noqa: E501
        ("optimizers[0]", 3, "got 3; expected a name, or a table with a name"),
        ("optimizers[0]", {}, "optimizers[0].name: got nothing; expected this key"),
        ("optimizers[0]", {"name": []}, "optimizers[0].name: got []; expected a string"),
        ("optimizers[1].b1", True, "got true; expected a finite number"),
        ("optimizers[1].b1", math.nan, "got nan; expected a finite number"),
        ("optimizers[1].b1", "0.9", 'got "0.9"; expected a finite number'),
        ("optimizers[1].nesterov", 1, "got 1; expected true or false"),
        ("activations[1].arguments", 1, "got an unknown argument; expected an argument of elu: alpha"),
        ("optimizers[1].learning_rates.low", 0, f"got 0; {RATE}"),
        ("optimizers[1].learning_rates.lwo", 0, "got an unknown key; expected a key of learning_rates, perhaps low"),
        ("optimizers[0]", {"name": "lbfgs", "memory_size": 3.0}, "optimizers[0].memory_size: got 3.0; expected a whole number from 0 to 1,000,000"),  # noqa: E501
        ("steps", True, f"got true; {STEPS}"),
        ("steps", "40", f'got "40"; {STEPS}'),
        ("steps", 40.0, f"got 40.0; {STEPS}"),
        ("steps", 0, f"got 0; {STEPS}"),
        ("batch_size", 107, "got 107; expected at most 106, the training samples of wine_mlp"),
        ("eval_every", 41, "got 41; expected at most 40, the number of steps"),
        ("learning_rates", 0.1, "got 0.1; expected a table"),
        ("learning_rates.low", math.nan, f"got nan; {RATE}"),
        ("learning_rates.low", -math.inf, f"got -inf; {RATE}"),
        ("learning_rates.low", -1e-3, f"got -0.001; {RATE}"),
        ("learning_rates.low", "0.9", f'got "0.9"; {RATE}'),
        ("learning_rates.low", 2, "learning_rates.high: got 1; expected at least 2, the value of low"),
        ("learning_rates.num", 1, "got 1; expected at least 2, as low and high differ"),
        ("learning_rates.low", 1, "learning_rates.num: got 5; expected 1, as low = high"),
        ("learning_rates.low", 1 - 1e-9, f"learning_rates.num: got 5; {ALIKE}"),
        ("learning_rates.num", 10**9, "got 1000000000; expected a whole number from 1 to 1,000"),
        ("seeds.tune", "2", 'got "2"; expected a number of seeds, or a list of them'),
        ("seeds.tune", True, "got true; expected a number of seeds, or a list of them"),
        ("seeds.tune", [], "got []; expected at least one entry"),
        ("seeds.tune", [4, 5, 4], "got 4 more than once; expected each seed once"),
        ("seeds.tune", [SEED_LIMIT], f"seeds.tune[0]: got 4294967296; {SEED}"),
        ("seeds.tune", [7, -1], f"seeds.tune[1]: got -1; {SEED}"),
        ("seeds.evaluate", 10**9, "got 1000000000; expected a whole number from 1 to 100,000"),
        ("seeds.evaluate", [1, 7], "got 1, as in tune; expected fresh seeds, none that tuning uses"),
        ("seeds.test", 1, "got an unknown key; expected a key of seeds: one of evaluate, tune"),
    ],
)  # fmt: skip
def test_one_thing_wrong_is_one_plain_message(where: str, value: object, message: str) -> None:
    """The message is told of the key itself, unless it names another."""
    path = [int(part) if part.isdecimal() else part for part in re.findall(r"\w+", where)]
    expected = message if ": got" in message else f"{where}: {message}"
    assert told(changed(path, value)) == [f"a.toml: {expected}"]


def test_all_that_is_wrong_is_told_at_once() -> None:
    entry = {"name": "adam", "b1": "x", "b4": 1, "learning_rates": {"low": 0, "high": True, "num": 1.0}}
    values = {**BASE, "optimizers": [entry, "sgdd"], "eval_every": 99, "batch_size": 999, "seed": 1}
    keys = [problem.split(": ")[1] for problem in told(values)]
    rates = [f"optimizers[0].learning_rates.{key}" for key in ("low", "high", "num")]
    wrong = ["optimizers[0].b1", "optimizers[0].b4", *rates, "optimizers[1]", "batch_size", "eval_every", "seed"]
    assert sorted(keys) == sorted(wrong)
    assert len(told({})) == 9


def test_whole_numbers_do_where_numbers_are_expected() -> None:
    suite = parse(changed(["learning_rates"], {"low": 1, "high": 4, "num": 3}))
    assert suite.learning_rates.values() == [1.0, 2.0, 4.0]
    assert parse(changed(["optimizers", 1, "b1"], 0)).optimizers[1].resolve().arguments["b1"] == 0


def test_described_is_the_suite_again() -> None:
    suite = parse(BASE)
    assert parse(suite.described()) == suite
    assert suite.described()["optimizers"] == [{"name": "sgd"}, BASE["optimizers"][1]]


def test_arguments_reach_the_entries() -> None:
    suite = parse(BASE)
    assert [a.resolve().label for a in suite.activations] == ["relu", "elu(alpha=2)"]
    assert suite.optimizers[1].resolve().label == "adam(b1=0.5)"


def test_grids() -> None:
    suite = parse({**BASE, "optimizers": [*BASE["optimizers"], "prodigy"]})
    assert suite.grid(suite.optimizers[0]) == [0.0001, 0.001, 0.01, 0.1, 1.0], "tidy"
    assert suite.grid(suite.optimizers[1]) == [0.001, 0.01, 0.1], "its own"
    assert suite.grid(suite.optimizers[2]) == [0.01, 0.1, 1.0, 10.0, 100.0], "a multiplier's is centred on 1"


@given(st.floats(1e-8, 1.0), st.floats(1.01, 1e8), st.integers(2, 30))
@settings(deadline=None, max_examples=50)
def test_grids_keep_their_ends_and_ratios(low: float, ratio: float, num: int) -> None:
    low = float(f"{low:.6g}")
    high = float(f"{low * ratio:.6g}")
    try:
        suite = parse(changed(["learning_rates"], {"low": low, "high": high, "num": num}))
    except InputError as error:
        assert "alike in six digits" in str(error)
        return
    rates, multipliers = suite.learning_rates.values(), suite.learning_rates.values(multiplier=True)
    assert (rates[0], rates[-1]) == pytest.approx((low, high), rel=2e-6)
    assert all(f"{rate:.6g}" == f"{rate:g}" for rate in rates) and sorted(set(rates)) == rates
    assert multipliers[0] * multipliers[-1] == pytest.approx(1, rel=2e-5)


def test_evaluation_seeds_are_fresh() -> None:
    seeds = parse(changed(["seeds"], {"tune": [0, 2, SEED_LIMIT - 1], "evaluate": 3})).seeds
    assert seeds.evaluate_list() == [1, 3, 4]
    assert parse(BASE).seeds.evaluate_list() == [2, 3, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name = '\xff'", "got bytes that are not UTF-8 at 8; expected TOML in UTF-8"),
        (b"name =", "got text that is not TOML (Invalid value (at end of document)); expected a suite file (TOML)"),
        (b"steps = " + b"9" * 5000, "got text that is not TOML (Exceeds the limit (4300 digits)"),
        (b"steps = " + b"[" * 5000, "got text that is not TOML ("),
        (b"", "name: got nothing; expected this key"),
    ],
)
def test_a_file_that_is_no_suite(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(file)
    assert caught.value.problems[0].startswith(f"{file}: {message}")


def test_no_such_file(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path, f"{tmp_path}: got a directory; expected a suite file (TOML)"),
        ("quik", "quik: got no such file; expected a suite file or a suite's name, perhaps quick"),
        ("x" * 300, f'"{"x" * 76}...: got File name too long; expected a readable suite file'),
    ):
        with pytest.raises(InputError) as caught:
            read(path)
        assert caught.value.problems == [message]


@pytest.mark.parametrize("file", suite_files(), ids=lambda file: file.stem)
def test_every_suite_that_comes_along_is_read_by_its_name(file: Path) -> None:
    assert read(file.stem).name == file.stem
    assert read(file).description


def keys(values: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in nested values."""
    inner = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    return [(*path, key) for key, _ in inner] + [found for key, of in inner for found in keys(of, (*path, key))]


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates() | st.just(10**400)
    | st.sampled_from(["relu", "adam", "wine_mlp", "name", "prelu", "lbfgs"])
)  # fmt: skip
junk = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(["name", "low", "num", "tune", "arguments"]), inner)
    ),
    max_leaves=8,
)


@given(st.sampled_from([*keys(BASE), ("new",), ("seeds", "new"), ("optimizers", 1, "new")]), junk)
@settings(deadline=None, max_examples=300)
def test_junk_anywhere_is_refused_in_words_or_taken(path: Path_, value: object) -> None:
    try:
        suite = parse(changed(path, value), "a.toml")
    except InputError as error:
        for problem in error.problems:
            assert problem.startswith("a.toml: ") and "; expected " in problem and " got " in problem
            assert not any(
                word in problem for word in ("Value error", "Input should", "constrained", "pydantic", " object at ")
            )
        assert len(set(error.problems)) == len(error.problems)
    else:
        assert isinstance(suite, Suite)
        assert parse(suite.described()) == suite
