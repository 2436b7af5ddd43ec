"""What a reader must know before believing a run: findings in words, the gravest first."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench import stats
from bench.findings import crosstask, tuning
from bench.findings.run import Run
from bench.findings.verdicts import leader
from bench.labels import few, joined, spanned
from bench.planning.search import searched
from bench.stats.metric import BASELINE_DIGITS

ENOUGH_SEEDS = 10
UNLIKE = 0.1  # of the median number of parameters: a cell that differs by more is another network


@dataclass(frozen=True)
class Finding:
    """One thing found: `level` is fault (something is wrong), warning (may mislead) or note.

    `kind` is the head under which findings of several tasks are folded, `details` those that were.
    """

    level: str
    text: str
    kind: str = ""
    details: tuple[str, ...] = ()


LEVELS = ("fault", "warning", "note")


def audit(run: Run) -> list[Finding]:
    """All findings about `run`, the gravest first; an empty list means that nothing was found."""
    found = [*_completeness(run), *_blocks(run.convergence), *_seeds(run), *timing(run.throughput)]
    found += [*_rounds(run), *_sessions(run), *_under_tuned(run)]
    tasks = list(run.manifest["tasks"])
    found += folded([(task, finding) for task in tasks for finding in audit_task(run, task)], len(tasks))
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def folded(found: Sequence[tuple[str, Finding]], tasks: int) -> list[Finding]:
    """Findings on single tasks, of so many: those of one level and kind in one, that names the tasks."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for task, finding in found:
        groups.setdefault((finding.level, finding.kind), []).append((task, finding.text))
    return [_folded(level, kind, told, tasks) for (level, kind), told in groups.items()]


def _folded(level: str, kind: str, told: Sequence[tuple[str, str]], tasks: int) -> Finding:
    texts = tuple(f"{task}: {text}" if tasks > 1 else text for task, text in told)
    if len(texts) == 1:
        return Finding(level, texts[0], kind)
    return Finding(level, f"{kind} on {len(texts)} of {tasks} tasks: {few([t for t, _ in told])}.", kind, texts)


def audit_together(runs: Sequence[Run]) -> list[Finding]:
    """What makes several runs hard to compare: machines, software, precision or settings that differ."""
    found = []
    for level, what, read in TOGETHER:
        values = {run.name: read(run) for run in runs}
        if len(set(values.values())) > 1:
            told = "; ".join(f"{name}: {value or 'unknown'}" for name, value in values.items())
            found.append(Finding(level, f"The runs differ in {what}: {told}."))
    shared = {task for run in runs for task in run.manifest["tasks"]}
    unlike = [task for task in sorted(shared) if len(_digests(runs, task)) > 1]
    if unlike:
        found.append(Finding("warning", f"The runs differ in the data of {', '.join(unlike)}."))
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def _digests(runs: Sequence[Run], task: str) -> set[object]:
    return {run.manifest["tasks"][task].get("data_sha256") for run in runs if task in run.manifest["tasks"]}


def _packages(run: Run) -> str:
    packages = run.manifest["environment"].get("packages", {})
    return ", ".join(f"{name} {packages[name]}" for name in ("jax", "jaxlib", "flax", "optax") if name in packages)


def budget_told(lanes: pd.DataFrame, cells: Iterable[tuple[str, str, str]] | None = None) -> str:
    """What these cells, by default all, were to be tuned with: `5 trials on 2 seeds`; empty where they were not."""
    tuned = lanes[lanes["phase"] == "tune"]  # interrupted ones too
    if cells is not None:
        tuned = tuned[pd.MultiIndex.from_frame(tuned[stats.CELL]).isin(list(cells))]
    if tuned.empty:
        return ""
    groups = tuned.groupby(stats.CELL, sort=False)
    return f"{spanned(groups['learning_rate'].nunique(), 'trial')} on {spanned(groups['seed'].nunique(), 'seed')}"


def _suite(run: Run) -> str:
    suite = run.manifest["suite"]
    told, method = budget_told(run.lanes), suite.get("tuning", {}).get("method", "")
    tuned = f", tuned with {told}{f' by {method}' * bool(method)}" if told else ""
    return f"{suite['steps']} steps of {suite['batch_size']}{tuned}"


def _environment(name: str) -> Callable[[Run], str]:
    return lambda run: str(run.manifest["environment"].get(name, ""))


TOGETHER: tuple[tuple[str, str, Callable[[Run], str]], ...] = (
    ("warning", "training", _suite),
    ("warning", "software", _packages),
    ("warning", "precision", _environment("precision")),
    (
        "note",
        "machine, so that times do not compare",
        _environment("processor"),
    ),
    (
        "note",
        "device, so that times do not compare",
        _environment("device_kind"),
    ),
)


