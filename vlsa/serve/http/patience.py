"""A connection that sends its request or takes its response too slowly is closed, since many would use up the server.

Used by run.py in place of uvicorn's own protocol, which waits for ever.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 15.0
"""For the first line and the headers, from the start of the connection or the end of the last response."""
BODY_SECONDS, LEAST_BODY_BYTES = 15.0, 16 * 1024
"""A body has to bring so many bytes, or its end, in so many seconds."""
UNREAD_SECONDS = 120.0
"""A response of which the client takes nothing for so long is given up, and the work behind it ends."""
PLAYED_PATH = "/media/"
"""But not a film: its player takes what it needs as it plays, and nothing while it is paused."""


class PatientProtocol(H11Protocol):
    """As uvicorn's, with an end to its patience."""

    _timer: asyncio.TimerHandle | None = None
    _num_bytes = 0
    """Since the timer was set."""
    _unread_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, but not for ever."""
        super().connection_made(transport)
        self._set_timer(HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a few now and then do not buy more time."""
        self._num_bytes += len(data)
        had_request = self._is_in_request()
        super().data_received(data)
        if self._is_in_request() != had_request or self._is_complete():
            self._set_timer(None if self._is_complete() else BODY_SECONDS)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._set_timer(HEAD_SECONDS)

    def pause_writing(self) -> None:
        """The client takes no more for now; wait, but not for ever."""
        super().pause_writing()
        if not self.scope["path"].startswith(PLAYED_PATH):
            transport: Any = self.transport
            self._unread_timer = self.loop.call_later(UNREAD_SECONDS, transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        self._stop_unread_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._set_timer(None)
        self._stop_unread_timer()
        super().connection_lost(exc)

    def _stop_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
        self._unread_timer = None

    def _is_in_request(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _is_complete(self) -> bool:
        """Whether a request is here as a whole, and is being answered."""
        return self._is_in_request() and not self.cycle.more_body

    def _set_timer(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._num_bytes = 0
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._out_of_patience)

    def _out_of_patience(self) -> None:
        if self._is_complete():
            return
        if self._is_in_request() and self._num_bytes >= LEAST_BODY_BYTES:
            self._set_timer(BODY_SECONDS)
            return
        transport: Any = self.transport
        transport.abort()
