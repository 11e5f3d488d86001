"""A file, or ranges of it, as RFC 9110 says: not sent again to who has it, and whole where the ranges make no sense.

Used by the routes of media and of the page; the ranges themselves are Starlette's.
"""

import re
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from fastapi import Response
from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

KEPT_HEADERS = ("etag", "last-modified", "cache-control")
"""Which say what a browser has, and may do with it."""
_RANGE = re.compile(r"(\d{1,99})-(\d{0,99})|-\d{1,99}", re.ASCII)


class SentFile(FileResponse):
    """A file whose `stat_result` is known."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        asked = Headers(scope=scope)
        if self._is_known(asked):
            headers = {name: self.headers[name] for name in KEPT_HEADERS if name in self.headers}
            await Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)(scope, receive, send)
            return
        if not are_ranges(asked.get("range", "")):
            kept = [(name, value) for name, value in scope["headers"] if name.lower() != b"range"]
            scope = {**scope, "headers": kept}
        await super().__call__(scope, receive, send)

    def _is_known(self, asked: Headers) -> bool:
        """Whether the one who asks has the file as it is; its mark counts before its time."""
        marks = asked.get("if-none-match")
        if marks is not None:
            known = {mark.strip().removeprefix("W/") for mark in marks.split(",")}
            return bool({"*", self.headers["etag"]} & known)
        try:
            since = parsedate_to_datetime(asked["if-modified-since"])
            return parsedate_to_datetime(self.headers["last-modified"]) <= since
        except (KeyError, ValueError, TypeError):  # none, or no date
            return False


def are_ranges(header: str) -> bool:
    """Whether a Range header can be read: `bytes=0-99`, `bytes=100-`, `bytes=-50`, or several with commas."""
    unit, _, listed = header.partition("=")
    found = [_RANGE.fullmatch(part.strip()) for part in listed.split(",") if part.strip()]
    if unit.strip().lower() != "bytes" or not found:
        return False
    return all(one is not None and not (one[2] and int(one[1]) > int(one[2])) for one in found)
