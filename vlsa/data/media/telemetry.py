"""Subtitles in which nobody says anything: a camera writes what it measures (drones, camcorders), or a web page keeps
the places of thumbnails or data for its player.

Pure functions of cues; used by subtitles.py for files and by embedded_text.py.
"""

import re
from collections.abc import Sequence

MEASURED = re.compile(
    r"\bFrameCnt\s*:|\[\s*(?:iso|shutter|fnum|latitude|longitude|focal_len|rel_alt)\s*:|\bSS\s*[\d./]+,\s*ISO\b"
    r"|\bHOME\s*\(\s*[-\dNSEW]|\bGPS\s*[(:]\s*-?\d|\bBAROMETER\s*:",
    re.IGNORECASE,
)
"""[iso: 100] [latitude: 48.1], F/2.8, SS 200, ISO 100, GPS (11.5, 48.1, 17): as drones of DJI and others write."""
CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,:]\d+)*)?(?:\s?[AP]M)?"
DATE = r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})"
STAMP = re.compile(rf"{DATE}[T\s]+{CLOCK}|{CLOCK}\s+{DATE}", re.IGNORECASE)
"""All of a cue of a camcorder."""


PLAYER = re.compile(r"\S+\.(?:jpe?g|png|webp|gif|avif)(?:[#?]\S*)?|\{\s*\"[^{}\"]+\"\s*:.*\}", re.IGNORECASE)
"""All of a cue: sprite.jpg#xywh=0,0,160,90, or an object of JSON."""


def nothing_said(texts: Sequence[str]) -> str | None:
    """Why the cues say nothing: most are measurements, or dates with a time of day, or for a player; None for words."""
    num_measured = sum(bool(MEASURED.search(text) or STAMP.fullmatch(text.strip())) for text in texts)
    num_for_player = sum(bool(PLAYER.fullmatch(text.strip())) for text in texts)
    if 2 * max(num_measured, num_for_player) <= len(texts):
        return None
    measured = "what a camera measured (time, place, exposure)"
    what = measured if num_measured >= num_for_player else "thumbnails or data for a player"
    return f"its subtitles are {what}, not words; they are left out."
