"""What can go wrong, and the exit code that each kind of it has."""

import re
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path


class Told(BaseException):
    """What is told without a traceback.

    Arguments: `problems`, one line each in the form `WHERE: got X; expected Y`, and a `hint`.
    """

    exit_code = 1

    def __init__(self, problems: str | Iterable[str], hint: str = "") -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        self.hint = hint
        super().__init__("\n".join(self.problems + ([f"hint: {hint}"] if hint else [])))

    def __reduce__(self) -> tuple[type["Told"], tuple[list[str], str]]:
        return type(self), (self.problems, self.hint)  # exceptions cross process boundaries


class BenchError(Told, Exception):
    """An error that a user can mend."""


class InputError(BenchError):
    """Bad input; nothing has been written."""

    exit_code = 2


class UnknownName(InputError):  # noqa: N818 - what is said of it is what counts
    """The input names what no table has; perhaps another process had registered it."""


class DataError(BenchError):
    """Stored data are corrupt, incomplete or of another version."""

    exit_code = 3


class ResourceError(BenchError):
    """A device or another resource that was asked for is not there."""

    exit_code = 4


class LockedError(BenchError):
    """Another process is writing to the same run directory."""

    exit_code = 6


class Interrupted(Told, KeyboardInterrupt):
    """Stopped by a signal; what was committed is kept. No `Exception`, so that a loop over runs stops as well."""

    def __init__(self, problems: str | Iterable[str], hint: str = "", exit_code: int = 130) -> None:
        super().__init__(problems, hint)
        self.exit_code = exit_code

    def __reduce__(self) -> tuple[type["Told"], tuple[list[str], str, int]]:  # type: ignore[override]
        return type(self), (self.problems, self.hint, self.exit_code)


class Raised(Exception):  # noqa: N818 - what another error is told as
    """What a worker's call raised, in words."""


def out_of_memory(error: BaseException) -> bool:
    """Whether a host or device had too little memory, and not something else gone wrong."""
    told = str(error).lower()
    texts = ("resource_exhausted", "out of memory", "out_of_memory", "alloc_failed")
    return isinstance(error, MemoryError) or any(text in told for text in texts)


def in_words(error: BaseException) -> str:
    """Type and message, and where it was in code of the user's, as `TypeError: no (mine.py, line 3)`."""
    if isinstance(error, Raised):
        return str(error)
    first, *rest = f"{type(error).__name__}: {_message(error)}".splitlines()
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not _installed(frame.filename)]
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return "\n".join([first + place, *rest])


def _message(error: BaseException) -> str:
    """What an error says; of a user's own, which may fail to, nothing."""
    try:
        return str(error)
    except Exception:
        return "without a message"


def how_it_ended(error: BaseException) -> str:
    """How a worker's process ended, by the error of its executor: `SIGKILL(-9), as where memory runs out`."""
    codes = re.search(r"exit codes of the workers are \{(.+?)\}", str(error))
    told = codes[1] if codes else f"{type(error).__name__}: {error}".splitlines()[0]
    return f"{told}, as where memory runs out" if "SIGKILL" in told else told


@cache
def _installed(file: str) -> bool:
    """Whether it is code of Python, of a library or of this package, or none in a file."""
    paths = sysconfig.get_paths()
    folders = [paths[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib")] + [str(Path(__file__).parent)]
    return file.startswith("<") or any(Path(file).is_relative_to(folder) for folder in folders)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system says of a full disk names no file: name this one."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


FAILED_LANES = 5
REGRESSION = 7
