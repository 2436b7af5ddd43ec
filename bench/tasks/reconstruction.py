"""Reconstruction: handwritten digits through a narrow code, out of noise, and as samples of a density."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from bench.datasets import DATASETS, SPLITS
from bench.initializers import INITIALIZERS
from bench.lazy import Lazy
from bench.losses import Metric
from bench.tasks.base import Option, Problem, Task, Tree, variants
from bench.tasks.networks import networks, parameters, weights
from bench.tasks.supervised import decayed

if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    from jax import Array

    from bench.activations import Activation
else:
    jax, jnp = Lazy("jax"), Lazy("jax.numpy")

DIGITS = DATASETS["digits"]
LEVELS = 16  # a pixel counts the black ones among 4 x 4 of the scan
TOP = 1 - 1 / LEVELS  # pixels from -1 to 1 that are farther out are at an end
COLUMNS = 10  # of an exhibit
Network = Callable[["Array"], "Array"]


def load(task: Task) -> dict[str, Any]:
    """Parts (pixels, noise), the noise of train aside, which is drawn at each step; and what undoes the scaling.

    Pixels [samples, 64] are those of 0 to 1 less `mean`, over `deviation`: of a centred task the mean image of train
    and the deviation of all that is left, else 1/2 and 1/2. Noise [samples, options["noise_size"]] is drawn from
    N(0, 1) once and for all.
    """
    import numpy as np

    pixels = {part: x.astype(np.float64) / LEVELS for part, (x, _) in DIGITS.parts(DIGITS).items()}
    mean, deviation = np.full(DIGITS.shape[0], 0.5), 0.5
    if task.options["centred"]:
        mean = pixels["train"].mean(0)
        deviation = (pixels["train"] - mean).std()
    scaled = {part: ((x - mean) / deviation).astype(np.float32) for part, x in pixels.items()}
    random = np.random.Generator(np.random.Philox(key=0))
    noise = {part: random.standard_normal((len(scaled[part]), task.options["noise_size"])) for part in SPLITS[1:]}
    fixed = {part: (scaled[part], of.astype(np.float32)) for part, of in noise.items()}
    return {"train": (scaled["train"],), **fixed, "mean": np.float32(mean), "deviation": np.float32(deviation)}


def build(task: Task, activations: tuple["Activation", ...], index: "Array") -> Problem:
    """The problem of minimizing `options["loss"](outputs, pixels)` of what `options["run"]` makes of them."""
    options = task.options
    init, apply = networks(options["sizes"], activations, index, options["initialization"])

    def outputs(parameters: Tree, pixels: "Array", noise: "Array") -> Any:
        encode, decode = partial(apply, "encoder", parameters), partial(apply, "decoder", parameters)
        return options["run"](encode, decode, pixels, noise)

    def objective(parameters: Tree, state: Tree, batch: Tree, key: "Array") -> "Array":
        (pixels,) = batch
        noise = jax.random.normal(key, (len(pixels), options["noise_size"]), jnp.float32)
        return options["loss"](outputs(parameters, pixels, noise), pixels)

    def gradient(parameters: Tree, state: Tree, batch: Tree, key: "Array") -> tuple["Array", Tree, Tree]:
        return *jax.value_and_grad(objective)(parameters, state, batch, key), state

    def evaluate(parameters: Tree, state: Tree, part: Tree) -> tuple["Array", "Array"]:
        pixels, noise = part
        found = outputs(parameters, pixels, noise)
        return options["loss"](found, pixels), task.metric.function(found, pixels)

    def exhibit(parameters: Tree, state: Tree, data: dict[str, Tree]) -> "Array":
        pixels, noise = (values[:COLUMNS] for values in data["test"])
        decode = partial(apply, "decoder", parameters)
        found = outputs(parameters, pixels, noise)
        rows = [row(found, decode, pixels, noise) for row in options["rows"]]
        scaled = jnp.concatenate(rows) * data["deviation"] + data["mean"]
        return jnp.clip(scaled, 0, 1).reshape(-1, 8, 8, 1)

    return Problem(lambda key: (init(key), ()), gradient, objective, evaluate, decayed, exhibit)


def autoencode(encode: Network, decode: Network, pixels: "Array", noise: "Array") -> "Array":
    """x̂ = d(e(x))."""
    return decode(encode(pixels))


def denoise(strength: float, encode: Network, decode: Network, pixels: "Array", noise: "Array") -> "Array":
    """x̂ = d(e(x + σ ε)), σ in units of the pixels' deviation."""
    return decode(encode(pixels + strength * noise))


