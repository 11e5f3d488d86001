"""What a decoding process of the server does: one task at a time, each a small object with a `run` of its own.

The tasks are those of images.py and its neighbours; services.py keeps the processes.
"""

import resource
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from vlsa.base.errors import MediaError
from vlsa.data.engine.workers import Heartbeat


@runtime_checkable
class Task(Protocol):
    """Picklable; its value too."""

    def run(self) -> Any:
        """Do it. Raises MediaError."""


@dataclass(frozen=True)
class WarmUp:
    """Import what the other tasks need, so that the first one need not wait for it."""

    def run(self) -> None:
        """Nothing is left but the imports."""
        import PIL.Image

        import vlsa.data.media.frames
        import vlsa.data.media.images  # noqa: F401

        PIL.Image.init()


@dataclass(frozen=True)
class Limited:
    """A task with the most memory that its process may take, and the patience for it."""

    task: Task
    label: str
    """What is said to have failed when the process dies."""
    worker_bytes: int
    patience_seconds: float


def run_task(limited: Limited, beat: Heartbeat) -> Any:
    """The value of a task; runs in a decoding process. Raises what the task raises, MediaError for want of memory."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (limited.worker_bytes, hard))
    beat(limited.label, limited.patience_seconds)
    try:
        return limited.task.run()
    except MemoryError as error:
        raise MediaError(
            f"{limited.label}: takes more than {limited.worker_bytes / 2**30:.0f} GiB of memory; it cannot be decoded "
            "here. Make it smaller.",
            reason="too_long",
        ) from error
