"""The heatmap of a page: a table whose cells are coloured, to be read without colours and without script."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.figures.heatmaps import least_difference, limits, metric_ends
from bench.findings.verdicts import LEADER, NOISY, TIED, Verdict
from bench.labels import mean_rank
from bench.stats import Pair

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
    """A number a cell, activation by optimizer; the longer side runs down.

    No difference below `least` shows; `ends` says where the colours end before the worst, if they do.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Shade, ...]], ...]
    least: float
    ends: str


def heat(table: pd.DataFrame, verdict: Verdict, baseline: float) -> Heat:
    """The mean test metric of each cell of one task's `convergence` table."""
    metric, least = verdict.metric, float(np.nan_to_num(least_difference(verdict, baseline)))
    signed = metric.sign * table[["test_metric"]]
    span = limits(signed, least) if verdict.winner else (0.0, 1.0)
    ends = metric_ends(signed, span, metric)
    noisy = set(verdict.tied) - set(verdict.near)

    def marked(pair: Pair) -> str:
        return NOISY if pair in noisy else verdict.mark(pair)

    return _shaded(table, "test_metric", metric.sign, span, metric.show, marked, least, ends)


def rank_heat(board: pd.DataFrame, first: Pair, level: Collection[Pair]) -> Heat:
    """The mean rank of each cell over all tasks; `level` are those that cannot be told from the `first`."""
    marks = dict.fromkeys(level, TIED) | {first: LEADER}
    span = limits(-board[["mean_rank"]])
    return _shaded(board, "mean_rank", -1, span, mean_rank, lambda pair: marks.get(pair, ""))


def _shaded(
    table: pd.DataFrame,
    column: str,
    sign: int,
    span: tuple[float, float],
    show: Callable[[float], str],
    marked: Callable[[Pair], str],
    least: float = 0.0,
    ends: str = "",
) -> Heat:
    """A column of a table of cells, times `sign` from the darkest to the brightest colour over `span`."""
    activations, optimizers = (list(dict.fromkeys(table[side])) for side in ("activation", "optimizer"))
    values = dict(zip(zip(table["activation"], table["optimizer"], strict=True), table[column], strict=True))
    low, high = span

    def shade(a: int, o: int) -> Shade:
        pair = activations[a], optimizers[o]
        value = float(values.get(pair, np.nan))
        share = round(max(0.0, (sign * value - low) / (high - low)), 3) if np.isfinite(value) else None
        return Shade(show(value), share, marked(pair), a, o)

    turned = len(optimizers) > len(activations)
    down, across = (optimizers, activations) if turned else (activations, optimizers)
    rows = [
        (label, tuple(shade(j, i) if turned else shade(i, j) for j in range(len(across))))
        for i, label in enumerate(down)
    ]
    return Heat(tuple(across), tuple(rows), least, ends)
