"""What made the difference: the spread's shares, and activations, optimizers, values of a factor, each as a whole."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from bench import stats
from bench.findings import crosstask
from bench.findings.verdicts import against_row, seeds_lost
from bench.labels import called, cell_label, few, joined, parts
from bench.optimizers import FACTORS, OPTIMIZERS
from bench.planning.reference import OTHER, Reference
from bench.stats import LEVEL, Metric, Tasks
from bench.stats.metric import bounded, raw_table, tried
from bench.stats.moderated import lenders, resolution, row_variances

AGAINST = ["reference", "entrant", "cells", "mean", "difference", "low", "high", "p_value", "lost", "told"]
SAID = {  # what is told of an entrant, and the words for one of them and for several
    "better": ("is better", "are better"),
    "worse": ("is worse", "are worse"),
    "level": ("cannot be told from it", "cannot be told from it"),
    "kept": ("lost fewer seeds", "lost fewer seeds"),
    "lost": ("lost more seeds", "lost more seeds"),
    "lacking": ("lacks cells or seeds", "lack cells or seeds"),
}
MOST_NAMED = 5


def spread(lanes: pd.DataFrame, tasks: Tasks) -> pd.DataFrame:
    """What the spread comes from: `task`, `phase` (evaluate, tune) and the columns of `stats.variance_shares`.

    And `stood_in`: how many infinite scores, of networks that were lost, stand at the worst finite one in it.
    """
    parts = []
    for task in tasks:
        own = lanes[lanes["task"] == task]
        seen = {"evaluate": (stats.finished(own, "evaluate"), "test_metric"), "tune": (tried(own), "validation_metric")}
        for phase, shares in (("evaluate", stats.variance_shares), ("tune", stats.tuning_shares)):
            frame = shares(lanes, tasks, task)
            if len(frame):
                infinite = np.isinf(stats.scores(*seen[phase], tasks))
                if infinite.all():
                    continue
                stood_in = int(infinite.sum())
                parts.append(frame.assign(task=task, phase=phase, stood_in=stood_in))
    columns = ["task", "phase", *stats.SHARES, "stood_in"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def spread_sentences(shares: pd.DataFrame, tasks: Tasks, task: str) -> list[str]:
    """The sentences on `task` of the frame that `spread` gave: of evaluation, then of tuning."""
    own = shares[shares["task"] == task]
    names = {"evaluate": "test", "tune": "validation"}
    metric = Metric.of(tasks[task])
    frames = [(own[own["phase"] == phase], name) for phase, name in names.items()]
    found = [(stats.share_sentence(frame, metric, name), frame) for frame, name in frames]
    return [f"{sentence}{_stood_in(frame)}" for sentence, frame in found if sentence]


def _stood_in(shares: pd.DataFrame) -> str:
    """That shares hang on where infinite scores are put, of a metric that has no worst value; else nothing."""
    count = int(shares["stood_in"].max())
    if not count or not shares["squares"].sum() > 0:
        return ""
    stand = f"{count:,} infinite scores stand" if count > 1 else "one infinite score stands"
    return f" Here {stand} at the worst finite one, and the shares hang on that."


def main_effect(lanes: pd.DataFrame, tasks: Tasks, task: str, by: str) -> pd.DataFrame:
    """The activations, the optimizers or the values of a factor (`by`) of `task`, each by the mean of its cells.

    Columns: `by`, `cells`, `mean`, `difference` (to the best), `p_value` (two-sided, see `stats.moderated_tests`, with
    Holm) and `tied` with the best at 5 %; the best first. Many cells on the same seeds see what no single one does.
    Levels that lack a cell that others have are left out. One that lost networks, of a metric that has no worst value,
    has an infinite mean and is not tested.
    """
    columns = [by, "cells", "mean", "difference", "p_value", "tied"]
    means, cells = _by_level(raw_table(lanes, tasks, task), by)
    if means.empty:
        return pd.DataFrame(columns=columns)
    sign, values = Metric.of(tasks[task]).sign, means.to_numpy()
    found = pd.DataFrame({by: means.index, "cells": cells, "mean": values.mean(axis=1)})
    found = found.assign(difference=np.nan, p_value=np.nan, tied=False)
    known = np.isfinite(values).all(axis=1)
    if known.any():
        best = int((sign * values[known].mean(axis=1)).argmax())
        p = against_row(sign * values[known], best)
        found.loc[known, "p_value"], found.loc[known, "tied"] = p, p >= LEVEL
        found["difference"] = found["mean"] - values[known].mean(axis=1)[best]
    return found.sort_values("mean", ascending=sign < 0, kind="stable", ignore_index=True)[columns]


def _by_level(table: pd.DataFrame, by: str) -> tuple[pd.DataFrame, int]:
    """The scores of a `table` of cells x seeds as levels x seeds, each the mean over its cells; and of how many.

    Levels that lack a cell that others have are left out, and so are cells that lack a seed.
    """
    table = table.dropna()
    levels = _levels(table.index, by)
    beside = pd.Series(_beside(table.index, by), levels, dtype=object).groupby(level=0, sort=False).agg(frozenset)
    most: frozenset[str] = max(beside, key=len, default=frozenset())
    return table.groupby(levels, sort=False).mean()[beside.map(most.__eq__).astype(bool)], len(most)


def _levels(cells: pd.Index, by: str) -> pd.Index:
    """The activation, the optimizer, the value of a factor or the label of each cell."""
    if by == "cell":
        return cells.map(lambda pair: cell_label(*pair))
    if by not in FACTORS:
        return cells.get_level_values(by)

    def level(label: str) -> str:
        name, given = parts(label)
        off = OPTIMIZERS[name].arguments.get(by, FACTORS[by]) if name in OPTIMIZERS else FACTORS[by]
        return given.get(by, f"{off:.12g}" if isinstance(off, float) else str(off))

    return cells.get_level_values("optimizer").map(level)


def _beside(cells: pd.Index, by: str) -> list[str]:
    """What of each cell stays as it is where its level changes: an activation's optimizer; of a cell nothing."""
    if by in OTHER:
        return list(cells.get_level_values(OTHER[by]))
    return ["" if by == "cell" else cell_label(activation, _without(by, label)) for activation, label in cells]


