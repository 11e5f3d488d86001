"""Long work for one request, in a process of its own that may die: exports, maps. So many at a time, and no more.

Used by the routes; the short tasks of thumbnails and uploads have standing processes instead.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from vlsa.base.errors import MediaError
from vlsa.data.engine.workers import Done, Lost, WorkerPool
from vlsa.serve.http.problems import BusyError
from vlsa.serve.media.task import Limited, Task, run_task


class Jobs:
    """Runs tasks, each job in a new process, at most `num_jobs` jobs at a time."""

    def __init__(self, num_jobs: int, worker_bytes: int) -> None:
        self._num_jobs, self._worker_bytes = num_jobs, worker_bytes
        self._free = threading.BoundedSemaphore(num_jobs)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """A place among the jobs that run. Raises BusyError when all are taken."""
        if not self._free.acquire(blocking=False):
            raise BusyError(f"{self._num_jobs} long jobs are at work, as many as may; this was not begun. Try again.")
        try:
            yield
        finally:
            self._free.release()

    def run(self, task: Task, label: str, patience_seconds: float) -> Any:
        """The value of a task. Raises BusyError, what the task raised, and MediaError when its process is lost."""
        with self.slot():
            (outcome,) = self.outcomes([task], label, patience_seconds)
        if isinstance(outcome, MediaError):
            raise outcome
        return outcome

    def outcomes(self, tasks: Sequence[Task], label: str, patience_seconds: float) -> Iterator[Any]:
        """The value of each task in turn, or the MediaError that it ended with; for who has a slot.

        The process ends when the iterator is closed.
        """
        limited = [Limited(_Caught(task), label, self._worker_bytes, patience_seconds) for task in tasks]
        events = WorkerPool(run_task, limited, 1).events()
        try:
            for event in events:
                if isinstance(event, Done):
                    yield event.value
                elif isinstance(event, Lost):
                    message = f"{label}: {event.message}; this part was not made. Check that the file plays elsewhere."
                    yield MediaError(message, reason=event.reason)
        finally:
            events.close()


class _Caught:
    """A task whose MediaError is its value, so that the tasks after it are still done."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def run(self) -> Any:
        """The value, or the error."""
        try:
            return self._task.run()
        except MediaError as error:
            return error
