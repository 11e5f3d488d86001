"""Retrieval in seven directions over one set of embeddings: who asks, what is searched, and which answers are right.

Reads embeddings (embed.py); feeds evaluate.py. Rules: each caption is a query of its own; a clip as query takes the
best rank among its captions; the gallery holds every item that has the modality. The headline is over pairs where both
sides exist; beside it stands the recall when every clip that lacks one of the two counts as wrong.
Axes: Q queries, N items of the gallery, D width, P (query, right item) pairs.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from vlsa.retrieve.encode.embed import ClipEmbeddings
from vlsa.retrieve.evaluate.items import Items, digest_of, items_of
from vlsa.retrieve.evaluate.metrics import score
from vlsa.retrieve.evaluate.ranks import Positives, chance_ranks, ranks_of_embeddings
from vlsa.retrieve.evaluate.results import DIRECTIONS, DirectionResult, recall_at

Rerank = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Query and item vectors to those whose dot products are the scores of a re-ranking (rerank.py)."""


def data_digest(embeddings: ClipEmbeddings) -> str:
    """Digest of ids and captions: equal for two evaluations of the same clips, wherever they lie."""
    owners = [str(clip) for clip in embeddings.text_clip.tolist()]
    return digest_of([*embeddings.ids, "", *owners, *embeddings.texts])


def evaluate_embeddings(
    embeddings: ClipEmbeddings,
    *,
    num_resamples: int = 1000,
    seed: int = 0,
    identical_captions_count: bool = False,
    rerank: Rerank | None = None,
    query_modalities: tuple[str, ...] = ("text", "audio", "video"),
) -> dict[str, DirectionResult]:
    """All directions that ask with one of `query_modalities`, but for those without a single pair.

    Media is left out where no clip has both a picture and sound: it would repeat another direction.
    With `identical_captions_count`, a caption that several clips share is right for each of them. `rerank` changes the
    scores by means of all queries that have a right item. Raises VlsaError when an embedding is not a finite number.
    """
    results = {}
    for direction, (query, item) in DIRECTIONS.items():
        if query not in query_modalities or (item == "media" and not embeddings.has_both.any()):
            continue
        queries, items = items_of(embeddings, query), items_of(embeddings, item)
        answerable, positives = _positives(queries, items, embeddings if identical_captions_count else None)
        if answerable.any():
            pairs = _Pairs(direction, queries, items, answerable, positives)
            results[direction] = pairs.evaluate(rerank, num_resamples, seed)
    return results


def _positives(queries: Items, items: Items, shared: ClipEmbeddings | None) -> tuple[np.ndarray, Positives]:
    """Which queries have a right item, and which items are right for those; `shared`: identical words count."""
    if shared is not None:
        right = list(_right_items(queries, items, shared))
        return np.array([bool(found) for found in right], bool), Positives.of_lists(found for found in right if found)
    order = np.argsort(items.clip, kind="stable")
    first, last = (np.searchsorted(items.clip[order], queries.clip, side) for side in ("left", "right"))
    answerable = last > first
    counts = (last - first)[answerable]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    places = np.arange(offsets[-1]) + np.repeat(first[answerable] - offsets[:-1], counts)
    return answerable, Positives(order[places], offsets)


def _right_items(queries: Items, items: Items, shared: ClipEmbeddings) -> Iterator[set[int]]:
    """For each query the right items: those of its clip, and those with the same words."""
    items_of_clip, items_of_text, clips_of_text = (defaultdict(set) for _ in range(3))
    for position, clip in enumerate(items.clip.tolist()):
        items_of_clip[clip].add(position)
    for text, clip in zip(shared.texts, shared.text_clip.tolist(), strict=True):
        clips_of_text[text].add(clip)
    for position, text in enumerate(items.texts or ()):
        items_of_text[text].add(position)
    for number, clip in enumerate(queries.clip.tolist()):
        clips = {clip} | (clips_of_text[queries.texts[number]] if queries.texts else set())
        own = set().union(*(items_of_clip[one] for one in clips))
        words = {items.texts[position] for position in own} if items.texts else set()
        yield own.union(*(items_of_text[text] for text in words))


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Queries, a gallery, and what is right for whom."""

    direction: str
    queries: Items
    items: Items
    answerable: Bool[np.ndarray, " Q"]
    positives: Positives

    def evaluate(self, rerank: Rerank | None, num_resamples: int, seed: int) -> DirectionResult:
        """The scores, and what stands beside them."""
        vectors = self.queries.vectors[self.answerable], self.items.vectors
        ranks = ranks_of_embeddings(*(rerank(*vectors) if rerank else vectors), self.positives)
        scores = score(ranks, num_resamples, seed, recall_at(self.direction))
        # A clip that has the item but no query at all counts as one missing query.
        num_missing = int((~self.answerable).sum()) + len(np.setdiff1d(self.items.clip, self.queries.clip))
        share = scores.num_queries / (scores.num_queries + num_missing)
        return DirectionResult(
            direction=self.direction,
            scores=scores,
            chance=score(chance_ranks(self.positives, len(self.items.vectors)), recall_at=recall_at(self.direction)),
            num_missing=num_missing,
            recall_missing_as_wrong={k: recall * share for k, recall in scores.recall.items()},
            ranks=ranks,
            queries_digest=self.queries.digest(self.answerable),
            gallery_digest=self.items.digest(),
        )
