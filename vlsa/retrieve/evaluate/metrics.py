"""Retrieval metrics: R@k, MedR, MeanR, with ties counted in expectation and intervals by bootstrap.

Used for the paper's Tables 2 to 5. Reads ranks (ranks.py); feeds directions.py. A tie is resolved by the mean over all
random orders of the tied items, so a collapsed model scores exactly chance. Axes: Q queries, N items of the gallery.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vlsa.retrieve.evaluate.bootstrap import Medians, bounded_interval, interval, means, resampled_queries
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
    """r1, r5, r10, medr, meanr -> 95% interval by bootstrap over clips; empty when not asked for."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types under the names that results.json uses."""
        recalls = {f"r{k}": share for k, share in self.recall.items()}
        ranks = {"medr": self.median_rank, "meanr": self.mean_rank, "tied_queries": self.num_tied}
        intervals = {"intervals": {name: list(ends) for name, ends in self.intervals.items()}} if self.intervals else {}
        return {"N": self.num_items, "Q": self.num_queries, **recalls, **ranks, **intervals}


def score(ranks: Ranks, num_resamples: int = 0, seed: int = 0, recall_at: tuple[int, ...] = RECALL_AT) -> Scores:
    """The metrics of these ranks, with bootstrap intervals when `num_resamples` is above 0. At least one query.

    The bootstrap keeps about 40 bytes a query, and 40 MiB, in addition to the ranks.
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
        intervals=_intervals(ranks, hits, expected, num_resamples, seed) if num_resamples else {},
    )


def _intervals(
    ranks: Ranks, hits: dict[int, np.ndarray], expected: np.ndarray, num_resamples: int, seed: int
) -> dict[str, tuple[float, float]]:
    values, medians = np.stack([*hits.values(), expected], axis=1), Medians(expected)
    blocks = [
        np.column_stack([means(counts, values), medians(counts)])
        for counts in resampled_queries(ranks.clips, num_resamples, seed)
    ]
    *recalls, meanr, medr = np.concatenate(blocks).T
    shares = {
        f"r{k}": bounded_interval(samples, float(hits[k].mean()), ranks.num_clips)
        for k, samples in zip(hits, recalls, strict=True)
    }
    return {**shares, "medr": interval(medr), "meanr": _interval_of_mean_rank(meanr, float(expected.mean()), ranks)}


def _interval_of_mean_rank(samples: np.ndarray, value: float, ranks: Ranks) -> tuple[float, float]:
    """As of a share where no resample differs: a clip that was not drawn may have any rank."""
    if np.ptp(samples) > 1e-9:
        return interval(samples)
    return bounded_interval(samples, value, ranks.num_clips, 1.0, float(max(ranks.num_items, 1)))
