"""Signals that ask a run to stop."""

import signal
import threading
from types import FrameType
from typing import Any, Self


class Signals:
    """Counts SIGINT and SIGTERM instead of dying of them; does nothing outside the main thread."""

    def __enter__(self) -> Self:
        self.received: list[int] = []
        self.before: dict[signal.Signals, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self._count)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _count(self, number: int, _: FrameType | None) -> None:
        self.received.append(number)
