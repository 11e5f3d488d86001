"""One rule for what a model encodes of media: windows that cover a stretch of time, crops of wide frames.

Evaluation and the index read media by this rule, so a file has one vector wherever it is encoded. Reads
media files (data/media/), stores and decoded clips; feeds embed.py and media_encoder.py. A worker process needs the
decoder only, not the model.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from vlsa.base.errors import MediaError
from vlsa.config.checks import check_least
from vlsa.data.clip import Clip, ClipFacts, Dataset, each_frame_once
from vlsa.data.engine.workers import Heartbeat, patience_seconds
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.ingest.segments import floor_ms
from vlsa.data.loading.covering import REST_SHARE, covering_starts
from vlsa.data.loading.loader import MemoryClips, MemoryRow
from vlsa.data.loading.transform import Window, choose_frames, wanted_times

if TYPE_CHECKING:
    from vlsa.data.media.overlapping import Stretch
    from vlsa.data.media.probe import MediaFacts


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How much of long and wide media is encoded; the vector is the renormalised mean over windows, and over crops."""

    num_windows: int = 8
    """At most so many windows, spread evenly from start to end; 1 = the middle window. Eight cover 47 s of `paper`."""
    num_crops: int = 3
    """At most so many square crops, spread evenly from edge to edge; 1 = the centre crop. A square frame has one.

    A frame wider than `num_crops` squares has gaps between its crops that are not encoded.
    """

    def __post_init__(self) -> None:
        check_least("sampling", self, 1, "num_windows", "num_crops")

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> "Sampling":
        """The one that an encoder's `about` states; before 0.4 it was the middle window and the centre crop.

        Raises TypeError or ConfigError for facts that are damaged.
        """
        return cls(**about["sampling"]) if "sampling" in about else MIDDLE

    def as_dict(self) -> dict[str, int]:
        """Plain JSON types."""
        return asdict(self)

    def label(self) -> str:
        """For captions and messages."""
        windows = f"up to {self.num_windows} windows" if self.num_windows > 1 else "the middle window"
        crops = f"up to {self.num_crops} crops" if self.num_crops > 1 else "the centre crop"
        return f"{windows} and {crops} of a clip"


COVERING = Sampling()
MIDDLE = Sampling(num_windows=1, num_crops=1)


