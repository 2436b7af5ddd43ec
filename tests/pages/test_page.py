"""The words of a report: each says what was done, and no more."""

import re
from dataclasses import replace

import numpy as np
import pytest
from synthetic import REGRESSION, SyntheticRun, make_run, task_entry

from bench.findings.verdicts import Verdict
from bench.pages.page import _tested, parts_of
from bench.pages.report import render
from bench.stats import Metric

LANDSCAPE = task_entry(
    kind="landscape",
    summary="A valley",
    baseline=1.0,
    baseline_is="the middle of the starts",
    uses_activation=False,
    samples={"train": 0, "validation": 0, "test": 0},
    exhibit="path",
    shown={"title": "The way", "x": [-1.0, 0.0, 1.0], "y": [-1.0, 0.0, 1.0], "z": np.eye(3).tolist(), "minima": []},
)


@pytest.fixture(scope="module")
def landscapes() -> SyntheticRun:
    run = make_run(["none"], ["sgd", "prodigy"], {"valley": LANDSCAPE}, evaluations=4)
    run.exhibits[("valley", "none", "sgd")] = np.zeros((5, 2), np.float32)
    return run


def test_a_run_without_activations_speaks_of_runs_and_starts(landscapes: SyntheticRun) -> None:
    (part,) = parts_of([landscapes])
    asked, (section,) = " ".join(part.asked), part.sections
    assert "network" not in asked + section.setting + " ".join(f.text for f in part.findings)
    assert asked.startswith("2 optimizers × 1 task: 2 cells, ")
    assert "the middle of the starts scores" in section.facts
    assert "every run scored from starts that tuning never saw" in section.setting
    assert section.figures["curves"].title == "How the runs descend"


def test_that_seeds_are_not_test_samples_is_said(landscapes: SyntheticRun) -> None:
    tasks = {"digits": task_entry(), "progress": REGRESSION}
    digits, progress = parts_of([make_run(["relu"], ["sgd", "adam"], tasks)])[0].sections
    assert digits.setting.endswith(
        "± is over seeds, for this one test set of 360 samples; "
        "another of that size would move a score by about 0.88 points (standard error)."
    )
    assert progress.setting.endswith("± is over seeds, for this one test set of 360 samples.")
    assert "±" not in parts_of([landscapes])[0].sections[0].setting


@pytest.mark.parametrize(
    ("score", "told"),
    [
        (1.0, "a score of 100 % on them is compatible with a true one of 92.0 % (95 % bound)."),
        (0.0, "a score of 0 % on them is compatible with a true one of 8.0 % (95 % bound)."),
        (0.5, "another of that size would move a score by about 8.3 points (standard error)."),
    ],
)
def test_a_perfect_score_on_few_samples_is_not_certain(score: float, told: str) -> None:
    found = Verdict("t", ("relu", "sgd"), score, 0.0, (), 2, 5, Metric.of(task_entry()))
    assert _tested(found, 36).endswith(f"for this one test set of 36 samples; {told}")
    assert _tested(found, 36, survived=False).endswith("for this one test set of 36 samples.")
    assert "compatible" not in _tested(replace(found, metric=Metric.of(REGRESSION)), 36)


@pytest.mark.parametrize(("optimizers", "few", "many"), [([2], 1, 0), ([7], 0, 1), ([2, 7], 1, 1), ([1], 0, 0)])
def test_what_the_test_promises_is_that_of_so_many_cells(optimizers: list[int], few: int, many: int) -> None:
    runs = [make_run(["relu"], [f"o{i}" for i in range(n)], evaluations=2, name=f"r{n}") for n in optimizers]
    files = render(runs)
    for file in ("index.html", "report.md"):
        words = " ".join(files[file].decode().split())
        assert words.count("runs of two to six cells") == few and words.count("more than 95 times in 100") == many


def test_a_cell_of_which_a_seed_collapsed_is_marked_and_the_mark_explained() -> None:
    run = make_run(["relu"], ["sgd", "adam"], evaluate=6)
    assert "‡:" not in render([run])["index.html"].decode()
    lost = run.lanes.index[(run.lanes["phase"] == "evaluate") & (run.lanes["optimizer"] == "adam")][0]
    run.lanes.loc[lost, ["test_metric", "status"]] = [0.15, "ok"]
    files = render([run])
    page, text = files["index.html"].decode(), files["report.md"].decode()
    assert page.count(" ‡<") == 1 and "‡: a seed collapsed" in page
    assert text.count(" ‡ |") == 1 and "‡: a seed collapsed" in text
    assert files["tables/digits-mlp-cells.tex"].decode().count(r" $\ddagger$ &") == 1
    assert "<td>not told apart</td>" in page and "<td>level</td>" not in page


