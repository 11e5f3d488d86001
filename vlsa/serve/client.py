"""A served index from Python: `vlsa.Client` asks over HTTP and gives the same moments as `vlsa.Index`.

    client = vlsa.Client("http://127.0.0.1:8765", token="...")
    client.search("a dog barks", k=5, where="duration > 60")
    client.search(like="clip.mp4@12-15")        # a file of this machine: it is sent

Needs nothing but Python and NumPy. Paths of the moments are relative to the source of the index.
"""

import http.client
import json
import os
import secrets
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from vlsa.base.errors import VlsaError
from vlsa.retrieve.search.answer import Answer
from vlsa.retrieve.search.moments import Moment, Reason
from vlsa.retrieve.search.pieces import question_of
from vlsa.retrieve.search.question import Part, Question

PATIENCE_SECONDS = 120.0
_FIELDS = {field.name for field in fields(Moment)}


class Client:
    """Asks a server of `vlsa serve`."""

    def __init__(self, address: str = "http://127.0.0.1:8765", *, token: str | None = None, index: str = "") -> None:
        if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
            raise VlsaError(f"{address}: not the address of a server. Write it as http://127.0.0.1:8765.")
        self.address = address.rstrip("/")
        self._token, self._index = token, index

    def __repr__(self) -> str:
        return f"Client({self.address!r})"

    def indexes(self) -> list[dict[str, Any]]:
        """What can be searched there, as GET /api/indexes has it."""
        return self._json("/api/indexes")["indexes"]

    def ask(self, question: Question) -> Answer:
        """The answer. Files that the question names are sent. Raises VlsaError with the server's own line."""
        sent = replace(question, parts=tuple(map(self._sent, question.parts)))
        body = {"question": sent.as_dict()} | ({"index": self._index} if self._index else {})
        found = self._json("/api/search", json.dumps(body).encode(), "application/json")
        return _answer(found)

    def search(self, text: str | None = None, k: int = 10, **pieces: Any) -> Sequence[Moment]:
        """The k best moments for words, or for other pieces of a question, as those of `vlsa.Index.search`."""
        return self.ask(question_of(text, k=k, **pieces)).moments

    def similar(self, moment: str, k: int = 10, *, by: str = "both", where: str | None = None) -> Answer:
        """The moments most like one, which is given by its id. Raises VlsaError."""
        asked = {"moment": moment, "by": by, "k": str(k)} | ({} if where is None else {"where": where})
        found = self._json(f"/api/similar?{urllib.parse.urlencode(asked)}")
        return _answer(found)

    def upload(self, path: str | os.PathLike[str]) -> str:
        """Send a file to ask with; its id. Raises VlsaError, OSError."""
        boundary, name = secrets.token_hex(16), Path(path).name.replace('"', "_")
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        body = head.encode(errors="replace") + Path(path).read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        return str(self._json("/api/uploads", body, f"multipart/form-data; boundary={boundary}")["id"])

    def _sent(self, part: Part) -> Part:
        """A part with the id of its file, which is sent."""
        if part.kind in ("text", "moment"):
            return part
        span = part.span
        times = "" if span.start_seconds is None else f"@{span.start_seconds:.3f}-{span.stop_seconds:.3f}"
        return replace(part, value=self.upload(span.path) + times)

    def _json(self, path: str, body: bytes | None = None, kind: str = "") -> Any:
        headers = {"Accept": "application/json"} | ({"Content-Type": kind} if kind else {})
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self.address + path, body, headers)
        try:
            with _OPENER.open(request, timeout=PATIENCE_SECONDS) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise VlsaError(_detail(error.read(), error.code, self.address)) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise VlsaError(
                f"{self.address}: does not answer as a server of vlsa ({error}); nothing was found. "
                "Start it with `vlsa serve INDEX`."
            ) from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: it could lead the token to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _answer(found: Mapping[str, Any]) -> Answer:
    moments = tuple(map(moment_of, found["moments"]))
    return Answer(moments, found["stands_out"], found["num_windows"], tuple(found["notes"]))


def moment_of(value: Mapping[str, Any]) -> Moment:
    """A moment from its JSON."""
    known = {name: value[name] for name in _FIELDS}
    return Moment(**known | {"why": tuple(Reason(**why) for why in value["why"]), "texts": tuple(value["texts"])})


def _detail(body: bytes, status: int, address: str) -> str:
    """The one line of a problem."""
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{address}: answers with status {status}; nothing was found. Check the address."
