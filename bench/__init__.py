"""Which activation with which optimizer: whole grids in a few compiled programs, with a fair verdict.

    suite = bench.Suite(name="mine", tasks=["wine_mlp"], ...)   # or a suite file, or the name of one
    run = bench.run(suite)          # run.lanes, run.curves, run.convergence, run.throughput: DataFrames
    print(bench.verdict(run))       # what leads, by how much and how sure that is
    run.verdicts                    # the same as a frame, one row a cell
    bench.report(run)               # a page, figures, tables
    bench.comparison(run, other)    # two runs side by side
    bench.load("results/quick")     # a run that was stored

`register_activation`, `register_optimizer` and `register_task` add entries of your own; `module_task` makes a task of a
flax.nnx module. Errors that you can fix are raised as a `BenchError`: its subclasses are in `bench.errors`, and that of
invalid input is `InputError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.errors import BenchError, InputError
    from bench.kinds import comparison, load, report, run, verdict
    from bench.own.modules import module_task
    from bench.own.register import register_activation, register_optimizer, register_task
    from bench.planning.suite import Suite
    from bench.storage.results import Run

__version__ = "0.2.0.dev0"
__all__ = [
    "BenchError",
    "InputError",
    "Run",
    "Suite",
    "comparison",
    "load",
    "module_task",
    "register_activation",
    "register_optimizer",
    "register_task",
    "report",
    "run",
    "verdict",
]

_HOMES = {
    "BenchError": "bench.errors",
    "InputError": "bench.errors",
    "Run": "bench.storage.results",
    "Suite": "bench.planning.suite",
    "comparison": "bench.kinds",
    "load": "bench.kinds",
    "module_task": "bench.own.modules",
    "register_activation": "bench.own.register",
    "register_optimizer": "bench.own.register",
    "register_task": "bench.own.register",
    "report": "bench.kinds",
    "run": "bench.kinds",
    "verdict": "bench.kinds",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: `import bench` itself costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *__all__})
