"""What a model answers to some queries of a split, in each direction, and where the right answer stands.

Reads embeddings; feeds serve/gallery.py. The queries lie at even distances in the split: nobody picks them.
"""

from dataclasses import dataclass

import numpy as np

from vlsa.retrieve.encode.embed import ClipEmbeddings
from vlsa.retrieve.evaluate.items import Items, items_of
from vlsa.retrieve.evaluate.ranks import Positives, ranks_of_embeddings
from vlsa.retrieve.evaluate.results import DIRECTIONS
from vlsa.show.compute.batches import spread


@dataclass(frozen=True)
class Answer:
    """One item of the gallery in the order of its score."""

    clip: int
    """Row of the clip in the embeddings."""
    text: str
    """The caption, when captions are searched; else ""."""
    place: int
    """From 1."""
    score: float
    """Cosine."""
    right: bool


@dataclass(frozen=True)
class Asked:
    """A query and its first answers."""

    direction: str
    clip: int
    text: str
    """The caption, when one is asked with; else ""."""
    answers: tuple[Answer, ...]
    rank: float
    """Of the best right answer, from 1; its mean over orders of tied answers."""
    num_items: int
    right: Answer
    """The best right answer, also when it is not among the first."""


def asked(embeddings: ClipEmbeddings, num_queries: int = 4, k: int = 5) -> list[Asked]:
    """Queries in all directions and their first k answers; a direction without a pair is left out.

    So is media (picture and sound fused) where no clip has both: it would repeat another direction.
    """
    return [
        found
        for direction, (query, item) in DIRECTIONS.items()
        if item != "media" or embeddings.has_both.any()
        for found in _ask(direction, items_of(embeddings, query), items_of(embeddings, item), num_queries, k)
    ]


def _ask(direction: str, queries: Items, items: Items, num_queries: int, k: int) -> list[Asked]:
    usable = np.flatnonzero(np.isin(queries.clip, items.clip)).tolist()
    chosen = spread(usable, num_queries)
    if not chosen:
        return []
    vectors = queries.vectors[chosen]
    right = [np.flatnonzero(items.clip == queries.clip[row]) for row in chosen]
    ranks = ranks_of_embeddings(vectors, items.vectors, Positives.of_lists([list(map(int, rows)) for rows in right]))
    scores = vectors.astype(np.float64) @ items.vectors.astype(np.float64).T
    return [
        _asked(direction, queries, items, row, scores[number], rank, k)
        for number, (row, rank) in enumerate(zip(chosen, ranks.expected().tolist(), strict=True))
    ]


def _asked(direction: str, queries: Items, items: Items, row: int, scores: np.ndarray, rank: float, k: int) -> Asked:
    order = np.argsort(-scores, kind="stable")
    clip = int(queries.clip[row])
    best = int(np.flatnonzero(items.clip[order] == clip)[0])

    def answer(place: int) -> Answer:
        item = order[place]
        same = int(items.clip[item]) == clip
        return Answer(int(items.clip[item]), items.text(int(item)), place + 1, float(scores[item]), same)

    first = tuple(answer(place) for place in range(min(k, len(order))))
    return Asked(direction, clip, queries.text(row), first, rank, len(order), answer(best))
