"""Many activations and many optimizers in one program: branches picked by an index that a chunk of lanes shares.

Under `vmap` over lanes the index is not batched, so that `lax.switch` stays a true branch: only the picked one runs.
Where lanes of one chunk have different activations (wide chunks on a GPU) the index is batched and XLA makes it a
select: every branch runs, which is cheap for elementwise functions.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax

if TYPE_CHECKING:
    from bench.activations import Activation
    from bench.optimizers import Optimizer

Tree = Any


class Choice(nnx.Variable):
    """The index of the activation that a module applies; set for each lane, neither trained nor carried."""


def switched(activations: Sequence["Activation"], index: Array) -> Callable[[Array], Array]:
    """The function x -> activations[index](x), elementwise, x of any shape.

    Value and slope come from one branch: differentiating a `lax.switch` would store what every branch needs and
    branch a second time on the way back.
    """

    def with_slope(activation: "Activation") -> Callable[[Array], tuple[Array, Array]]:
        if activation.own:
            return partial(_in_reverse, activation)
        return lambda x: jax.jvp(activation, (x,), (jnp.ones_like(x),))

    @jax.custom_jvp
    def function(x: Array) -> Array:
        picked: Array = lax.switch(index, list(activations), x)
        return picked

    @function.defjvp
    def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        value, slope = lax.switch(index, [with_slope(a) for a in activations], *primals)
        return value, slope * tangents[0]

    return function


def _in_reverse(activation: "Activation", x: Array) -> tuple[Array, Array]:
    """Value and slope of a user's own, as where a program has no other.

    The two modes may differ: where(x > 0, sqrt(x), 0) has at 0 a slope of 0 going forward, and none in reverse. Those
    of the table have the same in both.
    """
    value, pull = jax.vjp(activation, x)
    (slope,) = pull(jnp.ones_like(x))
    return value, slope


class SwitchedOptimizer:
    """optimizers[index] with a state that has room for the largest of them.

    The leaves of all states, sorted by shape and type, share slots: the state of Adam holds two copies of the
    parameters, that of SGD none, so the union holds two. A branch reads its own state from the slots and writes it
    back; the slots that it has no use for pass through. `build(optimizer, t)` gives the transformation of step t: built
    anew at each step, so that a learning rate may follow a schedule; of t = None it is the one that makes the state,
    with no schedule.
    """

    def __init__(
        self,
        optimizers: Sequence["Optimizer"],
        index: Array,
        build: Callable[["Optimizer", Any], Any],
        parameters: Tree,
    ) -> None:
        self.optimizers, self.index, self.build = optimizers, index, build
        states = [jax.eval_shape(lambda p, o=o: build(o, None).init(p), parameters) for o in optimizers]
        self.treedefs = [jax.tree.structure(state) for state in states]
        self.slots, self.places = _share([jax.tree.leaves(state) for state in states])

    def init(self, parameters: Tree) -> list[Array]:
        blank = [jnp.zeros(slot.shape, slot.dtype) for slot in self.slots]
        return self._switch(lambda i, p: self._pack(i, self.build(self.optimizers[i], None).init(p), blank), parameters)

    def update(
        self, gradients: Tree, state: list[Array], parameters: Tree, t: Array, **extra: Any
    ) -> tuple[Tree, list[Array]]:
        """(updates, state) of the picked optimizer at step t.

        `extra` are value, grad, value_fn, obj_fn as optax names them.
        """

        def branch(i: int, gradients: Tree, state: list[Array], parameters: Tree) -> tuple[Tree, list[Array]]:
            wanted = {name: extra[name] for name in self.optimizers[i].extra}
            picked = self.build(self.optimizers[i], t)
            updates, own = picked.update(gradients, self._unpack(i, state), parameters, **wanted)
            return updates, self._pack(i, own, state)

        return self._switch(branch, gradients, state, parameters)

    def evaluated(self, state: list[Array], parameters: Tree) -> Tree:
        """The parameters to evaluate."""
        if not any(optimizer.evaluation for optimizer in self.optimizers):
            return parameters
        return self._switch(lambda i, s, p: self.optimizers[i].evaluated(self._unpack(i, s), p), state, parameters)

    def _switch(self, branch: Callable[..., Any], *operands: Any) -> Any:
        branches = [lambda *a, i=i: branch(i, *a) for i in range(len(self.optimizers))]
        return branches[0](*operands) if len(branches) == 1 else lax.switch(self.index, branches, *operands)

    def _unpack(self, i: int, slots: list[Array]) -> Tree:
        return jax.tree.unflatten(self.treedefs[i], [slots[place] for place in self.places[i]])

    def _pack(self, i: int, state: Tree, slots: list[Array]) -> list[Array]:
        filled = list(slots)
        for place, leaf in zip(self.places[i], jax.tree.leaves(state), strict=True):
            filled[place] = jnp.asarray(leaf, filled[place].dtype)
        return filled


def _share(states: list[list[Any]]) -> tuple[list[jax.ShapeDtypeStruct], list[list[int]]]:
    """Slots enough for each list of leaves, and for each list the slot of each leaf."""
    slots: list[jax.ShapeDtypeStruct] = []
    places: list[list[int]] = []
    index: dict[tuple[Any, ...], int] = {}
    for leaves in states:
        seen: Counter[tuple[Any, ...]] = Counter()
        own = []
        for leaf in leaves:
            kind = (leaf.shape, leaf.dtype)
            key = (*kind, seen[kind])
            seen[kind] += 1
            if key not in index:
                index[key] = len(slots)
                slots.append(jax.ShapeDtypeStruct(*kind))
            own.append(index[key])
        places.append(own)
    return slots, places
