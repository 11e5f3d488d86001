"""The page itself, and whether the server is well."""

from pathlib import Path

from fastapi import APIRouter, Response

from vlsa import __version__
from vlsa.serve.routes.sent_file import SentFile
from vlsa.serve.routes.services import Served

router = APIRouter(tags=["page"])
STATIC = Path(__file__).parent.parent / "static"


@router.get("/", include_in_schema=False)
@router.head("/", include_in_schema=False)
def page() -> SentFile:
    """The one document of the page; what it shows is in its address."""
    path = STATIC / "index.html"
    return SentFile(path, media_type="text/html; charset=utf-8", stat_result=path.stat())


@router.get("/health")
@router.head("/health", include_in_schema=False)
def health() -> dict[str, str]:
    """That the server answers."""
    return {"status": "ok", "version": __version__}


@router.get("/metrics", response_class=Response)
def metrics(served: Served) -> Response:
    """Numbers for Prometheus."""
    return Response(served.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
