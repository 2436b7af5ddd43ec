"""Suite files: what is accepted, and what is said of what is not."""

import json
import math
import re
import tomllib
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bench
from bench.errors import InputError
from bench.planning import plan, suite
from bench.planning.budget import LearningRates, Range, Seeds, Tuning
from bench.planning.entries import ActivationEntry, Factors, OptimizerEntry
from bench.planning.locate import locate, suite_files
from bench.planning.suite import Suite
from bench.schedules import SCHEDULES

CONVERGENCE = [file for file in suite_files() if "kind" not in tomllib.loads(file.read_text("utf-8"))]
GOOD: dict[str, Any] = {
    "name": "mine",
    "tasks": ["wine_mlp"],
    "activations": ["tanh", "relu"],
    "optimizers": ["sgd", "adam"],
    "steps": 40,
    "batch_size": 32,
    "eval_every": 10,
    "learning_rates": {"low": 1e-3, "high": 1.0, "num": 4},
    "seeds": {"tune": 2, "evaluate": 3},
}
COUNTS = "a whole number from 1 to 10,000,000"
RATE = "a number above 0 (from 1e-30 to 1e30)"
SEED = "a whole number from 0 to 4,294,967,295"
NAN, INF = math.nan, math.inf


def problems(**changed: Any) -> list[str]:
    """What is said of a suite with these keys changed."""
    with pytest.raises(InputError) as caught:
        suite.parse(GOOD | changed, "mine.toml")
    assert all(re.match(r"mine\.toml: .+: got .+; expected .+", problem) for problem in caught.value.problems)
    return [problem.removeprefix("mine.toml: ") for problem in caught.value.problems]


