"""Reading a clip store: whole clips, single frames, or a stretch of audio, at random and from any process.

Reads what shards.py wrote (see there for the layout), by the index of the whole store (clip_index.py); feeds loader.py,
evaluation, and the training of the tokenizer. Members are read by their offset in the shard, so a global shuffle costs
nothing, and no library is needed but Pillow.
Axes: F frames, H W pixels, S samples of audio.
"""

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.errors import StoreError
from vlsa.data.clip import Clip
from vlsa.data.ingest.manifest import SPLITS, Rejection
from vlsa.data.store.clip_index import ClipIndex
from vlsa.data.store.clip_rows import ClipRows
from vlsa.data.store.codecs import WAV_HEADER_BYTES, decode_jpegs, decode_pcm
from vlsa.data.store.place import Place
from vlsa.data.store.remote_place import place_of
from vlsa.data.store.shard_index import StoredClip, damaged
from vlsa.data.store.shards import ShardWriter, StoreSettings, header_settings

__all__ = ["ClipStore", "ShardWriter", "StoreSettings", "StoredClip"]


class ClipStore:
    """A finished store, open for reading. Cheap to pickle and safe to share between threads and forked processes."""

    def __init__(self, place: Place, settings: StoreSettings, index: ClipIndex, base: str = "") -> None:
        self.place, self.settings, self._index, self._base = place, settings, index, base
        self.clips = ClipRows(index, None)

    @classmethod
    def open(cls, path: str | Path) -> "ClipStore":
        """Open a store, of a folder or of an address such as s3://bucket/store, and check that it is whole.

        Raises StoreError: missing, not a store, of another version, unfinished, cut short, or with a clip twice; not
        reached. ConfigError for an address that cannot be.
        """
        place = place_of(path)
        header = place.header()
        num_shards, found = header["num_shards"], place.shard_files()
        if num_missing := found.num_missing(num_shards):
            raise StoreError(
                f"{path}: unfinished, {num_missing} of {num_shards} shards are missing; "
                "a part of the clips would be left out. Run the same `vlsa prepare` again: it resumes where it stopped."
            )
        index = place.index(num_shards, found)
        store = cls(place, header_settings(header), index, header.get("base", ""))
        num_found = len(store) + len(store.rejections)
        if header.get("num_rows", num_found) != num_found:
            raise StoreError(
                f"{path}: {num_found} clips in its shards, {header['num_rows']} in store.json; some would be left out. "
                "Prepare them into another folder."
            )
        return store

    @property
    def path(self) -> Path | str:
        """The folder, or the address, of the store."""
        return self.place.path

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, clip_id: str) -> StoredClip:
        """A clip by its id. Raises KeyError."""
        return self._index.clip(self._index.find(clip_id))

    def __repr__(self) -> str:
        return f"ClipStore({str(self.path)!r}, {len(self)} clips)"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "rejections"}

    @property
    def content_digest(self) -> str | None:
        """Digest of every clip's id, frames and audio, in order; None for stores that keep no checksums.

        Paths do not count: the same media prepared from another folder has the same digest.
        """
        return self.clips.digests[1]

    @cached_property
    def rejections(self) -> list[Rejection]:
        """What was left out, in the order of shards."""
        return self._index.rejections()

    def rows(self, split: str | None = None) -> ClipRows:
        """The clips of a split (None = all), in the manifest's order. Raises StoreError for an unknown split."""
        if split not in (None, *SPLITS):
            raise StoreError(f"{self.path}: no split named {split!r}. Known: {', '.join(SPLITS)}.")
        return ClipRows(self._index, split)

    def media_path(self, clip: StoredClip) -> str:
        """The absolute path of a clip's media file, wherever this process runs.

        A store from before 0.4 does not say what relative sources are relative to: the current folder is assumed.
        """
        return os.path.abspath(os.path.join(self._base, clip.source))

    def texts(self, split: str | None = None) -> Iterator[str]:
        """Every text of a split, clip by clip."""
        for clip in self.rows(split):
            yield from clip.texts

    def read(
        self,
        clip: StoredClip,
        *,
        frame_indices: Sequence[int] | None = None,
        sound_range: tuple[int, int] | None = None,
    ) -> Clip:
        """Decode a clip, or the asked part of it only.

        `frame_indices` chooses frames (F of the result = their number; none = no video), `sound_range` samples first
        to last + 1 (then sample 0 of the result is the first asked one; an empty range = no audio). None = all.
        Raises StoreError when the bytes are damaged.
        """
        indices = range(len(clip.frame_seconds)) if frame_indices is None else frame_indices
        frames = self._read_frames(clip, indices) if len(indices) else None
        sound = self._read_sound(clip, sound_range or (0, clip.num_samples))
        return Clip(
            id=clip.id,
            source=clip.source,
            start_seconds=clip.start_seconds,
            stop_seconds=clip.stop_seconds,
            frames=frames,
            frame_seconds=None if frames is None else clip.frame_seconds[list(indices)],
            sound=sound,
            sample_rate_hz=None if sound is None else clip.sample_rate_hz,
            texts=clip.texts,
        )

    def _read_frames(self, clip: StoredClip, indices: Sequence[int]) -> np.ndarray:
        try:
            members = self.place.members(clip, clip.frame_spans[list(indices)].tolist())
            return decode_jpegs(members, *clip.size_px)
        except (ValueError, OSError) as error:
            raise damaged(self.place.shard_name(clip.shard), f"a frame of clip {clip.id} ({error})") from error

    def _read_sound(self, clip: StoredClip, sound_range: tuple[int, int]) -> np.ndarray | None:
        first, last = sound_range
        if clip.sound_span is None or first == last:
            return None
        assert 0 <= first < last <= clip.num_samples, f"samples {sound_range} of {clip}"
        data = self.place.members(clip, [clip.sound_span])[0]  # whole, since the checksum is of the whole
        return decode_pcm(memoryview(data)[WAV_HEADER_BYTES + 2 * first : WAV_HEADER_BYTES + 2 * last])
