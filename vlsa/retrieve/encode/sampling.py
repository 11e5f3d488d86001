"""Which parts of a media file a model takes, and reading them; also as the task of a worker process.

Reads files through data/media.py; feeds encoders.py and build.py. A worker needs the decoder only, not the model.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlsa.base.errors import MediaError
from vlsa.data.clip import Clip
from vlsa.data.engine.workers import Beat, patience_seconds
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.loading.transform import wanted_times

MAX_WINDOWS = 8
"""A file longer than the model's window is read at so many places at most, spread evenly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowSpec:
    """What a model takes of a stretch of media: the middle of it, as long as its window."""

    window_seconds: float
    num_frames: int
    short_side_px: int
    sample_rate_hz: int


def window_starts(duration_seconds: float, window_seconds: float) -> list[float]:
    """Starts of up to MAX_WINDOWS windows, spread evenly from the start of a file to its end."""
    spare_seconds = duration_seconds - window_seconds
    if spare_seconds <= 0:
        return [0.0]
    num_windows = min(math.ceil(duration_seconds / window_seconds), MAX_WINDOWS)
    return np.linspace(0, spare_seconds, num_windows).tolist()


def read_window(
    take: WindowSpec, row: ClipRow, *, picture: bool = True, sound: bool = True, facts: object | None = None
) -> Clip:
    """Decode the frames and the sound that the model takes of a row. Raises MediaError."""
    from vlsa.data.media.decode import decode

    duration_seconds = row.stop_seconds - row.start_seconds
    spare_seconds = max(duration_seconds - take.window_seconds, 0.0) / 2
    times = wanted_times(spare_seconds, duration_seconds - spare_seconds, take.num_frames).tolist()
    return decode(
        row.path,
        row.start_seconds,
        row.stop_seconds,
        frame_times_seconds=times if picture else None,
        short_side_px=take.short_side_px,
        sample_rate_hz=take.sample_rate_hz if sound else None,
        facts=facts,
        id=row.id,
        texts=row.texts,
    )


def decode_rows(take: WindowSpec, rows: Sequence[ClipRow], beat: Beat) -> tuple[list[Clip], list[Rejection]]:
    """The clips of some rows of one file, and those that cannot be decoded; the task of a worker."""
    from vlsa.data.media.decode import probe

    path = rows[0].path
    beat(path, patience_seconds(path))
    try:
        facts = probe(path)
    except MediaError as error:
        return [], [rejected(row, error.reason, str(error)) for row in rows]
    clips, rejections = [], []
    for row in rows:
        beat(row.id, patience_seconds(path, row.stop_seconds - row.start_seconds))
        try:
            clips.append(read_window(take, row, facts=facts))
        except MediaError as error:
            rejections.append(rejected(row, error.reason, str(error)))
    return clips, rejections


def rejected(row: ClipRow, reason: str, message: str) -> Rejection:
    """The record of a row that is left out."""
    return Rejection(row.id, row.path, row.start_seconds, row.stop_seconds, reason, message)
