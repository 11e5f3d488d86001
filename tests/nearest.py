"""The rows of an index that are nearest to a vector, by a plain product: how tests look into an index."""

import os
from dataclasses import dataclass

import numpy as np

from vlsa.retrieve.index.index import Index

COLUMNS = {"media": "media", "video": "video", "audio": "audio", "text": "text_vector"}


@dataclass(frozen=True)
class Row:
    """A row, and its cosine."""

    path: str
    start_seconds: float
    stop_seconds: float
    score: float
    text: str
    id: str


def nearest(index: Index, text: str = "", k: int = 10, *, audio: str = "", in_: str = "media") -> list[Row]:
    """The k rows with the highest cosine with a text, or an audio file, in one column; ties go by id."""
    index.refresh()
    (vector,) = index.encoder.encode_audio([audio]) if audio else index.encoder.encode_text([text])
    rows = index.table.arrays("text" if in_ == "text" else "window")
    vectors = rows.vectors[COLUMNS[in_]]
    texts = index.table.arrays("text")
    found = []
    for n in np.flatnonzero(vectors.any(axis=1)):
        start, stop, path = float(rows.start_seconds[n]), float(rows.stop_seconds[n]), rows.paths[n]
        there = [
            words
            for words, at, first, last in zip(
                texts.texts, texts.paths, texts.start_seconds, texts.stop_seconds, strict=True
            )
            if at == path and first < stop and last > start
        ]
        shown = rows.texts[n] or "\n".join(there)
        whole = os.path.join(index.source, path)
        found.append(Row(whole, start, stop, float(vectors[n] @ vector), shown, rows.ids[n]))
    return sorted(found, key=lambda row: (-row.score, row.id))[:k]
