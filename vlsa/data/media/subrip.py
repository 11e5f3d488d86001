"""Cues of SubRip (.srt), WebVTT (.vtt) and SubViewer (.sbv): a line of times, then lines of text as they are written.

Pure functions of a file's text; used by subtitles.py.
"""

import itertools
import re
from collections.abc import Iterator, Sequence

from vlsa.data.media.rolling import Block
from vlsa.data.media.text_files import UNSEEN

TIME = r"(-?)(?:(\d+)[:\uff1a])?(\d{1,2})[:\uff1a](\d{1,2})(?:(?:[.,\uff0c\uff0e]|:(?=\d{3}))(\d{1,9}))?"
"""Colons and commas also as wide as Chinese characters."""
TIMING = re.compile(rf"\s*(?:\d+\s+)?{TIME}\s*(?:-?->|[\u2013\u2014]>|\u2192|--&gt;)\s*{TIME}(?:\s|$)")
"""Also with arrows as editors and web pages make them of `-->`, and with the number of the cue on the same line."""
LIKE_TIMING = re.compile(r"\d\s*-->|-->\s*-?\d")
"""A line that is meant as a timing; an arrow between other characters is text."""
SUBVIEWER_TIMING = re.compile(rf"\s*{TIME},\s*{TIME}\s*")
SUBVIEWER_BREAK = "[br]"


def cue_blocks(text: str) -> tuple[list[Block], int]:
    """The cues of a file, with lines as they are written, and how many have a timing that cannot be read."""
    lines = UNSEEN.sub("", text).split("\n")
    is_webvtt = lines[0].startswith("WEBVTT")
    starts = [number for number, line in enumerate(lines) if _is_timing(line)]
    blocks, num_skipped = [], 0
    for start, stop in itertools.pairwise([*starts, len(lines) + 1]):
        is_subviewer = SUBVIEWER_TIMING.fullmatch(lines[start])
        timing = is_subviewer or TIMING.match(lines[start])
        if timing is None:
            num_skipped += 1
            continue
        parts = timing.groups()
        last = stop - 1 if stop <= len(lines) and _is_name(lines, stop - 1, start, is_webvtt) else stop
        written = _text_lines(lines[start + 1 : last], is_webvtt or bool(is_subviewer))
        text_lines = "\n".join(written).replace(SUBVIEWER_BREAK, "\n").split("\n") if is_subviewer else written
        blocks.append(Block(_seconds(parts[:5]), _seconds(parts[5:]), tuple(text_lines)))
    return blocks, num_skipped


def _is_timing(line: str) -> bool:
    if "-->" in line:
        return LIKE_TIMING.search(line) is not None
    return bool(TIMING.match(line) or SUBVIEWER_TIMING.fullmatch(line))


def _is_name(lines: Sequence[str], number: int, timing: int, is_webvtt: bool) -> bool:
    """Whether the line before a timing is the number or the name of its cue, and not text of the cue before.

    Only WebVTT has names: in SubRip a line after an empty one is text, if it is no number.
    """
    line = lines[number].strip()
    return number > timing and bool(line) and (line.isdigit() or (is_webvtt and not lines[number - 1].strip()))


def _text_lines(lines: Sequence[str], ends_with_empty: bool) -> Iterator[str]:
    """Lines of a cue's text. In WebVTT and SubViewer it ends with an empty line, in SubRip with the next cue."""
    for line in lines:
        if ends_with_empty and line == "":
            return
        yield line


def _seconds(parts: Sequence[str | None]) -> float:
    sign, hours, minutes, seconds, fraction = parts
    value = 3600 * int(hours or 0) + 60 * int(minutes or 0) + int(seconds or 0) + float(f"0.{fraction or 0}")
    return 0.0 if sign else value
