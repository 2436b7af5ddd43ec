"""What to take from a task: the leader at its learning rate, and which others serve as well for all that was seen."""

from dataclasses import dataclass

import pandas as pd

from bench.findings.verdicts import Verdict
from bench.labels import joined
from bench.pages.standings import told_rate
from bench.stats import CELL, cell_label

FEW = 6  # names that a sentence may hold


@dataclass(frozen=True)
class Choice:
    """`sentence` says what to take; `names` are of cells too many for it, and `label` says which. Empty: no choice."""

    sentence: str = ""
    label: str = ""
    names: tuple[str, ...] = ()


def choice(verdict: Verdict, table: pd.DataFrame, baseline: float) -> Choice:
    """The choice that the verdict on a task leaves: its leader, and the cells that serve as well.

    `table` is as for `standings.cells`, `baseline` the task's.
    """
    if verdict.winner is None or verdict.cells < 2:
        return Choice()
    if verdict.seeds < 2:
        return Choice("Choose none of them yet: a single evaluation seed does not show how sure a difference is.")
    gain = verdict.metric.sign * (verdict.mean - baseline)
    if not gain > 0:
        return Choice(f"Choose none of them: no cell does better than the baseline, {verdict.metric.told(baseline)}.")
    if verdict.seen > gain / 2:
        seen, ahead = (verdict.metric.difference(value) for value in (verdict.seen, gain))
        return Choice(
            f"Choose none of them yet: with {verdict.seeds} seeds only a cell {seen} behind can be told from the "
            f"leader, which is {ahead} ahead of the baseline."
        )
    best = table.set_index(CELL[1:]).loc[verdict.winner]
    edge = " (the edge of what was tried, so that a wider range may do better)" * bool(best["at_grid_edge"])
    head = f"Choose {cell_label(*verdict.winner)} at learning rate {told_rate(best.to_dict())}{edge}"
    names = _serving(verdict, table)
    if not names:
        return Choice(f"{head}.")
    if len(names) == 1:
        return Choice(f"{head} or, at its own learning rate, {names[0]}.")
    head = f"{head} or, each at its own learning rate, any"
    if len(names) == verdict.cells - 1 and (len(names) <= FEW or not verdict.seen > 0):
        return Choice(f"{head} other cell.")
    if len(names) <= FEW:
        return Choice(f"{head} of {joined(names, 'or')}.")
    if not verdict.seen > 0:
        return Choice(f"{head} of the {len(names)} below.", f"{len(names)} cells that are exactly as good", names)
    near = f"cannot be told from the leader and lie within {verdict.metric.difference(verdict.seen)} of it"
    rest = f"{verdict.seeds} seeds are too few to rule out {len(names) - FEW} others"
    first, others = names[:FEW], names[FEW:]
    return Choice(f"{head} of {joined(first, 'or')}; {rest}.", f"{len(others)} more that {near}", others)


def _serving(verdict: Verdict, table: pd.DataFrame) -> tuple[str, ...]:
    """The cells that serve as well as the leader, the best first.

    No test tells a noisy cell from anything. So it must also be near in its mean, and never collapse.
    """
    ordered = table.sort_values(["rank", "steps_to_target"], kind="stable")
    pairs = ordered[~ordered["collapsed"]][CELL[1:]].itertuples(index=False, name=None)
    near = set(verdict.near)
    return tuple(cell_label(*pair) for pair in pairs if pair in near)
