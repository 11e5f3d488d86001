"""A decoded clip, and whatever clips can be read from.

Reads nothing; decode.py and reader.py make `Clip`, transform.py makes tensors of it (batch.py). Without PyTorch, which
processes that decode need not load. Axes: F frames, H W pixels, S samples of audio.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np


def _describe(value: Any) -> str:
    """Shape and type instead of values."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


class ShapesInRepr:
    """Mixin: `repr` prints shapes, not values."""

    def __repr__(self) -> str:
        parts = (f"{field.name}={_describe(getattr(self, field.name))}" for field in fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(parts)})"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Clip(ShapesInRepr):
    """A stretch of media, decoded: frames and audio between two times, and the texts about it.

    A modality that is absent is None (or no texts), never zeros.
    """

    id: str
    """Unique within a manifest or a store."""
    source: str
    """The media file, as the user named it."""
    start_seconds: float
    """Where the clip starts in the source, counted from the source's own start."""
    stop_seconds: float
    frames: np.ndarray | None = None
    """uint8, F H W 3 (RGB, upright, square pixels)."""
    frame_seconds: np.ndarray | None = None
    """float64, F: when each frame is first shown, from the start of the clip; ascending."""
    sound: np.ndarray | None = None
    """float32, S: mono in [-1, 1]; sample 0 falls on the start of the clip."""
    sample_rate_hz: int | None = None
    texts: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    """Words on what was decided where its file left it open, such as `audio-2-of-3`, `deinterlaced`, `tone-mapped`."""

    def __post_init__(self) -> None:
        if self.frames is not None:
            assert self.frames.dtype == np.uint8 and self.frames.ndim == 4 and self.frames.shape[-1] == 3, self
            assert self.frame_seconds is not None and self.frame_seconds.shape == self.frames.shape[:1], self
        if self.sound is not None:
            assert self.sound.dtype == np.float32 and self.sound.ndim == 1 and self.sample_rate_hz, self

    @property
    def duration_seconds(self) -> float:
        return self.stop_seconds - self.start_seconds


def cut(clip: Clip, frame_indices: Sequence[int], first_sample: int, last_sample: int) -> Clip:
    """A clip reduced to some of its frames and samples (first to last + 1); none of either = without that modality."""
    frames, times, sound = clip.frames, clip.frame_seconds, clip.sound
    if frames is not None and times is not None:
        indices = list(frame_indices)
        frames, times = (frames[indices], times[indices]) if indices else (None, None)
    if sound is not None:
        sound = sound[first_sample:last_sample] if last_sample > first_sample else None
    return replace(clip, frames=frames, frame_seconds=times, sound=sound)


def each_frame_once(clip: Clip) -> Clip:
    """Without repetitions of a frame that is on screen at several of the times for which frames were taken."""
    times = clip.frame_seconds
    if clip.frames is None or times is None or (times[1:] > times[:-1]).all():
        return clip
    first = np.flatnonzero(np.diff(times, prepend=-np.inf) > 0)
    return replace(clip, frames=clip.frames[first], frame_seconds=times[first])


@runtime_checkable
class ClipFacts(Protocol):
    """What has to be known of a clip before it is read."""

    @property
    def id(self) -> str: ...
    @property
    def texts(self) -> tuple[str, ...]: ...
    @property
    def duration_seconds(self) -> float: ...
    @property
    def frame_seconds(self) -> np.ndarray: ...
    @property
    def num_samples(self) -> int: ...
    @property
    def sample_rate_hz(self) -> int: ...


class RowsDigest:
    """Digests of clips that are added in order: of their facts, and of their media."""

    def __init__(self) -> None:
        self._facts, self._content = hashlib.sha256(b"["), hashlib.sha256()
        self._separator, self._is_known = "", True

    def add(self, row: Any) -> None:
        """One more clip."""
        facts = json.dumps((row.id, list(row.texts), row.duration_seconds, row.num_samples))
        self._facts.update(f"{self._separator}{facts}".encode())
        self._separator = ", "
        content = getattr(row, "content_digest", None)
        self._is_known = self._is_known and content is not None
        if self._is_known:
            self._content.update(f"{row.id} {content} ".encode(errors="surrogateescape"))

    @property
    def facts(self) -> str:
        """Of ids, texts, extents; 16 hex digits."""
        whole = self._facts.copy()
        whole.update(b"]")
        return whole.hexdigest()[:16]

    @property
    def content(self) -> str | None:
        """Of ids and media, 16 hex digits; None where a clip had no `content_digest`."""
        return self._content.hexdigest()[:16] if self._is_known else None


def digests_of(rows: Sequence[Any]) -> tuple[str, str | None]:
    """The digests of facts and of media of some clips, in order; at once where they are known (store/clip_rows.py)."""
    known = getattr(rows, "digests", None)
    if known is not None:
        return known
    digest = RowsDigest()
    for row in rows:
        digest.add(row)
    return digest.facts, digest.content


@dataclass(frozen=True, eq=False)
class RowFacts:
    """What is asked of many clips at once, without reading each of them."""

    duration_seconds: np.ndarray
    """float64, N."""
    modalities: dict[str, np.ndarray]
    """bool, N, of `video`, `audio` and `text`: which clips have it."""


def facts_of(rows: Sequence[Any]) -> RowFacts:
    """The facts of some clips, in order; at once where they stand in columns (store/clip_rows.py)."""
    if hasattr(rows, "facts"):
        return rows.facts()
    counts = {"video": lambda row: len(row.frame_seconds), "audio": lambda row: row.num_samples}
    counts["text"] = lambda row: len(row.texts)
    return RowFacts(
        np.array([row.duration_seconds for row in rows], np.float64),
        {name: np.array([count(row) > 0 for row in rows], bool) for name, count in counts.items()},
    )


def sources_of(rows: Sequence[Any]) -> list[str | None]:
    """The media file of each clip, as it is named; None where clips have none."""
    return rows.sources() if hasattr(rows, "sources") else [getattr(row, "source", None) for row in rows]


@runtime_checkable
class Dataset(Protocol):
    """Clips that can be read in part and in any order."""

    def rows(self, split: str | None = None) -> Sequence[Any]: ...
    def read(
        self, clip: Any, *, frame_indices: Sequence[int] | None = None, sound_range: tuple[int, int] | None = None
    ) -> Clip: ...
    def texts(self, split: str | None = None) -> Iterator[str]: ...


class ListedDataset:
    """A source whose rows are a list; each row names its split."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = rows

    def rows(self, split: str | None = None) -> list[Any]:
        """The clips of a split, or all."""
        return [row for row in self._rows if split in (None, row.split)]

    def texts(self, split: str | None = None) -> Iterator[str]:
        """Every text of a split, clip by clip."""
        for row in self.rows(split):
            yield from row.texts


class WrappedDataset:
    """A source that has the rows and texts of another, and reads its clips in a way of its own."""

    def __init__(self, source: Dataset) -> None:
        self.source = source

    def rows(self, split: str | None = None) -> Sequence[Any]:
        """The clips of a split, or all."""
        return self.source.rows(split)

    def texts(self, split: str | None = None) -> Iterator[str]:
        """Every text of a split."""
        return self.source.texts(split)
