"""Near-duplicates in a store: pairs of clips of different files that show or sound the same for a good part of them.

Reads fingerprints.py and near_hashes.py; feeds dedup.py and splits.py. Candidates come from equal hashes; each is
confirmed in full, at the offset that its hashes agree on.
Axes: F frames, N hashes of sound.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vlsa.base.files import Progress
from vlsa.data.curate.fingerprints import (
    FRAMES_PER_SECOND,
    SOUND_HOP_SECONDS,
    SOUND_HOPS_PER_WINDOW,
    THUMBNAIL_PX,
    Fingerprint,
    fingerprints,
)
from vlsa.data.curate.near_hashes import Hashes, candidates, num_bits
from vlsa.data.store.reader import ClipStore, StoredClip

STEP_SECONDS = 1 / FRAMES_PER_SECOND
LEAST_OVERLAP = 0.4
"""Share of the shorter clip's frames, or sound, that must be the same."""
LEAST_WINDOWS = 15
"""Of sound: 0.7 s in all."""
LEAST_LIKENESS, LEAST_MOTION_LIKENESS = 0.92, 0.6
"""Correlation of thumbnails, and of what moves in them."""
MOVING_LEVELS = 1.5
"""Grey levels that thumbnails must deviate by in time before motion is compared."""
MOST_BIT_ERRORS = 0.2
"""Share of the bits of sound: 0.5 is that of unrelated sounds; different ones of one kind come down to 0.2."""
SCALES = (0.975, 0.95, 0.925, 0.9)
"""Of crops that are tried."""

By = Literal["video", "audio"]


@dataclass(frozen=True)
class Link:
    """Two clips that are near-duplicates by one modality. `a` and `b` are ids; `a` comes first in the store."""

    a: str
    b: str
    by: By
    offset_seconds: float
    """A time of `b` plus this is the same moment of `a`."""
    likeness: float
    """1 = equal: the correlation of thumbnails, or 1 - 2 x the share of different bits of sound."""


def near_duplicates(
    store: ClipStore,
    clips: Sequence[StoredClip],
    *,
    num_workers: int | None = None,
    progress: Progress | None = None,
) -> list[Link]:
    """The pairs among some clips of a store, in their order. Raises StoreError where bytes are damaged."""
    found = fingerprints(store, clips, num_workers=num_workers, progress=progress)
    return links_between([clip.id for clip in clips], [clip.source for clip in clips], found)


def links_between(ids: Sequence[str], sources: Sequence[str], found: Sequence[Fingerprint]) -> list[Link]:
    """The pairs among clips by their fingerprints; clips of one source are not compared."""
    number_of: dict[str, int] = {}
    numbers = np.array([number_of.setdefault(source, len(number_of)) for source in sources], np.int64)
    video = _hashes([(one.frame_hashes, one.frame_seconds) for one in found], numbers, np.uint64)
    audio = _hashes([(one.sound_hashes, one.sound_seconds) for one in found], numbers, np.uint32)
    kinds: list[tuple[By, Hashes, float, Callable[[Fingerprint, Fingerprint, float], tuple[float, float]]]] = [
        ("video", video, STEP_SECONDS, video_likeness),
        ("audio", audio, 4 * SOUND_HOP_SECONDS, sound_likeness),
    ]
    links = []
    for by, hashes, step_seconds, likeness_of in kinds:
        for a, b, hint_seconds in candidates(hashes, step_seconds):
            likeness, offset_seconds = likeness_of(found[a], found[b], hint_seconds)
            if likeness > 0:
                links.append(Link(ids[a], ids[b], by, round(offset_seconds, 3), round(likeness, 4)))
    place = {name: number for number, name in enumerate(ids)}
    return sorted(links, key=lambda link: (place[link.a], place[link.b], link.by))


def _hashes(tracks: list[tuple[np.ndarray, np.ndarray]], sources: np.ndarray, kind: type) -> Hashes:
    """All hashes in a row; one that a clip repeats comes once."""
    parts = [(number, *np.unique(bits, return_index=True), seconds) for number, (bits, seconds) in enumerate(tracks)]
    return Hashes(
        bits=np.concatenate([np.empty(0, kind), *(bits for _, bits, _, _ in parts)]),
        clips=np.concatenate([np.empty(0, np.int64), *(np.full(len(bits), n) for n, bits, _, _ in parts)]),
        seconds=np.concatenate([np.empty(0, np.float32), *(seconds[first] for _, _, first, seconds in parts)]),
        sources=sources,
    )


