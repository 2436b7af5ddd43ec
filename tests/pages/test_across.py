"""What the tasks of a run, and several runs, say together."""

from copy import copy
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from numpy.typing import ArrayLike
from synthetic import REGRESSION, SyntheticRun, make_run, task_entry

from bench.figures.svg import Figure
from bench.findings import crosstask
from bench.findings.verdicts import verdict
from bench.pages import standings
from bench.pages.across import across, together

TASKS = {name: task_entry(data_sha256=name) for name in "abcd"} | {"e": REGRESSION}
SIX = {name: task_entry(data_sha256=name) for name in "abcdef"}


@pytest.fixture(scope="module")
def run() -> SyntheticRun:
    return make_run(["relu", "tanh"], ["sgd", "momentum", "adam"], TASKS, evaluate=6)


def without_activation(run: SyntheticRun, *tasks: str) -> SyntheticRun:
    """The run with cells of one activation alone, named none, in these tasks."""
    lanes = run.lanes[~(run.lanes["task"].isin(tasks) & (run.lanes["activation"] != "relu"))].copy()
    lanes.loc[lanes["task"].isin(tasks), "activation"] = "none"
    return SyntheticRun(run.name, lanes, run.curves, run.throughput, run.times, run.manifest)


def ranked(run: SyntheticRun, ranks: ArrayLike) -> SyntheticRun:
    """The run with other ranks of its cells."""
    other = copy(run)
    other.convergence = run.convergence.assign(rank=ranks)
    return other


def test_five_tasks_have_a_leaderboard_a_test_and_profiles(run: SyntheticRun) -> None:
    found = across(run, "run")
    assert found is not None
    assert "has the best mean rank" in found.sentences[0]
    assert "of 6 over 5 tasks" in found.sentences[0]
    assert "of the 5 tasks it leads or cannot be told from the leader" in found.sentences[1]
    assert "Of the 2 activations" in found.sentences[2] and "Of the 3 optimizers" in found.sentences[3]
    assert "Friedman" in found.details[0]
    assert "change their order" in found.details[1]
    assert [column.title for column in found.board.columns][:4] == ["activation", "optimizer", "tasks", "mean rank"]
    assert len(found.board.rows) == 6
    ranks = [float(row.entries[3].key) for row in found.board.rows]
    assert ranks == sorted(ranks)
    assert sum(ranks) == pytest.approx(21)
    text = words(found.figures["profiles"])
    assert "share of the 5 tasks" in text
    assert all(row.name in text for row in found.board.rows)


def words(figure: Figure) -> str:
    return " ".join(ElementTree.fromstring(figure.file).itertext())


def test_mean_ranks_are_shaded_and_drawn_in_the_order_of_the_suite(run: SyntheticRun) -> None:
    found = across(run, "run")
    assert found is not None and found.heat is not None
    assert found.heat.columns == ("relu", "tanh")
    assert [name for name, _ in found.heat.rows] == ["sgd", "momentum", "adam"]  # the longer side runs down
    told = {row.name: f"{float(row.entries[3].key):.1f}" for row in found.board.rows}
    shades = {f"{a} + {o}": s for o, row in found.heat.rows for a, s in zip(found.heat.columns, row, strict=True)}
    assert {name: shade.text for name, shade in shades.items()} == told
    assert [name for name, shade in shades.items() if shade.mark == "leader"] == [found.board.rows[0].name]
    assert shades[found.board.rows[0].name].share == 1
    figure = found.figures["ranks"]
    assert all(rank in words(figure) for rank in told.values())
    assert figure.finding.startswith(f"From {told[found.board.rows[0].name]} with {found.board.rows[0].name} to ")
    assert "averaged over 5 tasks" in figure.reading


def test_where_no_cell_reaches_a_target_the_leaderboard_has_no_profile_scores(run: SyntheticRun) -> None:
    def titles(board: pd.DataFrame) -> list[str]:
        return [column.title for column in standings.leaderboard(board).columns]

    board = crosstask.leaderboard(run.lanes, run.convergence, run.manifest["tasks"])
    assert "profile score" in titles(board) and "profile score" not in titles(board.assign(profile=0.0))


def test_of_one_activation_there_is_no_heatmap_of_mean_ranks() -> None:
    found = across(make_run(["relu"], ["sgd", "adam"], TASKS), "run")
    assert found is not None and found.heat is None and "ranks" not in found.figures