def _without(factor: str, label: str) -> str:
    name, given = parts(label)
    return called(name, {key: text for key, text in given.items() if key != factor})


def main_effect_sentence(effect: pd.DataFrame, metric: Metric) -> str:
    """Which level of `main_effect` is the best over all its cells, and which cannot be told from it."""
    if len(effect) < 2:
        return ""
    by, best = effect.columns[0], effect.iloc[0]
    over = {"optimizer": "activations", "activation": "optimizers"}.get(by, "cells of each")
    head = f"Over all {best['cells']} {over}" if best["cells"] > 1 else "Alone"
    equal = np.isclose(effect["mean"], best["mean"], rtol=1e-9, atol=0)
    first, level = effect.loc[equal, by], effect.loc[effect["tied"] & ~equal, by]
    value = f"{metric.told(best['mean'])} test {metric.name}"
    infinite = list(effect.loc[np.isinf(effect["mean"]), by])
    if len(infinite) == len(effect):
        return f"{head}, no {by} has a finite mean test {metric.name}."
    several = len(infinite) > 1
    out = f"; the mean{'s' * several} of {few(infinite)} {'are' if several else 'is'} not finite" * bool(infinite)
    if len(infinite) == len(effect) - 1:
        return f"{head}, {best[by]} has the best mean of any {by}, {value}{out}."
    if equal.all():
        return f"{head}, each {by} has the same mean, {value}."
    it, share = ("it", "has") if len(first) == 1 else ("them", "share")
    rest = (
        f"cannot be told from {it}: {', '.join(level)}"
        if len(level)
        else f"each of the others{' that have a finite mean' * bool(infinite)} can be told from {it}"
    )
    rest = f"; {rest}" * (len(first) + len(infinite) < len(effect))
    return f"{head}, {joined(list(first))} {share} the best mean of any {by}, {value}{rest}{out}."


