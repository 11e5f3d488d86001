"""Windows as points of a plane, near each other where their vectors are alike; and the cluster of each.

PCA to 50 numbers, then t-SNE of at most MOST_LANDMARKS windows; the others go where the landmarks lie that are nearest
to them in the space of the PCA. Uses scikit-learn. Feeds map_job.py.
Axes: N windows, L landmarks, D width of a vector, P numbers after the PCA.

"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64, UInt8

MOST_LANDMARKS = 4_000
NUM_AXES = 50
NUM_NEAREST = 3
"""Landmarks between which a window is placed."""
PERPLEXITY, NUM_STEPS = 30.0, 600
"""Of t-SNE; with more steps the clusters lie as they do, and the map takes longer."""
MOST_CLUSTERS = 12
WINDOWS_PER_CLUSTER = 25
BLOCK_ROWS = 2_048
SEED = 0

Report = Callable[[float, str], None]
"""Called with the share that is done, and what comes next."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the windows are: x and y from -1 to 1, y upwards. Those without a vector lie in a row below."""

    places: Float32[np.ndarray, "N 2"]
    cluster: UInt8[np.ndarray, " N"]
    """0 for those without a vector, else from 1 on, the largest first."""
    num_clusters: int


def lay_out(vectors: Float32[np.ndarray, "N D"], report: Report = lambda share, what: None) -> Layout:
    """The same vectors give the same layout. A row of zeros is a window without a vector."""
    has = vectors.any(axis=1)
    places, cluster, num_clusters = np.zeros((len(vectors), 2), np.float32), np.zeros(len(vectors), np.uint8), 0
    if has.any():
        landmarks = _landmarks(int(has.sum()))
        report(0.1, "reducing")
        reduced = _reduced(vectors[has], landmarks)
        report(0.2, "laying out")
        placed = _scaled(_embedded(reduced[landmarks]))
        report(0.8, "placing")
        places[has] = _placed(reduced, landmarks, placed)
        report(0.95, "clustering")
        cluster[has], num_clusters = _clusters(reduced, landmarks)
    places[~has] = _row_below(int((~has).sum()))
    return Layout(places, cluster, num_clusters)


def _landmarks(num_rows: int) -> Int64[np.ndarray, " L"]:
    if num_rows <= MOST_LANDMARKS:
        return np.arange(num_rows)
    return np.sort(np.random.default_rng(SEED).choice(num_rows, MOST_LANDMARKS, replace=False))


def _reduced(vectors: Float32[np.ndarray, "n D"], landmarks: Int64[np.ndarray, " L"]) -> Float32[np.ndarray, "n P"]:
    """The vectors along the main directions of the landmarks."""
    from sklearn.decomposition import PCA

    num_axes = min(NUM_AXES, len(landmarks), vectors.shape[1])
    if np.ptp(vectors[landmarks], axis=0).max() == 0:  # nothing varies: there is no main direction
        return np.zeros((len(vectors), num_axes), np.float32)
    axes = PCA(num_axes, svd_solver="randomized", random_state=SEED).fit(vectors[landmarks])
    return axes.transform(vectors).astype(np.float32)


def _embedded(reduced: Float32[np.ndarray, "L P"]) -> Float32[np.ndarray, "L 2"]:
    """By t-SNE, which begins at the first two main directions; of a few windows those directions themselves."""
    start = np.zeros((len(reduced), 2), np.float32)
    start[:, : min(2, reduced.shape[1])] = reduced[:, :2]
    if len(reduced) < 8 or not start.any():
        return start
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(reduced) - 1) / 3)
    spread = 1e-4 / max(float(start[:, 0].std()), 1e-12)
    embedding = TSNE(2, perplexity=perplexity, max_iter=NUM_STEPS, init=start * spread, random_state=SEED)
    return embedding.fit_transform(reduced).astype(np.float32)


def _scaled(places: Float32[np.ndarray, "L 2"]) -> Float32[np.ndarray, "L 2"]:
    """Moved and scaled into the square from -1 to 1, with one scale for both directions."""
    low, high = places.min(axis=0), places.max(axis=0)
    size = float((high - low).max())
    return ((2 * places - low - high) / (size or 1.0)).astype(np.float32)


def _placed(
    reduced: Float32[np.ndarray, "n P"], landmarks: Int64[np.ndarray, " L"], places: Float32[np.ndarray, "L 2"]
) -> Float32[np.ndarray, "n 2"]:
    """Each landmark at its place, and every other row between the nearest ones, the nearer the closer."""
    found = np.empty((len(reduced), 2), np.float32)
    known = reduced[landmarks]
    lengths = (known**2).sum(axis=1)
    count = min(NUM_NEAREST, len(known))
    for first in range(0, len(reduced), BLOCK_ROWS):
        rows = reduced[first : first + BLOCK_ROWS]
        distances = lengths - 2 * rows @ known.T  # less the squared length of the row, which is the same for all
        nearest = np.argpartition(distances, count - 1, axis=1)[:, :count]
        squares = np.take_along_axis(distances, nearest, axis=1) + (rows**2).sum(axis=1, keepdims=True)
        weights = 1 / (np.maximum(squares, 0) + 1e-9)
        weights /= weights.sum(axis=1, keepdims=True)
        found[first : first + BLOCK_ROWS] = (weights[:, :, None] * places[nearest]).sum(axis=1)
    found[landmarks] = places
    return found


def _clusters(
    reduced: Float32[np.ndarray, "n P"], landmarks: Int64[np.ndarray, " L"]
) -> tuple[UInt8[np.ndarray, " n"], int]:
    """A number from 1 on for each row, and how many there are: k-means of the landmarks."""
    from sklearn.cluster import KMeans

    different = len(np.unique(reduced[landmarks], axis=0))
    count = int(np.clip(round((len(landmarks) / WINDOWS_PER_CLUSTER) ** 0.5), 1, min(MOST_CLUSTERS, different)))
    means = KMeans(count, n_init=2, random_state=SEED).fit(reduced[landmarks])
    label = means.predict(reduced)
    order = np.argsort(-np.bincount(label, minlength=count), kind="stable")
    number = np.empty(count, np.uint8)
    number[order] = np.arange(1, count + 1)
    return number[label], count


def _row_below(count: int) -> Float32[np.ndarray, "n 2"]:
    row = np.full((count, 2), -1.15, np.float32)
    row[:, 0] = np.linspace(-1, 1, count) if count > 1 else 0
    return row
