"""Caption tables: captions.csv and captions.jsonl. Feeds scan.py."""

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlsa.base.errors import CaptionError
from vlsa.data.ingest.commas import is_decimal_comma, is_open, number_of
from vlsa.data.media.text_files import caption_line, read_text, without_separator_line

COLUMNS = ("path", "start_seconds", "stop_seconds", "text")
TIMES = ("start_seconds", "stop_seconds")
OPTIONAL_COLUMNS = ("split", "id")
SPLITS = ("train", "val", "test")
DELIMITERS = (",", ";", "\t", "|")
CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):([0-5]?\d(?:[.,]\d+)?)")
"""1:02:03.5, 0:02."""
NONE = ("", "nan", "none", "null", "na", "n/a", "#n/a", "<na>")
"""As Python, databases, R, spreadsheets and pandas write it, in small letters."""
MOST_FAULTS_LISTED = 20
"""Lines that an error names; of more, their number."""
_WITHOUT_TIMES = {"path", "text", *OPTIONAL_COLUMNS}
"""With a column of any other name, that of the times may be misspelt."""
_Record = tuple[int, dict[str, Any]]
"""Line number, and values by column."""


@dataclass(frozen=True)
class CaptionRow:
    """One caption of a table; several may belong to one clip."""

    path: str
    """As written: relative to what, is the reader's business."""
    start_seconds: float | None
    """None, with stop_seconds: the whole file."""
    stop_seconds: float | None
    text: str
    split: str | None
    line_number: int
    """Where it stands in the table, from 1."""
    id: str | None = None


def read_caption_table(path: str | os.PathLike[str]) -> list[CaptionRow]:
    """The rows of a captions.csv (with a header) or captions.jsonl (an object a line).

    Columns: path, start_seconds, stop_seconds, text (in .jsonl also a list of texts), and if wished split (train, val,
    test) and id; others are ignored.
    Start and stop both blank (null, None, NaN) stand for the whole file, as do all rows of a table of path, text, split
    and id alone; times are seconds (12.5, or 12,5; 1,234 as the other times of the table say) or clock times (0:02,
    1:02:03.5). A .csv may be separated by commas, semicolons, tabs or bars, as its header is. Raises CaptionError,
    which names the file and every line that cannot be read.
    """
    readers = {".csv": _csv_records, ".jsonl": _json_records}
    reader = readers.get(Path(path).suffix.lower())
    if reader is None:
        raise CaptionError(f"{path}: not a caption table by its name; only .csv and .jsonl are read. Convert it.")
    records, delimiter = reader(path)
    rows = _rows(path, records, delimiter)
    if not rows:
        raise CaptionError(f"{path}: no rows, so no clip would have text. Add lines of {','.join(COLUMNS)}.")
    return rows


def _rows(path: str | os.PathLike[str], records: Sequence[_Record], delimiter: str) -> list[CaptionRow]:
    times = (record[name] for _, record in records for name in TIMES)
    is_decimal = is_decimal_comma((time for time in times if isinstance(time, str)), delimiter)
    rows: list[CaptionRow] = []
    faults: list[tuple[int, CaptionError]] = []
    for number, record in records:
        try:
            rows.append(_row(f"{path}:{number}", number, record, is_decimal))
        except CaptionError as error:
            faults.append((number, error))
    if not faults:
        return rows
    others = [f"line {number}: {_brief(str(error), f'{path}:{number}: ')}" for number, error in faults[1:]]
    more = [f"{len(others) - MOST_FAULTS_LISTED} more"] if len(others) > MOST_FAULTS_LISTED else []
    also = f" Also {'; '.join(others[:MOST_FAULTS_LISTED] + more)}." if others else ""
    raise CaptionError(f"{faults[0][1]}{also}") from faults[0][1]


def _brief(message: str, where: str) -> str:
    """What a fault is, without the place and the advice."""
    return message.removeprefix(where).split(";")[0].split(". ")[0]


