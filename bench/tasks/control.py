"""Control: a policy that learns from the returns of its own episodes."""

from functools import partial
from math import pi
from typing import TYPE_CHECKING, Any

from bench.datasets import Samples
from bench.initializers import INITIALIZERS
from bench.lazy import Lazy
from bench.losses import Metric
from bench.tasks.base import Problem, Task, Tree, variants
from bench.tasks.networks import networks, parameters, weights
from bench.tasks.supervised import decayed

if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    from jax import Array, lax

    from bench.activations import Activation
else:
    jax, jnp, lax = Lazy("jax"), Lazy("jax.numpy"), Lazy("jax.lax")

GRAVITY, CART, POLE, HALF_LENGTH, FORCE, SECONDS = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02  # m/s², kg, kg, m, N, s
FARTHEST, TILTED = 2.4, 12 * pi / 180  # m and radians: beyond either an episode is over
START = 0.05  # each of the four starts uniformly between minus this and this
STEPS = 500  # of the longest episode
DISCOUNT = 0.99
EPISODES = Samples(train=0, validation=64, test=64)
SHOWN = 8  # episodes of an exhibit
UNITS = [FARTHEST, 1.0, TILTED, 1.0]  # what the policy is shown is divided by these


def push(cart: "Array", right: "Array") -> "Array":
    """The cart 0.02 s later, pushed to the right or to the left.

    cart [..., 4]: place x in m, speed in m/s, angle θ of the pole in radians and its speed; right [...] bool. With
    u = (F + m l θ'² sin θ) / (M + m), θ'' = (g sin θ − u cos θ) / (l (4/3 − m cos² θ / (M + m))) and
    x'' = u − m l θ'' cos θ / (M + m), then one step of Euler's method. Barto, Sutton and Anderson 1983, without their
    friction; the constants of Gymnasium's CartPole-v1.
    """
    _, speed, angle, spin = jnp.moveaxis(cart, -1, 0)
    mass, moment = CART + POLE, POLE * HALF_LENGTH
    sine, cosine = jnp.sin(angle), jnp.cos(angle)
    pushed = (jnp.where(right, FORCE, -FORCE) + moment * spin**2 * sine) / mass
    spun = (GRAVITY * sine - cosine * pushed) / (HALF_LENGTH * (4 / 3 - POLE * cosine**2 / mass))
    sped = pushed - moment * spun * cosine / mass
    change = jnp.stack([speed, sped, spin, spun], axis=-1)
    return cart + SECONDS * change


def over(cart: "Array") -> "Array":
    """Whether the pole has fallen or the cart has left the track; cart [..., 4] -> [...] bool."""
    return (jnp.abs(cart[..., 0]) > FARTHEST) | (jnp.abs(cart[..., 2]) > TILTED)


def episode(policy: Any, start: "Array", uniforms: "Array") -> tuple["Array", "Array", "Array"]:
    """Episodes side by side: (seen [steps, episodes, 4], right [steps, episodes] bool, alive [steps, episodes]).

    `policy(seen) -> log odds of a push to the right`; start [episodes, 4]; uniforms [steps, episodes] decide. A step
    is alive, 1.0, where the episode was not over before it; each such step is worth 1.
    """

    def step(carry: tuple["Array", "Array"], uniform: "Array") -> tuple[Any, Any]:
        cart, alive = carry
        seen = cart / jnp.array(UNITS, cart.dtype)
        right = uniform < jax.nn.sigmoid(policy(seen))
        moved = jnp.where(alive[:, None] > 0, push(cart, right), cart)
        return (moved, jnp.where(over(moved), 0, alive)), (seen, right, alive)

    _, steps = lax.scan(step, (start, jnp.ones(len(start), start.dtype)), uniforms)
    return steps


def advantage(alive: "Array") -> "Array":
    """Return to come of each step, Σ γ^k of those alive after it, less its mean over the other episodes alive then.

    alive [steps, episodes]. The mean leaves its own episode out, so that the gradient has no bias; a step that only
    one episode has reached is compared with nothing and counts as 0.
    """

    def back(later: "Array", now: "Array") -> tuple["Array", "Array"]:
        total = now * (1 + DISCOUNT * later)
        return total, total

    _, returns = lax.scan(back, jnp.zeros_like(alive[0]), alive, reverse=True)
    others = alive.sum(1, keepdims=True) - 1
    mean = (returns.sum(1, keepdims=True) - returns) / jnp.maximum(others, 1)
    return alive * jnp.where(others > 0, returns - mean, 0)


