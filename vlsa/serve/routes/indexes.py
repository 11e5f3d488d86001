"""What can be searched, by what, and what can be filtered: GET /api/indexes, GET /api/files."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query

from vlsa.base.errors import SearchIndexError, VlsaError
from vlsa.retrieve.index.facts import FACTS_NAME, PENDING_NAME
from vlsa.retrieve.index.file_facts import FileFacts
from vlsa.retrieve.index.query import TARGETS, compared_with
from vlsa.retrieve.search.asked import MODALITIES
from vlsa.retrieve.search.file_filter import COLUMNS, facts_of
from vlsa.retrieve.search.tables import SearchTables
from vlsa.serve.archive.describe import describe_file
from vlsa.serve.archive.open_index import OpenIndex
from vlsa.serve.routes.services import Served

router = APIRouter(prefix="/api", tags=["archive"])
MOST_FILES = 1000
"""Of one page of a list."""


@router.get("/indexes")
def indexes(served: Served) -> dict[str, Any]:
    """All indexes of the page: what is in them, what a question can be made of, and what a filter can name.

    One that cannot be read now is left out; /api/state says why.
    """
    found, problems = [], []
    for index in served.catalogue:
        try:
            index.follow_model()
            found.append(index.reading(partial(_describe, index)))
        except SearchIndexError as error:
            problems.append(error)
    if not found:
        raise problems[0]
    return {"indexes": found}


def _describe(index: OpenIndex, tables: SearchTables) -> dict[str, Any]:
    files, searched, spaces = index.files(), tables.searched, tuple(index.facts["spaces"])
    return {
        "name": index.name,
        "title": index.title,
        "source_name": Path(index.source).name,
        "num_files": len(files.listed),
        "num_windows": len(searched.windows),
        "num_texts": len(searched.texts),
        "hours": round(sum(file.duration_seconds for file in files.listed) / 3600, 4),
        "model": {
            "name": model_name(index),
            "modalities": [one for one in ("text", "audio", "video") if targets(one, spaces)],
        },
        "can_ask": {kind: targets(kind, spaces) for kind in MODALITIES},
        "folders": files.facets(None)["folders"],
        "columns": files.columns,
        "languages": files.languages,
        "updated_at": updated_at(index),
        "is_growing": is_growing(index),
    }


def model_name(index: OpenIndex) -> str:
    """What people call the model of an index: its recipe, or the name of a public one."""
    model = index.facts["model"]
    return str(model.get("recipe") or Path(str(model.get("run", ""))).name or model["fingerprint"])


def targets(kind: str, spaces: tuple[str, ...]) -> list[str]:
    """What a part of a kind can be compared with, in an index with these spaces."""
    return [target for target in TARGETS if any(_compares(one, target, spaces) for one in MODALITIES[kind])]


def _compares(modality: str, target: str, spaces: tuple[str, ...]) -> bool:
    try:
        compared_with(modality, modality if target == "media" and modality != "text" else target, spaces)
    except VlsaError:
        return False
    return True


def updated_at(index: OpenIndex) -> str:
    """When an index was last written, ISO 8601 in UTC. A copy of one has the time of its state (remote_copy.py)."""
    seconds = (index.folder / FACTS_NAME).stat().st_mtime
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_growing(index: OpenIndex) -> bool:
    """Whether files are being added, or an indexing was stopped before its end."""
    return not index.facts.get("tidy") or (index.folder / PENDING_NAME).exists()


@router.get("/files")
def files(
    served: Served,
    index: str,
    where: Annotated[str | None, Query(description="A filter, as `duration > 60`.")] = None,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_FILES)] = 100,
    sort: Annotated[str, Query(description="A column of a filter; with - before it from the highest down.")] = "path",
) -> dict[str, Any]:
    """Files of an index by a filter, a page at a time."""
    found = served.catalogue.index(index)
    kept = found.reading(lambda tables: found.files()).kept(where)
    shown = _sorted(kept, sort)[offset : offset + limit]
    is_local = served.settings.is_private
    return {"files": [describe_file(found, file, is_local=is_local) for file in shown], "total": len(kept)}


def _sorted(files: Any, by: str) -> list[FileFacts]:
    """By a column; files without a value for it last."""
    name, falls = by.removeprefix("-"), by.startswith("-")
    if name not in COLUMNS:
        raise VlsaError(f"files: sort={name[:40]!r} is not there; use one of {', '.join(COLUMNS)}.")
    values = [(facts_of(file)[name], file) for file in files]
    there = sorted(
        ((value, file) for value, file in values if value is not None), key=lambda pair: pair[0], reverse=falls
    )
    return [file for _, file in there] + [file for value, file in values if value is None]
