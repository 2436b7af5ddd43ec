"""What several tasks say together: frames and sentences for a report."""

import numpy as np
import pandas as pd

from bench import stats
from bench.findings.verdicts import verdict
from bench.labels import NO_ACTIVATION
from bench.stats import CELL, RankTest, Tasks

CELLS = ("activation", "optimizer")
LEADERBOARD = ["tasks", "mean_rank", "p_value", "profile", "lead_share"]


def comparable(convergence: pd.DataFrame, by: tuple[str, ...] = CELLS) -> pd.DataFrame:
    """The evaluated rows of the tasks whose cells have an activation, where there are such and `by` asks for it.

    A task without one, such as a parabola, has other cells: it cannot stand in one table of ranks with the rest.
    """
    convergence = convergence[convergence["seeds"] > 0]
    without = convergence["activation"] == NO_ACTIVATION
    return convergence[~without] if "activation" in by and not without.all() else convergence


def ranks(convergence: pd.DataFrame, by: tuple[str, ...] = CELLS) -> pd.DataFrame:
    """Ranks of entrants x tasks, of the tasks that can be compared; see `stats.rank_table`."""
    return stats.rank_table(comparable(convergence, by), by)


def _data_sets(names: "pd.Index[str]", tasks: Tasks) -> "pd.Series[str]":
    """Of each task in `names` its data set: the checksum, or its own name where it has no data."""
    return pd.Series([tasks[name].get("data_sha256") or name for name in names], names, dtype=object)


def blocks(convergence: pd.DataFrame, tasks: Tasks, by: tuple[str, ...] = CELLS) -> pd.DataFrame:
    """Ranks of entrants x data sets, each counted once: within it, by the mean of its tasks' ranks.

    Tasks on the same data are no independent evidence. Where no two share any, these are the ranks on the tasks.
    Friedman's test takes ranks within a block, so that means are ranked again.
    """
    ranked = ranks(convergence, by)
    sets = _data_sets(ranked.columns, tasks)
    if sets.is_unique:
        return ranked
    means = ranked.T.groupby(sets, sort=False).agg(lambda own: own.mean(skipna=False)).T
    return means.round(9).rank(method="average")


def leaderboard(
    lanes: pd.DataFrame, convergence: pd.DataFrame, tasks: Tasks, by: tuple[str, ...] = CELLS
) -> pd.DataFrame:
    """One row an entrant, the best mean rank first: how it did over all tasks.

    Columns: those of `by`; `tasks` it was evaluated on; `mean_rank` over their data sets (see `blocks`); `p_value` of
    Wilcoxon's test of its ranks against those of the first, with Holm, where there is a test; `profile`, the
    area of its performance profile in steps to target, 0 to 1 (for optimizers or activations alone, the mean over
    their cells); `lead_share`, of the tasks, in which it is the leader or cannot be told from it (alone: one of its
    cells). An entrant that lacks a task has no mean rank and stands last.
    """
    table = comparable(convergence, by)
    if table.empty:
        return pd.DataFrame(columns=[*by, *LEADERBOARD])
    counts, test = ranks(convergence, by).notna().sum(axis=1), rank_test(convergence, tasks, by)
    cells = table.assign(leads=_leads(lanes, table, tasks))
    cells = cells.join(_profile(table), on=list(CELLS))
    groups = cells.groupby(list(by), sort=False)
    leads = cells.groupby([*by, "task"], sort=False)["leads"].max().groupby(list(by), sort=False).mean()
    found = pd.DataFrame(
        {
            "tasks": counts,
            "mean_rank": blocks(convergence, tasks, by).mean(axis=1, skipna=False),
            "p_value": np.nan if test.wilcoxon is None else test.wilcoxon,
            "profile": groups["profile"].mean(),
            "lead_share": leads,
        }
    )
    order = ["mean_rank", "profile", "lead_share"]
    return found.sort_values(order, ascending=[True, False, False], kind="stable").rename_axis(list(by)).reset_index()


def _leads(lanes: pd.DataFrame, table: pd.DataFrame, tasks: Tasks) -> list[bool]:
    found = {task: verdict(lanes, table, tasks, task) for task in table["task"].unique()}
    return [(a, o) in {found[t].winner, *found[t].tied} for t, a, o in table[CELL].itertuples(index=False, name=None)]


def _profile(table: pd.DataFrame) -> "pd.Series[float]":
    times = table.pivot_table(index=list(CELLS), columns="task", values="steps_to_target", sort=False, dropna=False)
    return stats.performance_profile(times.fillna(np.inf)).scores.rename("profile")


def profile_curves(convergence: pd.DataFrame) -> pd.DataFrame:
    """Performance profiles in steps to target: columns activation, optimizer, `ratio`, `share` of tasks done."""
    table = comparable(convergence)
    times = table.pivot_table(index=list(CELLS), columns="task", values="steps_to_target", sort=False, dropna=False)
    curves = stats.performance_profile(times.fillna(np.inf)).curves
    return curves.T.reset_index().melt(list(CELLS), var_name="ratio", value_name="share")


def rank_test(convergence: pd.DataFrame, tasks: Tasks, by: tuple[str, ...] = CELLS) -> RankTest:
    """Friedman, Nemenyi and Wilcoxon over the tasks, or data sets where some share one: see `stats.rank_test`."""
    shared = not _data_sets(ranks(convergence, by).columns, tasks).is_unique
    return stats.rank_test(blocks(convergence, tasks, by), blocks="data sets" if shared else "tasks")


def shared_data_sentence(convergence: pd.DataFrame, tasks: Tasks) -> str:
    """That tasks on the same data are no independent blocks, so that each data set counts once; "" where none share."""
    counts = data_set_counts(convergence, tasks)
    if counts.max() == 1:
        return ""
    all_of_one = f"The {counts.sum()} tasks are of one data set"
    several = f"The {counts.sum()} tasks are of {len(counts)} data sets, {counts.max()} of them of one"
    head = all_of_one if len(counts) == 1 else several
    rest = "each data set counts once, at its rank by the mean of its tasks' ranks; shares of tasks count every task"
    return f"{head}: as that is no independent evidence, {rest}."


def data_set_counts(convergence: pd.DataFrame, tasks: Tasks) -> "pd.Series[int]":
    """How many of the tasks that can be compared are on each data set, the most first."""
    return _data_sets(ranks(convergence).columns, tasks).value_counts()


def flips_sentence(convergence: pd.DataFrame) -> str:
    """How far the order of the cells holds from one task to another: one sentence, "" for a single task."""
    flips = stats.rank_flips(ranks(convergence))
    if flips.empty or not flips["pairs"].sum():
        return ""
    share = flips["flips"].sum() / flips["pairs"].sum()
    worst = flips.loc[flips["share"].idxmax()]
    text = f"Of the pairs of cells that two tasks order, {100 * share:.0f} % change their order from one to the other"
    pair = f"{worst['first']} and {worst['second']} ({100 * worst['share']:.0f} %)"
    most = f", most between {pair}" if len(flips) > 1 and worst["flips"] else ""
    return f"{text}{most}; 50 % would mean that one task says nothing about the other."
