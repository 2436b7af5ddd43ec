"""One table of optimizers, `OPTIMIZERS`: each names its factory and, as data, what is special about it.

To add one: add one entry. `LEFT_OUT` says why the other aliases of optax are not in the table.
Neither jax nor optax is imported before an optimizer is built.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import nan
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bench.errors import InputError
from bench.labels import called
from bench.lazy import Lazy, named
from bench.schedules import SCHEDULES, Schedule

if TYPE_CHECKING:
    import jax
    import optax
    from optax import contrib
else:
    jax, optax, contrib = Lazy("jax"), Lazy("optax"), Lazy("optax.contrib")


Mask = Callable[[Any], Any]


@dataclass(frozen=True)
class Optimizer:
    """An entry of the table.

    `factory` is "module:function" of an optax alias, or a function; called inside the trace with the lane's
    learning rate under the name `learning_rate` and with `arguments`.
    """

    name: str
    factory: str | Callable[..., Any]
    summary: str
    takes: str = ""  # the arguments that a suite may set, as in "b1 rank:int nesterov:bool"; b1 is a number
    arguments: Mapping[str, Any] = field(default_factory=dict)  # set by us; the rest keep optax's defaults
    learning_rate: str = "learning_rate"  # the argument that a lane's learning rate sets
    multiplier: bool = False  # the learning rate scales a step that it finds itself: 1 is neutral
    mask: str = ""  # the argument that says which parameters decay; an entry without it takes no weight decay
    key: str = ""  # the argument that a lane's key sets, where the optimizer itself draws random numbers
    extra: tuple[str, ...] = ()  # what else update needs, of `EXTRA`
    evaluation: str = ""  # "module:function"(state, parameters): what to evaluate, if not the parameters
    full_batch: bool = False  # each step sees all training data
    alone: bool = False  # a program of its own, one lane at a time: rare heavy work that vmap would always do
    refuses: tuple[str, ...] = ()  # those of `COMMON` that its state would undo: θ is rebuilt from it at each step
    contains: tuple[str, ...] = ()  # entries that are cases of it: tuned, it should not lose to them
    schedule: Schedule = SCHEDULES["constant"]
    default_learning_rate: float = nan  # what is used untuned: the paper's, Keras's or PyTorch's; nan: none
    searched: tuple[str, ...] = ()  # arguments whose values each lane brings
    label: str = ""
    own: bool = False  # a user's own, registered

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label or self.name)

    def __hash__(self) -> int:
        return hash(self.label)

    @property
    def accepts(self) -> dict[str, type]:
        """The arguments of its own that a suite may set: name -> float, int or bool; see `COMMON` for the rest."""
        pairs = (word.partition(":") for word in self.takes.split())
        return {name: KINDS[kind] for name, _, kind in pairs}

    def configured(
        self,
        arguments: Mapping[str, Any],
        schedule: Schedule | None = None,
        ranges: Mapping[str, Any] = MappingProxyType({}),
    ) -> "Optimizer":
        """This entry with other arguments; its label names those that differ from the table's.

        `ranges` are arguments whose values each lane brings, with what the label says of them. Raises `InputError` for
        an argument that the entry refuses, unless it is off.
        """
        for name in self.refuses:
            if name in ranges or arguments.get(name, COMMON[name]) != COMMON[name]:
                raise InputError(f"optimizer {self.name}: got a {name}, which its state would undo; expected none")
        schedule = schedule or self.schedule
        off = {name: value for name, value in COMMON.items() if name not in self.accepts}
        changed = {k: v for k, v in arguments.items() if {**off, **self.arguments}.get(k, _UNSET) != v}
        scheduled = {"schedule": schedule.label} if schedule != self.schedule else {}
        label = called(self.name, {**changed, **ranges, **scheduled})
        fixed = {k: v for k, v in {**self.arguments, **arguments}.items() if k not in ranges}
        return replace(self, arguments=fixed, schedule=schedule, searched=tuple(ranges), label=label)

    def factor(self, progress: Any) -> Any:
        """What the schedule multiplies the learning rate with when this share of the steps is done: more than 0."""
        factor = self.schedule(progress)
        return factor if self.schedule == SCHEDULES["constant"] else jax.numpy.maximum(factor, LEAST_FACTOR)

    def build(
        self, learning_rate: Any, key: Any = None, decay_mask: Mask | None = None, values: Iterable[Any] = ()
    ) -> Any:
        """The optax transformation for a (traced) learning rate; its state must be made in the same trace.

        `key` is a typed key, `jax.random.key`; `decay_mask` maps parameters to a tree of bools, true where
        weights decay. `values` are the (traced) numbers of the arguments that are `searched`, and maybe more.
        """
        arguments = {**self.arguments, **dict(zip(self.searched, values, strict=False))}
        given = {self.learning_rate: learning_rate}
        if self.key and key is None:
            raise ValueError(f"{self.name} draws random numbers: build it with a key")
        if self.key:
            given[self.key] = key
        if self.mask and decay_mask is not None:
            given[self.mask] = decay_mask
        common = {name: arguments.get(name, off) for name, off in COMMON.items() if name not in self.accepts}
        inner = named(self.factory)(**given, **{k: v for k, v in arguments.items() if k not in common})
        return wrapped(inner, learning_rate, decay_mask, **common)

    def evaluated(self, state: Any, parameters: Any) -> Any:
        """The parameters to evaluate."""
        return named(self.evaluation)(state, parameters) if self.evaluation else parameters


def wrapped(
    inner: Any, learning_rate: Any, decay_mask: Mask | None, clip_norm: Any = 0.0, weight_decay: Any = 0.0
) -> Any:
    """`inner` on g min(1, clip_norm / ‖g‖), less η weight_decay θ; 0 switches either off, a traced number neither.

    The decay is apart from the gradient, as in Loshchilov and Hutter 2019; the clipping that of Pascanu, Mikolov and
    Bengio 2013. Neither has a state of its own.
    """
    clips, decays = (not isinstance(of, float | int) or of != 0 for of in (clip_norm, weight_decay))
    if not clips and not decays:
        return inner
    inner = optax.with_extra_args_support(inner)

    def shrink(updates: Any, params: Any) -> Any:
        return jax.tree.map(lambda u, p: u - learning_rate * weight_decay * p, updates, params)

    def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        if clips:
            updates, _ = optax.clip_by_global_norm(clip_norm).update(updates, optax.EmptyState())
        updates, state = inner.update(updates, state, params, **extra)
        if decays:
            mask = decay_mask(params) if decay_mask else True  # a prefix of the parameters' tree
            updates = jax.tree.map(lambda d, u, p: shrink(u, p) if d else u, mask, updates, params)
        return updates, state

    return optax.GradientTransformationExtraArgs(inner.init, update)


LEAST_FACTOR = 1e-12  # by a learning rate of 0, as that with which a warm-up begins, Prodigy and D-Adaptation divide
COMMON = {"clip_norm": 0.0, "weight_decay": 0.0}  # what any entry takes that has no such argument itself: off
FACTORS: dict[str, Any] = {"schedule": "constant", **COMMON}  # what a suite sweeps over them, and what labels leave out
EXTRA = ("value", "grad", "value_fn", "obj_fn")  # what an update may ask for, as optax calls it
_UNSET = object()
KINDS: dict[str, type] = {"": float, "int": int, "bool": bool}  # of arguments, as `takes` tells them


def rprop(learning_rate: Any, **arguments: Any) -> Any:
    """optax's Rprop without its delay: 0.2.8 gives the update of the step before (its pull request 1725)."""
    inner = optax.scale_by_rprop(learning_rate, **arguments)

    def update(updates: Any, state: Any, params: Any = None) -> Any:
        _, state = inner.update(updates, state, params)
        return jax.tree.map(lambda now: -now, state.prev_updates), state

    return optax.GradientTransformation(inner.init, update)


