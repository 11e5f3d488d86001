"""The two tables of an index as Arrow: which columns there are, rows to columns and back, and columns to arrays.

Used by lance.py. A text row has the vector of its text, a window those of its video, its audio, and both fused.
Axes: N rows, D width of the matching space.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float16, Float32, Float64, Int64

from vlsa.retrieve.index.facts import NAME_KEY
from vlsa.retrieve.index.file_facts import FileFacts
from vlsa.retrieve.index.query import VECTORS
from vlsa.retrieve.index.rows import IndexRow, Kind
from vlsa.retrieve.index.words import COLUMN, normalised

FACTS = ("id", "path", "kind", "start_seconds", "stop_seconds", "language")
WHOLE_NUMBERS = ("size_bytes", "width_px", "height_px", "sample_rate_hz")
NUMBERS = ("duration_seconds", "frames_per_second")


def presence(column: str) -> str:
    """The column that says whether a vector is there."""
    return f"has_{column.removesuffix('_vector')}"


def clip_schema(width: int, name: str, precision: str) -> Any:
    """Columns of the table of windows and texts; `name` is that of the index it belongs to."""
    import pyarrow

    texts = [(column, pyarrow.string()) for column in ("id", "path", "kind")]
    times = [(column, pyarrow.float64()) for column in ("start_seconds", "stop_seconds")]
    words = [(column, pyarrow.string()) for column in ("language", "text", COLUMN)]
    present = [(presence(column), pyarrow.bool_()) for column in VECTORS]
    vectors = [(column, pyarrow.list_(pyarrow.type_for_alias(precision), width)) for column in VECTORS]
    return pyarrow.schema([*texts, *times, *words, *present, *vectors], metadata={NAME_KEY: name})


def clip_columns(rows: Sequence[IndexRow], width: int, precision: str) -> Any:
    """Rows as an Arrow table."""
    import pyarrow

    schema = clip_schema(width, "", precision)
    columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in FACTS}
    columns["text"] = ["\n".join(row.texts) for row in rows]
    columns[COLUMN] = [normalised(text) or None for text in columns["text"]]
    for name in VECTORS:
        vectors = [None if (vector := getattr(row, name)) is None else vector.astype(precision) for row in rows]
        columns[presence(name)] = [vector is not None for vector in vectors]
        columns[name] = pyarrow.array(vectors, type=schema.field(name).type)
    return pyarrow.table(columns, schema=schema)


def clip_rows(batch: Any, spaces: tuple[str, ...]) -> Iterator[IndexRow]:
    """The rows of an Arrow batch; the fused vector is made again from the others."""
    precision = np.dtype(batch.schema.field("media").type.value_type.to_pandas_dtype()).name
    found = {name: _vectors(batch, name) for name in VECTORS if name != "media"}
    texts = batch.column("text").to_pylist()
    for number, row in enumerate(batch.select(list(FACTS)).to_pylist()):
        vectors = {name: column[number] for name, column in found.items()}
        whole = [texts[number]] if row["kind"] == "text" else texts[number].split("\n")
        words = tuple(whole) if texts[number] else ()
        yield IndexRow(**row, **vectors, texts=words, spaces=spaces, vectors=precision)


def clip_digests(batch: Any, spaces: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Path and digest of each row of an Arrow batch, with the fused vector as it is stored.

    Empty where a vector is there and is said not to be, or the reverse: no row that was written has that digest.
    """
    fits = np.ones(len(batch), bool)
    for name in VECTORS:
        there = batch.column(name).is_valid().to_numpy(zero_copy_only=False)
        fits &= there == batch.column(presence(name)).fill_null(False).to_numpy(zero_copy_only=False)
    for row, media, good in zip(clip_rows(batch, spaces), _vectors(batch, "media"), fits, strict=True):
        yield row.path, row.digest(media) if good else b""


def _vectors(batch: Any, name: str) -> list[np.ndarray | None]:
    present, values = batch.column(presence(name)).to_pylist(), _numbers(batch, name).astype(np.float32, copy=False)
    return [values[number] if there else None for number, there in enumerate(present)]


def _numbers(batch: Any, name: str) -> Float32[np.ndarray, "N D"] | Float16[np.ndarray, "N D"]:
    """A column of vectors; those of absent ones too."""
    column = batch.column(name)
    width = column.type.list_size
    values = column.values.to_numpy(zero_copy_only=False)
    return values[column.offset * width : (column.offset + len(column)) * width].reshape(len(column), width)


