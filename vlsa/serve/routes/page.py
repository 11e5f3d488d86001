"""The page itself, and whether the server is well."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from vlsa import __version__

router = APIRouter(tags=["page"])
STATIC = Path(__file__).parent.parent / "static"


@router.get("/", include_in_schema=False)
def page() -> FileResponse:
    """The one document of the page; what it shows is in its address."""
    return FileResponse(STATIC / "index.html", media_type="text/html; charset=utf-8")


@router.get("/health")
def health() -> dict[str, str]:
    """That the server answers."""
    return {"status": "ok", "version": __version__}
