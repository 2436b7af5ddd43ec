"""A trained network on disk: `model.safetensors` holds its numbers, `model.json` what it is."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench import files
from bench.errors import DataError, InputError
from bench.suite import Suite, parse, stored
from bench.tasks import TASKS, own

if TYPE_CHECKING:
    import numpy as np

    from bench.datasets import Dataset

ARRAYS, DESCRIPTION = "model.safetensors", "model.json"
SCHEMA = 2


class Affine(NamedTuple):
    """x -> offset + slope x, elementwise: how raw numbers become those that the network was trained on."""

    offset: "np.ndarray"
    slope: "np.ndarray"

    def __call__(self, x: "np.ndarray") -> "np.ndarray":
        scaled: np.ndarray = (self.offset + self.slope * x).astype("float32")
        return scaled

    def inverse(self, y: "np.ndarray") -> "np.ndarray":
        """The raw numbers back."""
        raw: np.ndarray = (y - self.offset) / self.slope
        return raw


class Network(NamedTuple):
    """A trained network: a suite of one cell that says what it is, its arrays by name, and what it scored."""

    suite: Suite
    learning_rate: float
    seed: int
    arrays: dict[str, "np.ndarray"]
    scales: dict[str, Affine]  # x and, for a regression, y
    scores: dict[str, Any]

    def save(self, folder: Path) -> None:
        """Write both files, each whole or not at all; the description, which names the other's checksum, last."""
        from safetensors.numpy import save

        scales = {f"scale.{axis}.{part}": v for axis, of in self.scales.items() for part, v in of._asdict().items()}
        content = save({**{f"network.{name}": array for name, array in self.arrays.items()}, **scales})
        description = {
            "schema": SCHEMA,
            "suite": _without_file(self.suite),
            "data": _facts(self.suite),
            "learning_rate": self.learning_rate,
            "seed": self.seed,
            "scores": self.scores,
            "sha256": files.sha256(content),
        }
        folder.mkdir(parents=True, exist_ok=True)
        files.write(folder / ARRAYS, content)
        files.write(folder / DESCRIPTION, json.dumps(_sealed(description), indent=1).encode())


def _without_file(suite: Suite) -> dict[str, Any]:
    """The suite as plain values, less the `.npz` of a user's own: its task is made again of what is known of it."""
    described = suite.described()
    if suite.tasks[0].model:
        described["tasks"] = [{k: v for k, v in described["tasks"][0].items() if k not in ("file", "model", "target")}]
    return described


def _facts(suite: Suite) -> dict[str, Any]:
    task = suite.tasks[0]
    dataset = TASKS[task.name].dataset
    return own.facts(dataset, task.model) if task.model and dataset else {}


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
    except ValueError:
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
    if description["data"]:
        own.enter(own.remembered(**description["data"]))
    with stored():
        suite = parse(description["suite"], str(folder / DESCRIPTION))
    named = decode(content)
    axes = [axis for axis in "xy" if f"scale.{axis}.offset" in named]
    return Network(
        suite=suite,
        learning_rate=description["learning_rate"],
        seed=description["seed"],
        arrays={k.removeprefix("network."): v for k, v in named.items() if k.startswith("network.")},
        scales={a: Affine(named[f"scale.{a}.offset"], named[f"scale.{a}.slope"]) for a in axes},
        scores=description["scores"],
    )


def scales(dataset: "Dataset") -> dict[str, Affine]:
    """How the data set scales x, and y where it is a number: read off what it makes of zeros and ones."""
    import numpy as np

    parts = dict(dataset.parts(dataset))
    shape, y = dataset.shape, parts["train"][1]
    for name, value in (("zeros", 0), ("ones", 1)):
        parts[name] = (np.full((1, *shape), value, np.float32), np.full((1, *y.shape[1:]), value, y.dtype))
    scaled = dataset.scale(parts, dataset)
    pairs = zip("xy", *(scaled[name] for name in ("zeros", "ones")), strict=True)
    found = {axis: Affine(np.asarray(zero[0]), np.asarray(one[0] - zero[0])) for axis, zero, one in pairs}
    return {axis: of for axis, of in found.items() if axis == "x" or not dataset.classes}
