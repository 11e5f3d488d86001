"""Moments as an edit decision list (CMX 3600): the cuts one after the other, which every editor loads.

Reads events of clips.py. A list has one frame rate, so moments of files with different rates make a list each. The
sequence starts at 01:00:00:00, as is usual. Reel names have eight characters, so the file's name and its path are given
as comments.
"""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction

from vlsa.retrieve.search.export.clips import Event
from vlsa.retrieve.search.export.timecode import DROPPING, parse_timecode, timecode

REEL_LETTERS = 8
MOST_EVENTS = 999
"""Numbers that an event can have."""


def edit_lists(events: Iterable[Event], title: str) -> dict[Fraction, str]:
    """The text of a list for each frame rate; of more than 999 moments of a rate the first."""
    by_rate: dict[Fraction, list[Event]] = {}
    for event in events:
        by_rate.setdefault(event.file.rate, []).append(event)
    return {rate: _edit_list(group[:MOST_EVENTS], rate, title) for rate, group in by_rate.items()}


def _edit_list(events: Sequence[Event], rate: Fraction, title: str) -> str:
    reels = reel_names([event.moment.path for event in events])
    lines = [f"TITLE: {_one_line(title)[:70]}", f"FCM: {'DROP FRAME' if rate in DROPPING else 'NON-DROP FRAME'}", ""]
    place = parse_timecode("01:00:00;00" if rate in DROPPING else "01:00:00:00", rate)
    for number, event in enumerate(events, 1):
        lines += _lines(number, event, reels[event.moment.path], place)
        place += event.num_frames
    return "\r\n".join(lines) + "\r\n"


def _lines(number: int, event: Event, reel: str, place: int) -> list[str]:
    rate = event.file.rate
    source = timecode(event.start_frame, rate), timecode(event.stop_frame, rate)
    record = timecode(place, rate), timecode(place + event.num_frames, rate)
    channel = "B" if event.file.has_video and event.file.has_sound else "V" if event.file.has_video else "A"
    comment = f"RANK {event.moment.rank}, STAND-OUT {event.moment.stand_out:.2f}"
    return [
        f"{number:03d}  {reel:<8} {channel:<5} C        {' '.join((*source, *record))}",
        f"* FROM CLIP NAME: {_one_line(event.file.path.name)}",
        f"* SOURCE FILE: {_one_line(event.moment.path)}",
        f"* COMMENT: {_one_line(', '.join([comment, *event.moment.texts]))}",
    ]


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:200]


def reel_names(paths: Iterable[str]) -> dict[str, str]:
    """A name of at most eight capital letters and digits for each path, no two alike."""
    names: dict[str, str] = {}
    for path in paths:
        if path not in names:
            stem = re.sub(r"[^A-Z0-9]", "", path.rpartition("/")[2].rpartition(".")[0].upper())[:REEL_LETTERS] or "REEL"
            names[path] = _unused(stem, {*names.values()})
    return names


def _unused(stem: str, used: set[str]) -> str:
    name, number = stem, 1
    while name in used:
        number += 1
        name = f"{stem[: REEL_LETTERS - len(str(number))]}{number}"
    return name


def num_left_out(events: Sequence[Event]) -> int:
    """Moments that do not fit into the lists."""
    counts = [sum(event.file.rate == rate for event in events) for rate in {event.file.rate for event in events}]
    return sum(max(count - MOST_EVENTS, 0) for count in counts)