class TestMessages:
    """The whole text, so that whoever changes it reads it."""

    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({"batchsize": 3}, "batchsize: got an unknown key; expected a key of a suite file, perhaps batch_size"),
            ({"steps": "many"}, f'steps: got "many"; expected {COUNTS}'),
            ({"steps": True}, f"steps: got true; expected {COUNTS}"),
            ({"steps": 40.0}, f"steps: got 40.0; expected {COUNTS}"),
            ({"steps": 0}, f"steps: got 0; expected {COUNTS}"),
            ({"eval_every": 41}, "eval_every: got 41; expected at most 40, the number of steps"),
            ({"batch_size": 107}, "batch_size: got 107; expected at most 106, the training samples of wine_mlp"),
            ({"batch_size": 2**70}, f"batch_size: got {2**70}; expected a whole number from 1 to 1,000,000"),
            ({"name": "a/b"}, f'name: got "a/b"; expected {suite.NAMED}'),
            ({"name": "a\n"}, f'name: got "a\\n"; expected {suite.NAMED}'),
            ({"name": 3}, "name: got 3; expected a string"),
            ({"description": []}, "description: got []; expected a string"),
            ({"seeds": 5}, "seeds: got 5; expected a table"),
            ({"learning_rates": [0.1]}, "learning_rates: got [0.1]; expected a table"),
        ],
    )
    def test_keys(self, changed: dict[str, Any], expected: str) -> None:
        assert problems(**changed) == [expected]

    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({"tasks": []}, "tasks: got []; expected at least one entry"),
            ({"tasks": "wine_mlp"}, 'tasks: got "wine_mlp"; expected a list'),
            (
                {"tasks": ["win_mlp"]},
                'tasks[0]: got "win_mlp"; expected the name of a task, perhaps wine_mlp or mnist_mlp',
            ),
            (
                {"tasks": [{"name": "wine_mlp", "target": 5}]},
                "tasks[0].target: got 5; expected no such key: it is for a file of arrays, a .npz",
            ),
            ({"tasks": ["wine_mlp", 3]}, "tasks[1]: got 3; expected a name, or a table with a name"),
            ({"tasks": ["wine_mlp"] * 2}, "tasks: got wine_mlp more than once; expected each once"),
            (
                {"tasks": ["wine_mlp", {"name": "wine_mlp", "width": 32}]},
                "tasks: got wine_mlp, wine_mlp(width=32) more than once; expected each once",
            ),
            ({"activations": []}, "activations: got []; expected at least one entry"),
            ({"activations": ["RELU"]}, 'activations[0]: got "RELU"; expected the name of an activation, perhaps relu'),
            ({"activations": ["relu", "relu"]}, "activations: got relu more than once; expected each once"),
            (
                {"activations": [{"name": "leaky_relu", "slope": 0.1}]},
                "activations[0].slope: got an unknown argument; expected an argument of leaky_relu: negative_slope",
            ),
            (
                {"activations": [{"name": "relu", "alpha": 1.0}]},
                "activations[0].alpha: got an unknown argument; expected none: relu has no arguments",
            ),
            (
                {"activations": [{"name": "maxout", "pieces": 1}]},
                "activations[0].pieces: got 1; expected a whole number from 2 to 64",
            ),
            ({"optimizers": []}, "optimizers: got []; expected at least one entry"),
            ({"optimizers": [[]]}, "optimizers[0]: got []; expected a name, or a table with a name"),
            ({"optimizers": [{"b1": 0.9}]}, "optimizers[0].name: got nothing; expected this key"),
            (
                {"optimizers": ["qqq"]},
                'optimizers[0]: got "qqq"; expected the name of an optimizer; bench list optimizers shows them',
            ),
            (
                {"optimizers": ["adam", {"name": "adam", "b1": 0.9}, {"name": "adam", "b1": 0.8}, "adam"]},
                "optimizers: got adam more than once; expected each once",
            ),
            (
                {"optimizers": [{"name": "adam", "b1": "0.9"}]},
                'optimizers[0].b1: got "0.9"; expected a number from 0 to below 1',
            ),
            (
                {"optimizers": [{"name": "momo", "beta": True}]},
                "optimizers[0].beta: got true; expected a finite number",
            ),
            ({"optimizers": [{"name": "momo", "beta": NAN}]}, "optimizers[0].beta: got nan; expected a finite number"),
            (
                {"optimizers": [{"name": "momo", "beta": -INF}]},
                "optimizers[0].beta: got -inf; expected a finite number",
            ),
            (
                {"optimizers": [{"name": "adam", "nesterov": 1}]},
                "optimizers[0].nesterov: got 1; expected true or false",
            ),
            (
                {"optimizers": [{"name": "galore", "rank": 2.0}]},
                "optimizers[0].rank: got 2.0; expected a whole number from 1 to 1,000,000",
            ),
            (
                {"optimizers": [{"name": "adam", "learning_rates": {"low": 1, "high": 2, "num": 2, "step": 1}}]},
                "optimizers[0].learning_rates.step: got an unknown key;"
                " expected a key of learning_rates: one of high, low, num",
            ),
        ],
    )
    def test_lists(self, changed: dict[str, Any], expected: str) -> None:
        assert problems(**changed) == [expected]

    @pytest.mark.parametrize(
        ("entry", "key", "expected"),
        [
            ({"name": "adam", "b1": 1}, "b1", "a number from 0 to below 1"),
            ({"name": "adam", "b2": 1 - 1e-9}, "b2", "a number from 0 to below 1"),  # 1 as a float32
            ({"name": "adam", "b1": {"low": 0.5, "high": 1.5}}, "b1", "a number from 0 to below 1"),
            ({"name": "adam", "eps": -1}, "eps", "a number of 0 or more"),
            ({"name": "adamw", "weight_decay": -1e-3}, "weight_decay", "a number of 0 or more"),
            ({"name": "sgd", "weight_decay": -1}, "weight_decay", "a number of 0 or more"),
            ({"name": "sgd", "momentum": 1.5}, "momentum", "a number from 0 to 1"),
            ({"name": "galore", "update_proj_gap": 0}, "update_proj_gap", "a whole number from 1 to 1,000,000"),
            ({"name": "step", "every": 0}, "every", "a number between 0 and 1"),
            ({"name": "warmup_cosine", "warmup": 2}, "warmup", "a number between 0 and 1"),
            ({"name": "one_cycle", "peak": 1}, "peak", "a number between 0 and 1"),
            ({"name": "cosine", "final": -0.1}, "final", "a number from 0 to 1"),
        ],
    )
    def test_arguments_that_no_method_can_have(self, entry: dict[str, Any], key: str, expected: str) -> None:
        optimizer = {"name": "sgd", "schedule": entry} if entry["name"] in SCHEDULES else entry
        place = "optimizers[0].schedule" if entry["name"] in SCHEDULES else "optimizers[0]"
        assert problems(optimizers=[optimizer]) == [f"{place}.{key}: got {json.dumps(entry[key])}; expected {expected}"]

    @pytest.mark.parametrize(
        ("kind", "entry", "expected"),
        [
            ("tasks", {"name": "modular_transformer", "modulus": 0}, "a whole number from 3 to 1,000"),
            ("tasks", {"name": "modular_transformer", "modulus": 1_000_000}, "a whole number from 3 to 1,000"),
            ("tasks", {"name": "modular_transformer", "train_fraction": 0.0}, "a number from 0.01 to 0.99"),
            ("tasks", {"name": "modular_transformer", "train_fraction": 1e30}, "a number from 0.01 to 0.99"),
            ("tasks", {"name": "adding_rnn", "length": 1}, "a whole number from 2 to 1,000,000"),
            ("tasks", {"name": "digits_autoencoder", "code": 0}, "a whole number from 1 to 100,000"),
            ("tasks", {"name": "digits_vae", "code": 0}, "a whole number from 1 to 100,000"),
            ("tasks", {"name": "digits_gan", "latent": 0}, "a whole number from 1 to 100,000"),
            ("tasks", {"name": "ring_gan", "latent": 0}, "a whole number from 1 to 100,000"),
            ("activations", {"name": "celu", "alpha": 0}, "a number of at least 1e-06 or at most -1e-06"),
        ],
    )
    def test_arguments_that_no_network_can_have(self, kind: str, entry: dict[str, Any], expected: str) -> None:
        key = list(entry)[1]
        assert problems(**{kind: [entry]}) == [f"{kind}[0].{key}: got {json.dumps(entry[key])}; expected {expected}"]

    @pytest.mark.parametrize(
        ("entry", "told"),
        [
            ({"name": "digits_transformer", "width": 5}, "got a width of 5; expected a multiple of 2"),
            ({"name": "modular_transformer", "width": 6}, "got a width of 6; expected a multiple of 4"),
            ({"name": "modular_transformer", "modulus": 3, "train_fraction": 0.01}, "got 0.01 of 9 sums to train on"),
            ({"name": "modular_transformer", "modulus": 3, "train_fraction": 0.99}, "expected 1 to 7"),
        ],
    )
    def test_arguments_that_do_not_go_together(self, entry: dict[str, Any], told: str) -> None:
        with pytest.raises(InputError, match=told):
            plan.make(suite.parse(GOOD | {"tasks": [entry]}))

    @pytest.mark.parametrize(
        ("low", "high", "num", "expected"),
        [
            (0, 1, 2, f"low: got 0; expected {RATE}"),
            (-0.1, 1, 2, f"low: got -0.1; expected {RATE}"),
            (NAN, 1, 2, f"low: got nan; expected {RATE}"),
            (0.1, INF, 2, f"high: got inf; expected {RATE}"),
            ("0.1", 1, 2, f'low: got "0.1"; expected {RATE}'),
            (True, 1, 2, f"low: got true; expected {RATE}"),
            (1, 0.1, 2, "high: got 0.1; expected at least 1, the value of low"),
            (0.1, 1, 0, "num: got 0; expected a whole number from 1 to 1,000"),
            (0.1, 1, 1, "num: got 1; expected at least 2, as low and high differ"),
            (0.1, 0.1, 2, "num: got 2; expected 1, as low = high"),
            (1, 1.00001, 9, "num: got 9; expected fewer: some of the rates are alike in six digits"),
            (0.9, 0.900009, 9, "num: got 9; expected fewer: some of the rates are alike in six digits"),
        ],
    )
    def test_learning_rates(self, low: Any, high: Any, num: Any, expected: str) -> None:
        grid = {"low": low, "high": high, "num": num}
        assert problems(learning_rates=grid) == [f"learning_rates.{expected}"]
        own = [{"name": "adam", "learning_rates": grid}]
        assert problems(optimizers=own) == [f"optimizers[0].learning_rates.{expected}"]

    @pytest.mark.parametrize(
        ("tune", "evaluate", "expected"),
        [
            (0, 3, "tune: got 0; expected a whole number from 1 to 100,000"),
            (True, 3, "tune: got true; expected a number of seeds, or a list of them"),
            ("2", 3, 'tune: got "2"; expected a number of seeds, or a list of them'),
            (2, 1.5, "evaluate: got 1.5; expected a number of seeds, or a list of them"),
            ([], 3, "tune: got []; expected at least one entry"),
            ([4, 5, 4], 3, "tune: got 4 more than once; expected each seed once"),
            ([2**32], 3, f"tune[0]: got 4294967296; expected {SEED}"),
            ([-1], 3, f"tune[0]: got -1; expected {SEED}"),
            ([7, True], 3, f"tune[1]: got true; expected {SEED}"),
            ([7], [8, 7], "evaluate: got 7, as in tune; expected fresh seeds, none that tuning uses"),
            (3, [2, 3], "evaluate: got 2, as in tune; expected fresh seeds, none that tuning uses"),
        ],
    )
    def test_seeds(self, tune: Any, evaluate: Any, expected: str) -> None:
        assert problems(seeds={"tune": tune, "evaluate": evaluate}) == [f"seeds.{expected}"]

    def test_all_that_is_wrong_is_told_at_once(self) -> None:
        optimizer = {"name": "adam", "beta": 1, "b2": "x", "learning_rates": {"low": 0, "high": 1, "num": 2}}
        found = problems(tasks=["iris"], optimizers=["sgd", optimizer], steps=-1, seeds={"tune": 2}, extra=1)
        assert [problem.partition(":")[0] for problem in found] == [
            "tasks[0]",
            "optimizers[1].beta",
            "optimizers[1].b2",
            "optimizers[1].learning_rates.low",
            "steps",
            "seeds.evaluate",
            "extra",
        ]

    def test_each_missing_key_is_told(self) -> None:
        with pytest.raises(InputError) as caught:
            suite.parse({}, "mine.toml")
        keys = [key for key in GOOD if key != "description"]
        assert caught.value.problems == [f"mine.toml: {key}: got nothing; expected this key" for key in keys]

    def test_long_values_are_cut_short(self) -> None:
        (problem,) = problems(steps=["x" * 1000])
        assert len(problem) < 200
        assert problems(steps=int("f" * 5000, 16))[0].startswith("steps: got a value too long to show; expected")

    def test_python_gets_the_same_errors(self) -> None:
        with pytest.raises(InputError) as caught:
            bench.Suite(**(GOOD | {"steps": 0, "self": 1}))
        assert [problem.partition(":")[0] for problem in caught.value.problems] == ["steps", "self"]


