"""Generation: two players, a generator of samples and a discriminator that tells them from data."""

from math import cos, pi, sin
from typing import TYPE_CHECKING, Any

from bench.datasets import DATASETS, SPLITS, Samples
from bench.initializers import INITIALIZERS
from bench.lazy import Lazy
from bench.losses import Metric
from bench.tasks.base import Option, Problem, Task, Tree, variants
from bench.tasks.networks import networks, parameters, weights
from bench.tasks.supervised import decayed

if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    from jax import Array, lax

    from bench.activations import Activation
else:
    jax, jnp, lax = Lazy("jax"), Lazy("jax.numpy"), Lazy("jax.lax")

DIGITS = DATASETS["digits"]
MODES, RADIUS, DEVIATION, GOOD = 8, 2.0, 0.1, 3.0  # the ring; a sample within GOOD deviations of a mode is good
CENTRES = [[RADIUS * cos(2 * pi * k / MODES), RADIUS * sin(2 * pi * k / MODES)] for k in range(MODES)]
DRAWN = Samples(train=0, validation=1000, test=1000)
GENERATED = 500  # digits that a network is judged by
SHOWN = 500  # points of an exhibit
COLUMNS = 8  # of an exhibit, likewise of digits in a row
BANDWIDTH = 18.8  # ℓ²: half the median of ‖x − y‖² among digits of train, pixels -1 to 1


def build(task: Task, activations: tuple["Activation", ...], index: "Array") -> Problem:
    """Both players' losses at once: softplus(−D(x)) + softplus(D(G(z))) of D, softplus(−D(G(z))) of G.

    Goodfellow et al. 2014, the generator's loss their non-saturating one. The gradient is that of a step that both
    take at the same time. `objective` is the sum of the two losses in which each player sees the other as fixed: its
    gradient is both players' own, but the sum is nothing that training would bring down (3 log 2 where neither can
    gain), so that what searches along it, or calls it small, has no guarantee here.
    """
    options = task.options
    init, apply = networks(options["sizes"], activations, index, options["initialization"])

    def generate(parameters: Tree, latent: "Array") -> "Array":
        return options["squash"](apply("generator", parameters, latent))

    def loss(parameters: Tree, real: "Array", latent: "Array") -> "Array":
        fixed = lax.stop_gradient(parameters)
        fake = generate(parameters, latent)
        of_real = apply("discriminator", parameters, real)
        of_fake = apply("discriminator", parameters, lax.stop_gradient(fake))
        judged = apply("discriminator", fixed, fake)  # the same product as the line above: XLA does it once
        own = jax.nn.softplus(-of_real).mean() + jax.nn.softplus(of_fake).mean()
        return own + jax.nn.softplus(-judged).mean()

    def objective(parameters: Tree, state: Tree, batch: Tree, key: "Array") -> "Array":
        real_key, latent_key = jax.random.split(key)
        real = options["real"](batch, real_key)
        return loss(parameters, real, jax.random.normal(latent_key, (len(real), options["latent"]), jnp.float32))

    def gradient(parameters: Tree, state: Tree, batch: Tree, key: "Array") -> tuple["Array", Tree, Tree]:
        return *jax.value_and_grad(objective)(parameters, state, batch, key), state

    def evaluate(parameters: Tree, state: Tree, part: Tree) -> tuple["Array", "Array"]:
        real, latent = part
        return loss(parameters, real, latent), task.metric.function(generate(parameters, latent), real)

    def exhibit(parameters: Tree, state: Tree, data: dict[str, Tree]) -> "Array":
        real, latent = data["test"]
        return options["show"](generate(parameters, latent), real)

    return Problem(lambda key: (init(key), ()), gradient, objective, evaluate, decayed, exhibit)


def ring(key: "Array", samples: int) -> "Array":
    """Points [samples, 2] of eight Gaussians of deviation 0.1 on a circle of radius 2."""
    mode_key, noise_key = jax.random.split(key)
    centres = jnp.array(CENTRES, jnp.float32)[jax.random.randint(mode_key, (samples,), 0, MODES, jnp.int32)]
    return centres + DEVIATION * jax.random.normal(noise_key, (samples, 2), jnp.float32)


def coverage(generated: "Array", real: "Array") -> "Array":
    """Σ over modes of min(p_k, 1/8), p_k the share of generated [samples, 2] within 3 deviations of centre k.

    It is the share of good samples, less what any mode has beyond its eighth: 1 less the distance in total variation
    of the shares from what they should be. 1 needs all modes and no bad sample; one mode alone has 1/8.
    """
    distance = jnp.linalg.norm(generated[:, None] - jnp.array(CENTRES, jnp.float32), axis=-1)
    shares = (distance < GOOD * DEVIATION).mean(0, dtype=jnp.float32)
    return jnp.minimum(shares, 1 / MODES).sum()


def discrepancy(generated: "Array", real: "Array") -> "Array":
    """Squared maximum mean discrepancy, k(x, y) = exp(−‖x − y‖² / ℓ²), without bias: below 0 by chance.

    The mean of k over pairs of generated, and over pairs of real, less twice that over pairs of one and the other. A
    few hundred digits are enough: a Fréchet distance needs covariances of 64 pixels, whose error at this size is a
    bias that it does not shed. Gretton et al. 2012; Bińkowski et al. 2018.
    """

    def among(x: "Array") -> "Array":
        return (kernel(x, x).sum() - len(x)) / (len(x) * (len(x) - 1))

    return among(generated) + among(real) - 2 * kernel(generated, real).mean()


def kernel(x: "Array", y: "Array") -> "Array":
    """exp(−‖x − y‖² / ℓ²) for each pair of x [n, features] and y [m, features]."""
    squares = jnp.square(x).sum(1)[:, None] + jnp.square(y).sum(1) - 2 * x @ y.T
    return jnp.exp(-jnp.maximum(squares, 0) / BANDWIDTH)


