"""A store for other programs: as Parquet that the `datasets` library reads, or as plain files.

Frames and audio leave the store as they are in it, byte for byte: JPEG and PCM. Reads the rows of a store and the tars;
feeds `vlsa data export`.

OUT/train-00000.parquet ...          a row a clip, see FEATURES
OUT/ID.mov | ID.wav, ID.txt          frames (motion JPEG, each at its time) with audio, or audio alone; a text a line
OUT/manifest.jsonl                   of plain files: the clips, as `vlsa prepare` takes them back
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vlsa.base.errors import ConfigError
from vlsa.base.files import Progress, naming
from vlsa.data.curate.splits_file import ResplitStore
from vlsa.data.ingest import manifest
from vlsa.data.ingest.manifest import SPLITS, ClipRow
from vlsa.data.store.codecs import WAV_HEADER_BYTES
from vlsa.data.store.reader import ClipStore, StoredClip

MANIFEST_NAME = "manifest.jsonl"
CLIPS_PER_GROUP = 32
MOST_FILE_BYTES = 500_000_000
"""Of the media in a Parquet file; then the next one begins."""
TICKS = 90_000
TEXT, NUMBER = {"dtype": "string", "_type": "Value"}, {"dtype": "float64", "_type": "Value"}
FEATURES: dict[str, Any] = {
    "id": TEXT,
    "source": TEXT,
    "start_seconds": NUMBER,
    "stop_seconds": NUMBER,
    "split": TEXT,
    "texts": {"feature": TEXT, "_type": "List"},
    "text_kind": TEXT,
    "frames": {"feature": {"_type": "Image"}, "_type": "List"},
    "frame_seconds": {"feature": NUMBER, "_type": "List"},
    "audio": {"_type": "Audio"},
}
"""The columns, in the words of the `datasets` library, which finds them in the file."""


@dataclass(frozen=True)
class StoredBytes:
    """The files of one clip in a store."""

    frames: tuple[bytes, ...]
    """JPEG."""
    sound: bytes | None
    """WAV: PCM16, mono."""

    @property
    def size(self) -> int:
        return sum(map(len, self.frames)) + len(self.sound or b"")


def stored_bytes(store: ClipStore | ResplitStore, clip: StoredClip) -> StoredBytes:
    """The files of a clip. Raises StoreError when they are damaged."""
    spans = [*clip.frame_spans.tolist(), *filter(None, [clip.sound_span])]
    members = store.place.members(clip, spans)
    num_frames = len(clip.frame_spans)
    return StoredBytes(tuple(members[:num_frames]), next(iter(members[num_frames:]), None))


def export_parquet(
    store: ClipStore | ResplitStore, clips: Sequence[StoredClip], out: Path, progress: Progress | None = None
) -> list[Path]:
    """Write Parquet files, some for each split, and return their paths. Raises ConfigError if OUT is not empty."""
    import pyarrow.parquet

    _claim(out)
    written: list[Path] = []
    done = 0
    for split in SPLITS:
        writer, num_bytes = None, 0
        chosen = [clip for clip in clips if clip.split == split]
        for first in range(0, len(chosen), CLIPS_PER_GROUP):
            part = chosen[first : first + CLIPS_PER_GROUP]
            media = [stored_bytes(store, clip) for clip in part]
            if writer is None:
                written.append(out / f"{split}-{sum(path.name.startswith(split) for path in written):05d}.parquet")
                writer, num_bytes = pyarrow.parquet.ParquetWriter(written[-1], _schema(), compression="none"), 0
            with naming(written[-1]):
                writer.write_table(_table(part, media))
            num_bytes, done = num_bytes + sum(one.size for one in media), done + len(part)
            if progress:
                progress(done, len(clips), written[-1].name)
            if num_bytes > MOST_FILE_BYTES or first + CLIPS_PER_GROUP >= len(chosen):
                writer.close()
                writer = None
    return written


def _schema() -> Any:
    import pyarrow as pa

    media = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    kinds = {"texts": pa.list_(pa.string()), "frames": pa.list_(media), "frame_seconds": pa.list_(pa.float64())}
    kinds["audio"] = media
    columns = [
        (name, kinds.get(name) or (pa.string() if FEATURES[name] is TEXT else pa.float64())) for name in FEATURES
    ]
    return pa.schema(columns, metadata={"huggingface": json.dumps({"info": {"features": FEATURES}})})


def _table(clips: Sequence[StoredClip], media: Sequence[StoredBytes]) -> Any:
    import pyarrow as pa

    rows = [
        {
            **{name: getattr(clip, name) for name in ("id", "start_seconds", "stop_seconds", "split", "text_kind")},
            "source": clip.source.encode(errors="surrogateescape").decode(errors="replace"),
            "texts": list(clip.texts),
            "frames": [{"bytes": frame, "path": None} for frame in one.frames],
            "frame_seconds": clip.frame_seconds.tolist(),
            "audio": None if one.sound is None else {"bytes": one.sound, "path": f"{clip.id}.wav"},
        }
        for clip, one in zip(clips, media, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=_schema())


def export_files(
    store: ClipStore | ResplitStore, clips: Sequence[StoredClip], out: Path, progress: Progress | None = None
) -> Path:
    """Write the files of each clip, and return the path of their manifest. Raises ConfigError if OUT is not empty."""
    _claim(out)
    rows = []
    for done, clip in enumerate(clips, 1):
        media = stored_bytes(store, clip)
        path = out / f"{clip.id}{'.mov' if media.frames else '.wav'}"
        with naming(path):
            if media.frames:
                _write_movie(path, clip, media)
            else:
                path.write_bytes(media.sound or b"")
            if clip.texts:
                lines = (" ".join(text.splitlines()) for text in clip.texts)
                path.with_suffix(".txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        stop = round(clip.duration_seconds, 3)
        rows.append(ClipRow(clip.id, str(path), 0.0, stop, clip.texts, clip.split, clip.text_kind))
        if progress:
            progress(done, len(clips), path.name)
    manifest.write(out / MANIFEST_NAME, rows)
    return out / MANIFEST_NAME


def _claim(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out}: not an empty folder; files in it could be mixed up with the clips. Name a new one.")
    out.mkdir(parents=True, exist_ok=True)


def _write_movie(path: Path, clip: StoredClip, media: StoredBytes) -> None:
    """The stored JPEGs and samples as packets: nothing is encoded again."""
    import av

    with av.open(str(path), "w", format="mov") as file:
        video = file.add_stream("mjpeg", rate=25)
        video.height, video.width = clip.size_px
        video.pix_fmt, video.codec_context.time_base = "yuvj444p", Fraction(1, TICKS)
        audio = file.add_stream("pcm_s16le", rate=clip.sample_rate_hz, layout="mono") if media.sound else None
        file.start_encoding()
        packets = _video_packets(clip, media.frames, video)
        if audio is not None and media.sound:
            packets += _audio_packets(media.sound[WAV_HEADER_BYTES:], clip.sample_rate_hz, audio)
        for packet in sorted(packets, key=lambda one: float(one.dts * one.time_base)):
            file.mux(packet)


def _video_packets(clip: StoredClip, frames: Sequence[bytes], stream: Any) -> list[Any]:
    """Each frame until the next one, the last to the end of the clip; a frame that was there before starts at 0."""
    starts = [max(round(seconds * TICKS), 0) for seconds in clip.frame_seconds.tolist()]
    stops = [*starts[1:], max(round(clip.duration_seconds * TICKS), starts[-1] + 1)]
    return [
        _packet(data, stream, start, stop - start, Fraction(1, TICKS))
        for data, start, stop in zip(frames, starts, stops, strict=True)
        if stop > start
    ]


def _audio_packets(samples: bytes, rate_hz: int, stream: Any) -> list[Any]:
    size = 2 * max(rate_hz // 10, 1)
    parts = [(first // 2, samples[first : first + size]) for first in range(0, len(samples), size)]
    return [_packet(part, stream, first, len(part) // 2, Fraction(1, rate_hz)) for first, part in parts]


def _packet(data: bytes, stream: Any, start: int, length: int, time_base: Fraction) -> Any:
    import av

    packet = av.Packet(data)
    packet.stream, packet.time_base = stream, time_base
    packet.pts = packet.dts = start
    packet.duration, packet.is_keyframe = length, True
    return packet
