"""A few worker processes that stay, for tasks that come one at a time from any thread: each may die or hang alone.

Used by a server, which decodes files of strangers; for a list of tasks that is known see workers.py, whose worker
processes these are.
"""

import math
import queue
import time
from collections.abc import Callable
from typing import Any

from vlsa.base.errors import MediaError, VlsaError
from vlsa.data.engine.workers import Done, Heartbeat, Lost, Worker


class NoWorkerFree(VlsaError):
    """All workers are busy, and stayed so."""


class StandingWorkers:
    """Runs `function(task, beat)` in one of `num_workers` spawned processes; those that die are replaced.

    `function` and the tasks must be picklable. A process starts with the first task that needs it.
    """

    def __init__(self, function: Callable[[Any, Heartbeat], Any], num_workers: int) -> None:
        self._function = function
        self._free: queue.LifoQueue[Worker | None] = queue.LifoQueue()
        self._num_workers, self._closed = num_workers, False
        for _ in range(num_workers):
            self._free.put(None)

    def call(self, task: Any, *, wait_seconds: float, patience_seconds: float) -> Any:
        """The value of a task.

        wait_seconds: how long a worker may take to become free. patience_seconds: for the task, once it has begun.
        Raises NoWorkerFree, what the task raised, and MediaError (reason crashed or timeout) when the process is lost.
        """
        try:
            worker = self._free.get(timeout=wait_seconds)
        except queue.Empty:
            raise NoWorkerFree(
                f"all {self._num_workers} decoding processes are busy; this was not done. Try again in a moment."
            ) from None
        if self._closed:
            self._free.put(worker)
            raise NoWorkerFree("the server is stopping; this was not done. Start it again.")
        try:
            idle, worker = worker, worker or Worker(self._function)
            try:
                value = _value(worker, task, patience_seconds)
            except _LostTask as lost:
                if idle is None or lost.begun:
                    raise
                worker = Worker(self._function)  # the other was ended while it waited, for want of memory, say
                value = _value(worker, task, patience_seconds)
        except VlsaError as error:
            if worker is not None and not isinstance(error, _LostTask):
                worker.busy = False  # it raised, and waits for the next task
                self._free.put(worker)
            else:
                self._free.put(None)
            raise
        except BaseException:
            if worker is not None:
                worker.kill()
            self._free.put(None)
            raise
        self._free.put(worker)
        return value

    def close(self) -> None:
        """End the processes; those at work end when their task does."""
        self._closed = True
        idle: list[Worker | None] = []
        while True:
            try:
                idle.append(self._free.get_nowait())
            except queue.Empty:
                break
        for worker in idle:
            if worker is not None:
                worker.kill()
            self._free.put(None)


class _LostTask(MediaError):
    """A task whose process died or hung."""

    def __init__(self, lost: Lost) -> None:
        super().__init__(
            f"{lost.label or 'a file'}: {lost.message} while decoding; there is nothing to show. "
            "Check that the file plays elsewhere.",
            reason=lost.reason,
        )
        self.begun = bool(lost.label) or lost.reason != "crashed"


def _value(worker: Worker, task: Any, patience_seconds: float) -> Any:
    worker.give(task)
    last = math.inf  # counted from the first beat, since starting the process takes time too
    while True:
        event = worker.next_event(last)
        if isinstance(event, Done):
            return event.value
        if isinstance(event, Lost):
            raise _LostTask(event)
        last = min(last, time.monotonic() + patience_seconds)
