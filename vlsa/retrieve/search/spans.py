"""A stretch of a file, as it is written on the command line (`clip.mp4@12-15`), and times as people write them.

Feeds question.py and the commands. Times are seconds, m:ss or h:mm:ss, each with a fraction after a point or, as in
subtitles, a comma; or 1h2m3.5s.
"""

import os
import re
from dataclasses import dataclass

from vlsa.base.errors import VlsaError

_CLOCK = r"(?:(?:\d+:)?\d+:)?\d+(?:[.,]\d+)?"
_UNITS = r"(?=\d)(?:\d+h)?(?:\d+m)?(?:\d+(?:[.,]\d+)?s)?"
_TIME = f"(?:{_CLOCK}|{_UNITS})"
LONGEST_SECONDS = 1e9
"""No file is longer than 30 years."""
_FORMS = "seconds, m:ss, h:mm:ss or 1h2m3s, as in 75.5, 1:15.5 or 0:01:15.5"
_SPAN = re.compile(rf"(?P<path>.+)@(?P<start>{_TIME})-(?P<stop>{_TIME})", re.DOTALL | re.ASCII)


@dataclass(frozen=True)
class Span:
    """A file, or a stretch of it in seconds of the file; without times it is all of it."""

    path: str
    start_seconds: float | None = None
    stop_seconds: float | None = None

    def __str__(self) -> str:
        if self.start_seconds is None or self.stop_seconds is None:
            return self.path
        return f"{self.path}@{clock(self.start_seconds)}-{clock(self.stop_seconds)}"


def parse_span(text: str) -> Span:
    """FILE, or FILE@START-STOP. A file of just that name comes first.

    Raises VlsaError for a stretch without length, and for what follows the name of a file and is no stretch.
    """
    found = None if os.path.lexists(text) else _SPAN.fullmatch(text)
    if found is None:
        _check_no_stretch(text)
        return Span(text)
    start, stop = parse_time(found["start"]), parse_time(found["stop"])
    if not start < stop:
        raise VlsaError(
            f"{text}: ends at {clock(stop)}, not after its start at {clock(start)}; there is nothing between. "
            "Write FILE@START-STOP, as in clip.mp4@12-15 or clip.mp4@1:02:03-1:02:05.5."
        )
    return Span(found["path"], start, stop)


def _check_no_stretch(text: str) -> None:
    path, sign, rest = text.rpartition("@")
    if sign and "/" not in rest and os.path.isfile(path) and not os.path.lexists(text):
        raise VlsaError(
            f"{text}: {rest!r} is no stretch of {path}; what to ask with is not clear. Write FILE@START-STOP, each as "
            f"{_FORMS}."
        )


def require_span(text: str) -> Span:
    """FILE@START-STOP. Raises VlsaError when there are no times."""
    span = parse_span(text)
    if span.start_seconds is None:
        raise VlsaError(
            f"{text}: names no stretch of a file; it has to start and stop somewhere. "
            "Write FILE@START-STOP, as in clip.mp4@12-15 or clip.mp4@1:02:03-1:02:05.5."
        )
    return span


def parse_time(text: str) -> float:
    """Seconds of 75.5, 1:15.5, 0:01:15,5 or 1m15.5s. Raises VlsaError, also for 60 and more after a larger unit."""
    if re.fullmatch(_UNITS, text, re.ASCII):
        parts = re.findall(r"([\d.,]+)([hms])", text)
        if any(_number(part) >= 60 for part, _ in parts[1:]):
            raise VlsaError(f"{text!r}: more than 59 after a larger unit; the time could be misread. Write 1h2m3s.")
        return _checked(text, sum(_number(part) * {"h": 3600, "m": 60, "s": 1}[unit] for part, unit in parts))
    if not re.fullmatch(_CLOCK, text, re.ASCII):
        raise VlsaError(f"{text!r}: not a time; it could be misread. Write {_FORMS}.")
    numbers = [_number(part) for part in text.split(":")]
    if any(number >= 60 for number in numbers[1:]):
        raise VlsaError(f"{text!r}: more than 59 after a colon; the time could be misread. Write m:ss or h:mm:ss.")
    seconds = 0.0
    for number in numbers:
        seconds = 60 * seconds + number
    return _checked(text, seconds)


def _checked(text: str, seconds: float) -> float:
    if seconds > LONGEST_SECONDS:
        raise VlsaError(f"{text[:40]!r}: no time in a file, which lasts years at most. Write {_FORMS}.")
    return round(seconds, 6)


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def clock(seconds: float) -> str:
    """A time as h:mm:ss.sss, without zeros at the end of the fraction: 0:01:15.5."""
    thousandths = round(seconds * 1000)
    whole, fraction = divmod(thousandths, 1000)
    text = f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{text}.{fraction:03d}".rstrip("0") if fraction else text
