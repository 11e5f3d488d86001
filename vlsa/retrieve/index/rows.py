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
    spaces: tuple[str, ...]
    """Where the model compares vectors: "all", or its pairs."""
    start_seconds: float
    stop_seconds: float
    texts: tuple[str, ...] = ()
    video: Float32[np.ndarray, " D"] | None = None
    audio: Float32[np.ndarray, " D"] | None = None
    text_vector: Float32[np.ndarray, " D"] | None = None

    @property
    def media(self) -> Float32[np.ndarray, " D"] | None:
        """Video and audio as one vector, to be compared with text; None where no space of the model does that."""
        given = {"video": self.video, "audio": self.audio}
        present = {name: vector[None] for name, vector in given.items() if vector is not None}
        nothing = [np.zeros_like(vector) for vector in present.values()]
        if not present:
            return None
        fused = fuse({name: present.get(name, nothing[0]) for name in given}, self.spaces)[0]
        return fused if fused.any() else None


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
            spaces=embeddings.spaces,
            video=embeddings.video[n] if embeddings.has_video[n] else None,
            audio=embeddings.audio[n] if embeddings.has_audio[n] else None,
            text_vector=text[n] if has_text[n] else None,
        )
        for n, row in enumerate(rows)
    ]
