"""The application run by uvicorn until it is stopped."""

import logging
import os
import socket
import webbrowser
from collections.abc import Iterable
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

from vlsa.base.console import say
from vlsa.base.errors import ConfigError
from vlsa.serve.app import create_app
from vlsa.serve.archive.open_index import OpenIndex
from vlsa.serve.http.patience import PatientProtocol
from vlsa.serve.http.settings import ServeSettings

IDLE_SECONDS = 15
"""A connection without a request is closed after so long."""
END_SECONDS = 5
"""How long requests that are under way have to end after Ctrl-C."""
BACKLOG = 128


def run(settings: ServeSettings, *, open_page: bool = False) -> None:
    """Serve until Ctrl-C; `open_page` shows the page in a browser. Raises SearchIndexError, ConfigError."""
    app = create_app(settings)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # of a form that is none the answer says so
    say_missing_footage(app.state.services.catalogue)
    with listening(settings.host, settings.port) as listener:
        address = page_address(listener)
        say(f"open {address} in a browser; Ctrl-C ends the server")
        if open_page:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(server_config(app)).run(sockets=[listener])


def say_missing_footage(indexes: Iterable[OpenIndex]) -> None:
    """A line for each index whose footage is not on this machine, as of one that was copied."""
    for index in indexes:
        if not os.path.isdir(index.source):
            say(
                f"{index.path}: its footage is not at {index.source}, so that images and players stay empty; if it was "
                "moved, add --source FOLDER"
            )


def server_config(app: FastAPI) -> uvicorn.Config:
    """How uvicorn runs the application."""
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=END_SECONDS,
        server_header=False,
        access_log=False,
        log_level="warning",
    )


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens at an address. Raises ConfigError when it cannot."""
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(place, family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"serve: cannot listen at {host}:{port} ({error}); nobody could connect. "
            "Stop what uses it, or name another --port."
        ) from error


def page_address(listener: socket.socket) -> str:
    """What to type into a browser on this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
