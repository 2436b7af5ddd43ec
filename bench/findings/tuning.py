"""What tuning brought, how forgiving it was and whom it did not serve: frames and sentences for a report.

`trials` is what tuning saw, as `stats.learning_rate_sensitivity` gives it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bench import stats
from bench.labels import few
from bench.optimizers import OPTIMIZERS
from bench.stats import CELL, Metric, Tasks

Entries = Mapping[str, Mapping[str, Any]]  # a manifest's optimizers, by label
LEAST_RATES = 4  # of a grid that says how far a rate may be off


def first_rung(lanes: pd.DataFrame) -> str:
    """After how many steps tuning saw each trial, where it halves: `6 of 54 steps`; else empty.

    Only the first rung has all trials, so that what is told of trials is of it.
    """
    tuned = stats.finished(lanes, "tune")["steps"]
    return f"{tuned.min():,} of {tuned.max():,} steps" if tuned.nunique() > 1 else ""


def table_names(optimizers: Entries) -> dict[str, str]:
    """Label -> the name in the table, of a manifest's entries; those of earlier versions tell it in the label alone."""
    return {label: str(entry.get("base") or label.partition("(")[0]) for label, entry in optimizers.items()}


def default_rates(optimizers: Entries) -> dict[str, float]:
    """Label -> conventional learning rate of those that have one; arguments of their own change nothing about it."""
    names = table_names(optimizers).items()
    return {label: OPTIMIZERS[name].default_learning_rate for label, name in names if name in OPTIMIZERS}


def default_against_tuned(trials: pd.DataFrame, tasks: Tasks, optimizers: Entries) -> pd.DataFrame:
    """The default's column beside the tuned one, one row a cell: see `stats.default_against_tuned`.

    Without the cells that diverged or failed at every rate, of which no rate is better than another.
    """
    worst = trials["task"].map({name: Metric.of(task).worst for name, task in tasks.items()})
    scored = (trials["validation_metric"] != worst).groupby([trials[c] for c in CELL]).transform("any")
    return stats.default_against_tuned(trials[scored.astype(bool)], tasks, default_rates(optimizers))


def default_sentence(table: pd.DataFrame, metric: Metric) -> str:
    """What tuning brought over the conventional learning rate, of one task's rows of `default_against_tuned`."""
    known = table[table["default_rate"].notna()]
    if known.empty:
        return ""
    gain, better = float(known["gain"].median()), int(known["beaten"].astype(bool).sum())
    brought = metric.difference(gain) if np.isfinite(gain) else "all that divergence loses"
    cells = f"{len(known)} cells" if len(known) == len(table) else f"the {len(known)} cells that tried it"
    text = f"Tuning beat the conventional learning rate in {better} of {cells}"
    gained = f"the median gain in validation {metric.name} over all {len(known)} is {brought}"
    return f"{text}; {gained}{' (optimistic: the best of noisy trials looks better than it is)' * (0 < gain < np.inf)}."


def region_sentence(regions: pd.DataFrame) -> str:
    """Which optimizers forgive a learning rate that is off, of one task's rows of `stats.good_region`.

    A region that reaches an end of the grid may be wider: it is told as a bound, which ranks no optimizer behind
    another. Nor do differences of less than half a step of the grid. Fewer than four rates say too little.
    """
    known = regions[regions["decades"].notna() & (regions["rates"] >= LEAST_RATES)]
    if known.empty:
        return ""
    groups = known.groupby("optimizer", sort=False)
    spans, bounds = groups["decades"].median(), {str(name): _is_bound(rows) for name, rows in groups}
    near = groups["step"].max() / 2
    first, last = (_alike(spans, near, str(end)) for end in (spans.idxmax(), spans.idxmin()))
    least = "at least " * any(bounds[name] for name in first)
    kept = f"over {least}{_ends(spans[first])} decades of learning rates (median{'s' * (len(first) > 1)}) "
    if len(first) == len(spans) > 1:
        return (
            "No optimizer forgives a learning rate that is off much more than another, as far as the rates that were "
            f"tried show: {kept}each keeps 95 % of what its best one gains over the baseline."
        )
    one = len(first) == 1
    kept += f"{'it keeps' if one else 'each keeps'} 95 % of what its best one gains over the baseline"
    alone = len(spans) == 1 or any(bound for name, bound in bounds.items() if name not in first)
    verbs = ("forgives", "is") if one else ("forgive", "are")
    told = f"{verbs[0]} a learning rate that is off" if alone else f"{verbs[1]} the most forgiving"
    head = f"{few(first)} {told}: {kept}"
    if set(first) & set(last) or any(bounds[name] for name in last):
        return f"{head}."
    verb = "is" if len(last) == 1 else "are"
    return f"{head}; {few(last)} {verb} the least forgiving, {_ends(spans[last])} decades."


def _ends(spans: "pd.Series[float]") -> str:
    return " to ".join(dict.fromkeys(f"{span:.1f}" for span in (spans.min(), spans.max())))


def _alike(spans: "pd.Series[float]", near: "pd.Series[float]", end: str) -> list[str]:
    """The optimizers whose span is less than half a step of the rates tried (`near`) from that of `end`, and itself."""
    return [
        str(name) for name in spans.index if name == end or abs(spans[name] - spans[end]) < max(near[name], near[end])
    ]


def _is_bound(rows: pd.DataFrame) -> bool:
    """Whether the median of the regions of `rows` may be wider: one of those up to it reaches an end of the grid."""
    middle = rows["decades"].quantile(0.5, interpolation="higher")
    return bool((rows["open"].astype(bool) & (rows["decades"] <= middle)).any())


def budget_sentence(trials: pd.DataFrame, metric: Metric, baseline: float) -> str:
    """What fewer trials of tuning would have cost, of one task's rows of `stats.best_so_far`.

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
