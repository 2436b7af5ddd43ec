"""A module that is imported when something of it is wanted."""

import pickle
import subprocess
import sys

from bench.lazy import Lazy
from bench.tasks import TASKS


def test_the_module_is_imported_when_it_is_wanted() -> None:
    code = "import sys; from bench.lazy import Lazy; m = Lazy('wave'); assert 'wave' not in sys.modules; m.open"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_it_goes_through_a_pickle() -> None:
    import math

    assert pickle.loads(pickle.dumps(Lazy("math"))).sqrt is math.sqrt


def test_every_task_reaches_a_process_that_has_imported_nothing() -> None:
    import cloudpickle

    code = "import pickle, sys; tasks = pickle.load(sys.stdin.buffer); print(len(tasks))"
    sent = cloudpickle.dumps(list(TASKS.values()))
    done = subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True, check=False)
    assert done.stdout.strip() == str(len(TASKS)).encode(), done.stderr.decode()[-500:]
