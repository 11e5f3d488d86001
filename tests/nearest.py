"""The rows of an index that are nearest to a vector, by a plain product: how tests look into an index."""

import os
from dataclasses import dataclass

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
    rows = [*index.table.rows()]
    texts = sorted((row for row in rows if row.kind == "text"), key=lambda row: (row.start_seconds, row.id))
    found = []
    for row in rows:
        stored = getattr(row, COLUMNS[in_])
        if stored is None or row.kind != ("text" if in_ == "text" else "window"):
            continue
        there = [text for text in texts if text.path == row.path]
        there = [
            text for text in there if text.start_seconds < row.stop_seconds and text.stop_seconds > row.start_seconds
        ]
        shown = "\n".join(row.texts) or "\n".join("\n".join(text.texts) for text in there)
        whole = os.path.join(index.source, row.path)
        found.append(Row(whole, row.start_seconds, row.stop_seconds, float(stored @ vector), shown, row.id))
    return sorted(found, key=lambda row: (-row.score, row.id))[:k]
