"""Processes that share a file take turns; one that dies in its turn ends it."""

import multiprocessing
import os
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import IO

import pytest

from bench.hardware import turns


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    shared = list[IO[bytes]]()
    monkeypatch.setattr(turns, "_shared", shared)
    yield
    for file in shared:
        file.close()


def take(path: Path, log: Path, ready: Event) -> None:
    turns.take_at(path)
    ready.set()
    for _ in range(20):
        with turns.turn():
            line = f"{os.getpid()}\n".encode()
            for _ in range(2):  # unbuffered: what another writes in between would be between them
                with log.open("ab") as file:
                    file.write(line)
                time.sleep(0.001)


def hold(path: Path, held: Event) -> None:
    turns.take_at(path)
    with turns.turn():
        held.set()
        time.sleep(60)


def test_no_two_have_their_turn_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    events = [context.Event() for _ in range(2)]
    started = [context.Process(target=take, args=(tmp_path / "gpu" / "0", tmp_path / "log", e)) for e in events]
    for process in started:
        process.start()
    for process in started:
        process.join(60)
    lines = (tmp_path / "log").read_text().split()
    assert len(lines) == 2 * 2 * 20 and len(set(lines)) == 2
    assert all(first == second for first, second in zip(lines[::2], lines[1::2], strict=True))


def test_a_turn_ends_with_its_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=hold, args=(tmp_path / "0", held))
    process.start()
    assert held.wait(60)
    process.kill()
    process.join(60)
    turns.take_at(tmp_path / "0")
    start = time.monotonic()
    with turns.turn():
        assert time.monotonic() - start < 10


def test_who_shares_nothing_waits_for_nobody(tmp_path: Path) -> None:
    with turns.turn(), turns.turn():
        assert not list(tmp_path.iterdir())


def test_a_turn_ends_where_its_work_raises(tmp_path: Path) -> None:
    turns.take_at(tmp_path / "0")
    with pytest.raises(ValueError, match="no"), turns.turn():
        raise ValueError("no")
    other = (tmp_path / "0").open("ab")
    import fcntl

    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises BlockingIOError were it still taken
    other.close()


def test_where_no_file_can_be_there_or_be_locked_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    turns.take_at(tmp_path / "file" / "0")
    with turns.turn():
        assert not turns._shared
    turns.take_at(tmp_path / "0")
    monkeypatch.setattr("fcntl.flock", lambda *_: (_ for _ in ()).throw(OSError(37, "No locks available")))
    done = False
    with turns.turn():
        done = True
    assert done
