"""The application run by uvicorn until it is stopped."""

import uvicorn
from fastapi import FastAPI

from vlsa.serve.app import create_app
from vlsa.serve.http.patience import PatientProtocol
from vlsa.serve.http.settings import ServeSettings

IDLE_SECONDS = 15
"""A connection without a request is closed after so long."""


def run(settings: ServeSettings) -> None:
    """Serve until Ctrl-C. Raises SearchIndexError, ConfigError, OSError when the port is in use."""
    uvicorn.Server(server_config(create_app(settings), settings)).run()


def server_config(app: FastAPI, settings: ServeSettings) -> uvicorn.Config:
    """How uvicorn runs the application."""
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        host=settings.host,
        port=settings.port,
        timeout_keep_alive=IDLE_SECONDS,
        server_header=False,
        access_log=False,
    )
