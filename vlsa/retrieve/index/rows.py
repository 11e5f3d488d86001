"""The rows of an index: windows of media with their vectors, and pieces of text with their own times.

Made of embeddings (encode/embed.py) and of the text of files (texts.py); written by lance.py. Axes: D width of the
matching space.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float32

from vlsa.base.errors import SearchIndexError
from vlsa.data.ingest.manifest import ClipRow
from vlsa.retrieve.encode.unit_vectors import fuse

if TYPE_CHECKING:
    from vlsa.retrieve.encode.embed import ClipEmbeddings

Kind = Literal["window", "text"]
VECTORS = ("video", "audio", "text_vector")


@dataclass(frozen=True, kw_only=True, eq=False)
class IndexRow:
    """A window of a media file, or a piece of its text. What is absent is None; `media` is video and audio, fused."""

    id: str
    path: str
    """As in the ledger: relative to the source."""
    spaces: tuple[str, ...]
    """Where the model compares vectors: "all", or its pairs."""
    start_seconds: float
    stop_seconds: float
    kind: Kind = "window"
    texts: tuple[str, ...] = ()
    language: str | None = None
    """Of the text, where the file says it."""
    video: Float32[np.ndarray, " D"] | None = None
    audio: Float32[np.ndarray, " D"] | None = None
    text_vector: Float32[np.ndarray, " D"] | None = None
    vectors: str = "float32"
    """How they are stored: with float16 they are numbers of that kind, and `media` is rounded to one."""

    @cached_property
    def media(self) -> Float32[np.ndarray, " D"] | None:
        """Video and audio as one vector, to be compared with text; None where no space of the model does that."""
        given = {"video": self.video, "audio": self.audio}
        present = {name: vector[None] for name, vector in given.items() if vector is not None}
        nothing = [np.zeros_like(vector) for vector in present.values()]
        if not present:
            return None
        fused = _rounded(fuse({name: present.get(name, nothing[0]) for name in given}, self.spaces)[0], self.vectors)
        return fused if fused.any() else None

    def digest(self, media: Float32[np.ndarray, " D"] | None) -> bytes:
        """Of all that the row says, vectors included; `media` is the fused one, as it is stored."""
        facts = (self.id, self.path, self.kind, self.start_seconds, self.stop_seconds, self.language)
        digest = hashlib.blake2b(repr((*facts, "\n".join(self.texts))).encode(), digest_size=16)
        for vector in (*(getattr(self, name) for name in VECTORS), media):
            digest.update(b"-" if vector is None else np.ascontiguousarray(vector, np.float32).tobytes())
        return digest.digest()


def as_stored(rows: Iterable[IndexRow], vectors: str) -> list[IndexRow]:
    """Rows with the numbers that the table will hold, so that digests are of these; float32 changes nothing."""
    if vectors == "float32":
        return [*rows]
    return [row if row.vectors == vectors else _row_as_stored(row, vectors) for row in rows]


def _row_as_stored(row: IndexRow, vectors: str) -> IndexRow:
    found = {name: vector for name in VECTORS if (vector := getattr(row, name)) is not None}
    return replace(row, vectors=vectors, **{name: _rounded(vector, vectors) for name, vector in found.items()})


def _rounded(vector: Float32[np.ndarray, " D"], vectors: str) -> Float32[np.ndarray, " D"]:
    return vector.astype(vectors).astype(np.float32, copy=False)


def rows_digest(rows: Iterable[IndexRow]) -> str:
    """Of all rows of a file, in any order; a row that is there twice counts twice."""
    return hashlib.blake2b(b"".join(sorted(row.digest(row.media) for row in rows)), digest_size=16).hexdigest()


def window_rows(rows: Sequence[ClipRow], paths: Mapping[str, str], embeddings: "ClipEmbeddings") -> list[IndexRow]:
    """Rows of the table from clips and their vectors, in the same order; `paths` has the path to record by clip id.

    Raises SearchIndexError for a vector that is not finite.
    """
    assert [row.id for row in rows] == list(embeddings.ids)
    for vectors in (embeddings.video, embeddings.audio):
        check_finite(vectors, rows)
    return [
        IndexRow(
            id=row.id,
            path=paths[row.id],
            start_seconds=row.start_seconds,
            stop_seconds=row.stop_seconds,
            spaces=embeddings.spaces,
            video=embeddings.video[n] if embeddings.has_video[n] else None,
            audio=embeddings.audio[n] if embeddings.has_audio[n] else None,
        )
        for n, row in enumerate(rows)
    ]


def check_finite(vectors: Float32[np.ndarray, "N D"], rows: Sequence[ClipRow]) -> None:
    """Raises SearchIndexError, naming the first clip whose vector is not made of finite numbers."""
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        row = rows[bad[0]]
        raise SearchIndexError(
            f"{row.path}: from {row.start_seconds:g} to {row.stop_seconds:g} s its vectors are not finite; "
            "they cannot be compared, and nothing of this file was written. Check the run: vlsa doctor RUN."
        )


def covered_seconds(rows: Iterable[IndexRow]) -> float:
    """How much time lies in at least one of the windows."""
    total = end = 0.0
    for start, stop in sorted((row.start_seconds, row.stop_seconds) for row in rows if row.kind == "window"):
        total += max(stop - max(start, end), 0.0)
        end = max(end, stop)
    return round(total, 3)