@dataclass(frozen=True, eq=False)
class RowArrays:
    """Rows of one kind as arrays, in the order of paths and times."""

    paths: tuple[str, ...]
    """Each once, in order."""
    file: Int64[np.ndarray, " N"]
    """The number of the path of each row."""
    start_seconds: Float64[np.ndarray, " N"]
    stop_seconds: Float64[np.ndarray, " N"]
    vectors: Mapping[str, Float32[np.ndarray, "N D"] | Float16[np.ndarray, "N D"]]
    """By column; zeros where there is none."""
    ids: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    languages: tuple[str | None, ...] = ()
    """All three of texts; windows have none of them here."""


ROW_ID = "_rowid"
"""Lance's own number of a row."""
ORDER = ("path", "start_seconds", "stop_seconds", "id")
VECTORS_OF: Mapping[Kind, tuple[str, ...]] = {"window": ("video", "audio"), "text": ("text_vector",)}
"""The vectors that rows of a kind have; the fused one follows from the others."""


def facts_of(kind: Kind) -> list[str]:
    """Columns that `row_arrays` needs in addition to the vectors."""
    return [*ORDER, *(["text", "language"] if kind == "text" else [])]


def vectors_of(kind: Kind) -> list[str]:
    """Columns of vectors that it needs."""
    return [name for column in VECTORS_OF[kind] for name in (presence(column), column)]


def row_arrays(facts: Any, batches: Iterable[Any], kind: Kind, width: int, precision: str) -> RowArrays:
    """The rows of one kind, without a Python object for each number, window or path of a window.

    `facts` is an Arrow table, `batches` have the vectors of the same rows, by their row ids in any order. Raises
    ValueError for rows that no index has.
    """
    from pyarrow import compute

    keys = compute.sort_indices(facts.select(ORDER), sort_keys=[(name, "ascending") for name in ORDER])
    facts = facts.take(keys)
    paths = facts.column("path").combine_chunks().dictionary_encode()  # numbered as they come: in order
    vectors = {name: np.zeros((len(facts), width), precision) for name in VECTORS_OF[kind]}
    by_id = np.argsort(row_ids := facts.column(ROW_ID).to_numpy())
    for batch in batches:
        place = by_id[np.searchsorted(row_ids, batch.column(ROW_ID).to_numpy(), sorter=by_id)]
        for name, rows in vectors.items():
            present = batch.column(presence(name)).to_numpy(zero_copy_only=False).astype(bool)
            rows[place[present]] = _numbers(batch, name)[present]
    start, stop = (facts.column(name).to_numpy() for name in ("start_seconds", "stop_seconds"))
    if not ((start >= 0) & (start <= stop) & (stop < np.inf)).all():
        raise ValueError(f"a {kind} with times that no file has")
    if kind == "text" and facts.column("text").null_count:
        raise ValueError("a text without words")
    return RowArrays(
        paths=tuple(paths.dictionary.to_pylist()),
        file=paths.indices.to_numpy().astype(np.int64),
        start_seconds=start,
        stop_seconds=stop,
        vectors=vectors,
        ids=tuple(facts.column("id").to_pylist()) if kind == "text" else (),
        texts=tuple(facts.column("text").to_pylist()) if kind == "text" else (),
        languages=tuple(facts.column("language").to_pylist()) if kind == "text" else (),
    )


def file_schema(name: str) -> Any:
    """Columns of the table of files: the fields of FileFacts."""
    import pyarrow

    kinds = dict.fromkeys(WHOLE_NUMBERS, pyarrow.int64()) | dict.fromkeys(NUMBERS, pyarrow.float64())
    kinds |= {"tags": pyarrow.list_(pyarrow.string())}
    named = [field.name for field in fields(FileFacts)]
    columns = [
        (column, kinds.get(column, pyarrow.bool_() if column.startswith("has_") else pyarrow.string()))
        for column in named
    ]
    return pyarrow.schema(columns, metadata={NAME_KEY: name})


def file_columns(files: Sequence[FileFacts]) -> Any:
    """Facts of files as an Arrow table."""
    import pyarrow

    schema = file_schema("")
    columns = {name: [getattr(file, name) for file in files] for name in schema.names}
    columns["tags"] = [list(file.tags) for file in files]
    return pyarrow.table(columns, schema=schema)


def file_rows(table: Any) -> list[FileFacts]:
    """The facts in an Arrow table; what is not there is not known. Raises ValueError for other columns, or no path."""
    if others := {*table.column_names} - {field.name for field in fields(FileFacts)}:
        raise ValueError(f"files have no {min(others)!r}")
    rows = [{name: value for name, value in row.items() if value is not None} for row in table.to_pylist()]
    if not all({"path", "file_id"} <= row.keys() for row in rows):
        raise ValueError("a file without a path")
    return [FileFacts(**row | {"tags": tuple(row.get("tags", ()))}) for row in rows]
