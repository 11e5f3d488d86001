"""Fingerprints of clips: bits that stay when footage is encoded, scaled, cropped or made louder, but not with content.

Reads a store, in the processes of engine/workers.py; feeds near_duplicates.py.
Frames: signs of the low frequencies of a DCT (a perceptual hash), and a thumbnail to confirm by. Sound: signs of how
the energy of neighbouring bands changes in time (Haitsma and Kalker, 2002).
Axes: F frames, H W pixels, S samples, N hashes of sound.
"""

import contextlib
import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlsa.base.errors import StoreError
from vlsa.base.files import Progress
from vlsa.data.clip import Clip
from vlsa.data.engine.workers import CLIP_SECONDS, Done, Heartbeat, Lost, WorkerPool
from vlsa.data.store.reader import ClipStore, StoredClip

FRAMES_PER_SECOND = 8.0
"""At most so many frames of a clip are looked at."""
HASHED_PX, THUMBNAIL_PX, HASH_SIDE = 32, 16, 8
PLAIN_LEVELS = 3.0
"""A frame whose grey levels deviate by less says nothing: black, or one colour."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
SOUND_WINDOW_SECONDS, SOUND_HOPS_PER_WINDOW = 0.37, 16
SOUND_HOP_SECONDS = SOUND_WINDOW_SECONDS / SOUND_HOPS_PER_WINDOW
LOWEST_HZ, HIGHEST_HZ, NUM_BANDS = 300.0, 3000.0, 33
SILENT_ENERGY, QUIET_SHARE = 1e-7, 1e-4
"""Mean square of a window below which it counts as silent: -70 dB, or 40 dB below the loudest of the clip: what is left
there is noise of the codec."""
CLIPS_PER_TASK = 32


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """Of one clip; empty arrays for what it lacks, or what is plain or silent throughout."""

    frame_seconds: np.ndarray
    """float32, F."""
    frame_hashes: np.ndarray
    """uint64, F."""
    thumbnails: np.ndarray
    """uint8, F 16 16: grey."""
    sound_seconds: np.ndarray
    """float32, N: where each window starts."""
    sound_hashes: np.ndarray
    """uint32, N."""


def fingerprint(clip: Clip) -> Fingerprint:
    """The fingerprint of a decoded clip."""
    frames = np.empty((0, 1, 1, 3), np.uint8) if clip.frames is None else clip.frames
    seconds = np.empty(0) if clip.frame_seconds is None else clip.frame_seconds
    grey = _small_grey(frames)
    thumbnails = grey.reshape(len(grey), THUMBNAIL_PX, 2, THUMBNAIL_PX, 2).mean((2, 4))
    clear = thumbnails.std((1, 2)) >= PLAIN_LEVELS if len(grey) else np.empty(0, bool)
    sound_seconds, sound_hashes = sound_hashes_of(clip.sound, clip.sample_rate_hz or 1)
    return Fingerprint(
        frame_seconds=seconds[clear].astype(np.float32),
        frame_hashes=frame_hashes_of(grey[clear]),
        thumbnails=thumbnails[clear].round().astype(np.uint8),
        sound_seconds=sound_seconds,
        sound_hashes=sound_hashes,
    )


def chosen_frames(frame_seconds: np.ndarray) -> list[int]:
    """Indices of at most eight frames a second."""
    slots = np.floor(frame_seconds * FRAMES_PER_SECOND + 1e-6)
    return np.unique(slots, return_index=True)[1].tolist()


def _small_grey(frames: np.ndarray) -> np.ndarray:
    """float32, F 32 32, in levels: each the mean of its area."""
    from PIL import Image

    side = (HASHED_PX, HASHED_PX)
    small = [np.asarray(Image.fromarray(frame).resize(side, Image.Resampling.BOX)) @ LUMA for frame in frames]
    return np.array(small, np.float32).reshape(-1, *side)


@functools.cache
def _cosines() -> np.ndarray:
    """8 32: the lowest rows of the DCT."""
    k, n = np.arange(HASH_SIDE)[:, None], np.arange(HASHED_PX)[None]
    return np.cos(np.pi * k * (2 * n + 1) / (2 * HASHED_PX)).astype(np.float32)


@functools.cache
def _bit_order() -> np.ndarray:
    """A fixed order of the 64 bits that spreads neighbouring frequencies over the hash."""
    return np.random.default_rng(0).permutation(HASH_SIDE**2)


def frame_hashes_of(grey: np.ndarray) -> np.ndarray:
    """uint64, F, of F 32 32 grey frames: which of the 63 low frequencies are above their median."""
    low = (_cosines() @ grey @ _cosines().T).reshape(-1, HASH_SIDE**2)
    above = low > np.median(low[:, 1:], axis=1, keepdims=True)
    above[:, 0] = False  # the mean brightness
    return _as_numbers(above[:, _bit_order()], np.uint64)


def _as_numbers(bits: np.ndarray, kind: type) -> np.ndarray:
    """One number a row of 64 or 32 truth values."""
    rows = np.ascontiguousarray(np.packbits(bits, axis=1))
    return rows.view(np.dtype(kind).newbyteorder(">")).astype(kind).ravel()


def sound_hashes_of(sound: np.ndarray | None, sample_rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Times (float32, N) and hashes (uint32, N) of the windows that are not silent."""
    window = round(SOUND_WINDOW_SECONDS * sample_rate_hz)
    hop = window / SOUND_HOPS_PER_WINDOW
    if sound is None or len(sound) < window + 2 * hop:
        return np.empty(0, np.float32), np.empty(0, np.uint32)
    starts = np.arange(0, len(sound) - window + 1, hop).astype(np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(sound, window)[starts]
    energy = np.square(windows).mean(1)
    power = np.abs(np.fft.rfft(windows * np.hanning(window).astype(np.float32))) ** 2
    rising = np.diff(-np.diff(power @ _bands(window, sample_rate_hz), axis=1), axis=0) > 0  # N-1 32
    hashes = _as_numbers(rising, np.uint32)
    heard = energy[1:] >= max(SILENT_ENERGY, QUIET_SHARE * energy.max())
    return (starts[1:] / sample_rate_hz)[heard].astype(np.float32), hashes[heard]


@functools.lru_cache(4)
def _bands(window: int, sample_rate_hz: int) -> np.ndarray:
    """Bins x 33: which bin of the spectrum counts to which band; bands are equally wide on a logarithmic scale."""
    edges = np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, 0.45 * sample_rate_hz), NUM_BANDS + 1)
    hz = np.arange(window // 2 + 1) * sample_rate_hz / window
    return ((hz[:, None] >= edges[:-1]) & (hz[:, None] < edges[1:])).astype(np.float32)


@dataclass(frozen=True)
class _Task:
    store_path: Path | str
    clips: tuple[StoredClip, ...]


def fingerprints(
    store: ClipStore, clips: Sequence[StoredClip], *, num_workers: int | None = None, progress: Progress | None = None
) -> list[Fingerprint]:
    """One for each of some clips of a store, in their order. Raises StoreError where bytes are damaged.

    `num_workers` processes decode (None = one per core, 0 = this process).
    """
    tasks = [_Task(store.path, tuple(part)) for part in _parts(clips)]
    found: dict[tuple[StoredClip, ...], list[Fingerprint]] = {}
    num_workers = os.cpu_count() or 1 if num_workers is None else num_workers
    pool = WorkerPool(_of_task, tasks, num_workers, second_chance=True)
    with contextlib.closing(pool.events()) as events:
        for event in events:
            if isinstance(event, Lost):
                raise StoreError(
                    f"{store.path}: {event.message} at clip {event.label}; what it is like is not known. "
                    "Run `vlsa data validate` on the store."
                )
            if isinstance(event, Done):
                found[event.task.clips] = event.value
                if progress:
                    progress(sum(map(len, found)), len(clips), "")
    return [one for task in tasks for one in found[task.clips]]


def _parts(clips: Sequence[StoredClip]) -> Iterator[Sequence[StoredClip]]:
    for first in range(0, len(clips), CLIPS_PER_TASK):
        yield clips[first : first + CLIPS_PER_TASK]


_opened = functools.lru_cache(1)(ClipStore.open)


def _of_task(task: _Task, beat: Heartbeat) -> list[Fingerprint]:
    beat(task.clips[0].id, CLIP_SECONDS * CLIPS_PER_TASK)
    store = _opened(task.store_path)
    return [fingerprint(store.read(clip, frame_indices=chosen_frames(clip.frame_seconds))) for clip in task.clips]
