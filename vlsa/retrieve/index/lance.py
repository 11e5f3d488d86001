"""The one adapter to LanceDB: a table of clips with their vectors.

Feeds index.py. Measured rules kept here: exact search (right up to about 100,000 rows), deterministic ids with
merge_insert, import only when used (it takes seconds), and never used across a fork. Axes: D width of the matching
space.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from vlsa.base.errors import SearchIndexError
from vlsa.data.ingest.manifest import ClipRow
from vlsa.retrieve.encode.embed import ClipEmbeddings, fuse_media
from vlsa.retrieve.index.query import TARGETS, Hit

TABLE = "clips"
VECTORS = tuple(TARGETS.values())


@dataclass(frozen=True, kw_only=True, eq=False)
class IndexRow:
    """One indexed clip. An absent modality is None; `media` is what is seen and heard, fused."""

    id: str
    path: str
    start_seconds: float
    stop_seconds: float
    texts: tuple[str, ...] = ()
    video: Float32[np.ndarray, " D"] | None = None
    audio: Float32[np.ndarray, " D"] | None = None
    text_vector: Float32[np.ndarray, " D"] | None = None

    @property
    def media(self) -> Float32[np.ndarray, " D"] | None:
        """What is seen and heard as one vector."""
        present = [vector[None] for vector in (self.video, self.audio) if vector is not None]
        return fuse_media(*present)[0] if present else None


def index_rows(rows: Sequence[ClipRow], embeddings: ClipEmbeddings) -> list[IndexRow]:
    """Rows of the table from clips and their vectors, in the same order."""
    assert [row.id for row in rows] == list(embeddings.ids)
    words, has_text = embeddings.clip_text(), embeddings.has_text
    return [
        IndexRow(
            id=row.id,
            path=row.path,
            start_seconds=row.start_seconds,
            stop_seconds=row.stop_seconds,
            texts=row.texts,
            video=embeddings.video[n] if embeddings.has_video[n] else None,
            audio=embeddings.audio[n] if embeddings.has_audio[n] else None,
            text_vector=words[n] if has_text[n] else None,
        )
        for n, row in enumerate(rows)
    ]


class VectorTable:
    """Clips and vectors on disk. Each call is atomic: a killed process leaves the table as before or after it."""

    def __init__(self, folder: Path, width: int, table: Any) -> None:
        self._folder, self._width, self._table = folder, width, table

    @classmethod
    def create(cls, folder: Path, width: int) -> "VectorTable":
        """A new table without rows; one that a killed process left half-made is replaced."""
        import lancedb

        shutil.rmtree(folder, ignore_errors=True)
        with _writing(folder):
            table = lancedb.connect(str(folder)).create_table(TABLE, schema=_schema(width))
        return cls(folder, width, table)

    @classmethod
    def open(cls, folder: Path, width: int) -> "VectorTable":
        """An existing table. Raises SearchIndexError when it is not there or damaged."""
        import lancedb

        try:
            table = lancedb.connect(str(folder)).open_table(TABLE)
            same = table.schema.field("media").type.list_size == width
        except (ValueError, KeyError, RuntimeError, OSError) as error:
            raise _damaged(folder, error) from error
        if not same:
            raise _damaged(folder, f"its vectors are not {width} wide")
        return cls(folder, width, table)

    def __len__(self) -> int:
        with self._reading():
            return self._table.count_rows()

    def replace_files(self, rows: Sequence[IndexRow], paths: Sequence[str]) -> None:
        """Put in these rows and take out whatever else there was of the files at `paths`, in one step."""
        merge = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
        merge = merge.when_not_matched_by_source_delete(_in("path", paths))
        rows_to_write = self._arrow(rows)
        with _writing(self._folder):
            # "null" keeps absent vectors absent; NaN never gets here, as embedding refuses it.
            merge.execute(rows_to_write, on_bad_vectors="null")

    def count_by_path(self) -> Counter[str]:
        """How many rows each file has."""
        with self._reading():
            return Counter(self._table.search().select(["path"]).to_arrow()["path"].to_pylist())

    def search(self, vector: Float32[np.ndarray, " D"], column: str, k: int) -> list[Hit]:
        """The k rows nearest by cosine, exactly; rows without the vector are not considered. Ties go by id."""
        names = ["id", "path", "start_seconds", "stop_seconds", "text", "_distance"]
        query = self._table.search(vector, vector_column_name=column).distance_type("dot").bypass_vector_index()
        query = query.where(f"has_{column.removesuffix('_vector')}").limit(k).select(names)
        with self._reading():
            found = query.to_list()
        hits = []
        for row in found:
            score = float(np.clip(1 - row.pop("_distance"), -1, 1))
            hits.append(Hit(score=score, **row))
        return sorted(hits, key=lambda hit: (-hit.score, hit.id))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turns what Lance raises for a file that is cut, or gone, into an SearchIndexError."""
        try:
            yield
        except (OSError, RuntimeError, ValueError) as error:
            raise _damaged(self._folder, error) from error

    def _arrow(self, rows: Sequence[IndexRow]) -> Any:
        import pyarrow

        schema = _schema(self._width)
        names = ("id", "path", "start_seconds", "stop_seconds")
        columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in names}
        columns["text"] = ["\n".join(row.texts) for row in rows]
        for name in VECTORS:
            vectors = [getattr(row, name) for row in rows]
            columns[f"has_{name.removesuffix('_vector')}"] = [vector is not None for vector in vectors]
            columns[name] = pyarrow.array(vectors, type=schema.field(name).type)
        return pyarrow.table(columns, schema=schema)


def _schema(width: int) -> Any:
    import pyarrow

    times = [(name, pyarrow.float64()) for name in ("start_seconds", "stop_seconds")]
    facts = [("id", pyarrow.string()), ("path", pyarrow.string()), *times, ("text", pyarrow.string())]
    present = [(f"has_{name.removesuffix('_vector')}", pyarrow.bool_()) for name in VECTORS]
    return pyarrow.schema([*facts, *present, *((name, pyarrow.list_(pyarrow.float32(), width)) for name in VECTORS)])


def _in(column: str, values: Sequence[str]) -> str:
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"{column} IN ({quoted})" if values else "false"


def _damaged(folder: Path, cause: object) -> SearchIndexError:
    return SearchIndexError(
        f"{folder}: the table of vectors cannot be read ({_told(cause)}); nothing can be searched. "
        "Build the index again: the same `vlsa index` command with --restart."
    )


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turns what Lance raises on a full disk into an SearchIndexError."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        raise SearchIndexError(
            f"{folder}: cannot be written ({_told(error)}); the index keeps what it had. "
            "Check the room on the disk and the rights, and run the same `vlsa index` command again."
        ) from error


def _told(cause: object) -> str:
    """What Lance says, without the places in its own source."""
    return " ".join(str(cause).split()).partition(", /")[0][:200]