def against(lanes: pd.DataFrame, tasks: Tasks, task: str, reference: Reference) -> pd.DataFrame:
    """Each other activation, optimizer or cell of `task` against the reference, the best first; empty without it.

    Activations and optimizers by the mean of their cells, seed by seed. Columns: `entrant`; of how many `cells`; its
    `mean` metric; the mean `difference` from the reference and the `low` and `high` end of its own 95 % t interval;
    `p_value` (two-sided, see `stats.moderated_tests`, with Holm over the entrants); how many seeds it `lost`; and
    `told`: better or worse where p is below 5 %; else `lost` where it lost more seeds than the reference, `kept` where
    it lost fewer, or `level`. What lacks a cell or a seed that others have stands last, as `lacking`.

    The reference was named and not picked for its scores, so that no winner's luck enters.
    Source: Dunnett, A Multiple Comparison Procedure for Comparing Several Treatments with a Control, 1955, for the
    question; Holm 1979 for the correction, which asks nothing of the noise.
    """
    raw = raw_table(lanes, tasks, task)
    levels, sign = _levels(raw.index, reference.by), Metric.of(tasks[task]).sign
    names = list(dict.fromkeys(levels))
    whole = raw.notna().all(axis=1).to_numpy()
    beside = pd.Index(_beside(raw.index, reference.by))
    used = whole & beside.isin(beside[whole & (levels == reference.label)])  # what the reference has
    cells = int((used & (levels == reference.label)).sum())
    groups = bounded(raw, sign)[used].groupby(levels[used], sort=False)
    means = groups.mean()[groups.size() == cells]
    lost = pd.Series(seeds_lost(lanes, task, raw), raw.index)[used].groupby(levels[used], sort=False).sum()[means.index]
    alone = len(names) < 2 or reference.label not in names
    if alone or (len(means) and (lost == cells * raw.shape[1]).all()):  # nothing survived
        return pd.DataFrame(columns=AGAINST)
    found = _tested(means, raw[used].groupby(levels[used], sort=False).mean().loc[means.index], lost, sign, reference)
    lacking = [name for name in names if name not in means.index and name != reference.label]
    without = pd.DataFrame({"entrant": lacking, "lost": 0, "told": "lacking"})
    every = pd.concat([frame for frame in (found, without) if len(frame)], ignore_index=True)
    return every.assign(cells=cells, reference=reference.label).reindex(columns=AGAINST)


def _tested(
    means: pd.DataFrame, raw: pd.DataFrame, lost: "pd.Series[int]", sign: int, reference: Reference
) -> pd.DataFrame:
    """The rows of `against` of what has all that the reference has, the best first; of `raw` means, maybe infinite."""
    if reference.label not in means.index:
        return pd.DataFrame(columns=AGAINST)
    values, place, losses = sign * means.to_numpy(), means.index.get_loc(reference.label), lost.to_numpy()
    # Who is far ahead of the reference may be as unlike it as who is far behind.
    p = against_row(values, place, (losses == 0) & lenders(-values, place))
    paired = sign * (values - values[place])
    half = _half_widths(paired, resolution(values))
    mean, apart, better = raw.mean(axis=1).to_numpy(), p < LEVEL, sign * paired.mean(axis=1) > 0
    conditions = [apart & better, apart, losses > losses[place], losses < losses[place]]
    found = pd.DataFrame({"entrant": means.index, "mean": mean, "lost": losses, "p_value": p})
    with np.errstate(invalid="ignore"):
        known = np.isfinite(mean - mean[place])
        found["difference"] = np.where(known, paired.mean(axis=1), mean - mean[place])
    found["low"], found["high"] = (np.where(known, found["difference"] + side * half, np.nan) for side in (-1, 1))
    found["told"] = np.select(conditions, ["better", "worse", "lost", "kept"], "level")
    order = np.lexsort([-values.mean(axis=1), -sign * mean])  # those of infinite means by what is finite of them
    return found.loc[order].drop(index=place)


