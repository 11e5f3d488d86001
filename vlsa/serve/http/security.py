"""Who may ask, and what a browser may do with the answers: checked before anything else sees a request.

Reads the settings; used by app.py. The Host header has to be a name of this server, else a page of somebody else could
be given its address (DNS rebinding). What changes something, or comes from another site, has to come from the page
itself (CSRF). With a token, all but the login page needs it: in a header, or in the cookie that login.py sets.
"""

import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Callable
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vlsa.serve.http.problems import problem
from vlsa.serve.http.settings import ServeSettings, is_loopback

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    "Cache-Control": "private, no-cache",
}
"""Of every response that does not say otherwise; without the last, browsers keep parts of the page of an older vlsa."""
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
OPEN_PATHS = ("/login", "/health")
"""Whoever has no token sees these, and the files of the page, which hold nothing of the archive."""
UPLOAD_PATHS = ("/api/uploads", "/api/search")
"""Bodies may hold a file here."""


def cookie_name(settings: ServeSettings) -> str:
    """Of the cookie of this server; browsers keep those of all ports of a machine together."""
    return f"vlsa_{settings.port}"


def cookie_value(token: str) -> str:
    """What the cookie holds: it shows that its owner knew the token, and does not contain it."""
    return hmac.new(token.encode(), b"vlsa cookie", hashlib.sha256).hexdigest()


def is_token(given: str, settings: ServeSettings) -> bool:
    """Whether it is the token, in a time that does not depend on where it differs."""
    assert settings.token is not None
    return hmac.compare_digest(given.encode(errors="replace"), settings.token.encode())


class Guard:
    """Refuses requests of others, bounds bodies, and adds the headers to every response."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, answered: Callable[[str, int], None]) -> None:
        self._app, self._settings, self._answered = app, settings, answered
        self._names = {settings.host.lower(), *map(_host_name, settings.allowed_hosts)} - {""}
        if not settings.is_local:
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower(), "localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; others than of HTTP are not answered."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            headers = Headers(scope=scope)
            body = _Body(receive, self._most_bytes(scope["path"], headers))
            respond = _Responses(scope, send, body, self._answered)
            refused = self._refusal(scope, headers)
            await (refused or self._app)(scope, body, respond)

    def _most_bytes(self, path: str, headers: Headers) -> int:
        limits = self._settings.limits
        is_form = headers.get("content-type", "").lower().startswith("multipart/form-data")
        return limits.upload_bytes if path in UPLOAD_PATHS and is_form else limits.body_bytes

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """The response to a request that goes no further; None for one that may."""
        host = headers.getlist("host")
        if len(host) != 1 or not self._is_ours(host[0]):
            return problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"{', '.join(host)[:80]!r} is not a name of this server; nothing was answered. "
                "Use its own address, or start it with --allow-host NAME.",
            )
        if not _from_here(scope["method"], headers, host[0]):
            return problem(
                HTTPStatus.FORBIDDEN, "the request comes from a page of another site; nothing was done. Open this page."
            )
        length = headers.get("content-length", "0")
        most_bytes = self._most_bytes(scope["path"], headers)
        if not length.isdecimal() or int(length[:20]) > most_bytes:
            return too_large(most_bytes)
        if self._settings.token is None or _is_open(scope["path"]) or self._has_token(headers):
            return None
        if scope["method"] == "GET" and scope["path"] == "/":
            return RedirectResponse(with_query("/login", scope), HTTPStatus.SEE_OTHER)
        detail = "no token, or another one; nothing was answered. Send `Authorization: Bearer TOKEN`, or open /login."
        return problem(HTTPStatus.UNAUTHORIZED, detail, **{"WWW-Authenticate": "Bearer"})

    def _is_ours(self, host: str) -> bool:
        """Whether a Host header names this server: by a name of it, or by an address, which no other page can have."""
        name = _host_name(host)
        if name in self._names or is_loopback(name):
            return True
        return not self._settings.is_local and _is_address(name)

    def _has_token(self, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return is_token(given.strip(), self._settings)
        assert self._settings.token is not None
        value = _cookie(headers.get("cookie", ""), cookie_name(self._settings))
        return hmac.compare_digest(value.encode(errors="replace"), cookie_value(self._settings.token).encode())


def with_query(path: str, scope: Scope) -> str:
    """A path of this server with the query of a request: what the page is asked for is kept through the login."""
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def too_large(most_bytes: int) -> Response:
    """The response to a body of more bytes than are read."""
    detail = f"more than {most_bytes:,} bytes; this much can be sent at once. Send less."
    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


class _Body:
    """Hands on a body up to the most bytes; after these it ends."""

    def __init__(self, receive: Receive, most_bytes: int) -> None:
        self._receive, self.most_bytes, self._num_bytes = receive, most_bytes, 0

    @property
    def is_too_large(self) -> bool:
        return self._num_bytes > self.most_bytes

    async def __call__(self) -> Message:
        message = await self._receive()
        self._num_bytes += len(message.get("body", b""))
        if self.is_too_large and message["type"] == "http.request":
            return {"type": "http.request", "body": b"", "more_body": False}
        return message  # also that the client is gone, for which whoever sends a stream waits


class _Responses:
    """Hands on a response with the headers of all; in its place 413 if the body was too large."""

    def __init__(self, scope: Scope, send: Send, body: _Body, answered: Callable[[str, int], None]) -> None:
        self._scope, self._send, self._body, self._answered = scope, send, body, answered
        self._replaced = False

    async def __call__(self, message: Message) -> None:
        if self._replaced:
            return
        if message["type"] == "http.response.start":
            if self._body.is_too_large and message["status"] != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                await too_large(self._body.most_bytes)(self._scope, self._body, self)
                self._replaced = True
                return
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            route = getattr(self._scope.get("route"), "path", "none")
            self._answered(route, message["status"])
        await self._send(message)


def _from_here(method: str, headers: Headers, host: str) -> bool:
    """Whether a request is not made by a page of another site. Programs that are no browsers say neither header."""
    site, mode = headers.get("sec-fetch-site"), headers.get("sec-fetch-mode")
    if method in SAFE_METHODS:
        return site != "cross-site" or mode == "navigate"
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2].lower() == host.lower()


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith("/static/")


def _host_name(host: str) -> str:
    """A Host header, or what --allow-host says, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    name = host if host.count(":") > 1 else host.partition(":")[0]  # an address of IPv6 alone has many
    return name.strip().lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _cookie(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value
