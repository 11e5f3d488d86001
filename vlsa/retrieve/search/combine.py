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
from jaxtyping import Float, Float64

from vlsa.retrieve.encode.fusion import fuse_ranks, ranks_of
from vlsa.retrieve.search.stand_out import Typical


@dataclass(frozen=True, eq=False)
class Term:
    """One part compared with all windows."""

    weight: float
    cosines: Float[np.ndarray, " N"]
    """nan = the window has nothing that the part can be compared with."""
    typical: Typical | None = None
    """Of the cosines with all windows, where these are with some of them."""


def combine(terms: Sequence[Term]) -> Float64[np.ndarray, " N"]:
    """The score of each window; nan where it has nothing that any part to be like can be compared with.

    Without such a part (the words that have to occur are elsewhere in the question) only what is unlike counts.
    """
    liked = [term for term in terms if term.weight > 0]
    scores = np.zeros(len(terms[0].cosines))
    for term in terms:
        above = np.nan_to_num((term.typical or Typical.of(term.cosines)).stand_out(term.cosines))
        scores += term.weight * (above if term.weight > 0 else np.maximum(above, 0))
    if liked:
        scores /= sum(term.weight for term in liked)
        scores[np.all([np.isnan(term.cosines) for term in liked], axis=0)] = np.nan
    return scores


def fuse_by_rank(
    rankings: Sequence[Float[np.ndarray, " N"]], ranks: Sequence[Float[np.ndarray, " N"]] | None = None
) -> Float64[np.ndarray, " N"]:
    """Reciprocal rank fusion of scores (encode/fusion.py): 1 for a window that is first in all; nan where in none.

    `ranks` are those among all windows, where the scores are those of some.
    """
    fused = fuse_ranks([ranks_of(scores) for scores in rankings] if ranks is None else ranks)
    fused[np.all([np.isnan(scores) for scores in rankings], axis=0)] = np.nan
    return fused