def adan(
    learning_rate: Any,
    b1: float = 0.98,
    b2: float = 0.92,
    b3: float = 0.99,
    eps: float = 1e-8,
    eps_root: float = 1e-8,
    weight_decay: float = 0.0,
    mask: Mask | None = None,
) -> Any:
    """θ ← θ − η (m + b2 d) / (√n + ε), running means m of g, d of its change Δ, n of (g + b2 Δ)².

    Xie et al. 2022. optax 0.2.8 has 1 − b2 in place of both factors b2 (its pull request 1715).
    """
    means = [optax.ema(decay) for decay in (b1, b2, b3)]

    def init(params: Any) -> Any:
        return optax.tree.zeros_like(params), [mean.init(params) for mean in means]

    def update(updates: Any, state: Any, params: Any = None) -> Any:
        before, states = state
        change = jax.tree.map(lambda g, h: jax.numpy.where(states[0].count > 0, g - h, 0), updates, before)
        squares = jax.tree.map(lambda g, d: (g + b2 * d) ** 2, updates, change)
        moved = [m.update(x, s) for m, x, s in zip(means, (updates, change, squares), states, strict=True)]
        (m, d, n), states = zip(*moved, strict=True)
        scaled = jax.tree.map(lambda m, d, n: (m + b2 * d) / (jax.numpy.sqrt(n + eps_root) + eps), m, d, n)
        return scaled, (updates, list(states))

    return optax.chain(
        optax.GradientTransformation(init, update),
        optax.add_decayed_weights(weight_decay, mask),
        optax.scale_by_learning_rate(learning_rate),
    )


