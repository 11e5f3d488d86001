"""Rows of a table, and objects of a JSON document or of lines of JSON, as one kind of record: {column: value}.

Reads files.py; feeds clip_rows.py.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks import values
from vlsa.data.benchmarks.columns import KEY, VALUE, Columns, check_columns
from vlsa.data.benchmarks.files import AnnotationFile
from vlsa.data.benchmarks.nested import with_nested
from vlsa.data.ingest.captions import table_cells
from vlsa.data.ingest.commas import is_decimal_comma, is_open

DELIMITERS = (",", "\t", ";", "|")
LONGEST_CELL = 50_000_000
"""Characters; some sets have all captions of a video in one cell."""
LONGEST_HEADER = 10_000

Record = Mapping[str, Any]


class MalformedRow(ManifestError):
    """One row cannot be read; the others can."""


def has_columns(file: AnnotationFile, columns: Columns, delimiter: str = "", header: tuple[str, ...] = ()) -> bool:
    """Whether a file has records with these columns."""
    if file.is_document:
        return _objects(file.value, columns) is not None
    if header:
        return len(_header(file, delimiter)) == len(header)
    return any(not columns.missing(_header(file, each)) for each in delimiter or DELIMITERS)


def read_records(
    file: AnnotationFile, columns: Columns, delimiter: str = "", header: tuple[str, ...] = ()
) -> Iterator[tuple[str, Record | MalformedRow]]:
    """File and place, and the record or why there is none, of each.

    delimiter: blank = comma, tab, semicolon or bar, the first with which the columns are there. header: names of the
    columns of a file that has none. Raises ManifestError for a column that is not there and for broken quotes.
    """
    if file.is_document:
        yield from _read_objects(file, columns)
    else:
        yield from _read_table(file, columns, delimiter, header)


def _read_table(
    file: AnnotationFile, columns: Columns, delimiter: str, header: tuple[str, ...]
) -> Iterator[tuple[str, Record | MalformedRow]]:
    fitting = [each for each in delimiter or DELIMITERS if not columns.missing(header or _header(file, each))]
    if not fitting:
        most = max(delimiter or DELIMITERS, key=lambda each: len(_header(file, each)))
        check_columns(columns, _header(file, most), f"{file.path}:1")
    rows = _rows(file, fitting[0])
    names = header or tuple(name.strip() for name in next(rows)[1])
    twice = next((name for name in columns.needed if names.count(name) > 1), None)
    if twice:
        raise ManifestError(
            f"{file.path}:1: two columns are named {twice!r}; which one counts is not known. Rename one of them."
        )
    commas = _Commas(file, columns, fitting[0], names)
    for where, cells in rows:
        cells = _fitted(cells, names)
        if tuple(cells) == names:  # one file of a set has the header that the others lack
            continue
        if len(cells) == len(names):
            yield where, commas.settled(dict(zip(names, cells, strict=True)))
        else:
            yield (
                where,
                MalformedRow(
                    f"{where}: {len(cells)} values for {len(names)} columns; words would be lost or land in the wrong "
                    'column. Put "quotes" around a text with commas.'
                ),
            )


class _Commas:
    """What a comma is in the times of a table. All of them are looked at when the first says nothing by itself."""

    def __init__(self, file: AnnotationFile, columns: Columns, delimiter: str, names: Sequence[str]) -> None:
        self._file, self._delimiter = file, delimiter
        self._times = [name for name in (columns.start, columns.stop) if name]
        self._places = [list(names).index(name) for name in self._times]

    @cached_property
    def _is_decimal(self) -> bool | None:
        rows = (cells for _, cells in _rows(self._file, self._delimiter))
        return is_decimal_comma((cells[k] for cells in rows for k in self._places if k < len(cells)), self._delimiter)

    def settled(self, record: dict[str, str]) -> dict[str, str]:
        """A record whose 1,234 is 1234 or 1.234; as it was where nothing says which."""
        for name in self._times:
            if is_open(record[name]) and self._is_decimal is not None:
                record[name] = record[name].replace(",", "." if self._is_decimal else "")
        return record


def _fitted(cells: list[str], names: Sequence[str]) -> list[str]:
    """Cells without the blank ones behind the last column, or with those that a row lacks of columns without a name."""
    if not any(cell.strip() for cell in cells[len(names) :]) and not any(names[len(cells) :]):
        return [*cells[: len(names)], *("" for _ in names[len(cells) :])]
    return cells


def _header(file: AnnotationFile, delimiter: str) -> list[str]:
    lines = (line.strip() for line in io.StringIO(file.text[:LONGEST_HEADER], newline=None))
    first = next(filter(None, lines), "")
    return [cell.strip() for cell in next(csv.reader([first], delimiter=delimiter), [])]


@contextmanager
def _long_cells() -> Iterator[None]:
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _rows(file: AnnotationFile, delimiter: str) -> Iterator[tuple[str, list[str]]]:
    quoting = csv.QUOTE_MINIMAL if delimiter != "\t" or _is_quoted(file) else csv.QUOTE_NONE
    reader = table_cells(file.text, delimiter, quoting)
    while True:
        number = reader.line_num + 1
        try:
            with _long_cells():
                cells = next(reader, None)
        except csv.Error as error:
            raise ManifestError(
                f"{file.path}:{number}: not readable as CSV ({error}); captions would land in the wrong row. Check the "
                "quotes of this line, or get the file again."
            ) from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield f"{file.path}:{number}", cells


def _is_quoted(file: AnnotationFile) -> bool:
    """Whether the quotes of a table with tabs are those of cells; else each line is a row, and a quote a character."""
    try:
        with _long_cells():
            for _ in csv.reader(io.StringIO(file.text, newline=""), strict=True, delimiter="\t"):
                pass
    except csv.Error:
        return False
    return True


def _read_objects(file: AnnotationFile, columns: Columns) -> Iterator[tuple[str, Record | MalformedRow]]:
    found = _objects(file.value, columns)
    if found is None:
        found = next((each for each in _lists(file.value) if each), None)
        keys = {name for entry in (found or ())[:10] if isinstance(entry, dict) for name in entry}
        check_columns(columns, sorted(map(values.named, keys)), str(file.path))
        raise ManifestError(f"{file.path}: found {file.found}; no list of objects. Get the publisher's own file.")
    if isinstance(found, dict):
        for key, value in found.items():
            inside = value if isinstance(value, dict) else {VALUE: value}
            yield _checked(f"{file.path}: {values.named(key)}", {KEY: key, **inside}, columns)
        return
    for number, entry in enumerate(found, 1):
        yield _checked(f"{file.path}: entry {number}", entry, columns)


def _checked(where: str, entry: Any, columns: Columns) -> tuple[str, Record | MalformedRow]:
    """An object with all columns; keys of text alone, since a pickle may have others."""
    if not isinstance(entry, dict):
        return where, MalformedRow(f"{where}: is no object. Get the publisher's own file.")
    record = with_nested({name: value for name, value in entry.items() if isinstance(name, str)}, columns)
    try:
        check_columns(columns, record, where)
    except ManifestError as error:
        return where, MalformedRow(str(error))
    return where, record


def _objects(value: Any, columns: Columns) -> list[Any] | dict[Any, Any] | None:
    """The list of objects with these keys in a document; for columns that name the key, the object of objects."""
    if KEY in columns.needed:
        inside = next(iter(value.values()), None) if isinstance(value, dict) else None
        keys = [KEY, *(inside if isinstance(inside, dict) else [VALUE])]
        return value if isinstance(value, dict) and not columns.missing(_texts(keys)) else None
    return next((found for found in _lists(value) if _first_has(found, columns)), None)


def _lists(value: Any) -> list[list[Any]]:
    """The lists of a document: itself, or those that it names; an object may also be the only one of a list."""
    if isinstance(value, dict):
        return [*(inside for inside in value.values() if isinstance(inside, list)), [value]]
    return [value] if isinstance(value, list) else []


def _first_has(found: list[Any], columns: Columns) -> bool:
    objects = ({name: entry[name] for name in _texts(entry)} for entry in found[:10] if isinstance(entry, dict))
    return any(not columns.missing(with_nested(entry, columns)) for entry in objects)


def _texts(names: Any) -> list[str]:
    return [name for name in names if isinstance(name, str)]
