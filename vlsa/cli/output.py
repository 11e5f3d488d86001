"""Results on stdout: a table for people, or one JSON object per line for programs.

Everything printed for people is free of control characters; JSON holds them as escapes, so nothing is lost there.
"""

import json
import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlsa.base.console import CONTROL, printable

PIPE_WIDTH = 240
"""Least columns of a table that goes into a pipe."""
NARROWEST = 12
"""Columns that text keeps in a terminal that is too narrow for the table."""
NEVER_WRAPPED = "file"


def print_table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str = "",
    right: str = "",
    whole: str = NEVER_WRAPPED,
) -> None:
    """Print a table; the columns named in `right` (separated by |) are numbers, and those in `whole` are paths.

    Numbers and paths are never wrapped, so that a path can be copied: the space between columns and then other columns
    give way, and a table that still does not fit is wider than the terminal.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Text, not str: brackets in a file name are not markup
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), title_justify="left")
    table.title = Text(printable(title), style="table.title") if title else None
    cells = [[Text(printable(cell)) for cell in row] for row in rows]
    for column, name in enumerate(header):
        number, wraps = name in right.split("|"), name not in f"{right}|{whole}".split("|")
        label = [Text(printable(line)) for line in name.split("\n")]
        width = max(text.cell_len for text in (*label, *(row[column] for row in cells)))
        table.add_column(
            Text("\n").join(label),
            justify="right" if number else "left",
            overflow="fold",
            no_wrap=not wraps,
            min_width=min(width, NARROWEST) if wraps else width,
        )
    for row in cells:
        table.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
    anyhow = console.options.update(max_width=sys.maxsize)
    unwrapped = console.measure(table, options=anyhow).maximum
    if unwrapped > console.width >= unwrapped - (len(header) - 1):
        table.padding = 0  # one space between columns instead of two, rather than names on two lines
    needed = console.measure(table, options=anyhow).minimum
    console.size = (max(console.width, needed), console.height)
    console.print(table)


def print_json(values: Iterable[Mapping[str, Any]]) -> None:
    """Print one object per line; control characters, and bytes that are not UTF-8, as \\u escapes."""
    for value in values:
        text = json.dumps(value, ensure_ascii=False)
        print(re.sub(f"{CONTROL.pattern}|[\ud800-\udfff]", lambda found: json.dumps(found[0])[1:-1], text))


def print_text(text: object) -> None:
    """Print a sentence or two: broken between words in a terminal, one line in a pipe."""
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    line = printable(str(text))
    print(textwrap.fill(line, columns, break_long_words=False, break_on_hyphens=False) if columns else line)


def next_step(*words: object) -> None:
    """Print the next command as a line that can be pasted into a shell."""
    print(f"Next: {' '.join(map(_shell_word, ('vlsa', *words)))}")


def _shell_word(word: object) -> str:
    """A quoted argument; control characters as bash and zsh read them in $'...'."""
    text = str(word)
    if printable(text) == text:
        return shlex.quote(text)
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + CONTROL.sub(lambda found: "".join(f"\\x{byte:02x}" for byte in os.fsencode(found[0])), escaped) + "'"


def short_path(path: str | Path) -> str:
    """A path for people: relative to the current folder if the file is below it; an address as it is."""
    if "://" in str(path):
        return printable(str(path))
    relative = os.path.relpath(path)
    return printable(os.fspath(path) if relative.startswith("..") else relative)
