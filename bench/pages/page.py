"""What a report shows of its runs, in words and numbers, before any template."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench import figures, stats
from bench.findings import effects, tuning
from bench.findings.audit import Finding, audit
from bench.findings.effort import trained_on, wall_s
from bench.findings.run import Run
from bench.findings.summary import reference_of
from bench.findings.verdicts import LOST, Verdict, power_line, verdict
from bench.hardware.machine import cores
from bench.labels import counted, duration, few_cells, significant, slugs
from bench.losses import rounded
from bench.optimizers import FACTORS
from bench.pages import embedded, standings
from bench.pages.across import Across, across
from bench.pages.asked import asked
from bench.pages.choice import Choice, choice
from bench.pages.commands import commands, registered, suite_text
from bench.pages.heat import Heat, heat
from bench.pages.tables import Table
from bench.planning.reference import Reference
from bench.planning.search import searched, values_told
from bench.stats import Metric, cell_label, noun
from bench.stats.metric import BASELINE_DIGITS

MANY_CELLS, MANY_TASKS, MOST_WORKERS = 300, 4, 8
CONSTANT = "always predicting one constant"
FEW_CELLS = 6  # from docs/statistics.md, as are the shares below
PROMISE = (
    "In simulated runs the truly best cell was the leader or one of them more than 95 times in 100, save in the "
    "extremes that docs/statistics.md names."
)
PROMISE_SAVE = (
    "It does not hold where cells that are not the best collapse on a rare seed, as some cells here do: where the few "
    "seeds of such a cell happen to miss that, it looks better than the best."
)
PROMISE_OF_FEW = (
    "In simulated runs of two to six cells the truly best one was the leader or one of them at least 97 times in 100 "
    "under normal or heavy-tailed noise, 92 under noise near a ceiling and 85 under skewed noise."
)


@dataclass(frozen=True)
class Section:
    """One task of one run, ready to be shown."""

    slug: str
    run: str
    task: str
    several: bool
    facts: str
    choice: Choice
    margin: str
    factors: tuple[str, ...]
    against: str
    held: pd.DataFrame
    setting: str
    verdict: Verdict
    causes: tuple[str, ...]
    figures: Mapping[str, figures.Figure]
    cells: Table
    paper: Table
    matrix: Table
    heat: Heat
    data: Mapping[str, Any]

    @property
    def label(self) -> str:
        """What a reader picks it by."""
        return f"{self.run} · {self.task}" if self.several else self.task

    @property
    def collapsed(self) -> bool:
        """Whether a seed of any cell collapsed."""
        return any("‡" in entry.text for row in self.cells.rows for entry in row.entries)


@dataclass(frozen=True)
class Part:
    """One run, ready to be shown."""

    slug: str
    run: Run
    sections: tuple[Section, ...]
    across: Across | None
    reference: Reference | None
    leaders: Table
    findings: tuple[Finding, ...]
    figures: Mapping[str, figures.Figure]
    asked: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    commands: tuple[str, ...]
    registered: tuple[str, ...]
    suite: str

    @property
    def faults(self) -> list[Finding]:
        """Those of the findings that belong beside the verdict."""
        return [finding for finding in self.findings if finding.level == "fault"]

    @property
    def targets(self) -> dict[str, str]:
        """Where on the page each task is."""
        return {section.task: section.slug for section in self.sections}


def parts_of(runs: Sequence[Run], reference: str = "") -> list[Part]:
    """What is to be shown, a part for each run; where there are several, files are named after them too.

    `reference` is what each is held against: by default what its suite names, if anything. Raises `InputError`.
    """
    references = [reference_of(run, reference) for run in runs]
    several = len(runs) > 1
    tasks = [(run, task) for run in runs for task in run.manifest["tasks"]]
    names = iter(slugs([f"{run.name}-{task}" if several else task for run, task in tasks]))
    heads = slugs([run.name if several else "run" for run in runs])
    return [_part(run, head, names, several, of) for run, head, of in zip(runs, heads, references, strict=True)]


def overall(parts: Sequence[Part]) -> Part | None:
    """The run whose page opens with its tasks together: a single one, of more tasks than fit a first screen."""
    (part, *others) = parts
    return part if part.across and not others and len(part.sections) >= MANY_TASKS else None


def title_of(parts: Sequence[Part]) -> str:
    """The page's title: what the suites say of themselves."""
    return "; ".join(dict.fromkeys(part.run.manifest["suite"]["description"] or part.run.name for part in parts))


