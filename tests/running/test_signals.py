"""Signals that ask a run to stop."""

import os
import pickle
import signal

from bench.errors import Interrupted
from bench.running.signals import Signals


def test_an_interruption_tells_its_exit_code() -> None:
    assert Interrupted("x", exit_code=143).exit_code == 143
    assert not issubclass(Interrupted, Exception), "who catches those must not go on with the next run"
    assert issubclass(Interrupted, KeyboardInterrupt)
    copy = pickle.loads(pickle.dumps(Interrupted("x: got y; expected z", "go on", 143)))
    assert (copy.problems, copy.hint, copy.exit_code) == (["x: got y; expected z"], "go on", 143)
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
