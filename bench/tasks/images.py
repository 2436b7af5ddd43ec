"""Handwritten digits as images: which one, where on a canvas, and which pixels are whose."""

from functools import partial
from typing import TYPE_CHECKING, Any

from bench.datasets import DATASETS, SPLITS
from bench.datasets.prepare import whole
from bench.initializers import INITIALIZERS
from bench.lazy import Lazy
from bench.losses import ACCURACY, Metric, cross_entropy
from bench.tasks import supervised
from bench.tasks.base import Task, variants

if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax
    from flax import nnx
    from jax import Array

    from bench.nn import vision
    from bench.nn.layers import Recipe
else:
    jax, jnp, np, optax = Lazy("jax"), Lazy("jax.numpy"), Lazy("numpy"), Lazy("optax")
    vision = Lazy("bench.nn.vision")

DIGITS = DATASETS["digits"]
SIDE = 8  # of a digit, pixels
INK = 0.25  # what is darker belongs to the digit
NOISE = 0.1  # standard deviation of a canvas's pixels; ink is 0 to 1
SEEDS = dict(zip(SPLITS, range(3), strict=True))
INITIALIZATION = tuple(INITIALIZERS)
Part = tuple[Any, Any]


def ink() -> dict[str, Part]:
    """(images [n, 8, 8] float32 in 0..1, labels [n] int32) of each part."""
    return {part: (x.reshape(-1, SIDE, SIDE) / np.float32(16), y) for part, (x, y) in DIGITS.parts(DIGITS).items()}


# Classification


def load_digits(task: Task) -> dict[str, Part]:
    """Images [n, side, side, 1], larger ones by repeating pixels, of mean 0 and deviation 1 on the training part."""
    parts = ink()
    mean, deviation = parts["train"][0].mean(dtype=np.float64), parts["train"][0].std(dtype=np.float64)
    times = task.options["side"] // SIDE

    def scaled(x: Any) -> Any:
        return ((x - mean) / deviation).astype(np.float32).repeat(times, 1).repeat(times, 2)[..., None]

    return {part: (scaled(x), y) for part, (x, y) in parts.items()}


def cnn(side: int, features: tuple[int, ...], batch_norm: bool, recipe: "Recipe") -> "nnx.Module":
    """The model, once jax is there."""
    return vision.CNN((side, side, 1), features, 10, recipe, batch_norm)


def trained_flops(multiplications: list[int]) -> int:
    """FLOPs of one example: 2 a multiplication forward and 4 backward, less the 2 of the gradient by the input."""
    return 6 * sum(multiplications) - 2 * multiplications[0]


