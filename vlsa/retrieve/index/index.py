"""The search index: tables of vectors and files, the model that made them, and a ledger of what has been acknowledged.

Reads an encoder and indexed rows (update.py); feeds the command line. From Python:
`vlsa.Index.open("INDEX").search("a bell rings twice", k=5)`.

    INDEX/index.json           facts.py: format, version, model (run, recipe, fingerprint), source, windows, width
    INDEX/data-*/files.jsonl   ledger.py: a line per file that is finished: its state, its rows, what of it was left out
    INDEX/data-*/lance/        lance.py: windows and texts with their vectors; facts of files

Rows are written first, then the ledger, so that a killed process repeats work and loses none. The model and PyTorch are
imported when a question is encoded.
"""

import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.base.errors import ConfigError, SearchIndexError, VlsaError
from vlsa.retrieve.index import ledger
from vlsa.retrieve.index.facts import (
    DATA_PREFIX,
    FACTS_NAME,
    FORMAT,
    PENDING_NAME,
    TABLES_NAME,
    VERSION,
    damaged,
    folder_state,
    model_facts,
    read_facts,
    stamp,
    write_facts,
)
from vlsa.retrieve.index.lance import VectorTable
from vlsa.retrieve.index.ledger import IndexedFile
from vlsa.retrieve.index.query import Hit, Question, check_request, column_of, compared_with
from vlsa.retrieve.index.table_process import TableProcess

if TYPE_CHECKING:
    from vlsa.retrieve.encode.encoders import Encoder
    from vlsa.retrieve.index.file_facts import FileFacts
    from vlsa.retrieve.index.rows import IndexRow


