"""One row of an index: a clip and its vectors.

Made of embeddings (encode/embed.py); written by lance.py. Axes: D width of the matching space.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from vlsa.data.ingest.manifest import ClipRow
from vlsa.retrieve.encode.embed import ClipEmbeddings, fuse


@dataclass(frozen=True, kw_only=True, eq=False)
class IndexRow:
    """One indexed clip. An absent modality is None; `media` is video and audio, fused."""

    id: str
    path: str
    start_seconds: float
    stop_seconds: float
    texts: tuple[str, ...] = ()
    video: Float32[np.ndarray, " D"] | None = None
    audio: Float32[np.ndarray, " D"] | None = None
    text_vector: Float32[np.ndarray, " D"] | None = None
    num_spaces: int = 1

    @property
    def media(self) -> Float32[np.ndarray, " D"] | None:
        """Video and audio as one vector."""
        present = [vector[None] for vector in (self.video, self.audio) if vector is not None]
        return fuse(present, self.num_spaces)[0] if present else None


def index_rows(rows: Sequence[ClipRow], embeddings: ClipEmbeddings) -> list[IndexRow]:
    """Rows of the table from clips and their vectors, in the same order."""
    assert [row.id for row in rows] == list(embeddings.ids)
    text, has_text = embeddings.clip_text(), embeddings.has_text
    return [
        IndexRow(
            id=row.id,
            path=row.path,
            start_seconds=row.start_seconds,
            stop_seconds=row.stop_seconds,
            texts=row.texts,
            num_spaces=len(embeddings.spaces),
            video=embeddings.video[n] if embeddings.has_video[n] else None,
            audio=embeddings.audio[n] if embeddings.has_audio[n] else None,
            text_vector=text[n] if has_text[n] else None,
        )
        for n, row in enumerate(rows)
    ]
