"""Whether models are arranged for the device that runs them, or computed as they are defined, to be counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import jax

_arranged = ContextVar("arranged", default=True)


@contextmanager
def as_defined() -> Iterator[None]:
    """Within it nothing is arranged for a device, and none is asked for: operations are those of the definition."""
    token = _arranged.set(False)
    try:
        yield
    finally:
        _arranged.reset(token)


def on_cpu() -> bool:
    """Whether to arrange what is traced for a CPU."""
    return _arranged.get() and jax.default_backend() == "cpu"
