"""What a cell is called, how long something took, and lists, everywhere in the same words."""

from collections.abc import Sequence

NO_ACTIVATION = "none"  # in the column of activations, where a task has none


def cell_label(activation: str, optimizer: str) -> str:
    """A cell's name: `relu + adam`, or the optimizer alone where a task has no activation."""
    return optimizer if activation == NO_ACTIVATION else f"{activation} + {optimizer}"


UNITS = (("h", 3600), ("min", 60), ("s", 1))


def duration(seconds: float) -> str:
    """In the largest unit of which there are two: 42 s, 21 min, 3 h."""
    unit, size = next((unit, size) for unit, size in UNITS if seconds >= 2 * size or size == 1)
    return f"{seconds / size:,.0f} {unit}"


def joined(names: Sequence[str], last: str = "and") -> str:
    """A list in words: `a, b and c`."""
    return f" {last} ".join([*[", ".join(names[:-1])] * (len(names) > 1), names[-1]])


def some(names: Sequence[str], most: int = 6) -> str:
    """The first of a long list, and how many more there are; a single one is not left out, which saves no room."""
    shown = names if len(names) <= most + 1 else names[:most]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(shown) < len(names) else "")
