"""What a worker is asked to do of a throughput suite: named without importing jax where it is only sent from."""

from typing import Any

from bench.running.worker import plainly


@plainly
def prepare(group: Any) -> Any:
    """`bench.throughput.measure.prepare`."""
    from bench.throughput import measure

    return measure.prepare(group)


@plainly
def sample(group: Any) -> Any:
    """`bench.throughput.measure.sample`."""
    from bench.throughput import measure

    return measure.sample(group)
