"""Moments that were kept, found again in the indexes of now: where their file is, and what is said there.

Reads places (collections.py) and open indexes; feeds routes/collections.py and routes/export.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from vlsa.retrieve.index.file_facts import FileFacts
from vlsa.retrieve.search.moments import Moment
from vlsa.serve.archive.catalogue import Catalogue
from vlsa.serve.archive.collections import Place
from vlsa.serve.archive.ids import MomentId
from vlsa.serve.archive.open_index import OpenIndex
from vlsa.serve.archive.plain_moment import plain_moment
from vlsa.serve.http.problems import UnknownIdError


@dataclass(frozen=True, eq=False)
class KeptMoment:
    """A kept moment that was found."""

    index: OpenIndex
    file: FileFacts
    moment: Moment
    """With the texts there; it answers no question."""


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
    moved = files.by_content.get(place.content, at_path)
    return None if moved is None else (index, moved)


def kept_moments(catalogue: Catalogue, places: Sequence[Place]) -> list[KeptMoment | None]:
    """The moments at some places, ranked by their order; None for one whose file is in no index now.

    Each index is read once, however many moments it has.
    """
    found = [find_place(catalogue, place) for place in places]
    indexes = {index.name: index for index, _ in filter(None, found)}
    searched = {name: index.reading(lambda tables: tables.searched) for name, index in indexes.items()}
    kept: list[KeptMoment | None] = []
    for rank, (place, one) in enumerate(zip(places, found, strict=True), 1):
        if one is None:
            kept.append(None)
            continue
        index, file = one
        times = (place.start_ms / 1000, place.stop_ms / 1000)
        kept.append(KeptMoment(index, file, plain_moment(searched[index.name], file.path, *times, rank)))
    return kept
