"""Ranks where a query or an item has two modalities whose cosines share no scale: reciprocal rank fusion.

Used by directions.py for encoders that ask for it. Axes: Q queries, N items of the gallery, D width.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32

from vlsa.retrieve.encode.fusion import fuse_ranks, ranks_of
from vlsa.retrieve.evaluate.ranks import Positives, Ranks, exact_scores, ranks_of_scores

Compared = tuple[Float[np.ndarray, "Q D"], Float[np.ndarray, "N D"]]
"""The vectors of queries and items in one modality each; a row of zeros is absent."""


def ranks_of_fusion(compared: Sequence[Compared], positives: Positives) -> Ranks:
    """Ranks by the fused ranks of several comparisons; an item that lacks a modality has no rank in its list.

    One query at a time: memory is that of a list of N. Raises VlsaError when a similarity is not a finite number.
    """
    rows = range(len(compared[0][0]))
    return ranks_of_scores((_fused(compared, row) for row in rows), positives, len(compared[0][1]))


def _fused(compared: Sequence[Compared], row: int) -> Float32[np.ndarray, " N"]:
    """The score of each item for one query."""
    lists = []
    for queries, items in compared:
        scores = exact_scores(queries[row], items).astype(np.float64)
        scores[~items.any(axis=1)] = np.nan
        if queries[row].any():
            lists.append(ranks_of(scores))
    return fuse_ranks(lists).astype(np.float32)
