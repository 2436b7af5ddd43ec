"""What a run took, and what it trained on, in words."""

from bench.findings.run import Run
from bench.labels import counted


def wall_s(run: Run) -> float:
    """Seconds from the start of its workers to the last result, of all its sessions together.

    Where one was killed and nobody knows its end, about: as if each had had as many workers.
    """
    execution = run.manifest["execution"]
    sessions = execution.get("sessions", [])
    if sessions and all(session["finished"] for session in sessions):
        return float(sum(session["finished"] - session["started"] for session in sessions))
    return float(run.times["seconds"].sum()) / max(int(execution["workers"]), 1)


def trained_on(run: Run) -> str:
    """`2 workers, AMD EPYC`, or `one NVIDIA H100`."""
    execution, environment = run.manifest["execution"], run.manifest["environment"]
    if execution["device"] != "gpu":
        return f"{counted(int(execution['workers']), 'worker')}, {environment['processor']}"
    gpus = int(execution.get("busy", execution["workers"]))
    return f"{'one' if gpus == 1 else f'{gpus:,} ×'} {environment['device_kind']}"
