"""A transcriber for tests that hears beeps: what it should write is known exactly, with times."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from media_files import tone, write_media

from vlsa.data.ingest.speech_model import RATE_HZ
from vlsa.data.media.transcripts import Transcript, Word

LOUD = 0.05
NAMES = {1000: " low1", 2000: " middle2.", 3000: " high3"}
"""Words by the pitch of a beep in hertz."""


@dataclass(frozen=True)
class Beeps:
    """Hears a word in each beep, and notes in a file what it was given."""

    log: Path
    fingerprint: str = "beeps1"
    name: str = "beeps"

    def load(self) -> "Beeps":
        return self

    def hear(self, sound: np.ndarray, language: str | None) -> Transcript:
        with self.log.open("a") as file:
            file.write(f"{len(sound) / RATE_HZ:.2f} {language}\n")
        loud = np.convolve(np.abs(sound) > LOUD, np.ones(160), "same") > 0
        edges = np.flatnonzero(np.diff(np.concatenate([[0], loud, [0]])))
        return Transcript(tuple(_word(sound, *pair) for pair in edges.reshape(-1, 2)), "en", 0.9)

    @property
    def num_heard(self) -> int:
        """Stretches that it was given."""
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@dataclass(frozen=True)
class Dying(Beeps):
    """Kills its process while it is loaded, or when it hears."""

    at: str = "hear"

    def load(self) -> "Dying":
        return self._step("load")

    def hear(self, sound: np.ndarray, language: str | None) -> Transcript:
        super().hear(sound, language)
        self._step("hear")
        return Transcript()

    def _step(self, name: str) -> "Dying":
        if name == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        return self


def _word(sound: np.ndarray, first: int, last: int) -> Word:
    hz = np.argmax(np.abs(np.fft.rfft(sound[first:last]))) * RATE_HZ / (last - first)
    start, stop = int(first) / RATE_HZ, int(last) / RATE_HZ
    return Word(start, stop, NAMES[min(NAMES, key=lambda pitch: abs(pitch - hz))], 0.8)


def write_beeps(path: Path, seconds: float, beeps: list[tuple[float, int]], **options: object) -> Path:
    """A file that beeps for 0.2 s at each (time in seconds, pitch in hertz)."""
    sound = sum(tone(seconds, hz=hz, rate_hz=16_000, on_seconds=[(start, start + 0.2)]) for start, hz in beeps)
    return write_media(path, sound=sound, rate_hz=16_000, audio_codec="pcm_s16le", **options)
