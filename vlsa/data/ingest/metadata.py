"""FOLDER/metadata.csv: what its owner knows of each file, in columns of any names. Feeds an index's table of files.

path,camera,place
2024/ferry.mp4,A7,harbour

A sub-folder may have one of its own, with paths that count from there.
"""

import csv
import logging
import os
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from vlsa.base.errors import CaptionError
from vlsa.data.ingest.captions import delimiter_of, table_cells
from vlsa.data.ingest.listing import list_media, name_form, relative_name
from vlsa.data.media.text_files import read_text, without_separator_line

_LOG = logging.getLogger(__name__)
Table = Mapping[str, Mapping[str, str]]
"""The columns of each file, by its name."""
_DECIMAL_COMMA = re.compile(r"[-+]?\d+(?:,\d+)?", re.ASCII)


def read_metadata(folder: Path, tables: Sequence[str] | None = None) -> dict[str, dict[str, str]]:
    """The columns of each file by its name, blank ones left out; empty without a table.

    `tables`: as `Listing.metadata` has them; None = those that are there. Of rows of one file the last one holds, with
    a warning where they differ, and a table in a sub-folder before one above it. Raises CaptionError for a table of the
    folder itself that cannot be read; one in a sub-folder may be of other things: it is left out with a warning.
    """
    found: dict[str, dict[str, str]] = {}
    places: dict[tuple[str, str], str] = {}
    differ: list[str] = []
    for table in list_media(folder).metadata if tables is None else tables:
        for where, name, values in _rows_of(folder, table):
            for column, value in values.items():
                before = found.get(name, {}).get(column, value)
                if before != value:
                    differ.append(f"{where}: {column} of {name} is {value!r}, and {before!r} in {places[name, column]}")
                places[name, column] = where
            found[name] = found.get(name, {}) | values
    if differ:
        more = f" ({len(differ)} such values in all)" if len(differ) > 1 else ""
        _LOG.warning("%s; the last one holds%s. Leave one of them", differ[0], more)
    return found


def _rows_of(folder: Path, table: str) -> list[tuple[str, str, dict[str, str]]]:
    """Where each row of a table stands, the file that it names, and its columns."""
    inside = os.path.dirname(table)
    try:
        rows = _read_rows(folder / table)
    except CaptionError as error:
        if not inside:
            raise
        _LOG.warning("%s Until then its columns are not used", error)
        return []
    return [(where, relative_name(folder, os.path.join(inside, values.pop("path"))), values) for where, values in rows]


def _read_rows(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Where each row stands, and its values by column. Raises CaptionError."""
    text = without_separator_line(read_text(path))
    delimiter = delimiter_of(text, ("path",))
    reader = table_cells(text, delimiter)
    found: list[tuple[str, dict[str, str]]] = []
    header: list[str] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = _checked_header(path, cells)
            else:
                where = f"{path}:{reader.line_num}"
                found.append((where, _values(where, header, cells)))
    except csv.Error as error:
        message = f"{path}:{reader.line_num}: not readable as CSV ({error}). Check the quotes of this line."
        raise CaptionError(message) from error
    return _with_decimal_points(found) if delimiter == ";" else found


def _with_decimal_points(rows: list[tuple[str, dict[str, str]]]) -> list[tuple[str, dict[str, str]]]:
    """Numbers with decimal points in columns of nothing but numbers, some of them with decimal commas.

    So spreadsheets write them where a comma is the decimal sign, and a semicolon is between columns.
    """
    columns = {column for _, values in rows for column in values} - {"path"}
    numbers = {
        column
        for column in columns
        if all(_DECIMAL_COMMA.fullmatch(values.get(column, "0")) for _, values in rows)
    }  # fmt: skip
    return [
        (where, {name: value.replace(",", ".") if name in numbers else value for name, value in values.items()})
        for where, values in rows
    ]


def by_listed_name(table: Table, names: Collection[str]) -> dict[str, Mapping[str, str]]:
    """The table by names of files: a row that names none as it is written is of the one whose name differs by form.

    That is by accents alone (NFC or NFD), or by back-slashes. Rows of no file keep their names.
    """
    here, found = set(names), {}
    forms = {name_form(name): name for name in names}
    for written, values in table.items():
        name = written if written in here else forms.get(name_form(written), written)
        found[name] = {**found.get(name, {}), **values}
    return found


def _checked_header(path: Path, cells: list[str]) -> list[str]:
    header = [unicodedata.normalize("NFC", name.strip()) for name in cells]
    header = ["path" if name.lower() == "path" else name for name in header]
    while header and not header[-1]:
        header.pop()
    if "path" not in header or len(set(header)) < len(header) or not all(header):
        raise CaptionError(
            f"{path}: its columns are {', '.join(header) or 'none'}; one named path is needed to match rows to files, "
            "and each name once. Fix the first line, or remove the file."
        )
    return header


def _values(where: str, header: list[str], cells: list[str]) -> dict[str, str]:
    cells = cells if any(cell.strip() for cell in cells[len(header) :]) else cells[: len(header)]
    values = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}
    if len(cells) != len(header) or "path" not in values:
        raise CaptionError(
            f"{where}: {len(cells)} values for {len(header)} columns, or no path; they would land in the wrong column. "
            'Put "quotes" around a value with commas.'
        )
    return values
