"""A run's directory: whole or not at all, each damage found, one writer."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bench import files
from bench.errors import DataError, InputError, LockedError
from bench.storage import parquet, store
from bench.storage.store import Store

Row = dict[str, Any]
INF, NAN = float("inf"), float("nan")
PLANNED = [f"lane-{shard}-{i}" for shard in range(3) for i in range(4)]


def row(lane: str, shard: str, **changes: Any) -> Row:
    curve = [1 / (1 + len(lane) + i) for i in range(5)]
    made = {
        "lane": lane,
        "task": "wine_mlp",
        "activation": "tanh",
        "optimizer": "sgd",
        "phase": "tune",
        "learning_rate": 0.1,
        "hyperparameters": {"momentum": 0.9, "alpha": 1.0},
        "seed": 3,
        "steps": 40,
        "batch_size": 32,
        "status": "ok",
        "stopped_at": None,
        "train_loss": 0.25,
        "validation_loss": NAN,
        "validation_metric": 0.5,
        "test_loss": NAN,
        "test_metric": NAN,
        "steps_to_target": INF,
        "parameters": 1000,
        "shard": shard,
        "curve_step": [0, 10, 20, 30, 40],
        "curve_train_loss": [NAN, *curve[1:]],
        "curve_validation_loss": curve,
        "curve_validation_metric": curve,
        "curve_trace": None,
        "exhibit": None,
        "exhibit_shape": None,
    }
    return made | changes


def rows_of(shard: int) -> list[Row]:
    return [row(f"lane-{shard}-{i}", f"shard-{shard}") for i in range(4)]


def fill(path: Path, shards: int = 3) -> Path:
    """A finished run of three shards with one derived table."""
    with Store(path) as held:
        for shard in range(shards):
            held.commit(f"shard-{shard}", rows_of(shard), {"task": "wine_mlp", "train_s": 0.5})
        files.write(path / "lanes.csv", b"lane\nlane-0-0\n")
        seal(held)
    return path


def seal(held: Store) -> None:
    """Write the manifest, as at the end of a run."""
    digests = {name: files.sha256((held.path / name).read_bytes()) for name in ("lanes.csv", store.JOURNAL)}
    held.write_manifest({"schema": store.SCHEMA_VERSION, "name": "small", "rate": 1e-05, "files": digests})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return fill(tmp_path / "run")


def shard_file(run: Path, shard: int = 1) -> Path:
    return run / "shards" / f"shard-{shard}.parquet"


def contents(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def problems(run: Path) -> list[str]:
    return store.verify(run, PLANNED)


def rows_in(run: Path) -> dict[str, list[Row]]:
    """By shard, with all their columns."""
    found: dict[str, list[Row]] = defaultdict(list)
    for part in store.parts(run, store.read_journal(run)):
        for row in parquet.rows_of(part.read()):
            found[row["shard"]].append(row)
    return dict(found)


def same(a: Any, b: Any) -> bool:
    """Equal, where not a number equals itself."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


# --- what is written is what is read --------------------------------------------------------------------------------


def test_a_shard_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [
        row("a", "s"),
        row("b", "s", status="diverged", stopped_at=7, steps_to_target=20.0, seed=2**32 - 1),
        row("d", "s", curve_trace=[[0.5, 1.0]] * 5, exhibit=[0.0] * 6, exhibit_shape=[2, 3]),
        row("c", "s", status="failed", curve_step=[], curve_train_loss=[], hyperparameters={}),
    ]
    with Store(tmp_path) as held:
        held.commit("s", rows, {})
    assert same(rows_in(tmp_path), {"s": rows})


