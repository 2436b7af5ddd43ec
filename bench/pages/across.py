"""What a report says of a run's tasks together, and of several runs together."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.figures.heatmaps import rank_heatmap
from bench.figures.profiles import profiles
from bench.figures.svg import Figure
from bench.findings import crosstask, effects
from bench.findings.audit import Finding, audit_together
from bench.findings.run import Run
from bench.findings.verdicts import Verdict
from bench.labels import few, joined, mean_rank
from bench.pages import standings
from bench.pages.heat import Heat, rank_heat
from bench.pages.tables import Table
from bench.planning.reference import Reference
from bench.stats import LEVEL, RankTest, Tasks, cell_label


@dataclass(frozen=True)
class Across:
    """The tasks of one run together: what they say and what it rests on, the leaderboard, mean ranks and profiles.

    `alone` are the mean ranks of activations and of optimizers, each at those of its cells, by what they are of.
    `against` counts for each entrant on how many tasks it is better than the reference, where there is one. `heat` has
    the numbers of the figure `ranks`; there is neither of a single activation or optimizer.
    """

    sentences: tuple[str, ...]
    details: tuple[str, ...]
    board: Table
    alone: tuple[tuple[str, Table], ...]
    against: Table | None
    heat: Heat | None
    figures: Mapping[str, Figure]


@dataclass(frozen=True)
class Together:
    """Several runs together: what they agree on, a line a run and task, and what makes them hard to compare."""

    sentences: tuple[str, ...]
    table: Table
    findings: tuple[Finding, ...]


def across(run: Run, slug: str, reference: Reference | None = None) -> Across | None:
    """What the tasks of `run` say together; None where fewer than two can be compared.

    Tasks without an activation, such as landscapes, are compared among themselves where a run has no others.
    """
    cells = run.convergence[run.convergence["seeds"] > 0]
    compared = crosstask.comparable(cells)
    names = list(compared["task"].unique())
    if len(names) < 2:
        return None
    tasks = {name: run.manifest["tasks"][name] for name in names}
    lanes = run.lanes[run.lanes["task"].isin(names)]
    board, test = crosstask.leaderboard(lanes, compared, tasks), crosstask.rank_test(compared, tasks)
    told = [*_first(board, test, compared, tasks), *(_alone(compared, tasks, by) for by in crosstask.CELLS)]
    counts = effects.against_over_tasks(lanes, compared, tasks, reference) if reference else pd.DataFrame()
    if reference and len(counts):
        told.append(effects.over_tasks_sentence(counts, reference))
    details = [crosstask.shared_data_sentence(compared, tasks), test.sentence, crosstask.flips_sentence(compared)]
    details += _left_out(run.manifest["tasks"], set(cells["task"]), tasks)
    level = [] if test.refusal or not test.p_value < 0.05 else test.level
    figure, shades = _mean_ranks(slug, board, compared, level, f"{test.tasks} {test.blocks}")
    by_score = board.sort_values("profile", ascending=False, kind="stable")
    scores = by_score.set_index(["activation", "optimizer"])["profile"]
    drawn = {"ranks": figure, "profiles": profiles(slug, crosstask.profile_curves(compared), scores, len(names))}
    return Across(
        tuple(filter(None, told)),
        tuple(filter(None, details)),
        standings.leaderboard(board, level),
        tuple(_ranked(lanes, compared, tasks)),
        standings.against(counts, reference.by) if reference and len(counts) else None,
        shades,
        {kind: one for kind, one in drawn.items() if one},
    )


def _first(board: pd.DataFrame, test: RankTest, compared: pd.DataFrame, tasks: Tasks) -> Iterator[str]:
    """Which cell has the best mean rank, what can be told from it, and on how many tasks it leads or may.

    Nothing where no cell was evaluated on every task.
    """
    first = board.iloc[0]
    if pd.isna(first["mean_rank"]):
        return
    best = cell_label(first["activation"], first["optimizer"])
    count = round(first["lead_share"] * len(tasks))
    if test.tasks < 2:  # a mean of one rank is none
        on = f"On {count} of the {len(tasks)} tasks, all on the same data,"
        yield f"{on} {best} leads or cannot be told from the leader."
        return
    over = f"{mean_rank(first['mean_rank'])} of {len(board)} over {test.tasks} {test.blocks}"
    yield f"{best} has the best mean rank, {over}{_apart(test)}."
    most = crosstask.data_set_counts(compared, tasks).max()
    shared = f" ({most} of them on the same data)" if most > 1 else ""
    yield f"On {count} of the {len(tasks)} tasks{shared} it leads or cannot be told from the leader."


def _mean_ranks(
    slug: str, board: pd.DataFrame, compared: pd.DataFrame, level: Sequence[Any], over: str
) -> tuple[Figure | None, Heat | None]:
    """The mean ranks in the order of the suite, as a figure and for the page; neither of a single row or column."""
    sides = list(crosstask.CELLS)
    if any(board[side].nunique() < 2 for side in sides) or board["mean_rank"].isna().all():
        return None, None
    ordered = compared[sides].drop_duplicates().merge(board, on=sides)
    level = level if len(level) < len(board) else []  # marks on every cell mark none
    first = (board["activation"].iloc[0], board["optimizer"].iloc[0])
    return rank_heatmap(slug, ordered, first, level, over), rank_heat(ordered, first, level)


def _ranked(lanes: pd.DataFrame, compared: pd.DataFrame, tasks: Tasks) -> Iterator[tuple[str, Table]]:
    """The mean ranks of activations, and of optimizers, where there are several and each was in every task."""
    for by in crosstask.CELLS:
        board, test = crosstask.leaderboard(lanes, compared, tasks, (by,)), crosstask.rank_test(compared, tasks, (by,))
        if len(board) > 1 and test.tasks > 1 and board["mean_rank"].notna().all():
            sure = not test.refusal and test.p_value < LEVEL
            yield f"{by.capitalize()}s", standings.alone(board, by, test.level if sure else [])


def _alone(compared: pd.DataFrame, tasks: Tasks, by: str) -> str:
    """Which activation or optimizer (`by`), each at the mean rank of its cells, is first over all tasks; "" of one."""
    test = crosstask.rank_test(compared, tasks, (by,))
    means = test.mean_ranks.sort_values(kind="stable")
    if test.refusal or len(means) < 2:
        return ""
    best = means == means.iloc[0]
    first, others = list(means.index[best]), list(means.index[~best])
    level, apart = ([name for name in others if (name in test.level) == near] for near in (True, False))
    it, has = ("it", "has") if len(first) == 1 else ("them", "share")
    each, none = (
        ("the other", "the other cannot") if len(others) == 1 else ("each of the others", "none of the others can")
    )
    takes = f", as that takes {test.critical_difference:.1f} ranks (Nemenyi)" * bool(test.p_value < LEVEL)
    if not level:
        rest = f"{each} can be told from {it}"
    elif not apart:
        rest = f"{none} be told from {it}{takes}"
    elif len(apart) < len(level):
        told = joined([f"{name} ({mean_rank(means[name])})" for name in apart])
        rest = f"only {told} can be told from {it}{takes}"
    else:
        rest = f"cannot be told from {it}: {joined(level)}"
    found = (
        f"{joined(first)} {has} the best, {mean_rank(means.iloc[0])}; {rest}" if others else "there is no difference"
    )
    return f"Of the {len(means)} {by}s, each at the mean rank of its cells, {found}."


def _left_out(every: Iterable[str], evaluated: Container[str], compared: Container[str]) -> Iterator[str]:
    """Which of a run's tasks were not compared, and why."""
    out = [name for name in every if name not in compared]
    others, never = ([name for name in out if (name in evaluated) == done] for done in (True, False))
    if others:
        yield f"Left out for having other cells: {joined(others)}."
    if never:
        yield f"Left out for having no evaluated cell: {joined(never)}."


