"""Parameters of tests, the costly ones marked slow."""

from collections.abc import Iterable
from typing import Any

import pytest

from bench.datasets.downloaded import DOWNLOADS
from bench.tasks import TASKS

TO_DOWNLOAD = {download.dataset.name for download in DOWNLOADS}
OFFLINE = [name for name, task in TASKS.items() if not (task.dataset and task.dataset.name in TO_DOWNLOAD)]


def by_default(names: Iterable[str], quick: Iterable[str]) -> list[Any]:
    """Each name as a parameter; those that are not among `quick` are slow."""
    chosen = set(quick)
    return [name if name in chosen else pytest.param(name, marks=pytest.mark.slow) for name in names]
