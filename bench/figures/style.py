"""One colour, marker and line an optimizer, and one kind of logarithmic axis, through all figures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axis import Axis
from matplotlib.colors import to_rgb
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

# Told apart with each kind of colour blindness, and of three to one against white; a dark page has its own
PALETTE = [
    "#3a6499", "#e36416", "#00a4ab", "#9734fe", "#cd0137", "#9a7ef7", "#7e5f64", "#9c866d", "#4c6400", "#c506c4",
]  # fmt: skip
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "p"]
DASHES: list[Any] = ["-", (0, (4, 1.2)), (0, (1.2, 1.2)), (0, (5, 1.2, 1.2, 1.2))]


DARK, LIGHT = "#10201c", "#ffffff"  # letters on a colour


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


def contrast(color: Any, other: Any) -> float:
    """How much lighter one colour is than the other, 1 to 21: (L + 0.05) / (l + 0.05). Source: WCAG 2.1, 2018."""
    low, high = sorted(map(_luminance, (color, other)))
    return (high + 0.05) / (low + 0.05)


def ink_on(color: Any) -> str:
    """Dark or light letters, whichever is easier to read on `color`."""
    return max((DARK, LIGHT), key=lambda ink: contrast(ink, color))


def _luminance(color: Any) -> float:
    channels = np.array(to_rgb(color))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def plain_ticks(axis: Axis, unit: str = "", decades: bool = False) -> None:
    """Labels such as 200 k: those of a logarithmic axis are formulas, which figures here do not read.

    Three a decade or, where there are many `decades`, one.
    """
    axis.set_major_locator(LogLocator(subs=(1,) if decades else (1, 2, 5)))
    axis.set_major_formatter(EngFormatter(unit))
    axis.set_minor_locator(NullLocator())
