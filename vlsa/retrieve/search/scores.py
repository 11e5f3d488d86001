"""From the cosines of the parts of a question to one score a window, and all that is said of it.

Reads searched.py; feeds answer.py and candidates.py. Medians and spreads, against which cosines are measured, are those
of all windows, or of a fixed sample of them where only some windows (candidates) are scored.
Axes: N windows that are scored, S windows of the sample, W windows in which words occur.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float64

from vlsa.config import num_shared
from vlsa.retrieve.encode.fusion import ranks_of
from vlsa.retrieve.search.asked import Asked
from vlsa.retrieve.search.combine import Term, combine, fuse_by_rank
from vlsa.retrieve.search.searched import Cosines, Searched
from vlsa.retrieve.search.stand_out import Typical


@dataclass(frozen=True, eq=False)
class Ranking:
    """Scores by one modality alone."""

    scores: Float[np.ndarray, " N"]
    sample: Float[np.ndarray, " S"] | None = None
    num_windows: int = 0
    """Of the index, where the scores are those of some of its windows."""
    num_best: int = 0
    """So many of the best of the index are among these windows, so that their ranks are known."""

    @property
    def is_any(self) -> bool:
        """Whether any window of the index has a score."""
        return not np.isnan(self.scores if self.sample is None else self.sample).all()

    def rank(self, window: int) -> int:
        """How many windows score more, and 1; where some are scored, the larger of their count and the sample's."""
        score = self.scores[window]
        above = int(np.sum(self.scores > score))
        if self.sample is not None:
            above = max(above, round(np.sum(self.sample > score) * self.num_windows / max(len(self.sample), 1)))
        return above + 1

    def ranks(self) -> Float64[np.ndarray, " N"]:
        """Of all; equal ones share their mean."""
        ranks = ranks_of(self.scores)
        if self.sample is not None:
            ordered = np.sort(self.sample[~np.isnan(self.sample)])
            above, least = (len(ordered) - np.searchsorted(ordered, self.scores, side) for side in ("right", "left"))
            estimated = 0.5 + (above + least) / 2 * (self.num_windows / max(len(self.sample), 1))
            ranks = np.where(ranks <= self.num_best, ranks, np.maximum(ranks, estimated))
        return ranks


@dataclass(frozen=True, eq=False)
class Whole:
    """What is known of all windows of an index, where some of them are scored."""

    sample: Cosines
    num_windows: int
    words: Float[np.ndarray, " W"]
    """Scores of the words in all windows in which they occur."""
    num_best: int
    """So many windows that are best by meaning are among those that are scored."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What windows score; nan is no answer."""

    order: Float[np.ndarray, " N"]
    """By which they are ranked."""
    stand_out: Float[np.ndarray, " N"]
    literal: Float[np.ndarray, " N"]
    """Of the words that occur in them."""
    num_compared: int
    """Windows of the index that have something to compare."""
    reasons: Mapping[str, Ranking] = field(default_factory=dict)


def scores_of(
    cosines: Cosines, asked: Sequence[Asked], literal: Float[np.ndarray, " N"], index: Whole | None = None
) -> Scores:
    """Of all windows; or of some windows of an index."""
    reference, num_windows = (cosines, len(cosines)) if index is None else (index.sample, index.num_windows)
    groups = groups_of(asked)
    meanings = [meaning(group, cosines, reference) for group in groups]
    of_all = meanings if index is None else [meaning(group, reference, reference) for group in groups]
    each = [
        found if is_plain(group) else Typical.of(one).stand_out(found)
        for group, found, one in zip(groups, meanings, of_all, strict=True)
    ]
    stand_out = np.fmax.reduce(each or [np.full(len(cosines), np.nan)])
    words = Ranking(literal) if index is None else Ranking(literal, index.words, len(index.words))
    samples = of_all if index else [None] * len(groups)
    num_best = index.num_best if index else 0
    rankings = [Ranking(one, other, num_windows, num_best) for one, other in zip(meanings, samples, strict=True)]
    rankings = [one for one in (*rankings, words) if one.is_any]
    order = rankings[0].scores if rankings else literal
    if len(rankings) > 1:
        order = fuse_by_rank([one.scores for one in rankings], [one.ranks() for one in rankings])
    shares = np.mean(~np.all([np.isnan(one) for one in of_all], axis=0)) if of_all else 0.0
    by_modality, sampled = (_by_modality(one, asked) for one in (cosines, reference))
    reasons = {
        name: Ranking(scores, None if index is None else sampled[name], num_windows)
        for name, scores in by_modality.items()
    }
    return Scores(order, stand_out, literal, round(num_windows * float(shares)), reasons | {"words": words})


def groups_of(asked: Sequence[Asked]) -> list[list[Asked]]:
    """The parts that are summed: all; where spaces share no scale, those of each. None when words alone are asked."""
    groups: dict[tuple[int | None, str], list[Asked]] = {}
    for one in asked:
        groups.setdefault((one.space, "" if one.space is None else one.column), []).append(one)
    liked = [group for group in groups.values() if any(one.weight > 0 for one in group)]
    apart = [one for group in groups.values() if group not in liked for one in group]  # unlike, in a space of its own
    return [[*group, *apart] for group in liked] or ([apart] if apart else [])


def meaning(group: Sequence[Asked], cosines: Cosines, reference: Cosines) -> Float64[np.ndarray, " N"]:
    """The sum of the parts of a group (combine.py), measured against the windows of `reference`."""
    terms = [Term(one.weight, cosines.of(one), Typical.of(reference.of(one))) for one in group]
    return combine(terms)


def is_plain(group: Sequence[Asked]) -> bool:
    """Whether the sum is that of one part: then it is ordered as its cosine, and measured in spreads already."""
    return len(group) == 1 and group[0].weight > 0


def _by_modality(cosines: Cosines, asked: Sequence[Asked]) -> dict[str, Float64[np.ndarray, " N"]]:
    """Cosines with what the answer should be like, by what they are compared with; of several parts their mean."""
    found = {}
    for column in ("video", "audio", "text"):
        liked = [one for one in asked if one.weight > 0 and column in _shown(one, cosines.searched)]
        if liked:
            total = sum(one.weight for one in liked)
            found[column] = sum(one.weight / total * cosines.of(one, column) for one in liked)
    return found


def _shown(asked: Asked, searched: Searched) -> tuple[str, ...]:
    """The columns that say why: the one compared with, and for video and audio together each of them that can be."""
    if asked.column != "media":
        return (asked.column,)
    return tuple(column for column in ("video", "audio") if num_shared(asked.modality, column, searched.spaces))
