"""Modules that are imported when they are first used.

The tables (activations, optimizers, tasks) name functions of jax, flax and optax, whose import takes seconds.
Listing, planning and reporting need only the names, so the tables hold lazy modules.
"""

import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any


def named(reference: str | Callable[..., Any]) -> Callable[..., Any]:
    """The function that "module:function" names; of a function itself."""
    if callable(reference):
        return reference
    module, _, function = reference.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found


def import_ahead(module: str) -> None:
    """Import what is needed later while others are busy; pandas and scipy take seconds."""
    threading.Thread(target=import_module, args=(module,), daemon=True).start()


class Lazy:
    """A stand-in for the module `name`: the first attribute asked of it imports it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __reduce__(self) -> tuple[type["Lazy"], tuple[str]]:
        return Lazy, (self._name,)  # a worker that has not imported the module gets one that is lazy too

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)

    def __repr__(self) -> str:
        return f"Lazy({self._name!r})"
