"""How the parts of a question become one score a window, and how rankings of different encoders become one.

Each part is compared by cosine in the space that it shares with what it is compared with. Cosines of different spaces,
and of different parts, have different heights and spreads, so each part is first measured against the windows of the
index: z = (cosine - median) / spread (stand_out.py). Then

    score = (sum of weight x z  over the parts to be like
           - sum of weight x max(z, 0)  over the parts to be unlike)  / sum of weights to be like

A question of one part is ranked by its cosine. What the answer should be unlike only takes away from the windows that
are more like it than a typical one: there is no reward for being its opposite. A window that lacks what a part is
compared with (no sound) is as a typical one there, and no answer where it lacks all parts to be like. Measured in
bench/question_sum.py. Rankings by several encoders, and by words that occur, are fused by reciprocal rank, since their
scores cannot be compared at all. Feeds moments.py. Axes: N windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64

from vlsa.retrieve.search.stand_out import Typical

RANK_OFFSET = 60
"""Of reciprocal rank fusion: the usual value; how little the first ranks differ from the next."""


@dataclass(frozen=True, eq=False)
class Term:
    """One part compared with all windows."""

    weight: float
    cosines: Float[np.ndarray, " N"]
    """nan = the window has nothing that the part can be compared with."""


def combine(terms: Sequence[Term]) -> Float64[np.ndarray, " N"]:
    """The score of each window; nan where it has nothing that any part to be like can be compared with."""
    liked = [term for term in terms if term.weight > 0]
    assert liked, "Question asks for one"
    scores = np.zeros(len(liked[0].cosines))
    for term in terms:
        above = np.nan_to_num(Typical.of(term.cosines).stand_out(term.cosines))
        scores += term.weight * (above if term.weight > 0 else np.maximum(above, 0))
    scores /= sum(term.weight for term in liked)
    scores[np.all([np.isnan(term.cosines) for term in liked], axis=0)] = np.nan
    return scores


def ranks(scores: Float[np.ndarray, " N"]) -> Int64[np.ndarray, " N"]:
    """1 for the best; equal scores in their order; 0 where there is no score (nan)."""
    order = np.argsort(-scores, kind="stable")  # nan last
    places = np.empty(len(scores), np.int64)
    places[order] = np.arange(1, len(scores) + 1)
    return np.where(np.isnan(scores), 0, places)


def fuse_by_rank(rankings: Sequence[tuple[float, Float[np.ndarray, " N"]]]) -> Float64[np.ndarray, " N"]:
    """Weighted reciprocal rank fusion of (weight, scores): 1 for a window that is first in all; nan where in none."""
    fused = np.zeros(len(rankings[0][1]))
    in_none = np.ones(len(fused), bool)
    for weight, scores in rankings:
        assert weight > 0, weight
        place = ranks(scores)
        fused += np.where(place > 0, weight / (RANK_OFFSET + place), 0)
        in_none &= place == 0
    fused *= (RANK_OFFSET + 1) / sum(weight for weight, _ in rankings)
    fused[in_none] = np.nan
    return fused
