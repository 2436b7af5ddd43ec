"""Signals that ask a run to stop."""

import os
import signal

from bench.errors import Interrupted
from bench.signals import Signals


def test_an_interruption_tells_its_exit_code() -> None:
    assert Interrupted("x", exit_code=143).exit_code == 143
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
