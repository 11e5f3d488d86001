"""Tasks on a node of a Ray cluster: done in a process of their own, so that decoders may crash or hang there too.

Ray calls `run` in one of its worker processes, which keeps its decoding process for the next call. What happened is
reported in batches to ray_pool.py, which runs where the command was typed.
"""

import os
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from stat import S_ISREG
from typing import Any, no_type_check

from vlsa import __version__
from vlsa.base.errors import ConfigError, VlsaError
from vlsa.data.engine.engines import Function
from vlsa.data.engine.workers import SPARE_WORKERS, Done, Lost, Started, Worker

REPORT_SECONDS = 1.0
"""Beats are reported together, about as often as a person looks at them: thousands of nodes report to one process."""
FOLDER_BYTES = -1
"""Stands for the size of what is not a file."""

Event = Started | Done | Lost
_decoder: list[Worker] = []
"""The process that decodes for this one: none or one."""


@no_type_check  # a wrapper that checks types would hide from Ray that this is a generator
def run(
    version: str, folder: str, needs: Mapping[str, int], function: Function, tasks: Sequence[Any]
) -> Iterator[list[Event]]:
    """Do tasks in their order; yields their events, without the tasks, in batches.

    `version` is that of vlsa where the command was typed, and `folder` its current one. `needs` are the paths of the
    tasks and their sizes there (`sizes`). Raises ConfigError for a node that is not like the others, and what a task
    raised.
    """
    if version != __version__:
        raise ConfigError(
            f"{_node()} has vlsa {__version__}, and the command was typed with vlsa {version}; they would not make the "
            f"same store. Install vlsa {version} on every node, and start Ray there again."
        )
    _check_sees(folder, needs)
    with suppress(OSError):  # a folder of the driver that is not here; no path is relative to it, as was just checked
        os.chdir(folder)
    yield from _batches(event for task in tasks for event in _events(function, task))


def sizes(folder: str, paths: Iterable[str | os.PathLike[str]]) -> dict[str, int]:
    """Bytes of each path that exists; FOLDER_BYTES for what is not a file."""
    found: dict[str, int] = {}
    for path in map(os.fspath, paths):
        if path not in found:
            with suppress(OSError, ValueError):  # the task will say what is wrong with it
                status = os.stat(os.path.join(folder, path))
                found[path] = status.st_size if S_ISREG(status.st_mode) else FOLDER_BYTES
    return found


class SeesAnother(ConfigError):
    """A file that is not on a node, or with another size than where the command was typed; or it changed meanwhile."""

    path: str = ""


def _check_sees(folder: str, needs: Mapping[str, int]) -> None:
    """Raises SeesAnother unless this node has the files that the driver has: else all clips would be rejected."""
    here = sizes(folder, needs)
    for path, num_bytes in needs.items():
        if here.get(path) != num_bytes:
            what = "does not see" if path not in here else "sees another file than the others at"
            error = SeesAnother(
                f"{_node()} {what} {os.path.join(folder, path)}; what it makes would be wrong. Mount the same file "
                "system at the same place on every node, or leave this node out, and run the same command again."
            )
            error.path = path
            raise error


def _node() -> str:
    """This node, for people."""
    import ray

    return f"node {socket.gethostname()} ({ray.util.get_node_ip_address()})"


def _events(function: Function, task: Any) -> Iterator[Event]:
    """Of one task. A decoding process that ends before it comes to the task is replaced; VlsaError if all end so."""
    for _ in range(1 + SPARE_WORKERS):
        worker = _decoder_for(function)
        worker.give(task)
        event = _next_event(worker)
        if isinstance(event, Lost):
            _decoder.clear()
            continue
        yield replace(event, task=None)
        while isinstance(event, Started):
            event = _next_event(worker)
            yield replace(event, task=None)
        if isinstance(event, Lost):
            _decoder.clear()
        return
    raise VlsaError(
        f"{_node()}: {1 + SPARE_WORKERS} decoding processes in a row ended before they could start their work "
        f"({event.message}); nothing can be done there. See that it has memory, or leave it out."
    )


def _next_event(worker: Worker) -> Event:
    """Raises what the task raised; the worker then waits for the next one."""
    try:
        return worker.next_event()
    except VlsaError:
        worker.busy = False
        raise


def _decoder_for(function: Function) -> Worker:
    if _decoder and _decoder[0].function != function:
        _decoder.pop().kill()
    if not _decoder:
        with _no_program():
            _decoder.append(Worker(function))
    return _decoder[0]


@contextmanager
def _no_program() -> Iterator[None]:
    """A process that is started inside does not import the program of Ray's workers: a second, and 100 MB."""
    program = sys.modules["__main__"].__dict__
    path = program.pop("__file__", None)
    try:
        yield
    finally:
        program["__file__"] = path


def _batches(events: Iterator[Event]) -> Iterator[list[Event]]:
    """The events, those of about a second at a time; a loss is reported at once."""
    batch: list[Event] = []
    last = time.monotonic()
    for event in events:
        batch.append(event)
        if isinstance(event, Lost) or time.monotonic() - last >= REPORT_SECONDS:
            yield batch
            batch, last = [], time.monotonic()
    yield batch
