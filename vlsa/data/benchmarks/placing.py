"""Which file each annotated clip is in, and where in it: by the files' names, their lengths, and their audio.

A clip's likeliest file is scanned first. One that cannot be the clip's (silent in a set about audio, much longer or
shorter than the clip it should hold alone, taken for two clips) makes way for the next, such as the whole video. Reads
finder.py; used by convert.py.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlsa.data.benchmarks.finder import Found, MediaFinder, wanted_names
from vlsa.data.benchmarks.media_scan import MediaScan
from vlsa.data.benchmarks.merging import fault_of, rejection, row_id
from vlsa.data.benchmarks.requests import AnnotatedClip
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.ingest.segments import floor_ms

if TYPE_CHECKING:
    from vlsa.data.ingest.scan import ScannedFile

SLACK_SECONDS = 1.0
"""A file with the video's name is the clip alone when it is no more than so much longer, and ends before it would."""
CUT_LONGER_SECONDS, CUT_SHORTEST_SHARE = 2.0, 0.5
"""A file named as a cut clip may be so much longer than the clip, and no shorter than this share of it."""


@dataclass(eq=False, slots=True)
class _Search:
    """A clip on the way to its file."""

    clip: AnnotatedClip
    candidates: tuple[Found, ...]
    row: ClipRow | None = None
    fault: Rejection | None = None
    """Of the likeliest candidate."""

    @property
    def file(self) -> str:
        return self.candidates[0].names[0]

    def drop(self, fault: Rejection) -> None:
        """Go on to the next candidate."""
        self.row, self.fault, self.candidates = None, self.fault or fault, self.candidates[1:]


@dataclass(frozen=True)
class Placed:
    """Clips by file, and those that have none."""

    rows: list[ClipRow]
    rejections: list[Rejection]
    num_with_sound: int
    """Rows whose file has audio."""


def place(clips: Sequence[AnnotatedClip], finder: MediaFinder, media: MediaScan, sound: str | None) -> Placed:
    """A row for each clip whose file is there, and why the others have none.

    sound: not None if a file without audio cannot be a clip's; a hint for when all are so. Raises ManifestError then.
    """
    searches = [_start(clip, finder, media.folder) for clip in clips]
    todo = [search for search in searches if search.candidates]
    if sound is not None:
        media.check_sound([*dict.fromkeys(search.file for search in todo if len(search.candidates) == 1)], sound)
    with_sound: set[str] = set()
    while todo:
        for search in todo:
            _drop_several(search, media.folder)
        todo = [search for search in todo if search.candidates]
        scanned = media.scan(list(dict.fromkeys(search.file for search in todo)))
        with_sound |= {name for name, found in scanned.items() if found.has_sound}
        for search in todo:
            _try(search, scanned[search.file], media.folder, sound is not None)
        _drop_shared(searches, media.folder)
        todo = [search for search in searches if search.candidates and not search.row]
    return Placed(
        rows=[search.row for search in searches if search.row],
        rejections=[search.fault for search in searches if search.fault and not search.row],
        num_with_sound=sum(search.file in with_sound for search in searches if search.row),
    )


def _start(clip: AnnotatedClip, finder: MediaFinder, folder: Path) -> _Search:
    fault = fault_of(clip)
    candidates = () if fault else finder.find(clip)
    if not fault and not candidates:
        message = f"{folder}: no {wanted_names(clip)}, named by {clip.where}. Copy it there, or do without."
        fault = rejection(clip, reason="missing", message=message)
    return _Search(clip, candidates, fault=fault)


def _drop_several(search: _Search, folder: Path) -> None:
    """Go past names that several different files have."""
    while search.candidates and len(search.candidates[0].names) > 1:
        several = " and ".join(search.candidates[0].names[:3])
        message = (
            f"{folder}: {several} could both be the clip of {search.clip.where}. Name a folder that has one of them."
        )
        search.drop(rejection(search.clip, reason="ambiguous", message=message))


def _try(search: _Search, found: "ScannedFile", folder: Path, needs_sound: bool) -> None:
    """Make the clip's row of its likeliest file, or go past it."""
    clip, path = search.clip, os.path.abspath(folder / search.file)
    reason, message = _fault(search, found, path, needs_sound)
    if reason:
        search.drop(rejection(clip, reason, message, path))
        return
    start, stop = stretch(clip, found.duration_seconds, search.candidates[0].is_cut)
    search.row = ClipRow(row_id(clip.key), path, start, stop, clip.texts, clip.split)


def _fault(search: _Search, found: "ScannedFile", path: str, needs_sound: bool) -> tuple[str, str]:
    """Reason and message for which a file is not the clip's; blank if it is."""
    clip, is_cut = search.clip, search.candidates[0].is_cut
    if found.reason:
        return found.reason, found.message
    if needs_sound and not found.has_sound:
        return (
            "no_sound",
            f"{path}: no audio, which this data set is about. Get the file with its audio, or do without.",
        )
    if is_cut and clip.span and not _fits(clip.span[1] - clip.span[0], found.duration_seconds):
        return "length", (
            f"{path}: is {found.duration_seconds:.1f} s long, and the clip of {clip.where} that it should hold alone "
            f"{clip.span[1] - clip.span[0]:g} s; other words would belong to it. Cut it again, or give the whole video."
        )
    start, stop = stretch(clip, found.duration_seconds, is_cut)
    if start >= stop:
        return "outside", f"{path}: starts at {start:g} s by {clip.where}, but the file ends at {stop:g} s. Check it."
    return "", ""


def _fits(clip_seconds: float, file_seconds: float) -> bool:
    return CUT_SHORTEST_SHARE * clip_seconds <= file_seconds <= clip_seconds + CUT_LONGER_SECONDS


def _drop_shared(searches: Iterable[_Search], folder: Path) -> None:
    """A file that is named as one clip's alone cannot be that of two."""
    takers: dict[str, list[_Search]] = defaultdict(list)
    for search in searches:
        if search.row and search.candidates[0].is_cut:
            takers[search.file].append(search)
    for name, sharing in takers.items():
        if len({search.clip.key for search in sharing}) > 1:
            for search in sharing:
                search.drop(_shared(search, sharing, folder / name))


def _shared(search: _Search, sharing: Iterable[_Search], path: Path) -> Rejection:
    other = next(each for each in sharing if each.clip.key != search.clip.key)
    message = (
        f"{path}: is named as the clip of {search.clip.where} and as that of {other.clip.where}; it cannot be both. "
        "Name cut files by start and stop, or give the whole video."
    )
    return rejection(search.clip, reason="ambiguous", message=message)


def stretch(clip: AnnotatedClip, file_seconds: float, is_cut: bool) -> tuple[float, float]:
    """Start and stop in the file: all of it if it holds this clip alone, else the span, up to the file's end.

    Where files that have a video's name are often cut ones, one is when it is as short as the span and ends before it.
    """
    stop_of_file = floor_ms(file_seconds)
    if is_cut or clip.span is None:
        return 0.0, stop_of_file
    start, stop = clip.span
    if clip.often_cut and file_seconds < stop - SLACK_SECONDS / 2 and file_seconds <= stop - start + SLACK_SECONDS:
        return 0.0, stop_of_file
    return floor_ms(start), min(floor_ms(stop), stop_of_file)
