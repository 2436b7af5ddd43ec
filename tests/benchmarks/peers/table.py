"""What the race found as one Markdown table, and as a figure: `python tests/benchmarks/peers/table.py JSON [SVG]`."""

import json
import sys
from collections.abc import Sequence
from math import exp, log
from pathlib import Path
from typing import Any

from bench.labels import significant

Facts = dict[str, Any]
HIDDEN = "MLP, "  # how the three perceptrons that are averaged are called


def ratios(fact: Facts, cold: bool = False) -> dict[str, float]:
    """How many times as fast bench is as each peer; cold, from no process at all to the last of 20,000 steps."""
    if cold:
        return {who: seconds / fact["cold_s"]["bench"] for who, seconds in fact["cold_s"].items() if who != "bench"}
    rates = fact["lane_steps_per_s"]
    return {who: rates["bench"] / rate for who, rate in rates.items() if who != "bench"}


def geometric_mean(values: Sequence[float]) -> float:
    return exp(sum(map(log, values)) / len(values))


def columns(facts: Sequence[Facts], cold: bool = False) -> dict[str, dict[str, float]]:
    """Title -> peer -> ratio: each model, and the mean of the perceptrons where there are several."""
    raced = [fact for fact in facts if "cold_s" in fact]
    found = {fact["model"]: ratios(fact, cold) for fact in raced}
    perceptrons = [values for model, values in found.items() if model.startswith(HIDDEN)]
    if len(perceptrons) > 1:
        shared = [who for who in perceptrons[0] if all(who in values for values in perceptrons)]
        found["MLPs, mean"] = {who: geometric_mean([values[who] for values in perceptrons]) for who in shared}
    return found


def markdown(facts: Sequence[Facts]) -> str:
    """Rates of bench, ratios warm and cold, and the rest in lines."""
    raced = [fact for fact in facts if "cold_s" in fact]
    parts = []
    if raced:
        for cold, title in ((False, "times as fast as"), (True, "cold: times as fast as")):
            found = columns(facts, cold)
            peers = list(dict.fromkeys(who for values in found.values() for who in values))
            lines = [f"| {title} | {' | '.join(found)} |", "|---" * (len(found) + 1) + "|"]
            for who in peers:
                cells = [significant(values[who], 2) if who in values else "–" for values in found.values()]
                lines.append(f"| {who} | {' | '.join(cells)} |")
            if not cold:
                rates = {fact["model"]: f"{fact['lane_steps_per_s']['bench']:,.0f}" for fact in raced}
                lines.append(f"| bench, lane-steps/s | {' | '.join(rates.get(title, '–') for title in found)} |")
            parts.append("\n".join(lines))
        worst = max(d for fact in raced for d in fact["largest_difference_of_losses"].values())
        parts.append(f"Largest relative difference of losses in the first 50 steps: {worst:.1e}.")
    for fact in facts:
        if "share" in fact:
            parts.append(f"Share of the products alone, digits_mlp with Adam: {fact['share']:.0%}.")
        if "seconds" in fact:
            told = ", ".join(f"{who} {seconds:.1f} s" for who, seconds in fact["seconds"].items())
            ratio = fact["seconds"]["jit(vmap(scan))"] / fact["seconds"]["bench"]
            parts.append(f"The quick suite, cold: {told}; {ratio:.1f} times.")
    return "\n\n".join(parts)


def figure(facts: Sequence[Facts], path: Path) -> None:
    """A dot for each model in a row for each peer, on a logarithmic axis; 1 is as fast as bench."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "race", "svg.fonttype": "none", "font.family": "sans-serif"}
    from matplotlib import pyplot

    found = columns(facts)
    peers = list(dict.fromkeys(who for values in found.values() for who in values))[::-1]
    drawn, axes = pyplot.subplots(figsize=(8, 0.5 * len(peers) + 1.6), layout="constrained")
    palette = ("#0072B2", "#0072B2", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000")
    for (model, values), colour, marker in zip(found.items(), palette, "^soDvPX*", strict=False):
        rows = [peers.index(who) for who in values]
        axes.plot(list(values.values()), rows, marker, color=colour, label=model, alpha=0.85)
    axes.axvline(1, color="#777777", linewidth=1)
    axes.set(xscale="log", yticks=range(len(peers)), yticklabels=peers, xlabel="times as fast: bench ÷ peer, steps/s")
    ticks = [t for t in (0.5, 1, 2, 5, 10, 20, 50, 100) if axes.get_xlim()[0] <= t <= axes.get_xlim()[1]]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    drawn.savefig(path, metadata={"Date": None})


def main() -> None:
    facts = [entry["extra_info"] for entry in json.loads(Path(sys.argv[1]).read_text("utf-8"))["benchmarks"]]
    print(markdown(facts))
    if len(sys.argv) > 2:
        figure(facts, Path(sys.argv[2]))


if __name__ == "__main__":
    main()
