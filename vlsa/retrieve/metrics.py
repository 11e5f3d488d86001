"""Retrieval metrics: ranks, R@k, MedR, MeanR, with ties counted in expectation.

Used for the paper's Tables 2 to 5. Reads similarities or embeddings; feeds evaluate.py. A tie is resolved by the mean
over all random orders of the tied items, so a collapsed model scores exactly chance. A query with several right items
(a clip with several captions) takes the best of their ranks. Axes: Q queries, N items of the gallery, D width, P
(query, right item) pairs.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from vlsa.errors import VlsaError

RECALL_AT = (1, 5, 10)
TIE_RULE = "expectation over random tie-breaking"
_BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class Positives:
    """Which items are right for each query: those of query q are `items[offsets[q]:offsets[q + 1]]`, at least one."""

    items: Int64[np.ndarray, " P"]
    offsets: Int64[np.ndarray, " ends"]

    def __post_init__(self) -> None:
        assert (np.diff(self.offsets) >= 1).all(), "each query needs a right item"

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def diagonal(cls, num_queries: int) -> "Positives":
        """Item q is the one right answer of query q."""
        return cls(np.arange(num_queries), np.arange(num_queries + 1))

    @classmethod
    def of_lists(cls, lists: Iterable[Iterable[int]]) -> "Positives":
        """From one collection of right items a query; an item named twice counts once."""
        rows = [sorted(set(items)) for items in lists]
        offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return cls(np.array([item for row in rows for item in row], dtype=np.int64), offsets)

    def block(self, start: int, stop: int) -> "Positives":
        """The queries start to stop - 1."""
        first, last = self.offsets[start], self.offsets[stop]
        return type(self)(self.items[first:last], self.offsets[start : stop + 1] - first)


@dataclass(frozen=True, eq=False)
class Ranks:
    """The rank of each query's best right item, as what a random order of tied items needs to know."""

    above: Int64[np.ndarray, " Q"]
    """Wrong items that score higher than the best right one."""
    tied_wrong: Int64[np.ndarray, " Q"]
    """Wrong items that score exactly the same."""
    tied_right: Int64[np.ndarray, " Q"]
    """Right items at the best score, itself included."""
    num_items: int

    def __len__(self) -> int:
        return len(self.above)

    def expected(self) -> Float[np.ndarray, " Q"]:
        """Mean rank, from 1, over random orders of the tied items."""
        return 1 + self.above + self.tied_wrong / (self.tied_right + 1)

    def hits(self, k: int) -> Float[np.ndarray, " Q"]:
        """Probability of a rank of at most k over random orders of the tied items."""
        places = k - self.above  # how many places of the tied group lie within the first k
        missed = np.ones(len(self))
        for place in range(min(k, int(self.tied_wrong.max(initial=0)) + 1)):
            wrong_left = np.maximum(self.tied_wrong - place, 0)
            share = wrong_left / np.maximum(wrong_left + self.tied_right, 1)
            missed *= np.where(place < places, share, 1.0)
        return 1 - missed

    @property
    def num_tied(self) -> int:
        """Queries whose best right item shares its score with a wrong one."""
        return int((self.tied_wrong > 0).sum())


def ranks_of_similarity(similarity: Float[np.ndarray, "Q N"], positives: Positives | None = None) -> Ranks:
    """Ranks from a whole similarity matrix; without `positives`, item q is right for query q.

    Raises VlsaError when a similarity is not a finite number.
    """
    positives = positives or Positives.diagonal(len(similarity))
    assert len(positives) == len(similarity), (len(positives), similarity.shape)
    _require_finite(similarity)
    rows = np.repeat(np.arange(len(positives)), np.diff(positives.offsets))
    right = similarity[rows, positives.items]
    best = np.maximum.reduceat(right, positives.offsets[:-1]) if len(positives) else right
    above = (similarity > best[:, None]).sum(axis=1, dtype=np.int64)
    tied = (similarity == best[:, None]).sum(axis=1, dtype=np.int64)
    tied_right = np.bincount(rows, weights=right == best[rows], minlength=len(positives)).astype(np.int64)
    return Ranks(above, tied - tied_right, tied_right, similarity.shape[1])