def digits_cnn(
    width: int = 16,
    batch_norm: bool = False,
    resolution: str = "8",
    initialization: str = "default",
) -> Task:
    """Convolution and pooling twice, then a dense layer (LeCun et al. 1998); `width` channels, then twice as many.

    With `batch_norm` after each convolution (Ioffe and Szegedy 2015). `resolution` 16 repeats each pixel 2 x 2 times.
    """
    side, features = int(resolution), (width, 2 * width)
    kernels = [9 * width, 18 * width**2, (side // 4) ** 2 * 2 * width * 10]
    pixels = [side**2, (side // 2) ** 2, 1]
    normalizing = 2 * sum(features) if batch_norm else 0
    return Task(
        name="digits_cnn",
        kind="classification",
        summary=f"Read {side} x {side} handwritten digits, convolutional network of {width} and {2 * width} channels",
        metric=ACCURACY,
        target=0.96,
        baseline=36 / 359,
        samples=DIGITS.samples,
        parameters=sum(kernels) + sum(features) + 10 + normalizing,
        flops=trained_flops([a * b for a, b in zip(kernels, pixels, strict=True)]),
        build=supervised.build,
        load=load_digits,
        scales=whole,
        dataset=DIGITS,
        options={
            "model": partial(cnn, side, features, batch_norm),
            "loss": cross_entropy,
            "initialization": initialization,
            "side": side,
        },
    )


# Segmentation

CANVAS = 20
CLASSES = 11  # nothing, then the ten digits


def load_segmentation(task: Task) -> dict[str, Part]:
    """Canvases [n, 20, 20, 1] with two digits each, one a half, and the class of each pixel, [n, 20, 20] int32.

    Each digit of a part is on one canvas, with another of the same part beside or above it.
    """
    return {part: segmented(*pair, SEEDS[part]) for part, pair in ink().items()}


def segmented(images: Any, labels: Any, seed: int) -> Part:
    """One part: x and y, drawn with the seed."""
    random = np.random.Generator(np.random.Philox(key=seed))
    n = len(images)
    x = random.normal(0, NOISE, (n, CANVAS, CANVAS)).astype(np.float32)
    y = np.zeros((n, CANVAS, CANVAS), np.int32)
    room = CANVAS // 2 - SIDE
    others, along, across = (
        random.permutation(n),
        random.integers(0, CANVAS - SIDE + 1, (n, 2)),
        random.integers(0, room + 1, (n, 2)),
    )
    upright = random.integers(0, 2, n)
    for canvas in range(n):
        for half, digit in enumerate((canvas, others[canvas])):
            place = [along[canvas, half], half * CANVAS // 2 + across[canvas, half]]
            row, column = place[:: 1 if upright[canvas] else -1]
            window = (canvas, slice(row, row + SIDE), slice(column, column + SIDE))
            x[window] += images[digit]
            y[window] = np.where(images[digit] > INK, labels[digit] + 1, 0)
    return x[..., None], y


def mean_iou(outputs: "Array", targets: "Array") -> "Array":
    """Mean over classes of |predicted ∩ true| / |predicted ∪ true| pixels.

    Outputs [n, h, w, classes], targets [n, h, w]. A class that is in neither counts as 0. Everingham et al. 2010.
    """
    predicted, classes = outputs.argmax(-1), jnp.arange(outputs.shape[-1])

    def pixels(of: "Array") -> "Array":
        return (of.reshape(-1) == classes[:, None]).sum(1)

    both = pixels(jnp.where(predicted == targets, targets, -1))
    return (both / jnp.maximum(pixels(predicted) + pixels(targets) - both, 1)).mean(dtype=jnp.float32)


def predicted_masks(x: "Array", y: "Array", z: "Array") -> "Array":
    """[2 n, h, w]: what is predicted, then what is true."""
    return jnp.concatenate([z.argmax(-1), y]).astype(jnp.float32)


def pixel_loss(outputs: "Array", targets: "Array") -> "Array":
    """Mean cross-entropy of the pixels, those of nothing counted a fifth: they are seven of eight."""
    counts = jnp.where(targets > 0, 1.0, 0.2)
    losses = optax.softmax_cross_entropy(outputs, jax.nn.one_hot(targets, outputs.shape[-1]))
    return (counts * losses).sum() / counts.sum()


def unet(features: int, recipe: "Recipe") -> "nnx.Module":
    """The model, once jax is there."""
    return vision.UNet(features, CLASSES, recipe)


def digits_segmentation(width: int = 16, initialization: str = "default") -> Task:
    """The class of each pixel, by a small U-Net (Ronneberger, Fischer and Brox 2015) of `width` channels."""
    half, quarter = (CANVAS // 2) ** 2, (CANVAS // 4) ** 2
    kernels = [9 * 4 * width, 9 * width * width, 9 * width * 2 * width, 3 * width * width, width * 4 * CLASSES]
    pixels = [half, half, quarter, half, half]
    return Task(
        name="digits_segmentation",
        kind="segmentation",
        summary=f"Which pixels of a noisy canvas belong to which digit, U-Net of {width} channels",
        metric=Metric("mean IoU", mean_iou, "maximize", worst=0.0, unit="%", scale=100.0),
        target=0.3,
        baseline=0.0795,
        baseline_is="background everywhere",
        samples=DIGITS.samples,
        parameters=sum(kernels) + 5 * width + 4 * CLASSES,
        flops=trained_flops([a * b for a, b in zip(kernels, pixels, strict=True)]),
        build=supervised.build,
        load=load_segmentation,
        dataset=DIGITS,
        options={
            "model": partial(unet, width),
            "loss": pixel_loss,
            "initialization": initialization,
            "exhibit": (partial(supervised.spread, 5), predicted_masks),
        },
        exhibit="masks",
        shown=lambda _: {
            "title": "Which pixels belong to which digit",
            "rows": ["predicted", "true"],
            "classes": ["nothing", *map(str, range(CLASSES - 1))],
        },
    )


# Detection

FIELD = 16
ANCHOR = (0.25, 0.25, 0.5, 0.5)  # a digit in the middle: what outputs of 0 say
UNIT = SIDE / FIELD  # of a box's coordinates in the outputs


def load_detection(task: Task) -> dict[str, Part]:
    """Canvases [n, 16, 16, 1] with a digit somewhere, and [n, 5]: its class, and the box of its ink.

    A box is x, y, width, height as shares of the canvas.
    """
    return {part: placed(*pair, SEEDS[part]) for part, pair in ink().items()}


def placed(images: Any, labels: Any, seed: int) -> Part:
    """One part: x and y, drawn with the seed."""
    random = np.random.Generator(np.random.Philox(key=seed))
    n = len(images)
    x = random.normal(0, NOISE, (n, FIELD, FIELD)).astype(np.float32)
    places = random.integers(0, FIELD - SIDE + 1, (n, 2))
    y = np.empty((n, 5), np.float32)
    for canvas, (row, column) in enumerate(places):
        x[canvas, row : row + SIDE, column : column + SIDE] += images[canvas]
        rows, columns = (np.flatnonzero((images[canvas] > INK).any(axis)) for axis in (1, 0))
        box = column + columns[0], row + rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1
        y[canvas] = labels[canvas], *(np.array(box) / FIELD)
    return x[..., None], y


def read_boxes(outputs: "Array") -> "Array":
    """The boxes of outputs [n, 14]: class logits, then a box's distance from the anchor in sides of a digit."""
    return jnp.array(ANCHOR) + UNIT * outputs[:, 10:]


def iou(a: "Array", b: "Array") -> "Array":
    """|a ∩ b| / |a ∪ b| of boxes [n, 4] with [n, 4]; those of a negative width or height are empty."""
    a, b = (jnp.concatenate([box[:, :2], jnp.maximum(box[:, 2:], 0)], axis=1) for box in (a, b))
    low, high = jnp.maximum(a[:, :2], b[:, :2]), jnp.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    both = jnp.maximum(high - low, 0).prod(1)
    return both / jnp.maximum(a[:, 2:].prod(1) + b[:, 2:].prod(1) - both, 1e-9)


def detection_loss(outputs: "Array", targets: "Array") -> "Array":
    """Cross-entropy of the class plus Σ smooth L1 of the box's coordinates, in sides of a digit. Girshick 2015."""
    boxes = optax.huber_loss(read_boxes(outputs) / UNIT, targets[:, 1:] / UNIT)
    return cross_entropy(outputs[:, :10], targets[:, 0].astype(jnp.int32)) + boxes.sum(1).mean()


def found(outputs: "Array", targets: "Array") -> "Array":
    """Share of digits with the right class and a box of IoU 0.5 or more. Everingham et al. 2010."""
    right = outputs[:, :10].argmax(1) == targets[:, 0]
    return (right & (iou(read_boxes(outputs), targets[:, 1:]) >= 0.5)).mean(dtype=jnp.float32)


def predicted_boxes(x: "Array", y: "Array", z: "Array") -> "Array":
    """[n, 10 + 16²]: the predicted box, the true one, the predicted class, the true one, the canvas in 0..1.

    Boxes are x, y, width, height in shares.
    """
    classes = z[:, :10].argmax(1, keepdims=True).astype(jnp.float32), y[:, :1]
    return jnp.concatenate([read_boxes(z), y[:, 1:], *classes, jnp.clip(x, 0, 1).reshape(len(x), -1)], axis=1)


def detector(features: int, recipe: "Recipe") -> "nnx.Module":
    """The model, once jax is there."""
    return vision.Detector(features, 10, recipe)


def digits_detection(width: int = 16, initialization: str = "default") -> Task:
    """Where a digit is and which, at once, from every cell (after Redmon et al. 2016); `width` channels, then twice."""
    kernels = [9 * width, 18 * width**2, 36 * width**2, 2 * width * 15]
    pixels = [FIELD**2, (FIELD // 2) ** 2, (FIELD // 4) ** 2, (FIELD // 4) ** 2]
    return Task(
        name="digits_detection",
        kind="detection",
        summary=f"Where on a noisy canvas a digit is, and which, network of {width} and {2 * width} channels",
        metric=Metric("detection rate", found, "maximize", worst=0.0, unit="%", scale=100.0, best=1.0),
        target=0.7,
        baseline=2 / 359,
        baseline_is="the commonest digit in the mean box",
        samples=DIGITS.samples,
        parameters=sum(kernels) + 5 * width + 15,
        flops=trained_flops([a * b for a, b in zip(kernels, pixels, strict=True)]),
        build=supervised.build,
        load=load_detection,
        dataset=DIGITS,
        options={
            "model": partial(detector, width),
            "loss": detection_loss,
            "initialization": initialization,
            "exhibit": (partial(supervised.spread, 8), predicted_boxes),
        },
        exhibit="boxes",
        shown=lambda _: {"title": "Where a digit is, and where the network says it is", "size": [FIELD, FIELD]},
    )


TASKS = (
    variants(
        digits_cnn,
        {"width": int, "batch_norm": bool, "resolution": ("8", "16"), "initialization": INITIALIZATION},
    ),
    variants(digits_segmentation, {"width": int, "initialization": INITIALIZATION}),
    variants(digits_detection, {"width": int, "initialization": INITIALIZATION}),
)
