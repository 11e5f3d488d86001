"""Who may ask, and what a browser may do with the answers: checked before anything else sees a request.

Reads the settings; used by app.py. The Host header has to be a name of this server, else a page of somebody else could
be given its address (DNS rebinding). A request that changes something has to come from the page itself (CSRF).
"""

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vlsa.serve.http.settings import ServeSettings

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
}
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def protect(app: FastAPI, settings: ServeSettings) -> None:
    """Put all checks in front of an application."""
    app.add_middleware(Guard, settings=settings)


class Guard:
    """Refuses requests of others, and adds the headers to every response."""

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
