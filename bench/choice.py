"""What to take from a task: the leader at its learning rate, and which others serve as well for all that was seen."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.labels import joined
from bench.tables import LEADER, LEVEL, LOST, Table
from bench.verdicts import Verdict

FEW = 6  # names that a sentence may hold


@dataclass(frozen=True)
class Choice:
    """`sentence` says what to take; `names` are of cells too many for it, and `label` says which. Empty: no choice."""

    sentence: str = ""
    label: str = ""
    names: tuple[str, ...] = ()


def choice(verdict: Verdict, cells: Table) -> Choice:
    """The choice that the verdict on a task leaves, `cells` being the table of them.

    The shorter list is told: of those that cannot be told from the leader, or of those that fall behind it.
    """
    if verdict.winner is None or verdict.cells < 2:
        return Choice()
    known = [row for row in cells.rows if row.entries[0].key]
    level = [row.name for row in known if row.mark == LEVEL]
    behind = [row.name for row in known if row.mark in (LOST, "")]
    place = [column.title for column in cells.columns].index("learning rate")
    best = next(row for row in known if row.mark == LEADER)
    head = f"Choose {best.name} at learning rate {best.entries[place].text.replace('*', '')}"
    if not level:
        return Choice(f"{head}.")
    if not behind:
        return Choice(f"{head} or, each at its own, any other cell.")
    if len(level) <= len(behind):
        return _with(head, "any of" if len(level) > 1 else "", level, "or", "cannot be told from the leader")
    lost = f"{verdict.how} or " if verdict.lost else ""
    return _with(head, "any cell but", behind, "and", f"{lost}can be told from the leader")


def _with(head: str, which: str, names: Sequence[str], last: str, what: str) -> Choice:
    own = f"{head} or, each at its own, {which}" if which else f"{head} or, at its own,"
    if len(names) > FEW:
        return Choice(f"{own} the {len(names)} below.", f"{len(names)} that {what}", tuple(names))
    return Choice(f"{own} {joined(names, last)}.")
