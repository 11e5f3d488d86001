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
RANKED = 1_000
"""The best of all are compared too where a filter leaves them out: ranks are among all windows."""
GROWN, NEIGHBOURS = 256, 5
"""So many of the best bring along so many windows on either side, which may belong to their moments."""
_STEP = 64
"""Of so many scores one is looked at to guess how high the best are."""


def candidates(
    searched: Searched, asked: Sequence[Asked], literal: Float[np.ndarray, " N"], allowed: Bool[np.ndarray, " N"]
) -> Int64[np.ndarray, " n"]:
    """The numbers of the windows that are to be compared, in order."""
    rough, sample = RoughCosines(searched), Cosines(searched.sample)
    num_allowed, everywhere = np.count_nonzero(allowed), np.ones(len(allowed), bool)
    chosen = allowed.copy() if num_allowed <= FEW_KEPT else np.zeros(len(allowed), bool)
    for group in groups_of(asked):
        scores = rough.of(group[0]) if is_plain(group) else meaning(group, rough, sample)
        if num_allowed > FEW_KEPT:
            best = _highest(scores, allowed, CANDIDATES)
            chosen[best] = True
            first = best[np.argsort(-scores[best])[:GROWN]]
            chosen[_near(searched, first)] = True
        if num_allowed < len(allowed):
            chosen[_highest(scores, everywhere, RANKED)] = True
    chosen[_highest(literal, allowed, CANDIDATES)] = True
    return np.flatnonzero(chosen)


def _highest(scores: Float[np.ndarray, " N"], allowed: Bool[np.ndarray, " N"], count: int) -> Int64[np.ndarray, " n"]:
    """The numbers of the highest scores of those allowed; nan is none."""
    there = np.flatnonzero(allowed & (scores >= _nearly(scores[::_STEP][allowed[::_STEP]], count)))
    if len(there) < count:
        there = np.flatnonzero(allowed & ~np.isnan(scores))
    if len(there) > count:
        there = there[np.argpartition(scores[there], -count)[-count:]]
    return there


def _nearly(some: Float[np.ndarray, " n"], count: int) -> float:
    """A score that about twice as many reach as are wanted, by one of _STEP scores."""
    some, rank = some[~np.isnan(some)], 2 * count // _STEP
    return float(np.partition(some, -rank)[-rank]) if 0 < rank < len(some) else -np.inf


def _near(searched: Searched, rows: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " m"]:
    """Windows before and after these, by time."""
    steps = np.arange(-NEIGHBOURS, NEIGHBOURS + 1)
    places = (searched.windows.place[rows][:, None] + steps).ravel()
    return searched.windows.by_time[np.clip(places, 0, len(searched.windows) - 1)]
