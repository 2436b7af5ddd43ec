"""The report of throughput runs: what is fastest and what it costs, in words, tables and figures.

Convergence runs given beside them lend their steps to target.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from bench.figures import speed as drawn
from bench.figures import speedup, svg
from bench.figures.bars import times as draw_times
from bench.findings.audit import ENDED
from bench.labels import NO_ACTIVATION, counted, slugs
from bench.pages import folder, templating
from bench.pages.commands import together
from bench.pages.tables import Table, percent, text, varied
from bench.stats import CELL, cell_label
from bench.stats import throughput as stats
from bench.throughput import tables
from bench.throughput.plan import OUT_OF_MEMORY
from bench.throughput.tables import table

REFERENCES = {"activation": "relu", "optimizer": "sgd"}  # where a suite lacks one, the first that it names
NOISY = ("noisy", "unstable")
Lent = tuple[str, pd.DataFrame]  # a convergence run's name and its table
SKEWED = 1.1  # a mean over tasks so many times the median task is made by few of them


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it."""

    slug: str
    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[tuple[str, Table], ...] = ()
    figures: tuple[svg.Figure, ...] = ()


@dataclass(frozen=True)
class Part:
    """One throughput run of a report; where it has `several`, what is said and shown of this one names it."""

    run: Any
    name: str
    slug: str
    several: bool

    @property
    def frame(self) -> pd.DataFrame:
        """Its measurements."""
        frame: pd.DataFrame = self.run.throughput
        return frame

    @property
    def devices(self) -> set[str]:
        """Those of which it has timings."""
        return set(stats.timed(self.frame)["device"])

    @property
    def told(self) -> list[str]:
        """Its sentences on the first screen."""
        return [*doubts(self.run), *headline(self.frame)]

    def figure(self, name: str) -> str:
        """What its figure of this name is called."""
        return f"{self.slug}-{name}" if self.several else name


def report(runs: Sequence[Any], out: str | Path) -> Path:
    """Write the report of `runs`, at least one of them a throughput run, and return its page."""
    out = Path(out)
    return folder.write(render(runs), out)


def verdicts(runs: Sequence[Any]) -> list[str]:
    """What to doubt, what is fastest and costliest, a sentence each; of several runs each says of which."""
    parts = parts_of(runs)
    return [f"{part.name}: {told}" if part.several else told for part in parts for told in part.told] + _no_gpu(parts)


def parts_of(runs: Sequence[Any]) -> list["Part"]:
    """A part for each throughput run of `runs`: timings of two runs, maybe of two machines, are never pooled."""
    timed = [run for run in runs if run.kind == "throughput"]
    before = [[earlier.name for earlier in timed[:place]].count(run.name) for place, run in enumerate(timed)]
    names = [f"{run.name} ({same + 1})" if same else run.name for run, same in zip(timed, before, strict=True)]
    several = len(timed) > 1
    return [Part(*one, several) for one in zip(timed, names, slugs(names), strict=True)]


def render(runs: Sequence[Any]) -> dict[str, bytes]:
    """All files of the report by name, the page last."""
    parts = parts_of(runs)
    lent = [(run.name, run.convergence) for run in runs if run.kind != "throughput"]
    timed = [part.run for part in parts]
    sections = [*map(_crossed, _pairs(parts)), *(section for part in parts for section in _of_part(part, lent))]
    head = {
        "title": "; ".join(dict.fromkeys(run.manifest["suite"]["description"] or run.name for run in timed)),
        "kicker": "; ".join(f"{part.name}, {part.run.manifest['created'][:10]}" for part in parts),
        "heads": _heads(parts),
        "sections": sections,
        "runs": ran([part.name for part in parts], timed),
        "commands": together(runs, "report"),
        "numbers": "tables/throughput.csv",
    }
    files = {name: file for section in sections for figure in section.figures for name, file in figure.files.items()}
    files |= {f"tables/{name}.csv": _csv(table).encode() for name, table in _frames(parts).items()}
    files["report.md"] = templating.markdown("throughput.md", **head).encode()
    return folder.listed(files) | {"index.html": page(head)}


