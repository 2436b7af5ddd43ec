"""Perceptrons on the real data sets bundled with scikit-learn."""

from bench.datasets import DATASETS
from bench.tasks.families import entry

TASKS = tuple(
    entry(DATASETS[data], "mlp", f"{data}_mlp", target, baseline, summary=summary, width=width)
    for data, summary, width, target, baseline in (
        ("digits", "Read 8 x 8 handwritten digits", 128, 0.95, 36 / 359),
        ("wine", "Tell three cultivars of wine apart by 13 chemical measurements", 32, 0.97, 14 / 36),
        (
            "breast_cancer", "Tell malignant from benign tumours by 30 measurements of cell nuclei", 64, 0.97,
            72 / 114,
        ),
        ("diabetes", "Predict the progression of diabetes from 10 measurements", 32, 0.45, 0.0),
    )
)  # fmt: skip
