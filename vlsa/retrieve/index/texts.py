"""The text of a media file as pieces with their own times: captions of a table, subtitle cues, captions of a store.

Pure functions of what survey.py or a store has read; feeds plan.py. A piece is a row of the index, so it is found by
its words wherever it lies; windows do not follow from it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vlsa.data.ingest.captions import CaptionRow
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.ingest.segments import floor_ms
from vlsa.data.media.subtitles import TimedText
from vlsa.retrieve.index.rows import IndexRow

TEXT_REASONS = frozenset({"captions", "cues", "encoding", "outside", "sidecar", "transcript", "zero_length"})
"""Reasons that concern a text alone."""


@dataclass(frozen=True)
class FileText:
    """A piece of text of a file. Seconds of the file."""

    start_seconds: float
    stop_seconds: float
    text: str
    language: str | None = None


def from_captions(rows: Sequence[CaptionRow], seconds: float) -> list[FileText]:
    """Captions of a table; one without times is about the whole file."""
    return [
        FileText(
            0.0 if row.start_seconds is None else row.start_seconds,
            seconds if row.stop_seconds is None else row.stop_seconds,
            row.text,
        )
        for row in rows
    ]


def from_cues(cues: Iterable[TimedText], language: str | None) -> list[FileText]:
    """Subtitle cues."""
    return [FileText(cue.start_seconds, cue.stop_seconds, cue.text, language) for cue in cues]


def from_clips(clips: Sequence[ClipRow]) -> list[FileText]:
    """Captions of the clips of a store."""
    return [FileText(clip.start_seconds, clip.stop_seconds, text) for clip in clips for text in clip.texts]


def within(texts: Iterable[FileText], path: str, seconds: float) -> tuple[list[FileText], list[Rejection]]:
    """Texts in whole milliseconds, each once, as far as the file goes, by time; and those that lie outside it."""
    good: dict[FileText, None] = {}
    rejections = []
    for text in texts:
        start, stop = floor_ms(text.start_seconds), floor_ms(min(text.stop_seconds, seconds))
        if stop > start:
            good[FileText(start, stop, text.text, text.language)] = None
        else:
            rejections.append(_outside(text, path, seconds))
    return sorted(good, key=lambda text: (text.start_seconds, text.stop_seconds, text.text)), rejections


def _outside(text: FileText, path: str, seconds: float) -> Rejection:
    is_outside = text.stop_seconds > text.start_seconds
    what = f"the file lasts from 0 to {seconds:g} s" if is_outside else "that is no length"
    message = f"{path}: a text from {text.start_seconds:g} to {text.stop_seconds:g} s: {what}. Fix its times."
    reason = "outside" if is_outside else "zero_length"
    return Rejection(path, path, text.start_seconds, text.stop_seconds, reason, message)


def text_row(text: FileText, path: str, file_id: str, spaces: tuple[str, ...]) -> IndexRow:
    """The row of a text, without its vector."""
    return IndexRow(
        id=f"{row_id(file_id, text.start_seconds, text.stop_seconds)}-{_digest(text)}",
        path=path,
        spaces=spaces,
        kind="text",
        start_seconds=text.start_seconds,
        stop_seconds=text.stop_seconds,
        texts=(text.text,),
        language=text.language,
    )


def row_id(file_id: str, start_seconds: float, stop_seconds: float) -> str:
    """The id of a window: it follows from the file's path and the times."""
    return f"{file_id}@{start_seconds:.3f}-{stop_seconds:.3f}".replace(".", "_")


def _digest(text: FileText) -> str:
    return hashlib.blake2b(f"{text.language}:{text.text}".encode(), digest_size=4).hexdigest()
