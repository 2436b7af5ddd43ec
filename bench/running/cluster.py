"""A Dask cluster's workers as executors that run one call at a time: the same shards, past one machine.

Dask brings a shard whose worker has died to another one itself; one that has killed several comes back as `Died`.
"""

from concurrent.futures import Executor
from contextlib import ExitStack, suppress
from typing import Any

from bench.datasets import cache_folder
from bench.errors import ResourceError
from bench.running import worker

PATIENCE_S, ARRIVAL_S = 10, 30  # for the scheduler to answer, for workers to be there


def connected(address: str, device: str, limit: int | None, stack: ExitStack) -> tuple[list[Executor], type[Exception]]:
    """An executor for each worker of the cluster, at most `limit`, and what is raised where workers die of a call.

    It waits a while until one is there, or `limit` of them, so that a cluster may be started beside it.
    `address` is the scheduler's, such as tcp://10.0.0.1:8786. Each worker is to have a single thread and a core or GPU
    of its own; what `device` asks of its process is set there, now and where it joins later. Raises `ResourceError`
    where dask.distributed is not installed, the scheduler does not answer, or no worker is there.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise ResourceError(
            "--dask: got no dask.distributed; expected it to be installed", "pip install -e '.[dask]' in a checkout"
        ) from None
    try:
        client = stack.enter_context(Client(address, timeout=PATIENCE_S))
    except (OSError, ValueError) as error:
        raise ResourceError(f"--dask {address}: got no answer ({type(error).__name__}); expected a scheduler") from None
    with suppress(TimeoutError):
        client.wait_for_workers(limit or 1, timeout=ARRIVAL_S)
    found = client.scheduler_info(n_workers=-1)["workers"]
    if not found:
        raise ResourceError(
            f"--dask {address}: got no worker; expected one or more", "dask worker ADDRESS --nthreads 1"
        )
    if several := [name for name, told in found.items() if told["nthreads"] != 1]:
        raise ResourceError(
            f"--dask {address}: got {len(several)} workers of several threads, such as {several[0]}; expected one each",
            "dask worker ADDRESS --nthreads 1 --nworkers CORES",
        )
    client.register_plugin(_plugin(device))
    names = sorted(found)[:limit]
    how = {"allow_other_workers": True, "pure": False, "retries": 0}
    return [client.get_executor(workers=[name], **how) for name in names], KilledWorker


def _plugin(device: str) -> Any:
    from distributed import WorkerPlugin

    class Prepared(WorkerPlugin):
        """Makes a Dask worker's process one that trains."""

        name = "bench"

        def setup(self, worker: Any) -> None:
            prepare(device)

    return Prepared()


def prepare(device: str) -> None:
    """Make this process a worker of a cluster, whose life and place others see to."""
    import jax

    jax.config.update("jax_platforms", worker.environment(device, 0)["JAX_PLATFORMS"])
    worker.configure(str(cache_folder() / "compiled"))
