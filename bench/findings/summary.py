"""What runs come to, as lines for a terminal: a report begins with the same."""

from collections.abc import Iterator, Sequence

from bench import stats
from bench.findings import effects
from bench.findings.audit import incomplete
from bench.findings.run import Run
from bench.findings.verdicts import verdict
from bench.planning.reference import Reference


def verdicts(runs: Sequence[Run], reference: str = "") -> list[str]:
    """The verdict on each task of each run, one sentence each, and what is missing of a run.

    After each, where its run has a reference, who is better or worse than that.
    """
    faults = [f"{run.name}: {finding.text}" for run in runs for finding in incomplete(run)]
    lines = [(run, line) for run in runs for line in _lines(run, reference_of(run, reference))]
    return [f"{run.name}: {line}" if len(runs) > 1 else line for run, line in lines] + faults


def reference_of(run: Run, given: str) -> Reference | None:
    """What the cells of `run` are held against: what was given or what its suite names, if anything."""
    text = given or run.manifest["suite"].get("reference", "")
    cells = run.convergence[stats.CELL[1:]].itertuples(index=False, name=None)
    where = "--reference" if given else "reference of the suite"
    return Reference.find(text, cells, where, run.name) if text else None


def _lines(run: Run, reference: Reference | None) -> Iterator[str]:
    for task in run.manifest["tasks"]:
        found = verdict(run.lanes, run.convergence, run.manifest["tasks"], task)
        yield f"{task}: {found.sentence}"
        if reference:
            held = effects.against(run.lanes, run.manifest["tasks"], task, reference)
            yield from (f"{task}: {told}" for told in [effects.against_sentence(held, reference, found.metric)] if told)
