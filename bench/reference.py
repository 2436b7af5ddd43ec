"""What cells are held against: an activation, an optimizer or a cell that one names."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from bench.checks import nearest
from bench.errors import InputError
from bench.labels import NO_ACTIVATION, cell_label

KINDS = ("activation", "optimizer", "cell")
OTHER = {"activation": "optimizer", "optimizer": "activation"}
ARGUMENTS = re.compile(r"\(([^()]*)\)")


@dataclass(frozen=True)
class Reference:
    """One of the activations, the optimizers or the cells (`by`), by its label."""

    by: str
    label: str

    @classmethod
    def find(cls, text: str, cells: Iterable[tuple[str, str]], where: str, whose: str) -> "Reference":
        """The one that `text` names among those of `cells` (activation, optimizer), whatever its spaces.

        Raises `InputError`, with `where` it was named and `whose` it had to be.
        """
        named: dict[str, Reference] = {}
        for cell in cells:
            for by, label in zip(KINDS, (*cell, cell_label(*cell)), strict=True):
                if label != NO_ACTIVATION:
                    named.setdefault(_plain(label), cls(by, label))
        if _plain(text) in named:
            return named[_plain(text)]
        kinds = KINDS if "+" in text else KINDS[:2]  # cells are too many to list
        known = [found.label for found in named.values() if found.by in kinds]
        known = known if get_close_matches(text, known) else [r.label for r in named.values() if r.by != "cell"]
        expected = nearest(f"an activation, an optimizer or a cell of {whose}", text, known)
        raise InputError(f"{where}: got {text!r}; expected {expected}")

    @property
    def other(self) -> str:
        """The side that stays as it is: of an activation the optimizer, and the other way round; of a cell none."""
        return OTHER.get(self.by, "")

    def cell(self, activation: str, optimizer: str) -> str:
        """The label of the cell that one of such names is held against: of an activation, with the same optimizer."""
        beside = {"activation": (self.label, optimizer), "optimizer": (activation, self.label)}
        return cell_label(*beside[self.by]) if self.by in beside else self.label


def _plain(label: str) -> str:
    """Without spaces, and arguments in one order."""
    return ARGUMENTS.sub(lambda found: f"({','.join(sorted(found[1].split(',')))})", "".join(label.split()))
