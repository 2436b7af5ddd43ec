"""Which activation with which optimizer: whole grids in a few compiled programs, with a fair verdict."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.kinds import load, report, run
    from bench.register import register_activation, register_optimizer, register_task
    from bench.results import Run
    from bench.suite import Suite

__version__ = "0.1.0"
__all__ = ["Run", "Suite", "load", "register_activation", "register_optimizer", "register_task", "report", "run"]

_HOMES = {
    "Run": "bench.results",
    "Suite": "bench.suite",
    "load": "bench.kinds",
    "register_activation": "bench.register",
    "register_optimizer": "bench.register",
    "register_task": "bench.register",
    "report": "bench.kinds",
    "run": "bench.kinds",
}


def __getattr__(name: str) -> Callable[..., Any]:
    """Import a public name when it is first asked for: `import bench` itself costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    found: Callable[..., Any] = getattr(import_module(_HOMES[name]), name)
    return found
