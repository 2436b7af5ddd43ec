"""A user's own table as the arrays of a .npz: what becomes of its columns, and what is said of misfits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.datasets import own
from bench.datasets.table import packed, packed_like
from bench.errors import InputError

ROWS = 40


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Writes a table of these columns, with this between them."""

    def write(between: str = ",", **columns: object) -> Path:
        path = tmp_path / "mine.csv"
        lists = [column if isinstance(column, list) else list(column) for column in columns.values()]  # type: ignore[call-overload]
        lines = [between.join(columns), *(between.join(map(str, row)) for row in zip(*lists, strict=True))]
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path

    return write


def told(path: Path, **arguments: object) -> list[str]:
    with pytest.raises(InputError) as error:
        packed(path, "y", **arguments)  # type: ignore[arg-type]
    return [problem.removeprefix(f"{path}: ") for problem in error.value.problems]


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_numbers_stay_texts_become_features_and_texts_of_the_target_classes(
    table: Callable[..., Path], between: str
) -> None:
    colours, kinds = ["red", "blue"] * (ROWS // 2), ["b", "a", "b", "a"] * (ROWS // 4)
    path = table(between, size=range(ROWS), colour=colours, old=[True, False] * (ROWS // 2), y=kinds)
    found = packed(path, "y")
    assert found.features == ("size", "colour=blue", "colour=red", "old")
    assert found.classes == ("a", "b")
    shapes = {name: array.shape for name, array in found.arrays.items()}
    assert shapes == {"x_train": (32, 4), "x_test": (8, 4), "y_train": (32,), "y_test": (8,)}
    x = np.concatenate([found.arrays["x_train"], found.arrays["x_test"]])
    y = np.concatenate([found.arrays["y_train"], found.arrays["y_test"]])
    assert sorted(x[:, 0]) == list(range(ROWS))
    for size, blue, red, old, kind in np.column_stack([x, y]):
        place = int(size)
        assert (blue, red, old) == (colours[place] == "blue", colours[place] == "red", place % 2 == 0)
        assert found.classes[int(kind)] == kinds[place], "each row keeps its own target"
    assert np.bincount(found.arrays["y_test"]).tolist() == [4, 4], "with the same shares of classes"


@pytest.mark.parametrize(
    ("target", "classes"),
    [
        ([1, 3] * (ROWS // 2), ("1", "3")),
        ([0.0, 1.0] * (ROWS // 2), ("0", "1")),  # as pandas writes whole numbers that once had gaps
        ([True, False] * (ROWS // 2), ("False", "True")),
        (list(range(ROWS)), ()),
        ([0.5, 1.0] * (ROWS // 2), ()),
    ],
)
def test_few_whole_numbers_are_classes_and_other_numbers_are_predicted(
    table: Callable[..., Path], target: list[float], classes: tuple[str, ...]
) -> None:
    found = packed(table(x=range(ROWS), y=target), "y")
    assert found.classes == classes
    kind = found.arrays["y_train"].dtype.kind
    assert kind == ("i" if classes else "f")
    assert set(found.arrays["y_train"]) == (set(range(len(classes))) if classes else set(found.arrays["y_train"]))


def test_a_number_of_stars_is_predicted_where_that_is_asked(table: Callable[..., Path]) -> None:
    path = table(x=range(ROWS), y=[1, 2, 3, 4] * (ROWS // 4))
    assert packed(path, "y").classes == ("1", "2", "3", "4")
    found = packed(path, "y", regression=True)
    assert found.classes == () and set(found.arrays["y_train"]) == {1.0, 2.0, 3.0, 4.0}


def test_the_same_seed_draws_the_same_test(table: Callable[..., Path]) -> None:
    path = table(x=range(ROWS), y=[0, 1] * (ROWS // 2))
    first, again, other = (packed(path, "y", seed=seed).arrays["x_test"] for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()
    assert len(packed(path, "y", test=0.5).arrays["y_test"]) == ROWS // 2


def test_all_that_is_wrong_is_told_at_once(table: Callable[..., Path]) -> None:
    path = table(
        name=[f"n{i * 7}" for i in range(60)], size=[*range(59), ""], y=["a"] * 58 + ["b", "b"]
    )  # fmt: skip
    assert told(path) == [
        "size: got 1 of 60 values that are missing; expected all",
        "name: got 60 different texts (n0, n105, n112, ...); expected numbers, or at most 50 of them",
        "y: got the classes b (2); expected at least 5 samples of each",
    ]
    assert [problem.partition(":")[0] for problem in told(path, leave_out=["name"])] == ["size", "y"]


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"x": range(ROWS), "z": range(ROWS)}, "got no column 'y'; expected a column: one of x, z"),
        ({"y": range(ROWS)}, "got the target alone; expected a column to predict it from"),
        ({"x": range(ROWS), "y": ["a"] * ROWS}, "y: got one class, a; expected two or more"),
        ({"x": range(9), "y": range(9)}, "got 9 rows; expected at least 20, and a header"),
        (
            {"x": range(ROWS), "y": [1] * (ROWS - 1) + [2]},
            "y: got the classes 2 (1); expected at least 5 samples of each, or --regression where it is a number",
        ),
        (
            {"x": range(ROWS), "y": [*[0.5] * (ROWS - 1), "inf"]},
            "y: got 1 of 40 values that are infinite, or more than 1e+18; expected smaller numbers",
        ),
        (
            {"x": [-1e300, 1e19, *range(ROWS - 2)], "y": ["a", "b"] * (ROWS // 2)},
            "x: got 2 of 40 values that are infinite, or more than 1e+18; expected smaller numbers",
        ),
        ({"x": range(ROWS), "y": [0.5] * ROWS}, "y: got 0.5 throughout; expected numbers that differ"),
        (
            {"hue": ["red", "blue"] * (ROWS // 2), "hue=red": range(ROWS), "y": ["a", "b"] * (ROWS // 2)},
            "hue=red: got two features of this name; expected another name of a column",
        ),
    ],
)
def test_what_does_not_fit(table: Callable[..., Path], columns: dict[str, object], problem: str) -> None:
    assert told(table(**columns)) == [problem]


def test_what_is_left_out_is_not_predicted_and_only_helps_where_another_column_is_wrong(
    table: Callable[..., Path],
) -> None:
    path = table(x=[*range(ROWS - 1), ""], y=[0.5] * ROWS)
    assert told(path, leave_out=["y"]) == ["got y as what to predict and to leave out; expected one of them"]
    for leave_out, hint in (([], "--leave-out COLUMN does without a column"), (["x"], "")):
        with pytest.raises(InputError) as error:
            packed(table(x=[*range(ROWS - 1), ""], z=range(ROWS), y=[0.5] * ROWS), "y", leave_out)
        assert error.value.hint == hint


def test_texts_are_no_numbers_to_predict(table: Callable[..., Path]) -> None:
    path = table(x=range(ROWS), y=["a", "b"] * (ROWS // 2))
    assert told(path, regression=True) == ["y: got a, b; expected numbers to predict"]


def test_a_target_without_any_number_is_told_as_missing(table: Callable[..., Path]) -> None:
    path = table(x=range(ROWS), y=[""] * ROWS)
    assert told(path, regression=True) == ["y: got 40 of 40 values that are missing; expected all"]


def test_a_target_with_gaps_is_told_as_such(table: Callable[..., Path]) -> None:
    path = table(x=range(ROWS), y=["a", "b"] * (ROWS // 2 - 1) + ["", "a"])
    assert told(path) == ["y: got 1 of 40 values that are missing; expected all"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n1,2\n1,2,3\n", b"\n"])
def test_what_is_no_table(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.csv"
    path.write_bytes(content)
    (problem,) = told(path)
    assert problem.startswith(("got what is no table (", "got 0 rows"))
    assert told(tmp_path / "none.csv") == ["got no such file; expected a table as text, with a header"]
    assert told(tmp_path)[0].startswith("got ")


def test_the_verb_writes_what_a_suite_takes(
    table: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table(id=range(60), size=range(60), colour=["red", "blue"] * 30, kind=["a", "b", "c"] * 20)
    arguments = ["data", "pack", "mine.csv", "--target", "kind", "--leave-out", "id"]
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "mine.npz: 48 samples for training and 12 for the test, 3 features, 3 classes: 0 = a, 1 = b, 2 = c",
        'a suite names it: tasks = [{ file = "mine.npz", model = "mlp" }]',
    ]
    dataset = own.dataset(tmp_path / "mine.npz")
    assert (dataset.shape, dataset.classes, sum(dataset.samples)) == ((3,), 3, 60)
    dataset.check(dataset)
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2
    assert again.stderr == "error: --out mine.npz: got a file that is there; expected a new one\n"


@pytest.mark.parametrize(
    ("option", "given", "told"),
    [
        ("--test", "0.9", "--test: got '0.9'; expected a number from 0.05 to 0.5"),
        ("--test", "half", "--test: got 'half'; expected a number from 0.05 to 0.5"),
        ("--test", "nan", "--test: got 'nan'; expected a number from 0.05 to 0.5"),
        ("--seed", "-1", "--seed: got '-1'; expected a number from 0 to 4,294,967,295"),
        ("--seed", "1.5", "--seed: got '1.5'; expected a number from 0 to 4,294,967,295"),
    ],
)
def test_options_outside_of_their_bounds(option: str, given: str, told: str) -> None:
    done = CliRunner().invoke(app, ["data", "pack", "mine.csv", "--target", "y", option, given])
    assert (done.exit_code, done.stderr) == (2, f"error: {told}\n")


def test_the_verb_writes_nothing_of_bad_input(
    table: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table(x=range(ROWS), y=["a"] * ROWS)
    done = CliRunner().invoke(app, ["data", "pack", "mine.csv", "--target", "kind"])
    assert done.exit_code == 2 and done.stdout == ""
    assert done.stderr == "error: mine.csv: got no column 'kind'; expected a column: one of x, y\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]


KINDS = ["north", "a=b"] * (ROWS // 2)


@pytest.fixture
def like(table: Callable[..., Path], tmp_path: Path) -> Path:
    """An archive of a number, a column of texts and a target of classes."""
    path = table(age=range(ROWS), place=KINDS, y=["no", "yes"] * (ROWS // 2))
    (tmp_path / "mine.npz").write_bytes(packed(path, "y").archive)
    return tmp_path / "mine.npz"


def test_further_rows_become_what_the_training_has(table: Callable[..., Path], like: Path) -> None:
    path = table(y=["yes"], place=["a=b"], extra=[1], age=[7])
    found = packed_like(path, like)
    assert found.features == ("age", "place=a=b", "place=north")
    assert found.arrays["x"].tolist() == [[7, 1, 0]] and found.arrays["y"].tolist() == [1]
    unknown = packed_like(table(place=["north", "north"], age=[1.5, 2]), like)
    assert set(unknown.arrays) == {"x"} and unknown.arrays["x"].tolist() == [[1.5, 0, 1], [2, 0, 1]]


def test_texts_that_look_like_numbers_stay_the_texts_of_the_training(
    table: Callable[..., Path], tmp_path: Path
) -> None:
    codes, truths = ["007", "A1"] * (ROWS // 2), (["true", "false", "maybe"] * ROWS)[:ROWS]
    path = table(zip=codes, sure=truths, **{"place=a": range(ROWS)}, y=["01", "3x"] * (ROWS // 2))
    (tmp_path / "mine.npz").write_bytes(packed(path, "y").archive)
    found = packed_like(table(zip=["007"], sure=["true"], **{"place=a": [5]}, y=["01"]), tmp_path / "mine.npz")
    assert found.features == ("zip=007", "zip=A1", "sure=false", "sure=maybe", "sure=true", "place=a")
    assert found.arrays["x"].tolist() == [[1, 0, 0, 0, 1, 5]] and found.arrays["y"].tolist() == [0]


def test_a_column_that_was_left_out_is_not_taken_for_the_text_of_another(
    table: Callable[..., Path], tmp_path: Path
) -> None:
    path = table(place=["a", "b"] * (ROWS // 2), **{"place=a": range(ROWS)}, y=range(ROWS))
    (tmp_path / "mine.npz").write_bytes(packed(path, "y", leave_out=["place=a"]).archive)
    assert packed_like(path, tmp_path / "mine.npz").arrays["x"][:2].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("classes", "written", "place"),
    [(["true", "false"], "True", 1), (["1", "0"], "1.0", 1), (["2.5", "a"], "2.50", 0)],
)
def test_classes_are_found_however_they_are_written(
    classes: list[str], written: str, place: int, table: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "mine.npz").write_bytes(packed(table(x=range(ROWS), y=classes * (ROWS // 2)), "y").archive)
    assert packed_like(table(x=[1], y=[written]), tmp_path / "mine.npz").arrays["y"].tolist() == [place]


def test_the_rows_of_the_training_come_out_as_they_were(table: Callable[..., Path], tmp_path: Path) -> None:
    path = table(price=[i / 3 for i in range(ROWS)], place=KINDS, stars=[1, 2] * (ROWS // 2))
    for target in ("price", "stars", "place"):
        first = packed(path, target, test=0.25)
        (tmp_path / f"{target}.npz").write_bytes(first.archive)
        again = packed_like(path, tmp_path / f"{target}.npz").arrays
        rows = {(*x, y) for x, y in zip(again["x"].tolist(), again["y"].tolist(), strict=True)}
        trained = zip(first.arrays["x_train"].tolist(), first.arrays["y_train"].tolist(), strict=True)
        assert {(*x, y) for x, y in trained} <= rows


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"place": ["north"]}, "got no column 'age'; expected it, as "),
        ({"age": [1]}, "got no column 'place'; expected it, as "),
        ({"age": ["old"], "place": ["north"]}, "age: got old; expected numbers"),
        ({"age": [1], "place": ["east"]}, "place: got east; expected one of a=b, north"),
        ({"age": ["", 1], "place": ["north"] * 2}, "age: got 1 of 2 values that are missing; expected all"),
        ({"age": [1], "place": ["north"], "y": ["maybe"]}, "y: got maybe; expected one of no, yes"),
    ],
)
def test_rows_unlike_those_of_the_training(
    table: Callable[..., Path], like: Path, columns: dict[str, object], problem: str
) -> None:
    path = table(**columns)
    with pytest.raises(InputError) as error:
        packed_like(path, like)
    assert [text for text in error.value.problems if text.startswith(f"{path}: {problem}")], error.value.problems


def test_what_has_no_names_of_columns_is_nothing_to_be_like(table: Callable[..., Path], tmp_path: Path) -> None:
    np.savez(tmp_path / "plain.npz", x=np.zeros((3, 2)))
    for name, told in (("plain.npz", "got a file without the names of columns"), ("none.npz", "got no such file")):
        with pytest.raises(InputError, match=told):
            packed_like(table(age=[1], place=["north"]), tmp_path / name)


@pytest.mark.slow
def test_a_table_is_trained_on_and_further_rows_are_predicted(
    table: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table(age=range(ROWS), place=KINDS, y=KINDS)
    call = CliRunner().invoke
    assert call(app, ["data", "pack", "mine.csv", "--target", "y"]).exit_code == 0
    assert call(app, ["train", "mine.npz", "--steps", "60", "--batch-size", "16"]).exit_code == 0
    table(place=["north", "a=b"], age=[3, 50], y=["north", "a=b"])
    done = call(app, ["predict", "model", "mine.csv"])
    assert done.exit_code == 2 and "bench data pack NEW.csv --like DATA.npz" in done.output
    done = call(app, ["data", "pack", "mine.csv", "--like", "mine.npz", "--out", "new.npz"])
    assert done.output.splitlines() == [
        "new.npz: 2 samples of 3 features and their y", "bench predict MODEL new.npz takes it",
    ]  # fmt: skip
    done = call(app, ["predict", "model", "new.npz"])
    assert done.exit_code == 0 and "accuracy: 100.0 %" in done.output
    done = call(app, ["train", "mine.csv"])
    assert done.exit_code == 2 and "bench data pack FILE.csv --target COLUMN" in done.output
    done = call(app, ["data", "pack", "mine.csv", "--out", "other.npz"])
    assert done.exit_code == 2 and "got neither or both of it and --like" in done.output


def test_rows_longer_than_the_header_and_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("a,b,y\n" + "1,2.5,1,1\n2,1.5,0,0\n" * ROWS, "utf-8")
    assert told(path) == ["got rows with more fields than the header has; expected as many"]
    path.write_text("y,v,y\n" + "1,2.5,1\n0,1.5,0\n" * ROWS, "utf-8")
    assert told(path) == ["got several columns of the name y; expected another name for each"]


def test_classes_of_many_digits_keep_their_names(table: Callable[..., Path], tmp_path: Path) -> None:
    path = table(a=range(2 * ROWS), y=[1_000_001, 1_000_002] * ROWS)
    found = packed(path, "y")
    assert found.classes == ("1000001", "1000002")
    (tmp_path / "like.npz").write_bytes(found.archive)
    assert set(packed_like(path, tmp_path / "like.npz").arrays["y"]) == {0, 1}


def test_options_of_a_target_are_refused_beside_like(tmp_path: Path, like: Path) -> None:
    given = ["--regression", "--leave-out", "age", "--test", "0.4", "--seed", "9"]
    done = CliRunner().invoke(
        app,
        ["data", "pack", str(tmp_path / "mine.csv"), "--like", str(like), *given, "--out", str(tmp_path / "new.npz")],
    )
    assert done.exit_code == 2 and done.stderr.count("got it beside --like; expected it with --target") == 4


def test_the_archive_has_a_name_that_suites_take(table: Callable[..., Path], tmp_path: Path) -> None:
    path = table(x=range(ROWS), y=["a", "b"] * (ROWS // 2)).rename(tmp_path / "my data.csv")
    done = CliRunner().invoke(app, ["data", "pack", str(path), "--target", "y"])
    assert done.exit_code == 0 and (tmp_path / "my_data.npz").exists() and 'file = "my_data.npz"' in done.stdout
    deep = tmp_path / "new" / "deep" / "x.npz"
    assert CliRunner().invoke(app, ["data", "pack", str(path), "--target", "y", "--out", str(deep)]).exit_code == 0
    assert deep.exists()
    for name in ("mine.csv", "a b.npz"):
        refused = CliRunner().invoke(app, ["data", "pack", str(path), "--target", "y", "--out", str(tmp_path / name)])
        assert refused.exit_code == 2 and f"got the name {name!r}; expected letters, digits" in refused.stderr
