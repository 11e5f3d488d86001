"""Bodies of requests: JSON, or a form with files, read within limits.

Feeds the routes that take a question or an upload.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from vlsa.base.errors import VlsaError
from vlsa.serve.media.uploads import Upload
from vlsa.serve.routes.services import Services

MOST_FILES, MOST_FIELDS = 8, 8
LONGEST_NAME = 200
URL_ENCODED = "application/x-www-form-urlencoded"
"""What some clients call any body unless another type is given."""


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
        return Body(_parse(await request.body(), kind))
    async with _form(request) as form:
        text = form.get(json_field)
        value = _parse(text) if isinstance(text, str) else None
        files = {name: file for name, file in form.items() if isinstance(file, UploadFile)}
        uploads = {name: await run_in_threadpool(_keep, served, file) for name, file in files.items()}
        return Body(value, uploads)


@asynccontextmanager
async def _form(request: Request) -> AsyncIterator[FormData]:
    """The fields and files of a form. Raises VlsaError for what is none."""
    try:
        form = await request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS)
    except HTTPException as error:
        reason = str(error.detail).rstrip(".")
        raise VlsaError(
            f"the form cannot be read ({reason}); nothing was done. Send multipart/form-data with its boundary, of at "
            f"most {MOST_FILES} files, or JSON."
        ) from error
    try:
        yield form
    finally:
        await form.close()


def _keep(served: Services, file: UploadFile) -> Upload:
    return served.uploads.add(file.file.read, shown_name(file.filename or "upload"))


def shown_name(name: str) -> str:
    """The last part of a name, short and of one line."""
    plain = "".join(letter for letter in name.replace("\\", "/").rpartition("/")[2] if letter.isprintable())
    return plain.encode(errors="replace").decode()[-LONGEST_NAME:] or "upload"


def _parse(text: str | bytes, kind: str = "") -> Any:
    try:
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise VlsaError(f"the body is not UTF-8 (byte {error.start}); nothing was done. Send JSON in UTF-8.") from error
    except (ValueError, RecursionError) as error:
        advice = "Send JSON, or files as multipart/form-data." if kind == URL_ENCODED else "Check its brackets."
        raise VlsaError(f"the body is not JSON ({str(error)[:80]}); nothing was done. {advice}") from error
