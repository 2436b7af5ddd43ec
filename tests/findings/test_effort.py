"""What a run took and trained on, in words."""

import dataclasses
from copy import deepcopy
from typing import Any

import pytest
from synthetic import SyntheticRun, make_run

from bench.findings.effort import trained_on, wall_s


def ran(execution: dict[str, Any], environment: dict[str, Any]) -> SyntheticRun:
    run = make_run(["relu"], ["sgd"])
    manifest = deepcopy(run.manifest)
    manifest["execution"] |= execution
    manifest["environment"] |= environment
    return dataclasses.replace(run, manifest=manifest)


H100 = {"device_kind": "NVIDIA H100", "processor": "Xeon"}


@pytest.mark.parametrize(
    ("execution", "environment", "told"),
    [
        ({"workers": 1}, {"processor": "Xeon"}, "1 worker, Xeon"),
        ({"workers": 16}, {"processor": "Xeon"}, "16 workers, Xeon"),
        ({"device": "gpu", "workers": 8, "busy": 1}, H100, "one NVIDIA H100"),
        ({"device": "gpu", "workers": 1}, H100, "one NVIDIA H100"),  # of a run from before workers shared a GPU
        ({"device": "gpu", "workers": 16, "busy": 2}, H100, "2 × NVIDIA H100"),
    ],
)
def test_it_trained_on(execution: dict[str, Any], environment: dict[str, Any], told: str) -> None:
    assert trained_on(ran(execution, environment)) == told


def test_its_seconds_are_those_of_one_worker() -> None:
    assert wall_s(ran({"workers": 2}, {})) == 42.0


def test_its_seconds_are_those_of_all_sessions_whatever_their_workers() -> None:
    one, eight = {"started": 0.0, "finished": 600.0, "workers": 1}, {"started": 900.0, "finished": 910.0, "workers": 8}
    assert wall_s(ran({"workers": 8, "sessions": [one, eight]}, {})) == 610.0
    assert wall_s(ran({"workers": 2, "sessions": [one | {"finished": None}, eight]}, {})) == 42.0
