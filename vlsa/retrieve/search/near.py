"""What is near what inside an index: moments like a moment, and groups of near-duplicates.

Reads vectors of windows; feeds `vlsa similar` and `vlsa duplicates`. Exact, in blocks, so that memory stays bounded.
Axes: N windows, D width of a vector, n m rows of a block, Q parts of a stretch that are asked with.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from vlsa.base.errors import VlsaError
from vlsa.data.loading.covering import covering_starts
from vlsa.retrieve.search.asked import MOST_WINDOWS
from vlsa.retrieve.search.combine import Term, combine
from vlsa.retrieve.search.moments import TOUCHING_SECONDS
from vlsa.retrieve.search.products import Vectors, best_dot, widened
from vlsa.retrieve.search.windows import Windows

BLOCK_ROWS = 2048
"""A block of cosines is at most this many rows square: 16 MiB."""
ROUNDING_SECONDS = 0.002
"""What two times may differ that are the same; and the shortest window."""


def shown_in(
    windows: Windows,
    file: int,
    start_seconds: float,
    stop_seconds: float,
    numbers: Int64[np.ndarray, " n"] | slice = slice(None),
) -> Bool[np.ndarray, " n"]:
    """Which windows, of those with these numbers, share time with a stretch of a file."""
    inside = (windows.start_seconds[numbers] < stop_seconds) & (windows.stop_seconds[numbers] > start_seconds)
    return inside & (windows.file[numbers] == file)


def asked_with(
    windows: Windows, vectors: Vectors, stretch: Bool[np.ndarray, " N"], start_seconds: float, stop_seconds: float
) -> Float32[np.ndarray, "Q D"]:
    """The vectors that stand for a stretch: of the windows nearest to up to MOST_WINDOWS places, spread evenly over it.

    None where no window of the stretch has a vector. Of windows that are equally near the sum.
    """
    numbers = np.flatnonzero(stretch)
    numbers = numbers[vectors[numbers].any(axis=1)]
    if not len(numbers):
        return np.zeros((0, vectors.shape[1]), np.float32)
    starts, stops = windows.start_seconds[numbers], windows.stop_seconds[numbers]
    start, stop = max(start_seconds, float(starts.min())), min(stop_seconds, float(stops.max()))
    length = max(min(float(np.median(stops - starts)), stop - start), ROUNDING_SECONDS)
    places = start + length / 2 + np.array(covering_starts(stop - start, length, MOST_WINDOWS))
    away = np.abs((starts + stops)[None] / 2 - places[:, None])  # Q n
    nearest = away <= away.min(axis=1, keepdims=True) + ROUNDING_SECONDS
    return np.unique(nearest, axis=0).astype(np.float32) @ widened(vectors[numbers])


def similar(
    windows: Windows,
    vectors: Mapping[str, Vectors],
    stretch: Bool[np.ndarray, " N"],
    start_seconds: float,
    stop_seconds: float,
) -> Float64[np.ndarray, " N"]:
    """How like a stretch each window is: the sum of video with video and audio with audio, in spreads (combine.py).

    `vectors` are those of each modality, zeros where it is absent. A stretch that is longer than a window is several
    questions, of which the best counts. Its own windows are no answers (nan). Raises VlsaError when it has no vector.
    """
    terms = []
    for rows in vectors.values():
        asked = asked_with(windows, rows, stretch, start_seconds, stop_seconds)
        if len(asked):
            cosines = best_dot(rows, asked / np.linalg.norm(asked, axis=1, keepdims=True))
            terms.append(Term(1.0, np.where(rows.any(axis=1) & ~stretch, cosines, np.nan)))
    if not terms and stretch.any():
        raise VlsaError(
            f"similar: that stretch has no {' and no '.join(vectors)}; nothing can be compared with it. Compare by "
            "what it has, or choose another stretch."
        )
    if not terms:
        raise VlsaError(
            "similar: the index holds nothing of that stretch; nothing can be compared with it. "
            "Give a file as the index names it, and a time within it."
        )
    return combine(terms)


def duplicate_groups(windows: Windows, vectors: Float32[np.ndarray, "N D"], at_least: float) -> list[tuple[int, ...]]:
    """Groups of windows that are near-duplicates, the largest first; each by file and time.

    Two windows are near-duplicates when their cosine is at least so high and they are not of the same time of one file;
    a group is whatever is joined by such pairs, so its ends may be less alike. A row of zeros is like nothing.
    """
    if not 0 < at_least <= 1:
        raise VlsaError(
            f"duplicates: {at_least:g} is not a cosine above 0; everything, or nothing, would be alike. Try 0.98."
        )
    rows, groups = _unit(vectors), np.arange(len(windows))
    starts = range(0, len(rows), BLOCK_ROWS)
    for first, second in itertools.combinations_with_replacement(starts, 2):
        alike = rows[first : first + BLOCK_ROWS] @ rows[second : second + BLOCK_ROWS].T >= at_least - 1e-6
        for row in np.flatnonzero(alike.any(axis=1)):
            _join(windows, groups, int(first + row), second + np.flatnonzero(alike[row]))
    return _members(windows, groups)


def stretches(windows: Windows, groups: Sequence[tuple[int, ...]]) -> list[list[list[int]]]:
    """Groups of windows as groups of stretches, the longest first: each stretch the windows that touch, by time.

    Groups that follow each other in the same files are one, so that a copied file is one group.
    """
    found: dict[tuple[int, ...], list[list[list[int]]]] = {}
    for group in sorted(groups, key=lambda members: (windows.file[members[0]], windows.start_seconds[members[0]])):
        apart = _apart(windows, group)
        if len(apart) == 1:  # something that stays alike for a while
            continue
        earlier = found.setdefault(tuple(int(windows.file[rows[0]]) for rows in apart), [])
        if earlier and all(_touches(windows, *pair) for pair in zip(earlier[-1], apart, strict=True)):
            earlier[-1] = [[*before, *rows] for before, rows in zip(earlier[-1], apart, strict=True)]
        else:
            earlier.append(apart)
    return sorted((group for one in found.values() for group in one), key=lambda group: -sum(map(len, group)))


def _apart(windows: Windows, members: Sequence[int]) -> list[list[int]]:
    """Windows by file and time, cut where they do not touch."""
    apart: list[list[int]] = []
    for row in members:
        if apart and windows.file[apart[-1][-1]] == windows.file[row] and _touches(windows, apart[-1], [row]):
            apart[-1].append(row)
        else:
            apart.append([row])
    return apart


def _touches(windows: Windows, before: Sequence[int], after: Sequence[int]) -> bool:
    gap = windows.start_seconds[after[0]] - windows.stop_seconds[before[-1]]
    return bool(windows.start_seconds[after[0]] >= windows.start_seconds[before[-1]] and gap <= TOUCHING_SECONDS)


def _unit(vectors: Float32[np.ndarray, "N D"]) -> Float32[np.ndarray, "N D"]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def _join(windows: Windows, groups: Int64[np.ndarray, " N"], one: int, others: Int64[np.ndarray, " n"]) -> None:
    """Put a window and those that are alike into one group, which is called by the lowest number in it."""
    others = others[groups[others] != groups[one]]
    start, stop = float(windows.start_seconds[one]), float(windows.stop_seconds[one])
    others = others[~shown_in(windows, int(windows.file[one]), start, stop, others)]
    if len(others):
        names = np.unique(np.append(groups[others], groups[one]))
        groups[np.isin(groups, names)] = names[0]


def _members(windows: Windows, groups: Int64[np.ndarray, " N"]) -> list[tuple[int, ...]]:
    order = np.lexsort((windows.start_seconds, windows.file, groups))
    _, starts = np.unique(groups[order], return_index=True)
    found = [tuple(map(int, members)) for members in np.split(order, starts[1:]) if len(members) > 1]
    return sorted(found, key=lambda members: -len(members))
