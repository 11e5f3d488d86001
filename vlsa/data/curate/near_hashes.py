"""Hashes that are nearly equal, among many, without comparing each with each.

Sorted as numbers, hashes that agree in their first bits are neighbours; so they are sorted once for each of a few
rotations of their bits, and each is compared with its next neighbours only (Charikar, 2002). Time is N log N.
Feeds near_duplicates.py.
"""

from dataclasses import dataclass

import numpy as np

NUM_ROTATIONS, NUM_NEIGHBOURS = 8, 12
MOST_CANDIDATES = 12
"""Partners of a clip that are compared in full: those with most hashes in common."""
MOST_DIFFERENT = 0.22
"""Share of bits that two hashes of the same content may differ in."""


@dataclass(frozen=True, eq=False)
class Hashes:
    """Hashes of all clips in a row, of one kind. N hashes."""

    bits: np.ndarray
    """uint64 or uint32, N."""
    clips: np.ndarray
    """int64, N: row of the clip of each."""
    seconds: np.ndarray
    """float32, N: from the start of the clip."""
    sources: np.ndarray
    """int64, clips: number of the file of each clip; clips of one file are not compared."""


def num_bits(values: np.ndarray) -> np.ndarray:
    """How many bits of each number are set."""
    parts = np.ascontiguousarray(values)[:, None].view(np.uint8)
    return _BITS_OF_BYTE[parts].sum(1)


_BITS_OF_BYTE = np.array([number.bit_count() for number in range(256)], np.int64)


def near_pairs(hashes: Hashes) -> tuple[np.ndarray, np.ndarray]:
    """Indices i and j of hashes of different files that are nearly equal; some pairs occur more than once."""
    width = hashes.bits.dtype.itemsize * 8
    found = [_near_in_order(hashes, _rotated(hashes.bits, k * width // NUM_ROTATIONS)) for k in range(NUM_ROTATIONS)]
    return np.concatenate([i for i, _ in found]), np.concatenate([j for _, j in found])


def _rotated(bits: np.ndarray, by: int) -> np.ndarray:
    width = bits.dtype.itemsize * 8
    left, right = bits.dtype.type(by), bits.dtype.type(width - by)
    return (bits << left) | (bits >> right) if by else bits


def _near_in_order(hashes: Hashes, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(keys, kind="stable")
    most = MOST_DIFFERENT * hashes.bits.dtype.itemsize * 8
    files = hashes.sources[hashes.clips]
    pairs = []
    for distance in range(1, min(NUM_NEIGHBOURS, len(order) - 1) + 1):
        i, j = order[:-distance], order[distance:]
        near = (files[i] != files[j]) & (num_bits(hashes.bits[i] ^ hashes.bits[j]) <= most)
        pairs.append((i[near], j[near]))
    empty = np.empty(0, np.int64)
    return np.concatenate([i for i, _ in pairs] or [empty]), np.concatenate([j for _, j in pairs] or [empty])


def candidates(hashes: Hashes, step_seconds: float) -> list[tuple[int, int, float]]:
    """Pairs of clips a < b with most hashes in common, and what to add to a time of b for the same moment of a.

    Offsets are counted in steps of `step_seconds`; of each clip only its best partners come.
    """
    i, j = near_pairs(hashes)
    if not len(i):
        return []
    swap = hashes.clips[i] > hashes.clips[j]
    i, j = np.where(swap, j, i), np.where(swap, i, j)
    offsets = hashes.seconds[i].astype(np.float64) - hashes.seconds[j]
    same_hashes = np.unique(np.stack([i, j]), axis=1, return_index=True)[1]
    i, j, offsets = i[same_hashes], j[same_hashes], offsets[same_hashes]
    steps = np.round(offsets / step_seconds).astype(np.int64)
    keys, place, votes = np.unique(
        np.stack([hashes.clips[i], hashes.clips[j], steps]), axis=1, return_inverse=True, return_counts=True
    )
    means = np.bincount(place.ravel(), offsets) / votes
    return _best(keys, means, votes)


def _best(keys: np.ndarray, means: np.ndarray, votes: np.ndarray) -> list[tuple[int, int, float]]:
    taken = np.zeros(int(keys[:2].max()) + 1, np.int64)
    seen: set[tuple[int, int]] = set()
    found = []
    for n in np.argsort(-votes, kind="stable").tolist():
        a, b = int(keys[0, n]), int(keys[1, n])
        if (a, b) in seen:
            continue
        seen.add((a, b))
        if min(taken[a], taken[b]) < MOST_CANDIDATES:
            taken[a] += 1
            taken[b] += 1
            found.append((a, b, float(means[n])))
    return found