class TestValues:
    def test_whole_numbers_are_fine_where_a_number_is_expected(self) -> None:
        entry = OptimizerEntry.model_validate({"name": "adam", "b1": 0, "eps": 1})
        assert entry.arguments == {"b1": 0.0, "eps": 1.0}
        assert all(type(value) is float for value in entry.arguments.values())
        rates = LearningRates.model_validate({"low": 1, "high": 10, "num": 2})
        assert (rates.low, rates.values()) == (1.0, [1.0, 10.0])

    def test_a_name_is_a_table_with_that_name(self) -> None:
        assert ActivationEntry.model_validate("relu") == ActivationEntry.model_validate({"name": "relu"})

    def test_arguments_are_those_of_the_resolved_entry(self) -> None:
        parsed = suite.parse(GOOD | {"optimizers": ["adam", {"name": "adam", "b1": 0.8}]})
        assert [entry.resolve().label for entry in parsed.optimizers] == ["adam", "adam(b1=0.8)"]
        assert parsed.optimizers[1].resolve().arguments["b1"] == 0.8
        pieces = ActivationEntry.model_validate({"name": "maxout", "pieces": 4}).resolve().pieces
        assert pieces == 4

    @pytest.mark.parametrize("file", CONVERGENCE, ids=lambda file: file.stem)
    def test_every_suite_parses_and_is_the_same_after_a_manifest(self, file: Path) -> None:
        read = suite.read(file)
        assert read.name == file.stem
        assert read.description
        assert suite.read(file.stem) == read
        assert suite.parse(json.loads(json.dumps(read.described()))) == read

    def test_all_of_a_suite_survives_a_manifest(self) -> None:
        own = {"name": "adam", "b1": 0.8, "nesterov": True, "learning_rates": {"low": 0.1, "high": 1.0, "num": 2}}
        whole = suite.parse(GOOD | {"optimizers": ["sgd", own], "activations": [{"name": "elu", "alpha": 2}]})
        assert whole.described()["optimizers"] == [{"name": "sgd"}, own]
        assert suite.parse(whole.described()) == whole

    def test_the_order_of_an_entry_s_keys_changes_nothing(self) -> None:
        """A manifest sorts its keys: a run was no longer its own suite's where a file had them in another order."""
        first, second = {"low": 0.8, "high": 0.9}, {"low": 0.98, "high": 0.99}
        adam, momentum = {"b2": second, "b1": first}, {"nesterov": True, "momentum": 0.8}
        task = {"name": "digits_mlp", "width": 16, "loss": "hinge"}
        optimizers = [{"name": "adam", **adam}, {"name": "momentum", **momentum}]
        rates, tuning = {"low": 0.01, "high": 1.0}, {"method": "sobol", "trials": 4}
        changed = {"tasks": [task], "optimizers": optimizers, "learning_rates": rates, "tuning": tuning}
        read = suite.parse(GOOD | changed)
        again = suite.parse(json.loads(json.dumps(read.described(), sort_keys=True)))
        assert plan.make(again).sha256 == plan.make(read).sha256
        assert read.works[0].task.name == "digits_mlp(loss=hinge,width=16)"
        told = "digits_mlp(width=16,loss=hinge)", "relu", "momentum(nesterov=True,momentum=0.8)"
        cell = suite.single(read.described(), *told, {"learning_rate": 0.1})
        assert cell.works[0].task.name == read.works[0].task.name

    def test_all_optimizers_has_them_all(self) -> None:
        from bench.optimizers import OPTIMIZERS

        assert sorted(e.name for e in suite.read("all_optimizers").optimizers) == sorted(OPTIMIZERS)

    def test_all_activations_has_them_all(self) -> None:
        from bench.activations import ACTIVATIONS

        assert sorted(e.name for e in suite.read("all_activations").activations) == sorted(ACTIVATIONS)


