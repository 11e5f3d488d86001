"""What an editor has to know of each file behind the moments: its frame rate, streams, and first timecode.

Reads media files; feeds edl.py and timeline.py.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from vlsa.base.errors import MediaError, VlsaError
from vlsa.retrieve.search.export.timecode import DROPPING, frame_at, nearest_rate, parse_timecode, says_drop_frame
from vlsa.retrieve.search.moments import Moment

LeftOut = Callable[[Moment, MediaError], None]
"""Called with a moment that cannot be written, and why."""
Made = TypeVar("Made")
RATE_OF_SOUND = Fraction(25)
"""In which a file without video is counted."""


@dataclass(frozen=True)
class EditedFile:
    """A media file as an editor sees it."""

    path: Path
    rate: Fraction
    """Frames a second."""
    first_frame: int
    """What its own timecode calls its first frame; 0 without one."""
    drop_frame: bool
    """Whether its timecode leaves out names; so it is, where it can be, in a file without one."""
    num_frames: int
    has_video: bool
    has_sound: bool


@dataclass(frozen=True)
class Event:
    """A moment cut out of a file, in frames: from `start` up to `stop`, counted as the file's timecode does."""

    moment: Moment
    file: EditedFile
    start_frame: int
    stop_frame: int

    @property
    def num_frames(self) -> int:
        return self.stop_frame - self.start_frame


def read_edited_file(path: Path) -> EditedFile:
    """Facts of a media file. Raises MediaError."""
    from vlsa.data.media.container import open_media
    from vlsa.data.media.probe import probe

    facts = probe(path)
    with open_media(path) as source:
        video = source.stream("video")
        rate = (
            RATE_OF_SOUND if video is None else nearest_rate(float(video.average_rate or facts.frames_per_second or 25))
        )
        labels = [source.container.metadata, *(stream.metadata for stream in source.container.streams)]
    label = next((label["timecode"] for label in labels if "timecode" in label), None)
    first_frame, drop_frame = _first_frame(label, rate)
    ends = [end for end in (facts.video_end_seconds, facts.audio_end_seconds) if end]
    return EditedFile(
        path=path,
        rate=rate,
        first_frame=first_frame,
        drop_frame=drop_frame,
        num_frames=frame_at(max(ends), rate),
        has_video=facts.has_video,
        has_sound=facts.has_sound,
    )


def _first_frame(label: str | None, rate: Fraction) -> tuple[int, bool]:
    """Of the file's own timecode, and whether it is drop-frame; from 0 where it has none that can be read."""
    if label is not None:
        try:
            return parse_timecode(label, rate), says_drop_frame(label, rate)
        except VlsaError:
            pass
    return 0, rate in DROPPING


def events(moments: Iterable[Moment], source: str | os.PathLike[str], left_out: LeftOut | None = None) -> list[Event]:
    """The cuts for these moments, in their order; their paths are relative to `source`.

    `left_out` is called with each moment whose file cannot be read. Raises MediaError without it, or if none can be.
    """
    known: dict[str, EditedFile | MediaError] = {}
    found = []
    for moment, file in with_files(moments, lambda moment: _known_file(known, moment.path, source), left_out):
        start = min(frame_at(moment.start_seconds, file.rate), max(file.num_frames - 1, 0))
        stop = max(min(frame_at(moment.stop_seconds, file.rate), file.num_frames), start + 1)
        found.append(Event(moment, file, file.first_frame + start, file.first_frame + stop))
    return found


def _known_file(known: dict[str, EditedFile | MediaError], name: str, source: str | os.PathLike[str]) -> EditedFile:
    """A file that is read once, as is its error."""
    if name not in known:
        try:
            known[name] = read_edited_file(Path(os.path.abspath(Path(source) / name)))
        except MediaError as error:
            known[name] = error
    found = known[name]
    if isinstance(found, MediaError):
        raise found
    return found


def with_files(
    moments: Iterable[Moment], read: Callable[[Moment], Made], left_out: LeftOut | None
) -> list[tuple[Moment, Made]]:
    """Each moment with what is made of its file. Moments for which that raises MediaError are given to `left_out`.

    Raises MediaError without it, or if nothing can be made.
    """
    made: list[tuple[Moment, Made]] = []
    failed: list[tuple[Moment, MediaError]] = []
    for moment in moments:
        try:
            made.append((moment, read(moment)))
        except MediaError as error:
            if left_out is None:
                raise
            failed.append((moment, error))
    if failed and not made:
        raise failed[0][1]
    for moment, error in failed:
        assert left_out is not None
        left_out(moment, error)
    return made
