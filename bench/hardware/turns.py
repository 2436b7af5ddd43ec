"""Whose turn it is on a GPU that several workers share: they compile side by side and train one chunk at a time.

Chunks of four processes on one GPU at once took twice as long as one after the other, as it switches between them; and
none of them would have a time of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_shared: list[IO[bytes]] = []  # the file whose lock is the turn; none where the device is this process's own


def take_at(path: Path) -> None:
    """From now on this process takes turns with all that share the file; with none where it cannot be written."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        _shared[:] = [path.open("ab")]


@contextmanager
def turn() -> Iterator[None]:
    """Within it no other that shares the file is; waits for that. Ends with the process, too."""
    if not _shared:
        yield
        return
    import fcntl  # not on Windows, where jax has no GPU

    with suppress(OSError):  # of a file system without locks
        fcntl.flock(_shared[0], fcntl.LOCK_EX)
    try:
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(_shared[0], fcntl.LOCK_UN)
