"""A throughput suite and the groups that it is planned as."""

from typing import Any

import pytest

from bench import kinds
from bench.errors import InputError, ResourceError
from bench.planning.locate import suite_files
from bench.planning.suite import Suite
from bench.throughput import plan
from bench.throughput.suite import PRECISIONS, ThroughputSuite, most_workers

VALUES: dict[str, Any] = {
    "kind": "throughput",
    "name": "t",
    "tasks": ["wine_mlp"],
    "activations": ["relu", "tanh"],
    "optimizers": ["sgd", "adam"],
    "batch_sizes": [16, 32],
    "widths": [1, 4],
}
TIMED = [file for file in suite_files() if kinds.kind_of(kinds.read(file)) == "throughput"]


def made(**changed: Any) -> ThroughputSuite:
    return ThroughputSuite(**(VALUES | changed))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"width": [1]}, "width: got an unknown key; expected a key of a suite file, perhaps widths"),
        ({"widths": [0]}, "widths"),
        ({"widths": [4, 4]}, "widths: got 4 more than once; expected each once"),
        ({"batch_sizes": [100_000]}, "batch_sizes"),
        ({"precisions": ["float16"]}, "precisions"),
        ({"workers": ["most"]}, "workers"),
        ({"seconds": -1}, "seconds"),
        ({"activations": ["relu", "relu"]}, "activations: got relu more than once"),
        ({"tasks": [{"name": "wine_mlp", "steps": 5}]}, "tasks[0].steps: got 5; expected no such key"),
        ({"optimizers": [{"name": "adam", "b1": {"low": 0.1, "high": 0.9}}]}, "optimizers[0].b1: got "),
        ({"steps": 5}, "steps: got an unknown key"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as error:
        made(**changed)
    assert len(error.value.problems) == 1
    assert told in error.value.problems[0]


def test_the_kind_picks_the_model() -> None:
    assert isinstance(kinds.parse(VALUES), ThroughputSuite)
    assert isinstance(kinds.read("smoke"), Suite)
    assert isinstance(kinds.parse(kinds.read("smoke").described() | {"kind": "convergence"}), Suite)
    with pytest.raises(InputError, match="kind: got 'speed'; expected a kind of suite: one of convergence, throughput"):
        kinds.parse(VALUES | {"kind": "speed"})


def test_keys_of_a_throughput_suite_without_its_kind_are_told_apart() -> None:
    values = {key: value for key, value in VALUES.items() if key != "kind"}
    with pytest.raises(InputError) as error:
        kinds.parse(values)
    assert error.value.hint == 'batch_sizes and widths are keys of suites with kind = "throughput"'
    with pytest.raises(InputError) as error:
        kinds.parse(VALUES | {"steps": 5})
    assert error.value.hint == ""


def test_a_described_suite_is_the_same_suite() -> None:
    assert kinds.parse(made(seconds=0.5).described()) == made(seconds=0.5)


def test_a_group_is_the_cells_of_one_setting() -> None:
    planned = plan.make(made(), ["cpu"], 1)
    assert [(g.programs[0].batch_size, g.programs[0].width) for g in planned.groups] == [
        (16, 1), (16, 4), (32, 1), (32, 4),
    ]  # fmt: skip
    assert {len(group.programs) for group in planned.groups} == {4}
    assert planned.cells == 16 and len({group.id for group in planned.groups}) == 4
    assert planned.sha256 == plan.make(made(), ["cpu"], 1).sha256 != plan.make(made(samples=11), ["cpu"], 1).sha256


def test_an_optimizer_that_runs_alone_is_timed_once_at_width_one() -> None:
    from bench.optimizers import OPTIMIZERS

    alone = next(name for name, entry in OPTIMIZERS.items() if entry.alone and not entry.full_batch)
    planned = plan.make(made(optimizers=["sgd", alone], batch_sizes=[16]), ["cpu"], 1)
    widths = [p.width for g in planned.groups for p in g.programs if p.optimizers[0].label == alone]
    assert widths == [1, 1]  # one an activation


def test_each_device_is_measured_in_the_precisions_that_it_has() -> None:
    both = plan.make(made(precisions=["float32", "tf32"], batch_sizes=[16], widths=[1]), ["cpu", "gpu"])
    assert [(g.device, g.precision) for g in both.groups] == [("cpu", "float32"), ("gpu", "float32"), ("gpu", "tf32")]
    with pytest.raises(InputError, match="precisions: got tf32 for cpu; expected float32"):
        plan.make(made(precisions=["tf32"]), ["cpu"])


def test_samples_of_a_call_that_no_worker_could_hold_are_refused() -> None:
    with pytest.raises(InputError, match=r"widths: got 100,000 with batches of 1,000 on digits_mlp: .* take 6\.4 GB"):
        plan.make(made(tasks=["digits_mlp"], batch_sizes=[16, 1_000], widths=[4, 100_000]), ["cpu"], 1)


def test_workers_share_no_core() -> None:
    most = most_workers("cpu")
    assert {group.workers for group in plan.make(made(workers=[1, "all"]), ["cpu"]).groups} == {1, most}
    with pytest.raises(ResourceError, match=f"expected at most {most}"):
        plan.make(made(), ["cpu"], most + 1)


def test_of_several_devices_each_has_as_many_of_the_workers_asked_for_as_it_can() -> None:
    asked = most_workers("cpu") + 1
    planned = plan.make(made(), ["cpu", "gpu"], asked)
    assert {(group.device, group.workers) for group in planned.groups} == {("cpu", asked - 1), ("gpu", 1)}


def test_a_plan_for_several_devices_takes_as_long_as_they_do_in_turn() -> None:
    alone = [kinds.facts(made(), device) for device in ("cpu", "gpu")]
    both = kinds.facts(made(), "cpu,gpu")
    assert both["devices"] == "cpu, gpu" and both["timings"] == sum(one["timings"] for one in alone)
    assert both["estimated_s"] == sum(one["estimated_s"] for one in alone)
    ranges = zip(*(one["estimated_range_s"] for one in alone), strict=True)
    assert both["estimated_range_s"] == [sum(ends) for ends in ranges]
    assert all(one["assumed"] in both["assumed"] for one in alone)


@pytest.mark.parametrize("file", TIMED, ids=lambda file: file.stem)
def test_the_suites_that_come_with_it_can_be_planned(file: Any) -> None:
    suite = kinds.read(file)
    assert suite.name == file.stem
    assert isinstance(suite, ThroughputSuite)
    assert plan.make(suite, ["cpu"]).facts()["timings"] > 0


def test_there_are_some() -> None:
    assert {file.stem for file in TIMED} == {"devices", "throughput", "throughput_quick"}


@pytest.mark.parametrize(
    ("precision", "told"),
    [("float32", "precision = [HIGHEST, HIGHEST]"), ("tf32", "type = tf32"), ("bfloat16", "type = bf16")],
)
def test_a_gpu_is_asked_for_each_precision(precision: str, told: str) -> None:
    import jax
    from jax import export

    with jax.default_matmul_precision(PRECISIONS["gpu"][precision]):
        made = export.export(jax.jit(lambda x: x @ x), platforms=["cuda"])(jax.ShapeDtypeStruct((8, 8), "float32"))
    assert told in made.mlir_module()
