"""What was asked of a run, in sentences: its cells and its budget."""

import pandas as pd

from bench.findings import tuning
from bench.findings.run import Run
from bench.labels import NO_ACTIVATION, counted, joined
from bench.optimizers import OPTIMIZERS
from bench.planning.search import rungs, searched
from bench.stats import noun

RATE = "learning_rate"
SEVERAL = "the learning rate and whatever else of its optimizer has a range"


def asked(run: Run) -> tuple[str, ...]:
    """What was asked of a run, read off the lanes that were trained."""
    lanes, manifest = run.lanes, run.manifest
    trained = lanes[lanes["status"] != "interrupted"]
    if trained.empty:
        return (f"No {noun(lanes)} was trained.",)
    activations = [counted(lanes.loc[lanes["activation"] != NO_ACTIVATION, "activation"].nunique(), "activation")]
    counts = [counted(len(manifest[kind]), kind[:-1]) for kind in ("optimizers", "tasks")]
    counts = counts if noun(lanes) == "run" else activations + counts
    cells, planned, what = int(manifest["plan"]["cells"]), int(manifest["plan"]["lanes"]), noun(lanes)
    kept = "" if what == "run" else " on validation data"
    with_examples = [name for name, entry in manifest["tasks"].items() if entry["uses_activation"]]
    batches = trained.loc[trained["task"].isin(with_examples), "batch_size"]
    of = f" of {_range(batches)} example{'s' * bool(batches.max() > 1)}" if len(batches) else ""
    seeds = lanes.groupby("phase")["seed"].nunique().reindex(["tune", "evaluate"], fill_value=0)
    return (
        f"{' × '.join(counts)}: {counted(cells, 'cell')}, {counted(planned, what)}. Each {what} trains "
        f"for {_range(trained['steps'])} steps{of}.",
        f"Each cell is tuned alike: {_tried(run)}, {counted(seeds['tune'], 'seed')} each; the best one{kept} "
        f"is kept. It is trained afresh with {counted(seeds['evaluate'], 'other seed')} and "
        f"scored {'on test data' if what == 'network' else 'from other starts'}, which tuning never sees. "
        f"A {what} that diverges counts as the worst.",
    )


def _tried(run: Run) -> str:
    """What tuning tried of each cell: the learning rates of a grid, or trials and how they were drawn."""
    tuning, ranges = run.manifest["suite"].get("tuning", {}), searched(run.manifest)
    if not ranges:
        return _rates(run.lanes, run.manifest["optimizers"])
    of = {"sobol": "of a Sobol sequence", "random": "drawn at random"}[tuning.get("of", tuning["method"])]
    others = {tuple(name for name in own if name != RATE) for own in ranges.values()}
    names = joined(["learning rate", *others.pop()]) if len(others) == 1 else SEVERAL
    halved = ""
    if "eta" in tuning:
        counts = [str(count) for count, _ in rungs(tuning["trials"], tuning["eta"])]
        halved = f", then the best {joined(counts[1:])} of them, each for {tuning['eta']} times as long"
    return f"{counted(tuning['trials'], 'trial')} {of} over {names}{halved}"


def _rates(lanes: pd.DataFrame, optimizers: tuning.Entries) -> str:
    """The learning rates that were tried and, of optimizers that find their own, the factors of it."""
    tuned = lanes[lanes["phase"] == "tune"]
    multipliers = {name for name, optimizer in OPTIMIZERS.items() if optimizer.multiplier}
    factors = tuned["optimizer"].map(tuning.table_names(optimizers)).isin(multipliers)
    kinds = ((tuned[~factors], "learning rate"), (tuned[factors], "factor"))
    told = [_grid(rows, what) for rows, what in kinds if len(rows)]
    own = " of the rate that an optimizer finds itself" if factors.any() else ""
    return f"{' or '.join(told)}{own}" if told else "one learning rate"


def _grid(tuned: pd.DataFrame, what: str) -> str:
    grid = sorted(tuned["learning_rate"].unique())
    most = int(tuned.groupby(["task", "optimizer"])["learning_rate"].nunique().max())
    if most <= 1:
        return f"one {what}"
    return f"{'up to ' * (most < len(grid))}{most} {what}s between {grid[0]:g} and {grid[-1]:g}"


def _range(values: "pd.Series[int]") -> str:
    low, high = values.min(), values.max()
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
