"""Bodies of requests: JSON, or a form with files, read within limits.

Feeds the routes that take a question or an upload.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from vlsa.base.errors import VlsaError
from vlsa.serve.media.uploads import Upload
from vlsa.serve.routes.services import Services

MOST_FILES, MOST_FIELDS = 8, 8
LONGEST_NAME = 200


@dataclass(frozen=True)
class Body:
    """What was sent."""

    value: Any
    """The JSON document; None without one."""
    uploads: Mapping[str, Upload] = field(default_factory=dict)
    """Files by the name of their field."""


async def read_body(request: Request, served: Services, json_field: str) -> Body:
    """A JSON body, or a form with JSON in one field and files in others. Raises VlsaError, MediaError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        return Body(_parse(await request.body()))
    async with request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS) as form:
        text = form.get(json_field)
        value = _parse(text) if isinstance(text, str) else None
        files = {name: file for name, file in form.items() if isinstance(file, UploadFile)}
        uploads = {name: await run_in_threadpool(_keep, served, file) for name, file in files.items()}
        return Body(value, uploads)


def _keep(served: Services, file: UploadFile) -> Upload:
    return served.uploads.add(file.file.read, shown_name(file.filename or "upload"))


def shown_name(name: str) -> str:
    """The last part of a name, short and of one line."""
    plain = "".join(letter for letter in name.replace("\\", "/").rpartition("/")[2] if letter.isprintable())
    return plain.encode(errors="replace").decode()[-LONGEST_NAME:] or "upload"


def _parse(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise VlsaError(f"the body is not JSON ({str(error)[:80]}); nothing was done. Check its brackets.") from error
