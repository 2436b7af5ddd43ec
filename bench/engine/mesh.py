"""The devices that this process sees, side by side: each trains as many lanes of a chunk, and none knows of another.

With one device, as the workers of `bench run` have, nothing here changes a program.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "lane"
REPLICATED = PartitionSpec()


def count() -> int:
    """How many devices there are."""
    return jax.local_device_count()


def each(width: int, halved: int = 0) -> int:
    """How many lanes of a chunk of `width` each device trains, where memory has run out `halved` times."""
    return max(1, -(-width // count()) >> halved)


def jitted(run: Callable[..., Any], axes: Any) -> Any:
    """`run(lanes, data, windows)` for `jax.jit`'s uses; `axes` are the lanes' in their leaves: 0, or None if shared.

    Each device runs what it would run alone with its part of the lanes. Nothing passes between them, so that a lane is
    bit for bit what one device makes of it in a chunk of as many lanes as each has here.
    """
    if count() == 1:
        return jax.jit(run)
    lanes = jax.tree.map(lambda axis: REPLICATED if axis is None else PartitionSpec(AXIS), axes, is_leaf=_shared)
    parts = (lanes, REPLICATED, REPLICATED)
    spread = jax.shard_map(run, mesh=_mesh(), in_specs=parts, out_specs=PartitionSpec(AXIS), check_vma=False)
    return jax.jit(spread, in_shardings=jax.tree.map(lambda part: NamedSharding(_mesh(), part), parts))


def replicated(data: Any) -> Any:
    """The arrays, whole on every device."""
    return jax.device_put(data, None if count() == 1 else NamedSharding(_mesh(), REPLICATED))


def _mesh() -> Mesh:
    return Mesh(jax.local_devices(), (AXIS,))


def _shared(axis: Any) -> bool:
    return axis is None
