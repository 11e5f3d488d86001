"""Text files of unknown encoding. Feeds subtitles.py, the caption tables and the readers of annotations."""

import codecs
import os
import re
from dataclasses import dataclass
from pathlib import Path

from vlsa.base.errors import CaptionError
from vlsa.base.files import open_regular
from vlsa.data.media.latin_text import WESTERN, latin_encoding

BYTE_ORDER_MARKS = (  # the longer first: UTF-32's mark starts with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
OTHER_SCRIPTS = ("cp1251", "koi8_r", "euc_jp", "gb18030", "big5", "cp949", "cp1253", "cp1255", "cp1256", "cp874")
"""What is written where letters are not Latin: Cyrillic, Japanese, Chinese, Korean, Greek, Hebrew, Arabic, Thai."""
SHIFT_JIS, LEAST_CONTROL_SHARE = "cp932", 0.2
"""The one in which, of the bytes beyond ASCII, more than this share lie below 0xA0."""
WORD = re.compile(rb"[A-Za-z\x80-\xff]{2,}")
LATIN_SHARE = 2 / 3
"""In Latin words with accents, most letters have none: no more bytes than this share are beyond ASCII."""
FEWEST_BYTES = 4
"""Beyond ASCII; with fewer, the encoding is not guessed."""
JOINERS = re.compile("[\u200c\u200d ]")
"""Unseen, and yet spelling in Persian, in scripts of India and in emoji: kept between other characters."""
UNSEEN = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")
"""Soft hyphens, spaces of no width, marks of direction, byte order marks."""
NOT_A_NUMBER = ("nan", "NaN", "NAN")
SEPARATOR_LINE = re.compile(r'\A"?sep=."?(?=\r?\n)', re.IGNORECASE)
HALF = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as Python's `surrogateescape` has it."""
SAMPLE_BYTES = 65_536
"""At the beginning of a file, by which UTF-16 is known."""
LEAST_ZEROS = 0.1
"""Of the bytes at even, or at odd, places: as many are zero in UTF-16 with some digits and line ends."""


@dataclass(frozen=True)
class TextFile:
    """A file's text, and how its bytes were read."""

    text: str
    encoding: str
    """`utf-8`, `utf-8-sig`, `utf-16`, `utf-16-le`, `utf-16-be`, `utf-32`, or a guess."""
    is_guess: bool = False


def one_line(text: str) -> str:
    """Text on one line, without marks that nobody sees; empty if there is nothing to see in it."""
    line = " ".join(UNSEEN.sub("", text).split())
    return "" if not JOINERS.sub("", line) else line


def caption_line(text: str) -> str:
    """A caption on one line; empty if there is none, also by the word that programs write for a missing value."""
    line = one_line(text)
    return "" if line in NOT_A_NUMBER else line


def read_text(path: str | os.PathLike[str]) -> str:
    """The file's text. Raises CaptionError unless it is sure how the bytes are meant."""
    data = _read(path)
    found = _decoded(data)
    if found is None:
        raise _unsure(path, data)
    return found.text


def read_text_guessing(path: str | os.PathLike[str]) -> TextFile:
    """The file's text; where it is not Unicode, as its letters look: by latin_text.py, else charset-normalizer.

    Raises CaptionError if it is none of these.
    """
    data = _read(path)
    found = _decoded(data) or _guessed(data)
    if found is None:
        raise _unsure(path, data)
    return found


def _guessed(data: bytes) -> TextFile | None:
    if b"\0" in data or data.startswith(tuple(mark for mark, _ in BYTE_ORDER_MARKS)):
        return None
    if (mixed := _mostly_utf8(data)) is not None:
        return TextFile(mixed, f"utf-8 with {WESTERN} in places", is_guess=True)
    high = b"".join(word for word in WORD.findall(data) if not word.isascii())
    num_high = sum(byte > 127 for byte in high)
    is_latin = num_high <= max(LATIN_SHARE * len(high), FEWEST_BYTES - 1)
    encoding = latin_encoding(data) if is_latin else None
    if encoding is not None:
        return TextFile(data.decode(encoding), encoding, is_guess=True)
    if num_high < FEWEST_BYTES:
        return None
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        return None

    has_controls = sum(0x80 <= byte < 0xA0 for byte in data) > LEAST_CONTROL_SHARE * num_high
    best = from_bytes(data, cp_isolation=[SHIFT_JIS] if has_controls else list(OTHER_SCRIPTS)).best()
    return None if best is None else TextFile(str(best), best.encoding, is_guess=True)


def _mostly_utf8(data: bytes) -> str | None:
    """Text of UTF-8 with some bytes of western Windows, as of files that were put together; None for other bytes.

    In text of another encoding, few bytes look like UTF-8.
    """
    text = data.decode("utf-8", "surrogateescape")
    num_others = len(HALF.findall(text))
    num_beyond = sum(not character.isascii() for character in text) - num_others
    if num_beyond < max(num_others, FEWEST_BYTES // 2):
        return None
    return HALF.sub(lambda found: bytes([ord(found[0]) - 0xDC00]).decode(WESTERN, "replace"), text)


def without_separator_line(text: str) -> str:
    """A table without the `sep=;` that spreadsheets write and read as its first line; the line stays, empty."""
    return SEPARATOR_LINE.sub("", text, count=1)


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read()
    except OSError as error:
        raise CaptionError(f"{path}: cannot be read ({error.strerror}). Check the path and its permissions.") from error


def _marked(data: bytes) -> str:
    return next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")


def _decoded(data: bytes) -> TextFile | None:
    """The text by the byte order mark, as UTF-16 if every other byte may be zero, or as UTF-8; None for others."""
    encoding = _without_mark(data) or _marked(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else TextFile(text, encoding)


def _without_mark(data: bytes) -> str | None:
    """UTF-16 by the places of its zeros."""
    begin = data[:SAMPLE_BYTES]
    even, odd = begin[::2].count(0), begin[1::2].count(0)
    fewer, more = sorted((even, odd))
    is_marked = _marked(data) != "utf-8"
    if is_marked or not more or more < LEAST_ZEROS * len(begin) / 2 or fewer > more / 4:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _unsure(path: str | os.PathLike[str], data: bytes) -> CaptionError:
    encoding = _marked(data)
    try:
        offset = data.decode(encoding).encode(encoding).find(b"\0")
        likely = "UTF-16LE"
    except UnicodeDecodeError as error:
        guess = _guessed(data)
        offset, likely = error.start, WESTERN if encoding == "utf-8" else encoding
        likely = "UTF-16LE" if encoding == "utf-8" and b"\0" in data else guess.encoding if guess else likely
        likely = likely.replace("_", "-").upper() if encoding == "utf-8" else likely
    line = data.count(b"\n", 0, offset) + 1
    return CaptionError(
        f"{path}:{line}: byte {offset} is not {encoding.upper().removesuffix('-SIG')} text; text would be garbled. "
        f"If it is {likely}: iconv -f {likely} -t UTF-8 {path} > utf8{Path(path).suffix}"
    )
