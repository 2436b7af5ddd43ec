"""The verbs of a single network, as a user calls them."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.errors import InputError
from bench.network import fit
from bench.network.fit import program_of
from bench.network.verbs import _as_options, _cell, _entry, _in_run, _parsed, _seen
from bench.planning.suite import REGISTERED
from bench.storage import store
from bench.tasks import TASKS

SHORT = ["--steps", "20", "--batch-size", "32"]


def bench(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained network of wine."""
    folder = tmp_path_factory.mktemp("models") / "wine"
    assert bench("train", "wine_mlp", "--out", str(folder), *SHORT)[0] == 0
    return folder


def test_a_network_is_trained_kept_and_asked(tmp_path: Path) -> None:
    from sklearn.datasets import load_wine

    model, data = tmp_path / "model", tmp_path / "wine.npz"
    code, output = bench(
        "train", "wine_mlp", "--activation", "tanh", "--learning-rate", "0.03", "--out", str(model), *SHORT
    )
    assert code == 0 and "test accuracy:" in output and output.count("step ") == 21
    x, y = load_wine(return_X_y=True)
    np.savez(data, x=x, y=y)
    code, output = bench("predict", str(model), str(data))
    assert code == 0 and "178 predictions" in output and "accuracy:" in output
    with np.load(model / "predictions.npz") as found:
        assert found["outputs"].shape == (178, 3) and found["classes"].dtype == np.int32
    np.savez(data, x_test=x[:7], y_test=y[:7])
    code, output = bench("predict", str(model), str(data))
    assert code == 0 and output.startswith(f"7 predictions of x_test: {model / 'predictions.npz'}\naccuracy: ")


def test_the_leader_of_a_run_that_has_not_finished_is_told_with_a_warning(smoke_run: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(smoke_run, tmp_path / "run"))
    with store.Store(path) as held:
        held.write_manifest(store.read_manifest(path) | {"status": "interrupted"})
    code, output = bench("train", "wine_mlp", "--best", str(path), "--out", str(tmp_path / "model"))
    assert code == 0 and f"warning: {path}: This run is interrupted" in output
    code, output = bench("train", "wine_mlp", "--best", str(smoke_run), "--out", str(tmp_path / "model"))
    assert code == 0 and "warning" not in output


def test_what_a_run_was_given_from_python_is_asked_for_by_its_option() -> None:
    with pytest.raises(InputError) as told, _as_options():
        raise InputError("suite: activations[0].name: got 'snake'; expected another", REGISTERED)
    assert str(told.value.hint).startswith("--python FILE ")


def test_divergence_is_said_and_keeps_the_model_which_predicts_nothing(tmp_path: Path) -> None:
    model, data = tmp_path / "m", tmp_path / "x.npz"
    code, output = bench("train", "wine_mlp", "--learning-rate", "1e30", "--out", str(model), *SHORT)
    assert code == 5 and "a smaller --learning-rate" in output
    np.savez(data, x=np.ones((2, 13)), y=np.zeros(2, int))
    code, output = bench("predict", str(model), str(data))
    assert code == 2 and "got one that diverged at step" in output


