"""What several tasks say together, and what tuning and chance had to do with it: frames and sentences for a report."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bench import stats
from bench.labels import NO_ACTIVATION
from bench.optimizers import OPTIMIZERS
from bench.stats import CELL, Metric, RankTest, Tasks
from bench.verdicts import verdict

CELLS = ("activation", "optimizer")
LEAST_RATES = 4  # of a grid that says how far a rate may be off
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


def profile_curves(convergence: pd.DataFrame, max_ratio: float = 4.0) -> pd.DataFrame:
    """Performance profiles in steps to target: columns activation, optimizer, `ratio`, `share` of tasks done."""
    table = comparable(convergence)
    times = table.pivot_table(index=list(CELLS), columns="task", values="steps_to_target", sort=False, dropna=False)
    curves = stats.performance_profile(times.fillna(np.inf), max_ratio).curves
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
    text = f"Of all pairs of cells, {100 * share:.0f} % change their order from one task to another"
    pair = f"{worst['first']} and {worst['second']} ({100 * worst['share']:.0f} %)"
    most = f", most between {pair}" if len(flips) > 1 and worst["flips"] else ""
    return f"{text}{most}; 50 % would mean that one task says nothing about the other."


def variance_by_task(lanes: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """What the spread comes from: `task`, `phase` (evaluate, tune) and the columns of `stats.variance_shares`."""
    parts = []
    for task in tasks:
        for phase, shares in (("evaluate", stats.variance_shares), ("tune", stats.tuning_shares)):
            frame = shares(lanes, tasks, task)
            if len(frame):
                parts.append(frame.assign(task=task, phase=phase))
    columns = ["task", "phase", *stats.SHARES]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def variance_sentences(shares: pd.DataFrame, tasks: Tasks, task: str) -> list[str]:
    """The sentences on `task` of the frame that `variance_by_task` gave: of evaluation, then of tuning."""
    own = shares[shares["task"] == task]
    names = {"evaluate": "test", "tune": "validation"}
    metric = Metric.of(tasks[task])
    found = [stats.share_sentence(own[own["phase"] == phase], metric, name) for phase, name in names.items()]
    return [sentence for sentence in found if sentence]


def default_rates(optimizers: Mapping[str, object]) -> dict[str, float]:
    """Label -> conventional learning rate of those that have one; arguments of their own change nothing about it."""
    names = {label: label.partition("(")[0] for label in optimizers}
    return {label: OPTIMIZERS[name].default_learning_rate for label, name in names.items() if name in OPTIMIZERS}


def default_against_tuned(lanes: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """The default's column beside the tuned one, one row a cell: see `stats.default_against_tuned`.

    Without the cells that diverged or failed at every rate, of which no rate is better than another.
    """
    labels, seen = dict.fromkeys(lanes["optimizer"]), stats.learning_rate_sensitivity(lanes, tasks)
    worst = seen["task"].map({name: Metric.of(task).worst for name, task in tasks.items()})
    scored = (seen["validation_metric"] != worst).groupby([seen[c] for c in CELL]).transform("any")
    return stats.default_against_tuned(seen[scored.astype(bool)], tasks, default_rates(labels))


def default_sentence(table: pd.DataFrame, metric: Metric) -> str:
    """What tuning brought over the conventional learning rate, of one task's rows of `default_against_tuned`."""
    known = table[table["default_rate"].notna()]
    if known.empty:
        return ""
    gain, better = float(known["gain"].median()), int(known["beaten"].astype(bool).sum())
    brought = metric.difference(gain) if np.isfinite(gain) else "what the other loses to divergence"
    cells = f"{len(known)} cells" if len(known) == len(table) else f"the {len(known)} cells that tried it"
    text = f"Tuning beat the conventional learning rate in {better} of {cells}"
    return f"{text}; the median gain in validation {metric.name} over all {len(known)} is {brought}."


def best_so_far(lanes: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """The expected best validation score against the number of trials: see `stats.best_so_far`."""
    return stats.best_so_far(stats.learning_rate_sensitivity(lanes, tasks), tasks)


def good_region(lanes: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """How forgiving each cell is of its learning rate, in decades: see `stats.good_region`."""
    return stats.good_region(stats.learning_rate_sensitivity(lanes, tasks), tasks)


def region_sentence(regions: pd.DataFrame) -> str:
    """Which optimizers forgive a learning rate that is off, of one task's rows of `good_region`.

    A region that reaches an end of the grid may be wider: it is told as a bound, which ranks no optimizer behind
    another. Fewer than four rates say too little.
    """
    known = regions[regions["decades"].notna() & (regions["rates"] >= LEAST_RATES)]
    if known.empty:
        return ""
    groups = known.groupby("optimizer", sort=False)
    spans, bounds = groups["decades"].median(), {str(name): _is_bound(rows) for name, rows in groups}
    most, least = str(spans.idxmax()), str(spans.idxmin())
    kept = "it keeps 95 % of what its best one gains over the baseline"
    kept = f"over {'at least ' * bounds[most]}{spans[most]:.1f} decades of learning rates (median) {kept}"
    alone = len(spans) == 1 or any(bound for name, bound in bounds.items() if name != most)
    head = f"{most} {'forgives a learning rate that is off' if alone else 'is the most forgiving'}: {kept}"
    told = least != most and not bounds[least]
    return f"{head}{f'; {least} is the least forgiving, {spans[least]:.1f} decades' * told}."


def _is_bound(rows: pd.DataFrame) -> bool:
    """Whether the median of the regions of `rows` may be wider: one of those up to it reaches an end of the grid."""
    middle = rows["decades"].quantile(0.5, interpolation="higher")
    return bool((rows["open"].astype(bool) & (rows["decades"] <= middle)).any())


def budget_sentence(trials: pd.DataFrame, metric: Metric, baseline: float) -> str:
    """What fewer trials of tuning would have cost, of one task's rows of `best_so_far`.

    In words where that is more than all that tuning gains: scores of networks that all but diverged have no size.
    """
    whole = trials.pivot_table(index=CELL, columns="trials", values="expected", sort=False)
    if whole.shape[1] < 3:
        return ""
    # A diverged trial may be infinitely bad, which a median bears.
    table = whole[whole.notna().all(axis=1) & np.isfinite(whole.iloc[:, -1])]
    if table.empty:
        return ""
    over = "the cells" if len(table) == len(whole) else f"{len(table)} of {len(whole)} cells"
    every = int(table.columns[-1])
    half = (every + 1) // 2
    gained, *lost = (
        float((metric.sign * (table[every] - less)).median()) for less in (baseline, table[half], table[1])
    )
    most = max(gained, 0.0)  # of cells below the baseline too, no loss is none
    told = [metric.difference(one) if one <= most else "more than all it gains over the baseline" for one in lost]
    return (
        f"In validation {metric.name}, with only {half} of its {every} trials, drawn at random, a cell would be "
        f"expected to lose {told[0]}; with a single one, {told[1]} (medians over {over})."
    )


def contained(labels: Mapping[str, object]) -> dict[str, frozenset[str]]:
    """Label -> the optimizers of the table that it contains, directly or by way of others.

    Only entries as the table has them: with arguments of their own they may be other methods.
    """
    return {label: frozenset(_within(label)) for label in labels if label in OPTIMIZERS}


def _within(name: str) -> set[str]:
    direct = OPTIMIZERS[name].contains
    return set(direct).union(*(_within(inner) for inner in direct))


def under_tuned(lanes: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """Cells that lose to a case of themselves: see `stats.under_tuned`."""
    return stats.under_tuned(lanes, tasks, contained(dict.fromkeys(lanes["optimizer"])))