def test_runs_over_landscapes_have_no_examples_and_no_validation_data() -> None:
    entry = task_entry(samples={"train": 0, "validation": 0, "test": 0}, uses_activation=False)
    run = make_run(["none"], ["sgd", "adam"], {"a": entry})
    (part,) = parts_of([run])
    assert re.search(r"Each run trains for [\d,]+ steps\.", part.asked[0])
    text = render([run])["report.md"].decode()
    assert "examples" not in text and "validation data" not in text and "test set" not in text


def test_trials_of_a_search_are_told() -> None:
    run = make_run(["relu"], ["sgd", "adam"], {"a": task_entry()})
    rate = {"low": 1e-4, "high": 1.0, "scale": "log"}
    run.manifest["suite"]["tuning"] = {"method": "random", "trials": 5, "seed": 0}
    run.manifest["optimizers"]["sgd"]["searched"] = {"learning_rate": rate}
    run.manifest["optimizers"]["adam"]["searched"] = {"b1": rate, "learning_rate": rate, "weight_decay": rate}
    run.convergence["hyperparameters"] = ['{"slope": 1}', '{"b1": 0.912345, "slope": 1, "weight_decay": 1e-05}']
    run.convergence.loc[:, "at_grid_edge"] = True
    (part,) = parts_of([run])
    told = (
        "5 trials drawn at random over the learning rate and whatever else of its optimizer has a range, 2 seeds each;"
    )
    assert told in part.asked[1]
    told = [entry.text for row in part.sections[0].cells.rows for entry in row.entries]
    assert any(text.endswith("*, b1=0.9123, weight_decay=1e-05") for text in told)
    assert any("at the edge of the range" in finding.text for finding in part.findings)


def test_what_was_made_is_shown_in_page_and_markdown(landscapes: SyntheticRun) -> None:
    files = render([landscapes])
    assert "figures/valley-path.svg" in files
    assert "Leader: sgd." in files["index.html"].decode()
    assert "(figures/valley-path.svg)" in files["report.md"].decode()
    assert "a paired t test" not in files["index.html"].decode()


def test_what_made_the_difference_is_told_of_each_task() -> None:
    (part,) = parts_of([make_run(["relu", "tanh"], ["sgd", "adam"], evaluations=4)])
    told = part.sections[0].causes
    assert told[0].startswith("Of the spread in test accuracy, ")
    assert told[1].startswith("Of the spread in validation accuracy, ")
    assert [sentence for sentence in told if "has the best mean of any activation" in sentence]
    assert [sentence for sentence in told if "has the best mean of any optimizer" in sentence]
    assert "half of that gap would need" in told[-1]


@pytest.mark.parametrize("evaluated", [1.0, 0.5])
def test_a_target_that_no_cell_reaches_has_no_columns(evaluated: float) -> None:
    run = make_run(["relu", "tanh"], ["sgd", "adam"], evaluations=4, keep_evaluated=evaluated)
    run.lanes["steps_to_target"] = np.inf
    missed = SyntheticRun("x", run.lanes, run.curves, run.throughput, run.times, run.manifest)
    section = parts_of([missed])[0].sections[0]
    titles = [column.title for table in (section.cells, section.paper) for column in table.columns]
    assert "rank" in titles and not [title for title in titles if "target" in title or title == "steps"]


def test_what_the_best_schedule_is_stands_at_the_head_where_schedules_were_swept() -> None:
    run = make_run(["relu"], ["sgd", "sgd(schedule=cosine)", "adam", "adam(schedule=cosine)"], evaluations=4)
    assert "of any schedule" not in _head(run)
    run.manifest["suite"]["factors"] = {"schedule": [{"name": "constant"}, {"name": "cosine"}], "width": None}
    assert _head(run).count("of any schedule") == 1
    assert "of any schedule" in render([run])["report.md"].decode().partition("## What was asked")[0]


def _head(run: SyntheticRun) -> str:
    return render([run])["index.html"].decode().partition("<body>")[2].partition("<main>")[0]


def test_who_is_soonest_is_told_once_at_the_head() -> None:
    run = make_run(["relu"], ["sgd", "adam", "lion"], evaluations=4)
    assert _head(run).count("oonest at") == 1
    run.lanes.loc[run.lanes["phase"] == "evaluate", ["test_metric", "status"]] = [1.0, "ok"]
    head = _head(SyntheticRun("x", run.lanes, run.curves, run.throughput, run.times, run.manifest))
    assert "3 cells reach the ceiling" in head and head.count("oonest at") == 1


def test_the_head_says_what_to_choose_and_at_which_rate() -> None:
    run = make_run(["relu"], ["sgd", "adam"], evaluations=4)
    files = render([run])
    best = run.convergence.sort_values("rank").iloc[0]
    told = f"Choose relu + {best['optimizer']} at learning rate {best['learning_rate']:.3g}"
    assert told in files["index.html"].decode().partition("<main>")[0]
    assert told.replace("_", "\\_") in files["report.md"].decode()


