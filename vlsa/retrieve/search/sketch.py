"""A sketch of many vectors: their coordinates along a few main directions, so that all of them can be scanned.

The directions are the principal components of a sample, without taking off the mean. A question keeps its coordinates
along them too, so a rough cosine is the product of two short vectors. Its error is the product of the two remainders,
and that of a window is small. So the best windows are among the first few thousand by rough cosine, however far the
question is from all windows, and whatever a filter leaves out.
Used by rough.py. Axes: N vectors, S of a sample, D their width, d main directions, Q vectors that are asked with.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from vlsa.retrieve.search.products import best_dot


@dataclass(frozen=True, eq=False)
class Sketch:
    """Coordinates of vectors along the main directions."""

    directions: Float32[np.ndarray, "D d"]
    rows: Float32[np.ndarray, "N d"]

    @classmethod
    def of(
        cls, sample: Float32[np.ndarray, "S D"], blocks: Iterable[Float32[np.ndarray, "_ D"]], num_directions: int
    ) -> "Sketch":
        """Of vectors that come in blocks, along the main directions of a sample of them."""
        _, directions = np.linalg.eigh(sample.T @ sample)  # the largest come last
        directions = np.ascontiguousarray(directions[:, -num_directions:])
        return cls(directions, np.concatenate([block @ directions for block in blocks]))

    def products(self, vectors: Float32[np.ndarray, "Q D"]) -> Float32[np.ndarray, " N"]:
        """The best of the rough products with these vectors."""
        return best_dot(self.rows, vectors @ self.directions)
