"""Subtitles in which a camera writes what it measures, and nobody says anything: drones and camcorders make them.

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


def is_telemetry(texts: Sequence[str]) -> bool:
    """Whether most of the cues are measurements, or dates with a time of day."""
    num_measured = sum(bool(MEASURED.search(text) or STAMP.fullmatch(text.strip())) for text in texts)
    return 2 * num_measured > len(texts)


def nothing_said(where: str) -> str:
    """What to say of such subtitles."""
    return f"{where}: its subtitles are what a camera measured (time, place, exposure), not words; they are left out."
