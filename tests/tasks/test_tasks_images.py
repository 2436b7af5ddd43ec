"""Tasks of images: static facts against what is built, baselines computed, honest targets, lanes that do not mix."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from bench.activations import ACTIVATIONS
from bench.engine import execute
from bench.nn.arrangement import as_defined
from bench.optimizers import OPTIMIZERS
from bench.planning.lanes import Lane
from bench.planning.program import Program
from bench.tasks import TASKS, Task, images, photos, supervised

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:PIL")


@dataclass(frozen=True)
class Fit:
    """A cell that meets the target, and in how many steps."""

    activation: str
    optimizer: str
    rate: float
    steps: int
    batch_size: int


FITS = {
    "digits_cnn": Fit("relu", "adam", 3e-3, 200, 64),
    "digits_segmentation": Fit("tanh", "adam", 1e-2, 400, 32),
    "digits_detection": Fit("tanh", "adam", 1e-2, 400, 32),
    "photo_superresolution": Fit("tanh", "adam", 3e-3, 300, 16),
    "photo_colorization": Fit("relu", "adam", 3e-3, 300, 16),
}
VARIANTS = [
    *((name, {}) for name in FITS),
    ("digits_cnn", {"resolution": "16", "width": 8}),
    ("digits_cnn", {"batch_norm": True}),
    ("digits_segmentation", {"width": 8}),
    ("digits_detection", {"width": 8}),
    ("photo_superresolution", {"width": 8}),
]
RELU = (ACTIVATIONS["relu"],)


def part(task: Task, name: str, samples: int | None = None) -> Any:
    return jax.tree.map(lambda a: jnp.asarray(a[:samples]), task.load(task)[name])


def equations(jaxpr: Any) -> Iterator[Any]:
    """Those of a jaxpr and of all that it calls."""
    for equation in jaxpr.eqns:
        yield equation
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda v: hasattr(v, "jaxpr")):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from equations(inner)


def product_flops(equation: Any) -> float:
    if equation.primitive.name != "dot_general":
        return 0.0
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return 2.0 * float(np.prod(equation.outvars[0].aval.shape)) * float(np.prod([left[axis] for axis in contracted]))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [pytest.param(*v, marks=[] if v[0] == "digits_cnn" and not v[1] else pytest.mark.slow) for v in VARIANTS],
    ids=str,
)
def test_parameters_and_flops_are_those_of_the_model(name: str, arguments: dict[str, Any]) -> None:
    task = TASKS[name].configured(arguments)
    problem = task.build(task, RELU, jnp.int32(0))
    parameters, state = jax.eval_shape(problem.init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(parameters)) == task.parameters
    batch = part(task, "train", 16)
    with as_defined():
        traced = jax.make_jaxpr(problem.gradient)(parameters, state, batch, jax.random.key(0))
    assert sum(map(product_flops, equations(traced.jaxpr))) / 16 == pytest.approx(task.flops, rel=0.1)


def constant_prediction(name: str) -> tuple[np.ndarray, np.ndarray]:
    """(what a constant, or the method to beat, says of the test part; the truth)."""
    task = TASKS[name]
    (x, y), (_, train) = (task.load(task)[which] for which in ("test", "train"))
    if name == "digits_cnn":
        return np.eye(10)[np.full(len(y), np.bincount(train).argmax())], y
    if name == "digits_segmentation":
        return np.broadcast_to(np.eye(11)[0], (*y.shape, 11)), y
    if name == "digits_detection":
        commonest, box = np.bincount(train[:, 0].astype(int)).argmax(), train[:, 1:].mean(0)
        outputs = np.concatenate([np.eye(10)[commonest], (box - images.ANCHOR) / images.UNIT])
        return np.tile(outputs, (len(y), 1)), y
    if name == "photo_superresolution":
        matrix = photos.bicubic(8, 16)
        return np.einsum("ri,nijc,sj->nrsc", matrix, x.astype(np.float64), matrix), y
    return np.repeat(x, 3, axis=-1), y


@pytest.mark.parametrize("name", FITS)
def test_the_baseline_is_what_it_says_and_fails_the_target(name: str) -> None:
    task = TASKS[name]
    z, y = (jnp.asarray(a) for a in constant_prediction(name))
    assert float(task.metric.function(z, y)) == pytest.approx(task.baseline, rel=2e-3)
    assert task.metric.better(task.target, task.baseline)


@pytest.mark.parametrize("channel", range(3))
def test_bicubic_interpolation_is_that_of_pillow(channel: int) -> None:
    low = photos.reduced(photos.arrays(photos.PHOTOS)["test"][1][:4])[..., channel]
    matrix = photos.bicubic(8, 16)
    for image in low:
        expected = Image.fromarray(image, mode="F").resize((16, 16), Image.Resampling.BICUBIC)
        np.testing.assert_allclose(matrix @ image @ matrix.T, np.asarray(expected), atol=2e-6)


def test_canvases_hold_the_digits_that_their_masks_say() -> None:
    ink, labels = images.ink()["test"]
    x, y = images.segmented(ink, labels, 2)
    again, other = images.segmented(ink, labels, 2), images.segmented(ink, labels, 3)
    assert np.array_equal(x, again[0]) and np.array_equal(y, again[1]) and not np.array_equal(y, other[1])
    for canvas, label in zip(y[:50], labels, strict=False):
        assert label + 1 in canvas
        assert len(np.unique(canvas)) <= 3
    assert x[..., 0][y > 0].mean() > 0.5 > x[..., 0][y == 0].mean() + 0.25
    assert x[..., 0][y == 0].std() == pytest.approx(images.NOISE, rel=0.15)


def test_boxes_enclose_the_ink() -> None:
    ink, labels = images.ink()["test"]
    x, y = images.placed(ink, labels, 2)
    assert y[:, 0].tolist() == labels.tolist()
    for canvas, (left, top, wide, high), digit in zip(x[..., 0], y[:, 1:] * images.FIELD, ink, strict=True):
        row, column = int(top), int(left)
        inside = canvas[row : row + int(high), column : column + int(wide)]
        assert inside.sum() == pytest.approx(digit[digit > images.INK].sum(), abs=25)
        assert inside.shape == (high, wide) and inside.mean() > canvas.mean()


def test_iou_of_boxes() -> None:
    a = jnp.array([[0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 1, -1.0]])
    b = jnp.array([[0, 0, 2, 2], [1, 1, 2, 2], [2, 2, 1, 1], [0, 0, 1, 1.0]])
    np.testing.assert_allclose(images.iou(a, b), [1, 1 / 7, 0, 0], rtol=1e-6)


def test_mean_iou_by_hand() -> None:
    z = jax.nn.one_hot(jnp.array([[[0, 1], [1, 2]]]), 3)
    y = jnp.array([[[0, 1], [2, 2]]])
    assert float(images.mean_iou(z, y)) == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)


def test_psnr_by_hand() -> None:
    y = jnp.zeros((2, 4, 4, 3))
    assert float(photos.psnr(y + 0.1, y)) == pytest.approx(20.0, rel=1e-5)


def program(name: str, fit: Fit, **changes: Any) -> Program:
    made = {
        "task": TASKS[name], "activations": (ACTIVATIONS[fit.activation],), "optimizers": (OPTIMIZERS[fit.optimizer],),
        "batch_size": fit.batch_size, "full_batch": False, "steps": fit.steps, "eval_every": fit.steps, "width": 2,
        "mixed": False, **changes,
    }  # fmt: skip
    return Program(**made)


def trained(made: Program, lanes: list[Lane]) -> list[Any]:
    """The outcomes of the lanes together, and of the first alone."""
    data = jax.device_put(made.task.load(made.task))
    call = jax.jit(execute.batched(made))
    windows = np.asarray(made.windows, np.int32)
    return [jax.device_get(call(execute.traced_lanes(made, some), data, windows)) for some in (lanes, lanes[:1])]


@pytest.mark.slow
@pytest.mark.parametrize("name", FITS)
def test_a_cell_meets_the_target_that_no_initial_network_does(name: str) -> None:
    fit = FITS[name]
    made = program(name, fit)
    lanes = [Lane(str(seed), name, fit.activation, fit.optimizer, "evaluate", fit.rate, seed) for seed in (1, 2)]
    together, alone = trained(made, lanes)
    task = TASKS[name]
    for i in range(2):
        first, last = together.validation_metric[i][0], together.validation_metric[i][-1]
        assert not task.metric.better(first, task.target)
        assert task.metric.better(last, task.target)
    assert together.exhibit is None or together.exhibit.size / 2 < 5000
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        assert a[0].tobytes() == b[0].tobytes()


def test_the_pictures_that_vary_most_are_shown_one_of_each_stretch() -> None:
    y = np.full((7, 4, 4, 3), 0.5, np.float32)
    y[[1, 2, 5]] += np.array([0.1, 0.4, 0.2], np.float32)[:, None, None, None] * np.eye(4, dtype=np.float32)[..., None]
    assert supervised.busiest(2, jnp.asarray(y)).tolist() == [2, 5]
    assert supervised.spread(3, jnp.asarray(y)).tolist() == [0, 2, 4]


def test_a_detection_shows_both_boxes_both_classes_and_the_canvas() -> None:
    y = jnp.array([[7.0, 0.1, 0.2, 0.3, 0.4]])
    z = jnp.zeros((1, 14)).at[0, 3].set(5.0)
    shown = np.asarray(images.predicted_boxes(jnp.full((1, 16, 16, 1), 2.0), y, z))
    assert shown.shape == (1, 10 + 16**2)
    np.testing.assert_allclose(shown[0, :10], [*images.ANCHOR, 0.1, 0.2, 0.3, 0.4, 3, 7], rtol=1e-6)
    assert (shown[0, 10:] == 1).all()


@pytest.mark.parametrize(
    "samples", [3, supervised.SLICE["cpu"], supervised.SLICE["cpu"] + 1, 3 * supervised.SLICE["cpu"] - 1]
)
def test_images_evaluated_a_slice_at_a_time_are_those_evaluated_at_once(samples: int) -> None:
    def function(x: jax.Array) -> jax.Array:
        return jnp.tanh(x).sum((1, 2))

    x = jax.random.normal(jax.random.key(0), (samples, 4, 4, 2))
    np.testing.assert_allclose(supervised.in_slices(function, x), function(x), rtol=1e-5, atol=1e-5)
