"""An index that is searched: opened, asked, and read again when another process has written to it.

Reads facts.py, the tables (lance.py, table_process.py) and, when a question is encoded, the model (recorded_model.py).
The base of `Index` (index.py), which also writes.
"""

import functools
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vlsa.base.errors import SearchIndexError
from vlsa.retrieve.index import ledger
from vlsa.retrieve.index.facts import FACTS_NAME, PENDING_NAME, TABLES_NAME, read_facts, stamp
from vlsa.retrieve.index.lance import VectorTable
from vlsa.retrieve.index.ledger import IndexedFile
from vlsa.retrieve.index.query import Hit, Question, check_request, column_of, compared_with, search_by_rank
from vlsa.retrieve.index.recorded_model import accepted, load_model
from vlsa.retrieve.index.table_process import TableProcess

if TYPE_CHECKING:
    from vlsa.retrieve.encode.encoders import Encoder
    from vlsa.retrieve.index.file_facts import FileFacts

Found = TypeVar("Found")
Reader = TypeVar("Reader", bound="IndexReader")


class IndexReader:
    """Windows of media and pieces of text that can be searched by text, audio, video and image."""

    def __init__(
        self, path: Path, facts: dict[str, Any], table: VectorTable | TableProcess, encoder: "Encoder | None"
    ) -> None:
        self.path, self.facts, self._table, self._encoder = path, facts, table, encoder
        self._run_path: str | None = None
        self._facts_name = FACTS_NAME
        self._source: str | None = None
        self._seen = (0, 0)

    def __repr__(self) -> str:
        return f"Index({str(self.path)!r}, {len(self):,} rows, model {self.facts['model']})"

    def __len__(self) -> int:
        return len(self._table)

    @property
    def source(self) -> str:
        """The folder that paths are relative to."""
        return self._source or self.facts["source"]

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
        parallel: bool = False,
        pending: bool = False,
    ) -> "Reader":
        """An index for searching; the model is loaded at the first question.

        The model is `encoder`, or that of `run_path`, or the one recorded in the index; `source` is where the footage
        is now, if it was moved. With `repair`, missing rows are allowed, since the caller will write them again. With
        `parallel`, the model is loaded at once, and the table is opened meanwhile by another process: for one question
        from a cold start. Raises SearchIndexError: missing, not an index, of another version, rows lost, or made by
        another model.
        """
        path, name = Path(path), PENDING_NAME if pending else FACTS_NAME
        seen = stamp(path / name)
        open_now = functools.partial(cls._open, path, name, run_path, encoder, source, repair, parallel)
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
        parallel: bool,
    ) -> "Reader":
        seen, facts = stamp(path / name), read_facts(path, name)
        open_table = TableProcess if parallel else VectorTable.open
        index = cls(path, facts, open_table(path / facts["data"] / TABLES_NAME, facts), None)
        index._run_path, index._seen = str(run_path) if run_path is not None else None, seen
        index._facts_name, index._source = name, None if source is None else os.path.abspath(source)
        if encoder is not None:
            index._encoder = accepted(path, facts, encoder)
        elif parallel:
            assert index.encoder
        if len(index) < facts["num_rows"] and not repair:
            raise SearchIndexError(
                f"{path}: holds {len(index)} rows, {facts['num_rows']} were acknowledged; some clips cannot be found. "
                "Run the same `vlsa index` command again: it restores them."
            )
        return index

    @property
    def encoder(self) -> "Encoder":
        """The model that made the vectors. Raises SearchIndexError when it cannot be loaded or is another one."""
        if self._encoder is None:
            self._encoder = load_model(self.path, self.facts, self._run_path)
        return self._encoder

    def search(
        self,
        text: str | None = None,
        k: int = 10,
        *,
        audio: str | os.PathLike[str] | None = None,
        video: str | os.PathLike[str] | None = None,
        image: str | os.PathLike[str] | None = None,
        in_: str = "media",
    ) -> list[Hit]:
        """The k best windows for a text, or for an audio, video or image file; best first, fewer when there are fewer.

        `in_`: compare with "media" (video and audio fused), "video" or "audio" of windows, or with "text": then the
        hits are captions and subtitle cues with their own times. Paths are absolute. Raises VlsaError for a question
        that cannot be asked, MediaError for an unreadable file, SearchIndexError if empty.
        """
        check_request(in_, k)
        question = Question(text=text, audio=audio, video=video, image=image)
        if not len(self):
            raise SearchIndexError(f"{self.path}: the index is empty; nothing can be found. Add footage: `vlsa index`.")
        target, num_spaces = compared_with(question.modality, in_, self.encoder.spaces)
        vector = question.vector(self.encoder)
        if self.encoder.fusion == "rank":
            hits = search_by_rank(self._search_latest, question.modality, target, vector, self.encoder.spaces, k)
        else:
            hits = self._search_latest((vector / num_spaces).astype("float32"), column_of(target), k)
        return [replace(hit, path=os.path.join(self.source, hit.path)) for hit in hits]

    def _search_latest(self, vector: Any, column: str, k: int) -> list[Hit]:
        return self._latest(lambda: self._table.search(vector, column, min(k, len(self))))

    def _latest(self, read: "Callable[[], Found]") -> "Found":
        """What is read of what was last written. A writer may take away the version that is being read: once more."""
        try:
            if stamp(self.path / self._facts_name) != self._seen:
                self._reopen()
            return read()
        except SearchIndexError:
            self._reopen()
            return read()

    def _reopen(self) -> None:
        """Read what another process has written since. Raises SearchIndexError when that is of another model."""
        seen = stamp(self.path / self._facts_name)
        facts = read_facts(self.path, self._facts_name)
        if facts["model"]["fingerprint"] != self.facts["model"]["fingerprint"]:
            raise SearchIndexError(f"{self.path}: made again by another model meanwhile. Open it again.")
        self.facts, self._seen = facts, seen
        self._table = self._table.reopened(self.data / TABLES_NAME, facts)

    def file_facts(self) -> "list[FileFacts]":
        """Facts of all files of which something can be found, in the order of their paths."""
        return self._latest(self.table.files)

    def files(self) -> dict[str, IndexedFile]:
        """Finished files of which all rows are still in the table, as they were written."""
        from vlsa.retrieve.index.verify import intact

        return intact(self.table, ledger.read(self.data))

    @property
    def table(self) -> VectorTable:
        """The tables, for whoever writes them."""
        assert isinstance(self._table, VectorTable), "opened in parallel, for searching only"
        return self._table
