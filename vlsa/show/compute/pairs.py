"""Matching and non-matching pairs of two modalities, as a map and as two numbers (paper, Figure 5).

Reads embeddings; feeds serve/pair_maps.py and `vlsa show`. A point of the map is a *pair*: the element-wise product of
its two globals, whose sum is their cosine and which is what the matching layer reads by default. Matching pairs come
from one clip; each non-matching pair keeps one side and takes the other from another clip. The points are reduced to
50 axes by PCA, then laid out by t-SNE; near points are like pairs, and nothing else in the picture has a meaning:
distances between groups, their sizes and the axes have none.

What the eye sees is said by numbers of the globals themselves (Wang and Isola 2020, arXiv 2005.10242): alignment, the
mean squared distance of matching pairs (0 = they coincide, 2 = as good as unrelated), and for each modality uniformity,
the logarithm of the mean of exp(-2 d^2) over all pairs of its vectors (0 = all in one point, -4 = spread over a sphere
of many dimensions). Lower is better for both; one alone is easily had.
Axes: N vectors, P pairs, D width.
"""

from dataclasses import dataclass
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
"""Uniformity is taken over so many vectors of a modality at most."""


@dataclass(frozen=True, eq=False)
class PairMap:
    """Pairs of two modalities in the plane, and the numbers beside them."""

    pair: str
    points: Float[np.ndarray, "P 2"]
    matching: Bool[np.ndarray, " P"]
    alignment: float
    """Mean squared distance of matching pairs, 0..4."""
    uniformity: dict[str, float]
    """Modality -> log of the mean of exp(-2 d^2) over its vectors, down to -8."""
    separation: float
    """Probability that a matching pair is more alike than a non-matching one; 0.5 is chance."""
    num_clips: int

    def numbers(self, label: str = "") -> list[Number]:
        """Lines of the table; `label` names the run where there are several."""
        name = " ".join(part for part in (label, self.pair) if part)
        over = f"{int(self.matching.sum()):,} pairs"
        lines = [
            Number(FIGURE, f"{name}: alignment", self.alignment, over, beside={"unrelated": 2.0}),
            Number(FIGURE, f"{name}: matching pair more alike", self.separation, over, beside={"chance": 0.5}),
        ]
        vectors = f"{self.num_clips:,} clips"
        for modality, value in self.uniformity.items():
            beside = {"one point": 0.0, "sphere": -4.0}
            lines.append(Number(FIGURE, f"{name}: uniformity of {modality}", value, vectors, beside=beside))
        return lines


def pair_map(embeddings: ClipEmbeddings, pair: str = "text-video", *, num_pairs: int = 1000, seed: int = 0) -> PairMap:
    """Map of up to `num_pairs` matching and as many non-matching pairs, such as "text-video" or "audio-video".

    A caption is a vector of its own. Raises VlsaError for an unknown pair, for fewer than two clips that have both
    modalities, and for an embedding that is not a finite number.
    """
    names = _modalities(pair)
    one, other = (items_of(embeddings, name) for name in names)
    rng = np.random.default_rng(seed)
    left, right = _matching(one.clip, other.clip, num_pairs, rng, pair)
    wrong = _non_matching(one.clip[left], other.clip, rng)
    a, b, c = one.vectors[left], other.vectors[right], other.vectors[wrong]
    products = np.concatenate([a * b, a * c]).astype(np.float64) * a.shape[1]
    if not np.isfinite(products).all():
        raise VlsaError(
            f"{pair}: an embedding is not a finite number, so pairs have no place on a map. The model has diverged: go "
            "back to an earlier checkpoint, or lower the learning rate."
        )
    spread = {name: uniformity(_some(side.vectors, rng)) for name, side in zip(names, (one, other), strict=True)}
    return PairMap(
        pair=pair,
        points=lay_out(products, seed),
        matching=np.arange(len(products)) < len(left),
        alignment=alignment(a, b),
        uniformity=spread,
        separation=separation((a * b).sum(axis=1), (a * c).sum(axis=1)),
        num_clips=len(np.intersect1d(one.clip, other.clip)),
    )