def test_numbers_of_numpy_tuples_and_paths_are_taken_as_what_a_file_could_hold() -> None:
    like = {
        "tasks": ("wine_mlp",),
        "steps": np.int64(40),
        "eval_every": np.int32(20),
        "learning_rates": {"low": np.float32(0.5), "high": np.float64(0.5), "num": np.int64(1)},
        "seeds": {"tune": np.array([4, 5]), "evaluate": list(np.arange(3))},
        "optimizers": [{"name": "adam", "b1": np.float32(0.5)}],
    }
    given = suite.Suite(**(GOOD | like))
    assert suite.parse(json.loads(json.dumps(given.described()))) == given
    assert given.seeds.tune_list() == [4, 5] and given.learning_rates.low == 0.5
    assert problems(steps=np.float64(40)) == ["steps: got 40.0; expected a whole number from 1 to 10,000,000"]
    assert problems(steps=np.bool_(True)) == ["steps: got true; expected a whole number from 1 to 10,000,000"]


class TestGrid:
    def test_is_tidy(self) -> None:
        grid = LearningRates(low=1e-4, high=1.0, num=5)
        assert grid.values() == [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
        assert LearningRates(low=1e-3, high=1.0, num=7).values()[1] == 0.00316228

    def test_of_a_multiplier_is_centred_on_one(self) -> None:
        grid = LearningRates(low=1e-4, high=1.0, num=5)
        assert grid.values(multiplier=True) == [0.01, 0.1, 1.0, 10.0, 100.0]

    @given(
        st.floats(1e-8, 1e3),
        st.floats(1.01, 1e6),
        st.integers(2, 40),
        st.booleans(),
    )
    @settings(deadline=None, max_examples=60)
    def test_has_equal_ratios(self, low: float, ratio: float, num: int, multiplier: bool) -> None:
        values = LearningRates(low=low, high=low * ratio, num=num).values(multiplier)
        assert len(set(values)) == num
        assert values == sorted(values)
        steps = [math.log(b / a) for a, b in pairwise(values)]
        assert steps == pytest.approx([math.log(ratio) / (num - 1)] * (num - 1), abs=1.1e-5)  # six digits
        middle = math.sqrt(values[0] * values[-1])
        assert middle == pytest.approx(1.0 if multiplier else low * math.sqrt(ratio), rel=1e-5)

    def test_of_an_optimizer_is_its_own_else_the_shared_one(self) -> None:
        own = {"learning_rates": {"low": 0.25, "high": 4, "num": 3}}
        optimizers = ["sgd", {"name": "adam"} | own, "dog", {"name": "dowg"} | own]
        parsed = suite.parse(GOOD | {"optimizers": optimizers})
        sgd, adam, dog, dowg = ([trial.learning_rate for trial in parsed.trials(e)] for e in parsed.optimizers)
        assert sgd == [0.001, 0.01, 0.1, 1.0]
        assert adam == dowg == [0.25, 1.0, 4.0]
        assert dog == [0.0316228, 0.316228, 3.16228, 31.6228]


SEARCH: dict[str, Any] = {"tuning": {"method": "sobol", "trials": 8}, "learning_rates": {"low": 1e-3, "high": 1.0}}
ONLY_NUMBERS = "expected one value: only numbers that an optimizer takes can have a range"
HALF = {"low": 0.5, "high": 0.9}
TOLD = '{"low": 0.5, "high": 0.9}'


class TestSearch:
    @pytest.mark.parametrize(
        ("tuning", "expected"),
        [
            ({"method": "sobl"}, 'method: got "sobl"; expected a name, perhaps sobol'),
            ({"method": []}, "method: got []; expected a name: one of grid, halving, random, sobol"),
            ({"method": "sobol"}, "trials: got nothing; expected this key"),
            ({"method": "sobol", "trials": 0}, "trials: got 0; expected a whole number from 1 to 100,000"),
            ({"method": "random", "trials": "8"}, 'trials: got "8"; expected a whole number from 1 to 100,000'),
            (
                {"method": "sobol", "trials": 8, "eta": 2},
                "eta: got 2; expected no such key with the method sobol: it is for halving",
            ),
            ({"method": "halving", "trials": 2}, "trials: got 2; expected at least 3, as one in 3 goes on"),
            ({"method": "halving", "trials": 9, "eta": 1}, "eta: got 1; expected a whole number from 2 to 100"),
            ({"method": "halving", "trials": 9, "of": "grid"}, 'of: got "grid"; expected a name: one of random, sobol'),
            (
                {"method": "sobol", "trials": 8, "trails": 9},
                "trails: got an unknown key; expected a key of tuning, perhaps trials",
            ),
        ],
    )
    def test_tuning(self, tuning: dict[str, Any], expected: str) -> None:
        assert problems(**SEARCH | {"tuning": tuning}) == [f"tuning.{expected}"]

    def test_a_grid_has_no_trials(self) -> None:
        (told,) = problems(tuning={"method": "grid", "trials": 4})
        assert told == (
            "tuning.trials: got 4; expected no such key with the method grid: it is for sobol, random, halving"
        )

    @pytest.mark.parametrize(
        ("b1", "expected"),
        [
            ({"low": 0.9, "high": 0.5}, ".high: got 0.5; expected more than 0.9, the value of low"),
            ({"low": 0.9}, ".high: got nothing; expected this key"),
            ({"low": 0, "high": 0.5}, ".scale: got 0 to 0.5; expected numbers above 0, as the scale is log"),
            (
                {"low": 0.9, "high": 1.0, "scale": "one_minus"},
                ".scale: got 0.9 to 1; expected numbers below 1, as the scale is one_minus",
            ),
            ({"low": 0.9, "high": 0.95, "scale": "lin"}, '.scale: got "lin"; expected a name, perhaps linear'),
            (
                {"low": 0.9, "high": 0.95, "sale": "log"},
                ".sale: got an unknown key; expected a key of b1, perhaps scale",
            ),
            ({"low": True, "high": 0.95}, ".low: got true; expected a finite number"),
        ],
    )
    def test_ranges(self, b1: dict[str, Any], expected: str) -> None:
        assert problems(**SEARCH, optimizers=[{"name": "adam", "b1": b1}]) == [f"optimizers[0].b1{expected}"]

    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            (
                {"learning_rates": {"low": 1e-3, "high": 1.0, "num": 4}},
                "learning_rates.num: got 4; expected no such key: [tuning] says how many trials",
            ),
            (
                {"optimizers": [{"name": "adam", "learning_rates": {"low": 1, "high": 2, "num": 3}}]},
                "optimizers[0].learning_rates.num: got 3; expected no such key: [tuning] says how many trials",
            ),
            (
                {"optimizers": [{"name": "adam", "nesterov": HALF}]},
                f"optimizers[0].nesterov: got {TOLD}; {ONLY_NUMBERS}",
            ),
            (
                {"optimizers": [{"name": "muon", "ns_steps": HALF}]},
                f"optimizers[0].ns_steps: got {TOLD}; {ONLY_NUMBERS}",
            ),
            ({"tasks": [{"name": "wine_mlp", "width": HALF}]}, f"tasks[0].width: got {TOLD}; {ONLY_NUMBERS}"),
            ({"activations": [{"name": "elu", "alpha": HALF}]}, f"activations[0].alpha: got {TOLD}; {ONLY_NUMBERS}"),
            (
                {"optimizers": [{"name": "adam", "clip_norm": {"low": -1, "high": 2, "scale": "linear"}}]},
                'optimizers[0].clip_norm: got {"low": -1, "high": 2, "scale": "linear"};'
                " expected a number of 0 or more",
            ),
            (
                {"tuning": {"method": "halving", "trials": 81}},
                "steps: got 40; expected at least 81, as the first trials of a halving train for 1/81 of them",
            ),
        ],
    )
    def test_what_does_not_fit(self, changed: dict[str, Any], expected: str) -> None:
        assert problems(**SEARCH | changed) == [expected]

    @pytest.mark.parametrize(
        ("changed", "key"),
        [
            ({"optimizers": ["sgd", {"name": "adam", "b1": HALF}]}, "optimizers[1].b1"),
            ({"factors": {"weight_decay": [0, HALF]}}, "factors.weight_decay"),
        ],
    )
    def test_a_grid_tries_no_range(self, changed: dict[str, Any], key: str) -> None:
        expected = "got a range; expected a number, or a range and a [tuning] whose method is not grid"
        assert problems(**changed) == [f"{key}: {expected}"]

    def test_a_grid_needs_its_number(self) -> None:
        assert problems(learning_rates={"low": 0.1, "high": 1}) == [
            "learning_rates.num: got nothing; expected this key"
        ]

    def test_cells_are_tried_at_the_same_points(self) -> None:
        adam = {
            "name": "adam",
            "b1": HALF | {"scale": "linear"},
            "b2": {"low": 0.9, "high": 0.999, "scale": "one_minus"},
        }
        made = parsed(**SEARCH, optimizers=["sgd", "dog", adam])
        sgd, dog, searched = (trials for _, trials in made.tuned_optimizers)
        assert len(sgd) == len(dog) == len(searched) == 8
        assert [trial.learning_rate for trial in sgd] == [trial.learning_rate for trial in searched]
        assert [d.learning_rate / s.learning_rate for d, s in zip(dog, sgd, strict=True)] == pytest.approx(
            [1000**0.5] * 8, rel=1e-4
        )
        assert all(1e-3 <= trial.learning_rate <= 1 for trial in sgd)
        assert all(0.5 <= b1 <= 0.9 and 0.9 <= b2 <= 0.999 for b1, b2 in (trial.values for trial in searched))
        assert {len(trial.values) for trial in sgd} == {0}
        eighths = sorted(int(8 * (b1 - 0.5) / 0.4) for b1, _ in (trial.values for trial in searched))
        assert eighths == list(range(8))

    def test_draws_hang_on_method_and_seed(self) -> None:
        def drawn(**tuning: Any) -> list[float]:
            made = parsed(**SEARCH | {"tuning": {"trials": 8, **tuning}}, optimizers=["sgd"])
            return [trial.learning_rate for trial in made.tuned_optimizers[0][1]]

        assert drawn(method="sobol") == drawn(method="sobol", seed=0) == drawn(method="halving")
        assert drawn(method="random") == drawn(method="halving", of="random")
        assert len({tuple(drawn(method=m, seed=s)) for m in ("sobol", "random") for s in (0, 1)}) == 4

    def test_a_label_tells_what_is_searched(self) -> None:
        made = parsed(**SEARCH, optimizers=[{"name": "momentum", "momentum": HALF}, "momentum"])
        (searched, _), (fixed, _) = made.tuned_optimizers
        assert (searched.label, searched.searched, dict(searched.arguments)) == (
            "momentum(momentum=0.5..0.9)", ("momentum",), {},
        )  # fmt: skip
        assert (fixed.label, fixed.searched, dict(fixed.arguments)) == ("momentum", (), {"momentum": 0.9})
        scaled = [{"name": "adam", "b1": HALF | {"scale": scale}} for scale in ("log", "linear", "one_minus")]
        assert [entry.label for entry, _ in parsed(**SEARCH, optimizers=scaled).tuned_optimizers] == [
            "adam(b1=0.5..0.9)", "adam(b1=0.5..0.9 linear)", "adam(b1=0.5..0.9 one_minus)",
        ]  # fmt: skip

    def test_a_searched_cell_alone_is_fixed_at_what_was_found(self) -> None:
        adam = {"name": "adam", "b1": HALF, "learning_rates": {"low": 0.1, "high": 0.2}}
        made = parsed(**SEARCH, optimizers=["sgd", adam])
        found = {"b1": 0.75, "learning_rate": 0.125, "negative_slope": 0.1}
        alone = suite.single(made.described(), "wine_mlp", "relu", "adam(b1=0.5..0.9)", found)
        ((optimizer, trials),) = alone.tuned_optimizers
        assert (optimizer.label, [trial.learning_rate for trial in trials]) == ("adam(b1=0.75)", [0.125])

    def test_a_suite_on_a_grid_is_described_as_before_there_was_a_choice(self) -> None:
        assert "tuning" not in parsed().described()
        assert parsed(tuning={"method": "grid"}).described() == parsed().described()
        assert parsed(**SEARCH).described()["tuning"] == {"method": "sobol", "seed": 0, "trials": 8}