def _apart(test: RankTest) -> str:
    """How many others the best mean rank can be told from, as the rest of a sentence; "" where there is no test."""
    others, level = len(test.mean_ranks) - 1, len(test.level) - 1
    if test.refusal:
        return ""
    if test.too_few:
        return f", too few to tell any of the {others} others from it"
    if level == 0:
        return f", and can be told from each of the {others} others"
    if level == others:
        return f", but none of the {others} others can be told from it"
    return f", but {level} of the {others} others cannot be told from it"


def together(runs: Sequence[Run], verdicts: Sequence[tuple[str, Verdict]]) -> Together | None:
    """What several runs say together; `verdicts` are their tasks' with the name of the run; None of a single one."""
    if len(runs) < 2:
        return None
    tasks = dict.fromkeys(verdict.task for _, verdict in verdicts)
    told = [_shared(task, [(run, v) for run, v in verdicts if v.task == task]) for task in tasks]
    return Together(
        tuple(sentence for sentence in told if sentence),
        standings.leaders(verdicts),
        tuple(audit_together(runs)),
    )


def _shared(task: str, found: Sequence[tuple[str, Verdict]]) -> str:
    """Whether the runs that share a task agree on its leader; "" of a single one."""
    led = [(run, verdict) for run, verdict in found if verdict.winner]
    if len(led) < 2:
        return ""
    every = set.intersection(*({v.winner, *v.tied} for _, v in led))
    names = {cell_label(*v.winner) for _, v in led if v.winner}
    if len(names) == 1:
        every_run = "both runs" if len(led) == 2 else f"all {len(led)} runs"
        return f"{task}: {names.pop()} has the best mean in {every_run}."
    leaders = "; ".join(f"{run}: {cell_label(*v.winner)}" for run, v in led if v.winner)
    common = sorted(cell_label(*pair) for pair in every if pair)
    may = f"In every run one of those that may be the best: {few(common, 4)}."
    return f"{task}: the leaders differ ({leaders}). {may if common else 'No cell may be the best in all.'}"
