"""Forest plots: by how much each entrant is ahead of a reference, with its interval."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas

from bench.figures import svg
from bench.figures.style import PALETTE
from bench.planning.reference import Reference
from bench.stats import Metric

MOST = 40  # rows
ROW = 0.24  # inches
FAR = 6  # times the upper quartile of the distances from the reference: farther, a row is an arrow at the edge
LOOKS = {  # colour and marker of what is told of an entrant
    "better": (PALETTE[2], "o"),
    "level": (svg.INK, "o"),
    "lost": (svg.INK, "X"),
    "kept": (svg.INK, "^"),
    "worse": (PALETTE[1], "s"),
}


def against(
    prefix: str, found: pd.DataFrame, reference: Reference, metric: Metric, sentence: str
) -> dict[str, svg.Figure]:
    """The differences from the reference of one task, as `effects.against` found them; nothing where none is finite."""
    every, found = len(found), found[np.isfinite(found["difference"].astype(float))]
    if found.empty:
        return {}
    shown = found.head(MOST)
    cells, seeds = int(found["cells"].iloc[0]), "over the evaluation seeds"
    mean = f"mean over {cells} cells and {seeds}" if cells > 1 else f"mean {seeds}"
    told = set(shown["told"])
    marks = {"better": "Green: better", "worse": "orange squares: worse", "lost": "crosses: lost more seeds"}
    marks |= {"kept": "triangles: lost fewer seeds", "level": "grey: cannot be told from it"}
    legend = "; ".join(text for kind, text in marks.items() if kind in told)
    left_out = f" The best {MOST} of {len(found)}; tables/against.csv has all." if len(found) > MOST else ""
    left_out += f" Not drawn for want of a finite difference: {every - len(found)}." if len(found) < every else ""
    far = (
        " An arrow with a number: so far off that the axis ends before it."
        if (shown["difference"].abs() > _limit(shown)).any()
        else ""
    )
    reading = (
        f"How far ahead of {reference.label} in test {metric.name}, {mean}, seed by seed; right is better. Line: the "
        "95 % t interval of that difference alone; whether it can be told from the reference, a moderated t test with "
        f"Holm's correction says, which may differ. {legend[0].upper()}{legend[1:]}.{far}{left_out}"
    )
    title, name = f"How far ahead of {reference.label}", f"{prefix}-against"
    return {"against": svg.figure(name, title, lambda: _draw(shown, reference, metric), sentence, reading)}


def _limit(found: pd.DataFrame) -> float:
    """The difference from the reference beyond which a row would leave the others no room on the axis."""
    usual = float(np.quantile(found["difference"].astype(float).abs(), 0.75, method="lower"))
    return FAR * usual or np.inf


def _draw(found: pd.DataFrame, reference: Reference, metric: Metric) -> Canvas:
    names = [svg.name(name) for name in found["entrant"]]
    row = max(ROW, svg.most_lines(names) * svg.LINE_HEIGHT + 0.06)
    canvas = Canvas(figsize=(svg.WIDTH * 0.6, 0.55 + row * len(found)))
    ax = canvas.subplots()
    difference, told, limit = found["difference"].to_numpy(dtype=float), found["told"].to_numpy(), _limit(found)
    far = np.abs(difference) > limit
    ahead = metric.sign * metric.scale * difference
    half = np.nan_to_num(metric.scale * (found["high"] - found["low"]).to_numpy(dtype=float) / 2)
    places = np.arange(len(found))[::-1]
    ax.axvline(0, color=svg.INK, lw=0.9, alpha=0.7)
    for kind, (color, marker) in LOOKS.items():
        own = (told == kind) & ~far
        if own.any():
            ax.errorbar(
                ahead[own], places[own], xerr=half[own], fmt=marker, color=color, ms=5, lw=1.2, alpha=_alpha(color)
            )
    if far.any():
        low, high = ax.get_xlim()
        ax.set_xlim(max(low, -metric.scale * limit), min(high, metric.scale * limit))
    for at, place, kind, value in zip(ahead[far], places[far], told[far], difference[far], strict=True):
        color, right = LOOKS[kind][0], bool(at > 0)
        edge, pull = ax.get_xlim()[right], -6 if right else 6
        ax.plot(edge, place, "<>"[right], color=color, ms=5, alpha=_alpha(color), clip_on=False)
        ax.annotate(
            metric.difference(value), (edge, place), (pull, 0), textcoords="offset points",
            ha="right" if right else "left", va="center", fontsize="small", color=svg.INK,
        )  # fmt: skip
    ax.set_yticks(places, names)
    ax.set_ylim(-0.6, len(found) - 0.4)
    unit = "points" if metric.unit == "%" else metric.unit
    ax.set_xlabel(svg.label(f"ahead of {reference.label} by{f' ({unit})' if unit else ''}"))
    ax.locator_params(axis="x", nbins=6)
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0, pad=7)
    return canvas


def _alpha(color: str) -> float:
    return 0.6 if color == svg.INK else 1.0
