"""Re-ranking that uses all queries: dual softmax, QB-Norm and Sinkhorn. Off by default, and in separate rows.

Such a score is not available to a search engine, which has one query at a time: it needs all queries (QB-Norm a bank of
others). Reads query and item vectors; used by directions.py. Each of the three adds one number b per item to its
similarity s. So each returns vectors with one more axis, (q, 1) and (v, b), whose dot product is the score, and
ranks.py ranks them exactly. Memory: the extended copies of the vectors, and `tile_bytes`.
Axes: Q queries, N items, D width, B captions of the bank, R rows and C columns of a matrix of similarities.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int64

from vlsa.base.errors import ConfigError
from vlsa.config.overrides import nearest
from vlsa.retrieve.evaluate.ranks import TILE_BYTES, require_finite, tiles

Extended = tuple[Float[np.ndarray, "Q E"], Float[np.ndarray, "N E"]]
SCALES = {"dual-softmax": 100.0, "qb-norm": 20.0, "sinkhorn": 100.0}
"""Name -> default inverse temperature β. 20 is that of QB-Norm's authors; 100 is the maximum of CLIP's."""
SINKHORN_ROUNDS = 10
_BYTES_PER_PAIR = 24
"""Of a tile: three float64 at most."""


def dual_softmax(
    queries: Float[np.ndarray, "Q D"],
    items: Float[np.ndarray, "N D"],
    scale: float = SCALES["dual-softmax"],
    tile_bytes: int = TILE_BYTES,
) -> Extended:
    """Softmax over the items times softmax over the queries.

    log p(i|q) + log p(q|i) = 2 β s_qi - log Σ_i' exp(β s_qi') - log Σ_q' exp(β s_q'i); the first sum is the same for
    all items of a query, so b_i = -log Σ_q' exp(β s_q'i) / 2β. Source: Cheng et al. 2021 (CAMoE, arXiv 2109.04290),
    who multiply the similarity itself by the second softmax; with both factors a softmax, as in Rocco et al. 2018
    (arXiv 1810.10510), negative similarities keep their order. One pass over all pairs.
    """
    return _with_offset(queries, items, -log_sums(queries, items, scale, tile_bytes=tile_bytes) / (2 * scale))


def qb_norm(
    queries: Float[np.ndarray, "Q D"],
    items: Float[np.ndarray, "N D"],
    bank: Float[np.ndarray, "B D"],
    scale: float = SCALES["qb-norm"],
    tile_bytes: int = TILE_BYTES,
) -> Extended:
    """Dynamic inverted softmax with a bank of queries that are not of the test split: penalises hub items.

    exp(β s_qi) / Σ_b exp(β s_bi) where the item that s_q ranks first is also the first of some query of the bank, s_qi
    itself elsewhere; so b_i = -log Σ_b exp(β s_bi) / β, counted for the former queries only. Source: Bogolin et al.
    2022 (QB-Norm, arXiv 2112.12777). One pass over the queries and two over the bank.
    """
    popular = np.unique(first_items(bank, items, tile_bytes))
    is_active = np.isin(first_items(queries, items, tile_bytes), popular)
    offset = -log_sums(bank, items, scale, tile_bytes=tile_bytes) / scale
    return _with_offset(queries, items, offset, is_active.astype(np.float32))


def sinkhorn(
    queries: Float[np.ndarray, "Q D"],
    items: Float[np.ndarray, "N D"],
    scale: float = SCALES["sinkhorn"],
    num_rounds: int = SINKHORN_ROUNDS,
    tile_bytes: int = TILE_BYTES,
) -> Extended:
    """The entropic transport plan between queries and items, each side weighed equally: a soft one-to-one assignment.

    P_qi = exp(u_q + β s_qi + w_i) with rows that sum to 1/Q and columns that sum to 1/N; rounds of
    u_q = -log Q - log Σ_i exp(β s_qi + w_i), then w_i = -log N - log Σ_q exp(β s_qi + u_q). u_q is the same for all
    items of a query, so b_i = w_i / β. Source: Cuturi 2013 (arXiv 1306.0895). Two passes over all pairs a round.
    """
    of_items = np.zeros(len(items))
    for _ in range(num_rounds):
        of_queries = -np.log(len(queries)) - log_sums(items, queries, scale, of_items, tile_bytes)
        of_items = -np.log(len(items)) - log_sums(queries, items, scale, of_queries, tile_bytes)
    return _with_offset(queries, items, of_items / scale)


def _with_offset(
    queries: Float[np.ndarray, "Q D"],
    items: Float[np.ndarray, "N D"],
    offset: Float[np.ndarray, " N"],
    counts: Float[np.ndarray, " Q"] | None = None,
) -> Extended:
    require_finite(offset)
    weight = np.ones(len(queries), np.float32) if counts is None else counts
    offset = offset - offset.mean() if len(offset) else offset  # small numbers; the same for all items of a query
    columns = weight[:, None].astype(np.float32), offset[:, None].astype(np.float32)
    return np.hstack([queries, columns[0]]), np.hstack([items, columns[1]])


def log_sums(
    rows: Float[np.ndarray, "R D"],
    columns: Float[np.ndarray, "C D"],
    scale: float,
    row_offset: Float64[np.ndarray, " R"] | None = None,
    tile_bytes: int = TILE_BYTES,
) -> Float64[np.ndarray, " C"]:
    """For each column c: log Σ_r exp(scale <r, c> + row_offset_r), tile by tile, without overflow."""
    largest, total = np.full(len(columns), -np.inf), np.zeros(len(columns))
    for some, others in tiles(len(rows), len(columns), tile_bytes // _BYTES_PER_PAIR):
        logits = rows[some].astype(np.float64) @ columns[others].astype(np.float64).T
        logits *= scale
        if row_offset is not None:
            logits += row_offset[some, None]
        top = np.maximum(largest[others], logits.max(axis=0))
        logits -= top
        total[others] = total[others] * np.exp(largest[others] - top) + np.exp(logits, out=logits).sum(axis=0)
        largest[others] = top
    return largest + np.log(total)


def first_items(
    queries: Float[np.ndarray, "Q D"], items: Float[np.ndarray, "N D"], tile_bytes: int = TILE_BYTES
) -> Int64[np.ndarray, " Q"]:
    """The item that each query ranks first; of equal ones the first."""
    first, best = np.zeros(len(queries), np.int64), np.full(len(queries), -np.inf, np.float32)
    for rows, columns in tiles(len(queries), len(items), tile_bytes // _BYTES_PER_PAIR):
        scores = (queries[rows].astype(np.float64) @ items[columns].astype(np.float64).T).astype(np.float32)
        place = scores.argmax(axis=1)
        top = scores[np.arange(len(place)), place]
        better = top > best[rows]
        first[rows] = np.where(better, place + columns.start, first[rows])
        best[rows] = np.where(better, top, best[rows])
    return first


@dataclass(frozen=True)
class Post:
    """A requested re-ranking."""

    name: str
    scale: float

    @classmethod
    def parse(cls, text: str) -> "Post":
        """From NAME or NAME:SCALE. Raises ConfigError."""
        name, colon, number = text.partition(":")
        if name not in SCALES:
            raise ConfigError(f"--post {text}: no such re-ranking. {nearest(name, SCALES)}")
        try:
            scale = float(number) if colon else SCALES[name]
        except ValueError:
            scale = 0.0
        if not 1e-3 <= scale <= 1e4:  # division by a smaller one leaves only rounding of the similarities
            raise ConfigError(f"--post {text}: its scale must be a number from 0.001 to 10,000; try {name}:50.")
        return cls(name, scale)

    @property
    def needs_bank(self) -> bool:
        """Whether captions of the training split are needed."""
        return self.name == "qb-norm"

    def parameters(self, num_bank: int = 0) -> dict[str, Any]:
        """The parameters in results.json."""
        if self.needs_bank:
            return {"scale": self.scale, "bank": "captions of split train", "num_bank": num_bank}
        return {"scale": self.scale, **({"num_rounds": SINKHORN_ROUNDS} if self.name == "sinkhorn" else {})}

    def rerank(self, bank: np.ndarray | None = None) -> Any:
        """The function of query and item vectors that directions.py takes."""
        if self.needs_bank:
            return functools.partial(qb_norm, bank=bank, scale=self.scale)
        return functools.partial({"dual-softmax": dual_softmax, "sinkhorn": sinkhorn}[self.name], scale=self.scale)


def parse_posts(texts: Sequence[str]) -> tuple[Post, ...]:
    """Re-rankings from --post options. Raises ConfigError, also for a repeated one."""
    posts = tuple(Post.parse(text) for text in texts)
    names = [post.name for post in posts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ConfigError(f"--post {twice}: given twice; its rows could not be distinguished. Give it once.")
    return posts
