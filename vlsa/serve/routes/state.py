"""GET /api/state: what is indexed, what was left out and what helps, and how far a running `vlsa index` is."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from vlsa import __version__
from vlsa.base.errors import SearchIndexError
from vlsa.base.files import read_json_lines
from vlsa.data.reasons import REASONS, Reason
from vlsa.retrieve.index.progress_file import read_progress
from vlsa.retrieve.index.report import REPORT_NAME
from vlsa.serve.archive.describe import without_folders
from vlsa.serve.archive.open_index import OpenIndex
from vlsa.serve.routes.indexes import updated_at
from vlsa.serve.routes.services import Served

router = APIRouter(prefix="/api", tags=["state"])
MOST_ROWS = 1_000
"""Of what was left out of an index are sent; `num_left_out` counts all."""


@router.get("/state")
def state(served: Served) -> dict[str, Any]:
    """Every index of the page, also one that is empty so far or cannot be read now."""
    return {
        "indexes": [_describe(index) for index in served.catalogue],
        "version": __version__,
        "cache_bytes": served.cache.num_bytes,
    }


def _describe(index: OpenIndex) -> dict[str, Any]:
    problem, counts = None, (0, 0)
    try:
        counts = index.reading(lambda tables: (len(tables.searched.windows), len(tables.searched.texts)))
    except SearchIndexError as error:
        problem = without_folders(str(error), index)
    files, progress, rows = index.files().listed, read_progress(index.path), left_out(index)
    return {
        "name": index.name,
        "title": index.title,
        "num_files": len(files),
        "num_windows": counts[0],
        "num_texts": counts[1],
        "hours": round(sum(file.duration_seconds for file in files) / 3600, 4),
        "num_bytes": index.facts.get("num_bytes", 0),
        "updated_at": updated_at(index),
        "problem": problem,
        "num_left_out": len(rows),
        "left_out": rows[:MOST_ROWS],
        "progress": None if progress is None else asdict(progress),
    }


def left_out(index: OpenIndex) -> list[dict[str, Any]]:
    """The rows of the report of an index, each with what its reason means and what helps."""
    try:
        return [_row(line, index) for line in read_json_lines(index.folder / REPORT_NAME) if isinstance(line, dict)]
    except (OSError, ValueError):  # there is none yet, or it is being damaged
        return []


def _row(line: Mapping[str, Any], index: OpenIndex) -> dict[str, Any]:
    word, message = str(line.get("reason", "")), without_folders(str(line.get("message", "")), index)
    reason = REASONS.get(word, Reason(message, ""))
    row = {"path": without_folders(str(line.get("path", "")), index), "reason": word, "message": message}
    times = {name: line.get(name) for name in ("start_seconds", "stop_seconds")}
    return row | asdict(reason) | times
