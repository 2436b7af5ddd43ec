"""Tasks of a user's own: arrays in a file, and a Python file."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import run
from bench.datasets import own as arrays_of
from bench.errors import DataError, InputError
from bench.planning import suite
from bench.planning.plan import make
from bench.running import manifests
from bench.tasks import TASKS, own
from bench.tasks.families import FAMILIES

SUITE: dict[str, Any] = {
    "name": "own", "activations": ["relu"], "optimizers": ["adam"], "steps": 20, "batch_size": 16, "eval_every": 10,
    "learning_rates": {"low": 1e-2, "high": 1e-2, "num": 1}, "seeds": {"tune": 1, "evaluate": 2},
}  # fmt: skip
PYTHON = """
from dataclasses import replace

import jax.numpy as jnp

from bench.tasks import TASKS


def loss(outputs, targets):
    return 2 * jnp.square(outputs[:, 0] - targets).mean()


DIABETES = TASKS["diabetes_mlp"]
TASK = replace(DIABETES, name="own_python", make=None, accepts={}, options={**DIABETES.options, "loss": loss})
"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Eight by eight pixels whose brighter half is the label."""
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 160)
    x = random.normal(0, 1, (160, 8, 8, 1)) + np.where(y == 1, 1, -1)[:, None, None, None] * np.eye(8)[None, :, :, None]
    np.savez(tmp_path / "mine.npz", x_train=x[:120], y_train=y[:120], x_test=x[120:], y_test=y[120:])
    return tmp_path / "mine.npz"


@pytest.mark.parametrize("model", sorted(FAMILIES))
def test_every_family_builds_what_it_declares(model: str, images: Path) -> None:
    import jax
    import jax.numpy as jnp

    from bench.activations import ACTIVATIONS

    task = own.task(images, model)
    problem = task.build(task, (ACTIVATIONS["relu"],), jnp.int32(0))
    parameters, state = problem.init(jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(parameters)) == task.parameters
    loss, metric = problem.evaluate(parameters, state, task.load(task)["validation"])
    assert np.isfinite(float(loss)) and np.isfinite(float(metric))


@pytest.mark.parametrize(("kind", "scale"), [("float64", 1e-19), ("float32", 1e-18), ("float16", 300.0)])
def test_what_a_constant_scores_does_not_depend_on_the_scale_or_type_of_y(
    kind: str, scale: float, tmp_path: Path
) -> None:
    y = np.random.default_rng(1).normal(2, 1, 60)
    x = np.zeros((60, 2))
    for name, values in (("plain", y), ("scaled", (y * scale).astype(kind))):
        np.savez(tmp_path / f"{name}.npz", x_train=x[:40], y_train=values[:40], x_test=x[40:], y_test=values[40:])
    plain, scaled = (own.task(tmp_path / f"{name}.npz", "mlp").baseline for name in ("plain", "scaled"))
    assert scaled == pytest.approx(plain, abs=1e-3) and -0.5 < plain < 0