def kicker_of(parts: Sequence[Part]) -> str:
    """The line above the title: which runs, when, and what they took."""
    return "; ".join(f"{part.run.name}, {part.run.manifest['created'][:10]}, {_effort(part.run)}" for part in parts)


def promise_of(parts: Sequence[Part]) -> str:
    """How often the best cell was among those not told apart, in simulated runs of as many cells as the tasks have."""
    cells = [section.verdict.cells for part in parts for section in part.sections]
    few, many = any(1 < count <= FEW_CELLS for count in cells), any(count > FEW_CELLS for count in cells)
    rare = any(section.collapsed for part in parts for section in part.sections)
    return " ".join([*[PROMISE] * many, *[PROMISE_OF_FEW] * few, *[PROMISE_SAVE] * (rare and (many or few))])


def _part(run: Run, slug: str, names: Iterator[str], several: bool, reference: Reference | None) -> Part:
    sections = _sections(run, names, figures.styles(run.convergence), several, reference)
    return Part(
        slug=slug,
        run=run,
        sections=sections,
        across=across(run, slug, reference),
        reference=reference,
        leaders=standings.leaders([(run.name, section.verdict) for section in sections]),
        findings=tuple(audit(run)),
        figures=figures.of_run(run, slug),
        asked=asked(run),
        environment=tuple(_flat(run.manifest["environment"])),
        commands=commands(run, reference),
        registered=registered(run.manifest),
        suite=suite_text(run.manifest),
    )


@dataclass(frozen=True)
class Slice:
    """One task of a run, small enough to be handed to another process."""

    name: str
    lanes: pd.DataFrame
    curves: pd.DataFrame
    trials: pd.DataFrame
    convergence: pd.DataFrame
    throughput: pd.DataFrame
    times: pd.DataFrame
    exhibits: Mapping[tuple[str, str, str], NDArray[np.float32]]
    halved: Mapping[str, int]
    failures: pd.DataFrame
    manifest: Mapping[str, Any]
    path: Path

    @classmethod
    def of(cls, run: Run, task: str) -> "Slice":
        """The part of `run` that is about `task`."""
        frames = run.lanes, run.trials, run.convergence, run.throughput
        lanes, trials, table, speeds = (frame[frame["task"] == task] for frame in frames)
        curves = run.curves[run.curves["lane"].isin(lanes["lane"])]
        shown = {cell: array for cell, array in run.exhibits.items() if cell[0] == task}
        facts = run.times, shown, run.halved, run.failures, run.manifest, run.path
        return cls(run.name, lanes, curves, trials, table, speeds, *facts)


def _sections(
    run: Run, names: Iterator[str], drawn: Mapping[str, figures.Style], several: bool, reference: Reference | None
) -> tuple[Section, ...]:
    """The sections of a run; those of a large one, which take seconds each to draw, in a process a core."""
    tasks = list(run.manifest["tasks"])
    jobs = [(Slice.of(run, task), task, next(names), drawn, several, reference) for task in tasks]
    workers = min(len(cores()), len(tasks), MOST_WORKERS)
    if workers == 1 or len(run.convergence) < MANY_CELLS:
        return tuple(_section(*job) for job in jobs)
    from loky import ProcessPoolExecutor

    with ProcessPoolExecutor(workers) as pool:
        return tuple(pool.map(_section, *zip(*jobs, strict=True)))


def _section(
    run: Run, task: str, slug: str, drawn: Mapping[str, figures.Style], several: bool, reference: Reference | None
) -> Section:
    table, speeds = (frame[frame["task"] == task] for frame in (run.convergence, run.throughput))
    found = verdict(run.lanes, run.convergence, run.manifest["tasks"], task)
    told = table.assign(found=_found(run, table), collapsed=_collapsed(run, table, task))
    held, against, drawings = pd.DataFrame(columns=effects.AGAINST), "", {}
    if reference:
        told = told.assign(ahead=_ahead(table, reference) * found.metric.sign)
        held = effects.against(run.lanes, run.manifest["tasks"], task, reference)
        against = effects.against_sentence(held, reference, found.metric)
        drawings = figures.against(slug, held, reference, found.metric, against)
    shown = reference if reference and told["ahead"].notna().any() else None
    cells = standings.cells(told, speeds, found, shown)
    return Section(
        slug=slug,
        run=run.name,
        task=task,
        several=several,
        facts=_facts(run.manifest["tasks"][task]),
        choice=choice(found, told, float(run.manifest["tasks"][task]["baseline"])),
        margin=_margin(table, found),
        factors=_factors(run, task, found),
        against=against,
        held=held,
        setting=_setting(run, task, found),
        verdict=found,
        causes=_causes(run, task, found),
        figures=drawings | figures.of_task(run, task, found, drawn, slug),
        cells=cells,
        paper=standings.paper(told, found),
        matrix=standings.matrix(table, found),
        heat=heat(table, found, float(run.manifest["tasks"][task]["baseline"])),
        data=embedded.of_task(run, task) | {"slug": slug},
    )


