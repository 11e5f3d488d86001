"""Of a large index the windows that may be among the best; they alone are then compared exactly.

Reads rough cosines (rough.py); feeds answer.py. Where a filter keeps few windows, these are all candidates.
Axes: N windows of the index, n candidates.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int64

from vlsa.retrieve.search.asked import Asked
from vlsa.retrieve.search.rough import RoughCosines
from vlsa.retrieve.search.scores import groups_of, is_plain, meaning
from vlsa.retrieve.search.searched import Cosines, Searched

MOST_EXACT = 100_000
"""An index of so many windows, or fewer, is compared as a whole."""
CANDIDATES = 8_000
"""By meaning, and by the words that occur."""
FEW_KEPT = 16_000
"""So many windows of a filter are all compared."""
GROWN, NEIGHBOURS = 256, 5
"""So many of the best bring along so many windows on either side, which may belong to their moments."""


def candidates(
    searched: Searched, asked: Sequence[Asked], literal: Float[np.ndarray, " N"], allowed: Bool[np.ndarray, " N"]
) -> Int64[np.ndarray, " n"]:
    """The numbers of the windows that are to be compared, in order."""
    if np.count_nonzero(allowed) <= FEW_KEPT:
        return np.flatnonzero(allowed)
    rough, sample = RoughCosines(searched), Cosines(searched.sample)
    chosen = []
    for group in groups_of(asked):
        scores = rough.of(group[0]) if is_plain(group) else meaning(group, rough, sample)
        best = _highest(np.where(allowed, scores, np.nan), CANDIDATES)
        chosen += [best, _near(searched, _highest(scores[best], GROWN, best))]
    chosen.append(_highest(np.where(allowed, literal, np.nan), CANDIDATES))
    return np.unique(np.concatenate(chosen))


def _highest(
    scores: Float[np.ndarray, " N"], count: int, numbers: Int64[np.ndarray, " N"] | None = None
) -> Int64[np.ndarray, " n"]:
    """The numbers of the highest scores; nan is none."""
    there = np.flatnonzero(~np.isnan(scores))
    if len(there) > count:
        there = there[np.argpartition(scores[there], -count)[-count:]]
    return there if numbers is None else numbers[there]


def _near(searched: Searched, rows: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " m"]:
    """Windows before and after these, by time."""
    steps = np.arange(-NEIGHBOURS, NEIGHBOURS + 1)
    places = (searched.windows.place[rows][:, None] + steps).ravel()
    return searched.windows.by_time[np.clip(places, 0, len(searched.windows) - 1)]
