"""What a stretch of a file sounds like, drawn: peaks of its waveform, and a spectrogram as a PNG.

Tasks of task.py; reads media files; feeds the routes of media. Axes: S samples, W columns, H rows, F frequencies.
"""

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, UInt8

PEAKS_RATE_HZ = 8000
SPECTROGRAM_RATE_HZ = 16_000
FFT_SAMPLES = 1024
LOWEST_HZ = 60.0
RANGE_DB = 70.0
"""What lies further below the loudest is as dark as silence."""
LONGEST_SECONDS = 3600.0
"""Of a stretch that is drawn; longer ones are drawn in parts of a few minutes, each apart."""
COLOURS = (
    (0, 0, 4),
    (28, 16, 68),
    (79, 18, 123),
    (129, 37, 129),
    (181, 54, 122),
    (229, 80, 100),
    (251, 135, 97),
    (254, 194, 135),
    (252, 253, 191),
)
"""From silence to loud, evenly spaced: dark violet over red to light yellow."""


@dataclass(frozen=True)
class Peaks:
    """The lowest and highest sample in each of `num_points` equal parts of a stretch."""

    path: str
    start_seconds: float
    stop_seconds: float
    num_points: int
    duration_seconds: float
    """Of the file, by its index."""

    def run(self) -> bytes:
        """A JSON list of pairs, empty without sound. Raises MediaError."""
        sound = read_part(self, PEAKS_RATE_HZ)
        return json.dumps([] if sound is None else peaks(sound, self.num_points)).encode()


@dataclass(frozen=True)
class Spectrogram:
    """Loudness by time and frequency; the rows are evenly spaced in octaves, the lowest at the bottom."""

    path: str
    start_seconds: float
    stop_seconds: float
    width_px: int
    height_px: int
    duration_seconds: float
    """Of the file, by its index."""

    def run(self) -> bytes:
        """A PNG file; without sound it is dark. Raises MediaError."""
        sound = read_part(self, SPECTROGRAM_RATE_HZ)
        if sound is None:
            sound = np.zeros(round((self.stop_seconds - self.start_seconds) * SPECTROGRAM_RATE_HZ), np.float32)
        return png(coloured(loudness(sound, self.width_px, self.height_px)))


def read_part(of: Peaks | Spectrogram, rate_hz: int) -> Any:
    """The audio of a stretch, float32 S, zeros where it is silent; None for a file without sound."""
    from vlsa.data.media.audio import read_sound
    from vlsa.data.media.joined import facts_if_joined
    from vlsa.data.media.probe import open_known

    with open_known(of.path, facts_if_joined(of.path, of.duration_seconds)) as source:
        if source.stream("audio") is None:
            return None
        sound = read_sound(source, of.start_seconds, of.stop_seconds, rate_hz)
    length_seconds = of.stop_seconds - of.start_seconds
    return np.zeros(round(length_seconds * rate_hz), np.float32) if sound is None else sound.samples


def peaks(sound: Float32[np.ndarray, " S"], num_points: int) -> list[list[float]]:
    """Pairs of lowest and highest, to three decimals; fewer than `num_points` of a sound with fewer samples."""
    sound = sound if len(sound) else np.zeros(1, np.float32)  # a stretch that is shorter than a sample
    starts = np.unique(np.linspace(0, len(sound), num_points, endpoint=False).astype(np.int64))
    lowest, highest = np.minimum.reduceat(sound, starts), np.maximum.reduceat(sound, starts)
    return [[round(float(low), 3), round(float(high), 3)] for low, high in zip(lowest, highest, strict=True)]


def loudness(sound: Float32[np.ndarray, " S"], width_px: int, height_px: int) -> Float64[np.ndarray, "H W"]:
    """From 0, RANGE_DB below the loudest, to 1; the top row is the highest frequency."""
    centres = (np.arange(width_px) + 0.5) * len(sound) / width_px
    padded = np.pad(sound, FFT_SAMPLES // 2)
    parts = np.stack([padded[int(centre) : int(centre) + FFT_SAMPLES] for centre in centres])
    power = np.abs(np.fft.rfft(parts * np.hanning(FFT_SAMPLES), axis=1)) ** 2
    rows = np.geomspace(LOWEST_HZ, SPECTROGRAM_RATE_HZ / 2, height_px) / SPECTROGRAM_RATE_HZ * FFT_SAMPLES
    known = np.arange(power.shape[1])
    at_rows = np.stack([np.interp(rows, known, column) for column in power], axis=1)
    loudest = max(float(at_rows.max()), 1e-6)
    decibels = 10 * np.log10(np.maximum(at_rows / loudest, 1e-12))
    return np.clip(1 + decibels / RANGE_DB, 0, 1)[::-1]


def coloured(values: Float64[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W 3"]:
    """Numbers from 0 to 1 as colours."""
    known = np.linspace(0, 1, len(COLOURS))
    return np.stack([np.interp(values, known, channel) for channel in zip(*COLOURS, strict=True)], axis=-1).astype(
        np.uint8
    )


def png(pixels: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """A PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
