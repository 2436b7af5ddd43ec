"""A run's manifest: what it tells of a user's own entries, and what a run that has begun is held to."""

import json
import os
import pickle
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import jax.numpy as jnp
import optax
import pytest
from stored import contents

import bench
from bench.errors import DataError, InputError, Interrupted
from bench.planning import plan
from bench.planning import suite as suites
from bench.planning.plan import Plan
from bench.running import manifests
from bench.running.runner import Progress, Row
from bench.tasks import TASKS


class Here(Executor):
    """Carries out its calls at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def test_a_run_goes_on_with_the_kind_of_gpu_that_it_began_on() -> None:
    device: dict[str, Any] = {}
    manifests.enter_device(None, device, "H100")
    manifests.enter_device(Path("there"), device, "H100")
    assert device == {"device_kind": "H100"}
    with pytest.raises(DataError, match="--resume there: got H200; expected H100, on which it began"):
        manifests.enter_device(Path("there"), device, "H200")


def registered(scale: float) -> Plan:
    """Registers an activation, an optimizer and a task of a scale, and plans a run of them."""
    bench.register_activation("lam", lambda x: jnp.tanh(scale * x))
    bench.register_optimizer("own", lambda learning_rate: optax.sgd(scale * learning_rate))
    bench.register_task(replace(TASKS["wine_mlp"], name="cellar", target=scale))
    named = {"tasks": ["cellar"], "activations": ["lam", "relu"], "optimizers": ["own", "sgd"]}
    return plan.make(suites.parse(suites.read("smoke").described() | named))


def entered(made: Plan, manifest: dict[str, Any]) -> dict[str, Any]:
    manifests.enter_code(Path("there"), manifest, made.programs, Here())
    return manifest


def test_a_manifest_tells_what_is_a_user_s_own() -> None:
    made = registered(0.5)
    manifest = entered(made, manifests.describe(made, "", {}))
    entries = {name: e for kind in ("tasks", "activations", "optimizers") for name, e in manifest[kind].items()}
    assert {name for name, entry in entries.items() if "code" in entry} == {"lam", "own", "cellar"}
    before = json.dumps(manifest)
    assert json.dumps(entered(registered(0.5), manifest)) == before, "the same again is the same"


def test_another_function_of_the_same_name_is_refused() -> None:
    made = registered(0.5)
    manifest = entered(made, manifests.describe(made, "", {}))
    before = json.dumps(manifest)
    with pytest.raises(DataError) as caught:
        entered(registered(3.0), manifest)
    assert caught.value.problems == [
        "--resume there: got another task cellar and another activation lam and another optimizer own; "
        "expected what the run began with"
    ]
    assert json.dumps(manifest) == before


def test_what_could_not_be_traced_may_be_mended() -> None:
    made = registered(0.5)
    manifest = manifests.describe(made, "", {})
    manifest["activations"]["lam"]["code"] = ""
    assert len(entered(made, manifest)["activations"]["lam"]["code"]) == 16


def test_what_cannot_be_sent_to_a_worker_is_told_before_anything_is_trained() -> None:
    made = registered(0.5)
    broken: Future[Any] = Future()
    broken.set_exception(TypeError("cannot pickle a lock"))
    with pytest.raises(InputError, match="cellar, lam, own: got TypeError: cannot pickle a lock; expected what a work"):
        manifests.enter_code(None, {}, made.programs, Mock(submit=lambda *_: broken))


def test_of_several_the_one_that_cannot_be_sent_is_named() -> None:
    described = registered(0.5).suite.described()
    lock = threading.Lock()
    bench.register_activation("lam", lambda x: jnp.tanh(x) if lock else x)
    made = plan.make(suites.parse(described))
    broken: Future[Any] = Future()
    broken.set_exception(pickle.PicklingError("Could not pickle the task to send it to the workers."))
    with pytest.raises(InputError) as caught:
        manifests.enter_code(None, {}, made.programs, Mock(submit=lambda *_: broken))
    assert caught.value.problems == [
        "lam: got TypeError: cannot pickle '_thread.lock' object; expected what can be sent to a worker"
    ]


def test_nothing_is_asked_of_a_worker_where_all_is_built_in() -> None:
    made = plan.make(suites.read("smoke"))
    manifests.enter_code(None, {}, made.programs, Mock(submit=lambda *_: pytest.fail("a worker was asked")))


@pytest.mark.slow
def test_a_run_goes_on_with_the_function_that_it_began_with_alone(tmp_path: Path) -> None:
    def stop(progress: Progress, rows: list[Row]) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    path = tmp_path / "run"
    with pytest.raises(Interrupted):
        bench.run(registered(0.5).suite, out=path, workers=1, observe=stop)
    before = contents(path)
    registered(3.0)
    with pytest.raises(DataError, match="another activation lam"):
        bench.run(resume=path, workers=1, progress=False)
    assert contents(path) == before
    registered(0.5)
    assert bench.run(resume=path, workers=1, progress=False).manifest["status"] == "complete"


def test_a_description_may_be_written_anew() -> None:
    described = suites.read("smoke").described()
    made = plan.make(suites.parse(described))
    begun = manifests.describe(made, "bench", {})
    manifests.check_same(Path("there"), plan.make(suites.parse(described | {"description": "Better said"})), begun, {})
    with pytest.raises(InputError, match="another suite or budget"):
        manifests.check_same(Path("there"), plan.make(suites.parse(described | {"steps": 41})), begun, {})