def _half_widths(paired: stats.Floats, step: float) -> stats.Floats:
    """Half of the 95 % t interval of the mean of each row [n, seeds] of differences of scores in steps of `step`."""
    seeds = paired.shape[1]
    if seeds < 2:
        return np.full(len(paired), np.nan)
    errors: stats.Floats = np.sqrt((row_variances(paired) + step**2 / 6) / seeds)
    return errors * float(stdtrit(seeds - 1, 0.975))


def against_sentence(found: pd.DataFrame, reference: Reference, metric: Metric) -> str:
    """Who is better or worse than the reference, by how much, and who cannot be told from it; "" of an empty frame."""
    if found.empty:
        return ""
    if (found["told"] == "lacking").all():
        return f"Against {reference.label}: nothing has all the cells and seeds that it takes to compare."
    cells = int(found["cells"].iloc[0])
    head = f"Against {reference.label}" + (f", each over {cells} {reference.other}s" if cells > 1 else "")
    groups = {told: found[found["told"] == told] for told in SAID}
    if len(groups["level"]) == len(found) > 1:
        return f"{head}: none of the {len(found)} others can be told from it."
    groups["worse"] = groups["worse"][::-1]  # the farthest first
    clauses = [
        f"{few([_by_how_much(row, metric) for _, row in rows.iterrows()], MOST_NAMED)} {SAID[told][len(rows) > 1]}"
        for told, rows in groups.items()
        if len(rows)
    ]
    return f"{head}: {'; '.join(clauses)}."


def _by_how_much(row: "pd.Series[Any]", metric: Metric) -> str:
    apart = row["told"] in ("better", "worse") and np.isfinite(row["difference"])
    return f"{row['entrant']} ({metric.difference(row['difference'])})" if apart else str(row["entrant"])


def against_over_tasks(
    lanes: pd.DataFrame, convergence: pd.DataFrame, tasks: Tasks, reference: Reference
) -> pd.DataFrame:
    """One row an entrant, of how many `tasks` what is told of it, by the columns of `SAID`; the most wins first.

    `p_value` is that of Wilcoxon's test of its ranks against those of the reference over data sets, with Holm.
    """
    found = [against(lanes, tasks, task, reference) for task in tasks]
    rows = pd.concat([frame for frame in found if len(frame)] or found[:1])
    if rows.empty:
        return pd.DataFrame(columns=["entrant", "tasks", *SAID, "p_value"])
    counts = pd.crosstab(rows["entrant"], rows["told"]).reindex(columns=list(SAID), fill_value=0)
    table = counts.assign(tasks=counts.sum(axis=1), p_value=_signed_ranks(convergence, tasks, reference))
    order = {"better": False, "worse": True, "lost": True, "lacking": True}
    table = table.rename_axis("entrant").reset_index()[["entrant", "tasks", *SAID, "p_value"]]
    return table.sort_values(list(order), ascending=list(order.values()), kind="stable", ignore_index=True)


def over_tasks_sentence(table: pd.DataFrame, reference: Reference) -> str:
    """On how many tasks who is better and worse than the reference, of the rows of `against_over_tasks`."""
    counts = [(row["entrant"], row["better"] or "none", row["worse"] or "none") for _, row in table.iterrows()]
    (who, better, worse), *others = counts[:MOST_NAMED]
    told = [f"{who} is better on {better} and worse on {worse}", *(f"{a} on {b} and {c}" for a, b, c in others)]
    more = f" ({len(table) - MOST_NAMED} more below)" * (len(table) > MOST_NAMED)
    return f"Against {reference.label}, of {table['tasks'].max()} tasks: {'; '.join(told)}{more}."


def _signed_ranks(convergence: pd.DataFrame, tasks: Tasks, reference: Reference) -> "pd.Series[float]":
    by = crosstask.CELLS if reference.by == "cell" else (reference.by,)
    ranked = crosstask.blocks(convergence, tasks, by)
    ranked.index = _levels(ranked.index, reference.by)
    if reference.label not in ranked.index:
        return pd.Series(dtype=float)
    others = ranked.drop(index=reference.label)
    return pd.Series(stats.holm(stats.signed_rank(others - ranked.loc[reference.label])), others.index)