def alignment(one: Float[np.ndarray, "N D"], other: Float[np.ndarray, "N D"]) -> float:
    """Mean squared distance of rows that belong together."""
    return float(np.square(one.astype(np.float64) - other).sum(axis=1).mean())


def uniformity(vectors: Float[np.ndarray, "N D"]) -> float:
    """log of the mean of exp(-2 d^2) over all pairs of different rows; unit vectors. At least two rows."""
    vectors = vectors.astype(np.float64)
    squared = np.square(vectors).sum(axis=1)
    distance = (squared[:, None] + squared[None] - 2 * vectors @ vectors.T).clip(min=0)
    return float(np.log(np.exp(-2 * distance[np.triu_indices(len(vectors), 1)]).mean()))


def separation(matching: Float[np.ndarray, " N"], non_matching: Float[np.ndarray, " M"]) -> float:
    """Probability that a matching pair's cosine is above a non-matching one's; ties count half."""
    ordered = np.sort(non_matching)
    below, up_to = (np.searchsorted(ordered, matching, side=side) for side in ("left", "right"))
    return float((below + up_to).mean() / (2 * len(ordered)))


def lay_out(features: Float[np.ndarray, "P D"], seed: int = 0) -> Float[np.ndarray, "P 2"]:
    """Points in the plane: PCA to 50 axes, then t-SNE. Needs scikit-learn; at least four points."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if np.ptp(features, axis=0).max() < 1e-9:  # a collapsed model: one point, which t-SNE cannot scale
        return np.zeros((len(features), 2))
    reduced = PCA(min(NUM_AXES, *features.shape), random_state=seed).fit_transform(features)
    tsne: Any = TSNE(n_components=2, perplexity=min(PERPLEXITY, (len(features) - 1) / 3), init="pca", random_state=seed)
    return tsne.fit_transform(reduced.astype(np.float32)).astype(np.float64)


def _modalities(pair: str) -> tuple[str, str]:
    if pair not in PAIRS:
        raise VlsaError(f"pair {pair!r}: no such pair of modalities; nothing can be drawn. Known: {', '.join(PAIRS)}.")
    one, other = pair.split("-")
    return one, other


def _matching(
    one: Int64[np.ndarray, " N"], other: Int64[np.ndarray, " M"], num_pairs: int, rng: np.random.Generator, pair: str
) -> tuple[Int64[np.ndarray, " P"], Int64[np.ndarray, " P"]]:
    """Rows of both sides that come from one clip, a random part of them; `other` has one row a clip."""
    left = np.flatnonzero(np.isin(one, other))
    if len(np.unique(one[left])) < 2:
        raise VlsaError(
            f"{pair}: {len(np.unique(one[left]))} clips have both, and a pair that does not match needs two. "
            "Choose another split, or add clips."
        )
    left = np.sort(rng.permutation(left)[:num_pairs])
    order = np.argsort(other)
    return left, order[np.searchsorted(other, one[left], sorter=order)]


def _non_matching(
    clip: Int64[np.ndarray, " P"], other: Int64[np.ndarray, " M"], rng: np.random.Generator
) -> Int64[np.ndarray, " P"]:
    """For each pair a random row of the other side that comes from another clip."""
    chosen = rng.integers(len(other), size=len(clip))
    while (same := other[chosen] == clip).any():
        chosen[same] = rng.integers(len(other), size=int(same.sum()))
    return chosen


def _some(vectors: Float[np.ndarray, "N D"], rng: np.random.Generator) -> Float[np.ndarray, "M D"]:
    return vectors if len(vectors) <= MOST_VECTORS else vectors[rng.permutation(len(vectors))[:MOST_VECTORS]]
