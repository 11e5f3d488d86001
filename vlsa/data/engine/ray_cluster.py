"""The Ray cluster that `prepare --engine ray` works on: joined or started, and left. ray_pool.py gives it the work.

Needs ray (extra `ray`).
"""

import logging
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vlsa.base.errors import ConfigError
from vlsa.data.engine.engines import Function, Needs, Pool
from vlsa.data.engine.ray_pool import RayPool, in_short, num_cores

_LOG = logging.getLogger(__name__)
REACH_SECONDS = 5.0
"""Patience: for an address to answer."""
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
            f"--ray-address {address}: cannot be joined ({in_short(error.__cause__ or error)}). This machine has to be "
            "a node of the cluster (`ray start`), with the same versions of Python and Ray; one with a token needs "
            "RAY_AUTH_MODE=token here."
        ) from error
    _LOG.info("Ray at %s: %d nodes, %g cores", address, sum(node["Alive"] for node in ray.nodes()), num_cores())


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
