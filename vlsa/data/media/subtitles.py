"""Subtitles: text with the times at which it is shown, from .srt, .vtt and .ass files. Feeds decode.py and ingest/.

Automatic captions of video sites repeat each line while the next one is added below it; here every line comes once,
when it is new.
"""

import html
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlsa.base.errors import CaptionError
from vlsa.data.media.text_files import one_line, read_text_guessing

SUFFIXES = (".srt", ".vtt", ".ass", ".ssa")
"""What is read; of several files of one text, the first of these."""
DRAWING = re.compile(r"\{[^}]*\\p[1-9][^}]*\}.*?(?:\{[^}]*\\p0[^}]*\}|$)", re.DOTALL)
"""{\\p1}m 0 0 l 9 0{\\p0}: commands of a drawing, not text."""
READING = re.compile(r"<(r[tp])(?:[\s.][^<>]*)?>.*?(?:</\1>|(?=</?ruby|<r[tp])|$)", re.DOTALL | re.IGNORECASE)
"""In ruby, how the characters before it are spoken, in small letters above them: they would be said twice."""
RUBY = re.compile(r"<ruby[\s.>]", re.IGNORECASE)
MARKUP = re.compile(
    r"\{\*?\\[^}]*\}"  # {\i1}, {\an8}, {*\pos(1,2)}: SubStation codes
    r"|</?(?:i|b|u|s|c|v|font|ruby|rt|rp|lang|span|em|strong|small|big|sub|sup|strike|del|ins|mark|center|tt|a|code)"
    r"(?:[\s.][^<>]*)?/?>"  # <i>, <font color=...>, <v Ann>, <c.yellow>
    r"|<\d[\d:.]*>",  # <00:01.500>: WebVTT karaoke times
    re.IGNORECASE,
)
LINE_BREAK = re.compile(r"(?<!:)\\N|(?i:</?(?:br|p|div)(?:\s[^<>]*)?/?>)")
"""As it is in SubRip and WebVTT; of a path, C:\\new, it is a part."""
SUBSTATION_BREAK = re.compile(r"\\[Nnh]")
SUBSTATION_BLOCK = re.compile(r"\{[^}]*\}")
"""Codes and comments."""
SUBSTATION_CUE = re.compile(r"^\s*Dialogue:[^,\n]*,\s*\d+:\d+:\d+[.:]\d+\s*,", re.MULTILINE)
"""A line of a SubStation file, whatever its head is."""
WORD_TIME = re.compile(r"<\d+:\d\d[\d:.]*>")
TIME = r"(-?)(?:(\d+):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,9}))?"
TIMING = re.compile(rf"\s*{TIME}\s*-->\s*{TIME}(?:\s|$)")
LIKE_TIMING = re.compile(r"\d\s*-->|-->\s*-?\d")
"""A line that is meant as a timing; an arrow between other characters is text."""
REPEAT_SECONDS = 0.5
"""A cue that starts so soon after the one before may repeat its lines."""
ROLLING_SHARE = 1 / 3
"""Of the cues of a file that begin with a line of the cue before: from here on, lines are taken for repeats."""


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
            remarks.append(("cues", f"{message}(00:00:01,500 --> 00:00:02,750; in .vtt 00:00:01.500)."))
        if self.guessed:
            message = f"{path}: not Unicode; read as {self.guessed}. If letters are wrong: convert it to UTF-8."
            remarks.append(("encoding", message))
        return remarks


@dataclass(frozen=True)
class _Block:
    """A cue as it is written."""

    start_seconds: float
    stop_seconds: float
    lines: tuple[str, ...]


def clean_text(text: str) -> str:
    """Text without markup, drawings, readings of ruby, character references, line breaks and marks that nobody sees."""
    text = DRAWING.sub("", text)
    text = READING.sub("", text) if RUBY.search(text) else text
    return one_line(html.unescape(LINE_BREAK.sub(" ", MARKUP.sub("", text))))


def clean_substation(text: str) -> str:
    """The same of the text of a SubStation cue, in which all in {} is code or comment."""
    return clean_text(SUBSTATION_BREAK.sub(" ", SUBSTATION_BLOCK.sub("", DRAWING.sub("", text))))


def read_subtitles(path: str | os.PathLike[str]) -> list[TimedText]:
    """The cues of a subtitle file by start time: those of `read_subtitle_file`."""
    return list(read_subtitle_file(path).cues)


