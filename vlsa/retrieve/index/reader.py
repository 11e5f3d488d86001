"""An index that is read: opened, and read again when another process has written to it.

Reads facts.py, the tables (lance.py) and, when a question is encoded, the model (index_model.py). The base of `Index`
(index.py), which also writes.
"""

import functools
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vlsa.base.errors import SearchIndexError
from vlsa.retrieve.index import ledger
from vlsa.retrieve.index.facts import FACTS_NAME, PENDING_NAME, PRECISIONS, TABLES_NAME, read_facts, stamp
from vlsa.retrieve.index.index_model import IndexModel
from vlsa.retrieve.index.lance import VectorTable
from vlsa.retrieve.index.ledger import IndexedFile
from vlsa.retrieve.index.remote_copy import HeldState, IndexCopy, copy_of

if TYPE_CHECKING:
    from vlsa.retrieve.encode.encoders import Encoder
    from vlsa.retrieve.index.file_facts import FileFacts

Found = TypeVar("Found")
Reader = TypeVar("Reader", bound="IndexReader")


class IndexReader:
    """Windows of media and pieces of text with their vectors, to be read."""

    def __init__(self, path: Path, facts: dict[str, Any], table: VectorTable, model: IndexModel) -> None:
        self.path, self.facts, self.table, self._model = path, facts, table, model
        self._facts_name = FACTS_NAME
        self._source: str | None = None
        self._seen = (0, 0)
        self._copy: IndexCopy | None = None
        self._held: HeldState | None = None

    def __repr__(self) -> str:
        return f"Index({self.where!r}, {len(self):,} rows, model {self.facts['model']})"

    def __len__(self) -> int:
        return len(self.table)

    @property
    def where(self) -> str:
        """What people call it: its folder, or its address."""
        return self._copy.address if self._copy else str(self.path)

    @property
    def source(self) -> str:
        """The folder that paths are relative to."""
        return self._source or str(self.facts["source"])

    @property
    def precision(self) -> str:
        """In which the vectors are stored."""
        return str(self.facts.get("vectors", PRECISIONS[0]))

    @property
    def data(self) -> Path:
        """The folder of the tables and the ledger."""
        return self.path / self.facts["data"]

    @classmethod
    def open(
        cls: "type[Reader]",
        path: str | Path,
        *,
        run_path: str | Path | None = None,
        encoder: "Encoder | None" = None,
        source: str | Path | None = None,
        repair: bool = False,
        pending: bool = False,
    ) -> "Reader":
        """An index for searching; the model is loaded at the first question.

        The model is `encoder`, or that of `run_path`, or the one recorded in the index; `source` is where the footage
        is now, if it was moved. With `repair`, missing rows are allowed, since the caller will write them again.
        Raises SearchIndexError: missing, not an index, of another version, rows lost, or made by another model;
        StoreError for one on an object store that is not reached.
        """
        if (copy := copy_of(path)) is not None:
            held = copy.latest()
            with copy.naming():
                index = cls.open(held.path, run_path=run_path, encoder=encoder, source=source, repair=repair)
            index._copy, index._held, index._model.where = copy, held, copy.address
            return index
        path, name = Path(path), PENDING_NAME if pending else FACTS_NAME
        seen = stamp(path / name)
        open_now = functools.partial(cls._open, path, name, run_path, encoder, source, repair)
        try:
            return open_now()
        except SearchIndexError:
            if stamp(path / name) == seen:
                raise
        return open_now()  # another process wrote between the reading of the facts and that of the tables

    @classmethod
    def _open(
        cls: "type[Reader]",
        path: Path,
        name: str,
        run_path: str | Path | None,
        encoder: "Encoder | None",
        source: str | Path | None,
        repair: bool,
    ) -> "Reader":
        seen, facts = stamp(path / name), read_facts(path, name)
        model = IndexModel(path, facts, None if run_path is None else str(run_path))
        if encoder is not None:
            model.accept(encoder)
        index = cls(path, facts, VectorTable.open(path / facts["data"] / TABLES_NAME, facts), model)
        index._facts_name, index._seen = name, seen
        index._source = None if source is None else os.path.abspath(source)
        if len(index) < facts["num_rows"] and not repair:
            raise SearchIndexError(
                f"{path}: holds {len(index)} rows, {facts['num_rows']} were acknowledged; some clips cannot be found. "
                "Run the same `vlsa index` command again: it restores them."
            )
        return index

    @property
    def encoder(self) -> "Encoder":
        """The model that made the vectors. Raises SearchIndexError when it cannot be loaded or is another one."""
        return self._model.encoder

    def refresh(self) -> bool:
        """Read what another process has written since. Raises SearchIndexError when that is of another model.

        True if there was anything.
        """
        held = self._copy.latest() if self._copy else None
        changed = held is not self._held or stamp(self.path / self._facts_name) != self._seen
        if changed:
            self._reopen(held)
        return changed

    def latest(self, read: "Callable[[], Found]") -> "Found":
        """What is read of what was last written. A writer may take away the version that is being read: once more."""
        try:
            self.refresh()
            return read()
        except SearchIndexError:
            self._reopen(self._copy.latest() if self._copy else None)
            with self._naming():
                return read()

    def _reopen(self, held: HeldState | None) -> None:
        """Read what another process has written since, in the folder of this index or as another state of it.

        Raises SearchIndexError when that is of another model.
        """
        path = held.path if held else self.path
        seen = stamp(path / self._facts_name)
        with self._naming():
            facts = read_facts(path, self._facts_name)
            if facts["model"]["fingerprint"] != self.facts["model"]["fingerprint"]:
                raise SearchIndexError(f"{self.where}: made again by another model meanwhile. Open it again.")
            table = VectorTable.open(path / facts["data"] / TABLES_NAME, facts)
        self.path, self._held, self.facts, self._seen, self.table = path, held, facts, seen, table  # all, or nothing

    def _naming(self) -> AbstractContextManager[None]:
        """Errors name the index, and not a copy of it."""
        return self._copy.naming() if self._copy else nullcontext()

    def file_facts(self) -> "list[FileFacts]":
        """Facts of all files of which something can be found, in the order of their paths."""
        return self.latest(lambda: self.table.files())

    def files(self) -> dict[str, IndexedFile]:
        """Finished files of which all rows are still in the table, as they were written."""
        from vlsa.retrieve.index.verify import intact

        return intact(self.table, ledger.read(self.data))
