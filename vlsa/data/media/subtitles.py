"""Subtitles: text with the times at which it is shown, from the files of people. Feeds decode.py and ingest/.

The face of subrip.py (SubRip, WebVTT, SubViewer), substation.py and ttml.py; markup.py and rolling.py clean what they
read.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlsa.base.errors import CaptionError
from vlsa.data.media.markup import clean_substation, clean_text
from vlsa.data.media.rolling import Block, unrolled
from vlsa.data.media.subrip import cue_blocks
from vlsa.data.media.substation import CUE, substation_lines
from vlsa.data.media.text_files import read_text_guessing
from vlsa.data.media.ttml import UnreadableTtml, is_ttml, ttml_paragraphs

SUFFIXES = (".srt", ".vtt", ".ass", ".ssa", ".ttml", ".dfxp", ".itt", ".xml", ".sbv")
"""What is read; of several files of one text, the first of these."""
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

    def remarks(self, path: str | os.PathLike[str]) -> list[tuple[str, str]]:
        """Reason and message of each odd thing."""
        remarks = []
        if self.num_skipped:
            message = f"{path}: {self.num_skipped} cues have a timing that cannot be read; they are left out. Fix them "
            remarks.append(("cues", f"{message}(00:00:01,500 --> 00:00:02,750; in .vtt and TTML 00:00:01.500)."))
        if self.guessed:
            message = f"{path}: not Unicode; read as {self.guessed}. If letters are wrong: convert it to UTF-8."
            remarks.append(("encoding", message))
        return remarks


def read_subtitles(path: str | os.PathLike[str]) -> list[TimedText]:
    """The cues of a subtitle file by start time: those of `read_subtitle_file`."""
    return list(read_subtitle_file(path).cues)


def read_subtitle_file(path: str | os.PathLike[str]) -> SubtitleFile:
    """The cues of a subtitle file by start time, without markup; which of the kinds it is, its content says.

    Cues without text, and cues that do not end after they start, are left out (players show neither), and those whose
    timing cannot be read are counted. A time before 0 is 0. Unicode is understood, and others are guessed
    (text_files.py). Raises CaptionError for an encoding that is not found out, for a file that is no subtitle file, and
    for one without a single cue.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise CaptionError(f"{path}: not a subtitle file by its name; {known} are read. Convert it to .srt.")
    file = read_text_guessing(path)
    cues, num_skipped = _cues(path, file.text.replace("\r\n", "\n").replace("\r", "\n"))
    cues = [cue for cue in cues if cue.text and cue.stop_seconds > cue.start_seconds]
    if not cues:
        raise CaptionError(f"{path}: no cue with text; the video would stay without text. Fix the file, or remove it.")
    cues.sort(key=lambda cue: (cue.start_seconds, cue.stop_seconds))
    return SubtitleFile(tuple(cues), num_skipped, file.encoding if file.is_guess else None)


def _cues(path: str | os.PathLike[str], text: str) -> tuple[list[TimedText], int]:
    """The cues of a file's text, and how many have a timing that cannot be read."""
    if is_ttml(text):
        try:
            paragraphs, num_skipped = ttml_paragraphs(text)
        except UnreadableTtml as error:
            raise CaptionError(f"{path}: not readable as TTML ({error}). Fix the file, or remove it.") from error
        return timed_texts([Block(start, stop, lines) for start, stop, lines in paragraphs]), num_skipped
    if CUE.search(text):
        lines, num_skipped = substation_lines(text)
        return [TimedText(start, stop, clean_substation(line)) for start, stop, line in lines], num_skipped
    blocks, num_skipped = cue_blocks(text)
    return timed_texts(blocks), num_skipped


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
