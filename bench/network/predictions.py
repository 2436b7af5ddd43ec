"""What a network says of examples, by name, and as a file: an archive of arrays, or a table as text."""

import csv
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import InputError
from bench.losses import cross_entropy
from bench.tasks import Task

if TYPE_CHECKING:
    import numpy as np

Arrays = dict[str, "np.ndarray"]
FIRST = "prediction"  # column of a table
SUFFIXES = (".npz", ".csv")


def of_outputs(task: Task, outputs: "np.ndarray") -> Arrays:
    """The `outputs` [samples, ...] of a network of the task and, where it tells classes apart, what they come to.

    `classes` [samples] int32 are those of the largest outputs, and `labels` [samples] what they are called, where the
    data set says. One trained by cross-entropy has `probabilities` [samples, classes] too, the softmax of its outputs.
    """
    import numpy as np

    if task.kind != "classification":
        return {"outputs": outputs}
    classes = outputs.argmax(1).astype(np.int32)
    found = {"outputs": outputs, "classes": classes}
    if task.options.get("loss") is cross_entropy:
        with np.errstate(invalid="ignore"):  # of outputs that are no finite numbers: the probabilities are none either
            scaled = np.exp(outputs - outputs.max(1, keepdims=True))
            found["probabilities"] = scaled / scaled.sum(1, keepdims=True)
    if task.dataset and task.dataset.names:
        found["labels"] = np.array(task.dataset.names)[classes]
    return found


def encoded(found: Arrays, target: Path, names: tuple[str, ...]) -> bytes:
    """The contents of a file `target` that holds them: all arrays, or one row of text a sample.

    `names` are those of the classes, if they have any. Raises `InputError` where rows cannot hold the outputs.
    """
    import numpy as np

    if target.suffix != ".csv":
        raw = io.BytesIO()
        np.savez(raw, allow_pickle=False, **found)
        return raw.getvalue()
    outputs = found["outputs"]
    if "classes" not in found and outputs[:1].size != 1:
        shape = " x ".join(map(str, outputs.shape[1:]))
        told = f"--out {target}: got outputs of {shape} numbers; expected one, for a table"
        raise InputError(told, "a .npz holds them")
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    if "classes" in found:
        kind, columns = ("p", found["probabilities"]) if "probabilities" in found else ("output", outputs)
        called = names or tuple(map(str, range(outputs.shape[1])))
        writer.writerow([FIRST, *(f"{kind}({name})" for name in called)])
        rows = zip(found.get("labels", found["classes"]).tolist(), columns.tolist(), strict=True)
        writer.writerows([one, *(f"{value:.6g}" for value in values)] for one, values in rows)
    else:
        writer.writerow([FIRST])
        writer.writerows([f"{value:.9g}"] for value in outputs.reshape(-1).tolist())
    return text.getvalue().encode()


def holds(file: Path) -> bool:
    """Whether a file is one of predictions, which later ones may replace."""
    try:
        if file.suffix == ".csv":
            with file.open("rb") as raw:
                return raw.readline().startswith(FIRST.encode())
        with zipfile.ZipFile(file) as archive:
            return "outputs.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def agreement(found: Arrays, y: "np.ndarray") -> str:
    """How well what was predicted agrees with y, where y is what the network predicts. Raises `InputError`."""
    import numpy as np

    outputs = found["outputs"]
    if y.dtype.kind not in "biuf":
        raise InputError(f"y: got {y.dtype}; expected numbers")
    if "classes" not in found and y.size != outputs.size:
        return ""
    if "classes" not in found:
        wanted = y.reshape(-1).astype(np.float64)  # squares of float16 overflow
        errors, spread = (outputs.reshape(-1) - wanted) ** 2, np.var(wanted)
        share = f", R²: {1 - errors.mean() / spread:.3g}" if spread > 0 else ""
        return f"root mean square error: {np.sqrt(errors.mean()):.4g}{share}"
    if y.size != len(outputs):
        hint = "y.argmax(1) are the labels of one-hot rows" if y.shape == outputs.shape else ""
        raise InputError(f"y: got the shape {y.shape}; expected a label for each sample, {(len(outputs),)}", hint)
    strange = np.setdiff1d(y, np.arange(outputs.shape[1]))
    if len(strange):
        raise InputError(f"y: got the label {strange[0]:g}; expected 0 to {outputs.shape[1] - 1}, as the network knows")
    return f"accuracy: {(found['classes'] == y.reshape(-1)).mean() * 100:.1f} %"
