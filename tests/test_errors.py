"""Errors of others in words."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.errors import Raised, in_words, out_of_memory


def raised_by(call: object) -> BaseException:
    try:
        call()  # type: ignore[operator]
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def code_of(file: Path, source: str) -> object:
    """The function f of a file of a user's."""
    names: dict[str, object] = {}
    exec(compile(source, str(file), "exec"), names)
    return names["f"]


def test_an_error_of_a_users_code_is_told_with_the_last_line_of_theirs(tmp_path: Path) -> None:
    f = code_of(tmp_path / "mine.py", "import json\ndef g():\n    json.loads('{')\ndef f():\n    g()\n")
    told = in_words(raised_by(f))
    assert told.startswith("JSONDecodeError: Expecting property name") and told.endswith(" (mine.py, line 3)")


def test_the_place_stands_in_the_first_line(tmp_path: Path) -> None:
    f = code_of(tmp_path / "mine.py", "def f():\n    raise ValueError('one\\ntwo')\n")
    assert in_words(raised_by(f)) == "ValueError: one (mine.py, line 2)\ntwo"


def test_an_error_that_cannot_be_told_is_told_all_the_same(tmp_path: Path) -> None:
    source = "class Odd(Exception):\n    def __str__(self):\n        raise KeyError\ndef f():\n    raise Odd\n"
    assert in_words(raised_by(code_of(tmp_path / "mine.py", source))) == "Odd: without a message (mine.py, line 5)"


def test_code_that_is_installed_is_no_place(tmp_path: Path) -> None:
    told = {
        in_words(error) for error in (raised_by(lambda: json.loads("{")), raised_by(lambda: np.ones(2) @ np.ones(3)))
    }
    assert all(f"({Path(__file__).name}, line" in one for one in told)  # theirs is the last line, not the library's
    assert in_words(raised_by(code_of(Path("<stdin>"), "def f():\n    1 / 0\n"))).count("stdin") == 0


def test_an_error_never_raised_or_told_already_is_told_as_it_is() -> None:
    assert in_words(KeyError("a")) == "KeyError: 'a'"
    assert in_words(Raised("ValueError: no (mine.py, line 3)")) == "ValueError: no (mine.py, line 3)"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes"), True),
        (RuntimeError("INTERNAL: CUDA_ERROR_OUT_OF_MEMORY"), True),
        (RuntimeError("CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("INTERNAL: CUDA_ERROR_ILLEGAL_ADDRESS"), False),
        (ValueError("no"), False),
    ],
)
def test_want_of_memory_is_known_by_its_texts(error: Exception, expected: bool) -> None:
    assert out_of_memory(error) is expected
