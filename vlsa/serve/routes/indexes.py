"""GET /api/indexes: what can be searched, by what, and what can be filtered."""

from typing import Any

from fastapi import APIRouter

from vlsa.base.errors import VlsaError
from vlsa.retrieve.index.query import TARGETS, compared_with
from vlsa.retrieve.search.asked import MODALITIES
from vlsa.retrieve.search.tables import SearchTables
from vlsa.serve.archive.open_index import OpenIndex
from vlsa.serve.routes.services import Served

router = APIRouter(prefix="/api", tags=["search"])


@router.get("/indexes")
def indexes(served: Served) -> dict[str, Any]:
    """All indexes of the page."""
    return {
        "indexes": [index.reading(lambda tables, index=index: _describe(index, tables)) for index in served.catalogue]
    }


def _describe(index: OpenIndex, tables: SearchTables) -> dict[str, Any]:
    files, searched, facts = tables.files, tables.searched, tables.index.facts
    spaces = tuple(facts["spaces"])
    return {
        "name": index.name,
        "title": index.title,
        "num_files": len(files),
        "num_windows": len(searched.windows),
        "num_texts": len(searched.texts),
        "hours": round(sum(file.duration_seconds for file in files) / 3600, 4),
        "model": {"name": model_name(facts["model"]), "modalities": modalities(spaces)},
        "can_ask": {kind: targets(kind, spaces) for kind in MODALITIES},
    }


def model_name(model: dict[str, Any]) -> str:
    """What people call a model: its recipe, or the name of a public one."""
    return str(model.get("recipe") or model.get("name") or model["fingerprint"])


def modalities(spaces: tuple[str, ...]) -> list[str]:
    """What a model with these spaces encodes."""
    return [one for one in ("text", "audio", "video") if targets(one, spaces)]


def targets(kind: str, spaces: tuple[str, ...]) -> list[str]:
    """What a part of a kind can be compared with."""
    return [target for target in TARGETS if any(_can_compare(one, target, spaces) for one in MODALITIES[kind])]


def _can_compare(modality: str, target: str, spaces: tuple[str, ...]) -> bool:
    try:
        compared_with(modality, modality if target == "media" and modality != "text" else target, spaces)
    except VlsaError:
        return False
    return True
