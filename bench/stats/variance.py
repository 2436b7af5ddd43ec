"""What the spread of scores comes from: activation, optimizer, both together, learning rate, seed."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import fdtrc

from bench.stats.metric import TRIAL, Floats, Metric, Tasks, bounded, score_table, scores, tried

SHARES = ["source", "squares", "freedom", "f", "p_value", "eta2", "omega2"]
WORDS = {
    "activation": "the activation",
    "optimizer": "the optimizer",
    "both": "the interaction of activation and optimizer",
    "rate": "the learning rate",
    "trial": "the learning rate and what else was searched",
    "seed": "the seed",
    "rest": "chance",
}


def variance_shares(lanes: pd.DataFrame, tasks: Tasks, task: str) -> pd.DataFrame:
    """Two-way analysis of variance with interaction, seeds as blocks, of the evaluation scores of `task`.

    y = μ + activation + optimizer + both + seed + rest. Columns: `source`, sum of `squares`, degrees of
    `freedom`, `f` against the rest and its `p_value`, `eta2` = SS / SS of all, and `omega2` = (SS - df MS of the rest)
    / (SS of all + MS of the rest), not below 0: the share that would remain with endless seeds. Rows: activation,
    optimizer, both, seed, rest (whose omega2 is what the others leave). Empty where not every activation was
    evaluated with every optimizer on the same two seeds or more.
    Source: Fisher 1925; Olejnik and Algina, Generalized Eta and Omega Squared Statistics, 2003.
    """
    table = score_table(lanes, tasks, task)
    activations, optimizers = (table.index.unique(level) for level in range(2)) if len(table) else ([], [])
    values = table.to_numpy()
    whole = len(table) == len(activations) * len(optimizers) and values.shape[1] > 1 and np.isfinite(values).all()
    if not whole or len(table) < 2:
        return pd.DataFrame(columns=SHARES)
    order = pd.MultiIndex.from_product([activations, optimizers])
    cube = table.reindex(order).to_numpy().reshape(len(activations), len(optimizers), -1)
    squares, freedom = _two_way(cube)
    return _shares(squares, freedom)


def _two_way(y: Floats) -> tuple[dict[str, float], dict[str, int]]:
    """Sums of squares and degrees of freedom of y [activation, optimizer, seed]."""
    a, o, n = y.shape
    y = y - y.mean()
    row, column, seed, cell = y.mean(axis=(1, 2)), y.mean(axis=(0, 2)), y.mean(axis=(0, 1)), y.mean(axis=2)
    squares = {
        "activation": o * n * float((row**2).sum()),
        "optimizer": a * n * float((column**2).sum()),
        "both": n * float(((cell - row[:, None] - column[None]) ** 2).sum()),
        "seed": a * o * float((seed**2).sum()),
        "rest": float(((y - cell[:, :, None] - seed[None, None]) ** 2).sum()),
    }
    freedom = {
        "activation": a - 1,
        "optimizer": o - 1,
        "both": (a - 1) * (o - 1),
        "seed": n - 1,
        "rest": (a * o - 1) * (n - 1),
    }
    return squares, freedom


def tuning_shares(lanes: pd.DataFrame, tasks: Tasks, task: str) -> pd.DataFrame:
    """The same of the validation scores of the tuning lanes of `task`, with the learning rate within each cell.

    Rows: activation, optimizer, both, rate (the rates of a cell among themselves; `trial` where trials differ in more
    than their rate), rest (seeds of one trial of one cell). Columns as `variance_shares`. Cells weigh alike: those with
    another number of tuning lanes than most leave the frame empty.
    """
    tuned = tried(lanes[lanes["task"] == task])
    tuned = tuned.assign(score=scores(tuned, "validation_metric", tasks))
    tuned = tuned.assign(trial=tuned.groupby(TRIAL, sort=False).ngroup())
    keys = ["activation", "optimizer", "trial"]
    sizes = tuned.groupby(keys[:2], sort=False)["trial"].agg(["size", "nunique"])
    pairs = tuned["activation"].nunique() * tuned["optimizer"].nunique()
    if len(sizes) < 2 or len(sizes) != pairs or sizes.nunique().max() > 1 or (sizes["size"] <= sizes["nunique"]).any():
        return pd.DataFrame(columns=SHARES)
    y = bounded(tuned[["score"]], Metric.of(tasks[task]).sign)["score"]
    y = y - y.mean()
    row, column, cell, trial = (
        y.groupby([tuned[k] for k in key]).transform("mean") for key in (keys[:1], keys[1:2], keys[:2], keys)
    )
    a, o, cells = tuned["activation"].nunique(), tuned["optimizer"].nunique(), len(sizes)
    trials = int(sizes["nunique"].sum())
    several = tuned.groupby(keys[:2], sort=False)["hyperparameters"].nunique().max() > 1
    parts = {
        "activation": row,
        "optimizer": column,
        "both": cell - row - column,
        "trial" if several else "rate": trial - cell,
        "rest": y - trial,
    }
    squares = {name: float((part**2).sum()) for name, part in parts.items()}
    counts = (a - 1, o - 1, (a - 1) * (o - 1), trials - cells, len(tuned) - trials)
    return _shares(squares, dict(zip(parts, counts, strict=True)))


def _shares(squares: Mapping[str, float], freedom: Mapping[str, int]) -> pd.DataFrame:
    total, noise = sum(squares.values()), squares["rest"] / max(freedom["rest"], 1)
    found = pd.DataFrame({"source": list(squares), "squares": squares.values(), "freedom": freedom.values()})
    found = found[(found["freedom"] > 0)].reset_index(drop=True)
    rest = found["source"] == "rest"
    with np.errstate(divide="ignore", invalid="ignore"):
        f = found["squares"] / found["freedom"] / noise
    found["f"] = f.mask(rest)
    p = fdtrc(found["freedom"].to_numpy(float), float(max(freedom["rest"], 1)), f.fillna(0).to_numpy())
    found["p_value"] = pd.Series(p).mask(rest)
    found["eta2"] = found["squares"] / total if total > 0 else 0.0
    omega = ((found["squares"] - found["freedom"] * noise) / (total + noise)).clip(lower=0) if total > 0 else 0.0 * f
    found["omega2"] = omega.mask(rest, 1 - omega[~rest].sum()) if total > 0 else rest.astype(float)
    return found[SHARES]


def share_sentence(shares: pd.DataFrame, metric: Metric, what: str = "test") -> str:
    """`Of the spread in test accuracy, 60 % is due to the optimizer, ...`, largest first; "" of an empty frame.

    `shares`: what `variance_shares` or `tuning_shares` gave; its omega2 is told.
    """
    if shares.empty:
        return ""
    if not shares["squares"].sum() > 0:
        return f"All cells have the same {what} {metric.name}."
    known = shares[shares["source"] != "rest"].sort_values("omega2", ascending=False, kind="stable")
    told = [*known.itertuples(), *shares[shares["source"] == "rest"].itertuples()]
    parts = [f"{100 * row.omega2:.0f} % {'to' if i else 'is due to'} {WORDS[row.source]}" for i, row in enumerate(told)]
    return f"Of the spread in {what} {metric.name}, {', '.join(parts[:-1])} and {parts[-1]}."
