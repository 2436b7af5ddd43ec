"""A run that searched: halved trials of a learning rate and of an argument, from the suite to the report."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from stored import assert_alike, problems

import bench
from bench.network import fit
from bench.planning.plan import make
from bench.planning.suite import Suite
from bench.storage import store
from bench.storage.results import Run

STEPS, SEARCHED = 36, "adam(b1=0.5..0.9 one_minus)"


def suite() -> Suite:
    return Suite(
        name="searched",
        tasks=["wine_mlp"],
        activations=["tanh", "relu"],
        optimizers=["sgd", {"name": "adam", "b1": {"low": 0.5, "high": 0.9, "scale": "one_minus"}}],
        steps=STEPS,
        batch_size=32,
        eval_every=9,
        tuning={"method": "halving", "trials": 9},
        learning_rates={"low": 1e-3, "high": 1.0},
        seeds={"tune": 2, "evaluate": 3},
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return bench.run(suite(), tmp_path_factory.mktemp("searched") / "run", workers=1)


def test_every_lane_of_every_rung_is_a_row_with_its_own_steps(run: Run) -> None:
    tuned = run.lanes[run.lanes["phase"] == "tune"]
    counts = tuned.groupby(["activation", "optimizer", "steps"])["lane"].size().unstack("steps")
    assert list(counts.columns) == [4, 12, 36]
    assert (counts.to_numpy() == [[9 * 2, 3 * 2, 1 * 2]] * 4).all()
    assert set(run.lanes["status"]) == {"ok"}
    assert run.lanes["steps"].sum() == run.manifest["plan"]["lane_steps"] == make(suite()).lane_steps
    assert problems(run.path) == []
    ends = run.curves.groupby("lane")["step"].max()
    assert (ends[run.lanes["lane"]].to_numpy() == run.lanes["steps"]).all()
    assert run.curves["validation_loss"].notna().all()


def test_each_rung_keeps_the_best(run: Run) -> None:
    for _, lanes in run.lanes.groupby(["activation", "optimizer"]):
        rungs = [lanes[(lanes["steps"] == steps) & (lanes["phase"] == "tune")] for steps in (4, 12, 36)]
        for before, after in zip(rungs, [*rungs[1:], lanes[lanes["phase"] == "evaluate"]], strict=True):
            keys = ["learning_rate", "hyperparameters"]
            means = before.groupby(keys)["validation_metric"].mean().sort_values(ascending=False)
            kept = set(after[keys].itertuples(index=False, name=None))
            assert min(means[list(kept)]) >= means.iloc[len(kept) - 1]


def test_hyperparameters_are_the_values_of_the_lane(run: Run) -> None:
    values = run.lanes.groupby("optimizer")["hyperparameters"].agg(set)
    assert values["sgd"] == {"{}"}
    found = {json.loads(text)["b1"] for text in values[SEARCHED]}
    assert len(found) == 9
    assert all(0.5 <= b1 <= 0.9 and float(np.float32(b1)) == b1 for b1 in found)


def test_convergence_tells_what_was_chosen(run: Run) -> None:
    assert list(run.convergence.columns)[3:6] == ["learning_rate", "hyperparameters", "at_grid_edge"]
    evaluated = run.lanes[run.lanes["phase"] == "evaluate"].groupby(["activation", "optimizer"])
    for row in run.convergence.itertuples():
        own = evaluated.get_group((row.activation, row.optimizer))
        assert set(own["hyperparameters"]) == {row.hyperparameters}
        assert set(own["learning_rate"]) == {row.learning_rate}


def test_the_cell_that_leads_is_trained_again_with_what_was_found(run: Run) -> None:
    found, rate = fit.cell_of(run.path, "wine_mlp")
    ((optimizer, trials),) = found.tuned_optimizers
    assert [trial.learning_rate for trial in trials] == [rate]
    assert not optimizer.searched
    rows = run.lanes[run.lanes["phase"] == "evaluate"]
    chosen = {json.loads(text).get("b1") for text in rows.loc[rows["learning_rate"] == rate, "hyperparameters"]}
    assert optimizer.arguments.get("b1") in chosen


def test_the_report_says_how_it_was_tuned(run: Run, tmp_path: Path) -> None:
    bench.report([run], tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text("utf-8")
    assert (
        "Each cell is tuned alike: 9 trials of a Sobol sequence over the learning rate and whatever else of "
        "its optimizer has a range, "
        "then the best 3 and 1 of them, each for 3 times as long, 2 seeds each;"
    ) in text
    assert "of each trial, at its learning rate" in text
    assert ", b1=0." in text
    assert "each learning rate of the grid" not in text
    assert "the learning rate and what else was searched" in text
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert page.count('"picked":') == 2


@pytest.mark.slow
def test_a_run_resumed_within_a_halving_is_the_undisturbed_run(run: Run, tmp_path: Path) -> None:
    path = Path(shutil.copytree(run.path, tmp_path / "again"))
    lines = (run.path / store.JOURNAL).read_bytes().splitlines(keepends=True)
    (path / store.JOURNAL).write_bytes(b"".join(lines[: len(lines) // 2]))
    bench.run(resume=path, workers=1)
    assert_alike(path, run.path)
    assert problems(path) == []
