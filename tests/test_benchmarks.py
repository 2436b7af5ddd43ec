"""What is made of the figures of benchmarks: the comparison with the baseline, the table and figure of the race."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).with_name("benchmarks")
COMPARE = runpy.run_path(str(FOLDER / "compare.py"))
TABLE = runpy.run_path(str(FOLDER / "peers/table.py"))


def raced(model: str, ours: float, cold: float, **others: float) -> dict[str, Any]:
    return {
        "model": model,
        "lane_steps_per_s": {"bench": ours, **others},
        "cold_s": {"bench": cold, **dict.fromkeys(others, 2 * cold)},
        "largest_difference_of_losses": dict.fromkeys(others, 1e-5),
    }


FACTS = [
    raced("MLP, 32 hidden", 800, 1, a=100, b=400),
    raced("MLP, 512 hidden", 400, 1, a=200),
    raced("CNN", 3, 1, a=6),
]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"a": 1.0, "b": 2.0}, []),
        ({"a": 1.39, "b": 0.1}, []),
        ({"a": 1.5, "b": 2.0, "new": 9.0}, ["a: 1.50 times the baseline (1 to 1.5)"]),
        ({"b": 3.0}, ["a: not measured", "b: 1.50 times the baseline (2 to 3)"]),
    ],
)
def test_only_what_is_slower_or_missing_is_a_fault(found: dict[str, float], expected: list[str]) -> None:
    assert COMPARE["faults"](found, {"a": 1.0, "b": 2.0}, 0.4) == expected


@pytest.mark.parametrize(("times", "code"), [(1.0, 0), (2.0, 1)])
def test_the_comparison_ends_with_1_where_something_is_slower(
    times: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    baseline = json.loads((FOLDER / "baseline.json").read_text("utf-8"))
    entries = [{"name": name, "extra_info": {"ratio": ratio}} for name, ratio in baseline.items()]
    entries[0]["extra_info"]["ratio"] *= times
    (tmp_path / "steps.json").write_text(json.dumps({"benchmarks": entries}))
    monkeypatch.setattr("sys.argv", ["compare.py", str(tmp_path / "steps.json")])
    assert COMPARE["main"]() == code


def test_the_baseline_has_every_activation_and_optimizer() -> None:
    from bench.activations import ACTIVATIONS
    from bench.optimizers import OPTIMIZERS

    baseline = json.loads((FOLDER / "baseline.json").read_text("utf-8"))
    assert {f"test_activation[{name}]" for name in ACTIVATIONS} <= baseline.keys()
    assert {f"test_optimizer[{name}]" for name in OPTIMIZERS} <= baseline.keys()


def test_the_table_gives_ratios_and_their_geometric_mean_where_all_were_raced() -> None:
    warm, cold, differences = TABLE["markdown"](FACTS).split("\n\n")
    assert warm.splitlines() == [
        "| times as fast as | MLP, 32 hidden | MLP, 512 hidden | CNN | MLPs, mean |",
        "|---|---|---|---|---|",
        "| a | 8.0 | 2.0 | 0.50 | 4.0 |",
        "| b | 2.0 | – | – | – |",
        "| bench, lane-steps/s | 800 | 400 | 3 | – |",
    ]
    assert cold.splitlines()[2] == "| a | 2.0 | 2.0 | 2.0 | 2.0 |"
    assert differences.endswith("1.0e-05.")


def test_the_figure_is_the_same_bytes_each_time_and_names_every_peer(tmp_path: Path) -> None:
    for name in ("first.svg", "second.svg"):
        TABLE["figure"](FACTS, tmp_path / name)
    drawn = (tmp_path / "first.svg").read_text("utf-8")
    assert drawn == (tmp_path / "second.svg").read_text("utf-8")
    assert all(f">{text}<" in drawn for text in ("a", "b", "CNN", "MLPs, mean"))
