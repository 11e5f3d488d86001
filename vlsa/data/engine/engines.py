"""Who does a list of tasks: worker processes of this machine, or of a Ray cluster.

Scanning and preparing ask an engine for a pool of workers and follow its events; they do not know which it is. The
local engine is workers.py; ray_cluster.py has the other.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from vlsa.data.engine.workers import Done, Heartbeat, Lost, Started, WorkerPool

Function = Callable[[Any, Heartbeat], Any]
"""What is done with each task; a function of a module."""
Needs = Callable[[Any], Iterable[str | os.PathLike[str]]]
"""The files that a task reads."""


@runtime_checkable
class Pool(Protocol):
    """Tasks in progress: see WorkerPool."""

    def submit(self, task: Any) -> None:
        """Put a task first in the queue."""
        ...

    def events(self) -> Iterator[Started | Done | Lost]:
        """What happens, until no task is left."""
        ...


@runtime_checkable
class Engine(Protocol):
    """Makes pools."""

    def pool(self, function: Function, tasks: Iterable[Any], needs: Needs) -> Pool:
        """A pool that runs `function(task, beat)` for all tasks; `function` and the tasks are picklable."""
        ...


@dataclass(frozen=True)
class LocalEngine:
    """Processes of this machine."""

    num_workers: int | None = None
    """None = one per core; 0 = this process, where a crash of a decoder is the end."""

    def pool(self, function: Function, tasks: Iterable[Any], needs: Needs) -> Pool:
        """A WorkerPool; all that tasks need is on this machine."""
        return WorkerPool(function, tasks, (os.cpu_count() or 1) if self.num_workers is None else self.num_workers)


class Kills:
    """Where workers were killed from outside (a person, or a system short of memory): at first no fault of the file."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def is_first(self, lost: Lost) -> bool:
        """Whether the task is to be done once more as it was."""
        is_first = lost.was_killed and lost.label not in self._seen
        self._seen.add(lost.label)
        return is_first