@pytest.mark.parametrize("begun, files_read", [("run", 3), ("packed", 1)])
def test_what_a_run_goes_on_from_is_read_a_file_at_a_time_and_without_curves(
    begun: str, files_read: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = request.getfixturevalue(begun), list[Path]()
    whole, original = rows_in(path), files.read
    monkeypatch.setattr(files, "read", lambda file, *told: read.append(file) or original(file, *told))
    rows = Store(path).rows(store.read_journal(path))
    assert not read, "nothing before it is asked for"
    for number, shard in enumerate(whole, 1):
        assert same(rows(shard), [{name: row[name] for name in parquet.LANE_COLUMNS} for row in whole[shard]])
        assert len(read) == min(number, files_read)
    assert rows("another") == []


def test_the_journal_tells_what_each_commit_was_given(run: Path) -> None:
    entries = store.read_journal(run)
    assert [entry["shard"] for entry in entries] == ["shard-0", "shard-1", "shard-2"]
    assert all(entry["train_s"] == 0.5 and entry["task"] == "wine_mlp" for entry in entries)
    assert [entry["sha256"] for entry in entries] == [files.sha256(shard_file(run, i).read_bytes()) for i in range(3)]


def test_a_shard_committed_again_replaces_the_first(run: Path) -> None:
    again = [row(f"lane-1-{i}", "shard-1", learning_rate=0.5) for i in range(4)]
    with Store(run) as held:
        held.commit("shard-1", again, {"train_s": 2.0})
        held.write_manifest({"schema": store.SCHEMA_VERSION, "name": "small"})
        assert {found["learning_rate"] for found in held.rows(store.read_journal(run))("shard-1")} == {0.5}
        assert problems(run) == []
        assert sorted(entry["shard"] for entry in held.recover()) == ["shard-0", "shard-1", "shard-2"]
        assert problems(run) == []


def test_a_finished_run_holds_no_other_files(run: Path) -> None:
    shards = {f"shards/shard-{i}.parquet" for i in range(3)}
    assert set(contents(run)) == {"manifest.json", "journal.jsonl", "lanes.csv", store.LOCK} | shards


# --- a kill at any moment -------------------------------------------------------------------------------------------


def test_the_line_that_goes_on_with_a_run_can_be_pasted() -> None:
    assert store.resuming(Path("sp ä/run 1")) == "bench run --resume 'sp ä/run 1'"
    assert store.resuming(Path("sp ä/run 1"), python=True) == "bench.run(resume='sp ä/run 1')"
    assert store.trains_again("a;b").startswith("bench run --resume 'a;b' trains again")


class KilledError(BaseException):
    """Stands for SIGKILL: nothing runs after it."""


@contextmanager
def killed_at(moment: int) -> Iterator[list[str]]:
    """The process ends before its n-th effect on the file system."""
    effects: list[str] = []

    def counted(name: str, effect: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if len(effects) == moment:
                raise KilledError
            effects.append(name)
            return effect(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", counted("fsync", os.fsync))
        patch.setattr(Path, "replace", counted("replace", Path.replace))
        patch.setattr(Path, "open", counted("open", Path.open))
        patch.setattr(Path, "unlink", counted("unlink", Path.unlink))
        yield effects


COMMIT = ["open", "fsync", "replace", "fsync", "open", "fsync"]


def test_a_commit_is_on_disk_before_it_is_in_the_journal(tmp_path: Path) -> None:
    with Store(tmp_path) as held, killed_at(99) as effects:
        held.commit("shard-0", rows_of(0), {})
    assert effects == COMMIT


@pytest.mark.parametrize("moment", range(len(COMMIT)))
def test_a_kill_within_a_commit_costs_that_shard_alone(tmp_path: Path, moment: int) -> None:
    whole, hurt = fill(tmp_path / "whole"), fill(tmp_path / "hurt", shards=2)
    with Store(hurt) as held, killed_at(moment), pytest.raises(KilledError):
        held.commit("shard-2", rows_of(2), {"task": "wine_mlp", "train_s": 0.5})
    with Store(hurt) as held:
        kept = [entry["shard"] for entry in held.recover()]
        assert kept[:2] == ["shard-0", "shard-1"]
        assert {file.stem for file in (hurt / "shards").iterdir()} == set(kept)
        if "shard-2" not in kept:
            held.commit("shard-2", rows_of(2), {"task": "wine_mlp", "train_s": 0.5})
    rebuilt = contents(hurt)
    assert {n: c for n, c in rebuilt.items() if n != "manifest.json"} == {
        n: c for n, c in contents(whole).items() if n != "manifest.json"
    }


@pytest.mark.parametrize("moment", range(4))
def test_a_kill_while_the_manifest_is_replaced_leaves_one_of_the_two(run: Path, moment: int) -> None:
    before = store.read_manifest(run)
    with Store(run) as held, killed_at(moment), pytest.raises(KilledError):
        held.write_manifest({**before, "name": "other"})
    assert store.read_manifest(run)["name"] == ("other" if moment > 2 else "small")


def test_a_torn_line_costs_itself_wherever_it_is_torn(run: Path) -> None:
    journal, shards = run / store.JOURNAL, contents(run / "shards")
    lines = journal.read_bytes().splitlines(keepends=True)
    for size in range(len(lines[2])):
        journal.write_bytes(lines[0] + lines[1] + lines[2][:size])
        for name, content in shards.items():
            (run / "shards" / name).write_bytes(content)
        with Store(run) as held:
            kept = [entry["shard"] for entry in held.recover()]
        whole = size == len(lines[2]) - 1  # all but the line's end
        assert kept == ["shard-0", "shard-1", "shard-2"][: 3 if whole else 2]
        assert journal.read_bytes() == b"".join(lines[: len(kept)])


def test_a_damaged_line_costs_its_own_shard_alone(run: Path) -> None:
    journal = run / store.JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"X" + lines[0][1:] + b"".join(lines[1:]))
    with Store(run) as held:
        assert [entry["shard"] for entry in held.recover()] == ["shard-1", "shard-2"]
    assert journal.read_bytes() == b"".join(lines[1:])
    assert sorted(contents(run / "shards")) == ["shard-1.parquet", "shard-2.parquet"]


def test_recovery_keeps_just_what_is_whole(run: Path) -> None:
    shard_file(run, 0).unlink()
    damaged = shard_file(run, 1).read_bytes()
    shard_file(run, 1).write_bytes(damaged[:-1])
    (run / "shards" / "shard-9.parquet").write_bytes(damaged)
    (run / "shards" / ".shard-9.parquet.tmp").write_bytes(b"PAR1")
    with Store(run) as held:
        assert [entry["shard"] for entry in held.recover()] == ["shard-2"]
    assert [file.name for file in (run / "shards").iterdir()] == ["shard-2.parquet"]
    assert [entry["shard"] for entry in store.read_journal(run)] == ["shard-2"]


def test_recovery_drops_what_failed_so_that_it_is_tried_again(run: Path) -> None:
    with Store(run) as held:
        held.commit("shard-3", [row("x", "shard-3", status="failed")], {"error": "ValueError: no"})
        assert [entry["shard"] for entry in held.recover()] == ["shard-0", "shard-1", "shard-2"]
    assert not shard_file(run, 3).exists()


def test_recovery_drops_what_does_not_hold_the_lanes_planned_of_it(run: Path) -> None:
    lanes = {f"shard-{shard}": [found["lane"] for found in rows_of(shard)] for shard in range(3)}
    planned = {"shard-0": lanes["shard-0"], "shard-1": lanes["shard-1"][1:]}
    with Store(run) as held:
        assert [entry["shard"] for entry in held.recover(lanes)] == list(lanes)
        assert [entry["shard"] for entry in held.recover(planned)] == ["shard-0"]
    assert [file.name for file in (run / "shards").iterdir()] == ["shard-0.parquet"]


def test_recovery_of_a_whole_run_changes_nothing(run: Path) -> None:
    before = contents(run)
    with Store(run) as held:
        held.recover()
    assert contents(run) == before


# --- packed ---------------------------------------------------------------------------------------------------------


def pack(run: Path) -> Path:
    with Store(run) as held:
        held.pack()
        seal(held)
    return run


@pytest.fixture
def packed(run: Path) -> Path:
    return pack(run)


def test_packed_shards_are_the_same_rows_in_one_file(run: Path) -> None:
    rows, journal = rows_in(run), store.read_journal(run)
    pack(run)
    assert same(rows_in(run), rows)
    assert problems(run) == []
    (file,) = (run / "shards").iterdir()
    place = {"file": file.name, "sha256": files.sha256(file.read_bytes())}
    assert store.read_journal(run) == [entry | place for entry in journal]


def test_equal_results_are_packed_as_equal_bytes(packed: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    with Store(again) as held:
        for shard in (2, 0):
            held.commit(f"shard-{shard}", rows_of(shard), {})
        held.pack()
        held.commit("shard-1", rows_of(1), {})  # it belongs between the two of the pack
        held.pack()
    assert contents(again / "shards") == contents(packed / "shards")


@pytest.mark.parametrize(("most", "expected"), [(1, [4, 4, 4]), (4, [4, 4, 4]), (11, [8, 4]), (12, [12])])
def test_a_pack_has_a_bounded_number_of_rows_and_no_part_of_a_shard(
    run: Path, monkeypatch: pytest.MonkeyPatch, most: int, expected: list[int]
) -> None:
    rows = rows_in(run)
    monkeypatch.setattr(store, "PACK_ROWS", most)
    pack(run)
    assert [len(part.read()) for part in store.parts(run, store.read_journal(run))] == expected
    assert len(list((run / "shards").iterdir())) == len(expected)
    assert same(rows_in(run), rows)


def test_packing_again_changes_nothing(packed: Path) -> None:
    before = contents(packed)
    assert contents(pack(packed)) == before


def test_there_is_nothing_to_pack_of_measurements(tmp_path: Path) -> None:
    with Store(tmp_path) as held:
        held.enter({"shard": "group-0", "samples": [1.0]})
        held.pack()
    assert store.read_journal(tmp_path) == [{"shard": "group-0", "samples": [1.0]}]
    assert list((tmp_path / "shards").iterdir()) == []


def as_committed(path: Path) -> Path:
    return fill(path)


def packed_before(path: Path) -> Path:
    """As where a shard of a pack was lost and trained again, and came out otherwise."""
    with Store(pack(fill(path))) as held:
        held.commit("shard-1", [found | {"learning_rate": 0.5} for found in rows_of(1)], {})
    return path


@pytest.mark.parametrize("begun", [as_committed, packed_before])
def test_a_kill_at_any_moment_of_packing_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: Callable[[Path], Path]
) -> None:
    monkeypatch.setattr(store, "PACK_ROWS", 8)
    whole = begun(tmp_path / "whole")
    rows = rows_in(whole)
    with killed_at(9999) as effects:
        pack(whole)
    assert effects.count("replace") == 4, "two packs, the journal, the manifest"
    for moment in range(len(effects)):
        hurt = begun(tmp_path / f"hurt-{moment}")
        with killed_at(moment), suppress(KilledError):
            pack(hurt)
        assert same(rows_in(hurt), rows), effects[:moment]
        with Store(hurt) as held:
            kept = held.recover()
        assert {entry["shard"] for entry in kept} == set(rows), effects[:moment]
        assert set((hurt / "shards").iterdir()) == {part.file for part in store.parts(hurt, kept)}
        assert contents(pack(hurt)) == contents(whole)


def trained_again(run: Path) -> list[str]:
    """The shards that recovery gave up and that were then committed again."""
    with Store(run) as held:
        kept = {entry["shard"] for entry in held.recover()}
        lost = [shard for shard in range(3) if f"shard-{shard}" not in kept]
        for shard in lost:
            held.commit(f"shard-{shard}", rows_of(shard), {"task": "wine_mlp", "train_s": 0.5})
        seal(held)
    return [f"shard-{shard}" for shard in lost]


@pytest.mark.parametrize("damage", [lambda file: os.truncate(file, 99), Path.unlink], ids=["truncated", "gone"])
def test_a_damaged_pack_costs_what_it_held(
    run: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(store, "PACK_ROWS", 8)
    whole = contents(pack(run) / "shards")
    first, second = store.parts(run, store.read_journal(run))
    damage(first.file)
    assert problems(run)[0].startswith(f"{first.file}: got ")
    assert problems(run)[1:] == [f"{run}: got no result of 8 planned lanes, such as lane-0-0; expected all"]
    assert trained_again(run) == ["shard-0", "shard-1"]
    assert set(contents(run / "shards")) == {"shard-0.parquet", "shard-1.parquet", second.file.name}
    assert problems(run) == [], "some packed, some not"
    assert contents(pack(run) / "shards") == whole


def test_a_damaged_line_costs_its_own_shard_alone_of_a_pack(packed: Path) -> None:
    whole, journal = contents(packed / "shards"), packed / store.JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0] + b"X" + lines[1][1:] + lines[2])
    assert trained_again(packed) == ["shard-1"]
    assert problems(packed) == [], "the pack's own rows of it do not count"
    assert same(rows_in(packed)["shard-1"], rows_of(1))
    assert contents(pack(packed) / "shards") == whole


def test_packed_shards_that_were_cut_otherwise_are_dropped(packed: Path) -> None:
    planned = {f"shard-{shard}": [found["lane"] for found in rows_of(shard)] for shard in range(3)}
    with Store(packed) as held:
        assert [entry["shard"] for entry in held.recover(planned | {"shard-1": ["other"]})] == ["shard-0", "shard-2"]
    assert list(rows_in(packed)) == ["shard-0", "shard-2"]


# --- verify ---------------------------------------------------------------------------------------------------------


def test_a_whole_run_has_no_problem(run: Path) -> None:
    assert problems(run) == []


def flipped(content: bytes, at: int, bit: int = 0) -> bytes:
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def test_one_flipped_bit_of_a_shard_is_found_wherever_it_is(run: Path) -> None:
    file = shard_file(run)
    content = file.read_bytes()
    regions = {*range(0, len(content), len(content) // 60), 0, 3, 4, len(content) - 8, len(content) - 1}
    for at in sorted(regions):
        file.write_bytes(flipped(content, at, at % 8))
        first, *rest = problems(run)
        assert first.startswith(f"{file}: got bytes that do not match"), at
        assert rest == [f"{run}: got no result of 4 planned lanes, such as lane-1-0; expected all"]


@pytest.mark.parametrize("name", [store.MANIFEST, store.JOURNAL])
def test_one_flipped_bit_of_manifest_or_journal_is_found_wherever_it_is(run: Path, name: str) -> None:
    file = run / name
    content = file.read_bytes()
    for at in range(len(content)):
        file.write_bytes(flipped(content, at, at % 8))
        with pytest.raises(DataError, match=name):
            problems(run)


def test_other_spellings_of_the_same_manifest_are_found(run: Path) -> None:
    file = run / store.MANIFEST
    assert b"1e-05" in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(b"1e-05", b"1E-05"))
    with pytest.raises(DataError, match="do not match their checksum"):
        problems(run)


Damage = Callable[[Path], object]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        pytest.param(lambda run: os.truncate(shard_file(run), 100), "shard-1.parquet: got bytes", id="truncated shard"),
        pytest.param(lambda run: os.truncate(shard_file(run), 0), "shard-1.parquet: got bytes", id="empty shard"),
        pytest.param(lambda run: shard_file(run).unlink(), "shard-1.parquet: got no file", id="missing shard"),
        pytest.param(lambda run: (run / "shards" / ".x.tmp").touch(), "got a file that the journal does not name",
                     id="stray file"),
        pytest.param(lambda run: (run / "lanes.csv").write_text("lane\n"), "lanes.csv: got bytes", id="changed table"),
        pytest.param(lambda run: (run / "lanes.csv").unlink(), "lanes.csv: got no file", id="missing table"),
        pytest.param(lambda run: (run / store.JOURNAL).unlink(), "journal.jsonl: got no file", id="missing journal"),
        pytest.param(lambda run: (run / "shards").rename(run / "elsewhere"), "shard-0.parquet: got no file",
                     id="missing folder"),
    ],
)  # fmt: skip
def test_damage_is_found(run: Path, damage: Damage, expected: str) -> None:
    damage(run)
    assert any(expected in problem for problem in problems(run))


