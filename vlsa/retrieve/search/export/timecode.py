"""SMPTE timecode: the names of frames, with drop-frame at 29.97 and 59.94 a second. Feeds edl.py and timeline.py.

At 29.97 frames a second a clock that counts 30 frames as a second runs slow; drop-frame timecode leaves out the names
;00 and ;01 (at 59.94 ;00 to ;03) at the start of each minute but every tenth, so that it follows the clock. No frame is
dropped, only names. Material at these rates has either kind of names; `;` before the frames says drop-frame.
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
"""Rates at which names may be left out."""
_TIMECODE = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})([:;.])(\d{2})", re.ASCII)


def nearest_rate(frames_per_second: float) -> Fraction:
    """The rate of an editor that is nearest to that of a file."""
    return min(RATES, key=lambda rate: abs(float(rate) - frames_per_second))


def frame_at(seconds: float, rate: Fraction) -> int:
    """The frame that starts nearest to a time."""
    return round(Fraction(seconds).limit_denominator(1_000_000) * rate)


def timecode(frame: int, rate: Fraction, *, drop_frame: bool) -> str:
    """The name of a frame: 00:00:12:05, or with drop-frame 00:00:12;05. After 24 hours it starts again."""
    return _name(frame % _day(rate, drop_frame), rate, drop_frame)


def timecodes(start_frame: int, stop_frame: int, rate: Fraction, *, drop_frame: bool) -> tuple[str, str]:
    """The names of the first frame and of the one after the last; past midnight hours go on from 24.

    Else the end would lie before the start, which no reader of edit lists takes.
    """
    days = start_frame - start_frame % _day(rate, drop_frame)
    return _name(start_frame - days, rate, drop_frame), _name(stop_frame - days, rate, drop_frame)


def _day(rate: Fraction, drop_frame: bool) -> int:
    """Frames of 24 hours."""
    base, dropped = _base(rate, drop_frame)
    return 144 * (600 * base - 9 * dropped)


def _name(frame: int, rate: Fraction, drop_frame: bool) -> str:
    base, dropped = _base(rate, drop_frame)
    if dropped:
        tens, rest = divmod(frame, 600 * base - 9 * dropped)
        frame += 9 * dropped * tens + dropped * max((rest - dropped) // (60 * base - dropped), 0)
    seconds, frames = divmod(frame, base)
    sign = ";" if dropped else ":"
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{sign}{frames:02d}"


def parse_timecode(text: str, rate: Fraction) -> int:
    """The frame of a name. Raises VlsaError for what is no timecode, or names a frame that there is not."""
    found = _TIMECODE.fullmatch(text.strip())
    hours, minutes, seconds, frames = (int(found[group]) for group in (1, 2, 3, 5)) if found else (0, 0, 0, 0)
    base, dropped = _base(rate, says_drop_frame(text, rate))
    is_left_out = minutes % 10 and not seconds and frames < dropped
    if found is None or minutes > 59 or seconds > 59 or frames >= base or is_left_out:
        raise VlsaError(
            f"{text[:40]!r}: no frame has this timecode at {float(rate):.2f} frames/s; it is no place in a file. "
            "Write hh:mm:ss:ff, or hh:mm:ss;ff for drop-frame."
        )
    total_minutes = 60 * hours + minutes
    return (60 * total_minutes + seconds) * base + frames - dropped * (total_minutes - total_minutes // 10)


def says_drop_frame(text: str, rate: Fraction) -> bool:
    """Whether a timecode is in drop-frame: `;`, or `.` as some write it, stands before the frames."""
    found = _TIMECODE.fullmatch(text.strip())
    return rate in DROPPING and found is not None and found[4] != ":"


def _base(rate: Fraction, drop_frame: bool) -> tuple[int, int]:
    """Frames that timecode counts as a second, and names left out at the start of a minute."""
    assert rate in DROPPING or not drop_frame, rate
    base = round(rate)
    return base, base // 15 if drop_frame else 0