@pytest.mark.slow
def test_a_suite_names_a_file_beside_it(images: Path, tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(
        'name = "own"\ntasks = [{ file = "mine.npz", model = "mlp", width = 8 }]\n'
        'activations = ["relu"]\noptimizers = ["adam"]\nsteps = 40\nbatch_size = 16\neval_every = 10\n'
        "[learning_rates]\nlow = 1e-2\nhigh = 1e-2\nnum = 1\n[seeds]\ntune = 1\nevaluate = 2\n"
    )
    found = run(tmp_path / "suite.toml", out=tmp_path / "run", workers=1)
    assert set(found.lanes["status"]) == {"ok"}
    assert found.convergence["task"].tolist() == ["mine_mlp(width=8)"]
    assert found.convergence["test_metric"][0] > found.manifest["tasks"]["mine_mlp(width=8)"]["baseline"]


@pytest.mark.slow
def test_a_python_file_is_run_in_the_workers(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(PYTHON)
    given = suite.parse(SUITE | {"tasks": [{"file": str(tmp_path / "own.py")}]})
    found = run(given, out=tmp_path / "run", workers=1)
    assert set(found.lanes["status"]) == {"ok"} and set(found.lanes["task"]) == {"own_python"}


def test_the_plan_of_a_described_suite_is_the_same(images: Path) -> None:
    given = suite.parse(SUITE | {"tasks": [{"file": str(images), "model": "cnn"}]})
    assert make(suite.parse(given.described())).sha256 == make(given).sha256


def test_what_is_kept_of_a_suite_is_read_from_another_folder(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = suite.parse(SUITE | {"tasks": [{"file": images.name, "model": "cnn"}]})
    monkeypatch.chdir("/")
    assert suite.parse(given.described()) == given


def test_a_suite_keeps_what_it_said_of_a_file_that_another_names_too(images: Path) -> None:
    file = {"file": str(images), "model": "mlp"}
    first = suite.parse(SUITE | {"tasks": [file | {"target": 0.5}]})
    swept = suite.parse(SUITE | {"tasks": [file | {"target": 0.6}], "factors": {"width": [4, 8]}})
    last = suite.parse(SUITE | {"tasks": [file | {"target": 0.9}]})
    for given, target in ((first, 0.5), (swept, 0.6), (last, 0.9)):
        assert {work.task.target for work in given.works} == {target} == {given.described()["tasks"][0]["target"]}


def test_no_file_takes_the_name_of_another_task(images: Path, tmp_path: Path) -> None:
    wine, other = images.rename(tmp_path / "wine.npz"), tmp_path / "own.py"
    before = dict(TASKS)
    for name in ("wine_mlp", "a/b <x>"):
        other.write_text(PYTHON.replace("own_python", name))
        with pytest.raises(InputError, match=f"got a task named '{name}'"):
            suite.parse(SUITE | {"tasks": [{"file": str(other)}]})
    with pytest.raises(InputError, match="'wine_mlp', which is taken; expected a new name"):
        suite.parse(SUITE | {"tasks": [{"file": str(wine), "model": "mlp"}]})
    assert before == TASKS


def test_a_file_takes_the_place_of_another_of_its_name_but_not_in_one_suite(images: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    elsewhere = Path(shutil.copy(images, tmp_path / "other"))
    files = [{"file": str(path), "model": "cnn", "width": width} for path, width in ((images, 4), (elsewhere, 8))]
    suites = [suite.parse(SUITE | {"tasks": [file]}) for file in files]
    images.unlink()
    again = suite.parse(SUITE | {"tasks": [files[1]]})
    sources = [given.works[0].task.dataset.source for given in (*suites, again)]  # type: ignore[union-attr]
    assert sources == [str(images), str(elsewhere), str(elsewhere)]
    shutil.copy(elsewhere, images)
    told = re.escape(f"got mine_cnn of {images} and of {elsewhere}; expected a name for each file")
    with pytest.raises(InputError, match=told):
        suite.parse(SUITE | {"tasks": files})


def test_of_a_file_that_is_gone_nothing_is_said_of_registering(images: Path) -> None:
    given = suite.parse(SUITE | {"tasks": [{"file": str(images), "model": "mlp"}]}).described()
    images.unlink()
    with pytest.raises(InputError, match="no such file") as caught, suite.stored():
        suite.parse(given)
    assert caught.value.hint == ""


def test_every_array_that_does_not_fit_is_named_with_the_way_to_mend_it(tmp_path: Path) -> None:
    path = tmp_path / "short.npz"
    np.savez(path, x_train=np.zeros((20, 2)), y_train=np.arange(20) % 2)
    with pytest.raises(InputError) as caught:
        suite.parse(SUITE | {"tasks": [{"file": str(path), "model": "mlp"}]}, "own.toml")
    assert caught.value.problems == [
        f"own.toml: tasks[0].file: {path}: {key}: got no such array; expected it" for key in ("x_test", "y_test")
    ]
    assert caught.value.hint.startswith("numpy.savez_compressed(path, x_train=")


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"model": "mlp", "file": "nowhere.npz"}, "no such file"),
        ({"model": "mlp", "file": "mine.csv"}, "mine.csv: got a table; expected arrays, a .npz"),
        ({"model": "cnm"}, "expected one of mlp, cnn, rnn, autoencoder"),
        ({}, "got no model; expected one of mlp"),
        ({"model": "mlp", "depht": 3}, "depht: got an unknown argument"),
        ({"model": 3}, "the model as a string"),
        ({"model": "mlp", "name": "foo"}, 'tasks[0].name: got "foo"; expected no such key, or mine_mlp'),
        ({"file": "own.py", "model": "mlp"}, 'tasks[0].model: got "mlp"; expected no such key: it is for a file of'),
        ({"file": "own.py", "target": 5}, "tasks[0].target: got 5; expected no such key: it is for a file of arrays"),
    ],
)
def test_what_does_not_fit_is_told(task: dict[str, Any], expected: str, images: Path) -> None:
    with pytest.raises(InputError) as caught:
        suite.parse(SUITE | {"tasks": [{"file": str(images)} | task]})
    assert expected in " ".join(caught.value.problems)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = 1", "no TASK"),
        ("TASK = 3", "a TASK that is a int"),
        ("1 / 0", "ZeroDivisionError: division by zero (own.py, line 1); expected a Python file that runs"),
        ("import sys; sys.exit(3)", "SystemExit: 3 (own.py, line 1); expected a Python file that runs"),
        ('raise ValueError("one\\ntwo")', "ValueError: one (own.py, line 1) two; expected a Python file that runs"),
    ],
)
def test_a_python_file_without_a_task_is_told(code: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(code)
    with pytest.raises(InputError, match=re.escape(expected)):
        own.task(tmp_path / "own.py")
    with pytest.raises(InputError, match="no such file"):
        own.task(tmp_path / "other.py")


def test_a_task_whose_fields_are_of_another_kind_is_told_with_all_of_them(tmp_path: Path) -> None:
    wrong = 'samples=(1, 2, 3), metric="MSE", target="x", flops=float("nan"), load=None'
    (tmp_path / "own.py").write_text(PYTHON.replace('name="own_python"', f'name="own_python", {wrong}'))
    with pytest.raises(InputError) as caught:
        own.task(tmp_path / "own.py")
    told = [problem.removeprefix(f"{tmp_path / 'own.py'}: TASK: ") for problem in caught.value.problems]
    assert told == [
        "metric: got 'MSE'; expected a bench.losses.Metric, as MSE, to maximize or minimize",
        "target: got 'x'; expected a finite float, of the validation metric",
        "samples: got (1, 2, 3); expected bench.datasets.Samples of three ints",
        "flops: got nan; expected an int of 0 or more, of one example",
        "load: got None; expected a function",
    ]


def test_no_task_that_is_built_in_has_a_field_of_another_kind() -> None:
    assert not [problem for task in TASKS.values() for problem in own.problems(task)]


def test_a_metric_without_a_direction_is_told() -> None:
    wine = TASKS["wine_mlp"]
    (told,) = own.problems(replace(wine, metric=replace(wine.metric, direction="max")))
    assert told.endswith("to maximize or minimize")


def test_data_that_are_not_what_a_task_says_are_told_and_not_read_beyond_their_end() -> None:
    wine = TASKS["wine_mlp"]
    parts = wine.load(wine)
    shorter = {**parts, "train": (parts["train"][0], parts["train"][1][:-1])}
    for found, told in (
        (shorter, "got train of the shape (105,); expected its first axis to be of 106"),
        ({"train": parts["train"]}, "got no validation and no test; expected a dict of train, validation, test"),
        (parts["train"], "got a tuple; expected a dict of train"),
        ({**parts, "test": ([[1.0]], [0])}, "got a float among its leaves; expected arrays of numpy"),
    ):
        with pytest.raises(DataError, match=re.escape(f"task wine_mlp: load: {told}")):
            replace(wine, load=lambda _, found=found: found).data()
    assert wine.data().keys() == parts.keys()


def test_a_file_is_read_once_until_it_changes(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    whole = arrays_of._sha256
    monkeypatch.setattr(arrays_of, "_sha256", lambda path: read.append(path) or whole(path))
    swept = SUITE | {"tasks": [{"file": str(images), "model": "mlp"}], "factors": {"width": [4, 8], "depth": [1, 2]}}
    made = make(suite.parse(swept))
    assert len({program.task.name for program in made.programs}) == 4 and len(read) == 1
    before = made.programs[0].task.dataset
    with np.load(images) as held:
        np.savez(images, **{**held, "x_train": held["x_train"] + 1})
    after = make(suite.parse(swept)).programs[0].task.dataset
    assert len(read) == 2 and after != before


def test_the_data_of_variants_of_a_task_are_checked_once(images: Path) -> None:
    swept = SUITE | {"tasks": [{"file": str(images), "model": "mlp"}], "factors": {"width": [4, 8]}}
    checked: list[str] = []
    programs = []
    for program in make(suite.parse(swept)).programs:
        assert program.task.dataset
        counted = replace(program.task.dataset, check=lambda dataset: checked.append(dataset.name) or "same")
        programs.append(replace(program, task=replace(program.task, dataset=counted)))
    assert manifests.data_of(programs) == {"mine_mlp(width=4)": "same", "mine_mlp(width=8)": "same"}
    assert checked == ["mine"]
