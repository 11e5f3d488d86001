"""Positive and negative pairs of two modalities, as a map and as numbers (paper, Figure 5).

Reads embeddings; feeds plots/pair_map_plot.py and `vlsa show`. A point of the map is a *pair*: the element-wise product
of its two global embeddings, which sums to their cosine and which the matching layer reads by default. Positive pairs
come from one clip; each negative pair keeps one side and takes the other from another clip. The points are reduced to
50 dimensions by PCA, then laid out by t-SNE: nearby points are similar pairs, and nothing else has a meaning (distances
between clusters, their sizes, the axes).

The numbers are of the embeddings themselves (Wang and Isola 2020, arXiv 2005.10242): alignment, the mean squared
distance of positive pairs (0 = equal, 2 = unrelated), and for each modality uniformity, the logarithm of the mean of
exp(-2 d^2) over all pairs of its vectors (0 = all in one point, -4 = spread over a sphere of many dimensions). Lower is
better for both; a collapsed model has a low alignment too.
Axes: N vectors, P pairs, D width.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64

from vlsa.base.errors import VlsaError
from vlsa.retrieve.encode.embed import ClipEmbeddings
from vlsa.retrieve.evaluate.items import items_of
from vlsa.show.compute.numbers import Number

FIGURE = "embedding"
PAIRS = ("text-video", "text-audio", "audio-video")
NUM_AXES = 50
PERPLEXITY = 30.0
MOST_VECTORS = 2000
"""Uniformity is computed on at most so many vectors of a modality."""


@dataclass(frozen=True, eq=False)
class PairMap:
    """Pairs of two modalities in the plane, and their numbers."""

    pair: str
    points: Float[np.ndarray, "P 2"]
    positive: Bool[np.ndarray, " P"]
    alignment: float
    """Mean squared distance of positive pairs, 0..4."""
    uniformity: dict[str, float]
    """Modality -> log of the mean of exp(-2 d^2) over its vectors, down to -8."""
    separation: float
    """Probability that a positive pair has a higher cosine than a negative one; 0.5 is chance."""
    num_clips: int

    def numbers(self, label: str = "") -> list[Number]:
        """Lines of the table; `label` names the run where there are several."""
        name = " ".join(part for part in (label, self.pair) if part)
        over = f"{int(self.positive.sum()):,} pairs"
        lines = [
            Number(FIGURE, f"{name}: alignment", self.alignment, over, baselines={"unrelated": 2.0}),
            Number(FIGURE, f"{name}: separation", self.separation, over, baselines={"chance": 0.5}),
        ]
        vectors = f"{self.num_clips:,} clips"
        for modality, value in self.uniformity.items():
            baselines = {"one point": 0.0, "sphere": -4.0}
            lines.append(Number(FIGURE, f"{name}: uniformity of {modality}", value, vectors, baselines=baselines))
        return lines


def pair_map(embeddings: ClipEmbeddings, pair: str = "text-video", *, num_pairs: int = 1000, seed: int = 0) -> PairMap:
    """Map of up to `num_pairs` positive and as many negative pairs of modalities such as "text-video" or "audio-video".

    Each caption is a vector of its own. Raises VlsaError for an unknown pair, for fewer than two clips that have both
    modalities, and for an embedding that is not a finite number.
    """
    names = _modalities(pair)
    columns = embeddings.columns(*names)
    if columns.stop == 0:
        raise VlsaError(
            f"{pair}: this model compares {', '.join(embeddings.spaces)} alone, so this pair has no cosine. "
            "Choose another pair, or train it with the pair among model.objective.pairs."
        )
    one, other = (
        replace(side, vectors=side.vectors[:, columns]) for side in (items_of(embeddings, name) for name in names)
    )
    rng = np.random.default_rng(seed)
    left, right = _positive_pairs(one.clip, other.clip, num_pairs, rng, pair)
    wrong = _of_other_clips(one.clip[left], other.clip, rng)
    anchor, positive, negative = one.vectors[left], other.vectors[right], other.vectors[wrong]
    products = np.concatenate([anchor * positive, anchor * negative]).astype(np.float64) * anchor.shape[1]
    if not np.isfinite(products).all():
        raise VlsaError(
            f"{pair}: an embedding is not finite, so pairs cannot be laid out. The model has diverged: use an earlier "
            "checkpoint, or lower the learning rate."
        )
    return PairMap(
        pair=pair,
        points=lay_out(products, seed),
        positive=np.arange(len(products)) < len(left),
        alignment=alignment(anchor, positive),
        uniformity={name: uniformity(_some(side.vectors, rng)) for name, side in zip(names, (one, other), strict=True)},
        separation=separation((anchor * positive).sum(axis=1), (anchor * negative).sum(axis=1)),
        num_clips=len(np.intersect1d(one.clip, other.clip)),
    )


def alignment(one: Float[np.ndarray, "N D"], other: Float[np.ndarray, "N D"]) -> float:
    """Mean squared distance of corresponding rows."""
    return float(np.square(one.astype(np.float64) - other).sum(axis=1).mean())


def uniformity(vectors: Float[np.ndarray, "N D"]) -> float:
    """log of the mean of exp(-2 d^2) over all pairs of different rows; unit vectors. At least two rows."""
    vectors = vectors.astype(np.float64)
    squared = np.square(vectors).sum(axis=1)
    distance = (squared[:, None] + squared[None] - 2 * vectors @ vectors.T).clip(min=0)
    return float(np.log(np.exp(-2 * distance[np.triu_indices(len(vectors), 1)]).mean()))


def separation(positive: Float[np.ndarray, " N"], negative: Float[np.ndarray, " M"]) -> float:
    """Probability that the cosine of a positive pair is above that of a negative one; ties count half."""
    ordered = np.sort(negative)
    below, up_to = (np.searchsorted(ordered, positive, side=side) for side in ("left", "right"))
    return float((below + up_to).mean() / (2 * len(ordered)))


def lay_out(features: Float[np.ndarray, "P D"], seed: int = 0) -> Float[np.ndarray, "P 2"]:
    """Points in the plane: PCA to 50 dimensions, then t-SNE. Needs scikit-learn; at least four points."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if np.ptp(features, axis=0).max() < 1e-9:  # a collapsed model gives one point, which t-SNE cannot scale
        return np.zeros((len(features), 2))
    reduced = PCA(min(NUM_AXES, *features.shape), random_state=seed).fit_transform(features)
    tsne: Any = TSNE(n_components=2, perplexity=min(PERPLEXITY, (len(features) - 1) / 3), init="pca", random_state=seed)
    return tsne.fit_transform(reduced.astype(np.float32)).astype(np.float64)


