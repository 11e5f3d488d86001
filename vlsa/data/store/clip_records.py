"""What the index of a whole store keeps of a clip, as bytes: all that its line in the shard's index says.

    uint32 CRC-32 of what follows | uint32 shard | uint32 F | uint32 bytes of the facts | float64 F: times of the frames
    | int64 F 3: their offsets, sizes and CRC-32 | facts: JSON

Written by index_build.py, read by clip_index.py. Axes: F frames.
"""

import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from vlsa.data.store.shard_index import StoredClip, checked_clip

HEAD = struct.Struct("<IIII")
CHECKSUM_BYTES = 4
FRAME_BYTES = 8 + 3 * 8


def encode(clip: StoredClip) -> bytes:
    """The record of a clip."""
    facts = {
        "id": clip.id,
        "source": clip.source,
        "start_seconds": clip.start_seconds,
        "stop_seconds": clip.stop_seconds,
        "texts": clip.texts,
        "split": clip.split,
        "size_px": clip.size_px,
        "sample_rate_hz": clip.sample_rate_hz,
        "sound": clip.sound_span,
        "choices": clip.choices,
        "text_kind": clip.text_kind,
    }
    text = json.dumps(facts, ensure_ascii=False).encode(errors="surrogateescape")
    frames = clip.frame_seconds.astype("<f8").tobytes() + clip.frame_spans.astype("<i8").tobytes()
    body = HEAD.pack(0, clip.shard, len(clip.frame_seconds), len(text))[CHECKSUM_BYTES:] + frames + text
    return zlib.crc32(body).to_bytes(CHECKSUM_BYTES, "little") + body


def clip_id(record: bytes) -> str:
    """The id of the clip of a record that was just written."""
    return _facts(record, HEAD.unpack_from(record)[2])["id"]


def decode(record: bytes, tar_bytes: Callable[[int], int]) -> StoredClip:
    """The clip of a record, if its members lie in the tar of its shard, whose size `tar_bytes` gives.

    Raises ValueError for a record with changed bytes, and as `checked_clip` for a clip that cannot be.
    """
    if len(record) < HEAD.size:
        raise ValueError("a record without its head")
    checksum, shard, num_frames, num_text_bytes = HEAD.unpack_from(record)
    if len(record) != HEAD.size + FRAME_BYTES * num_frames + num_text_bytes:
        raise ValueError("a record of another length")
    if checksum != zlib.crc32(memoryview(record)[CHECKSUM_BYTES:]):
        raise ValueError("a record with changed bytes")
    seconds = np.frombuffer(record, "<f8", num_frames, HEAD.size)
    spans = np.frombuffer(record, "<i8", 3 * num_frames, HEAD.size + 8 * num_frames).reshape(-1, 3)
    facts = _facts(record, num_frames)
    sound = None if facts["sound"] is None else tuple(facts["sound"])
    return checked_clip(facts, seconds, spans, sound, shard, tar_bytes(shard))


def _facts(record: bytes, num_frames: int) -> dict[str, Any]:
    return json.loads(record[HEAD.size + FRAME_BYTES * num_frames :].decode(errors="surrogateescape"))