COVERAGE = Metric("mode coverage", coverage, "maximize", worst=0.0, unit="%", scale=100.0)
DISCREPANCY = Metric("MMD²", discrepancy, "minimize", worst=float("inf"), unit="×10⁻³", scale=1000.0)


def load_ring(task: Task) -> dict[str, Any]:
    """Parts (points, latent) drawn once and for all; train is blank, its points are drawn at each step."""
    import numpy as np

    random = np.random.Generator(np.random.Philox(key=0))

    def part(samples: int) -> tuple["np.ndarray", "np.ndarray"]:
        points = np.array(CENTRES)[random.integers(MODES, size=samples)] + DEVIATION * random.standard_normal(
            (samples, 2)
        )
        return points.astype(np.float32), random.standard_normal((samples, task.options["latent"]), np.float32)

    return {"train": (np.zeros((1, 0), np.float32),), "validation": part(DRAWN.validation), "test": part(DRAWN.test)}


def load_digits(task: Task) -> dict[str, Any]:
    """Parts (pixels -1 to 1 [samples, 64], latent [500, k]), the latent of train aside: it is drawn at each step."""
    import numpy as np

    random = np.random.Generator(np.random.Philox(key=0))
    pixels = {part: x / np.float32(8) - 1 for part, (x, _) in DIGITS.parts(DIGITS).items()}
    latent = {part: random.standard_normal((GENERATED, task.options["latent"]), np.float32) for part in SPLITS[1:]}
    return {"train": (pixels["train"],), **{part: (pixels[part], latent[part]) for part in latent}}


def adversaries(
    name: str, summary: str, *, features: int, latent: int, width: int, depth: int, initialization: str, **of: Any
) -> Task:
    """A generator and a discriminator of `depth` hidden layers of `width` units each.

    FLOPs of one example: of the generator 2 a weight forward and 4 backward, less the 2 of the gradient by the
    latent; of the discriminator that for a real and for a generated example, less both gradients by the input, and 2
    a weight for the way back to the generated example.
    """
    hidden = (width,) * depth
    sizes = {"generator": (latent, *hidden, features), "discriminator": (features, *hidden, 1)}
    generator, discriminator = map(weights, sizes.values())
    work = 6 * generator - 2 * latent * width + 14 * discriminator - 4 * features * width
    options = {"sizes": sizes, "latent": latent, "initialization": initialization}
    shape = "-".join(map(str, (latent, *hidden, features, *hidden, 1)))
    return Task(
        name=name, kind="generation", summary=f"{summary}, {shape} generator and discriminator", build=build,
        parameters=sum(map(parameters, sizes.values())), flops=work,
        options={**options, **of.pop("options")}, **of,
    )  # fmt: skip


def ring_gan(latent: int = 8, width: int = 64, depth: int = 2, initialization: str = "default") -> Task:
    """Eight Gaussians on a ring, drawn at each step. Metz et al. 2017, their deviation 0.02.

    The baseline is the best that a generator of one point can do.
    """
    return adversaries(
        "ring_gan", "Draw from eight Gaussians on a ring",
        features=2, latent=latent, width=width, depth=depth, initialization=initialization,
        metric=COVERAGE, target=0.5, baseline=1 / MODES, baseline_is="drawing one point over and over",
        samples=DRAWN, load=load_ring,
        options={
            "squash": lambda x: x,
            "real": lambda batch, key: ring(key, len(batch[0])),
            "show": lambda generated, real: generated[:SHOWN],
        },
        exhibit="points", shown=shown_ring,
    )  # fmt: skip


def shown_ring(task: Task) -> dict[str, Any]:
    """The ring beside the points: the modes, and how far from one a sample is still good."""
    return {"title": f"{SHOWN} generated points", "reference": CENTRES, "reference_radius": GOOD * DEVIATION}


def digits_gan(latent: int = 16, width: int = 128, depth: int = 2, initialization: str = "default") -> Task:
    """Digits of 8 x 8 pixels, as vectors. Goodfellow et al. 2014.

    The baseline is the mean image of train. Against validation four training digits over and over have 190e-3, noise
    210e-3, forty digits 26e-3, a Gaussian of train's mean and covariance cut to the range of a pixel 24e-3, pixels
    drawn each from its histogram 17e-3, and train itself -1e-3.
    """
    return adversaries(
        "digits_gan", "Draw 8 x 8 handwritten digits",
        features=DIGITS.shape[0], latent=latent, width=width, depth=depth, initialization=initialization,
        metric=DISCREPANCY, target=0.05, baseline=0.4164, baseline_is="drawing the mean digit over and over",
        samples=DIGITS.samples, load=load_digits, dataset=DIGITS,
        options={
            "squash": lambda x: jnp.tanh(x),
            "real": lambda batch, key: batch[0],
            "show": rows,
        },
        exhibit="images", shown=shown_digits,
    )  # fmt: skip


def rows(generated: "Array", real: "Array") -> "Array":
    """A row of data and three of generated digits, [32, 8, 8, 1] from 0 to 1."""
    pixels = jnp.concatenate([real[:COLUMNS], generated[: 3 * COLUMNS]])
    return pixels.reshape(-1, 8, 8, 1) / 2 + 0.5


def shown_digits(task: Task) -> dict[str, Any]:
    """What a report says beside the pictures."""
    return {"title": "Test digits and generated ones", "rows": ["data", "generated", "generated", "generated"]}


COMMON: dict[str, Option] = {"width": int, "depth": int, "initialization": tuple(INITIALIZERS), "latent": int}
TASKS = (variants(ring_gan, COMMON), variants(digits_gan, COMMON))
