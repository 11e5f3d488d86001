"""Subtitles: text with the times at which it is shown, from .srt and .vtt files. Feeds decode.py and ingest/."""

import codecs
import html
import os
import re
from dataclasses import dataclass
from pathlib import Path

from vlsa.base.errors import CaptionError
from vlsa.base.files import open_regular

BYTE_ORDER_MARKS = (  # the longer first: UTF-32's mark starts with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MARKUP = re.compile(
    r"\{\\[^}]*\}"  # {\i1}, {\an8}: SubStation codes
    r"|</?(?:i|b|u|s|c|v|font|ruby|rt|lang)(?:[\s.][^<>]*)?/?>"  # <i>, <font color=...>, <v Ann>, <c.yellow>
    r"|<\d[\d:.]*>",  # <00:01.500>: WebVTT karaoke times
    re.IGNORECASE,
)
LINE_BREAK = re.compile(r"\\[Nnh]")


@dataclass(frozen=True)
class TimedText:
    """Text, and when it is shown. Seconds of the media file."""

    start_seconds: float
    stop_seconds: float
    text: str


def clean_text(text: str) -> str:
    """Text without markup, character references and line breaks."""
    return " ".join(html.unescape(LINE_BREAK.sub(" ", MARKUP.sub("", text))).split())


def read_subtitles(path: str | os.PathLike[str]) -> list[TimedText]:
    """The cues of a .srt or .vtt file by start time, without markup.

    Cues without text, and cues that do not end after they start, are left out (players show neither). UTF-8, with or
    without byte order mark, and UTF-16 or UTF-32 with one are understood. Raises CaptionError for another encoding, for
    a file that is no subtitle file, and for one without a single cue.
    """
    import pysubs2

    text = read_text(path)
    kind = {".srt": "srt", ".vtt": "vtt"}.get(Path(path).suffix.lower())
    if kind is None:
        raise CaptionError(f"{path}: not a subtitle file by its name; only .srt and .vtt are read. Convert it to .srt.")
    try:
        text = _cues_alone(text) if kind == "vtt" else text
        events = pysubs2.SSAFile.from_string(text, format_=kind, keep_html_tags=True).events
    except (pysubs2.Pysubs2Error, ValueError, IndexError) as error:
        raise CaptionError(
            f"{path}: not a readable .{kind} file ({error}). Check it in a text editor, or remove it."
        ) from error
    cues = [TimedText(e.start / 1000, e.end / 1000, clean_text(e.text)) for e in events if not e.is_comment]
    _check_timings(path, cues)
    cues = [cue for cue in cues if cue.text and cue.stop_seconds > cue.start_seconds]
    if not cues:
        raise CaptionError(f"{path}: no cue with text; the video would stay without text. Fix the file, or remove it.")
    return sorted(cues, key=lambda cue: (cue.start_seconds, cue.stop_seconds))


def _cues_alone(text: str) -> str:
    """WebVTT without notes, styles and names of cues: pysubs2 would take them for text of the cue before."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    blocks = [block.split("\n") for block in re.split(r"\n\s*\n", text)]
    timed = [(lines, k) for lines in blocks for k in range(min(2, len(lines))) if "-->" in lines[k]]
    # pysubs2 takes a number in the last line for the next cue's: give it one to take
    return "WEBVTT\n\n" + "".join("\n".join(lines[k:]) + "\n\n0\n" for lines, k in timed)


def _check_timings(path: str | os.PathLike[str], cues: list[TimedText]) -> None:
    for cue in cues:
        if "-->" in cue.text:
            raise CaptionError(
                f"{path}: after {cue.start_seconds:.3f} s: a line with '-->' that is not a timing; its text would join "
                "the wrong cue. Write 00:00:01,500 --> 00:00:02,750 (in .vtt 00:00:01.500)."
            )


def read_text(path: str | os.PathLike[str]) -> str:
    """The file's text. Raises CaptionError unless it is sure how the bytes are meant."""
    try:
        with open_regular(path) as file:
            data = file.read()
    except OSError as error:
        raise CaptionError(f"{path}: cannot be read ({error.strerror}). Check the path and its permissions.") from error
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        offset, likely = error.start, "LATIN1" if encoding == "utf-8" else encoding
        likely = "UTF-16LE" if encoding == "utf-8" and b"\0" in data else likely
    else:
        if "\0" not in text:
            return text
        offset, likely = data.find(b"\0"), "UTF-16LE"
    line = data.count(b"\n", 0, offset) + 1
    raise CaptionError(
        f"{path}:{line}: byte {offset} is not {encoding.upper().removesuffix('-SIG')} text; text would be garbled. "
        f"If it is {likely}: iconv -f {likely} -t UTF-8 {path} > utf8{Path(path).suffix}"
    )