@pytest.mark.parametrize(
    ("sure", "told"), [(True, "but 3 of the 5 others cannot"), (False, "but none of the 5 others can")]
)
def test_the_headline_says_how_many_cannot_be_told_from_the_first(run: SyntheticRun, sure: bool, told: str) -> None:
    run = ranked(run, run.convergence["rank"])
    ranks = run.convergence.groupby(["activation", "optimizer"], sort=False).ngroup() + 1
    for place, task in enumerate(TASKS):
        own = run.convergence["task"] == task
        run.convergence.loc[own, "rank"] = ranks[own] if sure else (ranks[own] + place) % 6 + 1
    found = across(run, "run")
    assert found is not None and found.heat is not None
    assert found.sentences[0].endswith(f"over 5 tasks, {told} be told from it.")
    marks = [shade.mark for _, row in found.heat.rows for shade in row]
    assert marks.count("level") == (3 if sure else 0)  # of marks on every cell none stands out
    assert ("thin outline" in found.figures["ranks"].reading) == sure


def test_the_best_activation_and_optimizer_over_all_are_told(run: SyntheticRun) -> None:
    places = {"sgd": 3.5, "momentum": 5.5, "adam": 1.5}
    own = run.convergence["optimizer"].map(places)
    found = across(ranked(run, own + np.where(run.convergence["activation"] == "relu", -0.5, 0.5)), "run")
    assert found is not None
    one, other = found.sentences[2:4]
    assert one == (
        "Of the 2 activations, each at the mean rank of its cells, relu has the best, 1.0; the other can be told from "
        "it."
    )
    assert other == (
        "Of the 3 optimizers, each at the mean rank of its cells, adam has the best, 1.0; cannot be told from it: sgd."
    )
    (activations, optimizers) = (table for _, table in found.alone)
    assert [title for title, _ in found.alone] == ["Activations", "Optimizers"]
    assert [[entry.text for entry in row.entries][:2] for row in optimizers.rows] == [
        ["adam", "1.0"], ["sgd", "2.0"], ["momentum", "3.0"],
    ]  # fmt: skip
    assert [row.mark for row in optimizers.rows] == ["leader", "level", ""]
    assert [row.mark for row in activations.rows] == ["leader", ""]
    found = across(ranked(run, np.where(run.convergence["optimizer"] == "adam", 1.5, 4.5)), "run")
    assert found is not None
    assert found.sentences[2].endswith("each at the mean rank of its cells, there is no difference.")


def test_wilcoxon_s_p_values_stand_where_one_of_them_tells_something(run: SyntheticRun) -> None:
    board = crosstask.leaderboard(run.lanes, run.convergence, run.manifest["tasks"])
    assert "p against the first" not in [column.title for column in standings.leaderboard(board).columns]
    sure = standings.leaderboard(board.assign(p_value=[np.nan, 0.0002, 0.031, 0.5, 1.0, 1.0]))
    place = [column.title for column in sure.columns].index("p against the first")
    assert [row.entries[place].text for row in sure.rows] == ["–", "< 0.001", "0.031", "0.50", "1.0", "1.0"]


def test_the_headline_counts_each_data_set_once() -> None:
    """On 13 tasks one cell is always the first; that 8 of them are of one data set makes six blocks of them."""
    names = [f"t{i}" for i in range(13)]
    tasks = {name: task_entry(data_sha256="shared" if i < 8 else name) for i, name in enumerate(names)}
    run = make_run(["relu", "tanh"], ["sgd", "momentum", "adam"], tasks, evaluations=4)
    run = ranked(run, run.convergence["rank"])
    ranks = run.convergence.groupby(["activation", "optimizer"], sort=False).ngroup() + 1
    place = run.convergence["task"].map({name: i for i, name in enumerate(names)})
    run.convergence["rank"] = ranks.where(place < 8, (ranks + place) % 6 + 1).astype(float)
    found = across(run, "run")
    assert found is not None
    assert " of 6 over 6 data sets, but none of the 5" in found.sentences[0]
    assert " of the 13 tasks (8 of them on the same data) it leads" in found.sentences[1]
    assert found.details[0].startswith("The 13 tasks are of 6 data sets, 8 of them of one: ")
    assert "over 6 data sets" in found.details[1]
    assert float(found.board.rows[0].entries[3].key) > 2


def test_two_tasks_are_too_few_for_a_test_and_one_for_anything() -> None:
    two = across(make_run(["relu"], ["sgd", "adam"], {"a": task_entry(), "b": task_entry()}), "run")
    assert two is not None
    assert any("1 data set is too few for a test across data sets" in sentence for sentence in two.details)
    assert not any(row.mark for row in two.board.rows)
    assert across(make_run(["relu"], ["sgd", "adam"]), "run") is None


def test_tasks_without_activations_stay_out_of_a_ranking_with_them(run: SyntheticRun) -> None:
    found = across(without_activation(run, "a"), "run")
    assert found is not None
    assert "over 4 tasks" in found.sentences[0]
    assert found.details[-1] == "Left out for having other cells: a."
    assert all("none" not in row.name for row in found.board.rows)


