"""The web application: the routes, their errors, and what they share.

Reads the settings; run.py runs it. The way of a request: security.py (who may ask) -> a route -> services.py.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from vlsa import __version__
from vlsa.serve.http.problems import RESPONSES, handle_problems
from vlsa.serve.http.security import Guard
from vlsa.serve.http.settings import ServeSettings
from vlsa.serve.routes import collections, export, indexes, login, map, media, moments, page, playback, search, state
from vlsa.serve.routes.services import Services

if TYPE_CHECKING:
    from vlsa.retrieve.encode.encoders import Encoder

ROUTERS = (page.router, login.router, indexes.router, search.router, moments.router, media.router)
ROUTERS += (collections.router, export.router, map.router, playback.router, state.router)


def create_app(settings: ServeSettings, encoder: "Encoder | None" = None) -> FastAPI:
    """The application for some indexes; `encoder` is their model, if it is loaded already.

    Raises SearchIndexError, ConfigError.
    """
    services = Services.open(settings, encoder)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services.start()
        yield
        services.close()

    app = FastAPI(
        title="vlsa", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None, responses=RESPONSES
    )
    app.state.services = services
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=page.STATIC), name="static")
    handle_problems(app, services.shown)
    app.add_middleware(Guard, settings=settings, answered=services.metrics.answered)
    return app
