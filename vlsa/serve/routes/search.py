"""POST /api/search: the moments that answer a question."""

import time
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from vlsa.retrieve.search.asked import asked_vectors
from vlsa.retrieve.search.question import Question
from vlsa.serve.archive.describe import describe_moment
from vlsa.serve.routes.services import Served

router = APIRouter(prefix="/api", tags=["search"])


class SearchBody(BaseModel):
    """A question to an index."""

    model_config = ConfigDict(extra="forbid")
    index: str
    question: dict[str, Any]


@router.post("/search")
def search(body: SearchBody, served: Served) -> dict[str, Any]:
    """The moments that answer, best first."""
    started = time.monotonic()
    index = served.catalogue.index(body.index)
    question = Question.from_dict(body.question)
    tables = index.library.tables
    asked = served.models.use(index, lambda encoder: asked_vectors(question, encoder, tables.stored, tables.occurs))
    answer, files = index.reading(lambda tables: (tables.answer(question, asked), tables.files))
    by_path = {file.path: file for file in files}
    return {
        "moments": [describe_moment(index, moment, by_path) for moment in answer.moments],
        "stands_out": answer.stands_out,
        "num_windows": answer.num_windows,
        "took_ms": round(1000 * (time.monotonic() - started), 1),
        "notes": [],
        "facets": {},
        "question": question.as_dict(),
    }