def build(task: Task, activations: tuple["Activation", ...], index: "Array") -> Problem:
    """REINFORCE (Williams 1992): ∇ of −Σ A log π(a | s) over a batch of episodes of the policy itself.

    The loss is the share of the 500 steps that the episodes did not last. `objective` has that value and
    the estimate of its gradient, in units of 500 steps; its second derivatives are those of the sum alone, for the
    episodes are drawn from the parameters as they are.
    """
    options = task.options
    init, apply = networks(options["sizes"], activations, index, options["initialization"])

    def policy(parameters: Tree, seen: "Array") -> "Array":
        return apply("policy", parameters, seen)[:, 0]

    def objective(parameters: Tree, state: Tree, batch: Tree, key: "Array") -> "Array":
        (blank,) = batch
        start_key, action_key = jax.random.split(key)
        start = jax.random.uniform(start_key, (len(blank), 4), jnp.float32, -START, START)
        uniforms = jax.random.uniform(action_key, (STEPS, len(blank)), jnp.float32)
        seen, right, alive = episode(partial(policy, lax.stop_gradient(parameters)), start, uniforms)
        log_odds = policy(parameters, seen.reshape(-1, 4)).reshape(alive.shape)
        log_chosen = jax.nn.log_sigmoid(jnp.where(right, log_odds, -log_odds))
        surrogate = -(advantage(alive) * log_chosen).sum() / (STEPS * len(blank))
        return missed(alive) + surrogate - lax.stop_gradient(surrogate)

    def gradient(parameters: Tree, state: Tree, batch: Tree, key: "Array") -> tuple["Array", Tree, Tree]:
        return *jax.value_and_grad(objective)(parameters, state, batch, key), state

    def evaluate(parameters: Tree, state: Tree, part: Tree) -> tuple["Array", "Array"]:
        start, uniforms = part
        _, _, alive = episode(partial(policy, parameters), start, uniforms)
        lost = jnp.isnan(policy(parameters, start)).any()  # it pushes to the left, as any comparison with nan is false
        return jnp.where(lost, jnp.nan, missed(alive)), task.metric.function(alive)

    def exhibit(parameters: Tree, state: Tree, data: dict[str, Tree]) -> "Array":
        start, uniforms = data["test"]
        seen, _, alive = episode(partial(policy, parameters), start[:SHOWN], uniforms[:, :SHOWN])
        angle = seen[..., 2] * (TILTED * 180 / pi)
        return jnp.where(alive > 0, angle, jnp.nan).T

    return Problem(lambda key: (init(key), ()), gradient, objective, evaluate, decayed, exhibit)


def load(task: Task) -> dict[str, Any]:
    """Parts (start [episodes, 4], uniforms [steps, episodes]) drawn once and for all; train is blank."""
    import numpy as np

    random = np.random.Generator(np.random.Philox(key=0))

    def part(episodes: int) -> tuple["np.ndarray", "np.ndarray"]:
        start = random.uniform(-START, START, (episodes, 4)).astype(np.float32)
        return start, random.random((STEPS, episodes), np.float32)

    blank = (np.zeros((1, 0), np.float32),)
    return {"train": blank, "validation": part(EPISODES.validation), "test": part(EPISODES.test)}


def mean_return(alive: "Array") -> "Array":
    """Mean over episodes of the steps that they lasted; alive [steps, episodes]."""
    return alive.sum(0).mean()


def missed(alive: "Array") -> "Array":
    """The share of the steps that the episodes did not last, from 0 to 1."""
    return (STEPS - mean_return(alive)) / STEPS


RETURN = Metric("mean return", mean_return, "maximize", worst=0.0, unit="time steps", best=float(STEPS))


def cartpole(width: int = 32, depth: int = 1, initialization: str = "default") -> Task:
    """CartPole-v1, episodes of at most 500 steps, actions drawn from the policy in training and evaluation alike.

    The target is where Gymnasium calls it solved. The baseline is a push to either side with probability 1/2. FLOPs of
    one example, an episode of full length: 2 a weight to act, and for the gradient 2 forward and 4 backward, less the
    2 of the gradient by the input.
    """
    sizes = {"policy": (4, *(width,) * depth, 1)}
    return Task(
        name="cartpole_reinforce",
        kind="control",
        summary=f"Balance a pole on a cart by REINFORCE, {'-'.join(map(str, sizes['policy']))} perceptron",
        metric=RETURN,
        target=475.0,
        baseline=1383 / 64,
        baseline_is="pushing to either side at random",
        samples=EPISODES,
        parameters=parameters(sizes["policy"]),
        flops=STEPS * (8 * weights(sizes["policy"]) - 8 * width),
        build=build,
        load=load,
        options={"sizes": sizes, "initialization": initialization},
        exhibit="series",
        shown=shown,
    )


def shown(task: Task) -> dict[str, Any]:
    """What a report says beside the curves."""
    return {
        "title": "Angle of the pole until an episode is over",
        "x": "time (s)",
        "step": SECONDS,
        "y": "pole angle (degrees)",
    }


TASKS = (variants(cartpole, {"width": int, "depth": int, "initialization": tuple(INITIALIZERS)}),)
