"""One colour, marker and line an optimizer, through all figures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

# Told apart with each kind of colour blindness, and of three to one against white and near black alike
PALETTE = ["#2b6299", "#ef7c00", "#1aa3a0", "#9a2be0", "#b8151f", "#a98af2", "#8a4f58", "#b8975f"]
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
    return {
        label: Style(PALETTE[i % 8], MARKERS[i % len(MARKERS)], DASHES[i // 8 % len(DASHES)])
        for i, label in enumerate(order)
    }
