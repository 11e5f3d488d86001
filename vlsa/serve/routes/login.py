"""The login page of a server with a token: GET and POST /login. It sets a cookie that stands for the token.

Its query is that of the page that was asked for, so that links and bookmarks work for whoever has to sign in first.
"""

import asyncio
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from vlsa.serve.http.security import cookie_name, cookie_value, is_token, with_query
from vlsa.serve.routes.page import STATIC
from vlsa.serve.routes.services import Served

router = APIRouter(include_in_schema=False)
KEPT_SECONDS = 30 * 86_400
WRONG_SECONDS = 1.0
"""How long the answer to a wrong token takes."""
HEADERS = {"Referrer-Policy": "same-origin", "Cache-Control": "no-store"}
"""A form of a page without a referrer is sent without its origin, which is checked."""


@router.get("/login")
def login_page(request: Request, served: Served) -> Response:
    """The form; where no token is needed, the page itself."""
    if served.settings.token is None:
        return RedirectResponse(with_query("/", request.scope), HTTPStatus.SEE_OTHER)
    return FileResponse(STATIC / "login.html", headers=HEADERS, media_type="text/html; charset=utf-8")


@router.post("/login")
async def login(request: Request, served: Served) -> Response:
    """Set the cookie, if the token is right, and go on to what was asked for before."""
    settings = served.settings
    async with request.form(max_files=0, max_fields=4) as form:
        given = form.get("token")
    if settings.token is None or not isinstance(given, str) or not is_token(given.strip(), settings):
        await asyncio.sleep(WRONG_SECONDS)
        return RedirectResponse(with_query("/login", request.scope) + "#wrong", HTTPStatus.SEE_OTHER, headers=HEADERS)
    asked = with_query("/", request.scope) + "#"  # without it browsers would keep #wrong
    response = RedirectResponse(asked, HTTPStatus.SEE_OTHER, headers=HEADERS)
    response.set_cookie(
        cookie_name(settings),
        cookie_value(settings.token),
        max_age=KEPT_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response
