"""Rough cosines of a question with all windows of a large index, by sketches of its vectors.

A sketch is made in memory when a column is first asked, from the vectors that are there, so it is never older than
they are. Reads searched.py; feeds candidates.py.
Axes: N windows, n a block of them, S spaces of W numbers, D width of a vector in the spaces that are asked.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32

from vlsa.retrieve.search.asked import Asked
from vlsa.retrieve.search.products import widened
from vlsa.retrieve.search.searched import ROWS_AT_ONCE, Cosines, Searched
from vlsa.retrieve.search.sketch import Sketch

DIRECTIONS = 64
"""Main directions for each space. Measured: docs/log.md."""


class RoughCosines(Cosines):
    """Cosines by the sketches of an index; with texts they are exact."""

    def of(self, asked: Asked, column: str | None = None) -> Float[np.ndarray, " N"]:
        """As float32, but for texts."""
        column = column or asked.column
        if column == "text":
            return super().of(asked, column)
        cosines = self._product(column, asked) / np.float32(asked.num_spaces)
        present = self.searched.present[column]
        return cosines if present.all() else np.where(present, cosines, np.float32(np.nan))

    def _product(self, column: str, asked: Asked) -> Float32[np.ndarray, " N"]:
        if column == "text":
            return super()._product(column, asked)
        whole = asked.vectors.reshape(len(asked.vectors), len(self.searched.spaces), -1)
        spaces = tuple(map(int, np.flatnonzero(whole.any(axis=(0, 2)))))
        sketches = self.searched.sketches
        if (column, spaces) not in sketches:
            sketches[column, spaces] = sketch_of(self.searched, column, spaces)
        return sketches[column, spaces].products(in_spaces(whole, spaces))


def sketch_of(searched: Searched, column: str, spaces: Sequence[int]) -> Sketch:
    """Of a column, media too, in the spaces with these numbers."""
    num_rows = len(searched.windows)
    sample = _block(searched.sample, column, spaces, 0, num_rows)
    blocks = (
        _block(searched, column, spaces, first, first + ROWS_AT_ONCE) for first in range(0, num_rows, ROWS_AT_ONCE)
    )
    return Sketch.of(sample, blocks, DIRECTIONS * len(spaces))


def _block(searched: Searched, column: str, spaces: Sequence[int], first: int, stop: int) -> Float32[np.ndarray, "n D"]:
    """The vectors of some windows in some spaces."""
    if column == "media":
        parts = sum(widened(searched.vectors[name][first:stop]) for name in searched.fused)
        rows = parts * searched.fused_scale[first:stop, None]
    else:
        rows = widened(searched.vectors[column][first:stop])
    return in_spaces(rows.reshape(len(rows), len(searched.spaces), -1), spaces)


def in_spaces(rows: Float32[np.ndarray, "n S W"], spaces: Sequence[int]) -> Float32[np.ndarray, "n D"]:
    """The parts of vectors that are in some spaces."""
    return np.ascontiguousarray(rows[:, list(spaces)].reshape(len(rows), -1))
