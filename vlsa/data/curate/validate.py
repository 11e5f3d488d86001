"""Whether a store is whole: every member of every tar against the index, its checksum, and by decoding it.

Reads the tars by Python's tarfile, as other programs do, and the rows of store/reader.py; one shard at a time in the
processes of engine/workers.py. Feeds `vlsa data validate`.
"""

import contextlib
import io
import json
import os
import tarfile
import wave
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from vlsa.base.errors import StoreError
from vlsa.base.files import Progress
from vlsa.data.engine.workers import TASK_SECONDS, Done, Heartbeat, Lost, Started, WorkerPool, patience_seconds
from vlsa.data.store import clip_records
from vlsa.data.store.codecs import decode_jpeg, frame_name
from vlsa.data.store.place import Place
from vlsa.data.store.reader import ClipStore, StoredClip
from vlsa.data.store.shard_index import NO_CHECKSUM, read_shard_index
from vlsa.data.store.shards import index_path, shard_path

CLIPS_PER_BEAT = 16


@dataclass(frozen=True)
class Fault:
    """Something in a store that is not as its index says."""

    shard: str
    """File name of the tar."""
    member: str
    """Name in the tar; "" when the tar itself is at fault."""
    what: str

    def __str__(self) -> str:
        return f"{self.shard}{f': {self.member}' if self.member else ''}: {self.what}"

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Task:
    """A shard to check, with the clips that the index of the store has in it. Picklable."""

    place: Place
    number: int
    clips: tuple[StoredClip, ...]

    @property
    def name(self) -> str:
        """File name of its tar."""
        return shard_path("", self.number).name


def validate(store: ClipStore, *, num_workers: int | None = None, progress: Progress | None = None) -> Iterator[Fault]:
    """Every fault of a store, shard by shard as they are found; none when the store is whole.

    `num_workers` processes check (None = one per core, 0 = this process).
    """
    tasks, total = _tasks(store), len(store)
    num_workers = os.cpu_count() or 1 if num_workers is None else num_workers
    done = 0
    pool = WorkerPool(check_shard, tasks, num_workers)
    with contextlib.closing(pool.events()) as events:
        for event in events:
            if isinstance(event, Started):
                continue
            done += len(event.task.clips)
            if progress:
                progress(done, total, event.task.name)
            if isinstance(event, Done):
                yield from event.value
            elif isinstance(event, Lost):
                yield Fault(event.task.name, event.label, f"checking it ended the process: {event.message}")


def _tasks(store: ClipStore) -> list[_Task]:
    by_shard: dict[int, list[StoredClip]] = {}
    for clip in store.rows():
        by_shard.setdefault(clip.shard, []).append(clip)
    num_shards = store.place.header()["num_shards"]  # later ones are of an addition that is not finished
    return [_Task(store.place, number, tuple(by_shard.get(number, ()))) for number in range(num_shards)]


def check_shard(task: _Task, beat: Heartbeat) -> list[Fault]:
    """The faults of one shard, in the order of its index."""
    beat("", TASK_SECONDS)
    with task.place.shard_folder(task.number) as folder:
        return _faults(task, folder, beat)


def _faults(task: _Task, folder: Path, beat: Heartbeat) -> list[Fault]:
    """Those of a shard whose tar and index lie in a folder."""
    name, path = task.name, shard_path(folder, task.number)
    patience = patience_seconds(path)
    beat("", patience)
    if what := _index_fault(task, folder):
        return [Fault(index_path(folder, task.number).name, "", what)]
    if not task.clips and not path.exists():  # every clip was rejected
        return []
    try:
        members = _members(path)
    except (OSError, tarfile.TarError) as error:
        return [Fault(name, "", f"tarfile cannot read it ({error}); prepare its clips again")]
    faults: list[Fault] = []
    with path.open("rb") as file:
        for number, clip in enumerate(task.clips):
            if number % CLIPS_PER_BEAT == 0:
                beat(clip.id, patience)
            faults += [Fault(name, member, what) for member, what in _check_clip(clip, members, file)]
    return faults + [Fault(name, member, "in the tar, but not in the index") for member in members]


