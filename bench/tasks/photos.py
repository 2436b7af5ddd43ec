"""From image to image, on patches of two photographs: twice the resolution, colour from grey."""

from functools import partial
from typing import TYPE_CHECKING, Any

from bench.datasets import DATASETS, arrays
from bench.initializers import INITIALIZERS
from bench.lazy import Lazy
from bench.losses import Metric
from bench.tasks import supervised
from bench.tasks.base import Task, variants
from bench.tasks.images import trained_flops

if TYPE_CHECKING:
    import jax.numpy as jnp
    import numpy as np
    from flax import nnx
    from jax import Array

    from bench.nn import vision
    from bench.nn.layers import Recipe
else:
    jnp, np, vision = Lazy("jax.numpy"), Lazy("numpy"), Lazy("bench.nn.vision")

PHOTOS = DATASETS["photos"]
SIDE, LOW = 16, 8  # pixels of a patch, and of one that is half as large
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
SAMPLES = 2  # that a report shows


def squared_error(outputs: "Array", targets: "Array") -> "Array":
    """Mean of (ŷ - y)² over pixels and colours."""
    return jnp.square(outputs - targets).mean()


def psnr(outputs: "Array", targets: "Array") -> "Array":
    """Peak signal to noise ratio, -10 log10 of the mean of (ŷ - y)² over all pixels and colours, in dB; 1 is white."""
    return -10 * jnp.log10(squared_error(outputs, targets))


PSNR = Metric("PSNR", psnr, "maximize", worst=float("-inf"), unit="dB")


def reduced(patches: Any) -> Any:
    """Half the size: the mean of each 2 x 2 pixels, [n, h, w, c] -> [n, h / 2, w / 2, c]."""
    n, high, wide, channels = patches.shape
    return patches.reshape(n, high // 2, 2, wide // 2, 2, channels).mean((2, 4), dtype=np.float64).astype(np.float32)


def grey(patches: Any) -> Any:
    """The luma of each pixel, [n, h, w, 3] -> [n, h, w, 1]."""
    return (patches.astype(np.float64) @ np.array(LUMA))[..., None].astype(np.float32)


def bicubic(low: int, high: int) -> Any:
    """The matrix [high, low] float64 that interpolates a row of pixels. Keys 1981, a = -1/2.

    Pixels are points in the middle of their squares; weights that fall outside are shared out among those inside.
    """
    centres = (np.arange(high) + 0.5) * low / high - 0.5
    t = np.abs(centres[:, None] - np.arange(low))
    near, far = (1.5 * t - 2.5) * t**2 + 1, ((-0.5 * t + 2.5) * t - 4) * t + 2
    weights = np.where(t <= 1, near, np.where(t < 2, far, 0))
    return weights / weights.sum(1, keepdims=True)


def load(task: Task) -> dict[str, tuple[Any, Any]]:
    """x made from the patches, and the patches themselves, [n, 16, 16, 3] float32 in 0..1."""
    make = task.options["input"]
    return {part: (make(y), y) for part, (_, y) in arrays(PHOTOS).items()}


def compared(x: "Array", y: "Array", z: "Array") -> "Array":
    """[3 n, 16, 16, 3]: what the network sees, what it makes of it, what is true."""
    times = SIDE // x.shape[1]
    seen = jnp.broadcast_to(x.repeat(times, 1).repeat(times, 2), y.shape)
    return jnp.clip(jnp.concatenate([seen, z, y]), 0, 1)


def super_resolution(features: int, recipe: "Recipe") -> "nnx.Module":
    """The model, once jax is there."""
    return vision.SuperResolution(features, bicubic(LOW, SIDE).astype(np.float32), recipe)


def colorization(features: int, recipe: "Recipe") -> "nnx.Module":
    """The model, once jax is there."""
    return vision.Colorization(features, recipe)


def photo(
    name: str, kind: str, summary: str, title: str, row: str, model: Any, make: Any,
    channels: int, target: float, baseline: float, baseline_is: str, width: int = 24, initialization: str = "default",
) -> Task:  # fmt: skip
    """Three convolutions of 3 x 3 at 8 x 8 pixels, `channels` to `width` to `width` to 12, and a pixel shuffle."""
    kernels = [9 * channels * width, 9 * width * width, 9 * width * 12]
    return Task(
        name=name,
        kind=kind,
        summary=f"{summary}, network of {width} channels",
        metric=PSNR,
        target=target,
        baseline=baseline,
        baseline_is=baseline_is,
        samples=PHOTOS.samples,
        parameters=sum(kernels) + 2 * width + 12,
        flops=trained_flops([LOW**2 * weights for weights in kernels]),
        build=supervised.build,
        load=load,
        dataset=PHOTOS,
        options={
            "model": partial(model, width),
            "loss": squared_error,
            "initialization": initialization,
            "input": make,
            "exhibit": (partial(supervised.busiest, SAMPLES), compared),
        },
        exhibit="images",
        shown=lambda _: {"title": title, "rows": [row, "network", "true"]},
    )


def entry(**fixed: Any) -> Task:
    """The task as an entry of the table: what a suite may set of it."""
    return variants(partial(photo, **fixed), {"width": int, "initialization": tuple(INITIALIZERS)})


TASKS = (
    entry(
        name="photo_superresolution", kind="super-resolution",
        summary="From 8 x 8 to 16 x 16 pixels of a photograph, beyond bicubic interpolation",
        title="Twice the resolution", row="input", model=super_resolution, make=reduced,
        channels=3, target=25.9, baseline=25.54, baseline_is="bicubic interpolation",
    ),
    entry(
        name="photo_colorization", kind="colorization", summary="The colours of a grey photograph",
        title="Colour from grey", row="input", model=colorization, make=grey,
        channels=4, target=21.0, baseline=19.44, baseline_is="the grey picture itself",
    ),
)  # fmt: skip