def _csv_records(path: str | os.PathLike[str]) -> tuple[list[_Record], str]:
    """The rows of a table, and what separates their columns."""
    text = without_separator_line(read_text(path))
    delimiter = delimiter_of(text, COLUMNS)
    return list(_csv_rows(path, text, delimiter)), delimiter


def _csv_rows(path: str | os.PathLike[str], text: str, delimiter: str) -> Iterator[_Record]:
    reader = table_cells(text, delimiter, quoting=csv.QUOTE_MINIMAL if _is_quoted(text, delimiter) else csv.QUOTE_NONE)
    number = 1
    header: list[str] = []
    try:
        for cells in reader:
            is_blank = not any(cell.strip() for cell in cells)
            if not header and not is_blank:
                header = [name.strip().lower() for name in cells]
                while header and not header[-1]:
                    header.pop()
                no_times = dict.fromkeys(TIMES, "") if set(header) <= _WITHOUT_TIMES else {}
                _check_columns(f"{path}:{number}", [*header, *no_times])
            elif not is_blank:
                cells = cells if any(cell.strip() for cell in cells[len(header) :]) else cells[: len(header)]
                _check_width(f"{path}:{number}", cells, header)
                yield number, dict(zip(header, cells, strict=True)) | no_times
            number = reader.line_num + 1
    except csv.Error as error:
        raise CaptionError(f"{path}:{number}: not readable as CSV ({error}). Check the quotes of this line.") from error
    if not header:
        _check_columns(f"{path}:1", header)


def table_cells(text: str, delimiter: str, quoting: Any = csv.QUOTE_MINIMAL) -> Any:
    """A reader of the cells of each row."""
    is_spaced = f"{delimiter} " in first_line(text)
    file = io.StringIO(text, newline="")
    return csv.reader(file, strict=True, delimiter=delimiter, quoting=quoting, skipinitialspace=is_spaced)


def _is_quoted(text: str, delimiter: str) -> bool:
    """Whether quotes are those of cells. In a table with tabs they may be those of the text: then a line is a row."""
    try:
        return delimiter != "\t" or all(True for _ in table_cells(text, delimiter))
    except csv.Error:
        return False


def delimiter_of(text: str, columns: Sequence[str]) -> str:
    """What separates the columns of a table: the usual mark by which its first line has most of the known ones."""
    first = first_line(text).lower()
    found = {mark: sum(cell.strip(' "') in columns for cell in first.split(mark)) for mark in DELIMITERS}
    return max(DELIMITERS, key=lambda mark: found[mark])


def first_line(text: str) -> str:
    """The first line in which there is anything. Quotes after blanks are quotes in a table whose header has `, `."""
    found = re.search(r"\S[^\r\n]*", text)
    return found[0] if found else ""


def _json_records(path: str | os.PathLike[str]) -> tuple[list[_Record], str]:
    """The objects of all lines; nothing separates columns."""
    records = [(number, one) for number, record in _json_lines(path) for one in _each_text(record)]
    no_times = dict.fromkeys(TIMES) if all(set(record) <= _WITHOUT_TIMES for _, record in records) else {}
    for number, record in records:
        _check_columns(f"{path}:{number}", [*record, *no_times])
    return [(number, record | no_times) for number, record in records], ""


def _each_text(record: dict[str, Any]) -> list[dict[str, Any]]:
    """A record for each text, where an object has a list of them."""
    texts = record.get("text")
    is_list = isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)
    return [{**record, "text": text} for text in texts] if is_list else [record]


def _json_lines(path: str | os.PathLike[str]) -> Iterator[_Record]:
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits, a thousand brackets
            what = getattr(error, "msg", error)
            raise CaptionError(f"{path}:{number}: not JSON ({what}). One object a line is needed.") from error
        if not isinstance(record, dict):
            raise CaptionError(f'{path}:{number}: not a JSON object. Write one a line: {{"path": "a.mp4", ...}}.')
        yield number, record