def test_a_journal_cut_at_a_line_is_found(run: Path) -> None:
    journal = run / store.JOURNAL
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:2]))
    found = problems(run)
    assert any("journal.jsonl: got bytes" in problem for problem in found)
    assert any("shard-2.parquet: got a file that the journal does not name" in problem for problem in found)


def test_lanes_are_counted(tmp_path: Path) -> None:
    run = fill(tmp_path / "run", shards=2)
    with Store(run) as held:
        held.commit("shard-2", [row("lane-0-0", "shard-2"), row("foreign", "shard-2")], {})
        held.write_manifest({"schema": store.SCHEMA_VERSION})
    assert problems(run) == [
        f"{run}: got 1 lanes more than once; expected each once",
        f"{run}: got no result of 4 planned lanes, such as lane-2-0; expected all",
        f"{run}: got 1 lanes that were not planned, such as foreign; expected none",
    ]


# --- reading what is damaged or not there ---------------------------------------------------------------------------


def test_no_run_is_bad_input(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing", Path(__file__)):
        with pytest.raises(InputError, match=r"got no manifest\.json; expected a run's directory"):
            store.read_manifest(path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"{}", b'{"schema": 99}', b"null"])
def test_a_manifest_that_is_none_is_damage(tmp_path: Path, content: bytes) -> None:
    (tmp_path / store.MANIFEST).write_bytes(content)
    with pytest.raises(DataError, match=r"manifest\.json: got"):
        store.read_manifest(tmp_path)


