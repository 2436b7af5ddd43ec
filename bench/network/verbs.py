"""The verbs of a single network: train one, and ask it."""

import json
import math
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench import files, labels
from bench.errors import FAILED_LANES, BenchError, InputError
from bench.say import complain, say

if TYPE_CHECKING:
    from bench.planning.program import Program
    from bench.planning.suite import Suite

DEFAULTS: dict[str, Any] = {
    "activation": "relu", "optimizer": "adam", "learning_rate": 0.001, "steps": 500, "batch_size": 64,
}  # fmt: skip


def train(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task's name, or a .npz or .py of yours.")],
    activation: Annotated[str | None, typer.Option(help="An activation's name; by default relu.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="An optimizer's name; by default adam.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", "--lr", help="By default 0.001.")] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps; by default 500.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples of a step; by default 64.")] = None,
    eval_every: Annotated[int | None, typer.Option(help="Steps between evaluations; by default a twentieth.")] = None,
    seed: Annotated[int, typer.Option(help="Of the initial weights and the order of samples.")] = 0,
    python: Annotated[Path | None, typer.Option(metavar="FILE", help="A Python file that registers a name.")] = None,
    best: Annotated[Path | None, typer.Option(metavar="RUN", help="Take the leading cell of this run.")] = None,
    out: Annotated[Path, typer.Option(help="Directory of the model.")] = Path("model"),
    device: Annotated[str, typer.Option(metavar="cpu|gpu", help="Where to train.")] = "cpu",
) -> None:
    """Train one network, show its curve, and keep it.

    Names may have arguments: 'elu(alpha=0.5)', 'adam(b1=0.8)', 'wine_mlp(width=16)', 'mine.npz(model=cnn)'.
    With --best RUN activation, optimizer, learning rate and length of training are those that lead there.
    """
    from bench.network import fit, saved

    if saved.others(out):
        raise InputError(f"--out {out}: got something else's files; expected a new directory or an older model")
    if device not in ("cpu", "gpu"):
        raise InputError(f"--device: got {device!r}; expected one of cpu, gpu")
    set_here = {
        key: of for key, of in {
            "activation": activation, "optimizer": optimizer, "learning_rate": learning_rate, "steps": steps,
            "batch_size": batch_size, "eval_every": eval_every, "python": python,
        }.items() if of is not None
    }  # fmt: skip
    given, rate = _chosen(task, set_here, best, seed)
    work, own = given.works[0], given.tasks[0]
    older, wanted = saved.task_in(out), str(own.file or own.name)
    if older not in ("", wanted):
        raise InputError(f"--out {out}: got a model of {older}; expected a new directory or an older model of {wanted}")
    metric, cell = work.task.metric, given.tuned_optimizers[0][0].label
    if work.task.uses_activation:
        cell = f"{given.activations[0].resolve().label} + {cell}"
    say(f"{work.task.name}: {cell}, learning rate {rate:g}, {work.steps:,} steps{_seen(fit.program_of(given))}")

    def observe(step: int, train_loss: float, validation_loss: float, score: float) -> None:
        if step == 0:  # before hours of training, and after all that may forbid them: that leaves nothing behind
            _writable(out)
        bar = f"  {'█' * round(24 * score)}" if metric.scale == 100 and 0 <= score <= 1 else ""
        losses = f"train loss {_number(train_loss)}  validation loss {_number(validation_loss)}"
        say(f"step {step:>7,}  {losses}  {metric.name} {metric.told(score)}{bar}")

    instead = " (in place of an older one)" if (out / saved.DESCRIPTION).exists() else ""
    with _interruptible():
        network = fit.fit(given, rate, seed, device, observe)
    network.save(out)
    if network.scores["status"] == "diverged":
        complain(f"error: {out}: got a loss that is not finite at step {network.scores['stopped_at']}; expected one")
        complain("hint: a smaller --learning-rate")
        raise typer.Exit(FAILED_LANES)
    say(f"test {metric.name}: {metric.told(network.scores['test_metric'])}")
    say(f"model: {out}{instead}")


def _seen(program: "Program") -> str:
    """How many samples a step sees; nothing of a task that has none: a function to minimize."""
    if program.full_batch:
        return f" of all {program.batch_size:,} samples"
    has_batches = program.task.uses_activation or program.task.samples.train > 0
    return f" of {program.batch_size:,}" if has_batches else ""


@contextmanager
def _interruptible() -> Iterator[None]:
    """Within it SIGINT and SIGTERM end the process at once: an exception in the middle of compiling could crash it.

    That loses nothing: the model is stored after it, and an older one is still whole.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: Any) -> None:
        complain("error: train: got a signal before the end; expected to finish")
        complain("hint: nothing is kept; fewer --steps take less time")
        sys.stdout.flush()
        os._exit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _writable(folder: Path) -> None:
    """Make the directory and try it. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def _chosen(task: str, set_here: dict[str, Any], best: Path | None, seed: int) -> tuple["Suite", float]:
    """The suite of the one cell, and its learning rate: what leads a run, or what was set here."""
    from bench.network import fit

    seeds = {"tune": [int(seed == 0)], "evaluate": [seed]}
    if best and (both := set_here.keys() - {"python"}):
        options = ", ".join(f"--{key.replace('_', '-')}" for key in set_here if key in both)
        raise InputError(f"--best {best}: got {options} beside it; expected one or the other")
    if best:
        from bench.findings.audit import incomplete
        from bench.storage.results import Run

        for finding in incomplete(Run(best)):
            complain(f"warning: {best}: {finding.text}")
        with _as_options():
            found, rate = fit.cell_of(best, _in_run(best, task), set_here.get("python"))
        return _parsed({**found.described(), "seeds": seeds}), rate
    given = _parsed({**_cell(task, {**DEFAULTS, **set_here}), "seeds": seeds})
    return given, given.learning_rates.low


def _in_run(run: Path, told: str) -> str:
    """What a run calls the task that is told as a file; anything else as it is told.

    Raises `InputError` where the file has several tasks there.
    """
    from bench.storage import store

    entry = _entry(told)
    if Path(entry["name"]).suffix not in FILES:
        return told
    manifest, path = store.read_manifest(run), Path(entry["name"])
    file, model = str(path.parent.resolve() / path.name), entry.pop("model", None)
    tasks = [task for task in manifest["suite"]["tasks"] if task.get("file") == file]
    bases = {task["name"] for task in tasks if model in (None, task.get("model"))}
    asked = {key: of for key, of in entry.items() if key != "name"}
    names = [
        name
        for name, task in manifest["tasks"].items()
        if task.get("base") in bases and asked.items() <= task["options"].items()
    ]
    if len(names) > 1:
        got = f"{told}, which {len(names)} of its tasks come from"
        raise InputError(f"--best {run}: got {got}; expected one of {', '.join(names)}")
    return names[0] if names else told


OPTIONS = {  # what sets a key of the suite of one cell
    "python[0]": "--python", "tasks[0]": "TASK", "activations[0]": "--activation", "optimizers[0]": "--optimizer",
    "steps": "--steps", "batch_size": "--batch-size", "eval_every": "--eval-every", "seeds.evaluate[0]": "--seed",
    "learning_rates.low": "--learning-rate", "learning_rates.high": "--learning-rate",
}  # fmt: skip


def _parsed(values: dict[str, Any]) -> "Suite":
    """The suite of one cell. Raises `InputError` in terms of the command line."""
    from bench.planning.suite import parse

    with _as_options():
        return parse(values)


ANEW = "--python FILE runs the file that registers what the run was given from Python"


@contextmanager
def _as_options() -> Iterator[None]:
    """What is wrong with a suite, in terms of the command line."""
    from bench.planning.suite import REGISTERED

    try:
        yield
    except InputError as error:
        told = dict.fromkeys(_as_option(problem.removeprefix("suite: ")) for problem in error.problems)
        raise InputError(told, ANEW if error.hint == REGISTERED else error.hint) from None


def _as_option(problem: str) -> str:
    key = next((key for key in OPTIONS if re.match(rf"{re.escape(key)}[:.]", problem)), "")
    rest = problem.removeprefix(key)
    return OPTIONS.get(key, "") + re.sub(r"^\.(name|file)\b", "", rest)


def _cell(task: str, options: dict[str, Any]) -> dict[str, Any]:
    """A suite of one cell as plain values, but for its seeds."""
    steps, rate = options["steps"], options["learning_rate"]
    return {
        "python": [str(options["python"])] if "python" in options else [],
        "name": "train",
        "tasks": [_task(_entry(task))],
        "activations": [_entry(options["activation"])],
        "optimizers": [_entry(options["optimizer"])],
        "steps": steps,
        "batch_size": options["batch_size"],
        "eval_every": options.get("eval_every", max(1, steps // 20)),
        "learning_rates": {"low": rate, "high": rate, "num": 1},
    }


def _entry(told: str) -> dict[str, Any]:
    """An entry of a suite as its label tells it: a name and, in parentheses, its arguments, which may be such again."""
    name, arguments = labels.parts(told)
    return {"name": name, **{key: _value(text) for key, text in arguments.items()}}


def _value(text: str) -> Any:
    if labels.CALL.fullmatch(text):
        return _entry(text)
    try:
        return json.loads({"True": "true", "False": "false"}.get(text, text))
    except ValueError:
        return text


PACKED = "bench data pack NEW.csv --like DATA.npz makes one of a table, as pack made DATA.npz for the training"
FILES: dict[str, dict[str, Any]] = {".npz": {"model": "mlp"}, ".py": {}}  # by suffix, what a task has by default


def _task(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry with its name as a file where it is one; arrays are for a perceptron where no model is named."""
    if (kind := Path(entry["name"]).suffix) in files.TABLES:
        told = f"TASK: got {entry['name']}, a table; expected a task's name, or a .npz or .py"
        raise InputError(told, "bench data pack FILE.csv --target COLUMN makes a .npz of it")
    if kind not in FILES:
        return entry
    return {"file": entry["name"], **FILES[kind], **{key: of for key, of in entry.items() if key != "name"}}


def _number(value: float) -> str:
    return f"{value:9.4g}" if math.isfinite(value) else f"{'–':>9}"


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A directory that `bench train` wrote.")],
    data: Annotated[Path, typer.Argument(metavar="DATA.npz", help="An archive with x, as raw as the training data.")],
    out: Annotated[
        Path | None, typer.Option(help="A .npz or .csv to write; by default predictions.npz in MODEL.")
    ] = None,
) -> None:
    """What a trained network says of examples.

    Writes its outputs and, for classes, which they are, what they are called and how probable each is: all as arrays,
    or as a table for people. Where the archive has y too, says how well they agree.
    """
    import numpy as np

    from bench.network import fit, predictions, saved

    network = saved.load(model)
    target = out or model / "predictions.npz"
    if target.exists() and (not predictions.holds(target) or (data.exists() and target.samefile(data))):
        raise InputError(f"--out {target}: got a file that is there and holds no predictions; expected a new one")
    if target.suffix not in predictions.SUFFIXES:
        expected = f"a name that ends in {' or '.join(predictions.SUFFIXES)}"
        raise InputError(f"--out {target}: got {target.name}; expected {expected}")
    name, x, y = _examples(data)
    task, outputs = network.suite.works[0].task, fit.predict(network, x)
    found = predictions.of_outputs(task, outputs)
    agreement = predictions.agreement(found, y) if y is not None else ""
    files.write(target, predictions.encoded(found, target, task.dataset.names if task.dataset else ()))
    say(f"{len(x):,} predictions of {name}: {target}")
    if lost := int((~np.isfinite(outputs.reshape(len(outputs), -1)).all(1)).sum()):
        say(f"{lost:,} of them are no finite numbers: those examples are far from what it was trained on")
    if agreement:
        say(agreement)


def _examples(path: Path) -> tuple[str, Any, Any]:
    """The name of x, x and, where there is one, y: under those names, or as x_test and y_test."""
    import numpy as np

    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as held:
            names = [name for name in ("x", "x_test") if name in held]
            if not names:
                raise InputError(f"{path}: got {', '.join(held) or 'no array'}; expected an array x")
            y = names[0].replace("x", "y")
            return names[0], held[names[0]], held.get(y)
    except FileNotFoundError:
        raise InputError(f"{path}: got no such file; expected a .npz with x") from None
    except BenchError:
        raise
    except Exception as error:  # a damaged archive raises whatever its decoder does
        hint = PACKED if path.suffix in files.TABLES else ""
        told = f"got no archive that can be read ({type(error).__name__}); expected a .npz"
        raise InputError(f"{path}: {told}", hint) from None
