"""Forest plots: by how much each entrant is ahead of a reference, with its interval."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas

from bench.figures import svg
from bench.figures.style import PALETTE
from bench.reference import Reference
from bench.stats import Metric

MOST = 40  # rows
ROW = 0.24  # inches
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
    out = every - len(found)
    few = f" The best {MOST} of {len(found)}; tables/against.csv has all." if len(found) > MOST else ""
    few += f" Not drawn for want of a finite difference: {out}." if out else ""
    shown = found.head(MOST)
    unit = "points" if metric.unit == "%" else metric.unit
    cells, seeds = int(found["cells"].iloc[0]), "over the evaluation seeds"
    mean = f"mean over {cells} cells and {seeds}" if cells > 1 else f"mean {seeds}"
    told = set(shown["told"])
    marks = {"better": "Green: better", "worse": "orange squares: worse", "lost": "crosses: lost more seeds"}
    marks |= {"kept": "triangles: lost fewer seeds", "level": "grey: cannot be told from it"}
    legend = "; ".join(text for kind, text in marks.items() if kind in told)
    reading = (
        f"How far ahead of {reference.label} in test {metric.name}, {mean}, seed by seed; right is better. Line: the "
        "95 % t interval of that difference alone; whether it can be told from the reference, a moderated t test with "
        f"Holm's correction says, which may differ. {legend[0].upper()}{legend[1:]}.{few}"
    )
    title = f"How far ahead of {reference.label}"
    return {
        "against": svg.figure(
            f"{prefix}-against", title, lambda: _draw(shown, reference, metric, unit), sentence, reading
        )
    }


def _draw(found: pd.DataFrame, reference: Reference, metric: Metric, unit: str) -> Canvas:
    canvas = Canvas(figsize=(svg.WIDTH * 0.6, 0.55 + ROW * len(found)))
    ax = canvas.subplots()
    ahead = metric.sign * metric.scale * found["difference"].to_numpy()
    half = metric.scale * (found["high"] - found["low"]).to_numpy() / 2
    places = np.arange(len(found))[::-1]
    ax.axvline(0, color=svg.INK, lw=0.9, alpha=0.7)
    for kind, (color, marker) in LOOKS.items():
        own = (found["told"] == kind).to_numpy()
        if own.any():
            ax.errorbar(
                ahead[own], places[own], xerr=np.nan_to_num(half[own]), fmt=marker, color=color, ms=5, lw=1.2,
                alpha=1 if color != svg.INK else 0.6,
            )  # fmt: skip
    ax.set_yticks(places, [svg.label(name) for name in found["entrant"]])
    ax.set_ylim(-0.6, len(found) - 0.4)
    ax.set_xlabel(svg.label(f"ahead of {reference.label} by{f' ({unit})' if unit else ''}"))
    ax.locator_params(axis="x", nbins=6)
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    return canvas
