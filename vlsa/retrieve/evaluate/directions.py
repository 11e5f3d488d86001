"""Retrieval in twelve directions over one set of embeddings: queries, galleries, and the correct items.

Reads embeddings (embed.py); used by evaluate.py. Rules: each caption is a query of its own; a clip as query takes the
best rank among its captions; the gallery holds every item that has the modality. The main scores are over pairs whose
sides both exist; recalls that count clips without one of the two as wrong are given in addition.
Axes: Q queries, N items of the gallery, D width, P (query, correct item) pairs.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from jaxtyping import Bool, Int64

from vlsa.config import num_shared
from vlsa.retrieve.encode.embed import ClipEmbeddings
from vlsa.retrieve.evaluate.items import Items, digest_of, items_of, parts_of
from vlsa.retrieve.evaluate.metrics import score
from vlsa.retrieve.evaluate.overlap import clips_of
from vlsa.retrieve.evaluate.rank_fusion import Comparison, Rerank, ranks_of_fusion
from vlsa.retrieve.evaluate.ranks import Positives, Ranks, chance_ranks, joined, ranks_of_embeddings
from vlsa.retrieve.evaluate.results import DIRECTIONS, DirectionResult, recall_at


def data_digest(embeddings: ClipEmbeddings) -> str:
    """Digest of ids and captions: equal for two evaluations of the same clips, wherever they are stored."""
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
    names: Iterable[str] = DIRECTIONS,
) -> dict[str, DirectionResult]:
    """The directions of these names whose queries are of `query_modalities` alone, except those without a pair.

    A direction that fuses two modalities is left out where no clip has all three: it would repeat another. So is one
    between modalities that no space of the model compares.
    With `identical_captions_count`, a caption that several clips share is correct for each, where it is the whole query
    or the whole item. `rerank` changes the scores by means of all queries that have a correct item. Raises VlsaError if
    an embedding is not finite.
    """
    asked = [name for name in names if set(parts_of(DIRECTIONS[name][0])) <= set(query_modalities)]
    found = _outcomes(embeddings, measured(embeddings, asked), identical_captions_count, rerank)
    return {one.direction: one.result(num_resamples, seed) for one in found if len(one.ranks)}


def evaluate_within(
    embeddings: ClipEmbeddings,
    groups: Sequence[Int64[np.ndarray, " _"]],
    *,
    num_resamples: int = 1000,
    seed: int = 0,
    identical_captions_count: bool = False,
) -> dict[str, DirectionResult]:
    """As evaluate_embeddings, but each query is ranked among the clips of its own group; `groups` holds their rows.

    Where all items of a group are right for its queries, these are left out: they would always be found. Queries
    without a right item count as missing in every group. The N of a direction is that of its largest group.
    """
    names, parts = measured(embeddings), defaultdict(list)
    for rows in groups:
        for one in _outcomes(clips_of(embeddings, rows), names, identical_captions_count):
            parts[one.direction].append(replace(one, ranks=replace(one.ranks, clip=rows[one.ranks.clip])))
    found = {name: _joined(parts[name]) for name in names}
    return {name: one.result(num_resamples, seed) for name, one in found.items() if one is not None}


def _outcomes(
    embeddings: ClipEmbeddings, names: Iterable[str], identical_captions_count: bool, rerank: Rerank | None = None
) -> Iterator["_Outcome"]:
    """One for each direction; without ranks where no query has a correct item."""
    for direction in names:
        query, item = DIRECTIONS[direction]
        queries, items = items_of(embeddings, query), items_of(embeddings, item)
        answerable, positives = _positives(queries, items, embeddings if identical_captions_count else None)
        by_rank = embeddings.fusion == "rank" and bool(queries.parts or items.parts)
        yield _outcome(direction, queries, items, answerable, positives, rerank, by_rank)


def measured(embeddings: ClipEmbeddings, names: Iterable[str] = DIRECTIONS) -> list[str]:
    """The directions that mean something for a model and clips: compared in a space, and no repetition of another."""
    found = []
    for name in names:
        query, item = DIRECTIONS[name]
        parts = [*parts_of(query), *parts_of(item)]
        if not all(num_shared(*pair, embeddings.spaces) for pair in product(parts_of(query), parts_of(item))):
            continue
        if len(parts) == 2 or _have_all(embeddings, parts):
            found.append(name)
    return found


def _have_all(embeddings: ClipEmbeddings, parts: Sequence[str]) -> bool:
    """Whether a clip has all of these modalities; a direction that fuses two would else repeat another."""
    return bool(np.logical_and.reduce([getattr(embeddings, f"has_{part}") for part in parts]).any())


def _positives(queries: Items, items: Items, shared: ClipEmbeddings | None) -> tuple[np.ndarray, Positives]:
    """Which queries have a correct item, and their correct items; `shared`: identical captions count."""
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
    """The correct items of each query: those of its clip, and those with the same caption.

    A caption counts alone: fused with a clip's video or audio it asks for that clip, or stands for it.
    """
    asks, stands = (one.texts if one.texts and not one.parts else () for one in (queries, items))
    items_of_clip, items_of_text, clips_of_text = (defaultdict(set) for _ in range(3))
    for position, clip in enumerate(items.clip.tolist()):
        items_of_clip[clip].add(position)
    for text, clip in zip(shared.texts, shared.text_clip.tolist(), strict=True):
        clips_of_text[text].add(clip)
    for position, text in enumerate(stands):
        items_of_text[text].add(position)
    for number, clip in enumerate(queries.clip.tolist()):
        clips = {clip} | (clips_of_text[asks[number]] if asks else set())
        own = set().union(*(items_of_clip[one] for one in clips))
        texts = {stands[position] for position in own} if stands else set()
        yield own.union(*(items_of_text[text] for text in texts))


@dataclass(frozen=True, eq=False)
class _Outcome:
    """The ranks of one direction, and the other parts of its result."""

    direction: str
    ranks: Ranks
    chance: Ranks
    num_missing: int
    queries_digest: str
    gallery_digest: str

    def result(self, num_resamples: int, seed: int) -> DirectionResult:
        """The scores, with intervals."""
        scores = score(self.ranks, num_resamples, seed, recall_at(self.direction))
        share = scores.num_queries / (scores.num_queries + self.num_missing)
        return DirectionResult(
            direction=self.direction,
            scores=scores,
            chance=score(self.chance, recall_at=recall_at(self.direction)),
            num_missing=self.num_missing,
            recall_missing_as_wrong={k: recall * share for k, recall in scores.recall.items()},
            ranks=self.ranks,
            queries_digest=self.queries_digest,
            gallery_digest=self.gallery_digest,
        )


def _outcome(
    direction: str,
    queries: Items,
    items: Items,
    answerable: Bool[np.ndarray, " Q"],
    positives: Positives,
    rerank: Rerank | None,
    by_rank: bool,
) -> _Outcome:
    ranks = (_fused_ranks if by_rank else _ranks)(queries, items, answerable, positives, rerank)
    return _Outcome(
        direction=direction,
        ranks=replace(ranks, clip=queries.clip[answerable]),
        chance=chance_ranks(positives, len(items.vectors)),
        # A clip that has the item but no query at all counts as one missing query.
        num_missing=int((~answerable).sum()) + len(np.setdiff1d(items.clip, queries.clip)),
        queries_digest=queries.digest(answerable),
        gallery_digest=items.digest(),
    )


def _ranks(
    queries: Items, items: Items, asked: Bool[np.ndarray, " Q"], positives: Positives, rerank: Rerank | None
) -> Ranks:
    """Of the queries that are asked, by the dot products of their vectors; every item here is present."""
    vectors = queries.vectors[asked], items.vectors
    return ranks_of_embeddings(*(rerank(*vectors) if rerank and asked.any() else vectors), positives)


def _fused_ranks(
    queries: Items, items: Items, asked: Bool[np.ndarray, " Q"], positives: Positives, rerank: Rerank | None
) -> Ranks:
    """Of the queries that are asked, by one list for each pair of modalities."""
    compared = [Comparison.of(query[asked], item) for query, item in product(queries.single(), items.single())]
    return ranks_of_fusion([one.reranked(rerank) for one in compared] if rerank else compared, positives)


def _joined(parts: Sequence[_Outcome]) -> _Outcome | None:
    """One direction over several groups; None where no group has a wrong item."""
    scored = [part for part in parts if part.chance.tied_wrong.any()]
    if not scored:
        return None
    return _Outcome(
        direction=scored[0].direction,
        ranks=joined([part.ranks for part in scored]),
        chance=joined([part.chance for part in scored]),
        num_missing=sum(part.num_missing for part in parts),
        queries_digest=digest_of([part.queries_digest for part in scored]),
        gallery_digest=digest_of([part.gallery_digest for part in scored]),
    )
