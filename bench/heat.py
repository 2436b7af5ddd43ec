"""The heatmap of a page: a table whose cells are coloured, to be read without colours and without script."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.figures.heatmaps import least_difference, limits
from bench.tables import mark
from bench.verdicts import Verdict

DEEP = 0.45  # shades below this carry light letters: there both inks have a contrast of 4


@dataclass(frozen=True)
class Shade:
    """One cell: its text, `share` of the way from the darkest to the brightest colour, and where it stands in the
    table's activations and optimizers. `share` is None where there is no number."""

    text: str
    share: float | None
    mark: str
    activation: int
    optimizer: int

    @property
    def classes(self) -> str:
        """What the style sheet is told."""
        kind = "missing" if self.share is None else "deep" if self.share < DEEP else ""
        return " ".join(word for word in (self.mark, kind) if word)


@dataclass(frozen=True)
class Heat:
    """The mean test metric, activation by optimizer; the longer side runs down. No difference below `least` shows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Shade, ...]], ...]
    least: float


def heat(table: pd.DataFrame, verdict: Verdict, baseline: float) -> Heat:
    """The heatmap of one task's `convergence` table."""
    activations, optimizers = (list(dict.fromkeys(table[side])) for side in ("activation", "optimizer"))
    values = dict(zip(zip(table["activation"], table["optimizer"], strict=True), table["test_metric"], strict=True))
    metric, least = verdict.metric, float(np.nan_to_num(least_difference(verdict, baseline)))
    low, high = limits(metric.sign * table[["test_metric"]], least) if verdict.winner else (0.0, 1.0)

    def shade(a: int, o: int) -> Shade:
        pair = activations[a], optimizers[o]
        value = float(values.get(pair, np.nan))
        share = round(max(0.0, (metric.sign * value - low) / (high - low)), 3) if np.isfinite(value) else None
        return Shade(metric.show(value), share, mark(*pair, verdict), a, o)

    turned = len(optimizers) > len(activations)
    down, across = (optimizers, activations) if turned else (activations, optimizers)
    rows = [
        (label, tuple(shade(j, i) if turned else shade(i, j) for j in range(len(across))))
        for i, label in enumerate(down)
    ]
    return Heat(tuple(across), tuple(rows), least)
