"""Whether anything has become slower: `python tests/benchmarks/compare.py JSON [--tolerance 0.4] [--write]`.

JSON is what `pytest tests/benchmarks/steps.py -n 0 --benchmark-enable --benchmark-json JSON` wrote; its ratios to the
references of the same run are compared with those of baseline.json, and `--write` makes them the baseline. Ends with 1
where a ratio is larger than the baseline by more than the tolerance, or where one of the baseline is missing.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

BASELINE = Path(__file__).with_name("baseline.json")
Ratios = Mapping[str, float]


def read(path: Path) -> dict[str, float]:
    """Name -> ratio, of a file of pytest-benchmark."""
    entries = json.loads(path.read_text("utf-8"))["benchmarks"]
    return {entry["name"]: entry["extra_info"]["ratio"] for entry in entries if "ratio" in entry["extra_info"]}


def faults(found: Ratios, baseline: Ratios, tolerance: float) -> list[str]:
    """A line for each that is slower than the tolerance allows, or missing."""
    lines = [f"{name}: not measured" for name in baseline if name not in found]
    for name in baseline.keys() & found.keys():
        times = found[name] / baseline[name]
        if times > 1 + tolerance:
            lines.append(f"{name}: {times:.2f} times the baseline ({baseline[name]:g} to {found[name]:g})")
    return sorted(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("json", type=Path)
    parser.add_argument("--tolerance", type=float, default=0.4)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    found = read(given.json)
    if given.write:
        BASELINE.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")
        return 0
    lines = faults(found, json.loads(BASELINE.read_text("utf-8")), given.tolerance)
    print("\n".join(lines or [f"{len(found)} ratios, none slower by more than {given.tolerance:.0%}"]))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
