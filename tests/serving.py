"""Small archives that are served: made files, cheap encoders, and clients in this process or over HTTP."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fake_encoder import FakeEncoder, concept, write_numbered_sound
from fastapi import FastAPI
from fastapi.testclient import TestClient
from followed_folder import follow, write_footage
from media_files import write_flash_and_beep

from vlsa.retrieve.index.facts import read_facts
from vlsa.serve.app import create_app
from vlsa.serve.http.settings import ServeSettings
from vlsa.serve.run import listening, page_address, server_config

ADDRESS = "http://127.0.0.1:8765"


class NamedEncoder(FakeEncoder):
    """Media are what the number in the name of their file says, whatever they show."""

    fingerprint = "fake-0003"

    def encode_video(self, clips):
        return np.stack([self._of_name(clip) for clip in clips])

    def encode_audio(self, clips):
        return np.stack([self._of_name(clip) for clip in clips])

    def _of_name(self, clip: Any) -> np.ndarray:
        name = Path(getattr(clip, "source", clip)).name
        digits = "".join(filter(str.isdigit, name.partition(".")[0]))
        return concept(int(digits or 1000 + ord(getattr(clip, "id", "x")[-1])))


def write_archive(folder: Path, name: str = "index") -> Path:
    """Footage of six files, and its index."""
    footage = write_footage(folder / "footage")
    write_flash_and_beep(footage / "field" / "film.mp4", duration_seconds=6.0, flash_seconds=(2.0, 5.0))
    (footage / "metadata.csv").write_text("path,place,year\nsound-1.wav,harbour,2024\nsound-2.wav,wood,2025\n")
    follow(footage, folder / name)
    return folder / name


def write_mixed_footage(folder: Path) -> Path:
    """Two sounds of three seconds, one with subtitles, a video with sound in a folder, and a file that is damaged."""
    (folder / "field").mkdir(parents=True)
    for number in (1, 2):
        write_numbered_sound(folder / f"sound-{number}.wav", number, seconds=3.0)
    (folder / "sound-1.srt").write_text("1\n00:00:00,000 --> 00:00:01,500\nthe number 1\n")
    write_flash_and_beep(folder / "field" / "7-flash.mp4")
    (folder / "broken.mp4").write_bytes(b"not media at all" * 10)
    return folder


def index_by_names(footage: Path, out: Path) -> Path:
    """The index of some footage by the names of its files."""
    follow(footage, out, NamedEncoder())
    return out


def application(*indexes: Path, **settings: object) -> FastAPI:
    """With the encoder that made the first of the indexes."""
    is_named = read_facts(indexes[0])["model"]["fingerprint"] == NamedEncoder.fingerprint
    encoder = NamedEncoder() if is_named else FakeEncoder()
    return create_app(ServeSettings(**{"indexes": indexes, "num_workers": 1, **settings}), encoder)


@contextlib.contextmanager
def browser(*indexes: Path, **settings: object) -> Iterator[TestClient]:
    """A client of an application in this process."""
    with TestClient(application(*indexes, **settings), ADDRESS, follow_redirects=False) as client:
        yield client


@contextlib.contextmanager
def listening_server(app: FastAPI) -> Iterator[str]:
    """The address of an application that listens on this machine."""
    with listening("127.0.0.1", 0) as listener:
        config = server_config(app)
        config.timeout_graceful_shutdown = 1
        server = uvicorn.Server(config)
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