class TestSeeds:
    @given(
        st.one_of(st.integers(1, 50), st.lists(st.integers(0, 60), min_size=1, unique=True)),
        st.integers(1, 50),
    )
    @settings(deadline=None, max_examples=60)
    def test_fresh_seeds_are_the_first_that_tuning_does_not_use(self, tune: int | list[int], evaluate: int) -> None:
        seeds = Seeds(tune=tune, evaluate=evaluate)
        fresh = seeds.evaluate_list()
        assert len(set(fresh)) == evaluate
        assert not set(fresh) & set(seeds.tune_list())
        assert set(range(max(fresh))) <= set(fresh) | set(seeds.tune_list())

    def test_are_those_named(self) -> None:
        seeds = Seeds(tune=[2**32 - 1, 0], evaluate=[5, 3])
        assert (seeds.tune_list(), seeds.evaluate_list()) == ([2**32 - 1, 0], [5, 3])


class TestRead:
    def told(self, path: Path | str) -> str:
        with pytest.raises(InputError) as caught:
            suite.read(path)
        (problem,) = caught.value.problems
        return problem

    def test_missing(self, tmp_path: Path) -> None:
        path = tmp_path / "quik.toml"
        expected = "expected a suite file or a suite's name, perhaps quick"
        assert self.told(path) == f"{path}: got no such file; {expected}"
        assert self.told("quik") == f"quik: got no such file; {expected}"
        assert "expected a suite file or a suite's name; bench list suites shows them" in self.told("mine.toml")
        assert self.told(tmp_path / "no" / "such.toml").startswith(f"{tmp_path}/no/such.toml: got no such file")

    def test_directory(self, tmp_path: Path) -> None:
        assert self.told(tmp_path) == f"{tmp_path}: got a directory; expected a suite file (TOML)"

    def test_not_utf8(self, tmp_path: Path) -> None:
        (tmp_path / "a.toml").write_bytes(b'name = "\xff"')
        expected = "got bytes that are not UTF-8 at 8; expected TOML in UTF-8"
        assert self.told(tmp_path / "a.toml") == f"{tmp_path}/a.toml: {expected}"

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("steps = = 3", "Invalid value"),
            ('name = "a"\nname = "b"', "Cannot overwrite a value"),
            ("steps = " + "9" * 5000, ""),
            ("a = " + "[" * 5000, ""),
        ],
        ids=["syntax", "twice", "long", "deep"],
    )
    def test_not_toml(self, tmp_path: Path, text: str, reason: str) -> None:
        (tmp_path / "a.toml").write_text(text)
        problem = self.told(tmp_path / "a.toml")
        assert problem.startswith(f"{tmp_path}/a.toml: got text that is not TOML ({reason}")
        assert problem.endswith("); expected a suite file (TOML)")

    def test_a_name_that_no_file_can_have(self) -> None:
        assert "expected a readable suite file" in self.told("x" * 5000)

    def test_where_a_problem_is_begins_with_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.toml").write_text("steps = 0")
        with pytest.raises(InputError, match=re.escape(f"{tmp_path}/a.toml: steps: got 0; expected")):
            suite.read(tmp_path / "a.toml")

    def test_a_bare_name_is_a_file_here_or_a_suite_of_ours(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "quick").mkdir()
        assert locate("quick") == next(file for file in suite_files() if file.stem == "quick")
        (tmp_path / "smoke").write_text("steps = 0")
        assert locate("smoke") == Path("smoke")
        assert locate("nothing") == Path("nothing")


