"""Errors as problem+json (RFC 9457), with the same one line that the command line prints.

Used by app.py and the routes. What the user can fix is 4xx; paths of this machine are shortened to what the index calls
them.
"""

import errno
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from vlsa.base.errors import MediaError, SearchIndexError, VlsaError


class UnknownIdError(VlsaError):
    """An id of nothing that the server has."""


class TooMuchError(VlsaError):
    """A request that would cost more than one may."""


class BusyError(VlsaError):
    """The server has too much to do at the moment."""


class StorageError(VlsaError):
    """The server cannot write what it was given, or read it again."""


FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk on which nothing more can be written."""


STATUS_OF: dict[type[VlsaError], HTTPStatus] = {
    UnknownIdError: HTTPStatus.NOT_FOUND,
    TooMuchError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    BusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    StorageError: HTTPStatus.INSUFFICIENT_STORAGE,
    SearchIndexError: HTTPStatus.SERVICE_UNAVAILABLE,
    MediaError: HTTPStatus.UNPROCESSABLE_ENTITY,
    VlsaError: HTTPStatus.BAD_REQUEST,
}
"""By the nearest class of an error."""


_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One line: where; what happened; what to do."},
    },
}
_SAID = {
    "4XX": "The request cannot be answered; whoever sent it can change that.",
    "5XX": "The server cannot answer at the moment.",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {"application/problem+json": {"schema": _SCHEMA}}}
    for status, text in _SAID.items()
}
"""Of every route, for the OpenAPI schema."""


def problem(status: int, detail: str, **headers: str) -> JSONResponse:
    """The response for an error."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": int(status), "detail": one_line(detail)}
    return JSONResponse(body, int(status), headers=headers or None, media_type="application/problem+json")


def one_line(text: str) -> str:
    """Without line breaks, and with what is no valid text replaced."""
    return re.sub(r"\s*[\r\n]\s*", " ", text).encode(errors="replace").decode()


def status_of(error: VlsaError) -> HTTPStatus:
    """The status of an error that the user can fix."""
    if isinstance(error, MediaError) and error.reason == "missing":
        return HTTPStatus.NOT_FOUND
    return next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)


def handle_problems(app: FastAPI, shown: Callable[[str], str]) -> None:
    """Answer every error of a request as problem+json. `shown`: a message without the folders of this machine."""

    async def of_vlsa(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, VlsaError)
        return problem(status_of(error), shown(str(error)))

    async def of_disk(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, OSError)
        if error.errno not in FULL:
            raise error
        detail = f"the server cannot keep it ({error.strerror}); nothing was stored. Free some space there."
        return problem(STATUS_OF[StorageError], detail)

    async def of_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        headers, detail = error.headers or {}, str(error.detail)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            known = Headers(headers).get("allow", "another method")
            detail = f"{request.method} is not answered at this address; nothing was done. Use {known}."
        elif detail == HTTPStatus.NOT_FOUND.phrase:
            detail = "nothing has this address. The page is at /, and what can be asked in /openapi.json."
        return problem(error.status_code, detail, **headers)

    async def of_form(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, _summary(error.errors()))

    async def of_all(request: Request, error: Exception) -> JSONResponse:
        detail = "a fault of the server; the request was not answered. Its log says more."
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)

    app.add_exception_handler(VlsaError, of_vlsa)
    app.add_exception_handler(OSError, of_disk)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_form)
    app.add_exception_handler(Exception, of_all)


def _summary(errors: Iterable[Any]) -> str:
    """The first thing that is wrong with a request."""
    first = next(iter(errors))
    where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return f"{where}: {first['msg']}; the request cannot be read. See /openapi.json."
