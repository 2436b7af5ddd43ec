"""What `import bench` gives a reader of its help, a completion and a type checker."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.errors import BenchError, InputError

FUNCTIONS = [name for name in bench.__all__ if inspect.isfunction(getattr(bench, name))]


def test_the_public_names_are_listed_before_they_are_imported() -> None:
    code = "import bench; print(set(bench.__all__) <= set(dir(bench)), *sorted(bench._HOMES))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert told == ["True", *sorted(bench.__all__)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_argument_is_named_and_explained(name: str) -> None:
    function: Any = getattr(bench, name)
    given = inspect.signature(function).parameters.values()
    assert all(p.kind is not p.VAR_KEYWORD or p.name == "fields" for p in given), "no argument hides in another"
    for parameter in given:
        assert parameter.annotation is not parameter.empty
        assert parameter.name in str(inspect.getdoc(function)), parameter.name


def test_each_key_of_a_suite_is_explained() -> None:
    told = str(inspect.getdoc(bench.Suite))
    assert all(key in told for key in bench.Suite.model_fields)
    assert "Raises `InputError`" in str(inspect.getdoc(bench.Suite.__init__))


def test_what_is_raised_can_be_caught_by_its_public_name() -> None:
    assert (bench.BenchError, bench.InputError) == (BenchError, InputError)
    with pytest.raises(bench.InputError, match=r"nowhere: got no manifest\.json"):
        bench.load("nowhere")


def test_the_package_says_that_it_is_typed() -> None:
    assert Path(bench.__file__).with_name("py.typed").exists()
