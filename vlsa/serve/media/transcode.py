"""Media converted while they are played: fragmented MP4 (H.264, AAC) from a time on, made by a process that may die.

Calls export/encode.py in the process; feeds routes/playback.py. The process waits while nobody reads, and ends with the
last reader. There are so many at a time; when another is wanted, one that nobody has read from for IDLE_SECONDS ends,
else it waits a little, since who seeks lets go of one and asks for the next at the same time.
"""

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import BinaryIO

from vlsa.base.errors import MediaError, VlsaError
from vlsa.retrieve.search.export.encode import Encoding, encode_span
from vlsa.serve.http.problems import BusyError

VIDEO_OPTIONS = {"crf": "24", "preset": "superfast", "tune": "zerolatency", "g": "48"}
CONTAINER_OPTIONS = {"movflags": "delay_moov+default_base_moof", "frag_duration": "500000"}
"""A part of the file every half a second, which can be played before the next one is there."""
IDLE_SECONDS = 5.0
ROOM_SECONDS = 3.0
"""How long a conversion may wait for another one to end, before it is refused."""
PATIENCE_SECONDS = 60.0
"""For the next bytes of a process that is read from; the first ones need a seek, and Python to start."""
PIECE_BYTES = 1 << 16
COMMAND = "import sys; from vlsa.serve.media.transcode import main; main(*sys.argv[1:])"
UNREADABLE_STATUS = 3


@dataclass(eq=False)
class _Running:
    process: "subprocess.Popen[bytes]"
    unread_since: float | None = None
    """When its bytes were handed on, while no more are asked for."""


class Wanted:
    """Whether anybody still waits for a work; it is ended when somebody says, from any thread, that nobody does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.still = True
        self._end: Callable[[], object] | None = None

    def no_more(self) -> None:
        """End the work, now or when it begins."""
        with self._lock:
            self.still = False
            if self._end is not None:
                self._end()

    @contextmanager
    def or_else(self, end: Callable[[], object]) -> Iterator[None]:
        """In here, `end` is what ends the work."""
        with self._lock:
            self._end = end
            if not self.still:
                end()
        try:
            yield
        finally:
            with self._lock:
                self._end = None


class Transcoder:
    """Starts conversions, and knows those that run."""

    def __init__(self, most: int, worker_bytes: int) -> None:
        self._most, self._worker_bytes = most, worker_bytes
        self._running: list[_Running] = []
        self._changed = threading.Condition()

    def pieces(
        self,
        path: str,
        start_seconds: float,
        stop_seconds: float,
        most_width_px: int,
        wanted: Wanted | None = None,
        *,
        duration_seconds: float = 0.0,
    ) -> Generator[bytes, None, None]:
        """The bytes of a stretch as MP4, as they are made; the process ends when the iterator is closed.

        Raises BusyError, and MediaError for a file that cannot be decoded there, before the first byte. There is none
        of a conversion that is not `wanted` any more. `duration_seconds`: of the file, by its index.
        """
        numbers = (start_seconds, stop_seconds, most_width_px, self._worker_bytes, duration_seconds)
        arguments = [path, *map(str, numbers)]
        wanted = wanted or Wanted()
        with self._started(arguments) as running, wanted.or_else(running.process.kill):
            num_bytes = 0
            while piece := _next_piece(running.process):
                num_bytes += len(piece)
                running.unread_since = time.monotonic()
                yield piece
                running.unread_since = None
            if not num_bytes and wanted.still:
                raise MediaError(
                    f"{path}: nothing could be converted from {start_seconds:g} s on; it cannot be played here. "
                    "Choose an earlier time, or download the file.",
                    reason="nothing" if running.process.wait() == UNREADABLE_STATUS else "crashed",
                )

    @contextmanager
    def _started(self, arguments: list[str]) -> Iterator[_Running]:
        with self._changed:
            self._make_room()
            running = _Running(_start(arguments))
            self._running.append(running)
        try:
            yield running
        finally:
            _end(running.process)
            with self._changed:
                if running in self._running:
                    self._running.remove(running)
                self._changed.notify()

    def _make_room(self) -> None:
        """Wait for room, if there are as many as may be. Raises BusyError."""
        if not self._changed.wait_for(self._has_room, ROOM_SECONDS):
            raise BusyError(
                f"{self._most} videos are being converted, as many as may; this one was not begun. Try again."
            )

    def _has_room(self) -> bool:
        """Whether another one may start; ends the one that was left unread for longest, if that makes room."""
        if len(self._running) < self._most:
            return True
        now = time.monotonic()
        idle = [one for one in self._running if one.unread_since and now - one.unread_since > IDLE_SECONDS]
        if not idle:
            return False
        oldest = min(idle, key=lambda one: one.unread_since or now)
        oldest.process.kill()
        self._running.remove(oldest)
        return True

    @property
    def num_running(self) -> int:
        """How many processes there are."""
        return len(self._running)


def _start(arguments: list[str]) -> "subprocess.Popen[bytes]":
    folders = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        [sys.executable, "-P", "-c", COMMAND, *arguments],  # -P: nothing is imported from the folder that one is in
        env={**os.environ, "PYTHONPATH": folders},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        process_group=0,  # Ctrl-C is the server's business
    )


def _next_piece(process: "subprocess.Popen[bytes]") -> bytes:
    """What comes next; empty at the end, or when nothing comes for long."""
    assert process.stdout is not None
    ready = wait([process.stdout], PATIENCE_SECONDS)
    return os.read(process.stdout.fileno(), PIECE_BYTES) if ready else b""


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


class _Pipe:
    """Standard output, as what can only be written to."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, piece: bytes) -> int:
        """Write, and pass it on at once."""
        written = self._out.write(piece)
        self._out.flush()
        return written


def main(
    path: str, start_seconds: str, stop_seconds: str, most_width_px: str, worker_bytes: str, duration_seconds: str
) -> None:
    """Convert to standard output; the process is of no other use."""
    from vlsa.data.media.joined import facts_if_joined

    resource.setrlimit(resource.RLIMIT_AS, (int(worker_bytes), resource.getrlimit(resource.RLIMIT_AS)[1]))
    how = Encoding(VIDEO_OPTIONS, CONTAINER_OPTIONS, int(most_width_px))
    out = _Pipe(sys.stdout.buffer)
    try:
        facts = facts_if_joined(path, float(duration_seconds))
        encode_span(Path(path), float(start_seconds), float(stop_seconds), out, how, facts)
    except BrokenPipeError:
        os._exit(0)  # nobody listens
    except VlsaError:
        os._exit(UNREADABLE_STATUS)
