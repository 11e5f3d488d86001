"""Subtitles: text with the times at which it is shown, from the files of people. Feeds decode.py and ingest/.

The face of subrip.py (SubRip, WebVTT, SubViewer), substation.py, ttml.py, sami.py and microdvd.py; markup.py and
rolling.py clean what they read.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlsa.base.errors import CaptionError
from vlsa.data.media.markup import clean_substation, clean_text
from vlsa.data.media.microdvd import NoFrameRate, is_microdvd, microdvd_blocks
from vlsa.data.media.rolling import Block, unrolled
from vlsa.data.media.sami import is_sami, sami_text
from vlsa.data.media.subrip import cue_blocks
from vlsa.data.media.substation import CUE, substation_lines
from vlsa.data.media.telemetry import nothing_said
from vlsa.data.media.text_files import read_text_guessing
from vlsa.data.media.ttml import UnreadableTtml, is_ttml, ttml_paragraphs

SUFFIXES = (".srt", ".vtt", ".ass", ".ssa", ".ttml", ".dfxp", ".itt", ".xml", ".sbv", ".smi", ".sami", ".sub")
"""What is read; of several files of one text, the first of these."""
LINE_END = re.compile(r"\r*\n|\r")
"""Also with the carriage returns of a file that was converted twice: a line would be followed by an empty one."""
WORD_TIME = re.compile(r"<\d+:\d\d[\d:.]*>")


@dataclass(frozen=True)
class TimedText:
    """Text, and when it is shown. Seconds of the media file."""

    start_seconds: float
    stop_seconds: float
    text: str


@dataclass(frozen=True)
class SubtitleFile:
    """What a subtitle file holds, and what was odd about it."""

    cues: tuple[TimedText, ...]
    """By start time."""
    num_skipped: int
    """Cues without a timing that can be read."""
    guessed: str | None
    """The encoding that it was read in, if it is not Unicode."""
    choice: str = ""
    """Which of its languages was read, where it has several."""

    def remarks(self, path: str | os.PathLike[str]) -> list[tuple[str, str]]:
        """Reason and message of each odd thing."""
        remarks = []
        if self.num_skipped:
            message = f"{path}: {self.num_skipped} cues have a timing that cannot be read; they are left out. Fix them "
            remarks.append(("cues", f"{message}(00:00:01,500 --> 00:00:02,750; in .vtt and TTML 00:00:01.500)."))
        if self.guessed:
            message = f"{path}: not Unicode; read as {self.guessed}. If letters are wrong: convert it to UTF-8."
            remarks.append(("encoding", message))
        if self.choice:
            remarks.append(("sidecar", f"{path}: of its languages, {self.choice}."))
        return remarks


@dataclass(frozen=True)
class _Found:
    """Cues as a file has them, and how many have a timing that cannot be read."""

    cues: list[TimedText]
    num_skipped: int
    choice: str = ""


def read_subtitle_file(
    path: str | os.PathLike[str], *, frames_per_second: float | None = None, language: str | None = None
) -> SubtitleFile:
    """The cues of a subtitle file by start time, without markup; which of the kinds it is, its content says.

    Cues without text, and cues that do not end after they start, are left out (players show neither), and those whose
    timing cannot be read are counted. A time before 0 is 0. Unicode is understood, and others are guessed
    (text_files.py). `frames_per_second`: of the film, for MicroDVD, which counts frames. `language`: what to read of a
    file that holds several (SAMI). Raises CaptionError for an encoding that is not found out, for a file that is no
    subtitle file, for one without a single cue, for one that counts frames where nothing says their rate, and for one
    in which nothing is said (telemetry.py).
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise CaptionError(f"{path}: not a subtitle file by its name; {known} are read. Convert it to .srt.")
    file = read_text_guessing(path)
    found = _found(path, LINE_END.sub("\n", file.text), frames_per_second, language)
    cues = [cue for cue in found.cues if cue.text and cue.stop_seconds > cue.start_seconds]
    if not cues:
        timing = f"{found.num_skipped} have a timing that cannot be read (00:00:01,500 --> 00:00:02,750 can)"
        what = f"no cue with text{f'; {timing}' if found.num_skipped else ''}"
        raise CaptionError(f"{path}: {what}; the video would stay without text. Fix the file, or remove it.")
    if (nothing := nothing_said([cue.text for cue in cues])) is not None:
        raise CaptionError(f"{path}: {nothing}")
    cues.sort(key=lambda cue: (cue.start_seconds, cue.stop_seconds))
    return SubtitleFile(tuple(cues), found.num_skipped, file.encoding if file.is_guess else None, found.choice)


def _found(path: str | os.PathLike[str], text: str, frames_per_second: float | None, language: str | None) -> _Found:
    """The cues of a file's text."""
    if is_ttml(text):
        try:
            paragraphs, num_skipped = ttml_paragraphs(text)
        except UnreadableTtml as error:
            raise CaptionError(f"{path}: not readable as TTML ({error}). Fix the file, or remove it.") from error
        return _Found(timed_texts([Block(start, stop, lines) for start, stop, lines in paragraphs]), num_skipped)
    if is_microdvd(text):
        try:
            blocks, num_skipped = microdvd_blocks(text, frames_per_second)
        except NoFrameRate as error:
            raise CaptionError(
                f"{path}: counts frames, and neither it nor its media file says how many are a second; its texts would "
                "have wrong times. Begin it with a line such as {1}{1}25, or convert it to .srt."
            ) from error
        return _Found(timed_texts(blocks), num_skipped)
    if is_sami(text):
        said = sami_text(text, language)
        return _Found(timed_texts(said.blocks), said.num_skipped, said.choice)
    if CUE.search(text):
        lines, num_skipped = substation_lines(text)
        return _Found([TimedText(start, stop, clean_substation(line)) for start, stop, line in lines], num_skipped)
    blocks, num_skipped = cue_blocks(text)
    return _Found(timed_texts(blocks), num_skipped)


def timed_texts(blocks: Sequence[Block]) -> list[TimedText]:
    """Cues without markup, and without lines that the cue before has shown already where captions roll."""
    has_word_times = any(WORD_TIME.search(line) for block in blocks for line in block.lines)
    cleaned = [
        Block(block.start_seconds, block.stop_seconds, tuple(map(clean_text, block.lines)))
        for block in blocks
        if any(map(clean_text, block.lines))
    ]
    return [
        TimedText(block.start_seconds, block.stop_seconds, " ".join(block.lines))
        for block in unrolled(cleaned, has_word_times)
    ]