def page(head: Mapping[str, Any]) -> bytes:
    """The page of these contents, also of a comparison."""
    return templating.page("throughput.html", **head, data=Markup("[]")).encode()


def doubts(run: Any) -> list[str]:
    """What a run lacks: the report and a comparison begin with it."""
    status, planned = run.manifest["status"], len(run.manifest["plan"]["groups"])
    missing = planned - len({entry["shard"] for entry in run.journal if "workers" in entry})
    failed = int((run.throughput["status"] == "failed").sum())
    were = "was" if missing == 1 else "were"
    left = [f"{missing:,} of its {counted(planned, 'group')} {were} not measured"] if missing else []
    left += [f"{counted(failed, 'timing')} failed"] if failed else []
    if status in ("complete", "failed") and not left:
        return []
    return ["; ".join([f"This run {ENDED.get(status, f'is {status}')}", *left]) + "."]


def _heads(parts: Sequence[Part]) -> list[tuple[list[str], Section | None]]:
    """Of each run what the first screen says, and the table of its tasks."""
    told = [[f"{part.name}: {part.told[0]}" if part.several else part.told[0], *part.told[1:]] for part in parts]
    told[-1] += _no_gpu(parts)
    return [(sentences, _tops(part.frame)) for sentences, part in zip(told, parts, strict=True)]


def _no_gpu(parts: Sequence[Part]) -> list[str]:
    measured = set().union(*(part.devices for part in parts))
    return ["No GPU has been measured."] if measured and "gpu" not in measured else []


def headline(frame: pd.DataFrame) -> Iterator[str]:
    """The fastest cell, what costs most, what to doubt of the timings."""
    timed = stats.timed(frame)
    if timed.empty:
        yield "Nothing was measured."
    else:
        yield from _fastest(timed)
        yield from _costliest(timed)
        yield from _noise(timed)
    yield from _lacking(_too_large(frame))


def _fastest(frame: pd.DataFrame) -> Iterator[str]:
    best = _best(frame)
    first, last = best.iloc[0], best.iloc[-1]
    if frame["task"].nunique() > 1:  # whose steps are not alike
        yield (
            f"The fastest cell of a task makes {last['rate']:,.0f} ({last['task']}) to {first['rate']:,.0f} "
            f"({first['task']}) lane-steps a second, {best['peak_share'].min() * 100:.0f} to "
            f"{percent(best['peak_share'].max())} of the rate of a large matrix product."
        )
    else:
        yield (
            f"Fastest: {tables.name(first.to_dict())} on {first['task']}, {first['rate']:,.0f} lane-steps a second "
            f"of {_together(first)} ({first['device']}, batch {first['batch_size']}, width {first['width']})"
            f"{stats.Beside.fastest(frame[frame['device'] == first['device']])}."
        )


def _best(frame: pd.DataFrame) -> pd.DataFrame:
    """The fastest timing of each task on each device, with the machine's `rate`, the fastest of all first."""
    rated = frame.assign(rate=stats.machine_rate(frame)).sort_values("rate", ascending=False, kind="stable")
    return rated.drop_duplicates(["task", "device"])


def _tops(frame: pd.DataFrame) -> Section | None:
    """The fastest cell of each task, in the order of the suite; None for a single task."""
    timed = stats.timed(frame)
    best = _best(timed).sort_index()
    if best["task"].nunique() < 2:
        return None
    groups = {key: stats.Beside.fastest(rows) for key, rows in timed.groupby(["task", "device"])}
    beside = [groups[key] for key in best[["task", "device"]].itertuples(index=False, name=None)]
    best = best.assign(level=[one.shared + one.level for one in beside])
    readers, alike = varied(best, tables.TOP, tables.MACHINE)
    return Section("tasks", "The fastest cell of each task", alike, (("By task", table(best, readers)),))