def sample(encode: Network, decode: Network, pixels: "Array", noise: "Array") -> tuple["Array", "Array", "Array"]:
    """(d(μ + exp(s / 2) ε), μ, s), where e(x) = (μ, s)."""
    mean, log_variance = jnp.split(encode(pixels), 2, axis=-1)
    return decode(mean + jnp.exp(log_variance / 2) * noise), mean, log_variance


def squared_error(outputs: "Array", pixels: "Array") -> "Array":
    """Mean over samples and pixels of (x̂ − x)²."""
    return jnp.square(outputs - pixels).mean()


def explained(outputs: "Array", pixels: "Array") -> "Array":
    """1 − Σ (x̂ − x)² / Σ (x − x̄)², x̄ the mean image of train: pixels [samples, 64] come less x̄."""
    return 1 - jnp.square(outputs - pixels).sum() / jnp.square(pixels).sum()


def log_likelihood(decoded: "Array", pixels: "Array") -> "Array":
    """log p(x) of each pixel, x one of 17 levels from -1 to 1: a logistic distribution cut at the levels' middles.

    p(x) = σ(s (x + 1/16 − m)) − σ(s (x − 1/16 − m)), the ends open, s = softplus(t); decoded (m, t) [..., 128].
    As logarithms, for the sigmoids may cancel: σ(a) − σ(b) = σ(a) σ(−b) (1 − exp(b − a)). Salimans et al. 2017.
    """
    m, t = jnp.split(decoded, 2, axis=-1)
    s = jax.nn.softplus(t)
    below = jnp.where(pixels < TOP, jax.nn.log_sigmoid((pixels + 1 / LEVELS - m) * s), 0)
    above = jnp.where(pixels > -TOP, jax.nn.log_sigmoid((m - pixels + 1 / LEVELS) * s), 0)
    both = jnp.where(jnp.abs(pixels) < TOP, jnp.log(-jnp.expm1(-2 / LEVELS * s)), 0)
    return below + above + both


def middle(decoded: "Array") -> "Array":
    """The m of each pixel's distribution."""
    return jnp.split(decoded, 2, axis=-1)[0]


def negative_elbo(outputs: tuple["Array", "Array", "Array"], pixels: "Array") -> "Array":
    """Mean over samples of KL(N(μ, exp(s)) ‖ N(0, 1)) − log p(x | z), z drawn: an upper bound of −log p(x), in nats.

    Kingma and Welling 2014.
    """
    decoded, mean, log_variance = outputs
    divergence = (jnp.exp(log_variance) + jnp.square(mean) - 1 - log_variance).sum(-1) / 2
    return (divergence - log_likelihood(decoded, pixels).sum(-1)).mean()


EXPLAINED = Metric("variance explained", explained, "maximize", worst=-inf, unit="%", scale=100.0)
ELBO = Metric("negative ELBO", negative_elbo, "minimize", worst=inf, unit="nats")


def coder(
    name: str,
    summary: str,
    *,
    code: int,
    width: int,
    depth: int,
    initialization: str,
    heads: int = 1,
    rows: Mapping[str, Callable[..., "Array"]],
    **of: Any,
) -> Task:
    """An encoder and a decoder of `depth` hidden layers of `width` units, `code` linear units between them.

    `heads` are the outputs for each unit of the code and for each pixel. `rows` are those of the exhibit: title ->
    function (outputs, decode, pixels, noise) -> [columns, 64]. FLOPs of one example: 2 a weight forward and 4
    backward, less the 2 of the gradient by the input.
    """
    pixels, hidden = DIGITS.shape[0], (width,) * depth
    sizes = {"encoder": (pixels, *hidden, heads * code), "decoder": (code, *hidden, heads * pixels)}
    metric, target, baseline = of.pop("metric"), of.pop("target"), of.pop("baseline")
    return Task(
        name=name,
        kind="reconstruction",
        summary=f"{summary}, {'-'.join(map(str, (pixels, *hidden, code, *hidden, pixels)))} perceptron",
        metric=metric,
        target=target,
        baseline=baseline,
        samples=DIGITS.samples,
        parameters=sum(map(parameters, sizes.values())),
        flops=6 * sum(map(weights, sizes.values())) - 2 * weights(sizes["encoder"][:2]),
        build=build,
        load=load,
        dataset=DIGITS,
        options={"sizes": sizes, "rows": tuple(rows.values()), "initialization": initialization, **of},
        exhibit="images",
        shown=partial(shown, tuple(rows)),
    )


