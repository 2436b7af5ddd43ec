"""One colour, marker and line an optimizer, through all figures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

# Told apart with each kind of colour blindness, and of three to one against white; a dark page has its own
PALETTE = [
    "#3a6499", "#e36416", "#00a4ab", "#9734fe", "#cd0137", "#9a7ef7", "#7e5f64", "#9c866d", "#4c6400", "#c506c4",
]  # fmt: skip
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "p"]
DASHES: list[Any] = ["-", (0, (4, 1.2)), (0, (1.2, 1.2)), (0, (5, 1.2, 1.2, 1.2))]


@dataclass(frozen=True)
class Style:
    """How an optimizer is drawn."""

    color: str
    marker: str
    dash: Any


def styles(table: pd.DataFrame) -> dict[str, Style]:
    """A style for each optimizer of a convergence table, in its order or, if too many, the best first."""
    order = list(dict.fromkeys(table["optimizer"]))
    if len(order) > len(PALETTE):
        mean = table.groupby("optimizer")["rank"].mean()
        order = sorted(order, key=lambda label: mean[label] if pd.notna(mean[label]) else np.inf)
    return {label: styled(i) for i, label in enumerate(order)}


def styled(i: int) -> Style:
    """The i-th of all styles: its marker and its line tell it from those of the same colour."""
    again = i // len(PALETTE)
    return Style(PALETTE[i % len(PALETTE)], MARKERS[(i + again) % len(MARKERS)], DASHES[again % len(DASHES)])
