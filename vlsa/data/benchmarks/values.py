"""Single values of annotation files: ids, times and texts, each checked where it is read.

Used by the adapters. A value that cannot be what it should is a ManifestError that names file and line.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

from vlsa.base.errors import ManifestError
from vlsa.data.ingest.commas import is_open, number_of
from vlsa.data.media.text_files import caption_line

LONGEST_SECONDS = 7 * 86_400.0
"""A time beyond a week is a damaged number."""
CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):([0-5]?\d(?:\.\d{1,9})?)")


def entries(value: Any, where: str, what: str) -> Iterator[tuple[str, Any]]:
    """`where`, and the value, of each entry of a list. Raises ManifestError when it is not a list."""
    if not isinstance(value, list | tuple):
        raise ManifestError(f"{where}: {what} is {_kind(value)}, where a list is needed. Get the publisher's own file.")
    for number, entry in enumerate(value, 1):
        yield f"{where}: {what} {number}", entry


def field(record: Any, name: str, where: str) -> Any:
    """A value of an object. Raises ManifestError that names the key and those that exist."""
    if isinstance(record, dict) and name in record:
        return record[name]
    found = ", ".join(named(key) for key in list(record)[:8]) if isinstance(record, dict) else _kind(record)
    raise ManifestError(
        f"{where}: no {name!r} (found: {found or 'nothing'}); the entry says nothing about a clip without. Get the "
        "publisher's own file."
    )


def identifier(value: Any, where: str, name: str) -> str:
    """The id of a video. Raises ManifestError for a number, which may have lost leading zeros, and for a blank."""
    if not isinstance(value, str) or not value.strip():
        raise ManifestError(
            f"{where}: {name}={shown(value)} is not an id; ids are texts, since a number loses its leading zeros. Get "
            "the publisher's own file."
        )
    return value.strip()


def words(value: Any, where: str, name: str) -> str:
    """A caption on one line; blank where there is none (null or NaN)."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, dict):
        keys = ", ".join(f"{name}.{named(key)}" for key in list(value)[:4])
        remedy = f"Name what is the text in it: one of {keys}." if keys else "Give its text."
        raise ManifestError(f"{where}: {name}=an object is not a text. {remedy}")
    if not isinstance(value, str):
        raise ManifestError(f"{where}: {name}={shown(value)} is not a text. Get the publisher's own file.")
    return caption_line(value)


def all_words(value: Any, where: str, name: str) -> tuple[str, ...]:
    """One caption, or a list of them; a caption may be a list of its words."""
    if isinstance(value, list | tuple):
        return tuple(words(_sentence(entry), where, name) for entry in value)
    return (words(value, where, name),)


def _sentence(value: Any) -> Any:
    if isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        return " ".join(value)
    return value


def is_blank(value: Any) -> bool:
    """Whether there is no value: null, NaN (which pandas writes for null), or no character."""
    if isinstance(value, str):
        return value.strip().lower() in ("", "nan")
    return value is None or (isinstance(value, float) and math.isnan(value))


def seconds(value: Any, where: str, name: str) -> float:
    """A time, also h:mm:ss.s, 12,5, 12.5s. Raises ManifestError for NaN, below 0, over a week, 1,234 (commas.py)."""
    number = number_of if isinstance(value, str) else float
    try:
        time = math.nan if isinstance(value, bool) else _clock(value) if ":" in str(value)[:20] else number(value)
    except (TypeError, ValueError, OverflowError):
        time = math.nan
    if not 0 <= time <= LONGEST_SECONDS:
        is_which = isinstance(value, str) and is_open(value)
        what = "may be thousands of seconds, or decimals" if is_which else "is not a time in seconds, such as 12.5"
        raise ManifestError(
            f"{where}: {name}={shown(value)} {what}; the clip cannot be placed. Correct the line, or delete it."
        )
    return time


def _clock(value: Any) -> float:
    """0:01:02.5 or 1:02.5 in seconds; NaN for anything else."""
    match = CLOCK.fullmatch(str(value).strip().replace(",", ".", 1))
    return math.nan if not match else int(match[1] or 0) * 3600 + int(match[2]) * 60 + float(match[3])


def _kind(value: Any) -> str:
    names = {"dict": "an object", "list": "a list", "str": "a text", "int": "a number", "float": "a number"}
    return names.get(type(value).__name__, type(value).__name__)


def named(key: Any) -> str:
    """A key for an error message, shortened; a text without quotes."""
    return key[:40] if isinstance(key, str) else shown(key)


def shown(value: Any) -> str:
    """A value for an error message, shortened."""
    if isinstance(value, str | float | int | bool | None) and not (isinstance(value, int) and abs(value) > 1e18):
        text = repr(value)
        return text if len(text) <= 60 else text[:57] + "..."
    return _kind(value)
