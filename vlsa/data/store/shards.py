"""The clip store on disk: its layout, and the writing of one shard. shard_index.py and reader.py read it.

STORE/store.json                  format, version, settings, digest of the manifest, number of shards, and base: the
                                  folder that relative sources of clips are relative to (before 0.4: not recorded)
STORE/shards/shard-000000.tar     per clip: ID.f000.jpg ..., ID.wav (PCM16 mono), ID.json
STORE/shards/shard-000000.jsonl   a line on the shard, then one per clip (with offset, size and CRC-32 of each
                                  member), one per rejection; written after the tar
"""

import io
import json
import math
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlsa.base.errors import ConfigError, StoreError
from vlsa.base.files import partial_name, read_json, write_atomically, write_json_lines
from vlsa.config import overrides as settings_json
from vlsa.data.clip import Clip
from vlsa.data.ingest.manifest import TEXT_KINDS, Rejection
from vlsa.data.store import codecs

FORMAT, VERSION = "vlsa-clip-store", 1
DROPPABLE = ("no_video", "no_sound", "no_text")
"""What a clip may lack to be left out; also the reason that the report gives."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreSettings:
    """How clips are kept. A store holds clips of one setting only."""

    short_side_px: int = 256
    """Room for a random crop of the paper's 224 px."""
    frames_per_second: float = 8.0
    """Frames kept; training samples 8 of the 48 in 6 s."""
    sample_rate_hz: int = 11_025
    """The rate that the paper's front end reads."""
    jpeg_quality: int = 90
    clips_per_shard: int = 256
    """At most; a small manifest gets smaller shards, so that all workers are busy."""
    window_seconds: float = 6.0
    """Length of the clips cut where there is no text: the paper's 5.94 s of audio, rounded up."""
    drop: tuple[str, ...] = ()
    """Leave out clips that lack one of these: some of DROPPABLE."""

    def __post_init__(self) -> None:
        if unknown := [word for word in self.drop if word not in DROPPABLE]:
            raise ConfigError(f"store.drop={unknown[0]}: clips can be dropped for {', '.join(DROPPABLE)}.")
        object.__setattr__(self, "drop", tuple(word for word in DROPPABLE if word in self.drop))
        for name in ("short_side_px", "frames_per_second", "sample_rate_hz", "clips_per_shard", "window_seconds"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(
                    f"store.{name}={getattr(self, name)} must be above 0, and finite: nothing could be kept."
                )
        if not 1 <= self.jpeg_quality <= 100:
            raise ConfigError(f"store.jpeg_quality={self.jpeg_quality} must lie in 1..100. Try 90.")


class ShardWriter:
    """Writes one shard, inside `with`: `add` and `reject` in order, then `commit`. The same clips give the same bytes.

    Nothing is visible under its final name before `commit`; leaving without it removes what was written. Raises
    StoreError when the disk refuses.
    """

    def __init__(self, store_path: str | Path, number: int, settings: StoreSettings) -> None:
        self._path = shard_path(store_path, number)
        self._partial_path = partial_name(self._path)  # an orphan of a killed run has another
        self._settings = settings
        self._clip_lines: list[dict[str, Any]] = []
        self._rejection_lines: list[dict[str, Any]] = []
        with writing(self._partial_path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._partial_path.open("wb")  # closed by commit or __exit__
            self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        for part in (self._tar, self._file):
            with suppress(OSError):  # on a full disk the last blocks fail too, and would hide what failed first
                part.close()
        self._partial_path.unlink(missing_ok=True)

    def add(self, clip: Clip, split: str, text_kind: str = TEXT_KINDS[0]) -> None:
        """Append a clip's frames, audio and texts, which are of one kind."""
        seconds = [] if clip.frame_seconds is None else [round(float(time), 6) for time in clip.frame_seconds]
        facts = {
            "id": clip.id,
            "source": clip.source,
            "start_seconds": clip.start_seconds,
            "stop_seconds": clip.stop_seconds,
            "texts": list(clip.texts),
            "split": split,
            "has_video": clip.frames is not None,
            "has_sound": clip.sound is not None,
            "size_px": (0, 0) if clip.frames is None else clip.frames.shape[1:3],
            "frame_seconds": seconds,
            "sample_rate_hz": clip.sample_rate_hz or self._settings.sample_rate_hz,
            **({"choices": list(clip.choices)} if clip.choices else {}),
            **({"text_kind": text_kind} if text_kind != TEXT_KINDS[0] else {}),
        }
        files = dict(codecs.encode(clip, self._settings.jpeg_quality))
        files["json"] = json.dumps(facts, ensure_ascii=False).encode(errors="surrogateescape")
        spans = {name: self._append(f"{clip.id}.{name}", data) for name, data in files.items()}
        checksums = {name: zlib.crc32(data) for name, data in files.items()}
        self._clip_lines.append(facts | {"members": spans, "crc32": checksums})

    def reject(self, rejection: Rejection) -> None:
        """Remember a clip that could not be kept, so that a second run neither tries nor loses it."""
        self._rejection_lines.append({"rejected": asdict(rejection)})

    def commit(self) -> None:
        """Make the shard visible: the tar first, then the index that vouches for it."""
        with writing(self._path):
            self._tar.close()
            num_bytes = self._file.tell() if self._clip_lines else 0
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            if self._clip_lines:
                os.replace(self._partial_path, self._path)
            else:  # an empty tar is an error to most readers
                self._partial_path.unlink()
                self._path.unlink(missing_ok=True)
            counts = {"num_clips": len(self._clip_lines), "num_rejected": len(self._rejection_lines)}
            head = {"shard": self._path.name, "num_bytes": num_bytes, **counts}
            write_json_lines(self._path.with_suffix(".jsonl"), [head, *self._clip_lines, *self._rejection_lines])

    def _append(self, name: str, data: bytes) -> tuple[int, int]:
        member = tarfile.TarInfo(name)  # its time, owner and mode are constants: the bytes depend on the clip alone
        member.size = len(data)
        with writing(self._partial_path):
            self._tar.addfile(member, io.BytesIO(data))
        num_blocks = -(-len(data) // tarfile.BLOCKSIZE)
        return self._tar.offset - num_blocks * tarfile.BLOCKSIZE, len(data)


def shard_path(store_path: str | Path, number: int) -> Path:
    """The tar of a shard."""
    return Path(store_path) / "shards" / f"shard-{number:06d}.tar"


def index_path(store_path: str | Path, number: int) -> Path:
    """The index of a shard: it exists once the shard is whole."""
    return shard_path(store_path, number).with_suffix(".jsonl")


def write_header(store_path: str | Path, settings: StoreSettings, **facts: Any) -> None:
    """Write STORE/store.json: format, version, settings, and `facts` (num_shards at least)."""
    header = {"format": FORMAT, "version": VERSION, "settings": _as_json(settings), **facts}
    with writing(Path(store_path)):
        write_atomically(Path(store_path) / "store.json", json.dumps(header, indent=1).encode() + b"\n")


def _as_json(settings: StoreSettings) -> dict[str, Any]:
    """Without what earlier versions did not know, where it says nothing: they read the store too."""
    values = settings_json.to_dict(settings)
    return values if settings.drop else {name: value for name, value in values.items() if name != "drop"}


def read_header(store_path: str | Path) -> dict[str, Any]:
    """STORE/store.json. Raises StoreError: missing, not a store, or of another version."""
    path = Path(store_path)
    if not path.is_dir():
        raise StoreError(f"{path}: no such folder; a clip store is needed. Make one with `vlsa prepare FOLDER {path}`.")
    not_a_store = StoreError(f"{path}: not a clip store (no valid store.json). Give the folder `vlsa prepare` wrote.")
    try:
        header = read_json(path / "store.json")
    except (OSError, ValueError) as error:
        raise not_a_store from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise not_a_store
    if header.get("version") != VERSION:
        raise StoreError(
            f"{path}: store of version {header.get('version')!r:.20}, this vlsa reads {VERSION}; its clips would be "
            "misread. Prepare it again into a new folder, or use the vlsa that wrote it."
        )
    _check_header(path, header)
    return header


def header_settings(header: dict[str, Any]) -> StoreSettings:
    """The settings that a store was written with."""
    return settings_json.from_dict(StoreSettings, header["settings"], "store.")


def _check_header(path: Path, header: dict[str, Any]) -> None:
    """Raises StoreError unless the settings, the number of shards and the base can be."""
    try:
        header_settings(header)
        whole = type(header["num_shards"]) is int and 0 <= header["num_shards"] <= header.get("num_rows", math.inf)
        added = header.get("added", [])
        whole = whole and isinstance(added, list) and all(type(count) is int and count > 0 for count in added)
        whole = whole and b"\0" not in os.fsencode(header.get("base", ""))
    except (ConfigError, KeyError, AttributeError, TypeError, UnicodeEncodeError):
        whole = False
    if not whole:  # num_rows bounds a damaged number, which would be counted up to
        raise StoreError(f"{path}: store.json is damaged; clips would be misread. Prepare them into another folder.")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}); the store stays unfinished. "
            "Make room or fix the permissions, and run the same command again: finished shards are kept."
        ) from error
