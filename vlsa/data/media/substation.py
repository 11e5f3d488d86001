"""SubStation subtitles (.ass, .ssa): when each line is shown, and its text as it is written.

Columns are those of the file's own `Format:` line. Pure functions of a file's text; used by subtitles.py.
"""

import re
from collections.abc import Sequence

CUE = re.compile(r"^[ \t]*Dialogue:[^\n]*?\d{1,2}:\d{1,2}:\d{1,2}[.:,]\d{1,9}[ \t]*,", re.MULTILINE | re.IGNORECASE)
"""A line of a SubStation file, whatever its head is. Bounded: no file makes the search long."""
USUAL_COLUMNS = ("layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text")
"""Of a file without a `Format:` line."""
NEEDED_COLUMNS = ("start", "end", "text")
TIME = re.compile(r"(-?)(\d+):(\d{1,2}):(\d{1,2})(?:[.:,](\d{1,9}))?")

Line = tuple[float, float, str]
"""Start and stop in seconds, and text."""


def substation_lines(text: str) -> tuple[list[Line], int]:
    """The lines of a file in its order, and how many have a timing that cannot be read. A time before 0 is 0."""
    columns: Sequence[str] = USUAL_COLUMNS
    lines: list[Line] = []
    num_skipped = 0
    for written in text.split("\n"):
        kind, _, rest = written.strip().partition(":")
        if kind.lower() == "format":
            named = [name.strip().lower() for name in rest.split(",")]
            columns = named if all(named.count(name) == 1 for name in NEEDED_COLUMNS) else columns  # else, of styles
        elif kind.lower() == "dialogue":
            line = _line(rest, columns)
            num_skipped += line is None
            lines += [line] if line is not None else []
    return lines, num_skipped


def _line(rest: str, columns: Sequence[str]) -> Line | None:
    cells = _cells(rest, columns)
    if cells is None:
        return None
    start, stop = (_seconds(cells[columns.index(name)]) for name in ("start", "end"))
    return None if start is None or stop is None else (start, stop, cells[columns.index("text")])


def _cells(rest: str, columns: Sequence[str]) -> list[str] | None:
    """The values of the columns; commas that are too many belong to the text. None where there are too few."""
    cells = rest.split(",")
    surplus = len(cells) - len(columns)
    if surplus < 0:
        return None
    first = columns.index("text")
    return [*cells[:first], ",".join(cells[first : first + surplus + 1]), *cells[first + surplus + 1 :]]


def _seconds(text: str) -> float | None:
    match = TIME.fullmatch(text.strip())
    if match is None:
        return None
    sign, hours, minutes, seconds, fraction = match.groups()
    return 0.0 if sign else 3600 * int(hours) + 60 * int(minutes) + int(seconds) + float(f"0.{fraction or 0}")