def sophia(learning_rate: Any, key: Any, **arguments: Any) -> Any:
    """optax's Sophia, its random estimate of the Hessian's diagonal drawn from the lane's key."""
    estimate = contrib.hutchinson_estimator_diag_hessian(jax.random.key_data(key))
    return contrib.sophia(learning_rate, hessian_diagonal_fn=estimate, **arguments)


def sam(learning_rate: Any, rho: float = 0.05, momentum: float = 0.9, nesterov: bool = False) -> Any:
    """g ← ∇L(θ + ρ g / ‖g‖), then momentum. Foret et al. 2021.

    Both gradients of a step see the same minibatch.
    """
    # optax.contrib.normalize divides 0 by 0 where the gradient vanishes; this one does not.
    climb = optax.chain(optax.normalize_by_update_norm(), optax.sgd(rho))
    descend = optax.sgd(learning_rate, momentum, nesterov)
    inner = contrib.sam(descend, climb, opaque_mode=True)

    def update(updates: Any, state: Any, params: Any, *, value_fn: Callable[[Any], Any]) -> Any:
        return inner.update(updates, state, params, grad_fn=lambda p, _: jax.grad(value_fn)(p))

    return optax.GradientTransformationExtraArgs(inner.init, update)


def mechanic_adam(
    learning_rate: Any, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8, s_init: float = 1e-6
) -> Any:
    """Adam whose step is scaled by a learned s: θ ← θ₀ + s Σ u. Cutkosky, Defazio and Mehta 2023."""
    # Its weight decay takes no mask and would reach the slopes of a PReLU.
    return contrib.mechanize(optax.adam(learning_rate, b1, b2, eps), weight_decay=0.0, s_init=s_init)


_ADAM = "b1 b2 eps eps_root"

