"""Readers of any data set that is a table (csv), objects (json), or a folder in the form of Hugging Face (hf).

A person names the columns (columns.py) and the set. Answers convert.py.
"""

import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from vlsa.base.errors import ConfigError, ManifestError
from vlsa.data.benchmarks.clip_rows import Form
from vlsa.data.benchmarks.columns import EXAMPLE, Columns, check_columns
from vlsa.data.benchmarks.files import AnnotationFile, open_all, open_file, wrong_file
from vlsa.data.benchmarks.forms import clips_of_records, read_form, split_of
from vlsa.data.benchmarks.nested import outer_names, with_nested
from vlsa.data.benchmarks.records import MalformedRow, Record, read_records
from vlsa.data.benchmarks.requests import AnnotatedClip, Request, Source
from vlsa.data.benchmarks.unpacking import unpack

TABLE_EXPECTED = "a table with a header; commas, tabs, semicolons or bars between columns"
OBJECTS_EXPECTED = "a JSON list of objects, an object that holds such a list, or an object a line"
FOLDER_EXPECTED = "a folder with *.parquet, metadata.csv or metadata.jsonl in it"
ROWS_AT_A_TIME = 64
"""Of Parquet; a row may hold a whole video."""


def read_csv(request: Request) -> Iterator[AnnotatedClip]:
    """The clips of tables. Raises ManifestError."""
    form = Form(columns=_columns(request), expected=TABLE_EXPECTED)
    for file in open_all(request):
        if file.is_document or not file.text.strip():
            raise wrong_file(file, request.name, [TABLE_EXPECTED])
        yield from read_form(file, form)


def read_json(request: Request) -> Iterator[AnnotatedClip]:
    """The clips of JSON documents, or of lines of JSON. Raises ManifestError."""
    form = Form(columns=_columns(request), expected=OBJECTS_EXPECTED, may_be_numbers=True)
    for file in open_all(request):
        if not file.is_document:
            raise wrong_file(file, request.name, [OBJECTS_EXPECTED])
        yield from read_form(file, form)


def read_hf(request: Request) -> Iterator[AnnotatedClip]:
    """The clips of folders of Parquet files, or with a metadata file. Raises ManifestError."""
    form = Form(columns=_columns(request), expected=FOLDER_EXPECTED, may_be_numbers=True)
    for source in request.sources:
        for path in _files_of(source.path, request.name):
            name = path.relative_to(source.path) if path != source.path else Path(path.name)
            asked = Source(path, source.asked_split or _split_in(name))
            if path.suffix == ".parquet":
                file = AnnotationFile(asked)
                records = _rows(path, form.columns, request.media_folder, name.with_suffix("").as_posix())
            else:
                file = open_file(asked)
                records = _in_folder(read_records(file, form.columns), form.columns.path, name.parent.as_posix())
            yield from clips_of_records(records, form, file=file, split=split_of(file, form))


def _columns(request: Request) -> Columns:
    if request.columns is None:
        raise ConfigError(f"{request.name}: which columns hold the file and its captions is not known. Add {EXAMPLE}.")
    return request.columns


def _files_of(folder: Path, name: str) -> list[Path]:
    if folder.is_file():
        return [folder]
    found = sorted((*folder.rglob("*.parquet"), *folder.rglob("metadata.csv"), *folder.rglob("metadata.jsonl")))
    if not found:
        what = "holds no such file" if folder.is_dir() else "no such folder"
        raise ManifestError(f"{folder}: {what}; {name} reads {FOLDER_EXPECTED}. Check the path.")
    return found


def _split_in(path: Path) -> str | None:
    """By the file's name, else by the folder that it is in: data/train-00000-of-00004.parquet, test/0.parquet."""
    splits = (AnnotationFile(Source(Path(part))).known_split() for part in (path.name, *reversed(path.parts[:-1])))
    return next(filter(None, splits), None)


def _in_folder(
    records: Iterable[tuple[str, Record | MalformedRow]], column: str, folder: str
) -> Iterator[tuple[str, Record | MalformedRow]]:
    """Files as a metadata file names them: from the folder that it is in."""
    for where, record in records:
        inside = folder != "." and not isinstance(record, MalformedRow) and isinstance(record[column], str)
        yield where, {**record, column: f"{folder}/{record[column]}"} if inside else record


def _rows(path: Path, columns: Columns, media_folder: Path, folder: str) -> Iterator[tuple[str, Record | MalformedRow]]:
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ConfigError("Parquet is read by pyarrow, which is not installed. pip install 'vlsa[search]'.") from error
    try:
        with ParquetFile(path) as parquet:
            names = parquet.schema_arrow.names
            outer = outer_names(columns, names)
            check_columns(columns, [*names, *outer], str(path))
            own = (name for name in columns.needed if name in names)
            wanted = list(dict.fromkeys((*own, *columns.texts(names), *outer.values())))
            batches = parquet.iter_batches(batch_size=ROWS_AT_A_TIME, columns=wanted)
            rows = (row for batch in batches for row in batch.to_pylist())
            for number, row in enumerate(rows, 1):
                record = with_nested(row, columns)
                yield f"{path}: row {number}", _unpacked(record, columns, media_folder, folder, number, str(path))
    except (OSError, pyarrow.ArrowException) as error:
        raise ManifestError(f"{path}: not a whole Parquet file ({str(error)[:80]}). Download it again.") from error


def _unpacked(
    row: dict[str, Any], columns: Columns, media_folder: Path, folder: str, number: int, path: str
) -> Record | MalformedRow:
    """A row whose media are a file: media in the row itself, as bytes or with a path, are put into the media folder."""
    value = row[columns.path]
    if not isinstance(value, dict | bytes):
        return row
    name, data = (None, value) if isinstance(value, bytes) else (value.get("path"), value.get("bytes"))
    if data is None:
        return row | {columns.path: name}
    inside = re.sub(r"[^\w.@-]", "_", PurePosixPath(str(name or f"{number}{_suffix(data)}")).name)
    name = f"{folder}/{number:06d}-{inside}"
    try:
        unpack(io.BytesIO(data), len(data), media_folder, name, f"{path}: row {number}")
    except MalformedRow as error:
        return error
    return row | {columns.path: name}


def _suffix(data: bytes) -> str:
    """Of media without a name, by their first bytes; what they are is read from the whole file in any case."""
    kinds = {b"RIFF": ".avi" if data[8:11] == b"AVI" else ".wav", b"fLaC": ".flac", b"ID3": ".mp3", b"OggS": ".ogg"}
    begins = next((suffix for mark, suffix in kinds.items() if data.startswith(mark)), ".mp4")
    is_mpeg_audio = len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0
    return ".mp3" if is_mpeg_audio else ".mkv" if data.startswith(b"\x1a\x45\xdf\xa3") else begins
