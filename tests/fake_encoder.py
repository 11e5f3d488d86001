"""A stand-in for a trained model: it reads the number that a made clip, a text or a file name carries."""

import copy
import dataclasses
import os
import re
import signal
import time
import wave
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from vlsa.data.clip import Clip
from vlsa.data.engine.workers import Heartbeat
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.loading.tokenizer import TextCoverage
from vlsa.retrieve.encode.sampling import ClipInWindows, Sampling, WindowSpec, decode_rows


def concept(number: int, width: int = 16) -> np.ndarray:
    """The unit vector that stands for a number."""
    vector = np.random.default_rng(number).normal(size=width)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def numbered_clip(number: int, *, picture: bool = True, sound: bool = True, texts: tuple[str, ...] = ()) -> Clip:
    """A clip whose every pixel and sample is its number."""
    return Clip(
        id=f"clip-{number}",
        source=f"/footage/{number}.mp4",
        start_seconds=float(number),
        stop_seconds=number + 2.0,
        frames=np.full((3, 4, 4, 3), number, np.uint8) if picture else None,
        frame_seconds=np.arange(3) / 4 if picture else None,
        sound=np.full(50, number / 256, np.float32) if sound else None,
        sample_rate_hz=100 if sound else None,
        texts=texts,
    )


class FakeEncoder:
    """Maps equal numbers to equal vectors, whatever the modality."""

    width = 16
    spaces = ("all",)
    fusion = "cosine"
    window = WindowSpec(window_seconds=2.0, num_frames=2, short_side_px=32, sample_rate_hz=8000)
    fingerprint = "fake-0001"
    about = MappingProxyType({"recipe": "fake", "sampling": Sampling().as_dict()})

    def encode_video(self, clips: Sequence[str | Path | Clip]) -> np.ndarray:
        clips = [_window(clip) for clip in clips]
        return self._stack([int(c.frames.flat[0]) if isinstance(c, Clip) else number_in(Path(c).name) for c in clips])

    def encode_audio(self, clips: Sequence[str | Path | Clip]) -> np.ndarray:
        clips = [_window(clip) for clip in clips]
        numbers = [round(float(c.sound[0]) * 256) if isinstance(c, Clip) else number_in(Path(c).name) for c in clips]
        return self._stack(numbers)

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        return self._stack([number_in(text) for text in texts])

    def with_sampling(self, sampling: Sampling) -> "FakeEncoder":
        other = copy.copy(self)
        other.window = dataclasses.replace(self.window, sampling=sampling)
        return other

    def coverage(self, text: str) -> TextCoverage:
        """It knows numbers, and the word "number"; it reads five words."""
        words = text.split()
        known = [word for word in words[:5] if word == "number" or word.isdigit()]
        return TextCoverage(tuple(known), tuple(word for word in words[:5] if word not in known), len(words))

    def _stack(self, numbers: list[int]) -> np.ndarray:
        assert numbers, "an encoder is never asked for nothing"
        return np.stack([concept(number, self.width) for number in numbers])


class CollapsedEncoder(FakeEncoder):
    """One vector for everything."""

    fingerprint = "fake-0002"

    def _stack(self, numbers: list[int]) -> np.ndarray:
        return np.stack([concept(0, self.width) for _ in numbers])


PAIRS = ("audio-video", "audio-text", "video-text")


class PairEncoder(FakeEncoder):
    """Equal numbers have equal vectors in the space of their pair, and others in each space."""

    width = 3 * 16
    spaces = PAIRS

    def encode_video(self, clips):
        return self._in_spaces(super().encode_video, clips, "video")

    def encode_audio(self, clips):
        return self._in_spaces(super().encode_audio, clips, "audio")

    def encode_text(self, texts):
        return self._in_spaces(super().encode_text, texts, "text")

    def _stack(self, numbers):
        return np.array(numbers, np.float32)[:, None]

    def _in_spaces(self, encode, items, modality):
        rows = encode(items)[:, 0].astype(int).tolist()
        parts = [
            np.stack([concept(1000 * number + row) if modality in space else np.zeros(16, np.float32) for row in rows])
            for number, space in enumerate(PAIRS)
        ]
        return np.concatenate(parts, axis=1)


def _window(clip: str | Path | Clip) -> str | Path | Clip:
    """The first window of a clip that is given as windows."""
    return clip.windows[0] if isinstance(clip, ClipInWindows) else clip


def number_in(text: str) -> int:
    """The first number written in a text."""
    found = re.search(r"\d+", text)
    assert found, f"no number in {text!r}"
    return int(found[0])


def write_numbered_sound(path: Path, number: int, seconds: float = 2.0, rate_hz: int = 8000) -> None:
    """A WAV file whose every sample says its number (as `numbered_clip`)."""
    write_numbered_tape(path, [number], seconds, rate_hz)


def write_numbered_tape(path: Path, numbers: Sequence[int], seconds: float = 2.0, rate_hz: int = 8000) -> None:
    """A WAV file in which one number comes after the other, so many seconds each."""
    samples = np.repeat(np.array(numbers) / 256 * 32768, round(seconds * rate_hz)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.tobytes())


def decode_or_die(spec: WindowSpec, rows: tuple[ClipRow, ...], beat: Heartbeat) -> tuple[list[Clip], list[Rejection]]:
    """As `decode_rows`, with a native crash at the clip at 1 s of files whose name says so."""
    for row in rows:
        beat(row.id, 60.0)
        if "deadly" in row.path and row.start_seconds == 1.0:
            os._exit(11)
    return decode_rows(spec, rows, beat)


def decode_slowly(spec: WindowSpec, rows: tuple[ClipRow, ...], beat: Heartbeat) -> tuple[list[Clip], list[Rejection]]:
    """As `decode_rows`, so slowly that it can be killed at it."""
    beat(rows[0].id, 60.0)
    time.sleep(0.05)
    return decode_rows(spec, rows, beat)


def decode_killed_once(
    marks: Path, spec: WindowSpec, rows: tuple[ClipRow, ...], beat: Heartbeat
) -> tuple[list[Clip], list[Rejection]]:
    """As `decode_rows`, but at the first try of each file the process is killed. `marks` is a folder."""
    mark = marks / Path(rows[0].path).name
    if not mark.exists():
        mark.touch()
        beat(rows[0].id, 60.0)
        os.kill(os.getpid(), signal.SIGKILL)
    return decode_rows(spec, rows, beat)
