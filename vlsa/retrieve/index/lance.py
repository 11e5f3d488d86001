"""The one adapter to LanceDB: a table of clips with their vectors.

Feeds index.py. Measured rules kept here: exact search (right up to about 100,000 rows), deterministic ids with
merge_insert, import only when used (it takes over a second), and never used across a fork.
Axes: D width of the matching space.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from vlsa.base.errors import SearchIndexError
from vlsa.retrieve.index.query import TARGETS, Hit

if TYPE_CHECKING:
    from vlsa.retrieve.index.rows import IndexRow

TABLE, NAME_KEY = "clips", b"vlsa-table"
VECTORS = tuple(TARGETS.values())


class VectorTable:
    """Clips and vectors on disk. Each call is atomic: a killed process leaves the table as before or after it."""

    def __init__(self, folder: Path, width: int, table: Any) -> None:
        self._folder, self._width, self._table = folder, width, table

    @classmethod
    def create(cls, folder: Path, width: int, name: str) -> "VectorTable":
        """A new table without rows, which carries the `name`; one that a killed process left half-made is replaced."""
        import lancedb

        shutil.rmtree(folder, ignore_errors=True)
        with _writing(folder):
            table = lancedb.connect(str(folder)).create_table(TABLE, schema=_schema(width, name))
        return cls(folder, width, table)

    @classmethod
    def open(cls, folder: Path, facts: dict[str, Any]) -> "VectorTable":
        """The table of an index with these facts. Raises SearchIndexError when it is missing, damaged, or another one.

        Truncated files are detected by their total size: reading them all would take as long as a search.
        """
        import lancedb

        try:
            table = lancedb.connect(str(folder)).open_table(TABLE)
            schema = table.schema
            fits = [schema.field(name).type.list_size == facts["width"] for name in VECTORS]
        except (ValueError, KeyError, RuntimeError, OSError, AttributeError) as error:
            raise _damaged(folder, error) from error
        if not all(fits):
            raise _damaged(folder, f"its vectors are not {facts['width']} wide")
        if "table" in facts and (schema.metadata or {}).get(NAME_KEY) != facts["table"].encode():
            raise _damaged(folder, "it belongs to another index")
        opened = cls(folder, facts["width"], table)
        if opened.num_bytes() < facts.get("num_bytes", 0):
            raise _damaged(folder, f"{facts['num_bytes']:,} bytes were written, {opened.num_bytes():,} are left")
        return opened

    def num_bytes(self) -> int:
        """Size of the files that hold rows; it never falls."""
        return sum(path.stat().st_size for path in self._folder.glob(f"{TABLE}.lance/data/*.lance"))

    def __len__(self) -> int:
        with self._reading():
            return self._table.count_rows()

    def replace_files(self, rows: "Sequence[IndexRow]", paths: Sequence[str]) -> None:
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
        hits = [Hit(score=1 - row.pop("_distance"), **row) for row in found]
        ordered = sorted(hits, key=lambda hit: (-hit.score, hit.id))
        return [replace(hit, score=float(np.clip(hit.score, -1, 1))) for hit in ordered]  # beyond by rounding alone

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turns what Lance raises for a file that is cut, or gone, into a SearchIndexError."""
        try:
            yield
        except (OSError, RuntimeError, ValueError) as error:
            raise _damaged(self._folder, error) from error

    def _arrow(self, rows: "Sequence[IndexRow]") -> Any:
        import pyarrow

        schema = _schema(self._width, "")
        names = ("id", "path", "start_seconds", "stop_seconds")
        columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in names}
        columns["text"] = ["\n".join(row.texts) for row in rows]
        for name in VECTORS:
            vectors = [getattr(row, name) for row in rows]
            columns[f"has_{name.removesuffix('_vector')}"] = [vector is not None for vector in vectors]
            columns[name] = pyarrow.array(vectors, type=schema.field(name).type)
        return pyarrow.table(columns, schema=schema)


def _schema(width: int, name: str) -> Any:
    import pyarrow

    times = [(name, pyarrow.float64()) for name in ("start_seconds", "stop_seconds")]
    facts = [("id", pyarrow.string()), ("path", pyarrow.string()), *times, ("text", pyarrow.string())]
    present = [(f"has_{name.removesuffix('_vector')}", pyarrow.bool_()) for name in VECTORS]
    vectors = [(column, pyarrow.list_(pyarrow.float32(), width)) for column in VECTORS]
    return pyarrow.schema([*facts, *present, *vectors], metadata={NAME_KEY: name})


def _in(column: str, values: Sequence[str]) -> str:
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"{column} IN ({quoted})" if values else "false"


def _damaged(folder: Path, cause: object) -> SearchIndexError:
    return SearchIndexError(
        f"{folder}: the table of vectors cannot be read ({_summary(cause)}); nothing can be searched. "
        "Build the index again: the same `vlsa index` command with --restart."
    )


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turns what Lance raises on a full disk into a SearchIndexError."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        raise SearchIndexError(
            f"{folder}: cannot be written ({_summary(error)}); the index keeps what it had. "
            "Check the free space and the rights, and run the same `vlsa index` command again."
        ) from error


def _summary(cause: object) -> str:
    """The cause as Lance names it, without the places in its own source."""
    return " ".join(str(cause).split()).partition(", /")[0][:200]
