"""Tasks on the nodes of a Ray cluster, seen from where the command was typed; ray_node.py runs on the nodes.

A task is one of the local engine, such as a shard to make; small ones travel together. Ray chooses the node. What is
lost with a worker or a node is given to Ray again here, and not by Ray: what was finished and reported is not done
again, and what is lost over and over has to end. Used by ray_cluster.py, which has joined the cluster.
"""

import logging
import os
import textwrap
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vlsa import __version__
from vlsa.base.errors import ConfigError, VlsaError
from vlsa.data.engine import ray_node
from vlsa.data.engine.engines import Function, Needs
from vlsa.data.engine.workers import Started

_LOG = logging.getLogger(__name__)
QUEUED_PER_CORE = 2
"""Tasks that Ray holds for each core, so that one ends and the next begins; all others wait here."""
MOST_TOGETHER = 16
"""Tasks of one call; looking into a small file takes no longer than a call."""
MOST_LOSSES = 5
"""So often a task may be lost with its worker or node."""
LEAVE_SECONDS = 20.0
"""Patience: for workers to end."""
CORES_SECONDS = 2.0
"""Nodes come and go: the cores are counted so often."""
SILENT_SECONDS = 30.0
"""After so long without any news the number of free cores is reported."""
LOOKS, LOOK_SECONDS, FRESH_SECONDS = 5, 1.0, 60.0
"""Where a node sees another size of a file that was written to so short ago, or none, the file is handed out again so
often, after so long: network file systems say seconds later, on a node or here, that a file has grown."""
MOST_CHARACTERS = 200
"""Of Ray's messages, which can be pages."""


def in_short(error: BaseException) -> str:
    """The beginning of what Ray says, on one line."""
    return textwrap.shorten(str(error) or type(error).__name__, MOST_CHARACTERS, placeholder=" ...").rstrip(".")


def num_cores() -> float:
    """Of the cluster, now."""
    import ray

    return ray.cluster_resources().get("CPU", 0.0)


@dataclass(eq=False)
class _Bundle:
    """Tasks that a node does in their order, in one call."""

    tasks: deque[Any]
    """Those that are not finished."""
    num_started: int = 0
    """Beats of the first of them that were reported; a further call repeats them."""
    num_repeated: int = 0
    num_losses: int = 0
    """Of calls, since the last task was finished."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Of the files that the last call was to see."""
    changing: set[str] = field(default_factory=set)
    """Files that were written to, or deleted, meanwhile: tasks take them as they are, as the local engine does."""
    handed_seconds: float = 0.0
    """When it was given to Ray last."""
    looks: Counter[str] = field(default_factory=Counter)
    """So often a node saw a fresh file with another size than here."""

    def news(self, event: ray_node.Event) -> ray_node.Event | None:
        """The event with its task; None for one that was reported before."""
        task = self.tasks[0]
        if not isinstance(event, Started):
            self.tasks.popleft()
            self.num_started = self.num_repeated = self.num_losses = 0
        elif self.num_repeated < self.num_started:
            self.num_repeated += 1
            return None
        else:
            self.num_started = self.num_repeated = self.num_started + 1
        return replace(event, task=task)