def _modalities(pair: str) -> tuple[str, str]:
    if pair not in PAIRS:
        raise VlsaError(f"pair {pair!r}: not a pair of modalities; nothing can be drawn. Valid: {', '.join(PAIRS)}.")
    one, other = pair.split("-")
    return one, other


def _positive_pairs(
    one: Int64[np.ndarray, " N"], other: Int64[np.ndarray, " M"], num_pairs: int, rng: np.random.Generator, pair: str
) -> tuple[Int64[np.ndarray, " P"], Int64[np.ndarray, " P"]]:
    """Rows of both sides that come from one clip, a random part of them; `other` has one row per clip."""
    left = np.flatnonzero(np.isin(one, other))
    if len(np.unique(one[left])) < 2:
        raise VlsaError(
            f"{pair}: {len(np.unique(one[left]))} clips have both, and a negative pair needs two. "
            "Choose another split, or add clips."
        )
    left = np.sort(rng.permutation(left)[:num_pairs])
    order = np.argsort(other)
    return left, order[np.searchsorted(other, one[left], sorter=order)]


def _of_other_clips(
    clip: Int64[np.ndarray, " P"], other: Int64[np.ndarray, " M"], rng: np.random.Generator
) -> Int64[np.ndarray, " P"]:
    """For each pair a random row of the other side, from another clip."""
    chosen = rng.integers(len(other), size=len(clip))
    while (same := other[chosen] == clip).any():
        chosen[same] = rng.integers(len(other), size=int(same.sum()))
    return chosen


def _some(vectors: Float[np.ndarray, "N D"], rng: np.random.Generator) -> Float[np.ndarray, "M D"]:
    return vectors if len(vectors) <= MOST_VECTORS else vectors[rng.permutation(len(vectors))[:MOST_VECTORS]]
