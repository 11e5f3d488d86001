"""The search index: tables of vectors and files, the model that made them, and a ledger of what has been acknowledged.

Reads an encoder and indexed rows (update.py); feeds search/, which asks it. Opening and reading are in reader.py.

    INDEX/index.json           facts.py: format, version, model (run, recipe, fingerprint), source, windows, width
    INDEX/data-*/files.jsonl   ledger.py: a line per file that is finished: its state, its rows, what of it was left out
    INDEX/data-*/lance/        lance.py: windows and texts with their vectors; facts of files

Rows are written first, then the ledger, so that a killed process repeats work and loses none. The model and PyTorch are
imported when a question is encoded.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.base.errors import SearchIndexError
from vlsa.retrieve.index import ledger
from vlsa.retrieve.index.facts import (
    DATA_PREFIX,
    FACTS_NAME,
    FORMAT,
    PENDING_NAME,
    PRECISIONS,
    TABLES_NAME,
    VERSION,
    folder_state,
    model_facts,
    stamp,
    write_facts,
)
from vlsa.retrieve.index.index_model import IndexModel
from vlsa.retrieve.index.lance import VectorTable
from vlsa.retrieve.index.ledger import IndexedFile
from vlsa.retrieve.index.reader import IndexReader

if TYPE_CHECKING:
    from vlsa.retrieve.encode.encoders import Encoder
    from vlsa.retrieve.index.file_facts import FileFacts
    from vlsa.retrieve.index.rows import IndexRow


MOST_PIECES = 100
"""Files of the tables, which are merged when there are more."""


class Index(IndexReader):
    """Windows of media and pieces of text with their vectors; one process at a time writes them."""

    acknowledged: Callable[[], None] | None = None
    """Called whenever all that was written is acknowledged."""

    @classmethod
    def create(
        cls,
        path: str | Path,
        encoder: "Encoder",
        *,
        source: str = "",
        windows: Mapping[str, float] | None = None,
        vectors: str = PRECISIONS[0],
        pending: bool = False,
    ) -> "Index":
        """A new index without rows; `source` names what it is made of, `windows` how, `vectors` how they are stored.

        Raises SearchIndexError.

        One that exists is an error, unless the new one is `pending`: then it is used until facts.py:activate.
        """
        path, name = Path(path), PENDING_NAME if pending else FACTS_NAME
        if (path / name).exists():
            raise SearchIndexError(f"{path}: already an index; it would be lost. Open it, or choose another folder.")
        number = uuid.uuid4().hex
        facts = {"format": FORMAT, "version": VERSION, "model": model_facts(encoder), "source": source}
        facts |= {"width": encoder.width, "spaces": list(encoder.spaces), "windows": dict(windows or {})}
        facts |= {"table": number, "data": DATA_PREFIX + number, "vectors": vectors}
        (path / facts["data"]).mkdir(parents=True)
        index = cls(path, facts, VectorTable.create(path / facts["data"] / TABLES_NAME, facts), IndexModel(path, facts))
        index._model.accept(encoder)
        index._facts_name = name
        index.write_facts()
        return index

    def add(
        self,
        rows: "Sequence[IndexRow]",
        files: Iterable[IndexedFile] | None = None,
        facts: "Sequence[FileFacts]" = (),
        removed: Sequence[str] = (),
    ) -> None:
        """Write rows, replacing all that was indexed of their files, and acknowledge them. At best 1,000 rows or more.

        `files` says what is finished; without it, the files of the rows are, in no particular state. `facts` are those
        of the files that have rows. What is indexed of the paths in `removed` is taken out in the same step.
        """
        from vlsa.retrieve.index.file_facts import FileFacts, file_id
        from vlsa.retrieve.index.lines import lines_of, with_facts
        from vlsa.retrieve.index.rows import as_stored

        rows = as_stored(rows, self.precision)
        finished = list(files) if files is not None else lines_of(rows)
        paths = sorted({*(row.path for row in rows), *(file.path for file in finished), *removed})
        known = {file.path: file for file in facts}
        found = [line.path for line in finished if line.num_rows]
        kept = {path: known.get(path) or FileFacts(path=path, file_id=file_id(path)) for path in found}
        self._expect_fewer(paths)
        self.table.replace_files(rows, [*kept.values()], paths)
        ledger.append(self.data, with_facts(finished, kept), removed)
        self.write_facts()

    def discard(self, paths: Sequence[str]) -> None:
        """Take out all that the tables hold of some files; what the ledger says of them is the caller's."""
        self._expect_fewer(paths)
        self.table.delete_files(paths)
        self.write_facts()

    def _expect_fewer(self, paths: Sequence[str]) -> None:
        """Record no more rows than there will be at any time while those of some files are replaced or taken out.

        A search, or a kill, may come between the writing of the rows and that of their number.
        """
        fewest = len(self) - self.table.count(paths)
        if fewest < self.facts["num_rows"]:
            write_facts(self.path, self.facts | {"num_rows": fewest}, self._facts_name)

    def relabel(self, files: Sequence[IndexedFile], facts: "Sequence[FileFacts]") -> None:
        """Write other facts of files whose rows stay as they are, and acknowledge them."""
        from vlsa.retrieve.index.lines import with_facts

        self.table.replace_facts(facts)
        ledger.append(self.data, with_facts(files, {file.path: file for file in facts}))
        self.write_facts()

    def write_facts(self, **changed: Any) -> None:
        """Record these facts and the extent of the tables."""
        state = folder_state(self.data / TABLES_NAME)
        self.facts |= {
            "tidy": False,
            **changed,
            "num_rows": len(self),
            "num_bytes": self.table.num_bytes(),
            "state": state,
        }
        write_facts(self.path, self.facts, self._facts_name)
        self._seen = stamp(self.path / self._facts_name)
        if self.acknowledged is not None:
            self.acknowledged()

    def distrust(self) -> None:
        """Let the next process that writes compare every digest of the tables with the ledger."""
        self.facts = {name: fact for name, fact in self.facts.items() if name != "state"}
        write_facts(self.path, self.facts, self._facts_name)

    def compact(self, *, sparingly: bool = False) -> None:
        """Shrink the tables to what they hold; for the process that writes.

        `sparingly`: only where enough is gained, as on an object store, to which all that is merged is sent anew. The
        size that is checked at opening falls meanwhile, so that it is not recorded for that time.
        """
        if sparingly and not self._is_in_pieces():
            self.write_facts(tidy=True)
            return
        facts = {name: fact for name, fact in self.facts.items() if name != "num_bytes"}
        write_facts(self.path, facts, self._facts_name)
        self.table.compact()
        self.write_facts(tidy=True, merged_bytes=self.table.num_bytes(), merged_rows=len(self))

    def _is_in_pieces(self) -> bool:
        """Whether the tables are a quarter larger than when they were merged, half empty, or many files."""
        merged = [self.facts.get(name, 0) for name in ("merged_bytes", "merged_rows")]
        return (
            4 * self.table.num_bytes() >= 5 * merged[0]
            or 2 * len(self) <= merged[1]
            or self.table.num_pieces() > MOST_PIECES
        )
