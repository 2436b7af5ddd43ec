"""Lanes of one task, t, with given scores and without curves or a run."""

import numpy as np
import pandas as pd
from synthetic import REGRESSION, task_entry

ACCURACY = {"t": task_entry()}
R2 = {"t": task_entry(metric={"name": "R²", "direction": "maximize", "unit": "", "scale": 1, "worst": -np.inf})}
RMSE = {"t": REGRESSION}
NO_TIMES = pd.DataFrame(columns=["task", "activation", "optimizer", "step_s_median", "width"])


def lanes(rows: list[tuple[str, str, float, int, str, float, float]]) -> pd.DataFrame:
    """Lanes of task t and activation a: (phase, optimizer, rate, seed, status, score, steps to target)."""
    columns = ["phase", "optimizer", "learning_rate", "seed", "status", "test_metric", "steps_to_target"]
    frame = pd.DataFrame(rows, columns=columns).assign(task="t", activation="a")
    return frame.assign(validation_metric=frame["test_metric"], lane=np.arange(len(frame)))


def evaluated(scores: dict[str, list[float]], status: str = "ok") -> pd.DataFrame:
    """Evaluation lanes by optimizer, seeds 0, 1, ...; NaN is a lane that diverged."""
    return lanes(
        [
            ("evaluate", name, 0.1, seed, "diverged" if np.isnan(value) else status, value, 10.0)
            for name, values in scores.items()
            for seed, value in enumerate(values)
        ]
    )