def _blocks(cells: pd.DataFrame) -> Iterator[Finding]:
    ranks = crosstask.ranks(cells)
    lacking = ranks[ranks.isna().any(axis=1)].reset_index()
    if ranks.shape[1] > 1 and len(lacking):
        names = _names(lacking)
        yield Finding("warning", f"Not evaluated on every task, so that ranks across tasks are incomplete: {names}.")


def _under_tuned(run: Run) -> Iterator[Finding]:
    found = tuning.under_tuned(run.lanes, run.manifest["tasks"])
    if len(found):
        several = len(run.manifest["tasks"]) > 1
        told = [
            f"{stats.cell_label(row.activation, row.optimizer)} (loses to {row.contained}{f', {row.task}' * several})"
            for row in found.itertuples()
        ]
        yield Finding(
            "warning",
            "Under-tuned, as a method that contains another should not lose to it beyond chance once tuned (by tests "
            f"of these pairs alone, which see more than those of all cells against the leader): {few(told)}.",
        )


def audit_task(run: Run, task: str) -> Iterator[Finding]:
    """The findings about one task of `run`."""
    frames = run.lanes, run.trials, run.convergence
    lanes, trials, table = (frame[frame["task"] == task] for frame in frames)
    entry = run.manifest["tasks"][task]
    yield from _target(run, lanes, table, entry)
    yield from _below_baseline(table, entry)
    yield from _collapsed(lanes, table, run.manifest["tasks"])
    seen = ["on validation data"] * (stats.noun(lanes) != "run")
    seen += [f"after {rung} of tuning" for rung in [tuning.first_rung(lanes)] if rung]
    yield from _defaults(trials, ", ".join(["", *seen]), run.manifest["tasks"], run.manifest["optimizers"])
    yield from _equals(lanes, table, run.manifest["tasks"], "trials" if searched(run.manifest) else "learning rates")
    yield from _edges(table, leader(table, task), "range" if searched(run.manifest) else "grid")
    yield from _divergence(lanes, table)
    yield from _halved(run.halved.get(task, 0))
    yield from _unlike(lanes)


def incomplete(run: Run) -> list[Finding]:
    """What a run lacks, in faults: they belong beside its verdict."""
    return [finding for finding in _completeness(run) if finding.level == "fault"]


ENDED = {"complete": "is incomplete", "failed": "is incomplete", "running": "has not finished"}


def _completeness(run: Run) -> Iterator[Finding]:
    status, lanes, planned = run.manifest["status"], run.lanes, int(run.manifest["plan"]["lanes"])
    missing = planned - int((lanes["status"] != "interrupted").sum())
    if status not in ("complete", "failed") or missing:
        left = f"; {missing:,} of its {planned:,} {stats.noun(lanes, 2)} were not trained" if missing else ""
        yield Finding("fault", f"This run {ENDED.get(status, f'is {status}')}{left}.")
    cells = run.convergence
    yield from _failures(run, cells)
    most = cells.groupby("task")["seeds"].transform("max")
    partial = cells[cells["seeds"] < np.maximum(most, 1)]
    if len(partial):
        yield Finding(
            "warning",
            f"{_of(partial, cells)} evaluated on fewer seeds than the rest or not at all: {_names(partial)}.",
        )


def _failures(run: Run, cells: pd.DataFrame) -> Iterator[Finding]:
    """Of what failed for reasons outside the training, how much and why."""
    failed = run.lanes[run.lanes["status"] == "failed"]
    if failed.empty:
        return
    evaluated = pd.MultiIndex.from_frame(cells.loc[cells["seeds"] > 0, stats.CELL])
    scored = pd.MultiIndex.from_frame(failed[stats.CELL]).isin(evaluated)
    outcome = []
    if not scored.all():
        names = _names(failed[~scored])
        outcome.append(f"{names} {'has' if failed[~scored].groupby(stats.CELL[1:]).ngroups == 1 else 'have'} no score")
    if scored.any():
        outcome.append(f"of {_names(failed[scored])} they count as the worst")
    why = run.failures["error"].iloc[0].splitlines()[0]
    text = f"{_trained(run.lanes, len(failed))} failed for reasons outside the training ({why})"
    yield Finding("fault", f"{text}: {'; '.join(outcome)}.")


def _sessions(run: Run) -> Iterator[Finding]:
    """Of a run that was gone on with: whether that was elsewhere, or with other code."""
    sessions = run.manifest["execution"].get("sessions", [])
    for key, what in {"processor": "processors", "commit": "versions of the code"}.items():
        seen = list(dict.fromkeys(str(session[key]) for session in sessions if session.get(key)))
        if len(seen) > 1:
            told = joined([one[:12] + one[40:] for one in seen] if key == "commit" else seen)
            yield Finding(
                "warning",
                f"The run was made on several {what}, as it was gone on with: {told}; times are of all of them, and "
                "scores may differ from those of one.",
            )


