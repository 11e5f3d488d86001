"""/api/collections: moments that people keep, with notes, in their order. What is deleted can be restored for a month.

Every change answers with the collection as it is then.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from vlsa.serve.archive.collections import LONGEST_NAME, LONGEST_NOTE, MOST_ITEMS, Collection, Item
from vlsa.serve.archive.describe import describe_moment, shown_path
from vlsa.serve.archive.kept_moments import KeptMoment, kept_moments, place_of
from vlsa.serve.http.problems import UnknownIdError
from vlsa.serve.routes.services import Served, Services

router = APIRouter(prefix="/api/collections", tags=["collections"])
NUM_COVERS = 4
"""Moments of a collection that the list of all shows."""
Note = Annotated[str, Field(max_length=LONGEST_NOTE)]


class Body(BaseModel):
    """The body of a change; unknown names are refused."""

    model_config = ConfigDict(extra="forbid")


class NameBody(Body):
    """A name for a collection."""

    name: str = Field(max_length=LONGEST_NAME, examples=["Bells for the trailer"])


class MomentBody(Body):
    """A moment to keep."""

    moment: str = Field(examples=["index:0123456789abcdef:12000-15000"])
    note: Note = ""


class ItemBody(Body):
    """What is to be changed of an item: its note, its place in the order (0 = first), or both."""

    note: Note | None = None
    position: Annotated[int, Field(ge=0, le=MOST_ITEMS)] | None = None


class RestoreBody(Body):
    """What to bring back: an item of the collection, or (without it) the collection itself."""

    item: str | None = None


@router.get("")
def list_collections(served: Served) -> dict[str, Any]:
    """All collections, the one that was changed last first, each with its first moments."""
    found = served.collections.all()
    return {"collections": [_describe(one, _describe_items(served, one.items[:NUM_COVERS])) for one in found]}


@router.post("", status_code=201)
def create_collection(body: NameBody, served: Served) -> dict[str, Any]:
    """A new, empty collection."""
    return _found(served, served.collections.create(body.name))


@router.get("/{id}")
def get_collection(id: str, served: Served) -> dict[str, Any]:
    """A collection with all its moments. Those whose file is in no index now have `moment` null."""
    return _found(served, id)


@router.patch("/{id}")
def rename_collection(id: str, body: NameBody, served: Served) -> dict[str, Any]:
    """Give it another name."""
    return _changed(served, id, served.collections.rename(id, body.name))


@router.delete("/{id}", status_code=204)
def delete_collection(id: str, served: Served) -> Response:
    """Put it away; `restore` brings it back."""
    if not served.collections.delete(id):
        raise _unknown(id)
    return Response(status_code=204)


@router.post("/{id}/restore")
def restore(id: str, served: Served, body: RestoreBody | None = None) -> dict[str, Any]:
    """Bring back what was deleted: an item, or the collection."""
    item = body.item if body else None
    kept = served.collections
    return _changed(served, id, kept.restore(id) if item is None else kept.restore_item(id, item))


@router.post("/{id}/moments", status_code=201)
def add_moment(id: str, body: MomentBody, served: Served) -> dict[str, Any]:
    """Keep a moment, as the last one."""
    item = served.collections.add(id, place_of(served.catalogue, body.moment), body.note)
    return _changed(served, id, item is not None)


@router.patch("/{id}/moments/{item}")
def change_item(id: str, item: str, body: ItemBody, served: Served) -> dict[str, Any]:
    """Another note, or another place."""
    return _changed(served, id, served.collections.change(id, item, note=body.note, position=body.position))


@router.delete("/{id}/moments/{item}")
def remove_item(id: str, item: str, served: Served) -> dict[str, Any]:
    """Take a moment out; `restore` brings it back."""
    return _changed(served, id, served.collections.remove(id, item))


def _found(served: Services, id: str) -> dict[str, Any]:
    collection = served.collections.find(id)
    if collection is None:
        raise _unknown(id)
    return _describe(collection, _describe_items(served, collection.items))


def _changed(served: Services, id: str, was_there: bool) -> dict[str, Any]:
    """The collection after a change. Raises UnknownIdError when there was nothing to change."""
    if not was_there:
        raise _unknown(id)
    return _found(served, id)


def _unknown(id: str) -> UnknownIdError:
    return UnknownIdError(f"{id[:40]!r}: no such collection, or nothing of that id in it; nothing was changed. Reload.")


def _describe(collection: Collection, moments: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": collection.id,
        "name": collection.name,
        "num_moments": len(collection.items),
        "created_at": collection.created_at,
        "updated_at": collection.updated_at,
        "moments": moments,
    }


def _describe_items(served: Services, items: Sequence[Item]) -> list[dict[str, Any]]:
    found = kept_moments(served.catalogue, [item.place for item in items])
    return [_describe_item(item, kept) for item, kept in zip(items, found, strict=True)]


def _describe_item(item: Item, kept: KeptMoment | None) -> dict[str, Any]:
    return {
        "item": item.id,
        "note": item.note,
        "added_at": item.added_at,
        "moment": None if kept is None else describe_moment(kept.index, kept.moment, {kept.file.path: kept.file}),
        "last_path": shown_path(item.place.path),
    }
