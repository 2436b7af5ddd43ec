"""Measured shards on other numbers of workers."""

import time
from pathlib import Path
from typing import Any

import pytest

from bench.running.scaling import projection
from bench.storage.store import read_journal

QUICK = Path(__file__).parents[2] / "results" / "quick"


def shard(name: str, program: str, work: float, load: float = 0.0) -> dict[str, Any]:
    return {
        "shard": name, "program": program, "started": 0.0, "finished": work + load, "chunks": [{"lanes": 2}],
        "trace_s": 0.0, "compile_s": load, "load_s": 0.0,
    }  # fmt: skip


def seconds(journal: list[dict[str, Any]], workers: int) -> float:
    return projection(journal, [workers])[0].seconds


def test_waiting_for_a_turn_on_a_gpu_is_no_work() -> None:
    alone = shard("00000-tune-000", "p", 2.0)
    assert seconds([alone | {"finished": 5.0, "turn_s": 3.0}], 1) == seconds([alone], 1) == 2.0


def test_every_worker_loads_the_program_once() -> None:
    four = [shard(f"0000{i}-tune-000", "a", 1.0, load=3.0 if i == 0 else 0.0) for i in range(4)]
    assert [seconds(four, workers) for workers in (1, 2, 4, 9)] == [7.0, 5.0, 4.0, 4.0]


def test_a_worker_stays_with_the_program_that_it_has() -> None:
    mixed = [shard(f"0000{i}-tune-000", "ab"[i % 2], 1.0, load=3.0 if i < 2 else 0.0) for i in range(4)]
    assert seconds(mixed, 1) == 10.0


def test_evaluation_waits_for_the_tuning_of_its_block() -> None:
    chain = [shard("00000-tune-000", "a", 2.0), shard("00000-evaluate-000", "a", 5.0)]
    assert seconds(chain, 8) == 7.0
    assert seconds([*chain, shard("00000-tune-001", "a", 4.0)], 2) == 9.0  # both tunings side by side, then 5
    assert seconds([*chain, shard("00001-tune-000", "a", 4.0)], 2) == 7.0  # another block's is not waited for


def test_seeds_that_were_added_wait_for_the_tuning_alone() -> None:
    chain = [shard("00000-tune-000", "a", 2.0), shard("00000-evaluate-000", "a", 5.0)]
    assert seconds([*chain, shard("00000-evaluate1-000", "a", 5.0)], 2) == 7.0


def test_a_rung_of_tuning_waits_for_the_one_before() -> None:
    names = ["00000-tune-000", "00000-tune1-000", "00000-tune10-000", "00000-tune2-000", "00000-evaluate-000"]
    rungs = [shard(name, "a", work) for name, work in zip(names, [1.0, 2.0, 16.0, 4.0, 8.0], strict=True)]
    assert seconds(rungs, 8) == 31.0
    assert seconds([*rungs, shard("00000-tune1-001", "a", 3.0)], 8) == 32.0


def test_what_begins_is_what_is_loaded_and_else_the_longest() -> None:
    given = [("a", 5.0, 1.0), ("a", 1.0, 0.0), ("b", 4.0, 1.0), ("b", 3.0, 0.0)]
    shards = [shard(f"0000{i}-tune-000", program, work, load) for i, (program, work, load) in enumerate(given)]
    # Two workers: a 0-6, b 0-5, b 5-8, a 6-7. Three: a 0-6, b 0-5, b (loaded again) 0-4, a 4-6.
    assert [seconds(shards, workers) for workers in (1, 2, 3)] == [15.0, 8.0, 6.0]


def test_ten_thousand_shards_are_placed_at_once() -> None:
    names = [(f"{i // 10:05d}", "evaluate" if i % 10 > 7 else "tune", i % 10) for i in range(10_000)]
    many = [shard(f"{block}-{phase}-{i:03d}", "abc"[i % 3], 1.0 + i) for block, phase, i in names]
    begun = time.process_time()
    assert seconds(many, 4) == pytest.approx(sum(1.0 + i for *_, i in names) / 4, rel=0.01)
    assert time.process_time() - begun < 5, "it takes minutes where every shard is looked at for every other"


def test_lanes_an_hour_are_lanes_over_the_time() -> None:
    assert projection([shard("00000-tune-000", "a", 2.0)], [1])[0].lanes_per_hour == 3600.0


def test_the_stored_run_is_projected_as_it_was_measured() -> None:
    journal = read_journal(QUICK)
    measured = max(e["finished"] for e in journal) - min(e["started"] for e in journal)
    workers = len({e["worker"] for e in journal})
    assert seconds(journal, workers) == pytest.approx(measured, rel=0.2)


@pytest.mark.parametrize(("journal", "workers"), [([], 1), ([shard("00000-tune-000", "a", 1.0)], 0)])
def test_nothing_to_place_is_refused(journal: list[dict[str, Any]], workers: int) -> None:
    with pytest.raises(ValueError, match="expected at least one"):
        projection(journal, [workers])


def test_the_page_shows_what_the_stored_run_projects() -> None:
    page = (QUICK.parents[1] / "docs" / "scaling.md").read_text("utf-8")
    for point in projection(read_journal(QUICK), [1, 2, 4, 8, 16]):
        assert f"| {point.workers} | {point.seconds:.1f} | {point.lanes_per_hour:,.0f} |" in page


def test_a_shard_that_failed_is_left_out() -> None:
    whole = [shard("00000-tune-000", "a", 2.0)]
    assert seconds([*whole, {"shard": "00001-tune-000", "error": "its worker died", "task": "a"}], 1) == 2.0