KEYS = ["name", "low", "num", "tune", "b1", "arguments", "learning_rates", "x y"]
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, 2**32, 2**64, 10**400, -1])
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["", "relu", "adam", "wine_mlp", "name", "arguments", "2"])
    | st.dates(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=6,
)


class TestJunk:
    """Whatever stands in a file gives a suite or an error that a user can read."""

    @staticmethod
    def check(values: dict[str, Any]) -> None:
        try:
            parsed = suite.parse(values, "junk.toml")
            assert isinstance(parsed, Suite)
            assert suite.parse(parsed.described()) == parsed
        except InputError as error:
            told = str(error)
            assert len(set(error.problems)) == len(error.problems) > 0
            assert all(re.match(r"junk\.toml: .+: got .+; expected .+", line, re.DOTALL) for line in error.problems)
            jargon = ("pydantic", "Input should", "Value error", "constrained", "<class", "object at", "type=")
            assert not any(word in told for word in jargon), told

    @given(st.sampled_from(sorted([*GOOD, "description", "extra"])), JUNK)
    @settings(deadline=None, max_examples=300)
    def test_at_a_key(self, key: str, value: Any) -> None:
        self.check(GOOD | {key: value})

    @given(st.sampled_from(["activations", "optimizers", "tasks", "learning_rates", "seeds"]), st.data())
    @settings(deadline=None, max_examples=200)
    def test_within_a_key(self, key: str, data: st.DataObject) -> None:
        values = deepcopy(GOOD)
        inner = values[key]
        if isinstance(inner, list):
            inner[0] = data.draw(JUNK)
        else:
            inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(JUNK)
        self.check(values)

    @given(st.sampled_from(["method", "trials", "eta", "of", "seed"]), JUNK, JUNK)
    @settings(deadline=None, max_examples=100)
    def test_within_a_search(self, key: str, value: Any, b1: Any) -> None:
        tuning = {"method": "halving", "trials": 9} | {key: value}
        self.check(GOOD | SEARCH | {"tuning": tuning, "optimizers": [{"name": "adam", "b1": b1}]})
        self.check(GOOD | SEARCH | {"optimizers": [{"name": "adam", "b1": {"low": 0.5, "high": 0.9, key: b1}}]})
        self.check(GOOD | SEARCH | {"optimizers": [{"name": "adam", "b1": {"low": value, "high": b1}}]})

    @given(st.dictionaries(st.sampled_from([*GOOD, "self", "model_config", "arguments"]), JUNK))
    @settings(deadline=None, max_examples=100)
    def test_everywhere(self, values: dict[str, Any]) -> None:
        self.check(values)

    @given(st.text(max_size=60) | st.binary(max_size=60))
    @settings(deadline=None, max_examples=100)
    def test_as_a_file(self, tmp_path_factory: pytest.TempPathFactory, content: str | bytes) -> None:
        path = tmp_path_factory.getbasetemp() / "junk.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        with pytest.raises(InputError):
            suite.read(path)


