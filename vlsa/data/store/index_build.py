"""The index of a whole store, made of the indexes of its shards, which stay what it is derived from.

Reads shard_index.py; writes what clip_index.py reads (index_layout.py says where). In memory at a time: a shard, and
some 80 bytes a clip.
"""

import json
import zlib
from array import array
from dataclasses import asdict
from hashlib import blake2b
from io import BufferedRandom, BytesIO
from pathlib import Path

import numpy as np

from vlsa.base.errors import StoreError
from vlsa.data.clip import RowsDigest
from vlsa.data.ingest.manifest import SPLITS, Rejection
from vlsa.data.store import clip_records
from vlsa.data.store.index_layout import COLUMNS, DIGEST_BYTES, DTYPES, HEADER_BYTES, Layout
from vlsa.data.store.shard_index import ShardIndex, StoredClip, read_shard_index
from vlsa.data.store.shards import index_path

MODALITY_BITS = {"video": 1, "audio": 2, "text": 4}


def id_hash(clip_id: str) -> int:
    """What clips are looked up by."""
    return int.from_bytes(blake2b(clip_id.encode(), digest_size=8).digest(), "little")


def write_index(store_path: Path, num_shards: int, file: BufferedRandom | BytesIO) -> None:
    """Write the index of all shards into a file that can be read too.

    Raises StoreError: a shard is missing or damaged, or a clip occurs twice.
    """
    file.write(b" " * HEADER_BYTES)
    gathered = _Gathered()
    for number in range(num_shards):
        shard = read_shard_index(store_path, number)
        gathered.add_shard(shard, index_path(store_path, number).read_bytes())
        for clip in shard.clips:
            file.write(gathered.add(clip))
    columns = gathered.columns()
    if _has_doubles(columns, file):
        raise StoreError(
            f"{store_path}: a clip id occurs twice; scores would count it twice. Prepare into a new folder."
        )
    file.seek(HEADER_BYTES + gathered.num_record_bytes)
    _write_columns(columns, gathered.num_record_bytes, num_shards, file)


def _has_doubles(columns: dict[str, np.ndarray], file: BufferedRandom | BytesIO) -> bool:
    """Whether clips whose ids have the same hash have the same id; the ids are in the records."""

    def id_of(place: int) -> str:
        start, stop = columns["record_start"][columns["id_clip"][place] :][:2].tolist()
        file.seek(HEADER_BYTES + start)
        return clip_records.clip_id(file.read(stop - start))

    hashes = columns["id_hash"]
    places = np.flatnonzero(hashes[1:] == hashes[:-1])
    ids = [id_of(place) for place in np.union1d(places, places + 1).tolist()]
    return len(set(ids)) < len(ids)


def _write_columns(
    columns: dict[str, np.ndarray], num_record_bytes: int, num_shards: int, file: BufferedRandom | BytesIO
) -> None:
    """All behind the records, then the header."""
    padding = -num_record_bytes % 8
    file.write(bytes(padding))
    checksum = 0
    for name, (kind, _) in COLUMNS.items():
        data = columns[name].astype(DTYPES[kind]).tobytes()
        checksum = zlib.crc32(data, checksum)
        file.write(data)
    file.seek(0)
    sizes = (len(columns["modalities"]), num_shards, len(columns["rejections"]))
    file.write(Layout(num_record_bytes + padding, *sizes).header(checksum))


class _Gathered:
    """The columns as they grow."""

    def __init__(self) -> None:
        self.num_record_bytes = 0
        self._starts, self._hashes, self._seconds = array("Q", [0]), array("Q"), array("d")
        self._firsts, self._modalities, self._splits = array("I"), bytearray(), bytearray()
        self._first_of: dict[str, int] = {}
        self._shards: list[tuple[int, int, int]] = []
        self._rejections = bytearray()
        self._digests = {split: RowsDigest() for split in ("", *SPLITS)}

    def add_shard(self, shard: ShardIndex, index: bytes) -> None:
        """A shard, and the bytes of its index."""
        self._shards.append((shard.num_bytes, len(index), zlib.crc32(index)))
        self._rejections += b"".join(map(_rejection_line, shard.rejections))

    def add(self, clip: StoredClip) -> bytes:
        """Its record."""
        record = clip_records.encode(clip)
        self.num_record_bytes += len(record)
        has = {"video": clip.has_video, "audio": clip.has_sound, "text": bool(clip.texts)}
        self._firsts.append(self._first_of.setdefault(clip.source, len(self._modalities)))
        self._starts.append(self.num_record_bytes)
        self._hashes.append(id_hash(clip.id))
        self._seconds.append(clip.duration_seconds)
        self._modalities.append(sum(bit for name, bit in MODALITY_BITS.items() if has[name]))
        self._splits.append(SPLITS.index(clip.split))
        for split in ("", clip.split):
            self._digests[split].add(clip)
        return record

    def columns(self) -> dict[str, np.ndarray]:
        """By name, without the records."""
        hashes, splits = np.array(self._hashes, np.uint64), np.frombuffer(self._splits, np.uint8)
        order = np.argsort(hashes, kind="stable")
        shards = np.array(self._shards, np.uint64).reshape(-1, 3)
        digests = json.dumps({split: [one.facts, one.content] for split, one in self._digests.items()}).encode()
        return {
            "record_start": np.array(self._starts, np.uint64),
            "duration_seconds": np.array(self._seconds, np.float64),
            "id_hash": hashes[order],
            "split_counts": np.bincount(splits, minlength=len(SPLITS)),
            "tar_bytes": shards[:, 0],
            "index_bytes": shards[:, 1],
            "id_clip": order,
            "split_clips": np.argsort(splits, kind="stable"),
            "first_of_source": np.array(self._firsts, np.uint32),
            "index_crc32": shards[:, 2],
            "modalities": np.frombuffer(self._modalities, np.uint8),
            "digests": np.frombuffer(digests.ljust(DIGEST_BYTES), np.uint8),
            "rejections": np.frombuffer(self._rejections, np.uint8),
        }


def _rejection_line(rejection: Rejection) -> bytes:
    return json.dumps(asdict(rejection), ensure_ascii=False).encode(errors="surrogateescape") + b"\n"
