"""Worker processes that may die or hang without taking the job along: native decoders do both on hostile files.

Used by engines.py, ray_node.py and standing.py. Spawned, never forked; each worker does one task at a time and says
what comes next (`beat`), so that the parent knows whom to blame and how long to wait.
"""

import math
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Literal

from vlsa.base.errors import ConfigError, VlsaError
from vlsa.base.launch import MOST_WORKERS
from vlsa.data.engine.interrupts import interrupt_blocked
from vlsa.data.engine.patience import Patience

STARTUP_SECONDS = 180.0
"""Importing the decoder on a busy machine or a cold network disk takes long."""
TASK_SECONDS = 600.0
"""Patience between two beats when the worker named none."""
SPARE_WORKERS = 2
"""So many more than there are at a time may end in a row before one of them comes to its task."""
CLIP_SECONDS = 20.0
"""Patience for a clip (media that decodes takes far less); large files get a second more for each 10 MB."""

SENT_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM})

Heartbeat = Callable[[str, float], None]
"""Called by a task with (what comes next, seconds of patience for it)."""


@dataclass(frozen=True)
class Started:
    """A worker is about to do `label`."""

    task: Any
    label: str


@dataclass(frozen=True)
class Done:
    """A task is finished."""

    task: Any
    value: Any


@dataclass(frozen=True)
class Lost:
    """A worker died or hung during `label`; the task has to be given up or submitted again without it."""

    task: Any
    label: str
    reason: Literal["crashed", "timeout"]
    message: str
    was_killed: bool = False
    """Ended by a signal that comes from outside (a person, or a system short of memory), not by a fault of its own."""


def patience_seconds(path: str | os.PathLike[str], media_seconds: float = 0.0) -> float:
    """How long decoding `media_seconds` of a file may take before it counts as hung (patience.py)."""
    try:
        num_bytes = os.stat(path).st_size
    except (OSError, ValueError):  # decoding will say what is wrong with the path
        num_bytes = 0
    return CLIP_SECONDS + 2 * media_seconds + num_bytes / 10e6


class WorkerPool:
    """Runs `function(task, beat)` in spawned processes; replaces those that die.

    `function` and the tasks must be picklable. With `num_workers=0` all runs in this process, without protection. With
    `second_chance`, a task whose worker crashed is done once more before it is reported: the worker may have been
    killed from outside, as for want of memory. Not so a task that was given by `submit`.
    """

    def __init__(
        self,
        function: Callable[[Any, Heartbeat], Any],
        tasks: Iterable[Any],
        num_workers: int,
        *,
        second_chance: bool = False,
    ) -> None:
        if not 0 <= num_workers <= MOST_WORKERS:
            raise ConfigError(f"{num_workers} worker processes are not possible. Use 0 (none) to {MOST_WORKERS}.")
        self._function = function
        self._tasks = deque(tasks)
        self._num_workers = min(num_workers, len(self._tasks))
        self._in_process = num_workers == 0
        self._workers: list[Worker] = []
        self._num_silent_losses = 0
        self._untried = {id(task) for task in self._tasks} if second_chance else set()

    def submit(self, task: Any) -> None:
        """Put a task first in the queue; allowed while `events` is being read."""
        self._tasks.appendleft(task)

    def events(self) -> Iterator[Started | Done | Lost]:
        """What happens, until no task is left. Raises what a task raised. All workers are gone when this returns."""
        if self._in_process:
            yield from self._run_here()
            return
        try:
            while self._tasks or any(worker.busy for worker in self._workers):
                self._hand_out()
                yield from self._listen()
        finally:
            for worker in self._workers:
                worker.kill()
            self._workers.clear()

    def _run_here(self) -> Iterator[Started | Done]:
        while self._tasks:
            task = self._tasks.popleft()
            steps: list[Started] = []
            value = self._function(task, lambda label, _, task=task, steps=steps: steps.append(Started(task, label)))
            yield from steps
            yield Done(task, value)

    def _hand_out(self) -> None:
        idle = [worker for worker in self._workers if not worker.busy]
        while self._tasks and (idle or len(self._workers) < self._num_workers):
            if not idle:
                idle.append(Worker(self._function))
                self._workers.append(idle[-1])
            idle.pop().give(self._tasks.popleft())

    def _listen(self) -> Iterator[Started | Done | Lost]:
        busy = [worker for worker in self._workers if worker.busy]
        nearest = min(worker.deadline for worker in busy)
        ready = wait([worker.connection for worker in busy], timeout=max(nearest - time.monotonic(), 0))
        for worker in busy:
            event = worker.receive() if worker.connection in ready else worker.check_deadline()
            if event is None:
                continue
            if isinstance(event, Lost):
                self._workers.remove(worker)
                if not event.label:
                    self._hand_out_again(event)
                    continue
            self._num_silent_losses = 0
            if not self._tried_again(event):
                yield event

    def _tried_again(self, event: Started | Done | Lost) -> bool:
        """Whether a crash is passed over, since its task is done once more."""
        is_untried = id(event.task) in self._untried
        if not isinstance(event, Started):
            self._untried.discard(id(event.task))
        if not (is_untried and isinstance(event, Lost) and event.reason == "crashed"):
            return False
        self.submit(event.task)
        return True

    def _hand_out_again(self, lost: Lost) -> None:
        """A worker that ended while it started, or between two tasks, is replaced. Raises VlsaError if all end so."""
        self._num_silent_losses += 1
        if self._num_silent_losses >= self._num_workers + SPARE_WORKERS:
            raise VlsaError(
                f"{self._num_silent_losses} worker processes in a row ended before they could start their work "
                f"({lost.message}); nothing can be done so. A script needs "
                '`if __name__ == "__main__":` around its calls; else try again with num_workers=0.'
            )
        self.submit(lost.task)