def _check_columns(where: str, found: list[str]) -> None:
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        is_table = len(missing) < len(COLUMNS)  # else it may be any file, whose content is nobody's business
        names = ", ".join(found) if is_table else "none of them" if found else "none"
        raise CaptionError(
            f"{where}: no {', '.join(missing)} among the columns (found: {names}); captions could "
            f"not be matched to clips. Needed: {','.join(COLUMNS)}; {' and '.join(OPTIONAL_COLUMNS)} if wished."
        )
    twice = [name for name in (*COLUMNS, *OPTIONAL_COLUMNS) if found.count(name) > 1]
    if twice:
        raise CaptionError(
            f"{where}: two columns are named {twice[0]}; the text of one would be lost. Rename or delete one of them."
        )


def _check_width(where: str, cells: list[str], header: list[str]) -> None:
    if len(cells) != len(header):
        raise CaptionError(
            f"{where}: {len(cells)} values for {len(header)} columns; text would be lost or land in the wrong column. "
            'Put "quotes" around a text with commas.'
        )


def _row(where: str, number: int, record: Mapping[str, Any], is_decimal: bool | None) -> CaptionRow:
    start, stop = (_seconds(where, name, record[name], is_decimal) for name in TIMES)
    _check_times(where, start, stop)
    split = _optional(where, "split", record)
    if split is not None and (split := split.lower()) not in SPLITS:
        raise CaptionError(f"{where}: split={split!r} is not one of {', '.join(SPLITS)}. Use one, or leave it blank.")
    return CaptionRow(
        path=_words(where, "path", record["path"]),
        start_seconds=start,
        stop_seconds=stop,
        text=_words(where, "text", record["text"]),
        split=split,
        line_number=number,
        id=_optional(where, "id", record),
    )


def _words(where: str, name: str, value: Any) -> str:
    words = (caption_line(value) if name == "text" else value.strip()) if isinstance(value, str) else ""
    if not words:
        raise CaptionError(
            f"{where}: {name}={value!r} is not a text; the row says nothing about a clip. Fill it in or delete the row."
        )
    try:
        value.encode(errors="surrogateescape" if name == "path" else "strict")  # a file's name may be any bytes
    except UnicodeEncodeError as error:
        raise CaptionError(
            f"{where}: {name}={value!r} holds half a character; it can be neither kept nor read. Write it again."
        ) from error
    return words


def _optional(where: str, name: str, record: Mapping[str, Any]) -> str | None:
    value = record.get(name)
    if _is_none(value) and (name != "id" or not isinstance(value, str) or not value.strip()):
        return None  # an id may be any word
    return _words(where, name, str(value) if type(value) is int and name == "id" else value)


def _is_none(value: Any) -> bool:
    """Whether there is no value: blank, or NaN, None, null and NA, as programs write it."""
    return value is None or value != value or (isinstance(value, str) and value.strip().lower() in NONE)


def _seconds(where: str, name: str, value: Any, is_decimal: bool | None) -> float | None:
    """A time, or None where it is blank."""
    if _is_none(value):
        return None
    clock = CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        if clock is not None:
            hours, minutes, rest = clock.groups()
            seconds = 3600 * int(hours or 0) + 60 * int(minutes) + float(rest.replace(",", "."))
        elif isinstance(value, str):
            seconds = number_of(value, is_decimal)
        else:
            seconds = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        is_which = isinstance(value, str) and is_open(value)
        what = "may be thousands of seconds, or decimals" if is_which else "is not a time, such as 12.5 or 0:12.5"
        raise CaptionError(f"{where}: {name}={value!r} {what}. Correct it, or leave both times blank.")
    return seconds


def _check_times(where: str, start: float | None, stop: float | None) -> None:
    if (start is None) != (stop is None):
        given = "start_seconds" if stop is None else "stop_seconds"
        raise CaptionError(f"{where}: only {given} is given; a clip needs both times, or neither for the whole file.")