def half_overlapping(aspect: float) -> int:
    """How many squares cover a frame that is `aspect` times as wide as high, if neighbours overlap by half of a square.

    So whatever is up to half as wide as the frame is high lies whole within one of them: 2 for 4:3, 3 for 16:9. A rest
    of less than REST_SHARE of a square adds none.
    """
    return max(math.ceil(2 * aspect - 1 - REST_SHARE), 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowSpec:
    """The window of a model, and how many of them cover a stretch of media."""

    window_seconds: float
    num_frames: int
    short_side_px: int
    sample_rate_hz: int
    sampling: Sampling = COVERING

    def stretches(self, duration_seconds: float) -> list[tuple[float, float]]:
        """Start and stop of each window; media shorter than one window is one."""
        starts = covering_starts(duration_seconds, self.window_seconds, self.sampling.num_windows)
        return [(start, min(start + self.window_seconds, duration_seconds)) for start in starts]

    def crop_places(self, height_px: int, width_px: int) -> list[float]:
        """Where the square crops of a frame lie along its long side, 0 to 1; the centre alone for a square frame."""
        short, long = sorted((height_px, width_px))
        num_crops = min(half_overlapping(long / short), self.sampling.num_crops)
        return [k / (num_crops - 1) for k in range(num_crops)] if num_crops > 1 else [0.5]

    def read(self, source: Dataset, row: ClipFacts) -> Iterator[Clip]:
        """Each window of a row of a data set as a clip of its own; no other frames and samples are read."""
        for start, stop in self.stretches(row.duration_seconds):
            has_frames = len(row.frame_seconds) > 0
            indices = choose_frames(row.frame_seconds, start, stop, self.num_frames, None) if has_frames else ()
            window = Window(start, stop, indices)
            samples = tuple(min(sample, row.num_samples) for sample in window.sample_range(row.sample_rate_hz))
            yield _from_its_start(source.read(row, frame_indices=indices, sound_range=samples), window)

    def cut(self, clip: Clip) -> list[Clip]:
        """Each window of a decoded clip as a clip of its own; a clip that is one window already stays as it is."""
        if isinstance(clip, ClipInWindows):
            return list(clip.windows)
        return list(self.read(MemoryClips({}), MemoryRow(clip, "")))


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ClipInWindows(Clip):
    """A clip of which only the windows were decoded, each as a clip of its own; it has no frames or audio itself."""

    windows: tuple[Clip, ...]


def _from_its_start(part: Clip, window: Window) -> Clip:
    """What was read of a window, with times counted from the window's start."""
    return replace(
        part,
        start_seconds=part.start_seconds + window.start_seconds,
        stop_seconds=part.start_seconds + window.stop_seconds,
        frame_seconds=None if part.frame_seconds is None else part.frame_seconds - window.start_seconds,
    )


def decode_windows(
    spec: WindowSpec, row: ClipRow, *, video: bool = True, audio: bool = True, facts: "MediaFacts | None" = None
) -> list[Clip]:
    """Decode the windows of a row of a media file, each frame once; windows without frames and audio are left out.

    Raises MediaError, also when no window has any.
    """
    (found,) = _decode_windows(spec, [row], video=video, audio=audio, facts=facts)
    if isinstance(found, MediaError):
        raise found
    return found


def _decode_windows(
    spec: WindowSpec, rows: Sequence[ClipRow], *, video: bool, audio: bool, facts: "MediaFacts | None"
) -> list[list[Clip] | MediaError]:
    """The windows of rows of one file, what overlaps decoded once, or the error of each row."""
    from vlsa.data.media.overlapping import decode_stretches

    stretches = [_stretches(spec, row, video=video) for row in rows]
    decoded = iter(
        decode_stretches(
            rows[0].path,
            [stretch for of_row in stretches for stretch in of_row],
            short_side_px=spec.short_side_px,
            sample_rate_hz=spec.sample_rate_hz if audio else None,
            facts=facts,
        )
    )
    return [_windows(row, list(islice(decoded, len(of_row)))) for row, of_row in zip(rows, stretches, strict=True)]


def _stretches(spec: WindowSpec, row: ClipRow, *, video: bool) -> "list[Stretch]":
    from vlsa.data.media.overlapping import Stretch

    spans = spec.stretches(row.stop_seconds - row.start_seconds)
    return [
        Stretch(
            row.start_seconds + start,
            row.start_seconds + stop,
            tuple((row.start_seconds + start + wanted_times(0.0, stop - start, spec.num_frames)).tolist())
            if video
            else (),
        )
        for start, stop in spans
    ]


def _windows(row: ClipRow, decoded: Sequence[Clip | MediaError]) -> list[Clip] | MediaError:
    """The windows of a row that have frames or audio, or the error of the whole row."""
    errors = [found for found in decoded if isinstance(found, MediaError)]
    clips = [
        replace(each_frame_once(found), id=row.id, texts=row.texts) for found in decoded if isinstance(found, Clip)
    ]
    serious = [error for error in errors if error.reason != "nothing"]
    return serious[0] if serious else clips or errors[-1]


def decode_file(spec: WindowSpec, path: str, modality: str) -> list[Clip]:
    """The windows of a media file with one modality, by the extent that the index gives it: to the end of the shorter.

    An image that does not move is one window. Empty where the file has nothing of the modality. Raises MediaError.
    """
    from vlsa.data.media.decode import decode_image, is_image, probe
    from vlsa.data.media.suffixes import is_animation

    if os.path.isfile(path) and is_image(path) and not is_animation(path):
        return [decode_image(path, spec.short_side_px)] if modality == "video" else []
    facts, is_video = probe(path), modality == "video"
    end_seconds = facts.video_end_seconds if is_video else facts.audio_end_seconds
    if not end_seconds:
        return []
    shorter_seconds = min(filter(None, (facts.video_end_seconds, facts.audio_end_seconds)))
    if end_seconds < 2 * shorter_seconds:  # else the other modality is a snippet, or a still image
        end_seconds = shorter_seconds
    row = ClipRow("file", path, 0.0, floor_ms(end_seconds) or end_seconds, (), "test")
    try:
        return decode_windows(spec, row, video=is_video, audio=not is_video, facts=facts)
    except MediaError as error:
        if error.reason == "nothing":
            return []
        raise


def decode_rows(spec: WindowSpec, rows: Sequence[ClipRow], beat: Heartbeat) -> tuple[list[Clip], list[Rejection]]:
    """The clips of some rows of one file, and those that cannot be decoded; the task of a worker."""
    path = rows[0].path
    beat(path, patience_seconds(path))
    try:
        facts = _facts(path, _modified_ns(path))
    except MediaError as error:
        return [], [rejected(row, error.reason, str(error)) for row in rows]
    beat(rows[0].id, patience_seconds(path, rows[-1].stop_seconds - rows[0].start_seconds))
    clips, rejections = [], []
    for row, found in zip(rows, _decode_windows(spec, rows, video=True, audio=True, facts=facts), strict=True):
        if isinstance(found, MediaError):
            rejections.append(rejected(row, found.reason, str(found)))
        else:
            clips.append(_in_windows(row, found))
    return clips, rejections


def _modified_ns(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except (OSError, ValueError):  # decoding will say what is wrong with the path
        return 0


@lru_cache(maxsize=4)
def _facts(path: str, modified_ns: int) -> "MediaFacts":
    """Facts of a file, which are the same for all tasks of it until it changes. Raises MediaError."""
    from vlsa.data.media.probe import probe

    return probe(path)


def _in_windows(row: ClipRow, windows: Sequence[Clip]) -> Clip:
    times = {"start_seconds": row.start_seconds, "stop_seconds": row.stop_seconds}
    return ClipInWindows(id=row.id, source=row.path, **times, texts=row.texts, windows=tuple(windows))


def rejected(row: ClipRow, reason: str, message: str) -> Rejection:
    """The record of a row that is left out."""
    return Rejection(row.id, row.path, row.start_seconds, row.stop_seconds, reason, message)