def _found(run: Run, table: pd.DataFrame) -> list[str]:
    """What tuning found of each cell beside its learning rate."""
    ranges = searched(run.manifest)
    if not ranges:
        return [""] * len(table)
    rows = zip(table["optimizer"], table["hyperparameters"], strict=True)
    return [values_told(json.loads(chosen), ranges[optimizer]) for optimizer, chosen in rows]


def _ahead(table: pd.DataFrame, reference: Reference) -> "pd.Series[float]":
    """The mean of each cell less that of the cell it is held against; NaN where either has none."""
    pairs = list(table[stats.CELL[1:]].itertuples(index=False, name=None))
    means = dict(zip((cell_label(*pair) for pair in pairs), table["test_metric"], strict=True))
    beside = [means.get(reference.cell(*pair), np.nan) for pair in pairs]
    with np.errstate(invalid="ignore"):
        return table["test_metric"] - beside


def _collapsed(run: Run, table: pd.DataFrame, task: str) -> list[bool]:
    """Which cells have a seed that collapsed."""
    lost = stats.collapsed(run.lanes[run.lanes["task"] == task], run.manifest["tasks"])
    return [cell in lost.index for cell in table[stats.CELL].itertuples(index=False, name=None)]


def _facts(entry: Mapping[str, Any]) -> str:
    """A task in sentences."""
    metric = Metric.of(entry)
    sizes = {part: entry["samples"][part] for part in ("train", "validation", "test")}
    samples = [f"{size:,} {part}" for part, size in sizes.items() if size]
    data = f"{' + '.join(samples)} examples, " if samples else ""
    better = "more" if metric.sign > 0 else "less"
    return (
        f"{entry['summary'].rstrip('.')}. {data}{entry['parameters']:,} parameters. "
        f"Judged by {metric.name}, {better} is better; target {metric.plain(entry['target'])}"
        f"{' on validation data' * bool(samples)}; {entry.get('baseline_is', CONSTANT)} scores "
        f"{metric.plain(entry['baseline'], BASELINE_DIGITS)}."
    )


def _margin(table: pd.DataFrame, found: Verdict) -> str:
    """By how much the leader leads: ahead of the next and of the median cell; empty where there is no other."""
    ranked = table[table["rank"].notna()].sort_values(["rank", "steps_to_target"], kind="stable").to_dict("records")
    if found.winner is None or found.at_end or len(ranked) < 2:
        return ""
    means = [row["test_metric"] for row in ranked]
    near, far = (_lead(means[0], other, found.metric) for other in (means[1], float(np.median(means))))
    told = f"{near} the next, {few_cells(_seconds(ranked))}"
    return f"{told[0].upper()}{told[1:]}{f', and {far} the median cell' if len(ranked) > 2 else ''}."


