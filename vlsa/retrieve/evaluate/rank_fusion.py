"""Ranks where a query or an item has two modalities whose cosines share no scale: reciprocal rank fusion.

Used by directions.py for encoders that ask for it. Axes: Q queries, N items of the gallery, D width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32

from vlsa.retrieve.encode.fusion import fuse_ranks, ranks_of
from vlsa.retrieve.evaluate.ranks import Positives, Ranks, exact_scores, ranks_of_scores

Rerank = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Query and item vectors to those whose dot products are the scores of a re-ranking (rerank.py)."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Queries and items in one modality each. What is absent keeps a row, which is compared with nothing."""

    queries: Float[np.ndarray, "Q D"]
    items: Float[np.ndarray, "N D"]
    asked: Bool[np.ndarray, " Q"]
    """Queries that have the modality."""
    present: Bool[np.ndarray, " N"]
    """Items that have the modality."""

    @classmethod
    def of(cls, queries: Float[np.ndarray, "Q D"], items: Float[np.ndarray, "N D"]) -> "Comparison":
        """Of embeddings: a row of zeros is absent."""
        return cls(queries, items, queries.any(axis=1), items.any(axis=1))

    def reranked(self, rerank: Rerank) -> "Comparison":
        """With the vectors of a re-ranking, in which what is absent takes no part."""
        if not (self.asked.any() and self.present.any()):
            return self
        queries, items = rerank(self.queries[self.asked], self.items[self.present])
        return replace(self, queries=_at(self.asked, queries), items=_at(self.present, items))


def _at(rows: Bool[np.ndarray, " N"], vectors: Float[np.ndarray, "M E"]) -> Float[np.ndarray, "N E"]:
    """Vectors in the rows that are marked, zeros in the others."""
    placed = np.zeros((len(rows), vectors.shape[1]), vectors.dtype)
    placed[rows] = vectors
    return placed


def ranks_of_fusion(compared: Sequence[Comparison], positives: Positives) -> Ranks:
    """Ranks by the fused ranks of several comparisons; an item that lacks a modality has no rank in its list.

    One query at a time: memory is that of a list of N. Raises VlsaError when a similarity is not a finite number.
    """
    rows = range(len(compared[0].queries))
    return ranks_of_scores((_fused(compared, row) for row in rows), positives, len(compared[0].items))


def _fused(compared: Sequence[Comparison], row: int) -> Float32[np.ndarray, " N"]:
    """The score of each item for one query."""
    lists = []
    for one in compared:
        if one.asked[row]:
            scores = exact_scores(one.queries[row], one.items).astype(np.float64)
            lists.append(ranks_of(np.where(one.present, scores, np.nan)))
    return fuse_ranks(lists).astype(np.float32)
