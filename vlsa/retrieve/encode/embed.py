"""Clips to vectors: what evaluation and the index need, in batches of windows that run across clips.

Reads clips and an encoder (protocol.py); feeds evaluate/ and index/.
Axes: N clips, M texts (a clip may have none or several), D width of a vector in all its spaces.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float32, Int64

from vlsa.base.files import Progress
from vlsa.config import MODALITIES, is_in, num_shared
from vlsa.data.clip import Clip, Dataset
from vlsa.retrieve.encode.fusion import Fusion
from vlsa.retrieve.encode.protocol import Encoder
from vlsa.retrieve.encode.unit_vectors import fuse, unit_length

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class ClipEmbeddings:
    """Vectors of N clips; the row of an absent modality is zeros, has_* False, and never compared with anything.

    With a space for each pair of modalities a vector is those of all spaces, one after the other, and zeros in the one
    that its modality is not in: a dot product of two modalities is the cosine in the space of their pair.
    """

    ids: tuple[str, ...]
    video: Float32[np.ndarray, "N D"]
    has_video: Bool[np.ndarray, " N"]
    audio: Float32[np.ndarray, "N D"]
    has_audio: Bool[np.ndarray, " N"]
    text: Float32[np.ndarray, "M D"]
    text_clip: Int64[np.ndarray, " M"]
    """For each text, the row of its clip."""
    texts: tuple[str, ...]
    spaces: tuple[str, ...] = ("all",)
    fusion: Fusion = "cosine"
    """How comparisons with two modalities become one score: by the mean of cosines, or by rank."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def has_text(self) -> Bool[np.ndarray, " N"]:
        """Clips with at least one text."""
        return np.isin(np.arange(len(self)), self.text_clip)

    @property
    def has_both(self) -> Bool[np.ndarray, " N"]:
        """Clips with video and audio."""
        return self.has_video & self.has_audio

    @property
    def has_media(self) -> Bool[np.ndarray, " N"]:
        """Clips with video or audio."""
        return self.has_video | self.has_audio

    @property
    def media(self) -> Float32[np.ndarray, "N D"]:
        """Video and audio as one vector a clip, to be compared with text; zeros where there is neither."""
        return fuse({"video": self.video, "audio": self.audio}, self.spaces)

    def columns(self, one: str, other: str) -> slice:
        """Where in a vector the space is in which two modalities are compared; empty where there is none."""
        width = self.video.shape[1] // len(self.spaces)
        shared = (n for n, space in enumerate(self.spaces) if is_in(one, space) and is_in(other, space))
        number = next(shared, None)
        return slice(0) if number is None else slice(number * width, (number + 1) * width)


class Means:
    """The renormalised mean vector of each item, from vectors added in batches; a lone vector stays as it is."""

    def __init__(self, width: int, num_spaces: int = 1) -> None:
        self._width, self._num_spaces = width, num_spaces
        self._parts: list[tuple[int, Float32[np.ndarray, "n D"]]] = []
        self._items: list[int] = []

    def add(self, items: Sequence[int], vectors: Float32[np.ndarray, "n D"]) -> None:
        """More vectors, and the items that they are of, ascending."""
        sums = np.zeros((items[-1] - items[0] + 1, self._width), np.float32)
        np.add.at(sums, np.array(items) - items[0], vectors)
        self._parts.append((items[0], sums))
        self._items += items

    def vectors(self, num_items: int) -> Float32[np.ndarray, "N D"]:
        """One row an item; zeros for an item without vectors."""
        total = np.zeros((num_items, self._width), np.float32)
        for first, sums in self._parts:
            total[first : first + len(sums)] += sums
        several = np.bincount(np.array(self._items, np.int64), minlength=num_items) > 1
        total[several] = unit_length(total[several], self._num_spaces)
        return total


def batches(items: Iterable[Item], batch_size: int) -> Iterator[list[Item]]:
    """Lists of so many items; the last one may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, batch_size)):
        yield batch


def embed_clips(
    encoder: Encoder,
    clips: Iterable[Clip],
    *,
    total: int = 0,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> ClipEmbeddings:
    """Vectors of these clips, in their order; `batch_size` windows, of whichever clips, are encoded at once."""
    sources = ((clip, encoder.window.cut(clip)) for clip in clips)
    return _embed(encoder, sources, total, batch_size, progress)


def embed_store(
    encoder: Encoder,
    store: Dataset,
    split: str | None,
    *,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> ClipEmbeddings:
    """Vectors of the clips of one split of a store (None: of all splits), in the store's order."""
    return embed_rows(encoder, store, store.rows(split), batch_size=batch_size, progress=progress)


def embed_rows(
    encoder: Encoder,
    store: Dataset,
    rows: Sequence[Any],
    *,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> ClipEmbeddings:
    """Vectors of these rows of a store, in their order; only the frames and samples of their windows are read."""
    sources = ((row, encoder.window.read(store, row)) for row in rows)
    return _embed(encoder, sources, len(rows), batch_size, progress)


def _embed(
    encoder: Encoder,
    sources: Iterable[tuple[Any, Iterable[Clip]]],
    total: int,
    batch_size: int,
    progress: Progress | None,
) -> ClipEmbeddings:
    """Vectors of clips, each given as what has its id and texts, and its windows."""
    read: list[Any] = []
    video, audio = (Means(encoder.width, len(encoder.spaces)) for _ in range(2))

    def windows() -> Iterator[tuple[int, Clip]]:
        for source, parts in sources:
            read.append(_Captioned(source.id, source.texts))
            for window in parts:
                yield len(read) - 1, window

    sees, hears, reads = (bool(num_shared(name, name, encoder.spaces)) for name in MODALITIES)
    for batch in batches(windows(), batch_size):
        if sees:
            _add(video, encoder.encode_video, [(number, clip) for number, clip in batch if clip.frames is not None])
        if hears:
            _add(audio, encoder.encode_audio, [(number, clip) for number, clip in batch if clip.sound is not None])
        if progress:
            progress(len(read), total, "embedding clips")
    texts = tuple(text for clip in read for text in clip.texts)
    video_vectors, audio_vectors = video.vectors(len(read)), audio.vectors(len(read))
    return ClipEmbeddings(
        ids=tuple(clip.id for clip in read),
        video=video_vectors,
        has_video=video_vectors.any(axis=1),
        audio=audio_vectors,
        has_audio=audio_vectors.any(axis=1),  # zeros also for audio shorter than one patch
        text=encoder.encode_text(texts) if texts and reads else np.zeros((len(texts), encoder.width), np.float32),
        text_clip=np.repeat(np.arange(len(read)), [len(clip.texts) for clip in read]),
        texts=texts,
        spaces=encoder.spaces,
        fusion=encoder.fusion,
    )


@dataclass(frozen=True, slots=True)
class _Captioned:
    """What is kept of a clip when its windows have been encoded."""

    id: str
    texts: tuple[str, ...]


def _add(means: Means, encode: Callable[[Sequence[Clip]], np.ndarray], windows: list[tuple[int, Clip]]) -> None:
    if windows:
        numbers, clips = zip(*windows, strict=True)
        means.add(numbers, encode(clips))