def ranks_of_embeddings(
    queries: Float[np.ndarray, "Q D"],
    items: Float[np.ndarray, "N D"],
    positives: Positives | None = None,
    block_bytes: int = _BLOCK_BYTES,
) -> Ranks:
    """Ranks by dot product, a block of queries at a time, so that memory stays near three times `block_bytes`.

    Equal vectors must get equal scores wherever they stand in a block: products are summed in float64, then rounded to
    float32. Raises VlsaError when an embedding is not a finite number.
    """
    positives = positives or Positives.diagonal(len(queries))
    _require_finite(queries)
    wide = items.astype(np.float64).T
    step = max(block_bytes // (8 * max(len(items), 1)), 1)
    blocks = []
    for start in range(0, len(queries), step):
        stop = min(start + step, len(queries))
        similarity = (queries[start:stop].astype(np.float64) @ wide).astype(np.float32)
        blocks.append(ranks_of_similarity(similarity, positives.block(start, stop)))
    return _concatenate(blocks, len(items))


def _concatenate(blocks: list[Ranks], num_items: int) -> Ranks:
    names = ("above", "tied_wrong", "tied_right")
    joined = (np.concatenate([np.zeros(0, np.int64), *(getattr(block, name) for block in blocks)]) for name in names)
    return Ranks(*joined, num_items)


def _require_finite(values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise VlsaError(
            "retrieval: a similarity or an embedding is not a finite number; nothing compares with it, so ranks would "
            "look perfect. The model has diverged: go back to an earlier checkpoint, or lower the learning rate."
        )


def chance_ranks(positives: Positives, num_items: int) -> Ranks:
    """Ranks of a model that gives all items one score: everything is tied."""
    right = np.diff(positives.offsets)
    return Ranks(np.zeros_like(right), num_items - right, right, num_items)


@dataclass(frozen=True)
class Scores:
    """The metrics of one direction; recalls are shares in [0, 1], ranks count from 1."""

    num_queries: int
    num_items: int
    recall: dict[int, float]
    """k -> share of queries with rank <= k, in expectation over ties."""
    median_rank: float
    """Median over queries of the expected rank."""
    mean_rank: float
    num_tied: int
    """Queries whose right item is tied with a wrong one."""
    intervals: dict[str, tuple[float, float]]
    """r1, r5, r10, medr, meanr -> 95% interval by bootstrap over queries; empty when not asked for."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types under the names that results.json uses."""
        recalls = {f"r{k}": share for k, share in self.recall.items()}
        ranks = {"medr": self.median_rank, "meanr": self.mean_rank, "tied_queries": self.num_tied}
        intervals = {"intervals": {name: list(ends) for name, ends in self.intervals.items()}} if self.intervals else {}
        return {"N": self.num_items, "Q": self.num_queries, **recalls, **ranks, **intervals}


def score(ranks: Ranks, num_resamples: int = 0, seed: int = 0, recall_at: tuple[int, ...] = RECALL_AT) -> Scores:
    """The metrics of these ranks, with bootstrap intervals when `num_resamples` is above 0. At least one query."""
    assert len(ranks), "no query to score"
    hits = {k: ranks.hits(k) for k in recall_at}
    expected = ranks.expected()
    return Scores(
        num_queries=len(ranks),
        num_items=ranks.num_items,
        recall={k: float(values.mean()) for k, values in hits.items()},
        median_rank=float(np.median(expected)),
        mean_rank=float(expected.mean()),
        num_tied=ranks.num_tied,
        intervals=_intervals(hits, expected, num_resamples, seed) if num_resamples else {},
    )


def _intervals(
    hits: dict[int, np.ndarray], expected: np.ndarray, num_resamples: int, seed: int
) -> dict[str, tuple[float, float]]:
    columns: dict[str, tuple[np.ndarray, Callable[[np.ndarray], Any]]]
    columns = {f"r{k}": (values, np.mean) for k, values in hits.items()}
    columns |= {"medr": (expected, np.median), "meanr": (expected, np.mean)}
    rng = np.random.default_rng(seed)
    samples = np.empty((num_resamples, len(columns)))
    for row in samples:
        drawn = rng.integers(len(expected), size=len(expected))
        row[:] = [statistic(values[drawn]) for values, statistic in columns.values()]
    low, high = np.percentile(samples, [2.5, 97.5], axis=0)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(columns)}