@dataclass(eq=False)
class Worker:
    """The parent's side of one worker process, in which `function(task, beat)` runs."""

    function: Callable[[Any, Heartbeat], Any]
    busy: bool = False
    task: Any = None
    label: str = ""
    """What it is doing; "" before the first heartbeat of its task."""
    process: BaseProcess = field(init=False)
    connection: Connection = field(init=False)

    def __post_init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self.function), daemon=True)
        with interrupt_blocked():
            self.process.start()
        theirs.close()  # so that the worker's death is the end of the pipe
        self._first_seconds = STARTUP_SECONDS
        self._patience = Patience(self.process.pid, STARTUP_SECONDS)

    @property
    def deadline(self) -> float:
        """When to look whether it hangs (time.monotonic())."""
        return self._patience.deadline

    def give(self, task: Any) -> None:
        """Let it do a task; `receive` says what becomes of it."""
        self.busy, self.task, self.label = True, task, ""
        self._patience = Patience(self.process.pid, self._first_seconds)
        self._first_seconds = TASK_SECONDS
        with suppress(OSError):  # it died while idle: `receive` will find out
            self.connection.send(task)

    def receive(self) -> Started | Done | Lost:
        """The worker's next message. Raises what the task raised."""
        try:
            kind, *rest = self.connection.recv()
        except (EOFError, OSError):
            self.process.join(timeout=5)  # for its exit code
            code = self.process.exitcode
            lost = self._lost("crashed", f"the decoder died ({_exit_cause(code)})")
            return replace(lost, was_killed=code is not None and -code in SENT_FROM_OUTSIDE)
        if kind == "failed":
            raise rest[0]
        if kind == "done":
            self.busy, self.label = False, ""
            return Done(self.task, rest[0])
        self.label, seconds = rest
        self._patience = Patience(self.process.pid, seconds)
        return Started(self.task, rest[0])

    def next_event(self, latest: float = math.inf) -> Started | Done | Lost:
        """Wait for the next message; give up at the end of its patience, or at `latest` (time.monotonic()).

        Raises what the task raised.
        """
        while True:
            seconds = min(self.deadline, latest) - time.monotonic()
            if wait([self.connection], timeout=max(seconds, 0)):
                return self.receive()
            if time.monotonic() >= latest:
                return self.give_up()
            if lost := self.check_deadline():
                return lost

    def check_deadline(self) -> Lost | None:
        """Give it up if its patience is over."""
        return self.give_up() if self._patience.is_over() else None

    def give_up(self) -> Lost:
        """End it in the midst of its task."""
        return self._lost("timeout", "the decoder hung")

    def kill(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _lost(self, reason: Literal["crashed", "timeout"], message: str) -> Lost:
        self.kill()
        return Lost(self.task, self.label, reason, message)


def _serve(connection: Connection, function: Callable[[Any, Heartbeat], Any]) -> None:
    """The worker's side: do one task after the other, until the parent closes the pipe."""
    threading.Thread(target=exit_with_parent, daemon=True).start()

    def beat(label: str, patience_seconds: float) -> None:
        connection.send(("beat", label, patience_seconds))

    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        try:
            value = function(task, beat)
        except VlsaError as error:  # the user can fix it: the parent reports it
            connection.send(("failed", error))
            continue
        except Exception:
            connection.send(("failed", RuntimeError(f"in a worker process:\n{traceback.format_exc()}")))
            raise
        connection.send(("done", value))


def exit_with_parent() -> None:
    """For a thread: a worker whose parent was killed must not keep writing, even if it hangs in native code."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _exit_cause(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return {number.value: number.name for number in signal.Signals}.get(-exit_code, f"signal {-exit_code}")
    return f"exit code {exit_code}"