@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        (np.ones((0, 13)), None, "x: got 0 samples; expected one or more"),
        (np.full((2, 13), np.nan), None, "x: got nan, or more than a float32 holds"),
        (np.full((2, 13), 1e200), None, "x: got nan, or more than a float32 holds"),
        (np.ones((2, 13)), np.eye(3)[:2], "y.argmax(1) are the labels"),
        (np.ones((2, 13)), np.zeros(3), "y: got the shape (3,); expected a label for each sample, (2,)"),
        (np.ones((2, 13)), np.array(["a", "b"]), "y: got <U1; expected numbers"),
    ],
)
def test_examples_that_do_not_fit_are_refused(
    model: Path, x: np.ndarray, y: np.ndarray | None, told: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "data.npz", **({"x": x} if y is None else {"x": x, "y": y}))
    code, output = bench("predict", str(model), str(tmp_path / "data.npz"), "--out", str(tmp_path / "out.npz"))
    assert code == 2 and told in output and not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "wine"], 'error: TASK: got "wine"; expected the name of a task'),
        (["train", "wine_mlp", "--activation", "rellu"], 'error: --activation: got "rellu"; expected the name of an'),
        (["train", "wine_mlp", "--batch-size", "1000"], "error: --batch-size: got 1000; expected at most 106"),
        (["train", "wine_mlp", "--eval-every", "501"], "error: --eval-every: got 501; expected at most 500"),
        (["train", "nowhere.npz"], "error: TASK: "),
        (
            ["train", "wine_mlp", "--activation", "elu(alpha=x)"],
            'error: --activation.alpha: got "x"; expected a finite',
        ),
        (["train", "wine_mlp", "--device", "tpu"], "expected one of cpu, gpu"),
        (
            ["train", "wine_mlp", "--seed", "-1"],
            "error: --seed: got -1; expected a whole number from 0 to 4,294,967,295",
        ),
        (["train", "wine_mlp", "--best", "results/first", "--steps", "9"], "got --steps beside it"),
        (["train", "wine_mlp", "--python", "own.py", "--activation", "own"], "error: --python: "),
        (["predict", "nowhere", "data.npz"], "expected a trained model"),
    ],
)
def test_bad_input_is_told(
    arguments: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = bench(*arguments)
    assert code == 2 and expected in output and "Traceback" not in output
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_told_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("note.txt").write_text("mine")
    code, output = bench("train", "wine_mlp", "--out", "note.txt/x", *SHORT)
    assert code == 4 and "error: note.txt/x: got Not a directory" in output and "step " not in output


@pytest.mark.parametrize("missing", [["wine_mlp", "--device", "gpu"], ["mnist_mlp"]])
def test_where_something_is_missing_nothing_is_left(
    missing: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    code, _ = bench("train", *missing, "--out", str(tmp_path / "model"), *SHORT)
    assert code == 4 and not (tmp_path / "model").exists()


def test_data_of_a_users_own_are_trained_on_and_names_have_arguments(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(72, 4))
    y = (x.sum(1) > 0).astype(int)
    np.savez(tmp_path / "half.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    names = [f"{tmp_path}/half.npz(width=8)", "--activation", "elu(alpha=0.5)", "--optimizer", "adam(b1=0.8)"]
    code, output = bench("train", *names, "--steps", "20", "--batch-size", "16", "--out", str(tmp_path / "m"))
    TASKS.pop("half_mlp")
    assert code == 0
    assert output.startswith("half_mlp(width=8): elu(alpha=0.5) + adam(b1=0.8), learning rate 0.001, 20 steps of 16\n")


@pytest.mark.parametrize(
    ("told", "entry"),
    [
        ("adam", {"name": "adam"}),
        ("adam(b1=0.8, nesterov=True)", {"name": "adam", "b1": 0.8, "nesterov": True}),
        ("wine_mlp(width=16,initialization=he)", {"name": "wine_mlp", "width": 16, "initialization": "he"}),
        ("a (1)/mine.npz(model=cnn)", {"name": "a (1)/mine.npz", "model": "cnn"}),
        ("adam(", {"name": "adam("}),
        ("adam)", {"name": "adam)"}),
        (
            "sgd(momentum=0.5, schedule=cosine(final=0.1,peak=0.2),nesterov=True)",
            {
                "name": "sgd",
                "momentum": 0.5,
                "schedule": {"name": "cosine", "final": 0.1, "peak": 0.2},
                "nesterov": True,
            },
        ),
    ],
)
def test_an_entry_is_read_as_its_label_tells_it(told: str, entry: dict[str, object]) -> None:
    assert _entry(told) == entry


def test_the_label_of_what_was_trained_trains_it_again(tmp_path: Path) -> None:
    label = "sgd(schedule=cosine(final=0.1))"
    code, output = bench("train", "wine_mlp", "--optimizer", label, "--out", str(tmp_path / "model"), *SHORT)
    assert code == 0 and output.startswith(f"wine_mlp: relu + {label}, ")


def test_what_is_wrong_is_told_once() -> None:
    code, output = bench("train", "wine_mlp", "--learning-rate", "0")
    assert code == 2
    assert output == "error: --learning-rate: got 0.0; expected a number above 0 (from 1e-30 to 1e30)\n"


@pytest.mark.parametrize(
    ("task", "optimizer", "told"),
    [
        ("wine_mlp", "adam", " of 16"),
        ("wine_mlp", "lbfgs", " of all 106 samples"),
        ("logistic_regression", "adam", " of 16"),
        ("adding_rnn", "lbfgs", " of 16"),
        ("beale", "adam", ""),
    ],
)
def test_how_many_samples_a_step_sees(task: str, optimizer: str, told: str) -> None:
    cell = _cell(task, {"steps": 4, "learning_rate": 0.1, "activation": "relu", "optimizer": optimizer,
                        "batch_size": 16})  # fmt: skip
    assert _seen(program_of(_parsed({**cell, "seeds": {"tune": 1, "evaluate": 1}}))) == told


def test_a_file_is_the_task_of_a_run_that_comes_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, file = tmp_path / "run", str(tmp_path / "mine.npz")
    swept = {f"mine_mlp(width={width})": {"base": "mine_mlp", "options": {"width": width}} for width in (16, 64)}
    tasks = {**swept, "mine_rnn": {"base": "mine_rnn", "options": {}}, "wine_mlp": {"base": "wine_mlp", "options": {}}}
    entries = [{"name": f"mine_{model}", "file": file, "model": model} for model in ("mlp", "rnn")]
    with store.Store(run) as held:
        held.write_manifest({"schema": store.SCHEMA_VERSION, "suite": {"tasks": [*entries, {"name": "wine_mlp"}]},
                             "tasks": tasks})  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert _in_run(run, "mine.npz(width=64)") == _in_run(run, f"{file}(model=mlp, width=64)") == "mine_mlp(width=64)"
    assert _in_run(run, "./mine.npz(model=rnn)") == "mine_rnn"
    for alone in ("wine_mlp", "other.npz", "mine.npz(width=8)", "mine_mlp(width=16)"):
        assert _in_run(run, alone) == alone  # which is found there, or told with what there is
    with pytest.raises(InputError, match=r"got mine\.npz, which 3 of its tasks come from; expected one of mine_mlp\("):
        _in_run(run, "mine.npz")


@pytest.mark.parametrize("option", ["--lr", "--learning-rate"])
def test_a_learning_rate_has_a_short_name(option: str, tmp_path: Path) -> None:
    code, output = bench("train", "wine_mlp", option, "0.01", "--steps", "2", "--out", str(tmp_path / "m"))
    assert code == 0 and "learning rate 0.01" in output


def test_nothing_but_predictions_is_overwritten_by_predictions(tmp_path: Path) -> None:
    model, data = tmp_path / "m", tmp_path / "data.npz"
    bench("train", "wine_mlp", "--steps", "2", "--out", str(model))
    np.savez(data, x=np.zeros((3, 13)), y=np.array([0, 1, 3]))
    code, output = bench("predict", str(model), str(data), "--out", str(tmp_path / "new.npz"))
    assert code == 2 and "y: got the label 3; expected 0 to 2, as the network knows" in output
    assert not (tmp_path / "new.npz").exists()
    np.savez(data, x=np.zeros((3, 13)))
    (tmp_path / "notes.txt").write_text("mine")
    np.savez(tmp_path / "both.npz", x=np.zeros((3, 13)), outputs=np.zeros((3, 3)))
    files = [data, model / "model.safetensors", tmp_path / "notes.txt", tmp_path / "both.npz"]
    before = [file.read_bytes() for file in files]
    for file in files:
        examples = file if file.name == "both.npz" else data
        code, output = bench("predict", str(model), str(examples), "--out", str(file))
        assert code == 2 and f"--out {file}: got a file that is there and holds no predictions" in output
    assert [file.read_bytes() for file in files] == before
    for _ in range(2):  # of predictions the newer ones stay
        code, output = bench("predict", str(model), str(data), "--out", str(tmp_path / "new.npz"))
        assert code == 0 and f"3 predictions of x: {tmp_path / 'new.npz'}" in output


def test_predictions_that_are_no_numbers_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = tmp_path / "m", tmp_path / "data.npz"
    bench("train", "wine_mlp", "--steps", "2", "--out", str(model))
    np.savez(data, x=np.zeros((3, 13)))
    monkeypatch.setattr(fit, "predict", lambda *_: np.array([[1, np.nan, 0], [0, 1, 0], [np.inf, 0, 0]]))
    code, output = bench("predict", str(model), str(data))
    assert code == 0 and "2 of them are no finite numbers" in output


def test_a_signal_ends_a_training_with_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "train", "digits_mlp", "--steps", "1000000", "--out", str(tmp_path / "m")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            while "step" not in (line := process.stdout.readline()).split():
                assert line, "it ended by itself"
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert told.startswith("error: train: got a signal before the end")


def test_a_model_that_is_replaced_is_told(tmp_path: Path) -> None:
    lasts = [bench("train", "wine_mlp", "--steps", "2", "--out", str(tmp_path / "m"))[1].splitlines()[-1] for _ in "ab"]
    assert lasts == [f"model: {tmp_path / 'm'}", f"model: {tmp_path / 'm'} (in place of an older one)"]


def test_a_model_of_another_task_is_not_replaced(tmp_path: Path) -> None:
    out = ["--steps", "2", "--out", str(tmp_path / "m")]
    assert bench("train", "wine_mlp(width=8)", *out)[0] == 0
    before = (tmp_path / "m" / "model.json").read_bytes()
    code, output = bench("train", "diabetes_mlp", *out)
    assert code == 2 and "got a model of wine_mlp; expected a new directory or an older model of diabetes_mlp" in output
    assert (tmp_path / "m" / "model.json").read_bytes() == before
    assert bench("train", "wine_mlp", *out)[0] == 0, "its own task, of another width"


def test_what_a_killed_training_left_is_no_hindrance(tmp_path: Path) -> None:
    for name in ("model.safetensors", ".model.safetensors.tmp", ".model.json.tmp"):
        (tmp_path / name).write_bytes(b"half")
    code, output = bench("train", "wine_mlp", "--steps", "2", "--eval-every", "1", "--out", str(tmp_path))
    assert code == 0, output
    assert {"model.json", "model.safetensors"} <= {path.name for path in tmp_path.iterdir()}


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    code, output = bench("train", "wine_mlp", "--out", str(tmp_path))
    assert code == 2 and "something else's files" in output
