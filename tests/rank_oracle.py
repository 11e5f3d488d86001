"""Ranks by their definition, from a whole similarity matrix: what the tiled ranks are compared with."""

import numpy as np

from vlsa.retrieve.evaluate.ranks import Positives, Ranks


def ranks_of_similarity(similarity: np.ndarray, positives: Positives | None = None) -> Ranks:
    """Without `positives`, item q is right for query q."""
    ends = np.arange(len(similarity) + 1) if positives is None else positives.offsets
    items = np.arange(len(similarity)) if positives is None else positives.items
    counts = []
    for scores, start, stop in zip(similarity, ends[:-1], ends[1:], strict=True):
        right = scores[items[start:stop]]
        wrong = np.delete(scores, items[start:stop])
        best = right.max()
        counts.append([(wrong > best).sum(), (wrong == best).sum(), (right == best).sum()])
    return Ranks(*np.array(counts, np.int64).reshape(-1, 3).T, similarity.shape[1])
