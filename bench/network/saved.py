"""A trained network on disk: `model.safetensors` holds its numbers, `model.json` what it is."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench import files
from bench.datasets import Scale
from bench.errors import DataError, InputError
from bench.planning.suite import Suite, parse, stored
from bench.tasks import own

if TYPE_CHECKING:
    import numpy as np

ARRAYS, DESCRIPTION = "model.safetensors", "model.json"
SCHEMA = 4


def others(folder: Path) -> bool:
    """Whether there is what is neither a model nor what is left of one whose process was killed while it stored it."""
    if not folder.is_dir() or (folder / DESCRIPTION).exists():
        return folder.is_file()
    own = {folder / ARRAYS, *(files.temporary(folder / name) for name in (ARRAYS, DESCRIPTION))}
    return any(path not in own for path in folder.iterdir())


def task_in(folder: Path) -> str:
    """The task, or its file, of the model in a folder; empty where there is none that can be read."""
    try:
        (task,) = json.loads((folder / DESCRIPTION).read_text("utf-8"))["suite"]["tasks"]
        return str(task.get("file") or task["name"])
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return ""


class Network(NamedTuple):
    """A trained network: a suite of one cell that says what it is, its arrays by name, and what it scored."""

    suite: Suite
    learning_rate: float
    seed: int
    arrays: dict[str, "np.ndarray"]
    shape: tuple[int, ...] | None  # of an x as it takes it; None where it is not one of the data set, scaled
    scales: dict[str, Scale]  # x and, for a regression, y
    scores: dict[str, Any]
    probe: "np.ndarray | None"  # what it said of numbers that are always the same; None of one that predicts nothing

    def save(self, folder: Path) -> None:
        """Write both files, each whole or not at all; the description, which names the other's checksum, last."""
        from safetensors.numpy import save

        scales = {f"scale.{axis}.{part}": v for axis, of in self.scales.items() for part, v in of._asdict().items()}
        probe = {} if self.probe is None else {"probe": self.probe}
        content = save({**{f"network.{name}": array for name, array in self.arrays.items()}, **scales, **probe})
        description = {
            "schema": SCHEMA,
            "suite": self.suite.described(),
            "data": own.facts(self.suite.tasks[0].task),
            "learning_rate": self.learning_rate,
            "seed": self.seed,
            "shape": self.shape,
            "scores": self.scores,
            "sha256": files.sha256(content),
        }
        folder.mkdir(parents=True, exist_ok=True)
        files.write(folder / ARRAYS, content)
        files.write(folder / DESCRIPTION, json.dumps(_sealed(description), indent=1).encode())


def _sealed(description: dict[str, Any]) -> dict[str, Any]:
    """The description with the checksum of its contents."""
    body = {key: value for key, value in description.items() if key != "checksum"}
    return {**body, "checksum": files.sha256(json.dumps(body, sort_keys=True).encode())}


def load(folder: Path) -> Network:
    """The network in a folder. Raises `InputError` where there is none, `DataError` where it is damaged."""
    from safetensors.numpy import load as decode

    try:
        description = json.loads((folder / DESCRIPTION).read_text("utf-8"))
        content = (folder / ARRAYS).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        hint = "bench train TASK --out DIR makes one"
        raise InputError(f"{folder}: got no {DESCRIPTION} with its {ARRAYS}; expected a trained model", hint) from None
    except (ValueError, RecursionError):  # brackets in brackets, thousands of them
        raise DataError(f"{folder / DESCRIPTION}: got text that is not JSON; expected a model's description") from None
    schema = description.get("schema") if isinstance(description, dict) else None
    if schema != SCHEMA:
        raise DataError(f"{folder / DESCRIPTION}: got schema {schema}; expected {SCHEMA}", "train the model again")
    if description.get("checksum") != _sealed(description)["checksum"]:
        raise DataError(f"{folder / DESCRIPTION}: got contents that do not match their checksum; expected them whole")
    if files.sha256(content) != description["sha256"]:
        raise DataError(
            f"{folder / ARRAYS}: got bytes that do not match their checksum; expected those of the training"
        )
    with stored(), own.remembered(description["data"]):
        suite = parse(description["suite"], str(folder / DESCRIPTION))
        _ = suite.works  # made here, where the data are known
    named, shape = decode(content), description["shape"]
    axes = [axis for axis in "xy" if f"scale.{axis}.mean" in named]
    return Network(
        suite=suite,
        learning_rate=description["learning_rate"],
        seed=description["seed"],
        arrays={k.removeprefix("network."): v for k, v in named.items() if k.startswith("network.")},
        shape=None if shape is None else tuple(shape),
        scales={axis: Scale(*(named[f"scale.{axis}.{part}"] for part in Scale._fields)) for axis in axes},
        scores=description["scores"],
        probe=named.get("probe"),
    )
