"""What the page's script draws from: each cell's curve, learning rates and seeds, as compact JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench import stats
from bench.findings.run import Run
from bench.stats import Metric

MOST_POINTS = 16  # of a curve
DIGITS = 4


def of_task(run: Run, task: str) -> dict[str, Any]:
    """The cells of one task of `run` in a person's units: `curve` [low, middle, high] at `steps`, thinned to at most
    16 of them with the first and the last kept; `rates` [rate, validation score, share diverged]; `seeds` [seed, test
    score, steps to target, status]; `picked`, where trials differ in more than their rate, the place of the chosen one
    among `rates`; `at` [activation, optimizer]. A number that is not finite is null.
    """
    entry = run.manifest["tasks"][task]
    metric, lanes = Metric.of(entry), run.lanes[run.lanes["task"] == task]
    bands = stats.curve_bands(run.curves, lanes, {task: entry})
    rates = run.trials[run.trials["task"] == task]
    evaluated = stats.finished(lanes, "evaluate")
    evaluated = evaluated.assign(score=stats.scores(evaluated, "test_metric", {task: entry}))
    steps = thinned(sorted(int(step) for step in bands["step"].unique()))
    bands = bands[bands["step"].isin(steps)]
    pairs = list(dict.fromkeys(lanes[stats.CELL[1:]].itertuples(index=False, name=None)))
    groups = [_groups(frame) for frame in (bands, rates, evaluated)]
    sides = {"activations": 0, "optimizers": 1}
    names = {side: list(dict.fromkeys(pair[place] for pair in pairs)) for side, place in sides.items()}
    cells = [
        {"at": [names["activations"].index(pair[0]), names["optimizers"].index(pair[1])]}
        | _cell([group.get(pair) for group in groups], steps, metric.scale)
        for pair in pairs
    ]
    unit = f" ({metric.unit})" if metric.unit else ""
    target = short(float(entry["target"]) * metric.scale)
    return {"metric": f"{metric.name}{unit}", "target": target, "steps": steps, **names, "cells": cells}


def thinned(steps: Sequence[int]) -> list[int]:
    """At most `MOST_POINTS` of `steps`, evenly, the first and the last kept."""
    chosen: Any = np.linspace(0, len(steps) - 1, min(len(steps), MOST_POINTS)).round().astype(int) if steps else []
    return [steps[i] for i in chosen]


def encoded(value: Any) -> str:
    """JSON that may stand inside a `<script>` element, whatever names it holds."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def short(value: Any) -> float | int | None:
    """Four digits of a number, a whole one as such; None where it is not finite."""
    if not np.isfinite(value):
        return None
    found = float(f"{value:.{DIGITS}g}")
    return int(found) if found.is_integer() else found


def _groups(frame: pd.DataFrame) -> Mapping[tuple[str, str], pd.DataFrame]:
    return {(str(key[0]), str(key[1])): rows for key, rows in frame.groupby(stats.CELL[1:], sort=False)}


def _cell(frames: Sequence[pd.DataFrame | None], steps: Sequence[int], scale: float) -> dict[str, Any]:
    bands, rates, seeds = frames
    found: dict[str, Any] = {"curve": [], "rates": [], "seeds": []}
    if bands is not None:
        at = bands.set_index("step").reindex(steps)
        found["curve"] = [[short(v) for v in at[name].to_numpy() * scale] for name in stats.QUARTILES]
    if rates is not None:
        columns = (rates["learning_rate"], rates["validation_metric"] * scale, rates["diverged_share"])
        found["rates"] = [[short(v) for v in row] for row in zip(*columns, strict=True)]
        if stats.several_searched(rates):
            found["picked"] = int(rates["chosen"].to_numpy().argmax())
    if seeds is not None:
        columns = (seeds["seed"], seeds["score"] * scale, seeds["steps_to_target"])
        rows = zip(*columns, seeds["status"], strict=True)
        found["seeds"] = [[int(seed), short(score), short(step), status] for seed, score, step, status in rows]
    return found
