"""The index of a shard, read and checked: what is in each clip, and where its bytes lie in the tar.

Reads what shards.py wrote; feeds index_build.py. Nothing in an index is believed before it is compared with the tar.
Axes: F frames, H W pixels, S samples of audio.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.errors import ManifestError, StoreError
from vlsa.base.files import read_json_lines
from vlsa.data.ingest.manifest import TEXT_KINDS, Rejection, parse_rejection, parse_row
from vlsa.data.store import codecs
from vlsa.data.store.shards import index_path, shard_path

NO_CHECKSUM = -1
"""In place of a CRC-32 in a shard that was written before there were any: only lengths are checked then."""
ROW_FIELDS = ("id", "start_seconds", "stop_seconds", "texts", "split")
MOST_PIXELS_PER_BYTE = 256
"""Of a JPEG: an empty block of 64 pixels takes six bits and more."""
HIGHEST_RATE_HZ, LONGEST_SECONDS, LONGEST_SIDE_PX = 10**6, 10**9, 10**9


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StoredClip:
    """What the index says of one clip, and where its bytes lie."""

    id: str
    source: str
    start_seconds: float
    stop_seconds: float
    texts: tuple[str, ...]
    split: str
    frame_seconds: np.ndarray
    """float64, F: time of each frame from the start of the clip; F = 0 without video."""
    size_px: tuple[int, int]
    """H W; (0, 0) without video."""
    shard: int
    frame_spans: np.ndarray
    """int64, F 3: offset and size in bytes, and CRC-32, of each JPEG in the shard."""
    sound_span: tuple[int, int, int] | None
    """Offset and size in bytes, and CRC-32, of the WAV in the shard; None without audio."""
    sample_rate_hz: int
    choices: tuple[str, ...] = ()
    """Words on what was decided where the file left it open (`Clip.choices`); none in a store of an earlier version."""
    text_kind: str = TEXT_KINDS[0]
    """Of its texts: caption or transcript."""

    @property
    def has_video(self) -> bool:
        """Whether it has frames."""
        return len(self.frame_seconds) > 0

    @property
    def has_sound(self) -> bool:
        """Whether it has audio."""
        return self.sound_span is not None

    @property
    def num_samples(self) -> int:
        """S; 0 without audio."""
        return (self.sound_span[1] - codecs.WAV_HEADER_BYTES) // 2 if self.sound_span else 0

    @property
    def duration_seconds(self) -> float:
        """Length of the clip in its source."""
        return self.stop_seconds - self.start_seconds

    @property
    def content_digest(self) -> str | None:
        """Lengths and checksums of its frames and audio; None where the store keeps no checksums."""
        spans = np.array([*self.frame_spans.tolist(), *filter(None, [self.sound_span])], "<i8").reshape(-1, 3)
        if (spans[:, 2] == NO_CHECKSUM).any():
            return None
        return f"{len(self.frame_spans)} {len(spans)} {spans[:, 1:].tobytes().hex()}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardIndex:
    """The whole index of one shard."""

    num_bytes: int
    """Size of the tar; 0 = every clip was rejected and there is no tar."""
    clips: list[StoredClip]
    rejections: list[Rejection]


def read_shard_index(store_path: str | Path, number: int) -> ShardIndex:
    """The index of one shard, checked against the size of its tar. Raises StoreError when either is missing or cut."""
    path, tar_path = index_path(store_path, number), shard_path(store_path, number)
    try:
        head, *lines = read_json_lines(path)
        whole = [sum(name in line for line in lines) for name in ("id", "rejected")] == [
            head["num_clips"],
            head["num_rejected"],
        ]
        num_bytes = shard_bytes(store_path, number)
        if whole and num_bytes != head["num_bytes"]:
            raise damaged(tar_path, f"the shard ({num_bytes} of {int(head['num_bytes'])} bytes exist)")
        clips = [_stored_clip(line, number, num_bytes) for line in lines if "id" in line]
        rejections = [parse_rejection(line["rejected"], "") for line in lines if "rejected" in line]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, ManifestError) as error:
        raise damaged(path, "the index") from error
    if not whole:
        raise damaged(path, "the index (cut short)")
    return ShardIndex(num_bytes=num_bytes, clips=clips, rejections=rejections)


def shard_bytes(store_path: str | Path, number: int) -> int:
    """Size of the tar of a shard; 0 where there is none."""
    path = shard_path(store_path, number)
    return path.stat().st_size if path.is_file() else 0


def damaged(path: str | Path, what: str) -> StoreError:
    """The error for bytes that are not what the index says."""
    return StoreError(
        f"{path}: {what} is damaged; the clips in it cannot be trusted. "
        f"Delete {Path(path).with_suffix('.jsonl').name} next to it and run the same `vlsa prepare` again."
    )


def _stored_clip(line: dict[str, Any], shard: int, num_bytes: int) -> StoredClip:
    """A clip from its line. Raises what read_shard_index catches."""
    checksums = line.get("crc32", {})
    spans = {name: _span(*span, checksums.get(name, NO_CHECKSUM)) for name, span in line["members"].items()}
    frames = [spans[codecs.frame_name(k)] for k in range(len(line["frame_seconds"]))]
    _require(
        isinstance(line["frame_seconds"], list) and all(type(time) in (int, float) for time in line["frame_seconds"])
    )
    seconds = np.array(line["frame_seconds"], dtype=np.float64)
    frame_spans = np.array(frames, dtype=np.int64).reshape(-1, 3)
    return checked_clip(line, seconds, frame_spans, spans.get("wav"), shard, num_bytes)


def checked_clip(
    facts: dict[str, Any],
    frame_seconds: np.ndarray,
    frame_spans: np.ndarray,
    sound_span: tuple[int, int, int] | None,
    shard: int,
    num_bytes: int,
) -> StoredClip:
    """A clip of `facts` as they stand in its line, if its members lie inside the `num_bytes` of the tar.

    Sizes are compared with the stored bytes here, so that a damaged index cannot ask a reader for much memory. Raises
    ValueError, LookupError, TypeError, AttributeError, OverflowError or ManifestError for what cannot be.
    """
    fields = {name: facts[name] for name in ROW_FIELDS} | {"text_kind": facts.get("text_kind", TEXT_KINDS[0])}
    row = parse_row({"path": facts["source"], **fields}, "")
    height_px, width_px = facts["size_px"]
    rate_hz = facts["sample_rate_hz"]
    _require(all(type(number) is int and number >= 0 for number in (height_px, width_px, rate_hz)))
    _require(0 < rate_hz <= HIGHEST_RATE_HZ and max(height_px, width_px) <= LONGEST_SIDE_PX)
    _require(-LONGEST_SECONDS <= row.start_seconds < row.stop_seconds <= LONGEST_SECONDS)
    _check_frames(frame_seconds, frame_spans, height_px * width_px, num_bytes)
    _check_sound(sound_span, num_bytes)
    return StoredClip(
        id=row.id,
        source=row.path,
        start_seconds=row.start_seconds,
        stop_seconds=row.stop_seconds,
        texts=row.texts,
        split=row.split,
        frame_seconds=frame_seconds,
        size_px=(height_px, width_px),
        shard=shard,
        frame_spans=frame_spans,
        sound_span=sound_span,
        sample_rate_hz=rate_hz,
        choices=_choices(facts.get("choices", [])),
        text_kind=row.text_kind,
    )


def _check_frames(seconds: np.ndarray, spans: np.ndarray, num_pixels: int, num_bytes: int) -> None:
    """Times finite and in order; members inside the tar, and large enough for their pixels."""
    if not len(seconds):
        return
    (offset, size, checksum), (most_offset, most_size, most_checksum) = spans.min(0).tolist(), spans.max(0).tolist()
    _require(offset >= 0 and most_offset <= num_bytes and most_size <= num_bytes)  # so that no sum below overflows
    _require((spans[:, 0] + spans[:, 1]).max() <= num_bytes and 0 < num_pixels <= MOST_PIXELS_PER_BYTE * size)
    _require(checksum >= NO_CHECKSUM and most_checksum < 2**32)
    _require(math.isfinite(seconds[0]) and math.isfinite(seconds[-1]) and (seconds[1:] >= seconds[:-1]).all())


def _check_sound(span: tuple[int, int, int] | None, num_bytes: int) -> None:
    if span is None:
        return
    offset, size, checksum = span
    _require(0 <= offset <= offset + size <= num_bytes and NO_CHECKSUM <= checksum < 2**32)
    _require(size >= codecs.WAV_HEADER_BYTES and size % 2 == 0)


def _choices(words: Any) -> tuple[str, ...]:
    _require(isinstance(words, list) and all(isinstance(word, str) and word.isprintable() for word in words))
    return tuple(words)


def _span(offset: Any, size: Any, checksum: Any) -> tuple[int, int, int]:
    _require(type(offset) is type(size) is type(checksum) is int)
    return offset, size, checksum


def _require(holds: bool | np.bool_) -> None:
    if not holds:
        raise ValueError