def shown(rows: Sequence[str], task: Task) -> dict[str, Any]:
    """What a report says beside the pictures."""
    return {"title": f"{COLUMNS} test digits", "rows": list(rows)}


def autoencoder(code: int = 8, width: int = 128, depth: int = 2, initialization: str = "default") -> Task:
    """Squared error through a narrow code. Hinton and Salakhutdinov 2006.

    The target is out of reach of a linear code: 8 principal components explain 68 % of validation, 67 % of test.
    """
    return coder(
        "digits_autoencoder", f"Pass 8 x 8 handwritten digits through {code} numbers",
        code=code, width=width, depth=depth, initialization=initialization,
        run=autoencode, loss=squared_error, noise_size=0, centred=True,
        metric=EXPLAINED, target=0.7, baseline=0.0,
        rows={"input": lambda x_hat, decode, x, noise: x, "reconstruction": lambda x_hat, decode, x, noise: x_hat},
    )  # fmt: skip


def denoising(
    noise: float = 1.0, code: int = 32, width: int = 128, depth: int = 2, initialization: str = "default"
) -> Task:
    """Squared error to the digit that the noise was added to. Vincent et al. 2010.

    With noise as strong as the pixels vary, the noisy digits themselves explain 0 % and the best linear filter of the
    training part (Wiener 1949) 72 % of validation, 71 % of test: the target is out of its reach.
    """
    return coder(
        "digits_denoising", f"Clean 8 x 8 handwritten digits of noise {noise:g} times their deviation",
        code=code, width=width, depth=depth, initialization=initialization,
        run=partial(denoise, noise), loss=squared_error, noise_size=DIGITS.shape[0], centred=True,
        metric=EXPLAINED, target=0.73, baseline=0.0,
        rows={
            "input": lambda x_hat, decode, x, epsilon: x + noise * epsilon,
            "reconstruction": lambda x_hat, decode, x, epsilon: x_hat,
            "truth": lambda x_hat, decode, x, epsilon: x,
        },
    )  # fmt: skip


def vae(code: int = 8, width: int = 128, depth: int = 2, initialization: str = "default") -> Task:
    """Variational autoencoder, one draw a digit, fixed draws where it is evaluated. Kingma and Welling 2014.

    The likelihood is of whole levels, for a density of numbers with 17 values has no bound, and has room at both
    ends, where most pixels are; a binomial of 16 trials is far too narrow (254 nats where nothing is known of the
    digit). The baseline is this likelihood with the best m and t for each pixel; histograms of each pixel, with one
    count more a level, have 108.1 nats: the target is out of their reach too.
    """
    return coder(
        "digits_vae", f"Density of 8 x 8 handwritten digits by {code} hidden numbers",
        code=code, width=width, depth=depth, initialization=initialization, heads=2,
        run=sample, loss=negative_elbo, noise_size=code, centred=False,
        metric=ELBO, target=96.0, baseline=109.37,
        rows={
            "input": lambda outputs, decode, x, noise: x,
            "reconstruction": lambda outputs, decode, x, noise: middle(outputs[0]),
            "samples": lambda outputs, decode, x, noise: middle(decode(noise)),
        },
    )  # fmt: skip


COMMON: dict[str, Option] = {"width": int, "depth": int, "initialization": tuple(INITIALIZERS), "code": int}
TASKS = (
    variants(autoencoder, COMMON),
    variants(denoising, {**COMMON, "noise": float}),
    variants(vae, COMMON),
)
