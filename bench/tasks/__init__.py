"""The tasks and one table of them, `TASKS`. To add one: an entry in the file of its kind."""

from bench.tasks import attention, sequences, tabular
from bench.tasks.base import Problem, Task

TASKS: dict[str, Task] = {task.name: task for task in (*tabular.TASKS, *sequences.TASKS, *attention.TASKS)}

__all__ = ["TASKS", "Problem", "Task"]
