"""`bench validate`: a case that misses is told, with exit code 1. That all hold is in test_rigor.py."""

import json

import pytest
from typer.testing import CliRunner

from bench import validate
from bench.cli import app
from bench.validate import Case


def test_a_miss_ends_with_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    known = (Case("sums", "one and one", 2, lambda: 2), Case("sums", "two and two", 5, lambda: 4, 0.5))
    monkeypatch.setattr(validate, "CASES", known)
    result = CliRunner().invoke(app, ["validate"])
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["about", "case", "expected", "got", "verdict"]
    assert lines[1].endswith("ok") and lines[2].endswith("MISS")
    assert lines[3] == "2 cases, 1 missed"
    found = json.loads(CliRunner().invoke(app, ["validate", "--json"]).stdout)
    assert [one["ok"] for one in found] == [True, False]


def test_what_is_not_a_number_is_a_miss() -> None:
    (one,) = validate.replay((Case("sums", "nothing", 0, lambda: float("nan")),))
    assert not one.ok
