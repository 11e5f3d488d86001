"""The work on a Ray cluster (`prepare --engine ray`), where the command was typed. ray_node.py runs on its nodes.

A task is one of the local engine, such as a shard to make; small ones travel together. Ray chooses the node. What is
lost with a worker or a node is given to Ray again here, and not by Ray: what was finished and reported is not done
again, and what is lost over and over has to end. Needs ray (extra `ray`).
"""

import logging
import os
import socket
import textwrap
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from vlsa import __version__
from vlsa.base.errors import ConfigError, VlsaError
from vlsa.data.engine import ray_node
from vlsa.data.engine.engines import Function, Needs, Pool
from vlsa.data.engine.workers import Started

_LOG = logging.getLogger(__name__)
QUEUED_PER_CORE = 2
"""Tasks that Ray holds for each core, so that one ends and the next begins; all others wait here."""
MOST_TOGETHER = 16
"""Tasks of one call; looking into a small file takes no longer than a call."""
MOST_LOSSES = 5
"""So often a task may be lost with its worker or node."""
REACH_SECONDS, LEAVE_SECONDS = 5.0, 20.0
"""Patience: for an address to answer, and for workers to end."""
CORES_SECONDS = 2.0
"""Nodes come and go: the cores are counted so often."""
SILENT_SECONDS = 30.0
"""After so long without any news the number of free cores is reported."""
MOST_CHARACTERS = 200
"""Of Ray's messages, which can be pages."""
STORE_BYTES = 100 * 2**20
"""Of Ray's shared memory on a local cluster; tasks and their results are small."""

SILENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # as it will be; else Ray warns of it
}
"""Ray reports nothing to its makers. Read when it is imported."""
LIKE_LOCAL = {"RAY_memory_monitor_refresh_ms": "0", "RAY_worker_niceness": "0"}
"""Of a cluster that is started here: where memory ends, the system ends a process that decodes, and not Ray one of its
workers; and those are as important as the processes of the local engine (Ray's 15 makes all others go first)."""


@dataclass(frozen=True)
class RayEngine:
    """The cluster that this process has joined: see `ray_engine`."""

    most_calls: int | None = None
    """Calls to its nodes at a time; None = enough for all its cores."""

    def pool(self, function: Function, tasks: Iterable[Any], needs: Needs) -> Pool:
        """A pool on the cluster."""
        return RayPool(function, tasks, needs, self.most_calls)


@contextmanager
def ray_engine(address: str | None = None, num_workers: int | None = None) -> Iterator[RayEngine]:
    """Join a cluster, and leave it; or start one on this machine, and end it. One that was joined before is used.

    `address`: HOST:PORT, or `auto` for the one that runs on this machine; None = RAY_ADDRESS, or a new one.
    `num_workers`: tasks at a time, None = one per core. Raises ConfigError without Ray, where nothing answers, for a
    cluster of another version of Ray or Python, and for no workers.
    """
    if num_workers is not None and num_workers < 1:
        raise ConfigError(f"--engine ray --workers {num_workers}: at least one has to work. Use 1 or more.")
    ray = _import_ray()
    if ray.is_initialized():
        yield RayEngine(num_workers)
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    try:
        if address == "local":
            _start(num_workers)
            yield RayEngine()
        else:
            _join(address)
            yield RayEngine(num_workers)
    finally:
        ray.shutdown()


def _import_ray() -> Any:
    for name, value in SILENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise ConfigError(f"--engine ray: ray cannot be imported ({error}). pip install '.[ray]'") from error
    logging.getLogger("ray").setLevel(logging.ERROR)
    return ray


_QUIET = {"include_dashboard": False, "log_to_driver": False, "configure_logging": False}


def _start(num_workers: int | None) -> None:
    import ray

    num_cores = num_workers or os.cpu_count() or 1
    for name, value in LIKE_LOCAL.items():
        os.environ.setdefault(name, value)
    _LOG.info("starting Ray on this machine, for %d tasks at a time", num_cores)
    ray.init(address="local", num_cpus=num_cores, object_store_memory=STORE_BYTES, **_QUIET)


def _join(address: str) -> None:
    """Raises ConfigError."""
    import ray

    _check_reachable(address)
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise ConfigError(
            f"--ray-address {address}: cannot be joined ({_words(error.__cause__ or error)}). This machine has to be a "
            "node of the cluster (`ray start`), with the same versions of Python and Ray; a cluster with a token needs "
            "RAY_AUTH_MODE=token here."
        ) from error
    _LOG.info("Ray at %s: %d nodes, %g cores", address, sum(node["Alive"] for node in ray.nodes()), _num_cores())


def _check_reachable(address: str) -> None:
    """Ray itself would try for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in address or not port.isdecimal():
        raise ConfigError(f"--ray-address {address}: is none. Use auto, or HOST:PORT as `ray start --head` prints it.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"--ray-address {address}: nothing answers there ({error}). Check the address, and that `ray status` "
            "works on a node."
        ) from error


def _words(error: BaseException) -> str:
    """The beginning of what Ray says, on one line."""
    return textwrap.shorten(str(error) or type(error).__name__, MOST_CHARACTERS, placeholder=" ...").rstrip(".")


def _num_cores() -> float:
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
            bundle.num_repeated = 0
            needs = ray_node.sizes(self._folder, (path for task in bundle.tasks for path in self._needs(task)))
            call = run.remote(__version__, self._folder, needs, self._function, list(bundle.tasks))
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
            self._limit = max(1, int(_num_cores() * QUEUED_PER_CORE))

    def _with_news(self) -> Sequence[Any]:
        """The calls that have something to report; waits for the first."""
        import ray

        calls = list(self._running)
        ready, _ = ray.wait(calls, num_returns=1, timeout=SILENT_SECONDS)
        if not ready:
            free = f"{ray.available_resources().get('CPU', 0.0):g} of {_num_cores():g} cores are free"
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
            raise _cause(error) from None
        except (WorkerCrashedError, NodeDiedError, OutOfMemoryError, ObjectLostError) as error:
            self._again(self._running[call], error)
            del self._running[call]
            return ()

    def _forget_if_ended(self, call: Any) -> None:
        if call in self._running and not self._running[call].tasks:
            del self._running[call]

    def _again(self, bundle: _Bundle, error: Exception) -> None:
        """Raises VlsaError for one that was lost too often."""
        bundle.num_losses += 1
        if bundle.num_losses >= MOST_LOSSES:
            raise VlsaError(
                f"--engine ray: a task was lost {bundle.num_losses} times with its worker or node "
                f"({_words(error)}); it would be again. Give nodes more memory or fewer cores, and run the same "
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


def _cause(error: Exception) -> Exception:
    """What a task raised; an error of the user's as it was, any other with the place where it was raised."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, VlsaError):
        return cause
    if isinstance(cause, ImportError | AttributeError):
        return ConfigError(
            f"--engine ray: a node cannot import vlsa {__version__} ({cause}). Install it on every node, and start Ray "
            "there again."
        )
    return error
