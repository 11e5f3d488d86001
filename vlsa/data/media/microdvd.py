"""MicroDVD (.sub) and MPL2: cues counted in frames, {start}{stop}text, or in tenths of a second, [start][stop]text.

Lines of a cue are separated by bars. Pure functions of a file's text; used by subtitles.py.
"""

import math
import re

from vlsa.data.media.cue_ends import with_ends
from vlsa.data.media.rolling import Block

CUE = re.compile(r"[ \t]*(?:\{(\d{1,9})\}\{(\d{0,9})\}|\[(\d{1,9})\]\[(\d{0,9})\])(.*)")
RATE = re.compile(r"\s*(\d{1,3}(?:[.,]\d{1,6})?)(?:\s*fps)?\s*", re.IGNORECASE)
"""All that the first cue says, where it names the frames a second: {1}{1}23.976."""
HIGHEST_RATE = 300.0
MPL2_PER_SECOND = 10.0
CODES = re.compile(r"\{[a-zA-Z]:[^{}]*\}")
"""{y:i}, {c:$0000ff}, {s:12}: how text is shown."""


class NoFrameRate(ValueError):
    """Times are counted in frames, and nothing says how many are a second."""


def is_microdvd(text: str) -> bool:
    """Whether the first line with anything in it is a cue."""
    first = next((line for line in text.split("\n") if line.strip("\ufeff \t")), "")
    return CUE.match(first.lstrip("\ufeff")) is not None


def microdvd_blocks(text: str, frames_per_second: float | None) -> tuple[list[Block], int]:
    """The cues of a file in its order, and how many lines are none.

    `frames_per_second`: of the film, where the file itself does not say it. Raises NoFrameRate.
    """
    lines = [line for line in text.lstrip("\ufeff").split("\n") if line.strip()]
    cues = [match for line in lines if (match := CUE.match(line))]
    own_rate = _own_rate(cues[0])
    in_frames = cues[0][1] is not None
    rate = (own_rate or frames_per_second) if in_frames else MPL2_PER_SECOND
    if not rate:
        raise NoFrameRate
    blocks = [_block(match, rate) for match in cues[own_rate is not None :]]
    return with_ends(blocks), len(lines) - len(cues)


def _own_rate(first: re.Match[str]) -> float | None:
    """What the first cue says if it is shown at the very start, for no time, and is a number."""
    found = RATE.fullmatch(first[5])
    if first[1] is None or found is None or int(first[1]) > 1 or first[2] not in ("", "0", "1"):
        return None
    rate = float(found[1].replace(",", "."))
    return rate if 0 < rate <= HIGHEST_RATE else None


def _block(match: re.Match[str], rate: float) -> Block:
    start, stop = (match[1], match[2]) if match[1] is not None else (match[3], match[4])
    lines = (CODES.sub("", line).removeprefix("/") for line in match[5].split("|"))
    return Block(int(start) / rate, int(stop) / rate if stop else math.inf, tuple(lines))