# fmt: off
OPTIMIZERS: dict[str, Optimizer] = {entry.name: entry for entry in (
    # Gradient descent and momentum
    Optimizer("gradient_descent", "optax:sgd", "θ ← θ − η ∇L over all training data. Cauchy 1847.",
        "momentum nesterov:bool", full_batch=True),
    Optimizer("sgd", "optax:sgd", "θ ← θ − η g on a minibatch. Robbins and Monro 1951.",
        "momentum nesterov:bool", default_learning_rate=0.01),
    Optimizer("momentum", "optax:sgd", "m ← 0.9 m + g, θ ← θ − η m, as in PyTorch. Polyak 1964.",
        "momentum nesterov:bool", {"momentum": 0.9}, contains=("sgd",), default_learning_rate=0.01),
    Optimizer("nesterov", "optax:sgd",
        "m ← 0.9 m + g, θ ← θ − η (g + 0.9 m), as in PyTorch. Nesterov 1983; Sutskever et al. 2013.",
        "momentum nesterov:bool", {"momentum": 0.9, "nesterov": True}, contains=("sgd",), default_learning_rate=0.01),
    Optimizer("optimistic_gradient_descent", "optax:optimistic_gradient_descent",
        "θ ← θ − η (2 g − g of the step before). Mokhtari, Ozdaglar and Pattathil 2020.",
        "alpha beta", contains=("sgd",)),
    Optimizer("noisy_sgd", "optax:noisy_sgd", "SGD on g + N(0, 0.01 / t^0.55). Neelakantan et al. 2015.",
        "eta gamma", key="key", contains=("sgd",)),
    Optimizer("sign_sgd", "optax:sign_sgd", "θ ← θ − η sign(g). Bernstein et al. 2018."),
    Optimizer("signum", "optax:signum", "θ ← θ − η sign(m), m a running mean of g. Bernstein et al. 2018.",
        "beta", contains=("sign_sgd",)),
    Optimizer("lion", "optax:lion",
        "θ ← θ − η (sign(0.9 m + 0.1 g) + 0.001 θ), m a running mean of g. Chen et al. 2023.",
        "b1 b2 weight_decay", mask="mask", contains=("signum",), default_learning_rate=1e-4),
    Optimizer("sam", sam,
        "g at the worst point within ρ = 0.05, then momentum; two gradients a step. Foret et al. 2021.",
        "rho momentum nesterov:bool", extra=("value_fn",), contains=("momentum",)),
    # Scaled by squares of gradients
    Optimizer("adagrad", "optax:adagrad",
        "θ ← θ − η g / √(0.1 + Σg² + ε); TensorFlow's: PyTorch's sum starts at 0. Duchi et al. 2011.",
        "initial_accumulator_value eps", contains=("sgd",), default_learning_rate=0.01),
    Optimizer("rmsprop", "optax:rmsprop",
        "θ ← θ − η g / √(v + ε), v a running mean of g²; PyTorch's ε is outside the root. Hinton 2012.",
        "decay eps initial_scale eps_in_sqrt:bool centered:bool momentum nesterov:bool"
        " bias_correction:bool", contains=("sgd",), default_learning_rate=0.001),
    Optimizer("adadelta", "optax:adadelta",
        "RMSProp whose step is scaled by a running mean of its own squares. Zeiler 2012.",
        "rho eps weight_decay", multiplier=True, mask="weight_decay_mask", default_learning_rate=1.0),
    Optimizer("adafactor", "optax:adafactor",
        "RMSProp with v of rank one, its step relative to the weights' size. Shazeer and Stern 2018.",
        "min_dim_size_to_factor:int decay_rate decay_offset:int multiply_by_parameter_scale:bool"
        " clipping_threshold momentum weight_decay_rate eps factored:bool",
        {"min_dim_size_to_factor": 32},  # optax factors from 128 on: in a narrow net, nothing
        mask="weight_decay_mask"),
    Optimizer("sm3", "optax:sm3",
        "Adagrad whose sums are kept for each row and column. Anil, Gupta, Koren and Singer 2019.",
        "momentum"),
    Optimizer("novograd", "optax:novograd",
        "m ← 0.9 m + g / √v, v a running mean of a layer's ‖g‖². Ginsburg et al. 2019.",
        _ADAM),
    Optimizer("rprop", rprop,
        "A step for each weight, first η: ×1.2 while ∇L keeps sign, else ×0.5. Riedmiller and Braun 1993.",
        "eta_minus eta_plus min_step_size max_step_size", full_batch=True, default_learning_rate=0.01),
    Optimizer("madgrad", "optax.contrib:madgrad",
        "Dual averaging: θ ← θ₀ − Σ λg / ∛(Σ λg²), λ = η √t, then momentum. Defazio and Jelassi 2022.",
        "momentum eps", refuses=("weight_decay",), default_learning_rate=0.01),
    # Adam and its kin
    Optimizer("adam", "optax:adam",
        "θ ← θ − η m / (√v + ε), m and v the corrected running means of g and g². Kingma and Ba 2015.",
        f"{_ADAM} nesterov:bool", contains=("momentum", "rmsprop"), default_learning_rate=0.001),
    Optimizer("nadam", "optax:nadam",
        "Adam with Nesterov's look ahead; PyTorch's has b1 grow. Dozat 2016.",
        _ADAM, contains=("nesterov", "rmsprop"), default_learning_rate=0.002),
    Optimizer("adamw", "optax:adamw",
        "Adam, and θ ← θ − η 0.0001 θ apart from it; PyTorch's decay is 0.01. Loshchilov and Hutter 2019.",
        f"{_ADAM} weight_decay nesterov:bool", mask="mask", contains=("adam",), default_learning_rate=0.001),
    Optimizer("nadamw", "optax:nadamw", "AdamW with Nesterov's look ahead. Dozat 2016.",
        f"{_ADAM} weight_decay", mask="mask", contains=("nadam",), default_learning_rate=0.001),
    Optimizer("adamax", "optax:adamax",
        "Adam with v ← max(0.999 v, |g| + ε) and no root. Kingma and Ba 2015.",
        "b1 b2 eps", contains=("momentum",), default_learning_rate=0.002),
    Optimizer("adamaxw", "optax:adamaxw",
        "AdaMax, and weight decay apart from it. Loshchilov and Hutter 2019.",
        "b1 b2 eps weight_decay", mask="mask", contains=("adamax",), default_learning_rate=0.002),
    Optimizer("amsgrad", "optax:amsgrad",
        "Adam with the largest corrected v so far; PyTorch corrects the largest v. Reddi et al. 2018.",
        f"{_ADAM} bias_correction_mu:bool bias_correction_nu:bool", contains=("momentum",),
        default_learning_rate=0.001),
    Optimizer("adabelief", "optax:adabelief",
        "Adam with v of g − m; both ε, in v and by the root, 1e-16, the paper's 1e-8. Zhuang et al. 2020.",
        f"{_ADAM} nesterov:bool", contains=("momentum",), default_learning_rate=0.001),
    Optimizer("acprop", "optax.contrib:acprop",
        "θ ← θ − η g / (√v + ε), v of g − m as AdaBelief's, of the step before. Zhuang et al. 2021.",
        f"{_ADAM} weight_decay", mask="mask", contains=("sgd",), default_learning_rate=0.001),
    Optimizer("yogi", "optax:yogi",
        "Adam with v ← v − 0.001 sign(v − g²) g²; ε = 0.001. Zaheer et al. 2018.",
        "b1 b2 eps", contains=("momentum",), default_learning_rate=0.01),
    Optimizer("radam", "optax:radam",
        "Adam, its step held back while v has seen few gradients. Liu et al. 2020.",
        f"{_ADAM} threshold nesterov:bool", contains=("momentum",), default_learning_rate=0.001),
    Optimizer("adan", adan,
        "Adam with Nesterov's look ahead from a running mean of the change of g. Xie et al. 2022.",
        "b1 b2 b3 eps eps_root weight_decay", mask="mask", default_learning_rate=0.001),
    Optimizer("adopt", "optax.contrib:adopt",
        "Adam that divides g by the v of the step before, ahead of m; clipped. Taniguchi et al. 2024.",
        "b1 b2 eps nesterov:bool use_clipping:bool", contains=("momentum",), default_learning_rate=0.001),
    Optimizer("ademamix", "optax.contrib:ademamix",
        "Adam with a second, slow mean of g, five times as heavy. Pagliardini, Ablin and Grangier 2024.",
        f"{_ADAM} b3 alpha weight_decay", mask="mask", contains=("adamw",), default_learning_rate=0.001),
    Optimizer("simplified_ademamix", "optax.contrib:simplified_ademamix",
        "Adam with the sum of g in place of its mean, plus α g; η is that much smaller. Morwani et al. 2025.",
        f"{_ADAM} alpha weight_decay", mask="mask", contains=("momentum", "rmsprop")),
    Optimizer("optimistic_adam_v2", "optax:optimistic_adam_v2",
        "NAdam's step twice, less that of the step before. Daskalakis et al. 2018.",
        f"{_ADAM} alpha beta nesterov:bool", contains=("nadam",)),
    Optimizer("sophia", sophia,
        "θ ← θ − η clip(m / 0.01 h), h a running mean of the Hessian's diagonal. Liu et al. 2024.",
        "b1 b2 eps weight_decay gamma clip_threshold update_interval:int",
        mask="weight_decay_mask", key="key", extra=("obj_fn",), alone=True),
    # Scaled by the size of a layer, or by its singular values
    Optimizer("lars", "optax:lars",
        "Momentum, each layer's step 0.001 ‖θ‖ / ‖g‖ of η g. You, Gitman and Ginsburg 2017.",
        "weight_decay trust_coefficient eps momentum nesterov:bool", mask="weight_decay_mask"),
    Optimizer("lamb", "optax:lamb", "Adam, each layer's step of the size η ‖θ‖. You et al. 2020.",
        f"{_ADAM} weight_decay", mask="mask"),
    Optimizer("fromage", "optax:fromage",
        "θ ← (θ − η ‖θ‖ g / ‖g‖) / √(1 + η²), layer by layer. Bernstein et al. 2020.",
        "min_norm"),
    Optimizer("muon", "optax.contrib:muon",
        "Momentum made orthogonal for matrices, NAdam with the same η for the rest. Jordan et al. 2024.",
        "ns_steps:int beta eps weight_decay nesterov:bool adaptive:bool"
        " adam_b1 adam_b2 adam_eps_root adam_learning_rate consistent_rms", mask="weight_decay_mask",
        default_learning_rate=0.02),
    Optimizer("galore", "optax.contrib:galore",
        "Adam in the space of the 32 leading singular vectors of g, renewed every 200 steps."
        " Zhao et al. 2024.",
        "rank:int update_proj_gap:int scale weight_decay",
        {"rank": 32},  # optax keeps 128: in a narrow net, all
        mask="mask", alone=True),
    # Steps found from the loss, or from the way so far
    Optimizer("polyak_sgd", "optax:polyak_sgd",
        "θ ← θ − min(L / ‖g‖², η) g, for losses whose minimum is 0. Loizou et al. 2021.",
        "scaling f_min eps", learning_rate="max_learning_rate", extra=("value",), contains=("sgd",)),
    Optimizer("momo", "optax.contrib:momo",
        "Momentum, at most η, that stops where its model of L is 0. Schaipp et al. 2024.",
        "beta lower_bound adapt_lower_bound:bool", extra=("value",), contains=("momentum",),
        default_learning_rate=1.0),
    Optimizer("momo_adam", "optax.contrib:momo_adam",
        "Adam, at most η, that stops where its model of L is 0. Schaipp et al. 2024.",
        "b1 b2 eps lower_bound adapt_lower_bound:bool", extra=("value",), contains=("adam",),
        default_learning_rate=0.01),
    Optimizer("schedule_free_sgd", "optax.contrib:schedule_free_sgd",
        "SGD, gradients taken between it and its mean, which is evaluated. Defazio et al. 2024.",
        "warmup_steps:int b1 weight_lr_power", evaluation="optax.contrib:schedule_free_eval_params",
        refuses=("weight_decay",), default_learning_rate=1.0),
    Optimizer("schedule_free_adamw", "optax.contrib:schedule_free_adamw",
        "RMSProp, gradients taken between it and its mean, which is evaluated. Defazio et al. 2024.",
        "warmup_steps:int b1 b2 eps weight_lr_power",
        evaluation="optax.contrib:schedule_free_eval_params", refuses=("weight_decay",),
        default_learning_rate=0.0025),
    Optimizer("cocob", "optax.contrib:cocob",
        "Bets on coins: no step size, η scales the gradient. Orabona and Tommasi 2017.",
        "alpha eps weight_decay", multiplier=True, mask="mask", default_learning_rate=1.0),
    Optimizer("dadapt_adamw", "optax.contrib:dadapt_adamw",
        "Adam, its η from a lower bound on the way to go. Defazio and Mishchenko 2023.",
        "eps estim_lr0", multiplier=True, default_learning_rate=1.0),
    Optimizer("prodigy", "optax.contrib:prodigy",
        "Adam, its η from the way come so far; faster than D-Adaptation. Mishchenko and Defazio 2024.",
        "beta3 eps estim_lr0 estim_lr_coef safeguard_warmup:bool", multiplier=True, default_learning_rate=1.0),
    Optimizer("dog", "optax.contrib:dog",
        "θ ← θ − g max‖θ − θ₀‖ / √Σ‖g‖². Ivgi, Hinder and Carmon 2023.",
        "eps weight_decay", multiplier=True, mask="mask", default_learning_rate=1.0),
    Optimizer("dowg", "optax.contrib:dowg",
        "DoG, the sum weighted by the squared way so far. Khaled, Mishchenko and Jin 2023.",
        "init_estim_sq_dist eps weight_decay", multiplier=True, mask="mask", default_learning_rate=1.0),
    Optimizer("mechanic_adam", mechanic_adam,
        "Adam, its step scaled by betting on it. Cutkosky, Defazio and Mehta 2023.",
        "b1 b2 eps s_init", multiplier=True, refuses=("weight_decay",), default_learning_rate=1.0),
    Optimizer("lbfgs", "optax:lbfgs",
        "Quasi-Newton from the last 10 steps; the line search tries η first. Liu and Nocedal 1989.",
        "memory_size:int scale_init_precond:bool", multiplier=True, extra=("value", "grad", "value_fn"),
        full_batch=True, alone=True, default_learning_rate=1.0),
)}
# fmt: on

LEFT_OUT: dict[str, str] = {
    "optimistic_adam": "deprecated in favour of optimistic_adam_v2",
    "dpsgd": "needs the gradient of every example, and trades accuracy for privacy",
    "lookahead": "a wrapper that trains two sets of parameters",
    "mechanize": "a wrapper; in the table around Adam, as mechanic_adam",
    "schedule_free": "a wrapper; in the table as schedule_free_sgd and schedule_free_adamw",
    "selective_transform": "a wrapper that freezes some parameters",
    "reduce_on_plateau": "a learning-rate schedule to chain after an optimizer",
}