def references(frame: pd.DataFrame) -> dict[str, str]:
    """What costs are relative to, by side: what `REFERENCES` names or else what the suite names first."""
    names = {side: list(dict.fromkeys(frame.loc[frame[side] != NO_ACTIVATION, side])) for side in REFERENCES}
    return {
        side: usual if usual in names[side] else names[side][0] for side, usual in REFERENCES.items() if names[side]
    }


def _mean_costs(frame: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Of each side with something to compare: its name, its reference, and the mean cost of each entry."""
    found = [
        (side, ref, stats.mean_cost(stats.relative_cost(frame, side, ref), side))
        for side, ref in references(frame).items()
    ]
    return [one for one in found if len(one[2])]


def _costliest(frame: pd.DataFrame) -> Iterator[str]:
    for side, reference, costs in _mean_costs(frame):
        dear = costs.iloc[-1]
        # the reference is not among those that are compared with it
        first = dear[side] if dear["ratio"] >= 1 else f"{reference}, then {dear[side]}"
        yield (
            f"Costliest {side}: {first}, a step {dear['ratio']:.2f} times as long as with {reference}"
            f"{_interval(dear)}{_spread(dear)}."
        )


def _spread(cost: "pd.Series[Any]") -> str:
    """The median task and the dearest, where few tasks make the mean."""
    if cost["tasks"] == 1 or cost["ratio"] < SKEWED * cost["median"]:
        return ""
    return f"; the median task {cost['median']:.2f}, the most expensive, {cost['dearest']}, {cost['highest']:.2f}"


def _noise(frame: pd.DataFrame) -> Iterator[str]:
    noisy = frame[frame["noisy"].isin(NOISY)]
    if noisy.empty:
        return
    unstable = int((noisy["noisy"] == "unstable").sum())
    told = [f"{len(noisy)} of {len(frame)} timings are noisy", *[f"{unstable} of them unstable"] * (unstable > 0)]
    counts = noisy["task"].value_counts()
    where = ", ".join(f"{task} {number}" for task, number in counts.items())
    yield f"{', '.join(told)}{f' ({where})' * (frame['task'].nunique() > 1)}."


def _together(row: "pd.Series[Any]") -> str:
    """Whose rate that of the whole machine is, and of how much each of its workers has a part."""
    each = f"{row['workers']} workers together, {row['lane_steps_per_s']:,.0f} of each"
    return each if row["workers"] > 1 else "one worker"


def _too_large(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["status"] == OUT_OF_MEMORY]


def _lacking(frame: pd.DataFrame) -> Iterator[str]:
    """What is said of chunks that did not fit into memory."""
    if len(frame):
        first = frame.loc[frame["width"].idxmin()]
        yield (
            f"Memory was too small for {len(frame)} of the timings that were planned, the narrowest "
            f"{cell_label(first['activation'], first['optimizer'])} on {first['task']} at width {first['width']:,} "
            f"({first['device']}, batch {first['batch_size']}, {_busy(first['workers'])})."
        )


def _of_part(part: Part, lent: Sequence[Lent]) -> Iterator[Section]:
    """The sections of a run; of several each says of which."""
    for section in filter(None, _sections(part, lent)):
        named = replace(section, slug=f"{part.slug}-{section.slug}", title=f"{section.title}: {part.name}")
        yield named if part.several else section


def _sections(part: Part, lent: Sequence[Lent]) -> Iterator[Section | None]:
    timed, lacking = stats.timed(part.frame), _too_large(part.frame)
    if len(timed):
        yield from _speeds(timed, part, lent)
    if len(lacking):
        yield Section("memory", "Out of memory", tables=(("What did not fit", table(lacking, tables.LACKING)),))


def _speeds(frame: pd.DataFrame, part: Part, lent: Sequence[Lent]) -> Iterator[Section | None]:
    yield _costs_of(part, _mean_costs(frame))
    lines = [drawn.rates(part.figure(f"throughput-{axis.replace('_', '-')}"), frame, axis) for axis in drawn.AXES]
    if any(lines):
        yield Section("speed", "Speed", figures=tuple(line for line in lines if line))
    if len(part.devices) > 1:
        yield Section("devices", "GPU against CPU", *_devices(frame, part.figure("throughput-devices")))
    if lent:
        yield _targets(frame, lent)
    roofline = drawn.roofline(part.figure("throughput-roofline"), frame)
    yield Section(
        "roofline",
        "How near the machine's limits",
        (
            "Arithmetic of the optimizer and of the activation is not counted. Here each cell is a program of its own "
            "and evaluations are taken off its time. A convergence run's programs hold many activations and "
            "optimizers, and its steps are timed with their evaluations: the share of a rate that it tells is lower.",
        ),
        figures=(roofline,) if roofline else (),
    )
    compiled = ("By task and optimizer", table(_compiles(frame), tables.COMPILE))
    yield Section("compile", "What compiling takes", tables=(compiled,))
    yield _where(part)
    readers, alike = varied(frame, tables.EVERY, tables.SETTINGS)
    yield Section("cells", "Every timing", alike, (("Cell by cell, setting by setting", table(frame, readers)),))


def _costs_of(part: Part, costs: Sequence[tuple[str, str, pd.DataFrame]]) -> Section | None:
    figure = drawn.costs(part.figure("throughput-costs"), costs)
    if figure is None:  # of a single cell nothing is relative
        return None
    told = (
        "Time and memory of a step against those of the reference, all else alike. Memory is what XLA plans for a "
        "program to work in; state is what a step hands to the next: parameters, moments, running means."
    )
    shown = tuple(
        (f"{side.capitalize()} against {ref}", table(found, tables.costs(side))) for side, ref, found in costs
    )
    return Section("costs", "What activations and optimizers cost", (told,), shown, (figure,))


def _devices(
    frame: pd.DataFrame, name: str
) -> tuple[tuple[str, ...], tuple[tuple[str, Table], ...], tuple[svg.Figure, ...]]:
    """What is said and shown of a GPU and a CPU in the timings of both, in a figure of this name."""
    pairs = stats.against(frame)
    figure = speedup.ratios(name, pairs, "the GPU", "the CPU")
    if figure is None:
        return ("No cell was measured on both devices.",), (), ()
    middle = stats.geometric_mean(pairs["ratio"])
    told = [f"The GPU trains {middle[0]:.3g} times as fast (mean of {len(pairs)} cells)."]
    for axis, name in (("batch_size", "a batch size"), ("lanes", "lanes")):
        for task, value in stats.overtakes(frame, axis).itertuples(index=False, name=None):
            when = f"from {name} of {value:,.0f} on" if np.isfinite(value) else f"at no {name} that was measured"
            told.append(f"{task}: the GPU is ahead {when}.")
    paid = stats.break_even(frame)
    rows = pairs.merge(paid, on=[*CELL, "precision", "batch_size"])
    return tuple(told), (("Cell by cell", table(rows, tables.DEVICES)),), (figure,)


def _pairs(parts: Sequence[Part]) -> list[tuple[Part, Part]]:
    """Runs of a GPU, each with those of a CPU; those of both devices stand for themselves."""
    every = [(gpu, cpu) for gpu in parts for cpu in parts if "gpu" in gpu.devices and "cpu" in cpu.devices]
    return [(gpu, cpu) for gpu, cpu in every if len(gpu.devices) + len(cpu.devices) < 4]


def _both(gpu: Part, cpu: Part) -> pd.DataFrame:
    """The timings of one run's GPU and another's CPU."""
    frames = {"gpu": gpu, "cpu": cpu}
    return pd.concat([part.frame[part.frame["device"] == device] for device, part in frames.items()], ignore_index=True)


def _crossed(pair: tuple[Part, Part]) -> Section:
    gpu, cpu = pair
    title, name = f"GPU against CPU: {gpu.name} against {cpu.name}", f"{gpu.slug}-against-{cpu.slug}"
    return Section(name, title, *_devices(stats.timed(_both(*pair)), name))


def _targets(frame: pd.DataFrame, lent: Sequence[Lent]) -> Section:
    rows = pd.concat(stats.seconds_to_target(reached, frame).assign(trained=name) for name, reached in lent)
    readers = [*tables.TARGET, *[text("trained by", "trained")] * (len(lent) > 1)]
    sentence = "Steps to target of the convergence runs given beside, times the amortized time of a lane-step."
    return Section("target", "Seconds to the target", (sentence,), (("Cell by cell", table(rows, readers)),))


def _compiles(frame: pd.DataFrame) -> pd.DataFrame:
    parts = ["trace_s", "compile_s", "first_run_s", "transfer_s"]
    return frame.groupby(["device", "task", "optimizer"], sort=False)[parts].median().reset_index()


def _where(part: Part) -> Section:
    workers = max((len(entry.get("workers", [])) for entry in part.run.journal), default=1)
    times = part.run.times
    spent = times[times["seconds"] > 0].reset_index(drop=True)
    return Section("times", "What the run took", figures=(draw_times(part.slug, spent, [workers]),))


def _frames(parts: Sequence[Part]) -> dict[str, pd.DataFrame]:
    """What stands under tables/: the rows of all runs, in a column `run` whose they are where there are several."""
    found = {"throughput": _stacked(parts, lambda part: part.frame)}
    for side in REFERENCES:
        found[f"{side}_cost"] = _stacked(parts, partial(_costs, side=side))
    found["times"] = pd.concat([part.run.times.assign(run=part.name) for part in parts])
    own = [(part, part) for part in parts if len(part.devices) > 1]
    for name, of in {"gpu_against_cpu": stats.against, "break_even": stats.break_even}.items():
        rows = [_of_pair(pair, of(stats.timed(_both(*pair)))) for pair in [*own, *_pairs(parts)]]
        if any(map(len, rows)):
            found[name] = pd.concat(rows)
    return found


def _costs(part: Part, side: str) -> pd.DataFrame:
    timed = stats.timed(part.frame)
    reference = references(timed).get(side, "")
    return stats.relative_cost(timed, side, reference).assign(reference=reference)


def _stacked(parts: Sequence[Part], read: Callable[[Part], pd.DataFrame]) -> pd.DataFrame:
    frames = [(part, read(part)) for part in parts]
    return pd.concat(
        frame.assign(run=part.name)[["run", *frame.columns]] if part.several else frame for part, frame in frames
    )


def _of_pair(pair: tuple[Part, Part], frame: pd.DataFrame) -> pd.DataFrame:
    """With whose GPU and whose CPU, where there are several runs."""
    if pair[0].several:
        frame = frame.assign(gpu_run=pair[0].name, cpu_run=pair[1].name)
    return frame


def _csv(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, lineterminator="\n")


def _busy(workers: int) -> str:
    return f"{workers} workers busy" if workers > 1 else "one worker"


def _interval(row: "pd.Series[Any]") -> str:
    if not np.isfinite(row["ratio_low"]):
        return ""
    return f" ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"


def ran(names: Sequence[str], runs: Sequence[Any]) -> list[tuple[str, str]]:
    """Of each run: what it is called here, and its machine in a line."""
    return [(name, _machine(run)) for name, run in zip(names, runs, strict=True)]


def _machine(run: Any) -> str:
    environment = run.manifest["environment"]
    kinds = {name: told["device_kind"] for name, told in run.manifest["devices"].items()}
    devices = [f"{name}: {kind}" for name, kind in kinds.items() if kind != name]
    packages = [f"{name} {of}" for name, of in environment["packages"].items() if name in ("optact", "jax", "jaxlib")]
    cores = f"{environment['cores']} cores"
    details = [str(environment[key]) for key in ("processor_model", "vectors") if key in environment]
    return ", ".join([str(environment["processor"]), *details, cores, *devices, *packages])
