"""What was found, printed: a table that fits the terminal for people, or one object a line for programs.

Used by search.py and similar.py. Paths are never broken; the text gives way.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vlsa.base.console import printable, say
from vlsa.cli.output import NARROWEST, PIPE_WIDTH, print_json, print_table, print_text, short_path

if TYPE_CHECKING:
    from vlsa.retrieve.search.answer import Answer
    from vlsa.retrieve.search.moments import Moment

HEADER = ("#", "file", "time", "seconds", "stand-out", "why", "text")
FIRST_OPTIONAL = HEADER.index("why")
"""From here on a column that is empty throughout is left out."""
NOTHING = "nothing here stands out; these are the least unlikely:"


def print_answer(answer: "Answer", source: str, title: str = "") -> None:
    """Print moments as a table, best first, with "nothing here stands out" above it when so."""
    if not answer.stands_out:
        print_text(NOTHING)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH
    rows = fitted([_row(moment, source) for moment in answer.moments], width)
    shown = [column for column in range(len(rows[0])) if column < FIRST_OPTIONAL or any(row[column] for row in rows)]
    header, cells = ([[row[column] for column in shown] for row in table] for table in ([HEADER], rows))
    print_table(header[0], cells, title=title, right="#|time|seconds|stand-out", whole="file|why|text")


def print_lines(answer: "Answer", source: str, **about: Any) -> None:
    """Print one object for each moment; its path is where the file is."""
    print_json(
        {**about, **moment.as_dict(), "path": os.path.join(source, moment.path), "stands_out": answer.stands_out}
        for moment in answer.moments
    )


def say_if_missing(source: str) -> None:
    """A line on stderr where the folder of the footage is not on this machine, as of an index that was copied."""
    if source and not os.path.isdir(source):
        say(f"{source}: no such folder here, so the paths lead nowhere; if the footage was moved, add --source FOLDER")


def fitted(rows: Sequence[tuple[str, ...]], width: int) -> list[tuple[str, ...]]:
    """Rows whose last column, the text, is cut to what the others leave of a width; without it where that is little.

    Widths are columns of a terminal, of which a Chinese or Japanese letter takes two.
    """
    from rich.cells import cell_len

    others = [
        max(len(name), *(cell_len(printable(row[column])) for row in rows)) + 1
        for column, name in enumerate(HEADER[:-1])
    ]
    room = width - sum(others)
    if room < NARROWEST:
        return [row[:-1] for row in rows]
    return [(*row[:-1], _cut(row[-1], room)) for row in rows]


def _cut(text: str, room: int) -> str:
    """A text, or as much of its start as fits, with … behind it."""
    from rich.cells import cell_len, set_cell_size

    text = printable(text)
    return text if cell_len(text) <= room else f"{set_cell_size(text, room - 1).rstrip()}…"


def short_clock(seconds: float) -> str:
    """A time as h:mm:ss.s."""
    tenths = round(seconds * 10)
    return f"{tenths // 36000}:{tenths // 600 % 60:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def _row(moment: "Moment", source: str) -> tuple[str, ...]:
    length = f"{moment.stop_seconds - moment.start_seconds:.1f}"
    best = sorted(moment.why, key=lambda reason: reason.rank)[:2]
    why = ", ".join(f"{reason.modality} {reason.rank}" for reason in best)
    folded = f"(+{moment.num_folded} alike) " if moment.num_folded else ""
    heard = "(heard) " if moment.text_from == "transcript" else ""
    text = folded + heard + " / ".join(" ".join(text.split()) for text in moment.texts)
    path = short_path(os.path.join(source, moment.path))
    return str(moment.rank), path, short_clock(moment.start_seconds), length, f"{moment.stand_out:.1f}", why, text
