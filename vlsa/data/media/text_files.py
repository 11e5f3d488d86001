"""Text files of unknown encoding. Feeds subtitles.py, the caption tables and the readers of annotations."""

import codecs
import os
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
WINDOWS = "cp1252"
"""What programs for Windows of western countries write. Almost any bytes are text in it, so that it is a guess."""


@dataclass(frozen=True)
class TextFile:
    """A file's text, and how its bytes were read."""

    text: str
    encoding: str
    """`utf-8`, `utf-8-sig`, `utf-16`, `utf-32`, or `cp1252`, which is a guess."""


def read_text(path: str | os.PathLike[str]) -> str:
    """The file's text. Raises CaptionError unless it is sure how the bytes are meant."""
    data = _read(path)
    found = _decoded(data)
    if found is None:
        raise _unsure(path, data)
    return found.text


def read_text_guessing(path: str | os.PathLike[str]) -> TextFile:
    """The file's text, as that of a Windows program where it is not Unicode. Raises CaptionError if it is neither."""
    data = _read(path)
    found = _decoded(data)
    if found is not None:
        return found
    try:
        text = data.decode(WINDOWS)
    except UnicodeDecodeError as error:
        raise _unsure(path, data) from error
    if "\0" in text or data.startswith(tuple(mark for mark, _ in BYTE_ORDER_MARKS)):
        raise _unsure(path, data)
    return TextFile(text, WINDOWS)


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read()
    except OSError as error:
        raise CaptionError(f"{path}: cannot be read ({error.strerror}). Check the path and its permissions.") from error


def _marked(data: bytes) -> str:
    return next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")


def _decoded(data: bytes) -> TextFile | None:
    """The text by the byte order mark or as UTF-8; None where it is something else."""
    encoding = _marked(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else TextFile(text, encoding)


def _unsure(path: str | os.PathLike[str], data: bytes) -> CaptionError:
    encoding = _marked(data)
    try:
        offset = data.decode(encoding).encode(encoding).find(b"\0")
        likely = "UTF-16LE"
    except UnicodeDecodeError as error:
        offset, likely = error.start, WINDOWS.upper() if encoding == "utf-8" else encoding
        likely = "UTF-16LE" if encoding == "utf-8" and b"\0" in data else likely
    line = data.count(b"\n", 0, offset) + 1
    return CaptionError(
        f"{path}:{line}: byte {offset} is not {encoding.upper().removesuffix('-SIG')} text; text would be garbled. "
        f"If it is {likely}: iconv -f {likely} -t UTF-8 {path} > utf8{Path(path).suffix}"
    )
