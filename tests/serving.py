"""A small archive that is served: numbered sounds with words, and a film of a flash and a beep."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from fake_encoder import FakeEncoder
from fastapi import FastAPI
from fastapi.testclient import TestClient
from followed_folder import follow, write_footage
from media_files import write_flash_and_beep

from vlsa.serve.app import create_app
from vlsa.serve.http.settings import ServeSettings
from vlsa.serve.run import listening, page_address

ADDRESS = "http://127.0.0.1:8765"


def write_archive(folder: Path, name: str = "index") -> Path:
    """Footage of six files, and its index."""
    footage = write_footage(folder / "footage")
    write_flash_and_beep(footage / "field" / "film.mp4", duration_seconds=6.0, flash_seconds=(2.0, 5.0))
    (footage / "metadata.csv").write_text("path,place,year\nsound-1.wav,harbour,2024\nsound-2.wav,wood,2025\n")
    follow(footage, folder / name)
    return folder / name


def application(*indexes: Path, **settings: object) -> FastAPI:
    return create_app(ServeSettings(**{"indexes": indexes, "num_workers": 1, **settings}), FakeEncoder())


@contextlib.contextmanager
def browser(*indexes: Path, **settings: object) -> Iterator[TestClient]:
    """A client of an application in this process."""
    with TestClient(application(*indexes, **settings), ADDRESS, follow_redirects=False) as client:
        yield client


@contextlib.contextmanager
def listening_server(app: FastAPI) -> Iterator[str]:
    """The address of an application that listens on this machine."""
    with listening("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        try:
            yield page_address(listener).rstrip("/")
        finally:
            server.should_exit = True
            thread.join()


def ask(client: TestClient, *parts: dict[str, object], **more: object) -> dict[str, object]:
    """The answer to a question."""
    response = client.post("/api/search", json={"index": "index", "question": {"parts": [*parts], **more}})
    assert response.status_code == 200, response.text
    return response.json()