@pytest.mark.parametrize(
    ("means", "told"),
    [
        ([0.9, 0.8, 0.6, 0.1], "10.0 points ahead of the next, relu + o1, and 20.0 points ahead of the median cell."),
        ([0.9, 0.9, 0.6], "At the same mean as the next, relu + o1, and at the same mean as the median cell."),
        ([0.9, 0.899999], "Less than 0.001 points ahead of the next, relu + o1."),
        (
            [0.9, 0.8, 0.8, 0.8, 0.8],
            "10.0 points ahead of the next, relu + o1 and 3 more, and 10.0 points ahead of the median cell.",
        ),
        ([0.9, 0.89999999], "At the same mean as the next, relu + o1."),  # as float32 has them
    ],
)
def test_the_margin_is_to_the_next_and_to_the_median_of_the_means(means: list[float], told: str) -> None:
    run = make_run(["relu"], [f"o{i}" for i in range(len(means))], evaluations=4)
    scored = run.lanes["phase"] == "evaluate"
    run.lanes.loc[scored, "test_metric"] = run.lanes["optimizer"].str[1:].astype(int).map(dict(enumerate(means)))
    run.lanes = run.lanes.assign(status="ok", steps_to_target=10.0)
    run = SyntheticRun("x", run.lanes, run.curves, run.throughput, run.times, run.manifest)
    assert parts_of([run])[0].sections[0].margin == told


def test_a_median_cell_without_a_finite_mean_is_out_of_reach() -> None:
    run = make_run(["relu"], ["sgd", "adam", "lion"], {"progress": REGRESSION}, evaluations=4)
    lost = (run.lanes["phase"] == "evaluate") & (run.lanes["optimizer"] != "sgd")
    run.lanes["status"] = ["diverged" if gone else "ok" for gone in lost]
    run = SyntheticRun("x", run.lanes, run.curves, run.throughput, run.times, run.manifest)
    assert parts_of([run])[0].sections[0].margin.endswith("and out of reach of the median cell.")


def test_several_runs_open_with_a_table_of_their_leaders() -> None:
    runs = [make_run(["relu"], ["adam"], evaluations=4, name=name) for name in ("one", "two")]
    files = render(runs)
    page, text = files["index.html"].decode(), files["report.md"].decode()
    assert (
        page.index("has the best mean in both runs")
        < page.index("The leader of each task of each run")
        < page.index("<main>")
    )
    rows = [line for line in text.splitlines() if line.startswith("| one |")]
    assert rows[0].startswith("| one | digits\\_mlp | relu + adam | ")


def test_folded_findings_open_in_the_page_and_are_listed_in_markdown() -> None:
    files = render([make_run(["relu"], ["sgd"], {name: task_entry(baseline=0.999) for name in "ab"}, evaluations=4)])
    page, text = files["index.html"].decode(), files["report.md"].decode()
    assert page.count("<summary>Cells are worse than the task&#39;s baseline on 2 of 2 tasks: a and b.</summary>") == 1
    assert "<li>b: 1 of 1 cells is worse than always" in page
    told = "Cells are worse than the task's baseline on 2 of 2 tasks: a and b."
    assert f"\n- **Warning**: {told}\n  - a: 1 of 1 cells" in text


def test_a_table_for_a_paper_has_each_mean_with_its_uncertainty_in_few_columns() -> None:
    (section,) = parts_of([make_run(["relu"], ["sgd", "adam"], evaluations=4)])[0].sections
    assert [column.title for column in section.paper.columns] == [
        "rank", "activation", "optimizer", "accuracy (%)", "rate", "steps", "diverged",
    ]  # fmt: skip
    means = [row.entries[3].text for row in section.paper.rows]
    assert [text.split(" ± ")[0] for text in means] == [row.entries[3].text for row in section.cells.rows]
    assert all(" ± " in entry.text for row in section.matrix.rows for entry in row.entries[1:])
    names = [f"a{i}" for i in range(6)], [f"o{i}" for i in range(7)]
    (wide,) = parts_of([make_run(*names, rates=1, tune=1, evaluations=2)])[0].sections
    assert not any("±" in entry.text for row in wide.matrix.rows for entry in row.entries)


def test_several_tasks_have_their_leaderboard_before_the_first_of_them() -> None:
    run = make_run(["relu"], ["sgd", "adam"], {"a": task_entry(), "b": task_entry()}, evaluations=4)
    files = render([run])
    page, text = files["index.html"].decode(), files["report.md"].decode()
    assert page.index("Over all tasks") < page.index('id="section-a"')
    assert "figures/run-profiles.svg" in files
    assert "(figures/run-profiles.svg)" in text
    assert "| relu | " in text[text.index("## Over all tasks") : text.index("## a")]
