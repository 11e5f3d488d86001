"""FOLDER/metadata.csv: what its owner knows of each file, in columns of any names. Feeds an index's table of files.

path,camera,place
2024/ferry.mp4,A7,harbour
"""

import csv
import unicodedata
from collections.abc import Collection, Mapping
from pathlib import Path

from vlsa.base.errors import CaptionError
from vlsa.data.ingest.captions import delimiter_of, table_cells
from vlsa.data.ingest.listing import name_form, relative_name
from vlsa.data.media.text_files import read_text, without_separator_line

METADATA_NAME = "metadata.csv"
Table = Mapping[str, Mapping[str, str]]
"""The columns of each file, by its name."""


def read_metadata(folder: Path) -> dict[str, dict[str, str]]:
    """The columns of each file by its name, blank ones left out; empty without the table. Raises CaptionError."""
    path = folder / METADATA_NAME
    if not path.exists():
        return {}
    text = without_separator_line(read_text(path))
    delimiter = delimiter_of(text, ("path",))
    reader = table_cells(text, delimiter)
    found: dict[str, dict[str, str]] = {}
    header: list[str] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = _checked_header(path, cells)
            else:
                values = _values(f"{path}:{reader.line_num}", header, cells)
                name = relative_name(folder, values.pop("path"))
                found[name] = found.get(name, {}) | values
    except csv.Error as error:
        message = f"{path}:{reader.line_num}: not readable as CSV ({error}). Check the quotes of this line."
        raise CaptionError(message) from error
    return found


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
