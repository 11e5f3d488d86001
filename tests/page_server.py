"""An archive for tests of the page: films of known picture and sound, an untrained run, and `vlsa serve` itself."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from command_lines import start
from media_files import numbered, tone, write_media
from PIL import Image
from tiny import make_model, tiny_clips, tiny_config

from vlsa.config import Config
from vlsa.data.loading.tokenizer import Tokenizer
from vlsa.pretrain import checkpoint
from vlsa.pretrain.checkpoint import TrainingState
from vlsa.retrieve.index.build import build_index

FILM_SECONDS = 8
MARKUP = "<img src=x onerror=alert(1)>"
PIXELS = (160, 96)
NUM_FILMS = 6
SPOKEN = ("the ferry leaves the harbour", "fog over the water")
"""What is said in the first film, in its first and its second half."""
SERVED_SECONDS = 240


def film_hz(number: int) -> float:
    """The pitch of a film, by which it is known."""
    return 250.0 * 1.4**number


def pattern(number: int) -> np.ndarray:
    """What a film shows above its frame number: coloured blocks, uint8 H W 3."""
    blocks = np.random.default_rng(number).integers(0, 256, (3, 5, 3), np.uint8)
    return blocks.repeat(PIXELS[1] // 6, axis=0).repeat(PIXELS[0] // 5, axis=1)


def frames(number: int) -> list[np.ndarray]:
    """The pattern over the number of the frame, ten a second."""
    bars = numbered(10 * FILM_SECONDS, PIXELS[0], PIXELS[1] // 2)
    return [np.concatenate([pattern(number), one]) for one in bars]


def write_films(folder: Path) -> Path:
    """Six films in two folders, the first with words; a sound; what no browser plays; a damaged file; metadata."""
    lines = ["path,camera,rating,note"]
    for number in range(NUM_FILMS):
        name = f"{('harbour', 'yard/dry')[number % 2]}/film-{number}.mp4"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        sound = tone(FILM_SECONDS, hz=film_hz(number))
        write_media(folder / name, pictures=frames(number), frames_per_second=10, sound=sound)
        lines.append(f"{name},{('A7', 'FX3')[number // 3]},{number},{MARKUP if number else ''}")
    cues = "".join(
        f"{at + 1}\n00:00:0{4 * at},000 --> 00:00:0{4 * at + 3},000\n{text}\n\n" for at, text in enumerate(SPOKEN)
    )
    (folder / "harbour/film-0.srt").write_text(cues)
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    write_media(folder / "bell.wav", sound=tone(4, hz=1700), audio_codec="pcm_s16le")
    old = {"video_codec": "mpeg4", "audio_codec": "pcm_s16le"}
    write_media(folder / "old.avi", pictures=frames(9), frames_per_second=10, sound=tone(FILM_SECONDS, hz=900), **old)
    (folder / "broken.mp4").write_bytes(b"not media at all" * 10)
    return folder


def write_run(path: Path) -> Path:
    """A run as pre-training writes it, of a tiny model that was not trained."""
    clips, config = tiny_clips(6), tiny_config()
    texts = [text for clip in clips for text in clip.texts]
    tokenizer = Tokenizer.train([*texts, *SPOKEN * 50], 150)  # words that are frequent are known
    model = make_model(config, tokenizer)
    optimizer = torch.optim.AdamW(model.parameters())
    state = TrainingState(step=0, data="none", seconds=0.0)
    checkpoint.save(path, model, optimizer, tokenizer, Config(recipe="made", model=config), state)
    return path


def make_archive(place: Path) -> Path:
    """An index of the films, and files to ask with: a sound and a picture of one of them each."""
    (place / "footage").mkdir()
    write_films(place / "footage")
    write_media(place / "asked.wav", sound=tone(3, hz=film_hz(2)), audio_codec="pcm_s16le")
    Image.fromarray(frames(3)[20]).save(place / "asked.png")
    build_index(write_run(place / "run"), place / "footage", place / "index", num_workers=0)
    return place / "index"


class Server:
    """`vlsa serve` in a process of its own, which can be killed and started again at the same address."""

    def __init__(self, index: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.index, self.address = index, f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """Returns when it answers."""
        self.process = start(f"vlsa serve {self.index} --port {self.port} --workers 1", self.index.parent)
        give_up = time.monotonic() + SERVED_SECONDS
        while not self._answers():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < give_up, "the server does not start"
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return urllib.request.urlopen(f"{self.address}/health", timeout=5).status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def kill(self) -> None:
        """As kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate()


@contextmanager
def serving(index: Path) -> Iterator[Server]:
    """A server that is gone afterwards."""
    server = Server(index)
    server.start()
    try:
        yield server
    finally:
        assert server.process is not None
        server.process.terminate()
        server.process.communicate(timeout=30)