def _target(run: Run, lanes: pd.DataFrame, table: pd.DataFrame, entry: Mapping[str, Any]) -> Iterator[Finding]:
    metric, target = stats.Metric.of(entry), float(np.float32(entry["target"]))  # as the scores are
    first = run.curves[(run.curves["step"] == 0) & run.curves["lane"].isin(lanes["lane"])]["validation_metric"]
    met = int((metric.sign * first >= metric.sign * target).sum())
    if met:
        yield Finding(
            "fault",
            f"{_trained(lanes, met)} met the target before the first step: steps to it mean nothing here.",
            "The target is met before the first step",
        )
    evaluated = table[table["seeds"] > 0]
    files = [task for task in run.manifest["suite"]["tasks"] if str(task.get("file", "")).endswith(".npz")]
    unnamed = {task["name"] for task in files if "target" not in task}  # they are held to what is perfect
    if entry.get("base") not in unnamed and len(evaluated) and np.isinf(evaluated["steps_to_target"]).all():
        text = f"No cell reached the target of {metric.plain(target)} on more than half of its seeds."
        yield Finding("note", text, "No cell reached the target on more than half of its seeds")


def _below_baseline(table: pd.DataFrame, entry: Mapping[str, Any]) -> Iterator[Finding]:
    metric, baseline = stats.Metric.of(entry), float(entry["baseline"])
    worse = table[metric.sign * table["test_metric"] < metric.sign * baseline]
    if len(worse):
        constant = entry.get("baseline_is", "always predicting one constant")
        constant = f"{constant} ({metric.plain(baseline, BASELINE_DIGITS)})"
        yield Finding(
            "warning",
            f"{_of(worse, table)} worse than {constant}: {_names(worse)}.",
            "Cells are worse than the task's baseline",
        )


def _collapsed(lanes: pd.DataFrame, table: pd.DataFrame, tasks: stats.Tasks) -> Iterator[Finding]:
    lost = stats.collapsed(lanes, tasks).reset_index()
    if len(lost):
        text = f"{len(lost)} of {len(table)} cells {'has' if len(lost) == 1 else 'have'} a seed that collapsed"
        text = f"{text}: the mean says little there, and the test has little power: {_names(lost)}."
        yield Finding("warning", text, "Cells have a seed that collapsed")


def _defaults(trials: pd.DataFrame, seen: str, tasks: stats.Tasks, optimizers: tuning.Entries) -> Iterator[Finding]:
    """Cells for which the conventional learning rate was on the grid and no other was better."""
    table = tuning.default_against_tuned(trials, tasks, optimizers)
    known = table[table["default_rate"].notna()]
    useless = known[~known["beaten"].astype(bool)]
    if len(useless):
        text = f"In {len(useless):,} of {len(known):,} cells no learning rate beat the optimizer's conventional one"
        text = f"{text}{seen}: {_names(useless)}."
        yield Finding("note", text, "Cells have no learning rate better than the conventional one")


def _equals(lanes: pd.DataFrame, table: pd.DataFrame, tasks: stats.Tasks, what: str) -> Iterator[Finding]:
    """Cells of which validation scores did not say which of `what` they tried to evaluate."""
    equal = stats.equal_trials(lanes, tasks)
    if len(equal):
        one = len(equal) == 1
        text = f"{len(equal)} of {len(table)} cells {'has' if one else 'have'} several {what} with the same best score"
        text = f"{text} in tuning; the loss chose between them, which may be a poor guide: {_names(equal)}."
        level = "warning" if len(equal) > len(table) / 4 else "note"
        yield Finding(level, text, f"Several {what} have the same best score in tuning")


def _edges(table: pd.DataFrame, best: "pd.Series[Any] | None", where: str) -> Iterator[Finding]:
    edge = table[table["at_grid_edge"].astype(bool)]
    if edge.empty:
        return
    leads = best is not None and bool(best["at_grid_edge"])
    level = "warning" if leads or len(edge) > len(table) / 4 else "note"
    tail = ", the leader among them" if leads else ""
    verb = "has its best learning rate" if len(edge) == 1 else "have their best learning rate"
    text = f"{len(edge)} of {len(table)} cells {verb} at the edge of the {where}{tail}; a wider one may help"
    yield Finding(level, f"{text}: {_names(edge)}.", f"Best learning rates lie at the edge of the {where}{tail}")


