"""The rank of each query's best right item, exactly and in bounded memory, with what a tie needs to know.

Used for every retrieval table. Reads embeddings; feeds metrics.py. A query with several right items (a
clip with several captions) takes the best of their ranks.

A score is the sum in float64 of the products of two vectors, rounded to float32, always added up in the same order, so
that equal vectors get equal scores wherever they stand. Most pairs never need that sum: a bound on the error of a
float64 matrix product (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1) says that it rounds to the
same float32. The few where it may not are added up one by one.
Axes: Q queries, N items of the gallery, D width, P (query, right item) pairs, R and C the two sides of a tile.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from vlsa.base.errors import VlsaError

TILE_BYTES = 64 * 2**20
_BYTES_PER_PAIR = 24
"""A float64 score, its two roundings to float32, and marks."""
_LARGEST = float(np.finfo(np.float32).max)


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

    def queries(self) -> Int64[np.ndarray, " P"]:
        """For each of `items`, the query that it is right for."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))


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
    clip: Int64[np.ndarray, " Q"] | None = None
    """Number of each query's clip: its queries are alike, and are resampled together. None = not known."""

    def __len__(self) -> int:
        return len(self.above)

    @property
    def clips(self) -> Int64[np.ndarray, " Q"]:
        """`clip`, or a clip for each query where it is not known."""
        return np.arange(len(self)) if self.clip is None else self.clip

    @property
    def num_clips(self) -> int:
        """How many clips the queries are of."""
        return len(np.unique(self.clips))

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


def joined(parts: Sequence[Ranks]) -> Ranks:
    """The queries of several galleries, one after the other; the number of items is that of the largest."""
    names = ("above", "tied_wrong", "tied_right", "clips")
    *outcomes, clip = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    return Ranks(*outcomes, max(part.num_items for part in parts), clip)


def chance_ranks(positives: Positives, num_items: int) -> Ranks:
    """Ranks of a model that gives all items one score: everything is tied."""
    right = np.diff(positives.offsets)
    return Ranks(np.zeros_like(right), num_items - right, right, num_items)


def _best(right: Float[np.ndarray, " P"], positives: Positives) -> tuple[np.ndarray, np.ndarray]:
    """The best score among each query's right items, and how many of them have it."""
    if not len(positives):
        return right, np.zeros(0, np.int64)
    best = np.maximum.reduceat(right, positives.offsets[:-1])
    is_best = (right == np.repeat(best, np.diff(positives.offsets))).astype(np.int64)
    return best, np.add.reduceat(is_best, positives.offsets[:-1])


