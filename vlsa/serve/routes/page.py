"""The page itself, and whether the server is well."""

from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from vlsa import __version__
from vlsa.serve.routes.services import Served

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


@router.get("/metrics", response_class=Response)
def metrics(served: Served) -> Response:
    """Numbers for Prometheus."""
    return Response(served.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
