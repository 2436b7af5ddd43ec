"""Transformers: digits as patches, addition modulo a prime."""

from functools import partial
from typing import TYPE_CHECKING, Any

from bench.datasets import DATASETS, Samples
from bench.errors import InputError
from bench.initializers import INITIALIZERS
from bench.lazy import Lazy
from bench.losses import ACCURACY, LOSSES
from bench.tasks import supervised
from bench.tasks.base import Option, Task, Tree, variants

if TYPE_CHECKING:
    from flax import nnx

    from bench.nn import attention
    from bench.nn.layers import Recipe
else:
    attention = Lazy("bench.nn.attention")

SPLIT_SEED = 0
OPTIONS: dict[str, Option] = {
    "width": int,
    "initialization": tuple(INITIALIZERS),
    "loss": tuple(LOSSES["classification"]),
}


def patch_transformer(sizes: tuple[int, int, int, int, int, int, int], recipe: "Recipe") -> "nnx.Module":
    """The model, once jax is there."""
    return attention.PatchTransformer(*sizes, recipe)


def token_transformer(sizes: tuple[int, int, int, int, int], recipe: "Recipe") -> "nnx.Module":
    """The model, once jax is there."""
    return attention.TokenTransformer(*sizes, recipe)


def check_heads(name: str, width: int, heads: int) -> None:
    """Raise `InputError` where the heads of the task of this name cannot share its width alike."""
    if width % heads:
        raise InputError(f"{name}: got a width of {width}; expected a multiple of {heads}, its number of heads")


def block_parameters(width: int, hidden: int) -> int:
    """Four square matrices, two of the perceptron, two norms."""
    return 4 * width * (width + 1) + hidden * (width + 1) + width * (hidden + 1) + 4 * width


def digits(*, width: int = 16, depth: int = 2, initialization: str = "default", loss: str = "cross_entropy") -> Task:
    """Digits as 16 patches of 2 x 2 pixels; two heads, perceptrons four times as wide as a token."""
    dataset, side, patch, heads, tokens, hidden = DATASETS["digits"], 8, 2, 2, 16, 4 * width
    check_heads("digits_transformer", width, heads)
    block = tokens * (4 * width * width + 2 * width * hidden + 2 * tokens * width)
    return Task(
        name="digits_transformer",
        kind="classification",
        summary=f"Read 8 x 8 handwritten digits, transformer of {depth} blocks of width {width} on 2 x 2 patches",
        metric=ACCURACY,
        target=0.88,
        baseline=36 / 359,
        samples=dataset.samples,
        parameters=(
            (patch**2 + 1 + tokens) * width + depth * block_parameters(width, hidden) + 2 * width + 10 * (width + 1)
        ),
        flops=4 * tokens * patch**2 * width + 6 * depth * block + 6 * width * 10,
        build=supervised.build,
        load=supervised.load,
        dataset=dataset,
        options={
            "model": partial(patch_transformer, (side, patch, width, heads, hidden, depth, 10)),
            "loss": LOSSES["classification"][loss],
            "initialization": initialization,
        },
    )


def modular(
    *,
    modulus: int = 97,
    train_fraction: float = 0.6,
    width: int = 64,
    initialization: str = "default",
    loss: str = "cross_entropy",
) -> Task:
    """a + b mod `modulus` from the tokens a, b and =, of which a share is shown and the rest must be inferred.

    One block of four heads, whose perceptron is twice as wide as a token; only = is carried on, so that only its query
    is computed. What is not shown is halved into validation and test. Power et al. 2022, at a smaller size; weight
    decay decides how soon it generalizes: with AdamW at 0.004, decay 1 and batches of 512 after about 400 steps.
    """
    pairs = modulus**2
    train = round(train_fraction * pairs)
    validation = (pairs - train) // 2
    heads, hidden = 4, 2 * width
    check_heads("modular_transformer", width, heads)
    if not 0 < train <= pairs - 2:
        raise InputError(
            f"modular_transformer: got {train_fraction:g} of {pairs} sums to train on; expected 1 to {pairs - 2}",
            "what is left is halved into validation and test",
        )
    block = 3 * 2 * width * width + 2 * width * width + 2 * width * hidden + 2 * 3 * width
    return Task(
        name="modular_transformer",
        kind="classification",
        summary=f"Add modulo {modulus} from {train_fraction:.0%} of the sums, one transformer block of width {width}",
        metric=ACCURACY,
        target=0.9,
        baseline=1 / modulus,
        samples=Samples(train, validation, pairs - train - validation),
        parameters=((modulus + 3) * width + block_parameters(width, hidden) + 2 * width + modulus * (width + 1)),
        flops=4 * 2 * modulus * width + 6 * block + 6 * width * modulus,
        build=supervised.build,
        load=load_modular,
        options={
            "modulus": modulus,
            "model": partial(token_transformer, (modulus, 2, width, heads, hidden)),
            "loss": LOSSES["classification"][loss],
            "initialization": initialization,
        },
    )


def load_modular(task: Task) -> dict[str, Tree]:
    """All sums in a fixed order, cut into parts: x [samples, 2], y [samples], int32."""
    import numpy as np

    modulus = task.options["modulus"]
    order = np.random.Generator(np.random.Philox(key=SPLIT_SEED)).permutation(modulus**2)
    x = np.stack(np.divmod(order, modulus), 1).astype(np.int32)
    y = x.sum(1, dtype=np.int32) % modulus
    ends = np.cumsum(task.samples)
    cut: list[Any] = [np.split(values, ends[:-1]) for values in (x, y)]
    return {part: (a, b) for part, a, b in zip(task.samples._fields, *cut, strict=True)}


TASKS = (
    variants(digits, OPTIONS | {"depth": int}),
    variants(modular, OPTIONS | {"modulus": int, "train_fraction": float}),
)
