"""Moments that were kept, found again in the indexes of now: where their file is, and what is said there.

Reads places (collections.py) and open indexes; feeds routes/collections.py and routes/export.py.
"""

from collections.abc import Sequence

import numpy as np

from vlsa.retrieve.index.file_facts import FileFacts
from vlsa.retrieve.search.moments import Moment
from vlsa.retrieve.search.tables import SearchTables
from vlsa.serve.archive.catalogue import Catalogue
from vlsa.serve.archive.collections import Place
from vlsa.serve.archive.ids import MomentId
from vlsa.serve.archive.open_index import OpenIndex
from vlsa.serve.http.problems import UnknownIdError


def place_of(catalogue: Catalogue, id: str) -> Place:
    """What a moment is kept by. Raises UnknownIdError."""
    moment = MomentId.parse(id)
    index, file = catalogue.file(moment.media)
    return Place(index.name, file.path, file.content, moment.start_ms, moment.stop_ms)


def find_place(catalogue: Catalogue, place: Place) -> tuple[OpenIndex, FileFacts] | None:
    """The file of a kept moment: of the same path and bytes, else of the same bytes, else of the same path.

    None when its index is not served, or holds neither.
    """
    try:
        index = catalogue.index(place.index_name)
    except UnknownIdError:
        return None
    files = index.files()
    at_path = files.by_path.get(place.path)
    if at_path is not None and (at_path.content == place.content or not place.content):
        return index, at_path
    moved = next((file for file in files.listed if place.content and file.content == place.content), at_path)
    return None if moved is None else (index, moved)


def kept_moment(index: OpenIndex, file: FileFacts, start_ms: int, stop_ms: int, rank: int = 1) -> Moment:
    """A stretch of a file as a moment that answers no question, with the texts there."""
    start, stop = start_ms / 1000, stop_ms / 1000
    return Moment(
        rank=rank,
        path=file.path,
        start_seconds=start,
        stop_seconds=stop,
        best_start_seconds=start,
        best_stop_seconds=stop,
        score=0.0,
        stand_out=0.0,
        texts=index.reading(lambda tables: texts_at(tables, file.path, start, stop)),
    )


def texts_at(tables: SearchTables, path: str, start_seconds: float, stop_seconds: float) -> tuple[str, ...]:
    """What is said or written during a stretch of a file, each text once, by time."""
    searched = tables.searched
    number = searched.paths.index(path) if path in searched.paths else -1
    places = searched.text_places
    shown = (places.file == number) & (places.start_seconds < stop_seconds) & (places.stop_seconds > start_seconds)
    rows: Sequence[int] = np.flatnonzero(shown).tolist()
    return tuple(dict.fromkeys(searched.texts[row] for row in sorted(rows, key=places.start_seconds.__getitem__)))
