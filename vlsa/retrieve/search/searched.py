"""What a search reads of an index, as arrays in memory, and the cosines of the parts of one question with it.

Made by tables.py; feeds answer.py and candidates.py. Video and audio together (`media`) are compared by the products
with each, which are needed anyway to say why a window is an answer: that of the fused vector is their sum, scaled.
Axes: N windows, n some of them, M texts, D width of a vector.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float16, Float32, Float64, Int64

from vlsa.config import num_shared
from vlsa.retrieve.index.words import normalised
from vlsa.retrieve.search.asked import Asked
from vlsa.retrieve.search.products import Vectors, best_dot, widened
from vlsa.retrieve.search.sketch import Sketch
from vlsa.retrieve.search.texts import WindowTexts, of_windows
from vlsa.retrieve.search.windows import Windows

ROWS_AT_ONCE = 4096
"""Windows that are fused at a time; it bounds the memory."""
SAMPLE = 10_000
"""Windows from which medians and spreads of larger indexes are taken: right to 0.0125 spreads, and to 1.2%."""


@dataclass(frozen=True, eq=False)
class Searched:
    """Windows and texts of an index. A row of zeros is a modality that a window does not have."""

    paths: tuple[str, ...]
    """By the number of the file."""
    windows: Windows
    vectors: Mapping[str, Vectors]
    """Columns video and audio."""
    text_places: Windows
    texts: tuple[str, ...]
    text_vectors: Float32[np.ndarray, "M D"] | Float16[np.ndarray, "M D"]
    spaces: tuple[str, ...] = ("all",)
    languages: tuple[str | None, ...] = ()
    """Of the texts; empty = none is known."""
    text_from: Mapping[str, str] = field(default_factory=dict)
    """By path: where the texts of a file come from (FileFacts.text_from)."""
    sketches: dict[tuple[str, tuple[int, ...]], Sketch] = field(default_factory=dict)
    """By column and spaces, once they were asked for."""

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Of the files, by path."""
        return {path: number for number, path in enumerate(self.paths)}

    @cached_property
    def read(self) -> WindowTexts:
        """The texts as they are read during the windows, made once."""
        plain = [normalised(text) for text in self.texts]
        return WindowTexts.of(plain, self.text_places, self.windows, self.languages or None)

    @cached_property
    def present(self) -> Mapping[str, Bool[np.ndarray, " N"]]:
        """By column: which windows have that modality; of text: which texts have a vector."""
        found = {name: rows.any(axis=1) for name, rows in {**self.vectors, "text": self.text_vectors}.items()}
        return found | {"media": self.fused_scale > 0}

    @cached_property
    def fused_scale(self) -> Float32[np.ndarray, " N"]:
        """By which the sum of the products with video and audio is that with the two fused; 0 where there is none.

        As encode/unit_vectors.py fuses them: 1 / length of the sum in one space; with a space for each pair 1 / how
        many of them are there, of those that are compared with text.
        """
        if self.spaces == ("all",):
            columns = [self.vectors[name] for name in self.fused]
            lengths = np.concatenate([_lengths(columns, n) for n in range(0, len(self.windows) or 1, ROWS_AT_ONCE)])
            return np.where(lengths > 1e-6, 1 / np.maximum(lengths, 1e-6), 0).astype(np.float32)
        there = [self.vectors[name].any(axis=1) for name in self.fused]
        num_present = np.sum(there, axis=0) if there else np.zeros(len(self.windows))
        return (num_present > 0) / np.maximum(num_present, 1).astype(np.float32)

    @cached_property
    def fused(self) -> tuple[str, ...]:
        """The columns behind `media`."""
        return tuple(name for name in ("video", "audio") if num_shared(name, "text", self.spaces))

    def at(self, rows: Int64[np.ndarray, " n"]) -> "Searched":
        """Some of the windows, and all texts."""
        vectors = {name: np.take(column, rows, axis=0) for name, column in self.vectors.items()}
        part = replace(self, windows=self.windows.at(rows), vectors=vectors, sketches={})
        of_windows = {name: there[rows] for name, there in self.present.items() if name != "text"}
        vars(part).update(  # what is known of all windows is not computed again
            fused_scale=self.fused_scale[rows], present={**of_windows, "text": self.present["text"]}
        )
        return part

    @cached_property
    def sample(self) -> "Searched":
        """A fixed random sample of the windows; all of them where they are few."""
        if len(self.windows) <= SAMPLE:
            return self
        rows = np.random.default_rng(0).choice(len(self.windows), SAMPLE, replace=False)
        return self.at(np.sort(rows))


def _lengths(columns: Sequence[Vectors], first: int) -> Float64[np.ndarray, " n"]:
    """Of the sums of the columns in a block."""
    sums = sum(widened(column[first : first + ROWS_AT_ONCE]) for column in columns)
    return np.sqrt(np.einsum("nd,nd->n", sums, sums, dtype=np.float64))


class Cosines:
    """The cosines of the parts of one question with windows; each product is computed once."""

    def __init__(self, searched: Searched) -> None:
        self.searched = searched
        self._products: dict[tuple[str, int], Float32[np.ndarray, " N"]] = {}

    def __len__(self) -> int:
        return len(self.searched.windows)

    def of(self, asked: Asked, column: str | None = None) -> Float64[np.ndarray, " N"]:
        """Of one part with each window, in the column that it is compared with or another one; nan without a vector.

        Of several vectors of a part, and of the texts during a window, it is the best.
        """
        column = column or asked.column
        cosines = self._product(column, asked) / np.float64(asked.num_spaces)
        cosines[~self.searched.present[column]] = np.nan
        if column != "text":
            return cosines
        return of_windows(self.searched.text_places, cosines, self.searched.windows)

    def _product(self, column: str, asked: Asked) -> Float32[np.ndarray, " N"]:
        """The best of the products with the vectors of a part."""
        if column == "media":
            assert len(asked.vectors) == 1, "an example is compared with its own modality, or with one that is named"
            sums = sum((self._product(name, asked) for name in self.searched.fused), np.float32(0))
            return self.searched.fused_scale * sums
        key = column, id(asked)
        if key not in self._products:
            self._products[key] = self._best(column, asked.vectors)
        return self._products[key]

    def _best(self, column: str, vectors: Float32[np.ndarray, "Q D"]) -> Float32[np.ndarray, " N"]:
        rows = self.searched.text_vectors if column == "text" else self.searched.vectors[column]
        return best_dot(rows, vectors) if self.searched.present[column].any() else np.zeros(len(rows), np.float32)
