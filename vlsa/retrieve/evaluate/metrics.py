"""Retrieval metrics: R@k, MedR, MeanR, with ties counted in expectation and intervals by bootstrap.

Used for the paper's Tables 2 to 5. Reads ranks (ranks.py); feeds directions.py. A tie is resolved by the mean over all
random orders of the tied items, so a collapsed model scores exactly chance. Axes: Q queries, N items of the gallery.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vlsa.retrieve.evaluate.bootstrap import Medians, interval, means, resamples
from vlsa.retrieve.evaluate.ranks import Ranks

RECALL_AT = (1, 5, 10)
TIE_RULE = "expectation over random tie-breaking"


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
    """The metrics of these ranks, with bootstrap intervals when `num_resamples` is above 0. At least one query.

    The bootstrap keeps about 40 bytes a query, and 40 MiB, beside the ranks.
    """
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
    columns = {**{f"r{k}": values for k, values in hits.items()}, "meanr": expected}
    values, medians = np.stack(list(columns.values()), axis=1), Medians(expected)
    blocks = [(means(counts, values), medians(counts)) for counts in resamples(len(expected), num_resamples, seed)]
    samples = dict(zip(columns, np.concatenate([block for block, _ in blocks]).T, strict=True))
    samples["medr"] = np.concatenate([block for _, block in blocks])
    return {name: interval(samples[name]) for name in (*(f"r{k}" for k in hits), "medr", "meanr")}
