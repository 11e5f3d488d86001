"""Responses that are made piece by piece, by work that ends when the client goes away. Used by the routes."""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote

from fastapi.responses import StreamingResponse
from starlette.concurrency import iterate_in_threadpool


def streamed(pieces: Iterator[bytes], media_type: str, headers: dict[str, str] | None = None) -> StreamingResponse:
    """The response of a generator, which is closed at the end, however that comes.

    The first piece is made now, so that an error before it is the answer.
    """
    first = next(pieces, b"")

    async def all_pieces() -> AsyncIterator[bytes]:
        try:
            yield first
            async for piece in iterate_in_threadpool(pieces):
                yield piece
        finally:
            pieces.close()  # type: ignore[attr-defined]

    return StreamingResponse(all_pieces(), media_type=media_type, headers=headers)


def attachment(name: str) -> dict[str, str]:
    """Headers that let a browser save the response under a name."""
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Cache-Control": "no-store",
    }