def read_subtitle_file(path: str | os.PathLike[str]) -> SubtitleFile:
    """The cues of a .srt, .vtt or .ass file by start time, without markup; which of them it is, its content says.

    Cues without text, and cues that do not end after they start, are left out (players show neither), and those whose
    timing cannot be read are counted. A time before 0 is 0. Unicode is understood, and others are guessed
    (text_files.py). Raises CaptionError for an encoding that is not found out, for a file that is no subtitle file, and
    for one without a single cue.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise CaptionError(f"{path}: not a subtitle file by its name; {known} are read. Convert it to .srt.")
    file = read_text_guessing(path)
    text = file.text.replace("\r\n", "\n").replace("\r", "\n")
    if SUBSTATION_CUE.search(text):
        cues, num_skipped = _substation(path, text), 0
    else:
        blocks, num_skipped = _blocks(text)
        cues = [
            TimedText(block.start_seconds, block.stop_seconds, " ".join(block.lines)) for block in _unrolled(blocks)
        ]
    cues = [cue for cue in cues if cue.text and cue.stop_seconds > cue.start_seconds]
    if not cues:
        raise CaptionError(f"{path}: no cue with text; the video would stay without text. Fix the file, or remove it.")
    cues.sort(key=lambda cue: (cue.start_seconds, cue.stop_seconds))
    return SubtitleFile(tuple(cues), num_skipped, file.encoding if file.is_guess else None)


def _substation(path: str | os.PathLike[str], text: str) -> list[TimedText]:
    import pysubs2

    try:
        events = pysubs2.SSAFile.from_string(text, format_="ass").events
    except (pysubs2.Pysubs2Error, ValueError, IndexError) as error:
        raise CaptionError(
            f"{path}: not a readable SubStation file ({error}). Check it in a text editor, or remove it."
        ) from error
    return [
        TimedText(max(e.start, 0) / 1000, e.end / 1000, clean_substation(e.text)) for e in events if not e.is_comment
    ]


def _blocks(text: str) -> tuple[list[_Block], int]:
    """The cues of SubRip or WebVTT text, and how many have a timing that cannot be read."""
    lines = text.split("\n")
    is_webvtt = lines[0].lstrip("\ufeff").startswith("WEBVTT")
    starts = [number for number, line in enumerate(lines) if "-->" in line and LIKE_TIMING.search(line)]
    blocks, num_skipped = [], 0
    for start, stop in itertools.pairwise([*starts, len(lines) + 1]):
        timing = TIMING.match(lines[start])
        if timing is None:
            num_skipped += 1
            continue
        parts = timing.groups()
        last = stop - 1 if stop <= len(lines) and _is_name(lines, stop - 1, start, is_webvtt) else stop
        blocks.append(
            _Block(_seconds(parts[:5]), _seconds(parts[5:]), tuple(_text_lines(lines[start + 1 : last], is_webvtt)))
        )
    return [block for block in blocks if any(map(clean_text, block.lines))], num_skipped


def _is_name(lines: Sequence[str], number: int, timing: int, is_webvtt: bool) -> bool:
    """Whether the line before a timing is the number or the name of its cue, and not text of the cue before.

    Only WebVTT has names: in SubRip a line after an empty one is text, if it is no number.
    """
    line = lines[number].strip()
    return number > timing and bool(line) and (line.isdigit() or (is_webvtt and not lines[number - 1].strip()))


def _text_lines(lines: Sequence[str], is_webvtt: bool) -> Iterator[str]:
    """Lines of a cue's text. In WebVTT it ends with an empty line, in SubRip with the next cue."""
    for line in lines:
        if is_webvtt and line == "":
            return
        yield line


def _seconds(parts: Sequence[str | None]) -> float:
    sign, hours, minutes, seconds, fraction = parts
    value = 3600 * int(hours or 0) + 60 * int(minutes or 0) + int(seconds or 0) + float(f"0.{fraction or 0}")
    return 0.0 if sign else value


def _unrolled(blocks: Sequence[_Block]) -> Iterator[_Block]:
    """Cues with clean lines; where captions roll, without the lines that the cue before has shown already."""
    cleaned = [
        _Block(block.start_seconds, block.stop_seconds, tuple(filter(None, map(clean_text, block.lines))))
        for block in blocks
    ]
    num_repeats = sum(bool(_num_repeated(one, other)) for one, other in itertools.pairwise(cleaned))
    has_word_times = any(WORD_TIME.search(line) for block in blocks for line in block.lines)
    is_rolling = has_word_times or num_repeats > max(ROLLING_SHARE * len(blocks), 1)
    before = _Block(0.0, 0.0, ())
    for block in cleaned:
        new = block.lines[_num_repeated(before, block) if is_rolling else 0 :]
        if new:
            yield _Block(block.start_seconds, block.stop_seconds, new)
        before = block


def _num_repeated(before: _Block, block: _Block) -> int:
    """How many lines at the start of a cue stood at the end of the one before."""
    if block.start_seconds > before.stop_seconds + REPEAT_SECONDS:
        return 0
    longest = min(len(before.lines), len(block.lines))
    return next((n for n in range(longest, 0, -1) if before.lines[-n:] == block.lines[:n]), 0)
