"""The one adapter to LanceDB: a table of windows and texts with their vectors, and a table of their files.

Feeds index.py and search/. Measured rules kept here: deterministic ids with merge_insert, import only when used (it
takes over a second), and never used across a fork. Vectors are compared in memory (search/tables.py).
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.base.errors import SearchIndexError
from vlsa.retrieve.index.facts import FILES_TABLE, NAME_KEY, PRECISIONS, TABLE
from vlsa.retrieve.index.query import VECTORS
from vlsa.retrieve.index.words import COLUMN, find_words, has_word_index, index_words

if TYPE_CHECKING:
    from vlsa.retrieve.index.file_facts import FileFacts
    from vlsa.retrieve.index.lance_schema import RowArrays
    from vlsa.retrieve.index.rows import IndexRow, Kind

ARROW_NAMES = {"float32": "float", "float16": "halffloat"}
KEEP_SECONDS = 10.0
"""Versions of a table that are younger stay, for searches that are under way."""


class VectorTable:
    """Rows on disk. Each call is atomic for each table: a killed process leaves it as before or after the call."""

    def __init__(self, folder: Path, facts: dict[str, Any], clips: Any, files: Any) -> None:
        self._folder, self._table, self._files = folder, clips, files
        self._width, self._spaces = facts["width"], tuple(facts["spaces"])
        self._precision = facts.get("vectors", PRECISIONS[0])
        self._words: Any = None

    @classmethod
    def create(cls, folder: Path, facts: dict[str, Any]) -> "VectorTable":
        """New tables without rows, which carry the name of the index; half-made ones of a killed process go."""
        import lancedb

        from vlsa.retrieve.index.lance_schema import clip_schema, file_schema

        shutil.rmtree(folder, ignore_errors=True)
        with _writing(folder):
            database = lancedb.connect(str(folder))
            clips = database.create_table(TABLE, schema=clip_schema(facts["width"], facts["table"], facts["vectors"]))
            index_words(clips)
            return cls(folder, facts, clips, database.create_table(FILES_TABLE, schema=file_schema(facts["table"])))

    @classmethod
    def open(cls, folder: Path, facts: dict[str, Any]) -> "VectorTable":
        """The tables of an index with these facts. Raises SearchIndexError when missing, damaged, or of another one.

        Truncated files are detected by their total size: reading them all would take as long as a search.
        """
        import lancedb

        try:
            database = lancedb.connect(str(folder))
            clips, files = database.open_table(TABLE), database.open_table(FILES_TABLE)
            kinds = [clips.schema.field(name).type for name in VECTORS]
            fits = [kind.list_size == facts["width"] for kind in kinds]
            fits += [str(kind.value_type) == ARROW_NAMES[facts.get("vectors", PRECISIONS[0])] for kind in kinds]
            clips.schema.field(COLUMN)
        except (ValueError, KeyError, RuntimeError, OSError, AttributeError) as error:
            raise _damaged(folder, error) from error
        if not all(fits):
            raise _damaged(folder, f"its vectors are not those of its index.json, {facts['width']} wide")
        if any((table.schema.metadata or {}).get(NAME_KEY) != facts["table"].encode() for table in (clips, files)):
            raise _damaged(folder, "it belongs to another index")
        opened = cls(folder, facts, clips, files)
        if opened.num_bytes() < facts.get("num_bytes", 0):
            raise _damaged(folder, f"{facts['num_bytes']:,} bytes were written, {opened.num_bytes():,} are left")
        return opened

    def num_bytes(self) -> int:
        """Size of the files that hold rows; it falls in `compact` only."""
        return sum(path.stat().st_size for path in self._pieces())

    def num_pieces(self) -> int:
        """How many such files there are."""
        return len(self._pieces())

    def _pieces(self) -> list[Path]:
        return [*self._folder.glob("*.lance/data/*.lance")]

    def __len__(self) -> int:
        with self._reading():
            return self._table.count_rows()

    def snapshot(self) -> "VectorTable":
        """The tables as they are now, whatever is written later (until `compact`)."""
        import lancedb

        with self._reading():
            tables = [lancedb.connect(str(self._folder)).open_table(name) for name in (TABLE, FILES_TABLE)]
            for table, now in zip(tables, (self._table, self._files), strict=True):
                table.checkout(now.version)
        facts = {"width": self._width, "spaces": self._spaces, "vectors": self._precision}
        return VectorTable(self._folder, facts, *tables)

    def replace_files(self, rows: "Sequence[IndexRow]", files: "Sequence[FileFacts]", paths: Sequence[str]) -> None:
        """Put in these rows and facts, and take out whatever else there was of the files at `paths`."""
        from vlsa.retrieve.index.lance_schema import clip_columns, file_columns

        with _writing(self._folder):
            for table, key, new in (
                (self._table, "id", clip_columns(rows, self._width, self._precision)),
                (self._files, "path", file_columns(files)),
            ):
                merge = table.merge_insert(key).when_matched_update_all().when_not_matched_insert_all()
                merge = merge.when_not_matched_by_source_delete(_in("path", paths))
                merge.execute(new, on_bad_vectors="null")  # keeps absent vectors absent; none is NaN (rows.py)

    def replace_facts(self, files: "Sequence[FileFacts]") -> None:
        """Put in other facts of files."""
        from vlsa.retrieve.index.lance_schema import file_columns

        with _writing(self._folder):
            merge = self._files.merge_insert("path").when_matched_update_all().when_not_matched_insert_all()
            merge.execute(file_columns(files))

    def count(self, paths: Sequence[str]) -> int:
        """How many rows there are of the files at `paths`."""
        with self._reading():
            return self._table.count_rows(_in("path", paths))

    def delete_files(self, paths: Sequence[str]) -> None:
        """Take out all rows and facts of the files at `paths`."""
        with _writing(self._folder):
            for table in (self._table, self._files):
                table.delete(_in("path", paths))

    def compact(self) -> None:
        """Merge small pieces, bring the full-text index up to date (or make it, if it is gone), drop deleted rows and
        versions from before now. For the one process that writes."""
        with _writing(self._folder):
            if not has_word_index(self._table):
                index_words(self._table)
            for table in (self._table, self._files):
                table.optimize(cleanup_older_than=timedelta(seconds=KEEP_SECONDS), delete_unverified=True)

    def rows(self, paths: Sequence[str] | None = None) -> "Iterator[IndexRow]":
        """Rows of the files at `paths` with their vectors, or all rows; those of a file in no order."""
        from vlsa.retrieve.index.lance_schema import clip_rows

        with self._reading():
            query = self._table.search()
            for batch in (query if paths is None else query.where(_in("path", paths))).to_batches():
                yield from clip_rows(batch, self._spaces)

    def arrays(self, kind: "Kind") -> "RowArrays":
        """All rows of a kind as arrays, in the order of paths and times."""
        from vlsa.retrieve.index.lance_schema import facts_of, row_arrays, vectors_of

        def scan(columns: list[str]) -> Any:
            return self._table.search().where(f"kind = '{kind}'").select(columns).with_row_id(True)

        with self._reading():
            facts = scan(facts_of(kind)).to_arrow()
            batches = scan(vectors_of(kind)).to_batches()  # never all of them in Arrow too
            return row_arrays(facts, batches, kind, self._width, self._precision)

    def find_words(self, words: str, most: int) -> dict[str, float]:
        """The id and the score of the texts in which these words occur, at most so many (words.py).

        Rows that the full-text index does not have yet are searched too. One that is missing or damaged is made in
        memory, from the texts, so that the answer is the same.
        """
        if self._words is None:
            try:
                self._words = self._table if has_word_index(self._table) else self._words_in_memory()
                return dict(find_words(self._words, words, most))
            except (SearchIndexError, OSError, RuntimeError, ValueError):
                self._words = self._words_in_memory()
        return dict(find_words(self._words, words, most))

    def _words_in_memory(self) -> Any:
        import lancedb

        with self._reading():
            texts = self._table.search().where("kind = 'text'").select(["id", COLUMN]).to_arrow()
            table = lancedb.connect("memory://").create_table("texts", texts)
            index_words(table)
        return table

    def digests(self) -> Iterator[tuple[str, bytes]]:
        """Path and digest of each row, in no order. Reads all vectors."""
        from vlsa.retrieve.index.lance_schema import clip_digests

        with self._reading():
            for batch in self._table.search().to_batches():
                yield from clip_digests(batch, self._spaces)

    def files(self) -> "list[FileFacts]":
        """Facts of all files, in the order of their paths. Raises SearchIndexError for facts that no file has."""
        found = self.written_files()
        for file in found:
            if fault := file.fault():
                raise _damaged(self._folder, f"{file.path[:80]}: {fault}")
        return found

    def written_files(self) -> "list[FileFacts]":
        """As `files`, whatever the facts are."""
        from vlsa.retrieve.index.lance_schema import file_rows

        with self._reading():
            return sorted(file_rows(self._files.search().to_arrow()), key=lambda file: file.path)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turns what Lance raises for a file that is cut, or gone, into a SearchIndexError."""
        try:
            yield
        except (OSError, RuntimeError, ValueError) as error:
            raise _damaged(self._folder, error) from error


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
