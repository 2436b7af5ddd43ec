"""What a network says of examples, by name and as a file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.datasets import own as data
from bench.errors import InputError
from bench.losses import hinge
from bench.network import predictions
from bench.tasks import TASKS
from bench.tasks import own as tasks
from bench.tasks.base import Task

WINE, TUMOURS, DIABETES = (TASKS[name] for name in ("wine_mlp", "breast_cancer_mlp", "diabetes_mlp"))
OUTPUTS = np.array([[0.0, np.log(3)], [200.0, -200.0]], np.float32)


def test_classes_have_probabilities_and_names() -> None:
    found = predictions.of_outputs(TUMOURS, OUTPUTS)
    assert found["classes"].tolist() == [1, 0] and found["labels"].tolist() == ["benign", "malignant"]
    np.testing.assert_allclose(found["probabilities"], [[0.25, 0.75], [1, 0]], atol=1e-6)


def test_scores_of_another_loss_are_no_probabilities() -> None:
    task = replace(TUMOURS, options=TUMOURS.options | {"loss": hinge})
    found = predictions.of_outputs(task, OUTPUTS)
    assert sorted(found) == ["classes", "labels", "outputs"]
    table = predictions.encoded(found, Path("p.csv"), ("a", "b")).decode()
    assert table.splitlines()[0] == "prediction,output(a),output(b)"


def test_numbers_are_what_was_said() -> None:
    found = predictions.of_outputs(DIABETES, np.array([[150.25], [1 / 3]], np.float64))
    assert list(found) == ["outputs"]
    assert predictions.encoded(found, Path("p.csv"), ()).decode() == "prediction\n150.25\n0.333333333\n"


def test_classes_without_names_are_told_by_number() -> None:
    found = predictions.of_outputs(WINE, np.eye(3, dtype=np.float32)[[2, 0]])
    lines = predictions.encoded(found, Path("p.csv"), ()).decode().splitlines()
    assert lines[0] == "prediction,p(0),p(1),p(2)" and [line[0] for line in lines[1:]] == ["2", "0"]
    assert sum(map(float, lines[1].split(",")[1:])) == pytest.approx(1, abs=1e-5)


def test_names_with_commas_and_quotes_stay_one_column() -> None:
    found = predictions.of_outputs(TUMOURS, OUTPUTS)
    assert predictions.encoded(found, Path("p.csv"), ("a, b", 'c"')).decode().splitlines()[0] == (
        'prediction,"p(a, b)","p(c"")"'
    )


def test_pictures_are_no_rows_of_a_table() -> None:
    with pytest.raises(InputError, match=r"--out p.csv: got outputs of 8 x 8 numbers; expected one"):
        predictions.encoded({"outputs": np.zeros((2, 8, 8))}, Path("p.csv"), ())


def test_how_well_numbers_agree_does_not_depend_on_their_type() -> None:
    y = np.array([300.0, 600.0, 900.0])
    told = predictions.agreement({"outputs": np.array([[900.0], [600.0], [300.0]])}, y.astype(np.float16))
    assert told == "root mean square error: 489.9, R²: -3"


@pytest.mark.parametrize("suffix", predictions.SUFFIXES)
def test_a_file_of_predictions_is_known_again(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"p{suffix}"
    assert not predictions.holds(file)
    file.write_bytes(b"mine")
    assert not predictions.holds(file)
    file.write_bytes(predictions.encoded(predictions.of_outputs(TUMOURS, OUTPUTS), file, ()))
    assert predictions.holds(file)


def arrays(classes: Any) -> dict[str, np.ndarray]:
    x, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 3
    return {"x_train": x[:45], "y_train": y[:45], "x_test": x[45:], "y_test": y[45:], "classes": np.array(classes)}


@pytest.mark.parametrize(
    "classes, names",
    [
        (["cat", "dog", "eel"], ("cat", "dog", "eel")),
        (["cat", "dog"], ()),
        (["cat", "dog", "dog"], ()),
        ([0, 1, 2], ()),
    ],
)
def test_a_file_names_its_classes_where_it_has_a_name_for_each(
    tmp_path: Path, classes: Any, names: tuple[str, ...]
) -> None:
    np.savez(tmp_path / "d.npz", **arrays(classes))
    assert data.dataset(tmp_path / "d.npz").names == names


def names_of(task: Task) -> tuple[str, ...]:
    assert task.dataset is not None
    return task.dataset.names


def test_a_model_knows_the_names_without_its_data(tmp_path: Path) -> None:
    file = tmp_path / "d.npz"
    np.savez(file, **arrays(["cat", "dog", "eel"]))
    told = tasks.facts(tasks.task(file, "mlp"))
    file.unlink()
    with tasks.remembered(told):
        assert names_of(tasks.task(file, "mlp")) == ("cat", "dog", "eel")
    with tasks.remembered({key: of for key, of in told.items() if key != "names"}):  # a model of before
        assert names_of(tasks.task(file, "mlp")) == ()


def test_a_table_of_predictions_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", **arrays(["cat", "dog", "eel"]))
    np.savez("new.npz", x=np.zeros((4, 2)))
    options = ["--steps", "2", "--batch-size", "8", "--out", "model"]
    assert CliRunner().invoke(app, ["train", "d.npz", *options]).exit_code == 0
    done = CliRunner().invoke(app, ["predict", "model", "new.npz", "--out", "p.csv"])
    assert done.exit_code == 0 and "4 predictions of x: p.csv" in done.output
    head, *rows = Path("p.csv").read_text().splitlines()
    assert head == "prediction,p(cat),p(dog),p(eel)" and len(rows) == 4
    assert {row.partition(",")[0] for row in rows} <= {"cat", "dog", "eel"}
    done = CliRunner().invoke(app, ["predict", "model", "new.npz", "--out", "p.txt"])
    assert done.exit_code != 0 and isinstance(done.exception, InputError | SystemExit)