def video_likeness(a: Fingerprint, b: Fingerprint, hint_seconds: float = 0.0) -> tuple[float, float]:
    """How alike two clips look where they overlap, at the best of a few crops, and the offset of `b` in seconds.

    0 when they are not near-duplicates. The hint is not needed: footage that moves slowly has one hash at many times.
    """
    offset_seconds = _best_offset(a, b)
    i, j = _aligned(a.frame_seconds, b.frame_seconds + offset_seconds, 0.6 * STEP_SECONDS)
    if len(i) < LEAST_OVERLAP * min(len(a.frame_seconds), len(b.frame_seconds)) or not len(i):
        return 0.0, offset_seconds
    one, two = a.thumbnails[i].astype(np.float32), b.thumbnails[j].astype(np.float32)
    one, two = _best_crop(one, two)
    likeness = float(np.mean([_correlation(x, y) for x, y in zip(one, two, strict=True)]))
    moving_one, moving_two = one - one.mean(0), two - two.mean(0)
    moving = max(moving_one.std(), moving_two.std()) >= MOVING_LEVELS
    if likeness < LEAST_LIKENESS or (moving and _correlation(moving_one, moving_two) < LEAST_MOTION_LIKENESS):
        return 0.0, offset_seconds
    return likeness, offset_seconds


def _best_offset(a: Fingerprint, b: Fingerprint) -> float:
    """The offset of `b`, in seconds, at which hashes of one time differ least; of equal ones the least."""
    offsets = (a.frame_seconds[:, None].astype(np.float64) - b.frame_seconds[None]).ravel()
    different = num_bits((a.frame_hashes[:, None] ^ b.frame_hashes[None]).ravel())
    steps, place, counts = np.unique(np.round(offsets / STEP_SECONDS), return_inverse=True, return_counts=True)
    means = np.bincount(place, different) / counts
    enough = counts >= LEAST_OVERLAP * min(len(a.frame_seconds), len(b.frame_seconds))
    best = np.lexsort((np.abs(steps), np.where(enough, means, 64)))[0]
    return float(np.bincount(place, offsets)[best] / counts[best])


def _aligned(one: np.ndarray, two: np.ndarray, tolerance_seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Indices of times in `one`, and of the nearest in `two`, that differ by no more than the tolerance."""
    if not len(one) or not len(two):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    after = np.searchsorted(two, one).clip(1, max(len(two) - 1, 1)).clip(0, len(two) - 1)
    before = (after - 1).clip(0)
    nearest = np.where(np.abs(two[before] - one) <= np.abs(two[after] - one), before, after)
    near = np.flatnonzero(np.abs(two[nearest] - one) <= tolerance_seconds)
    return near, nearest[near]


def _best_crop(one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The thumbnails, one of them cropped as fits the other best."""
    middle = slice(len(one) // 4, len(one) // 4 + 4)
    x, y = one[middle], two[middle]
    best = (_correlation(x, y), -1, True)
    for number, (rows, columns) in enumerate(_crops()):
        best = max(best, (_correlation(rows @ x @ columns.T, y), number, True))
        best = max(best, (_correlation(x, rows @ y @ columns.T), number, False))
    _, number, of_one = best
    if number < 0:
        return one, two
    rows, columns = _crops()[number]
    return (rows @ one @ columns.T, two) if of_one else (one, rows @ two @ columns.T)


@functools.cache
def _crops() -> list[tuple[np.ndarray, np.ndarray]]:
    """Matrices for rows and for columns, each 16 16, that crop a thumbnail: to each scale, at nine places."""
    one_way = [[_crop(scale, (1 - scale) * place) for place in (0.0, 0.5, 1.0)] for scale in SCALES]
    return [(rows, columns) for places in one_way for rows in places for columns in places]


def _crop(scale: float, start: float) -> np.ndarray:
    """16 16: a row that is cropped to [start, start + scale] of its length, by linear interpolation."""
    centres = (np.arange(THUMBNAIL_PX) + 0.5) / THUMBNAIL_PX
    places = ((start + scale * centres) * THUMBNAIL_PX - 0.5).clip(0, THUMBNAIL_PX - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(THUMBNAIL_PX)[None])).astype(np.float32)


def _correlation(one: np.ndarray, two: np.ndarray) -> float:
    one, two = one.ravel() - one.mean(), two.ravel() - two.mean()
    norm = float(np.linalg.norm(one) * np.linalg.norm(two))
    return float(one @ two) / norm if norm else 0.0


def sound_likeness(a: Fingerprint, b: Fingerprint, hint_seconds: float) -> tuple[float, float]:
    """How alike two clips sound where they overlap, and the offset of `b` in seconds, near the hint.

    0 when they are not near-duplicates.
    """
    near = (hint_seconds + k * SOUND_HOP_SECONDS / 2 for k in (-2, -1, 0, 1, 2))
    return max((_sound_likeness(a, b, offset_seconds), offset_seconds) for offset_seconds in near)


def _sound_likeness(a: Fingerprint, b: Fingerprint, offset_seconds: float) -> float:
    i, j = _aligned(a.sound_seconds, b.sound_seconds + offset_seconds, 0.51 * SOUND_HOP_SECONDS)
    shorter = min(len(a.sound_seconds), len(b.sound_seconds))
    # Each covers a window from its start on, so that the last few count too.
    if len(i) < LEAST_WINDOWS or len(i) + SOUND_HOPS_PER_WINDOW < LEAST_OVERLAP * (shorter + SOUND_HOPS_PER_WINDOW):
        return 0.0
    errors = float(num_bits(a.sound_hashes[i] ^ b.sound_hashes[j]).mean()) / 32
    return 1 - 2 * errors if errors <= MOST_BIT_ERRORS else 0.0
