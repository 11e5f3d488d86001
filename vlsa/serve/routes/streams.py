"""Responses that are made piece by piece, by work that ends when the client goes away. Used by the routes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class Streamed(StreamingResponse):
    """The response of a generator, which is closed at the end, however that comes.

    The first piece is made now, so that an error before it is the answer.
    """

    def __init__(
        self, pieces: Generator[bytes, None, None], media_type: str, headers: dict[str, str] | None = None
    ) -> None:
        self._pieces = pieces
        first = next(pieces, b"")

        def all_pieces() -> Generator[bytes, None, None]:
            yield first
            yield from pieces

        super().__init__(all_pieces(), media_type=media_type, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._pieces.close()


@asynccontextmanager
async def unless_gone(request: Request, gone: Callable[[], None]) -> AsyncIterator[None]:
    """Calls `gone` when the client goes away in here; for a request whose body is read, or has none."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            await asyncio.sleep(0)  # a server that has a message at once would hold all others up
        gone()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


def attachment(name: str) -> dict[str, str]:
    """Headers that let a browser save the response under a name."""
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Cache-Control": "no-store",
    }
