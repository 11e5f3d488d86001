"""Resampling of queries: what another draw of as many queries would have given.

Feeds the intervals of metrics.py and the paired comparison of compare.py. A resample is kept as how often each query
was drawn, so that one draw serves every metric and every model.
Source: Efron and Tibshirani, An Introduction to the Bootstrap, chapters 13 (percentile interval) and 15 (p-value).
Axes: Q queries, S resamples of a block, K columns of values.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float64, Int64

_BLOCK_DRAWS = 2**20
"""Draws at a time, or one resample where that is more: about 40 bytes each."""
LEVEL = 95


def resamples(num_queries: int, num_resamples: int, seed: int) -> Iterator[Float64[np.ndarray, "S Q"]]:
    """How often each query is drawn in each of `num_resamples` draws of `num_queries`, in blocks; seeded."""
    rng = np.random.default_rng(seed)
    size = max(_BLOCK_DRAWS // max(num_queries, 1), 1)
    for start in range(0, num_resamples, size):
        shape = (min(size, num_resamples - start), num_queries)
        drawn = rng.integers(num_queries, size=shape)
        drawn += np.arange(shape[0])[:, None] * num_queries
        counts = np.bincount(drawn.ravel(), minlength=shape[0] * num_queries)
        del drawn
        yield counts.reshape(shape).astype(np.float64)


def means(counts: Float64[np.ndarray, "S Q"], values: Float[np.ndarray, "Q K"]) -> Float64[np.ndarray, "S K"]:
    """Mean of each column over each resample."""
    return counts @ values / len(values)


class Medians:
    """Median over each resample of one value a query; sorted once."""

    def __init__(self, values: Float[np.ndarray, " Q"]) -> None:
        self._order: Int64[np.ndarray, " Q"] = np.argsort(values, kind="stable")
        self._sorted = values[self._order]

    def __call__(self, counts: Float64[np.ndarray, "S Q"]) -> Float64[np.ndarray, " S"]:
        """The middle value, or the mean of the two in the middle."""
        last_place = np.cumsum(counts[:, self._order], axis=1)  # of each value in its resample, sorted
        middle = ((len(self._sorted) - 1) // 2, len(self._sorted) // 2)
        low, high = (self._sorted[np.count_nonzero(last_place <= place, axis=1)] for place in middle)
        return (low + high) / 2


def interval(samples: Float64[np.ndarray, " all"]) -> tuple[float, float]:
    """The middle 95% of a statistic's resamples."""
    low, high = np.percentile(samples, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return float(low), float(high)


def p_value(differences: Float64[np.ndarray, " all"]) -> float:
    """Two-sided: twice the share of resamples on the rarer side of zero, zeros on both, one added so that none is 0."""
    rarer = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    return min(2 * (rarer + 1) / (len(differences) + 1), 1.0)
