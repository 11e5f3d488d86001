"""/api/map/{index}: all windows as points of a plane, and how far each stands out for a question."""

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from vlsa.base.errors import VlsaError
from vlsa.retrieve.search.moments import Moment
from vlsa.retrieve.search.tables import SearchTables
from vlsa.serve.archive.describe import describe_moment, shown_path
from vlsa.serve.archive.map_job import map_key
from vlsa.serve.archive.open_index import OpenIndex
from vlsa.serve.archive.plain_moment import plain_moment
from vlsa.serve.http.problems import UnknownIdError
from vlsa.serve.routes.services import Served

router = APIRouter(prefix="/api/map", tags=["map"])
BYTES = "application/octet-stream"
MOST_WINDOWS = 500
"""That one request may ask for."""


class ScoresBody(BaseModel):
    """A question, as that of /api/search."""

    model_config = ConfigDict(extra="forbid")
    question: dict[str, Any] = Field(examples=[{"parts": [{"text": "a bell rings twice"}]}])


@router.get("/{index}")
def get_map(index: str, served: Served) -> dict[str, Any]:
    """Whether the map of an index is there: ready, running, failed or absent.

    `state` names the state of the index that a map is of; numbers of windows hold for that state alone.
    """
    found = _current(served.catalogue.index(index))
    state = served.maps.state(found)
    if state["status"] != "ready":
        return {"index": found.name, **state}
    folders = [shown_path(folder) for folder in state["folders"]]
    url = f"/api/map/{found.name}/points?state={state['state']}"
    return {"index": found.name, **state, "folders": folders, "url_points": url}


@router.post("/{index}", status_code=202)
def start_map(index: str, served: Served) -> dict[str, Any]:
    """Make the map of an index as it is now, unless it is there or being made."""
    served.maps.start(_current(served.catalogue.index(index)))
    return get_map(index, served)


@router.get("/{index}/points", response_class=FileResponse)
def points(index: str, served: Served, state: str | None = None) -> FileResponse:
    """16 bytes a window, little-endian: float32 x, float32 y (both -1 to 1, y upwards; windows without a vector at
    -1.15), uint32 window, uint16 folder, uint8 modalities (1 video + 2 audio + 4 text), uint8 cluster (0 = none).
    """
    found = _current(served.catalogue.index(index))
    path = served.maps.points(found)
    if path is None or state not in (None, map_key(found.facts)):
        raise UnknownIdError(f"map of {found.name}: there is none of the index as it is now. Make it with POST.")
    return FileResponse(path, media_type=BYTES, headers={"Cache-Control": "private, max-age=86400"})


@router.get("/{index}/windows")
def windows(
    index: str,
    served: Served,
    numbers: Annotated[str, Query(description="Numbers of windows.", pattern=r"^\d{1,9}(,\d{1,9})*$", max_length=6000)],
    state: str | None = None,
) -> dict[str, Any]:
    """The windows of these numbers, in that order."""
    found = served.catalogue.index(index)
    asked = [int(number) for number in numbers.split(",")]
    if len(asked) > MOST_WINDOWS:
        raise VlsaError(f"map: {len(asked)} windows; {MOST_WINDOWS} can be asked for at once. Ask for fewer.")
    moments, files = found.reading(lambda tables: (_moments(found, tables, asked, state), found.files()))
    return {"moments": [describe_moment(found, moment, files.by_path) for moment in moments]}


@router.post("/{index}/scores", response_class=Response)
def scores(index: str, body: ScoresBody, served: Served, state: str | None = None) -> Response:
    """How far each window stands out for a question, in the order of the points: float32, little-endian.

    NaN is a window that cannot be compared, or that the filter leaves out.
    """
    found = served.catalogue.index(index)
    question = served.places.question(body.question)
    vectors = served.asking.vectors(found, question)

    def read(tables: SearchTables) -> np.ndarray:
        _check_state(found, state)
        return tables.stand_outs(question, vectors)

    return Response(found.reading(read).astype("<f4").tobytes(), media_type=BYTES)


def _current(index: OpenIndex) -> OpenIndex:
    """The index, as it was last written. Raises SearchIndexError."""
    index.reading(lambda tables: None)
    return index


def _check_state(index: OpenIndex, state: str | None) -> None:
    if state not in (None, map_key(index.facts)):
        raise UnknownIdError(
            f"map of {index.name}: the index has changed since; its windows have other numbers. Reload."
        )


def _moments(index: OpenIndex, tables: SearchTables, numbers: list[int], state: str | None) -> list[Moment]:
    _check_state(index, state)
    places, paths = tables.searched.windows, tables.searched.paths
    if max(numbers) >= len(places):
        raise UnknownIdError(f"map: no window {max(numbers)}; the index has {len(places)}. Reload.")
    found = []
    for rank, number in enumerate(numbers, 1):
        path, times = paths[int(places.file[number])], (places.start_seconds[number], places.stop_seconds[number])
        found.append(plain_moment(tables.searched, path, *map(float, times), rank))
    return found