def _divergence(lanes: pd.DataFrame, table: pd.DataFrame) -> Iterator[Finding]:
    diverged = lanes[lanes["status"] == "diverged"]
    counts = [int((diverged["phase"] == phase).sum()) for phase in ("tune", "evaluate")]
    if counts[1]:
        cells = table[table["diverged_share"] > 0]
        text = f"{_trained(lanes, counts[1])} diverged in evaluation, which counts as the worst: {_names(cells)}."
        yield Finding("warning", text, f"{stats.noun(lanes, 2).capitalize()} diverged in evaluation")
    if counts[0]:
        tuned = int((lanes["phase"] == "tune").sum())
        yield Finding(
            "note",
            f"{counts[0]:,} of {tuned:,} {stats.noun(lanes, 2)} diverged while tuning.",
            f"{stats.noun(lanes, 2).capitalize()} diverged while tuning",
        )


def _halved(shards: int) -> Iterator[Finding]:
    if shards:
        text = (
            f"Memory ran out, so that {shards:,} {'shard was' if shards == 1 else 'shards were'} trained in chunks of"
        )
        tail = "half the width or less: last bits may differ from those of a run that had enough, and its speeds do"
        yield Finding("note", f"{text} {tail}.", "Memory ran out")


def _unlike(lanes: pd.DataFrame) -> Iterator[Finding]:
    """Cells with more or fewer parameters than most, so that what helps may be size."""
    trained = lanes[lanes["status"].isin(["ok", "diverged"])]  # of others it is not known
    sizes = trained.groupby(stats.CELL[1:], sort=False)["parameters"].first()
    middle = sizes.median()
    other = sizes[(sizes - middle).abs() > UNLIKE * middle]
    if len(other):
        told = [f"{name} {size:,.0f}" for name, size in other.groupby(level="activation", sort=False).max().items()]
        text = f"{len(other)} of {len(sizes)} cells have unlike numbers of parameters, over 10 % from the median"
        text = f"{text} of {middle:,.0f}: {few(told)}."
        yield Finding("note", text, "Cells have unlike numbers of parameters")


def _seeds(run: Run) -> Iterator[Finding]:
    table = run.convergence
    seeds = int(table["seeds"].max()) if len(table) else 0
    if seeds == 1:
        yield Finding("warning", "One evaluation seed a cell: nothing can be said about uncertainty.")
    elif 1 < seeds < ENOUGH_SEEDS:
        text = (
            f"{seeds} evaluation seeds a cell: intervals from fewer than ten are too short "
            "(at 95 % they cover about 75 % of the time with 3 seeds, 84 % with 5, 90 % with 10), "
            "and small differences go unnoticed."
        )
        listed = isinstance(run.manifest["suite"]["seeds"]["evaluate"], list)
        more = "" if listed else f" bench run --resume RUN --evaluate {ENOUGH_SEEDS} adds more."
        yield Finding("note", text + more)


def _rounds(run: Run) -> Iterator[Finding]:
    """Whether seeds were added, perhaps for what those before them had shown."""
    first, *others = run.manifest.get("rounds") or [0]
    if others:
        told = joined([f"{first} seeds a cell", *(f"then {count}" for count in others)])
        yield Finding(
            "note", f"Evaluated in rounds, {told}: each look at the scores in between gave chance another try."
        )


DOUBTS = {  # what is wrong with one timing, and with several
    "unstable": ("is unstable", "are unstable"),
    "noisy": ("is noisy", "are noisy"),
    "few": ("rests on few samples", "rest on few samples"),
}


def timing(throughput: pd.DataFrame) -> Iterator[Finding]:
    """How sure the speeds of a run are."""
    total, counts = len(throughput), throughput["noisy"].value_counts()
    known = [(counts[key], words[int(counts[key] > 1)]) for key, words in DOUBTS.items() if key in counts]
    if known:
        (first, what), *others = known
        head = f"All {total:,}" if first == total > 1 else f"{first:,} of {total:,}"
        text = joined([f"{head} timings {what}", *(f"{count:,} {what}" for count, what in others)])
        yield Finding("note", f"{text}: compare speeds with care.")


def _trained(lanes: pd.DataFrame, count: int) -> str:
    return f"{count:,} {stats.noun(lanes, count)}"


def _of(part: pd.DataFrame, whole: pd.DataFrame) -> str:
    return f"{len(part):,} of {len(whole):,} cells {'is' if len(part) == 1 else 'are'}"


def _names(cells: pd.DataFrame) -> str:
    pairs: Iterable[tuple[str, str]] = cells[["activation", "optimizer"]].itertuples(index=False, name=None)
    return few(list(dict.fromkeys(stats.cell_label(*pair) for pair in pairs)))
