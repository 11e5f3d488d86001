"""Clips to vectors: everything that evaluation and the index need, batch by batch.

Reads clips and an encoder (encoders.py, or anything with the same three methods); feeds evaluate.py and index.py.
Axes: N clips, M texts (a clip may have none or several), D width of the matching space.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Int64

from vlsa.base.files import Progress
from vlsa.data.clip import Clip, Dataset


@runtime_checkable
class ClipEncoder(Protocol):
    """What embedding asks of an encoder: float32 rows, one for each item given, of unit length (zeros = not there)."""

    width: int

    def encode_video(self, clips: Sequence[Any]) -> np.ndarray:
        """Vectors of what is seen in clips."""

    def encode_audio(self, clips: Sequence[Any]) -> np.ndarray:
        """Vectors of what is heard in clips."""

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of words."""

    def frame_indices(self, frame_seconds: np.ndarray, duration_seconds: float) -> Sequence[int] | None:
        """Which of a stored clip's frames the model looks at, so that no other is decompressed; None = all."""


@dataclass(frozen=True, eq=False)
class ClipEmbeddings:
    """Vectors of N clips; the row of an absent modality is zeros, has_* False, and never compared with anything."""

    ids: tuple[str, ...]
    video: Float32[np.ndarray, "N D"]
    has_video: Bool[np.ndarray, " N"]
    audio: Float32[np.ndarray, "N D"]
    has_audio: Bool[np.ndarray, " N"]
    text: Float32[np.ndarray, "M D"]
    text_clip: Int64[np.ndarray, " M"]
    """For each text, the row of its clip."""
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def has_text(self) -> Bool[np.ndarray, " N"]:
        """Clips with at least one text."""
        return np.isin(np.arange(len(self)), self.text_clip)

    @property
    def has_both(self) -> Bool[np.ndarray, " N"]:
        """Clips with a picture and sound."""
        return self.has_video & self.has_audio

    @property
    def has_media(self) -> Bool[np.ndarray, " N"]:
        """Clips with a picture or sound."""
        return self.has_video | self.has_audio

    @property
    def media(self) -> Float32[np.ndarray, "N D"]:
        """What is seen and heard as one vector a clip; zeros where there is neither."""
        return fuse_media(self.video, self.audio)

    def clip_text(self) -> Float32[np.ndarray, "N D"]:
        """One vector a clip for its words: the renormalised mean of its texts; zeros without text."""
        total = np.zeros_like(self.video)
        np.add.at(total, self.text_clip, self.text)
        return unit_length(total)


def unit_length(vectors: Float32[np.ndarray, "N D"]) -> Float32[np.ndarray, "N D"]:
    """Rows scaled to length 1; a row of zeros stays zero."""
    length = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return (vectors / np.maximum(length, 1e-12)).astype(np.float32)


def fuse_media(*parts: Float32[np.ndarray, "N D"]) -> Float32[np.ndarray, "N D"]:
    """Picture and sound as one vector: the renormalised mean of what is there; a row of zeros is not there."""
    return unit_length(np.sum(parts, axis=0))


def embed_clips(
    encoder: ClipEncoder,
    clips: Iterable[Clip],
    *,
    total: int = 0,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> ClipEmbeddings:
    """Vectors of these clips, in their order; only `batch_size` decoded clips are in memory at a time."""
    parts = []
    for batch in _batches(clips, batch_size):
        parts.append(_embed_batch(encoder, batch))
        if progress:
            progress(sum(map(len, parts)), total, "embedding clips")
    return concatenate(parts, encoder.width)


def embed_store(
    encoder: ClipEncoder,
    store: Dataset,
    split: str | None,
    *,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> ClipEmbeddings:
    """Vectors of the clips of one split of a store (None: of all splits), in the store's order."""
    return embed_rows(encoder, store, store.rows(split), batch_size=batch_size, progress=progress)


def embed_rows(
    encoder: ClipEncoder,
    store: Dataset,
    rows: Sequence[Any],
    *,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> ClipEmbeddings:
    """Vectors of these rows of a store, in their order; of the pictures only those are read that the model looks at."""

    def read() -> Iterator[Clip]:
        for row in rows:
            seen = len(row.frame_seconds) > 0
            wanted = encoder.frame_indices(row.frame_seconds, row.duration_seconds) if seen else None
            yield store.read(row, frame_indices=wanted)

    return embed_clips(encoder, read(), total=len(rows), batch_size=batch_size, progress=progress)


def concatenate(parts: Sequence[ClipEmbeddings], width: int) -> ClipEmbeddings:
    """One set of embeddings from several, in order; `width` is needed when there are none."""
    nothing = np.zeros((0, width), np.float32)
    first_row = np.cumsum([0, *map(len, parts)])

    def join(name: str, empty: np.ndarray) -> np.ndarray:
        return np.concatenate([empty, *(getattr(part, name) for part in parts)])

    moved = [part.text_clip + start for part, start in zip(parts, first_row, strict=False)]
    return ClipEmbeddings(
        ids=tuple(id for part in parts for id in part.ids),
        video=join("video", nothing),
        has_video=join("has_video", np.zeros(0, bool)),
        audio=join("audio", nothing),
        has_audio=join("has_audio", np.zeros(0, bool)),
        text=join("text", nothing),
        text_clip=np.concatenate([np.zeros(0, np.int64), *moved]),
        texts=tuple(text for part in parts for text in part.texts),
    )


def _batches(clips: Iterable[Clip], batch_size: int) -> Iterator[list[Clip]]:
    iterator = iter(clips)
    while batch := list(islice(iterator, batch_size)):
        yield batch


def _embed_batch(encoder: ClipEncoder, clips: list[Clip]) -> ClipEmbeddings:
    video = _rows(encoder.encode_video, clips, [clip.frames is not None for clip in clips], encoder.width)
    audio = _rows(encoder.encode_audio, clips, [clip.sound is not None for clip in clips], encoder.width)
    texts = [text for clip in clips for text in clip.texts]
    return ClipEmbeddings(
        ids=tuple(clip.id for clip in clips),
        video=video,
        has_video=video.any(axis=1),
        audio=audio,
        has_audio=audio.any(axis=1),  # zeros also where the sound was too short to be heard
        text=encoder.encode_text(texts) if texts else np.zeros((0, encoder.width), np.float32),
        text_clip=np.repeat(np.arange(len(clips)), [len(clip.texts) for clip in clips]),
        texts=tuple(texts),
    )


def _rows(
    encode: Callable[[Sequence[Clip]], np.ndarray], clips: list[Clip], present: list[bool], width: int
) -> Float32[np.ndarray, "N D"]:
    rows = np.zeros((len(clips), width), np.float32)
    if any(present):
        rows[np.array(present)] = encode([clip for clip, there in zip(clips, present, strict=True) if there])
    return rows
