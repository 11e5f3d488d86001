"""The search index: tables of vectors and files, the model that made them, and a ledger of what has been acknowledged.

Reads an encoder and indexed rows (update.py); feeds search/, which asks it.

    INDEX/index.json           facts.py: format, version, model (run, recipe, fingerprint), source, windows, width
    INDEX/data-*/files.jsonl   ledger.py: a line per file that is finished: its state, its rows, what of it was left out
    INDEX/data-*/lance/        lance.py: windows and texts with their vectors; facts of files

Rows are written first, then the ledger, so that a killed process repeats work and loses none. The model and PyTorch are
imported when a question is encoded.
"""

import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.base.errors import SearchIndexError
from vlsa.retrieve.index import ledger
from vlsa.retrieve.index.facts import (
    DATA_PREFIX,
    FACTS_NAME,
    FORMAT,
    PENDING_NAME,
    TABLES_NAME,
    VERSION,
    folder_state,
    model_facts,
    read_facts,
    stamp,
    write_facts,
)
from vlsa.retrieve.index.index_model import IndexModel
from vlsa.retrieve.index.lance import VectorTable
from vlsa.retrieve.index.ledger import IndexedFile

if TYPE_CHECKING:
    from vlsa.retrieve.encode.encoders import Encoder
    from vlsa.retrieve.index.file_facts import FileFacts
    from vlsa.retrieve.index.rows import IndexRow


class Index:
    """Windows of media and pieces of text with their vectors, for whoever writes or reads them."""

    def __init__(self, path: Path, facts: dict[str, Any], table: VectorTable, model: IndexModel) -> None:
        self.path, self.facts, self.table, self._model = path, facts, table, model
        self._facts_name = FACTS_NAME
        self._source: str | None = None
        self._seen = (0, 0)

    def __repr__(self) -> str:
        return f"Index({str(self.path)!r}, {len(self):,} rows, model {self.facts['model']})"

    def __len__(self) -> int:
        return len(self.table)

    @property
    def source(self) -> str:
        """The folder that paths are relative to."""
        return self._source or str(self.facts["source"])

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
        index = cls(path, facts, VectorTable.create(path / facts["data"] / TABLES_NAME, facts), IndexModel(path, facts))
        index._model.accept(encoder)
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
        pending: bool = False,
    ) -> "Index":
        """An index for searching; the model is loaded at the first question.

        The model is `encoder`, or that of `run_path`, or the one recorded in the index; `source` is where the footage
        is now, if it was moved. With `repair`, missing rows are allowed, since the caller will write them again.
        Raises SearchIndexError: missing, not an index, of another version, rows lost, or made by another model.
        """
        path, name = Path(path), PENDING_NAME if pending else FACTS_NAME
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

    def _reopen(self) -> None:
        seen = stamp(self.path / self._facts_name)
        facts = read_facts(self.path, self._facts_name)
        if facts["model"]["fingerprint"] != self.facts["model"]["fingerprint"]:
            raise SearchIndexError(f"{self.path}: made again by another model meanwhile. Open it again.")
        self.facts, self._seen = facts, seen
        self.table = VectorTable.open(self.data / TABLES_NAME, facts)

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

    def refresh(self) -> bool:
        """Read what another process has written since. Raises SearchIndexError when that is of another model.

        True if there was anything.
        """
        changed = stamp(self.path / self._facts_name) != self._seen
        if changed:
            self._reopen()
        return changed

    def file_facts(self) -> "list[FileFacts]":
        """Facts of all files of which something can be found, in the order of their paths."""
        self.refresh()
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

    def compact(self) -> None:
        """Shrink the tables to what they hold; for the process that writes.

        The size that is checked at opening falls meanwhile, so that it is not recorded for that time.
        """
        facts = {name: fact for name, fact in self.facts.items() if name != "num_bytes"}
        write_facts(self.path, facts, self._facts_name)
        self.table.compact()
        self.write_facts(tidy=True)


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
