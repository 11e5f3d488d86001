"""Questions, and the files that are asked with: POST /api/search, POST /api/uploads, GET /api/similar."""

import json
import logging
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from vlsa.base.errors import VlsaError
from vlsa.retrieve.search.answer import Answer
from vlsa.retrieve.search.spans import Span
from vlsa.serve.archive.asking import as_sent
from vlsa.serve.archive.describe import describe_moment
from vlsa.serve.archive.ids import MomentId
from vlsa.serve.archive.open_index import Files, OpenIndex
from vlsa.serve.media.uploads import Upload
from vlsa.serve.routes import examples
from vlsa.serve.routes.bodies import read_body
from vlsa.serve.routes.services import Served, Services

_LOG = logging.getLogger(__name__)
router = APIRouter(prefix="/api", tags=["search"])


@router.post("/search", openapi_extra=examples.SEARCH_BODY, responses=examples.ANSWER)
async def search(request: Request, served: Served) -> dict[str, Any]:
    """The moments that answer a question, best first.

    As JSON, or as a form: the same JSON in the field `question`, and files, which parts name `upload:FIELDNAME`.
    """
    started = time.monotonic()
    body = await read_body(request, served, "question")
    index, question = _index_and_question(body.value, served)
    return await run_in_threadpool(_search, served, index, _with_uploads(question, body.uploads), started)


def _index_and_question(value: Any, served: Services) -> tuple[OpenIndex, dict[str, Any]]:
    if not isinstance(value, dict) or set(value) - {"index", "question"} or not isinstance(value.get("question"), dict):
        raise VlsaError(
            'search: the body is not {"index": NAME, "question": {...}}; nothing was searched. '
            'Send {"index": "index", "question": {"parts": [{"text": "a dog barks"}]}}.'
        )
    named = value.get("index")
    if named is None and len(served.catalogue) == 1:
        return next(iter(served.catalogue)), value["question"]
    if not isinstance(named, str):
        raise VlsaError(f'search: "index" is not a name; there are: {", ".join(served.catalogue.names)}.')
    return served.catalogue.index(named), value["question"]


def _with_uploads(question: dict[str, Any], uploads: Any) -> dict[str, Any]:
    """The question with `upload:HEX` where it names the field of a file."""
    if not uploads or not isinstance(question.get("parts"), list):
        return question
    return question | {"parts": [_renamed(part, uploads) for part in question["parts"]]}


def _renamed(part: Any, uploads: dict[str, Upload]) -> Any:
    if not isinstance(part, dict):
        return part
    return {kind: _hex_for(value, uploads) if kind != "text" else value for kind, value in part.items()}


def _hex_for(value: Any, uploads: dict[str, Upload]) -> Any:
    if not isinstance(value, str) or not value.startswith("upload:"):
        return value
    name, at, times = value.removeprefix("upload:").partition("@")
    return f"upload:{uploads[name].hex}{at}{times}" if name in uploads else value


def _search(served: Services, index: OpenIndex, value: dict[str, Any], started: float) -> dict[str, Any]:
    question = served.places.question(value)
    served.check_size(question.k)
    answer, files, notes = served.asking.answer(index, question)
    described = describe_answer(index, answer, files, notes, question.where)
    took_seconds = time.monotonic() - started
    served.metrics.searched(index.name, took_seconds)
    if served.settings.log_questions:
        _LOG.info("%s: %s, %.3f s", index.name, json.dumps(as_sent(question, value)), took_seconds)
    return described | {"took_ms": round(1000 * took_seconds, 1), "question": as_sent(question, value)}


def describe_answer(
    index: OpenIndex, answer: Answer, files: Files, notes: list[str], where: str | None
) -> dict[str, Any]:
    """An answer as JSON."""
    return {
        "moments": [describe_moment(index, moment, files.by_path) for moment in answer.moments],
        "stands_out": answer.stands_out,
        "num_windows": answer.num_windows,
        "notes": notes,
        "facets": files.facets(where),
    }


@router.get("/similar", responses=examples.ANSWER)
def similar(
    served: Served,
    moment: Annotated[str, Query(description="A moment id.", examples=[examples.MOMENT_ID])],
    by: Literal["both", "video", "audio"] = "both",
    k: Annotated[int, Query(ge=1)] = 12,
    where: str | None = None,
) -> dict[str, Any]:
    """The moments that are most like a stretch of an index, by its video, its sound or both."""
    started = time.monotonic()
    asked = MomentId.parse(moment)
    index, file = served.catalogue.file(asked.media)
    served.check_size(k)
    span = Span(file.path, asked.start_seconds, asked.stop_seconds)
    answer, files = index.reading(lambda tables: (tables.similar(span, k, by=by, where=where), index.files()))
    described = describe_answer(index, answer, files, [*answer.notes], where)
    return described | {
        "took_ms": round(1000 * (time.monotonic() - started), 1),
        "question": {"moment": moment, "by": by},
    }


@router.post("/uploads", openapi_extra=examples.UPLOAD_BODY, responses=examples.UPLOADED)
async def uploads(request: Request, served: Served) -> dict[str, Any]:
    """Keep a sound, image or video for a day, to ask with it."""
    body = await read_body(request, served, "")
    if len(body.uploads) != 1:
        raise VlsaError('uploads: not one file in the form; nothing was kept. Send it as the field "file".')
    return next(iter(body.uploads.values())).as_dict()
