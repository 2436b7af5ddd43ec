"""What is said beside the work: a reader that leaves, as `head` does, ends neither the work nor its exit code."""

import os
import sys
from typing import IO


def say(text: str, stream: IO[str] | None = None) -> None:
    """Print a line, by default on standard output; where nobody reads any more, it and what follows go nowhere."""
    stream = stream or sys.stdout
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def complain(text: str) -> None:
    """The same on standard error."""
    say(text, sys.stderr)
