"""The tasks and one table of them, `TASKS`. To add one: an entry in the file of its kind."""

from bench.tasks import (
    attention,
    control,
    families,
    generation,
    images,
    landscapes,
    photos,
    reconstruction,
    sequences,
    tabular,
)
from bench.tasks.base import Problem, Task

KINDS = (tabular, images, photos, sequences, attention, reconstruction, generation, control, landscapes, families)
TASKS: dict[str, Task] = {task.name: task for kind in KINDS for task in kind.TASKS}

__all__ = ["TASKS", "Problem", "Task"]