def _index_fault(task: _Task, folder: Path) -> str:
    """What is wrong with the index of the shard, which the index of the store is made from."""
    try:
        clips = read_shard_index(folder, task.number).clips
    except StoreError as error:
        return str(error)
    if list(map(clip_records.encode, clips)) != list(map(clip_records.encode, task.clips)):
        return (
            "is not what the index of the store was made from: one of them has changed bytes. Restore it from a copy, "
            "or delete it and clips.safetensors and prepare again"
        )
    return ""


def _members(path: Path) -> dict[str, tarfile.TarInfo]:
    """By their names. Raises OSError and TarError, also for a tar that ends early or holds a name twice."""
    with tarfile.open(path, "r:") as tar:
        found = tar.getmembers()
        if found and path.stat().st_size < found[-1].offset_data + found[-1].size:
            raise tarfile.ReadError("unexpected end of data")
        members = {member.name: member for member in found}
        if len(members) < len(found):
            raise tarfile.ReadError("a member occurs twice")
        return members


def _check_clip(clip: StoredClip, members: dict[str, tarfile.TarInfo], file: BinaryIO) -> Iterator[tuple[str, str]]:
    """Name and fault of each faulty member of a clip; its members are taken out of `members`."""
    spans = {frame_name(k): span for k, span in enumerate(clip.frame_spans.tolist())}
    if clip.sound_span is not None:
        spans["wav"] = clip.sound_span
    for part, (offset, size, crc32) in spans.items():
        member = members.pop(f"{clip.id}.{part}", None)
        what = _compare(member, offset, size)
        data = os.pread(file.fileno(), size, offset) if not what else b""
        if not what and crc32 not in (NO_CHECKSUM, zlib.crc32(data)):
            what = "its bytes have another CRC-32 than the index says"
        what = what or (_wav_fault(data, clip) if part == "wav" else _jpeg_fault(data, clip))
        if what:
            yield f"{clip.id}.{part}", what
    member = members.pop(f"{clip.id}.json", None)
    data = os.pread(file.fileno(), member.size, member.offset_data) if member else b""
    if what := _json_fault(data, clip) if member else "not in the tar":
        yield f"{clip.id}.json", what


def _compare(member: tarfile.TarInfo | None, offset: int, size: int) -> str:
    if member is None:
        return "not in the tar"
    if (member.offset_data, member.size) != (offset, size):
        return f"lies at {member.offset_data} with {member.size} bytes, not at {offset} with {size} as the index says"
    return ""


def _jpeg_fault(data: bytes, clip: StoredClip) -> str:
    try:
        decode_jpeg(data, *clip.size_px)
    except (ValueError, OSError) as error:
        return f"cannot be decoded as a frame of {clip.size_px[1]} x {clip.size_px[0]} px ({error})"
    return ""


def _wav_fault(data: bytes, clip: StoredClip) -> str:
    try:
        with wave.open(io.BytesIO(data)) as sound:
            found = (
                sound.getnchannels(),
                sound.getsampwidth(),
                sound.getframerate(),
                len(sound.readframes(2**31)) // 2,
            )
    except (wave.Error, EOFError) as error:
        return f"cannot be decoded as WAV ({error})"
    wanted = (1, 2, clip.sample_rate_hz, clip.num_samples)
    return "" if found == wanted else f"channels, bytes, rate and samples are {found}, not {wanted}"


def _json_fault(data: bytes, clip: StoredClip) -> str:
    try:
        facts = json.loads(data.decode(errors="surrogateescape"))
    except ValueError as error:
        return f"cannot be read as JSON ({error})"
    different = [
        name for name, value in _facts(clip).items() if not isinstance(facts, dict) or facts.get(name) != value
    ]
    return f"{', '.join(different)} differ from the index" if different else ""


def _facts(clip: StoredClip) -> dict[str, Any]:
    names = ("id", "source", "start_seconds", "stop_seconds", "split", "has_video", "has_sound", "sample_rate_hz")
    return {name: getattr(clip, name) for name in names} | {
        "texts": list(clip.texts),
        "size_px": list(clip.size_px),
        "frame_seconds": clip.frame_seconds.tolist(),
    }
