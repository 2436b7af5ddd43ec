"""What cells are held against: an activation, an optimizer or a cell that one names."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from bench.checks import nearest
from bench.errors import InputError
from bench.labels import NO_ACTIVATION, cell_label, same

KINDS = ("activation", "optimizer", "cell")
OTHER = {"activation": "optimizer", "optimizer": "activation"}


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
        named = {
            (by, label): cls(by, label)
            for cell in cells
            for by, label in zip(KINDS, (*cell, cell_label(*cell)), strict=True)
            if label != NO_ACTIVATION
        }
        for found in named.values():
            if found.called("".join(text.split())):
                if sum(by == found.by for by, _ in named) == 1:
                    told = f"got {text!r}, the only {found.by} of {whose}"
                    raise InputError(f"{where}: {told}; expected one with others to hold against it")
                return found
        kinds = KINDS if "+" in text else KINDS[:2]  # cells are too many to list
        known = [label for by, label in named if by in kinds]
        known = known if get_close_matches(text, known) else [label for by, label in named if by != "cell"]
        expected = nearest(f"an activation, an optimizer or a cell of {whose}", text, known)
        raise InputError(f"{where}: got {text!r}; expected {expected}")

    def called(self, text: str) -> bool:
        """Whether a text without spaces names it, whatever the order of its arguments."""
        if self.by != "cell" or same(text, self.label):
            return same(text, self.label)
        activation, _, optimizer = self.label.partition(" + ")
        at = [i for i, letter in enumerate(text) if letter == "+"]  # as 1e+20 has one too
        return any(same(text[:i], activation) and same(text[i + 1 :], optimizer) for i in at)

    @property
    def other(self) -> str:
        """The side that stays as it is: of an activation the optimizer, and the other way round; of a cell none."""
        return OTHER.get(self.by, "")

    def cell(self, activation: str, optimizer: str) -> str:
        """The label of the cell that one of such names is held against: of an activation, with the same optimizer."""
        beside = {"activation": (self.label, optimizer), "optimizer": (activation, self.label)}
        return cell_label(*beside[self.by]) if self.by in beside else self.label
