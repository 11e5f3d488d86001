"""Moments as an edit decision list (CMX 3600): the cuts one after the other, which every editor loads.

Reads events of clips.py. A list has one frame rate, so moments of files with different rates make a list each; and it
has at most MOST_EVENTS cuts, so that more make several. The sequence starts at 01:00:00:00, as is usual, in the kind of
timecode (drop-frame or not) of the first cut. Each source keeps the kind of its own; an FCM line says where it changes.
Reel names have eight characters, so the file's name and its path are given as comments.
"""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction

from vlsa.retrieve.search.export.clips import Event
from vlsa.retrieve.search.export.timecode import parse_timecode, timecodes

REEL_LETTERS = 8
RESERVED_REELS = frozenset({"AX", "BL", "BLACK", "BARS"})
"""Names that mean no file of its own: an unknown source, black, colour bars."""
MOST_EVENTS = 999
"""Numbers that an event can have."""


def edit_lists(events: Iterable[Event], title: str) -> dict[Fraction, list[str]]:
    """The texts of the lists for each frame rate."""
    by_rate: dict[Fraction, list[Event]] = {}
    for event in events:
        by_rate.setdefault(event.file.rate, []).append(event)
    found = {}
    for rate, group in by_rate.items():
        parts = [group[first : first + MOST_EVENTS] for first in range(0, len(group), MOST_EVENTS)]
        numbered = [f"{number} of {len(parts)}: {title}" for number in range(1, len(parts) + 1)]
        titles = numbered if len(parts) > 1 else [title]
        found[rate] = [_edit_list(part, rate, name) for part, name in zip(parts, titles, strict=True)]
    return found


def _edit_list(events: Sequence[Event], rate: Fraction, title: str) -> str:
    reels = reel_names([event.moment.path for event in events])
    drop_frame = in_drop_frame = events[0].file.drop_frame
    lines = [f"TITLE: {_one_line(title)[:70]}", _frame_code(drop_frame), ""]
    place = parse_timecode("01:00:00;00" if drop_frame else "01:00:00:00", rate)
    for number, event in enumerate(events, 1):
        if event.file.drop_frame != in_drop_frame:
            in_drop_frame = event.file.drop_frame
            lines.append(_frame_code(in_drop_frame))
        record = timecodes(place, place + event.num_frames, rate, drop_frame=drop_frame)
        lines += _lines(number, event, reels[event.moment.path], record)
        place += event.num_frames
    return "\r\n".join(lines) + "\r\n"


def _frame_code(drop_frame: bool) -> str:
    return f"FCM: {'DROP FRAME' if drop_frame else 'NON-DROP FRAME'}"


def _lines(number: int, event: Event, reel: str, record: Sequence[str]) -> list[str]:
    file = event.file
    source = timecodes(event.start_frame, event.stop_frame, file.rate, drop_frame=file.drop_frame)
    channel = "B" if file.has_video and file.has_sound else "V" if file.has_video else "A"
    comment = f"RANK {event.moment.rank}, STAND-OUT {event.moment.stand_out:.2f}"
    return [
        f"{number:03d}  {reel:<8} {channel:<5} C        {' '.join((*source, *record))}",
        f"* FROM CLIP NAME: {_one_line(file.path.name)}",
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
            names[path] = _unused(stem, {*names.values(), *RESERVED_REELS})
    return names


def _unused(stem: str, used: set[str]) -> str:
    name, number = stem, 1
    while name in used:
        number += 1
        name = f"{stem[: REEL_LETTERS - len(str(number))]}{number}"
    return name
