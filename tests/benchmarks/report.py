"""What reports cost on this machine: `pytest tests/benchmarks/report.py -n 0 --benchmark-enable -s`.

The limits that are asserted are the project's own: 60 s, 1.5 GB and 15 MB for 100,000 networks, 10 s for quick's run,
5 MB and 2 s in a browser for the size of a standard suite. Let nothing else run beside it.
"""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LARGE = """
import json, resource, sys, time
sys.path.insert(0, {tests!r})
from synthetic import make_run, task_entry
from bench.pages.report import report
names = [f"activation_{{i}}" for i in range(10)], [f"optimizer_{{i}}" for i in range(9)]
run = make_run(*names, {{f"task_{{i}}": task_entry() for i in range({tasks})}}, **{budget})
start = time.perf_counter()
page = report([run], {out!r})
peak = [resource.getrusage(who).ru_maxrss * 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
facts = dict(lanes=len(run.lanes), seconds=time.perf_counter() - start, peak_bytes=peak, page_bytes=page.stat().st_size)
print(json.dumps(facts))
"""


def tell(benchmark: Any, **facts: Any) -> None:
    benchmark.extra_info.update(facts)
    print("\n" + json.dumps({benchmark.name: facts}, indent=1))


@pytest.mark.parametrize(
    ("tasks", "budget", "most_bytes"),
    [(20, {"rates": 9, "tune": 5, "evaluate": 10}, 15e6), (13, {"rates": 5, "tune": 1, "evaluate": 5}, 5e6)],
    ids=["100,000 lanes", "standard suite"],
)
def test_a_large_report(benchmark: Any, tasks: int, budget: dict[str, int], most_bytes: float, tmp_path: Path) -> None:
    """Tasks of ninety cells, twenty evaluations a network, from frames in memory to files."""
    code = LARGE.format(tests=str(ROOT / "tests"), tasks=tasks, budget=budget, out=str(tmp_path / "report"))
    command = [sys.executable, "-c", code]
    done = benchmark.pedantic(
        lambda: subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True), rounds=1
    )
    facts = json.loads(done.stdout.splitlines()[-1])
    tell(benchmark, **facts)
    assert facts["page_bytes"] < most_bytes
    assert sum(facts["peak_bytes"]) < 1.5e9
    assert facts["seconds"] < 60


def test_quick(benchmark: Any, tmp_path: Path) -> None:
    """From `bench report results/quick` to its page, process start included."""
    command = [sys.executable, "-m", "bench", "report", str(ROOT / "results/quick"), "--out", str(tmp_path / "report")]
    benchmark.pedantic(lambda: subprocess.run(command, check=True, cwd=ROOT), rounds=3)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    tell(benchmark, peak_bytes=peak, page_bytes=(tmp_path / "report/index.html").stat().st_size)
    if benchmark.stats:
        assert benchmark.stats.stats.max < 10