def test_tasks_of_which_nothing_was_evaluated_are_left_out_for_that_reason(run: SyntheticRun) -> None:
    lost = run.lanes["task"].isin(["a", "b"]) & (run.lanes["phase"] == "evaluate")
    found = across(SyntheticRun("x", run.lanes[~lost], run.curves, run.throughput, run.times, run.manifest), "run")
    assert found is not None
    assert found.details[-1] == "Left out for having no evaluated cell: a and b."


def test_the_headline_says_where_tasks_are_too_few_to_tell_any_two_cells_apart() -> None:
    """Of 90 cells on six tasks the order differs beyond chance, and still no two are far enough apart."""
    run = make_run([f"a{i}" for i in range(9)], [f"o{i}" for i in range(10)], SIX, evaluations=2)
    rng, cells = np.random.default_rng(0), run.convergence.groupby(["activation", "optimizer"], sort=False).ngroup()
    for task in SIX:
        own = run.convergence["task"] == task
        run.convergence.loc[own, "rank"] = (cells[own] + rng.normal(0, 90, 90)).rank()
    found = across(run, "run")
    assert found is not None
    assert "over 6 tasks, too few to tell any of the 89 others from it." in found.sentences[0]
    assert " differ on the whole (Friedman" in found.details[0]
    assert "but 6 tasks are too few to tell any two of 90 apart: no mean ranks are 64.20 apart" in found.details[0]
    assert found.heat is not None and "thin outline" not in found.figures["ranks"].reading


def test_tasks_without_activations_alone_are_ranked_by_optimizer(run: SyntheticRun) -> None:
    found = across(without_activation(run, *TASKS), "run")
    assert found is not None
    assert "activation" not in [column.title for column in found.board.columns]
    assert {row.name for row in found.board.rows} == {"sgd", "momentum", "adam"}


def test_nothing_evaluated_says_nothing() -> None:
    tasks = {"a": task_entry(), "b": task_entry()}
    assert across(make_run(["relu"], ["sgd"], tasks, keep_evaluated=0), "run") is None


def of(*runs: SyntheticRun) -> list[tuple[str, object]]:
    return [
        (r.name, verdict(r.lanes, r.convergence, r.manifest["tasks"], t)) for r in runs for t in r.manifest["tasks"]
    ]


def test_runs_that_agree_and_runs_that_differ_say_so() -> None:
    one, two = (make_run(["relu"], ["sgd", "adam"], name=name) for name in ("one", "two"))
    found = together([one, two], of(one, two))  # type: ignore[arg-type]
    assert found is not None
    assert found.sentences == (
        "digits_mlp: relu + " + str(of(one)[0][1].winner[1]) + " has the best mean in both runs.",
    )  # type: ignore[attr-defined]
    assert [row.entries[0].text for row in found.table.rows] == ["one", "two"]
    assert found.findings == ()
    done = two.lanes["phase"] == "evaluate"
    loser = "adam" if "sgd" in found.sentences[0] else "sgd"
    two.lanes.loc[done & (two.lanes["optimizer"] == loser), "test_metric"] += 0.2
    two = SyntheticRun("two", two.lanes, two.curves, two.throughput, two.times, two.manifest)
    two.manifest["environment"]["precision"] = "bfloat16"
    found = together([one, two], of(one, two))  # type: ignore[arg-type]
    assert found is not None
    assert found.sentences[0].startswith("digits_mlp: the leaders differ (one: relu + ")
    assert "differ in precision" in found.findings[0].text


def test_a_single_run_has_nothing_to_be_told_with() -> None:
    run = make_run(["relu"], ["sgd"])
    assert together([run], of(run)) is None  # type: ignore[arg-type]


def test_how_far_apart_mean_ranks_must_be_is_told_where_few_are_told_apart() -> None:
    optimizers = [f"o{i}" for i in range(6)]
    run = make_run(["relu", "tanh"], optimizers, TASKS, evaluate=6)
    places = run.convergence["optimizer"].map(dict(zip(optimizers, (1, 2, 3, 4, 5, 6), strict=True)))
    found = across(ranked(run, 2 * places), "run")
    assert found is not None and "; only " not in found.sentences[2]
    told = next(sentence for sentence in found.sentences if sentence.startswith("Of the 6 optimizers"))
    assert told.endswith("; only o4 (5.0) and o5 (6.0) can be told from it, as that takes 3.4 ranks (Nemenyi).")


def test_tasks_of_one_data_set_have_no_mean_rank() -> None:
    run = make_run(["relu", "tanh"], ["sgd", "adam"], {name: task_entry() for name in "abc"}, evaluate=4)
    found = across(run, "run")
    assert found is not None and not found.alone
    assert found.sentences[0].startswith("On ") and " of the 3 tasks, all on the same data, " in found.sentences[0]
    assert not any("mean rank" in sentence for sentence in found.sentences)
