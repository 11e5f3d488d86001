"""When a recording was made, by what its container says. Used by probe.py.

Phones and cameras say it in `creation_time`, Apple's in a tag of their own; broadcast WAV (bext) in a day and a time of
day; recorders of wildlife in a chunk of WAV (GUANO) or in a sentence (AudioMoth).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

FIRST_YEAR = 1970
"""Containers say 1904 or 1970 where the clock of the camera was not set."""
APPLE = "com.apple.quicktime.creationdate"
DAY = re.compile(r"(\d{4})\D(\d\d)\D(\d\d)")
TIME_OF_DAY = re.compile(r"(\d\d)\D(\d\d)\D(\d\d)")
"""Broadcasters write them with any marks between the numbers."""
AUDIOMOTH = re.compile(
    r"Recorded at (\d\d:\d\d:\d\d(?:\.\d+)?) (\d\d)/(\d\d)/(\d{4}) \(UTC(?:([+-]\d+)(?::(\d\d))?)?\)"
)
GUANO = re.compile(rb"^Timestamp:\s*(\S[^\r\n]*)", re.MULTILINE)
MOST_CHUNKS, LONGEST_CHUNK_BYTES = 1000, 1 << 20


def recorded_at(path: str, metadata: Mapping[str, str], format_name: str) -> str | None:
    """ISO 8601 in UTC, to the second; a time without a zone counts as UTC. None where nothing says it."""
    said = (metadata.get("creation_time", ""), metadata.get(APPLE, ""), _of_bext(metadata), _of_audiomoth(metadata))
    found = next((moment for written in said if (moment := recording_time(written))), None)
    return found or (recording_time(_of_guano(path)) if format_name == "wav" else None)


def recording_time(written: str) -> str | None:
    """A time stamp as ISO 8601 in UTC; None for one that is not a date, or is a clock that was never set."""
    try:
        moment = datetime.fromisoformat(written.strip())
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment.year > FIRST_YEAR else None


def _of_bext(metadata: Mapping[str, str]) -> str:
    day = DAY.fullmatch(metadata.get("date", ""))
    time = TIME_OF_DAY.fullmatch(metadata.get("creation_time", ""))
    return f"{'-'.join(day.groups())}T{':'.join(time.groups())}" if day and time else ""


def _of_audiomoth(metadata: Mapping[str, str]) -> str:
    found = AUDIOMOTH.search(metadata.get("comment", ""))
    if found is None:
        return ""
    time, day, month, year, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0) * (-1 if hours and hours[0] == "-" else 1))
    try:
        return datetime.fromisoformat(f"{year}-{month}-{day}T{time}").replace(tzinfo=timezone(offset)).isoformat()
    except ValueError:
        return ""


def _of_guano(path: str) -> str:
    """The time in the chunk `guan` of a WAV file, whose chunks are walked through by their heads."""
    with open(path, "rb") as file:
        if file.read(12)[8:] != b"WAVE":
            return ""
        for _ in range(MOST_CHUNKS):
            head = file.read(8)
            length = int.from_bytes(head[4:], "little")
            if head[:4] == b"guan":
                found = GUANO.search(file.read(min(length, LONGEST_CHUNK_BYTES)))
                return found[1].decode("utf-8", "replace").strip() if found else ""
            if len(head) < 8:
                return ""
            file.seek(length + length % 2, 1)
    return ""