class Index:
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
    def create(
        cls,
        path: str | Path,
        encoder: "Encoder",
        *,
        source: str = "",
        windows: Mapping[str, float] | None = None,
        pending: bool = False,
    ) -> "Index":
        """A new index without rows; `source` names what it is made of, `windows` how. Raises SearchIndexError.

        One that exists is an error, unless the new one is `pending`: then it is used until facts.py:activate.
        """
        path, name = Path(path), PENDING_NAME if pending else FACTS_NAME
        if (path / name).exists():
            raise SearchIndexError(f"{path}: already an index; it would be lost. Open it, or choose another folder.")
        number = uuid.uuid4().hex
        facts = {"format": FORMAT, "version": VERSION, "model": model_facts(encoder), "source": source}
        facts |= {"width": encoder.width, "spaces": list(encoder.spaces), "windows": dict(windows or {})}
        facts |= {"table": number, "data": DATA_PREFIX + number}
        (path / facts["data"]).mkdir(parents=True)
        index = cls(path, facts, VectorTable.create(path / facts["data"] / TABLES_NAME, facts), encoder)
        index._facts_name = name
        index.write_facts()
        return index

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        run_path: str | Path | None = None,
        encoder: "Encoder | None" = None,
        source: str | Path | None = None,
        repair: bool = False,
        parallel: bool = False,
        pending: bool = False,
    ) -> "Index":
        """An index for searching; the model is loaded at the first question.

        The model is `encoder`, or that of `run_path`, or the one recorded in the index; `source` is where the footage
        is now, if it was moved. With `repair`, missing rows are allowed, since the caller will write them again. With
        `parallel`, the model is loaded at once, and the table is opened meanwhile by another process: for one question
        from a cold start. Raises SearchIndexError: missing, not an index, of another version, rows lost, or made by
        another model.
        """
        path, name = Path(path), PENDING_NAME if pending else FACTS_NAME
        seen, facts = stamp(path / name), read_facts(path, name)
        open_table = TableProcess if parallel else VectorTable.open
        index = cls(path, facts, open_table(path / facts["data"] / TABLES_NAME, facts), None)
        index._run_path, index._seen = str(run_path) if run_path is not None else None, seen
        index._facts_name, index._source = name, None if source is None else os.path.abspath(source)
        if encoder is not None:
            index._accept(encoder)
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
            run_path = self._run_path or self.facts["model"].get("run")
            if run_path is None:
                raise SearchIndexError(
                    f"{self.path}: names no run of a model; questions cannot be encoded. "
                    "Name the run with --run (run_path=)."
                )
            from vlsa.retrieve.encode import encoders

            try:
                loaded = encoders.load(run_path)
            except VlsaError as error:
                raise SearchIndexError(
                    f"{self.path}: its model cannot be loaded ({error}) Name the run with --run (run_path=)."
                ) from error
            self._accept(loaded)
        assert self._encoder is not None
        return self._encoder

    def _accept(self, encoder: "Encoder") -> None:
        made_by = self.facts["model"]["fingerprint"]
        if encoder.fingerprint != made_by:
            raise SearchIndexError(
                f"{self.path}: made by model {made_by} (run {self.facts['model'].get('run')}), "
                f"this is {encoder.fingerprint}; "
                "vectors of two models cannot be compared. Use that run, or index again into another folder."
            )
        from vlsa.retrieve.encode.sampling import Sampling

        try:
            self._encoder = encoder.with_sampling(Sampling.of(self.facts["model"]))
        except (TypeError, ConfigError) as error:
            raise damaged(self.path) from error

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
            raise SearchIndexError(
                f"{self.path}: the index is empty; nothing can be found. Add footage with `vlsa index`."
            )
        target, num_spaces = compared_with(question.modality, in_, self.encoder.spaces)
        vector = (question.vector(self.encoder) / num_spaces).astype("float32")
        hits = self._search_latest(vector, column_of(target), k)
        return [replace(hit, path=os.path.join(self.source, hit.path)) for hit in hits]

    def _search_latest(self, vector: Any, column: str, k: int) -> list[Hit]:
        """Hits in what was last written. A writer may take away the version that is being read: then once more."""
        if stamp(self.path / self._facts_name) != self._seen:
            self._reopen()
        try:
            return self._table.search(vector, column, min(k, len(self)))
        except SearchIndexError:
            self._reopen()
            return self._table.search(vector, column, min(k, len(self)))

    def _reopen(self) -> None:
        """Read what another process has written since. Raises SearchIndexError when that is of another model."""
        seen = stamp(self.path / self._facts_name)
        facts = read_facts(self.path, self._facts_name)
        if facts["model"]["fingerprint"] != self.facts["model"]["fingerprint"]:
            raise SearchIndexError(f"{self.path}: made again by another model meanwhile. Open it again.")
        self.facts, self._seen = facts, seen
        self._table = self._table.reopened(self.data / TABLES_NAME, facts)

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

        finished = list(files) if files is not None else _lines_of(rows)
        paths = sorted({*(row.path for row in rows), *(file.path for file in finished), *removed})
        known = {file.path: file for file in facts}
        kept = [known.get(line.path, FileFacts(path=line.path, file_id=file_id(line.path))) for line in finished]
        self.table.replace_files(rows, [one for one, line in zip(kept, finished, strict=True) if line.num_rows], paths)
        ledger.append(self.data, finished, removed)
        self.write_facts()

    def file_facts(self) -> "list[FileFacts]":
        """Facts of all files of which something can be found, in the order of their paths."""
        if stamp(self.path / self._facts_name) != self._seen:
            self._reopen()
        return self.table.files()

    def relabel(self, files: Sequence[IndexedFile], facts: "Sequence[FileFacts]") -> None:
        """Write other facts of files whose rows stay as they are, and acknowledge them."""
        self.table.replace_facts(facts)
        ledger.append(self.data, files)
        self.write_facts()

    def files(self) -> dict[str, IndexedFile]:
        """Finished files of which all rows are still in the table, as they were written."""
        from vlsa.retrieve.index.verify import intact

        return intact(self.table, ledger.read(self.data))

    @property
    def table(self) -> VectorTable:
        """The tables, for whoever writes them."""
        assert isinstance(self._table, VectorTable), "opened in parallel, for searching only"
        return self._table

    def write_facts(self, **changed: Any) -> None:
        """Record these facts and the extent of the tables."""
        state = folder_state(self.data / TABLES_NAME)
        self.facts |= {**changed, "num_rows": len(self), "num_bytes": self.table.num_bytes(), "state": state}
        write_facts(self.path, self.facts, self._facts_name)
        self._seen = stamp(self.path / self._facts_name)

    def compact(self) -> None:
        """Shrink the tables to what they hold; for the process that writes.

        The size that is checked at opening falls meanwhile, so that it is not recorded for that time.
        """
        facts = {name: fact for name, fact in self.facts.items() if name != "num_bytes"}
        write_facts(self.path, facts, self._facts_name)
        self.table.compact()
        self.write_facts()


def _lines_of(rows: "Sequence[IndexRow]") -> list[IndexedFile]:
    """A line of the ledger for each file that the rows are of."""
    from vlsa.retrieve.index.rows import rows_digest

    by_path: dict[str, list[IndexRow]] = {}
    for row in rows:
        by_path.setdefault(row.path, []).append(row)
    counts = {path: sum(row.kind == "window" for row in found) for path, found in by_path.items()}
    return [
        IndexedFile(path=path, rows=rows_digest(found), num_windows=counts[path], num_texts=len(found) - counts[path])
        for path, found in by_path.items()
    ]
