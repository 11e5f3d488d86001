"""Scores of several comparisons as one order: reciprocal rank fusion, for cosines that do not share a scale.

Used by evaluate/ and search/ for an encoder that asks for it (`Encoder.fusion`): the cosines of two models, or of two
pairs with a temperature each, cannot be added. Imports NumPy alone. Source: Cormack, Clarke and Büttcher 2009, doi
10.1145/1571941.1572114; a score here is theirs times (60 + 1) / lists, which leaves the order as it is.
Axes: N items.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Float64

Fusion = Literal["cosine", "rank"]

RANK_OFFSET = 60
"""The usual constant: the difference between ranks 1 and 2 counts little more than that between 2 and 3."""


def ranks_of(scores: Float[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
    """Rank of each score, from 1 for the largest; equal scores share their mean rank; NaN (not compared) has inf."""
    ranks = np.full(len(scores), np.inf)
    there = np.flatnonzero(~np.isnan(scores))
    if len(there):
        order = there[np.argsort(scores[there])]
        first = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)  # of each run of equal scores
        sizes = np.diff(first, append=len(order))
        ranks[order] = np.repeat(len(order) - (2 * first + sizes - 1) / 2, sizes)
    return ranks


def fuse_ranks(ranks: Sequence[Float[np.ndarray, " N"]]) -> Float64[np.ndarray, " N"]:
    """One score for each item from its rank in several lists: 1 for the first of all lists, 0 for an item in none."""
    return np.sum([(RANK_OFFSET + 1) / (RANK_OFFSET + rank) for rank in ranks], axis=0) / len(ranks)