# --- one writer -----------------------------------------------------------------------------------------------------

HOLD = """
import sys, time
from bench.storage.store import Store
with Store(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_writer_is_refused(run: Path) -> None:
    with Store(run), pytest.raises(LockedError, match="another run is writing to") as caught, Store(run):
        pass
    assert caught.value.exit_code == 6
    with Store(run):
        pass


def test_a_second_writer_is_refused_across_processes_until_the_first_is_gone(run: Path) -> None:
    with holder(run) as process:
        with pytest.raises(LockedError), Store(run):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        with Store(run) as held:
            assert len(held.recover()) == 3


def test_a_writer_that_leaves_does_not_take_the_next_one_s_lock_with_it(run: Path) -> None:
    second = Store(run)
    with pytest.MonkeyPatch.context() as patch, Store(run) as first:
        release = first._lock.release
        patch.setattr(first._lock, "release", lambda: (release(), second.__enter__()))
    with pytest.raises(LockedError), Store(run):
        pass
    second.__exit__()


def test_a_writer_that_opened_the_lock_before_another_left_keeps_others_out(run: Path) -> None:
    with Store(run):
        late = (run / store.LOCK).open("rb")
    with late:
        fcntl.flock(late, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(LockedError), Store(run):
            pass


@pytest.mark.parametrize("write", [store.Store.write_manifest, store.Store.enter])
def test_a_full_disk_is_told_with_the_file(
    run: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[store.Store, dict[str, Any]], None]
) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    with store.Store(run) as held:
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space left") as caught:
            write(held, {"shard": "s"})
    assert Path(caught.value.filename).parent == run


def test_a_folder_among_the_shards_is_left_alone(tmp_path: Path) -> None:
    with Store(tmp_path) as held:
        (tmp_path / "shards" / ".ipynb_checkpoints").mkdir()
        (tmp_path / "shards" / "left.parquet").touch()
        assert held.recover() == []
    assert [file.name for file in (tmp_path / "shards").iterdir()] == [".ipynb_checkpoints"]
