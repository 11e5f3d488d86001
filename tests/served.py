"""A served index for tests: made files, a cheap encoder, and a client in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fake_encoder import FakeEncoder, concept, write_numbered_sound
from fastapi.testclient import TestClient
from media_files import write_flash_and_beep

from vlsa.retrieve.index.build import build_index
from vlsa.serve.app import create_app
from vlsa.serve.http.settings import ServeSettings


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


def write_archive(folder: Path) -> Path:
    """Two sounds of three seconds, one with subtitles, a video with sound in a folder, and a file that is damaged."""
    (folder / "field").mkdir(parents=True)
    for number in (1, 2):
        write_numbered_sound(folder / f"sound-{number}.wav", number, seconds=3.0)
    (folder / "sound-1.srt").write_text("1\n00:00:00,000 --> 00:00:01,500\nthe number 1\n")
    write_flash_and_beep(folder / "field" / "7-flash.mp4")
    (folder / "broken.mp4").write_bytes(b"not media at all" * 10)
    return folder


def index_archive(folder: Path, out: Path) -> Path:
    """`vlsa index`, in this process."""
    build_index(NamedEncoder(), folder, out, num_workers=0)
    return out


@contextmanager
def served(*indexes: Path, **settings: Any) -> Iterator[TestClient]:
    """A client of an application for these indexes, with the cheap encoder."""
    app = create_app(ServeSettings(indexes=indexes, num_workers=1, **settings), NamedEncoder())
    with TestClient(app, base_url="http://127.0.0.1:8765") as client:
        yield client