def ranks_of_embeddings(
    queries: Float[np.ndarray, "Q D"],
    items: Float[np.ndarray, "N D"],
    positives: Positives | None = None,
    tile_bytes: int = TILE_BYTES,
) -> Ranks:
    """Ranks by dot product, tile by tile over queries and items.

    Memory in addition to the two inputs: at most about twice `tile_bytes`, 60 bytes a query, 8 an item and 40 a right
    pair. The result does not depend on `tile_bytes`. Raises VlsaError when an embedding, or a similarity, is not a
    finite number.
    """
    positives = positives or Positives.diagonal(len(queries))
    assert len(positives) == len(queries), (len(positives), queries.shape)
    lengths, longest = vector_lengths(queries), vector_lengths(items).max(initial=0.0)
    largest = lengths.max(initial=0.0) * longest
    require_finite(largest if largest < _LARGEST else np.float64(np.inf))
    right = _exact_scores(queries, items, positives.queries(), positives.items, tile_bytes)
    best, tied_right = _best(right, positives)
    above, tied = np.zeros(len(queries), np.int64), np.zeros(len(queries), np.int64)
    for rows, columns in tiles(len(queries), len(items), tile_bytes // _BYTES_PER_PAIR):
        scores = _scores(queries[rows], items[columns], lengths[rows] * longest, tile_bytes)
        above[rows] += np.count_nonzero(scores > best[rows, None], axis=1)
        tied[rows] += np.count_nonzero(scores == best[rows, None], axis=1)
    return Ranks(above, tied - tied_right, tied_right, len(items))


def exact_scores(query: Float[np.ndarray, " D"], items: Float[np.ndarray, "N D"]) -> Float32[np.ndarray, " N"]:
    """The scores of one query with all items, as `ranks_of_embeddings` has them. Raises VlsaError if not finite."""
    largest = vector_lengths(query[None]) * vector_lengths(items).max(initial=0.0)
    require_finite(largest)
    return _scores(query[None], items, largest, TILE_BYTES)[0]


def ranks_of_scores(scores: Iterable[Float32[np.ndarray, " N"]], positives: Positives, num_items: int) -> Ranks:
    """Ranks by scores that are given, those of one query after the other."""
    above, tied, tied_right = (np.zeros(len(positives), np.int64) for _ in range(3))
    for query, row in enumerate(scores):
        right = row[positives.items[positives.offsets[query] : positives.offsets[query + 1]]]
        above[query] = np.count_nonzero(row > right.max())
        tied[query], tied_right[query] = (np.count_nonzero(part == right.max()) for part in (row, right))
    return Ranks(above, tied - tied_right, tied_right, num_items)


def tiles(num_rows: int, num_columns: int, num_pairs: int) -> Iterator[tuple[slice, slice]]:
    """Pieces of a matrix, about square, of at most `num_pairs` entries each (but at least one), row by row."""
    if not num_rows or not num_columns:
        return
    side = max(math.isqrt(max(num_pairs, 1)), num_pairs // max(num_rows, num_columns))
    height = min(num_rows, side)
    width = min(num_columns, max(num_pairs // height, 1))
    height = min(num_rows, max(num_pairs // width, 1))
    for top in range(0, num_rows, height):
        for left in range(0, num_columns, width):
            yield slice(top, min(top + height, num_rows)), slice(left, min(left + width, num_columns))


def _scores(
    queries: Float[np.ndarray, "R D"],
    items: Float[np.ndarray, "C D"],
    largest: Float64[np.ndarray, " R"],
    tile_bytes: int,
) -> Float32[np.ndarray, "R C"]:
    """The scores of _exact_scores for all pairs; no product of query r has a sum of magnitudes above `largest[r]`."""
    wide = queries.astype(np.float64) @ items.astype(np.float64).T
    error = (queries.shape[1] + 8) * 2.0**-52 * largest[:, None]
    wide -= error
    scores = wide.astype(np.float32)
    wide += 2 * error
    in_doubt = np.nonzero(scores != wide.astype(np.float32))
    scores[in_doubt] = _exact_scores(queries, items, *in_doubt, tile_bytes)
    return scores


def _exact_scores(
    queries: Float[np.ndarray, "R D"],
    items: Float[np.ndarray, "C D"],
    rows: Int64[np.ndarray, " P"],
    columns: Int64[np.ndarray, " P"],
    tile_bytes: int,
) -> Float32[np.ndarray, " P"]:
    """Scores of chosen pairs; a function of the two vectors alone."""
    scores = np.empty(len(rows), np.float32)
    step = max(tile_bytes // (24 * max(queries.shape[1], 1)), 1)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        products = queries[rows[part]].astype(np.float64)  # a product of two float32 is exact in float64
        products *= items[columns[part]]
        scores[part] = products.sum(axis=1)
    return scores


def vector_lengths(vectors: Float[np.ndarray, "N D"]) -> Float64[np.ndarray, " N"]:
    """Length of each row. Raises VlsaError when one holds something that is not a finite number."""
    lengths = np.empty(len(vectors))
    step = max(2**20 // max(vectors.shape[1], 1), 1)
    for start in range(0, len(vectors), step):
        lengths[start : start + step] = np.linalg.norm(vectors[start : start + step].astype(np.float64), axis=1)
    require_finite(lengths)
    return lengths


def require_finite(values: np.ndarray | np.floating) -> None:
    """Raises VlsaError when one of the values is a NaN or infinite."""
    if not np.isfinite(values).all():
        raise VlsaError(
            "retrieval: a similarity or an embedding is not a finite number; nothing compares with it, so ranks would "
            "look perfect. The model has diverged: go back to an earlier checkpoint, or lower the learning rate."
        )