class TestDocs:
    PAGE = (Path(__file__).parents[2] / "docs" / "suites.md").read_text("utf-8")

    def test_every_key_is_explained(self) -> None:
        models = (Suite, LearningRates, Seeds, Factors, Tuning, Range)
        keys = {key for model in models for key in model.model_fields}
        assert [key for key in sorted(keys) if f"`{key}`" not in self.PAGE] == []

    def test_its_examples_parse_and_plan(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from bench.planning.plan import make

        (shown,) = re.findall(r"^```python\n(.*?)^run = ", self.PAGE, re.MULTILINE | re.DOTALL)
        (tmp_path / "own.py").write_text(shown, "utf-8")
        monkeypatch.chdir(tmp_path)
        examples = re.findall(r"^```toml\n(.*?)^```", self.PAGE, re.MULTILINE | re.DOTALL)
        whole = [values for values in map(tomllib.loads, examples) if "name" in values]
        assert whole
        for values in whole:
            assert make(suite.parse(values)).lanes > 0
        for values in map(tomllib.loads, examples):
            suite.parse(GOOD | values)  # the parts of a suite fit into one

    def test_its_errors_are_what_is_said(self) -> None:
        told = re.search(r"^error: (suites/mine\.toml: .*)$", self.PAGE, re.MULTILINE)
        assert told
        with pytest.raises(InputError, match=re.escape(told[1])):
            suite.parse(GOOD | {"batchsize": 1}, "suites/mine.toml")


def parsed(**changed: Any) -> Suite:
    return suite.parse(GOOD | changed)


class TestReference:
    @pytest.mark.parametrize("given", ["relu", "adam", "relu + adam", "relu+adam"])
    def test_is_one_of_what_the_suite_names(self, given: str) -> None:
        made = parsed(activations=["relu", "tanh"], optimizers=["sgd", "adam"], reference=given)
        assert made.reference in ("relu", "adam", "relu + adam")
        assert suite.parse(made.described()) == made
        assert "reference" not in parsed().described(), "older runs go on"

    def test_is_refused_where_the_suite_lacks_it(self) -> None:
        with pytest.raises(InputError) as error:
            parsed(activations=["relu", "tanh"], optimizers=["sgd"], reference="thanh")
        (problem,) = error.value.problems
        expected = "expected an activation, an optimizer or a cell of this suite, perhaps tanh"
        assert problem == f'suite: reference: got "thanh"; {expected}'

    def test_is_no_activation_where_no_task_has_any(self) -> None:
        landscapes = {"tasks": ["rosenbrock"], "activations": ["relu"], "optimizers": ["sgd", "adam"]}
        assert parsed(**landscapes, reference="adam").reference == "adam"
        for named in ("relu", "relu + adam"):
            with pytest.raises(InputError, match=r"expected an activation, an optimizer or a cell of this suite"):
                parsed(**landscapes, reference=named)

    def test_changes_no_result_and_so_no_plan(self) -> None:
        from bench.planning.plan import make

        suites = [parsed(activations=["relu", "tanh"], reference=named) for named in ("", "relu", "tanh")]
        assert len({make(made).sha256 for made in suites}) == 1

    def test_below_a_table_belongs_to_the_table_and_that_is_told(self) -> None:
        with pytest.raises(InputError) as error:
            parsed(seeds={"tune": 1, "evaluate": 2, "reference": "relu"})
        told = error.value.problems[0]
        assert told.startswith("suite: seeds.reference: got an unknown key; expected a key of seeds: ")
        assert told.endswith("; reference is a key of the suite, above its first [table]")

    def test_leaves_an_unknown_optimizer_to_be_told(self) -> None:
        with pytest.raises(InputError) as error:
            parsed(optimizers=["adm"], reference="relu")
        assert [problem.split(": got")[0] for problem in error.value.problems] == ["suite: optimizers[0]"]

    def test_may_have_a_factor(self) -> None:
        made = parsed(activations=["relu"], optimizers=["sgd"], factors={"weight_decay": [0.0, 0.1]})
        labels = [optimizer.label for optimizer, _ in made.tuned_optimizers]
        assert parsed(**{**made.described(), "reference": labels[1]}).reference == labels[1]

    def test_is_nothing_to_a_cell_alone(self) -> None:
        made = parsed(tasks=["wine_mlp"], activations=["relu", "tanh"], optimizers=["sgd", "adam"], reference="relu")
        assert suite.single(made.described(), "wine_mlp", "tanh", "adam").reference == ""


class TestFactors:
    def test_are_swept_with_every_task_and_every_optimizer(self) -> None:
        made = parsed(
            tasks=["wine_mlp", "digits_mlp"],
            optimizers=["sgd", "adam"],
            factors={
                "width": [16, 32],
                "batch_size": [8, 16],
                "schedule": ["constant", {"name": "cosine", "final": 0.1}],
            },
        )
        names = [work.task.name for work in made.works]
        assert names[:4] == [
            "wine_mlp(width=16,batch_size=8)", "wine_mlp(width=32,batch_size=8)",
            "wine_mlp(width=16,batch_size=16)", "wine_mlp(width=32,batch_size=16)",
        ]  # fmt: skip
        assert len(names) == len(set(names)) == 8
        assert [work.batch_size for work in made.works[:3]] == [8, 8, 16]
        labels = [optimizer.label for optimizer, _ in made.tuned_optimizers]
        assert labels == ["sgd", "sgd(schedule=cosine(final=0.1))", "adam", "adam(schedule=cosine(final=0.1))"]
        assert suite.parse(made.described()) == made

    def test_a_wider_network_has_more_parameters(self) -> None:
        small, large = (work.task for work in parsed(factors={"width": [16, 32]}).works)
        assert small.parameters < large.parameters and small.flops < large.flops

    @pytest.mark.parametrize(
        ("factors", "expected"),
        [
            ({"widht": [1]}, "factors.widht: got an unknown key; expected a key of factors, perhaps width"),
            ({"width": []}, "factors.width: got []; expected at least one entry"),
            ({"width": [8, 8]}, "factors.width: got wine_mlp(width=8) more than once; expected each value once"),
            (
                {"clip_norm": [1, 1.0]},
                "factors.clip_norm: got sgd(clip_norm=1) more than once; expected each value once",
            ),
            (
                {"schedule": ["cosine", {"name": "cosine", "final": 0.0}]},
                "factors.schedule: got sgd(schedule=cosine) more than once; expected each value once",
            ),
            ({"width": [0]}, "factors.width: got 0; expected a whole number from 1 to 100,000"),
            (
                {"loss": ["huger"]},
                'factors.loss: got "huger"; expected a name, perhaps hinge',
            ),
            (
                {"schedule": ["cosin"]},
                'factors.schedule[0]: got "cosin"; expected the name of a schedule, perhaps cosine',
            ),
        ],
    )
    def test_that_make_no_sense_are_refused(self, factors: dict[str, Any], expected: str) -> None:
        assert problems(factors=factors) == [expected]

    def test_a_decay_of_0_is_another_optimizer_where_it_decays_by_itself(self) -> None:
        made = parsed(optimizers=["adamw", "adam"], factors={"weight_decay": [0, 0.01]})
        labels = [optimizer.label for optimizer, _ in made.tuned_optimizers]
        assert labels == ["adamw(weight_decay=0)", "adamw(weight_decay=0.01)", "adam", "adam(weight_decay=0.01)"]
        both = parsed(optimizers=["adamw", {"name": "adamw", "weight_decay": 0}])
        assert len({optimizer.label for optimizer, _ in both.tuned_optimizers}) == 2

    def test_no_entry_may_set_what_is_swept(self) -> None:
        found = problems(tasks=[{"name": "wine_mlp", "width": 8}], factors={"width": [16]})
        assert found == ["factors.width: got width; expected a factor that no entry sets itself, as wine_mlp does"]


class TestLabels:
    def test_are_what_reports_call_an_entry(self) -> None:
        given: dict[str, Any] = {
            "activations": ["elu", {"name": "elu", "alpha": 0.5, "label": "half_elu"}],
            "optimizers": ["adam", {"name": "adam", "b1": 0.5, "label": "calm"}],
        }
        made = parsed(**given)
        assert [entry.resolve().label for entry in made.activations] == ["elu", "half_elu"]
        assert made.activations[1].resolve().arguments == {"alpha": 0.5}
        assert [optimizer.label for optimizer, _ in made.tuned_optimizers] == ["adam", "calm"]
        assert suite.parse(made.described()) == made
        one = suite.single(made.described(), "wine_mlp", "half_elu", "calm")
        assert one.tuned_optimizers[0][0].arguments == {"b1": 0.5}
        assert parsed(**given, reference="half_elu + calm").reference == "half_elu + calm"

    def test_name_factors_and_hide_ranges(self) -> None:
        swept = parsed(
            optimizers=[{"name": "adam", "b1": 0.5, "label": "calm"}],
            factors={"schedule": ["constant", "cosine"], "clip_norm": [0, 1]},
        )
        labels = [optimizer.label for optimizer, _ in swept.tuned_optimizers]
        assert labels == ["calm", "calm(clip_norm=1)", "calm(schedule=cosine)", "calm(clip_norm=1,schedule=cosine)"]
        ranged = {"name": "adam", "b1": {"low": 0.5, "high": 0.9}, "label": "tuned"}
        searched = parsed(
            optimizers=[ranged], tuning={"method": "sobol", "trials": 4}, learning_rates={"low": 1e-3, "high": 1.0}
        )
        assert [optimizer.label for optimizer, _ in searched.tuned_optimizers] == ["tuned"]

    @pytest.mark.parametrize(
        ("label", "expected"),
        [
            ("sgd", 'got "sgd"; expected a label that is not the name of an entry'),
            ("none", 'got "none"; expected a label that is not the name of an entry'),
            ("a b", 'got "a b"; expected letters, digits and . _ -'),
            (3, "got 3; expected a string"),
        ],
    )
    def test_are_names_of_nothing_else(self, label: Any, expected: str) -> None:
        (found,) = problems(optimizers=["adam", {"name": "adam", "b1": 0.5, "label": label}])
        assert found.startswith(f"optimizers[1].label: {expected}")
        (twice,) = problems(optimizers=[{"name": name, "label": "mine"} for name in ("adam", "sgd")])
        assert twice == "optimizers: got mine more than once; expected each once"


class TestTasks:
    def test_may_train_for_longer(self) -> None:
        made = parsed(
            tasks=["wine_mlp", {"name": "digits_mlp", "steps": 7, "batch_size": 5, "width": 8}], eval_every=10
        )
        first, second = made.works
        assert (first.steps, first.task.name) == (made.steps, "wine_mlp")
        assert second[1:] == (7, 5, 7) and second.task.name == "digits_mlp(width=8)"

    def test_a_batch_of_its_own_is_at_most_its_data(self) -> None:
        found = problems(tasks=[{"name": "wine_mlp", "batch_size": 500}])
        assert found == ["tasks[0].batch_size: got 500; expected at most 106, the training samples of wine_mlp"]

    def test_have_as_many_samples_as_their_options_say(self) -> None:
        few = {"name": "modular_transformer", "modulus": 11}
        expected = "expected at most 73, the training samples of modular_transformer(modulus=11)"
        assert problems(tasks=[few], batch_size=128) == [f"batch_size: got 128; {expected}"]
        assert problems(tasks=[few | {"batch_size": 128}]) == [f"tasks[0].batch_size: got 128; {expected}"]
        many = {"name": "modular_transformer", "train_fraction": 0.9, "batch_size": 8_000}
        assert parsed(tasks=[many]).works[0].batch_size == 8_000

    def test_take_a_number_for_a_name_that_is_one(self) -> None:
        (work,) = parsed(tasks=[{"name": "digits_cnn", "resolution": 16}]).works
        assert work.task.name == "digits_cnn(resolution=16)"
        found = problems(tasks=[{"name": "digits_cnn", "resolution": 12}])
        assert found == ["tasks[0].resolution: got 12; expected a name: one of 16, 8"]


def test_a_data_set_is_no_suite_but_a_suite_names_it(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", x=np.arange(300) / 7)
    with pytest.raises(InputError, match=r"mine\.npz: got a data set; expected a suite file") as caught:
        suite.read(tmp_path / "mine.npz")
    assert caught.value.hint == 'a suite names it: tasks = [{ file = "mine.npz", model = "mlp" }]'


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "smoke.toml"
    file.write_bytes(b"\xef\xbb\xbf" + locate("smoke").read_bytes())
    assert suite.read(file) == suite.read("smoke")
