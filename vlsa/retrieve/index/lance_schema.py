"""The two tables of an index as Arrow: which columns there are, rows to columns and back, and columns to arrays.

Used by lance.py. A text row has the vector of its text, a window those of its video, its audio, and both fused.
Axes: N rows, D width of the matching space.
"""

from collections.abc import Iterator, Mapping, Sequence
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


def clip_schema(width: int, name: str) -> Any:
    """Columns of the table of windows and texts; `name` is that of the index it belongs to."""
    import pyarrow

    texts = [(column, pyarrow.string()) for column in ("id", "path", "kind")]
    times = [(column, pyarrow.float64()) for column in ("start_seconds", "stop_seconds")]
    words = [(column, pyarrow.string()) for column in ("language", "text", COLUMN)]
    present = [(presence(column), pyarrow.bool_()) for column in VECTORS]
    vectors = [(column, pyarrow.list_(pyarrow.float32(), width)) for column in VECTORS]
    return pyarrow.schema([*texts, *times, *words, *present, *vectors], metadata={NAME_KEY: name})


def clip_columns(rows: Sequence[IndexRow], width: int) -> Any:
    """Rows as an Arrow table."""
    import pyarrow

    schema = clip_schema(width, "")
    columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in FACTS}
    columns["text"] = ["\n".join(row.texts) for row in rows]
    columns[COLUMN] = [normalised(text) or None for text in columns["text"]]
    for name in VECTORS:
        vectors = [getattr(row, name) for row in rows]
        columns[presence(name)] = [vector is not None for vector in vectors]
        columns[name] = pyarrow.array(vectors, type=schema.field(name).type)
    return pyarrow.table(columns, schema=schema)


def clip_rows(batch: Any, spaces: tuple[str, ...]) -> Iterator[IndexRow]:
    """The rows of an Arrow batch; the fused vector is made again from the others."""
    found = {name: _vectors(batch, name) for name in VECTORS if name != "media"}
    texts = batch.column("text").to_pylist()
    for number, row in enumerate(batch.select(list(FACTS)).to_pylist()):
        vectors = {name: column[number] for name, column in found.items()}
        whole = [texts[number]] if row["kind"] == "text" else texts[number].split("\n")
        words = tuple(whole) if texts[number] else ()
        yield IndexRow(**row, **vectors, texts=words, spaces=spaces)


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
    column, present = batch.column(name), batch.column(presence(name)).to_pylist()
    values = column.values.to_numpy(zero_copy_only=False)  # those of absent vectors too
    width = column.type.list_size
    values = values[column.offset * width : (column.offset + len(column)) * width].reshape(len(column), width)
    return [values[number] if there else None for number, there in enumerate(present)]


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


ORDER = ("path", "start_seconds", "stop_seconds", "id")
VECTORS_OF: Mapping[Kind, tuple[str, ...]] = {"window": ("video", "audio"), "text": ("text_vector",)}
"""The vectors that rows of a kind have; the fused one follows from the others."""


def columns_of(kind: Kind) -> list[str]:
    """What `row_arrays` needs."""
    return [*ORDER, "text", "language", *(name for column in VECTORS_OF[kind] for name in (presence(column), column))]


def row_arrays(table: Any, kind: Kind) -> RowArrays:
    """The rows of an Arrow table of one kind, without a Python object for each number, window or path of a window."""
    from pyarrow import compute

    keys = compute.sort_indices(table.select(ORDER), sort_keys=[(name, "ascending") for name in ORDER])
    facts, order = table.select([*ORDER, "text", "language"]).take(keys), keys.to_numpy()
    paths = facts.column("path").combine_chunks().dictionary_encode()  # numbered as they come: in order
    return RowArrays(
        paths=tuple(paths.dictionary.to_pylist()),
        file=paths.indices.to_numpy().astype(np.int64),
        start_seconds=facts.column("start_seconds").to_numpy(),
        stop_seconds=facts.column("stop_seconds").to_numpy(),
        vectors={name: _matrix(table, name, order) for name in VECTORS_OF[kind]},
        ids=tuple(facts.column("id").to_pylist()) if kind == "text" else (),
        texts=tuple(facts.column("text").to_pylist()) if kind == "text" else (),
        languages=tuple(facts.column("language").to_pylist()) if kind == "text" else (),
    )


def _matrix(table: Any, name: str, order: np.ndarray) -> Float32[np.ndarray, "N D"] | Float16[np.ndarray, "N D"]:
    """A column of vectors in this order; zeros where there is none."""
    present = table.column(presence(name)).to_numpy().astype(bool)
    width = table.column(name).type.list_size
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    rows = np.zeros((len(order), width), table.schema.field(name).type.value_type.to_pandas_dtype())
    first = 0
    for chunk in table.column(name).chunks:  # never all of them twice in memory
        stop = first + len(chunk)
        values = chunk.values.to_numpy(zero_copy_only=False)[chunk.offset * width :][: len(chunk) * width]
        there = present[first:stop]
        rows[place[first:stop][there]] = values.reshape(len(chunk), width)[there]
        first = stop
    return rows


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
    """The facts in an Arrow table."""
    return [FileFacts(**{**row, "tags": tuple(row["tags"] or ())}) for row in table.to_pylist()]
