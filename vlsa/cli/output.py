"""Answers on stdout: a table for people, or one JSON object a line for programs."""

import json
import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

PIPE_WIDTH = 240
"""Columns of a table that goes into a pipe: nothing is cut off there."""


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "", right: str = "") -> None:
    """A table; columns whose names are in `right` (separated by |) are numbers."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in header:
        table.add_column(name, justify="right" if name in right.split("|") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: brackets in a file's name are no markup
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False).print(table)


def print_json(values: Iterable[Mapping[str, Any]]) -> None:
    """One object a line."""
    for value in values:
        print(json.dumps(value, ensure_ascii=False))


def print_text(text: object) -> None:
    """A sentence or two: broken between words in a terminal, one line in a pipe."""
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    print(textwrap.fill(str(text), columns, break_long_words=False, break_on_hyphens=False) if columns else text)


def next_step(*words: object) -> None:
    """What to do now, as a line that can be pasted into a shell."""
    print(f"Next: {shlex.join(['vlsa', *map(str, words)])}")


def short_path(path: str | Path) -> str:
    """From the current folder, where the file is below it; else whole."""
    relative = os.path.relpath(path)
    return os.fspath(path) if relative.startswith("..") else relative
