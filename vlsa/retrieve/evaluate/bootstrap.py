"""Resampling of clips: which results another draw of as many clips, or other training seeds, would have given.

Feeds the intervals of metrics.py and reproduce/tables.py and the paired comparison of compare.py. The clip is the unit
that is drawn: its captions are alike, so all queries of a clip are drawn together (cluster bootstrap). A resample is
kept as how often each query was drawn, so that one draw serves every metric and every model.
Source: Efron and Tibshirani, An Introduction to the Bootstrap, chapters 8 (units), 13 (percentile interval) and 15
(p-value).
Axes: Q queries, C clips, S resamples of a block, B all resamples, M training seeds, K columns of values.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Float64, Int64

_BLOCK_DRAWS = 2**20
"""Counts of queries at a time, or one resample where that is more: about 40 bytes each."""
LEVEL = 95
_TAIL = (100 - LEVEL) / 200
_Z = 1.959964
"""Quantile of the normal law that leaves _TAIL above it."""


def resamples(
    num_clips: int, num_resamples: int, seed: int, num_queries: int | None = None
) -> Iterator[Float64[np.ndarray, "S C"]]:
    """How often each clip is drawn in each of `num_resamples` draws of `num_clips`, seeded.

    In blocks, whose size follows from `num_queries` where there are more of them than clips.
    """
    rng = np.random.default_rng(seed)
    size = max(_BLOCK_DRAWS // max(num_queries or num_clips, 1), 1)
    for start in range(0, num_resamples, size):
        shape = (min(size, num_resamples - start), num_clips)
        drawn = rng.integers(num_clips, size=shape)
        drawn += np.arange(shape[0])[:, None] * num_clips
        counts = np.bincount(drawn.ravel(), minlength=shape[0] * num_clips)
        del drawn
        yield counts.reshape(shape).astype(np.float64)


def resampled_queries(
    clip: Int64[np.ndarray, " Q"], num_resamples: int, seed: int
) -> Iterator[Float64[np.ndarray, "S Q"]]:
    """How often each query is drawn when clips are; `clip` says which queries belong together. Seeded."""
    names, place = np.unique(clip, return_inverse=True)
    for counts in resamples(len(names), num_resamples, seed, len(place)):
        yield counts[:, place]


def means(counts: Float64[np.ndarray, "S Q"], values: Float[np.ndarray, "Q K"]) -> Float64[np.ndarray, "S K"]:
    """Mean of each column over each resample."""
    return counts @ values / counts.sum(axis=1, keepdims=True)


class Medians:
    """Median over each resample of one value a query; sorted once."""

    def __init__(self, values: Float[np.ndarray, " Q"]) -> None:
        self._order: Int64[np.ndarray, " Q"] = np.argsort(values, kind="stable")
        self._sorted = values[self._order]

    def __call__(self, counts: Float64[np.ndarray, "S Q"]) -> Float64[np.ndarray, " S"]:
        """The middle value, or the mean of the two in the middle."""
        num_before = np.cumsum(counts[:, self._order], axis=1)  # of each value in its resample, sorted
        size = num_before[:, -1:]
        low, high = (
            self._sorted[np.count_nonzero(num_before <= place, axis=1)] for place in ((size - 1) // 2, size // 2)
        )
        return (low + high) / 2


def over_seeds(
    samples: Float64[np.ndarray, "B K"],
    sides: Sequence[Float64[np.ndarray, "B _ K"]],
    seed: int,
) -> Float64[np.ndarray, "B K"]:
    """Resamples of a mean over training seeds, or of a difference of two, with the spread over further seeds added.

    `samples` vary with the clips alone; `sides` holds the statistic of each seed of a side in each resample. Clips and
    seeds are crossed, both drawn at random: the variance between seeds, pooled over the sides, is added with draws of
    Student's t, and what clips do to one seed and not to another, which it holds already, is taken off the spread over
    clips. A seed's value is its mean over the resamples, since medians of few seeds are often equal by chance. With one
    seed a side nothing is known of others, and `samples` are returned as they are.
    Source: Hillis 2007, doi 10.1002/sim.2532 (readers and cases there).
    """
    values = [side.mean(axis=0) for side in sides]  # M K of each
    num_free = sum(len(side) - 1 for side in values)
    if not num_free:
        return samples
    scale = sum(1 / len(side) for side in values) / num_free
    between = scale * sum(np.square(side - side.mean(axis=0)).sum(axis=0) for side in values)
    interaction = scale * sum((side - side.mean(axis=1, keepdims=True)).var(axis=0).sum(axis=0) for side in sides)
    middle, of_clips = samples.mean(axis=0), samples.var(axis=0)
    kept = np.sqrt(np.maximum(of_clips - interaction, 0) / np.maximum(of_clips, 1e-300))
    noise = np.random.default_rng(seed).standard_t(num_free, size=(len(samples), 1))
    return middle + (samples - middle) * kept + np.sqrt(between) * noise


def for_few_clips(samples: Float64[np.ndarray, "B K"], num_clips: int) -> Float64[np.ndarray, "B K"]:
    """Resamples whose middle 95% is as wide as Student's interval of `num_clips` clips; of many, as they are.

    A bootstrap of C clips has a variance that is (C − 1) / C of the true one, and takes it for known. The quantile of t
    is Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5: 11% too small for two clips, at most 1% for
    more.
    """
    if num_clips < 2:
        return samples
    free, z = num_clips - 1, _Z
    quantile = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    quantile += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * free**3)
    quantile += (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * free**4)
    middle = samples.mean(axis=0)
    return middle + (samples - middle) * (quantile / z * (num_clips / free) ** 0.5)


def interval(samples: Float64[np.ndarray, " B"]) -> tuple[float, float]:
    """The middle 95% of a statistic's resamples."""
    low, high = np.percentile(samples, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return float(low), float(high)


def bounded_interval(
    samples: Float64[np.ndarray, " B"], value: float, num_clips: int, lowest: float = 0.0, highest: float = 1.0
) -> tuple[float, float]:
    """95% interval of a mean that lies between two bounds: a share, or a difference of shares. Never a point.

    The middle 95% of the resamples. Where all clips gave the same, no resample differs: then Clopper and Pearson's
    interval for k = n of `num_clips`. Where the resamples reach a bound, at least Wilson's interval, for as many
    independent clips as would spread like the resamples, and for no more than there are.
    """
    low, high = interval(samples)
    if high - low < 1e-9:
        unseen = 1 - _TAIL ** (1 / num_clips)  # share of clips that may be different although none was
        return value - unseen * (value - lowest), value + unseen * (highest - value)
    if lowest < low and high < highest:
        return low, high
    width = highest - lowest
    share, spread = (value - lowest) / width, (high - low) / (2 * _Z * width)
    num = min(share * (1 - share) / spread**2, num_clips)
    middle = (share * num + _Z**2 / 2) / (num + _Z**2)
    half = _Z * (num * share * (1 - share) + _Z**2 / 4) ** 0.5 / (num + _Z**2)
    return max(min(low, lowest + width * (middle - half)), lowest), min(
        max(high, lowest + width * (middle + half)), highest
    )


def p_value(differences: Float64[np.ndarray, " B"]) -> float:
    """Two-sided: twice the share of resamples on the rarer side of zero, zeros on both, one added so that none is 0."""
    rarer = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    return min(2 * (rarer + 1) / (len(differences) + 1), 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p corrected for all of them: one below α is right for the whole family at α (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values, float)[order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return corrected.tolist()