class RayPool:
    """Runs `function(task, beat)` on the nodes of a cluster: the events are those of WorkerPool."""

    def __init__(self, function: Function, tasks: Iterable[Any], needs: Needs, most_calls: int | None) -> None:
        self._function, self._needs, self._most_calls = function, needs, most_calls
        self._tasks, self._lost = deque(tasks), deque[_Bundle]()
        self._running: dict[Any, _Bundle] = {}
        """What each call to a node reports through."""
        self._folder = os.getcwd()
        self._limit, self._counted_seconds = 1, -CORES_SECONDS

    def submit(self, task: Any) -> None:
        """Put a task first in the queue; allowed while `events` is being read."""
        self._tasks.appendleft(task)

    def events(self) -> Iterator[ray_node.Event]:
        """What happens, until no task is left. Raises what a task raised. No task is at work when this returns."""
        try:
            while self._tasks or self._lost or self._running:
                self._hand_out()
                for stream in self._with_news():
                    for event in self._receive(stream):
                        if (news := self._running[stream].news(event)) is not None:
                            yield news
                    self._forget_if_ended(stream)
        finally:
            self._cancel()

    def _hand_out(self) -> None:
        import ray

        self._count_cores()
        options = {"num_returns": "streaming", "max_retries": 0, "scheduling_strategy": "SPREAD"}
        run = ray.remote(ray_node.run).options(name=f"vlsa {self._function.__name__}", **options)
        while (self._tasks or self._lost) and len(self._running) < self._limit:
            bundle = self._lost.popleft() if self._lost else self._next_bundle()
            bundle.num_repeated, bundle.handed_seconds = 0, time.monotonic()
            paths = {os.fspath(path) for task in bundle.tasks for path in self._needs(task)} - bundle.changing
            bundle.sizes = ray_node.sizes(self._folder, sorted(paths))
            call = run.remote(__version__, self._folder, bundle.sizes, self._function, list(bundle.tasks))
            self._running[call] = bundle

    def _next_bundle(self) -> _Bundle:
        """Many tasks while there are many, one in the end, so that all nodes end together."""
        num_tasks = min(max(len(self._tasks) // (QUEUED_PER_CORE * self._limit), 1), MOST_TOGETHER)
        return _Bundle(deque(self._tasks.popleft() for _ in range(num_tasks)))

    def _count_cores(self) -> None:
        if self._most_calls is not None:
            self._limit = self._most_calls
        elif time.monotonic() - self._counted_seconds >= CORES_SECONDS:
            self._counted_seconds = time.monotonic()
            self._limit = max(1, int(num_cores() * QUEUED_PER_CORE))

    def _with_news(self) -> Sequence[Any]:
        """The calls that have something to report; waits for the first."""
        import ray

        calls = list(self._running)
        ready, _ = ray.wait(calls, num_returns=1, timeout=SILENT_SECONDS)
        if not ready:
            free = f"{ray.available_resources().get('CPU', 0.0):g} of {num_cores():g} cores are free"
            _LOG.info("Ray: no news for %g s; %s, and %d tasks wait", SILENT_SECONDS, free, len(calls))
            return []
        return ray.wait(calls, num_returns=len(calls), timeout=0)[0]

    def _receive(self, call: Any) -> Sequence[ray_node.Event]:
        """The next events of a call; none if it is lost. Raises what a task raised."""
        import ray
        from ray.exceptions import NodeDiedError, ObjectLostError, OutOfMemoryError, RayTaskError, WorkerCrashedError

        try:
            return ray.get(next(call))
        except RayTaskError as error:
            cause = _cause(error)
            if not (isinstance(cause, ray_node.SeesAnother) and self._may_agree(self._running[call], cause.path)):
                raise cause from None
            self._lost.append(self._running.pop(call))
            return ()
        except (WorkerCrashedError, NodeDiedError, OutOfMemoryError, ObjectLostError) as error:
            self._again(self._running[call], error)
            del self._running[call]
            return ()

    def _may_agree(self, bundle: _Bundle, path: str) -> bool:
        """Whether another call may see a file, of which a node saw another size, as it is here.

        It has changed since its size was sent, or did so a moment ago, and has not for that node yet.
        """
        now = ray_node.sizes(self._folder, [path]).get(path)
        if now != bundle.sizes[path]:
            gone, grown = "is not there any more; its task says so", "is being written to; it is taken as it is"
            _LOG.info("%s %s", path, gone if now is None else grown)
            bundle.changing.add(path)
            return True
        bundle.looks[path] += 1
        if bundle.looks[path] > LOOKS or not _is_fresh(os.path.join(self._folder, path)):
            return False
        time.sleep(max(bundle.handed_seconds + LOOK_SECONDS - time.monotonic(), 0.0))
        return True

    def _forget_if_ended(self, call: Any) -> None:
        if call in self._running and not self._running[call].tasks:
            del self._running[call]

    def _again(self, bundle: _Bundle, error: Exception) -> None:
        """Raises VlsaError for one that was lost too often."""
        bundle.num_losses += 1
        if bundle.num_losses >= MOST_LOSSES:
            raise VlsaError(
                f"--engine ray: a task was lost {bundle.num_losses} times with its worker or node "
                f"({in_short(error)}); it would be again. Give nodes more memory or fewer cores, and run the same "
                "command again: what is finished stays."
            ) from error
        _LOG.info("Ray lost a worker or a node; what it was at is done again")
        self._lost.append(bundle)

    def _cancel(self) -> None:
        """End what is at work, if anything is, and wait for it."""
        import ray

        ends = [call.completed() for call in self._running]
        for call in self._running:
            ray.cancel(call, force=True)
        if ends:
            ray.wait(ends, num_returns=len(ends), timeout=LEAVE_SECONDS)
        self._running.clear()


def _is_fresh(path: str) -> bool:
    """Whether a file was written to a moment ago."""
    try:
        return abs(time.time() - os.stat(path).st_mtime) < FRESH_SECONDS
    except OSError:
        return False


def _cause(error: Any) -> Exception:
    """What a task raised; an error of the user's as it was, any other with the place where it was raised."""
    from ray.exceptions import RaySystemError

    cause = error.cause
    if isinstance(cause, VlsaError):
        return cause
    if isinstance(cause, RaySystemError) or "failed to import" in str(cause):  # what it was given has no meaning there
        last = str(cause).strip().splitlines()[-1]
        return ConfigError(
            f"a node cannot read what it has to do ({last}); nothing can be done there. Install vlsa "
            f"{__version__} on every node, and start Ray there again."
        )
    return error
