"""SMPTE timecode: the names of frames, with drop-frame at 29.97 and 59.94 a second. Feeds edl.py and timeline.py.

At 29.97 frames a second a clock that counts 30 frames as a second runs slow; drop-frame timecode leaves out the names
;00 and ;01 (at 59.94 ;00 to ;03) at the start of each minute but every tenth, so that it follows the clock. No frame is
dropped, only names.
"""

import re
from fractions import Fraction

from vlsa.base.errors import VlsaError

RATES = tuple(
    Fraction(*rate)
    for rate in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48, 1), (50, 1), (60000, 1001), (60, 1))
)
"""Frames a second that editors count in."""
DROPPING = frozenset({Fraction(30000, 1001), Fraction(60000, 1001)})
_TIMECODE = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})[:;.](\d{2})", re.ASCII)


def nearest_rate(frames_per_second: float) -> Fraction:
    """The rate of an editor that is nearest to that of a file."""
    return min(RATES, key=lambda rate: abs(float(rate) - frames_per_second))


def frame_at(seconds: float, rate: Fraction) -> int:
    """The frame that starts nearest to a time."""
    return round(Fraction(seconds).limit_denominator(1_000_000) * rate)


def timecode(frame: int, rate: Fraction) -> str:
    """The name of a frame: 00:00:12:05, or with drop-frame 00:00:12;05. After 24 hours it starts again."""
    base, dropped = _base(rate)
    if dropped:
        tens, rest = divmod(frame, 600 * base - 9 * dropped)
        frame += 9 * dropped * tens + dropped * max((rest - dropped) // (60 * base - dropped), 0)
    seconds, frames = divmod(frame, base)
    sign = ";" if dropped else ":"
    return f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{sign}{frames:02d}"


def parse_timecode(text: str, rate: Fraction) -> int:
    """The frame of a name. Raises VlsaError for what is no timecode, or names a frame that there is not."""
    found = _TIMECODE.fullmatch(text.strip())
    hours, minutes, seconds, frames = map(int, found.groups()) if found else (0, 0, 0, 0)
    base, dropped = _base(rate)
    if found is None or minutes > 59 or seconds > 59 or frames >= base:
        raise VlsaError(f"{text[:40]!r}: not a timecode at {float(rate):.2f} frames/s. Write hh:mm:ss:ff.")
    dropped = dropped if ";" in text else 0
    total_minutes = 60 * hours + minutes
    return (60 * total_minutes + seconds) * base + frames - dropped * (total_minutes - total_minutes // 10)


def _base(rate: Fraction) -> tuple[int, int]:
    """Frames that timecode counts as a second, and names left out at the start of a minute."""
    base = round(rate)
    return base, base // 15 if rate in DROPPING else 0