def _seconds(ranked: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The cells other than the first that share the place of the second."""
    return [(row["activation"], row["optimizer"]) for row in ranked[1:] if row["rank"] == ranked[1]["rank"]]


def _lead(best: float, other: float, metric: Metric) -> str:
    if not np.isfinite(other):
        return "out of reach of"
    same = rounded(best) == rounded(other)
    return "at the same mean as" if same else f"{metric.difference(best - other)} ahead of"


def _factors(run: Run, task: str, found: Verdict) -> tuple[str, ...]:
    """Which value of each factor over optimizers, such as their schedule, is the best over all its cells."""
    tasks, swept = {task: run.manifest["tasks"][task]}, run.manifest["suite"].get("factors", {})
    names = [name for name in FACTORS if swept.get(name)]
    whole = [effects.main_effect(run.lanes, tasks, task, name) for name in names]
    return tuple(filter(None, (effects.main_effect_sentence(effect, found.metric) for effect in whole)))


def _causes(run: Run, task: str, found: Verdict) -> tuple[str, ...]:
    """What made the difference on a task, and how many seeds it would take to see a smaller one: in sentences."""
    tasks, metric = {task: run.manifest["tasks"][task]}, found.metric
    lanes, trials = (frame[frame["task"] == task] for frame in (run.lanes, run.trials))
    sides = [side for side in ("activation", "optimizer") if lanes[side].nunique() > 1]
    whole = [effects.main_effect(lanes, tasks, task, side) for side in sides]
    rung = tuning.first_rung(lanes)
    told = [
        *[f"What is told of tuning is of its first rung, which saw every trial after {rung}."] * bool(rung),
        *effects.spread_sentences(effects.spread(lanes, tasks), tasks, task),
        *(effects.main_effect_sentence(effect, metric) for effect in whole if len(sides) > 1),
        tuning.default_sentence(tuning.default_against_tuned(trials, tasks, run.manifest["optimizers"]), metric),
        tuning.region_sentence(stats.good_region(trials, tasks)),
        tuning.budget_sentence(stats.best_so_far(trials, tasks), metric, float(tasks[task]["baseline"])),
        power_line(found),
    ]
    return tuple(sentence for sentence in told if sentence)


def _setting(run: Run, task: str, found: Verdict) -> str:
    """On what: the task in words, and how many cells and seeds."""
    counts = f"{counted(found.cells, 'cell')} with {counted(found.seeds, 'evaluation seed')} each"
    summary, what = run.manifest["tasks"][task]["summary"].rstrip("."), noun(run.convergence)
    seen = "on test data that tuning never saw" if what == "network" else "from starts that tuning never saw"
    tested = int(run.manifest["tasks"][task]["samples"]["test"])
    survived = not _evaluated(run, task, found)["status"].isin(LOST).any()
    return f"Task: {summary}. {counts}, every {what} scored {seen}.{_tested(found, tested, survived)}"


def _evaluated(run: Run, task: str, found: Verdict) -> pd.DataFrame:
    """The evaluation lanes of the leader."""
    lanes = run.lanes[(run.lanes["task"] == task) & (run.lanes["phase"] == "evaluate")]
    activation, optimizer = found.winner or ("", "")
    return lanes[(lanes["activation"] == activation) & (lanes["optimizer"] == optimizer)]


def _tested(found: Verdict, samples: int, survived: bool = True) -> str:
    """That ± is about seeds and not about the test samples, and how much those would add where that is known.

    It is not where a seed of the leader was lost, whose score is of no samples.
    """
    if not (samples and np.isfinite(found.half_width)):
        return ""
    error = found.metric.sampling_error(found.mean, samples) * found.metric.scale
    unit = "points" if found.metric.unit == "%" else found.metric.unit
    moved = f"another of that size would move a score by about {f'{significant(error, 2)} {unit}'.rstrip()}"
    more = f"; {moved} (standard error)" if error > 0 else _compatible(found.metric, found.mean, samples)
    more = more if survived else ""
    return f" ± is over seeds, for this one test set of {samples:,} samples{more}."


def _compatible(metric: Metric, score: float, samples: int) -> str:
    """With which true score a perfect one on so many samples is compatible, or one of 0; "" of any other.

    The exact 95 % bound, 0.05^(1 / n), where the standard error is 0 and says nothing. It holds for a mean of any
    scores from 0 to 1. Source: Hanley and Lippman-Hand, If Nothing Goes Wrong, Is Everything All Right?, 1983.
    """
    if {metric.worst, metric.best} != {0.0, 1.0} or score not in (0.0, 1.0):
        return ""
    off = 1 - 0.05 ** (1 / samples)
    places = len(significant(off * metric.scale, 2).partition(".")[2])
    true = f"{abs(score - off) * metric.scale:.{places}f} {metric.unit}".rstrip()
    return f"; a score of {metric.plain(score)} on them is compatible with a true one of {true} (95 % bound)"


def _effort(run: Run) -> str:
    """What was spent on what: `630 networks in 42 s on 2 workers, AMD EPYC`."""
    trained = int((run.lanes["status"] != "interrupted").sum())
    return f"{counted(trained, noun(run.lanes))} in {duration(wall_s(run))} on {trained_on(run)}"


def _flat(entries: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values of an environment, nested ones on one line, the empty left out."""
    for name, value in entries.items():
        text = ", ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)
        if name.endswith("_bytes") and value:
            name, text = name.removesuffix("_bytes"), f"{value / 1e9:.1f} GB"
        if text:
            yield name.replace("_", " "), text
