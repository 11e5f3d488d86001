"""Some queries of a split with their first results in each direction, and the rank of the right one.

Reads embeddings; feeds gallery.py. The queries are evenly spaced in the split, not picked.
"""

from dataclasses import dataclass

import numpy as np

from vlsa.retrieve.encode.embed import ClipEmbeddings
from vlsa.retrieve.evaluate.directions import measured
from vlsa.retrieve.evaluate.items import Items, items_of
from vlsa.retrieve.evaluate.ranks import Positives, ranks_of_embeddings
from vlsa.retrieve.evaluate.results import WATCHED
from vlsa.show.compute.clip_batches import evenly_spaced


@dataclass(frozen=True)
class RankedItem:
    """An item of the gallery at its place in a query's ranking."""

    clip: int
    """Row of the clip in the embeddings."""
    text: str
    """The caption if captions are ranked, else ""."""
    place: int
    """From 1."""
    score: float
    """Cosine."""
    right: bool


@dataclass(frozen=True)
class RankedQuery:
    """A query and its first results."""

    direction: str
    clip: int
    text: str
    """The caption of a text query, else ""."""
    results: tuple[RankedItem, ...]
    rank: float
    """Of the best right item, from 1; the mean over the orders of tied items."""
    num_items: int
    right: RankedItem
    """The best right item, also if it is not among the first."""


def ranked_queries(embeddings: ClipEmbeddings, num_queries: int = 4, k: int = 5) -> list[RankedQuery]:
    """Queries in each direction and their first k results; a direction in which no clip has both sides is left out.

    So are directions that repeat another, or that no space of the model compares.
    """
    return [
        query
        for direction in measured(embeddings, WATCHED)
        for query in _ranked(direction, *(items_of(embeddings, side) for side in WATCHED[direction]), num_queries, k)
    ]


def _ranked(direction: str, queries: Items, items: Items, num_queries: int, k: int) -> list[RankedQuery]:
    chosen = evenly_spaced(np.flatnonzero(np.isin(queries.clip, items.clip)).tolist(), num_queries)
    if not chosen:
        return []
    vectors = queries.vectors[chosen]
    right = [np.flatnonzero(items.clip == queries.clip[row]).tolist() for row in chosen]
    ranks = ranks_of_embeddings(vectors, items.vectors, Positives.of_lists(right)).expected().tolist()
    scores = vectors.astype(np.float64) @ items.vectors.astype(np.float64).T
    return [
        _ranked_query(direction, queries, items, row, scores[number], ranks[number], k)
        for number, row in enumerate(chosen)
    ]


def _ranked_query(
    direction: str, queries: Items, items: Items, row: int, scores: np.ndarray, rank: float, k: int
) -> RankedQuery:
    order = np.argsort(-scores, kind="stable")
    is_right = items.clip[order] == queries.clip[row]

    def ranked(place: int) -> RankedItem:
        item = int(order[place])
        return RankedItem(
            int(items.clip[item]), items.text(item), place + 1, float(scores[item]), bool(is_right[place])
        )

    results = tuple(ranked(place) for place in range(min(k, len(order))))
    right = ranked(int(is_right.argmax()))
    return RankedQuery(direction, int(queries.clip[row]), queries.text(row), results, rank, len(order), right)
