"""The search index: a table of vectors, the model that made them, and a ledger of what has been acknowledged.

Reads an encoder and indexed rows (build.py); feeds the command line. From Python:
`vlsa.Index.open("INDEX").search("a bell rings twice", k=5)`.

    INDEX/index.json     facts.py: format, version, model (run, recipe, fingerprint), width, rows acknowledged
    INDEX/files.jsonl    ledger.py: a line per file that is finished: its state, its rows, what of it was left out
    INDEX/lance/         lance.py: the vectors; everything can be made again from the media

Rows are written first, then the ledger, so that a killed process repeats work and loses none. The model and PyTorch are
imported when a question is encoded.
"""

import os
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Float32
from numpy import ndarray, zeros_like

from vlsa.base.errors import ConfigError, SearchIndexError, VlsaError
from vlsa.retrieve.encode.public.names import absolute
from vlsa.retrieve.index import ledger
from vlsa.retrieve.index.facts import FACTS_NAME, FORMAT, VERSION, damaged, read_facts, write_facts
from vlsa.retrieve.index.lance import VectorTable
from vlsa.retrieve.index.ledger import LEDGER_NAME, IndexedFile
from vlsa.retrieve.index.query import (
    Hit,
    Question,
    check_request,
    column_of,
    compared_with,
    comparisons,
    fused_hits,
)
from vlsa.retrieve.index.table_process import TableProcess

if TYPE_CHECKING:
    from vlsa.retrieve.encode.encoders import Encoder
    from vlsa.retrieve.index.rows import IndexRow

FUSED_DEPTH = 1000
"""A row further down a list adds less than 6% of what the first one does."""


class Index:
    """Clips that can be searched by text, audio, video and image."""

    def __init__(
        self, path: Path, facts: dict[str, Any], table: VectorTable | TableProcess, encoder: "Encoder | None"
    ) -> None:
        self.path, self.facts, self._table, self._encoder = path, facts, table, encoder
        self._run_path: str | None = None

    def __repr__(self) -> str:
        return f"Index({str(self.path)!r}, {len(self):,} clips, model {self.facts['model']})"

    def __len__(self) -> int:
        return len(self._table)

    @classmethod
    def create(cls, path: str | Path, encoder: "Encoder", *, source: str = "") -> "Index":
        """A new index without rows; `source` names what it is made of. Raises SearchIndexError when one exists."""
        path = Path(path)
        if (path / FACTS_NAME).exists():
            raise SearchIndexError(f"{path}: already an index; it would be lost. Open it, or choose another folder.")
        path.mkdir(parents=True, exist_ok=True)
        (path / LEDGER_NAME).unlink(missing_ok=True)  # of a creation that was killed
        model = {**encoder.about, "fingerprint": encoder.fingerprint}
        if "run" in model:
            model["run"] = absolute(model["run"])  # the index may be opened from another folder
        facts = {"format": FORMAT, "version": VERSION, "model": model, "source": source, "width": encoder.width}
        facts["table"] = uuid.uuid4().hex
        index = cls(path, facts, VectorTable.create(path / "lance", encoder.width, facts["table"]), encoder)
        index._write_facts()
        return index

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        run_path: str | Path | None = None,
        encoder: "Encoder | None" = None,
        repair: bool = False,
        parallel: bool = False,
    ) -> "Index":
        """An index for searching; the model is loaded at the first question.

        The model is `encoder`, or that of `run_path`, or the one recorded in the index. With `repair`, missing rows
        are allowed, since the caller will write them again. With `parallel`, the model is loaded at once, and the table
        is opened meanwhile by another process: for one question from a cold start. Raises SearchIndexError: missing,
        not an index, of another version, rows lost, or made by another model.
        """
        path = Path(path)
        facts = read_facts(path)
        open_table = TableProcess if parallel else VectorTable.open
        index = cls(path, facts, open_table(path / "lance", facts), None)
        index._run_path = str(run_path) if run_path is not None else None
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
        """The k best clips for a text, or for an audio, video or image file; best first, fewer when there are fewer.

        `in_`: compare with "media" (video and audio fused), "video", "audio" or "text" (the clips' captions). Raises
        VlsaError for a question that cannot be asked, MediaError for an unreadable file, SearchIndexError if empty.
        """
        check_request(in_, k)
        question = Question(text=text, audio=audio, video=video, image=image)
        if not len(self):
            raise SearchIndexError(
                f"{self.path}: the index is empty; nothing can be found. Add footage with `vlsa index`."
            )
        target, num_spaces = compared_with(question.modality, in_, self.encoder.spaces)
        vector = question.vector(self.encoder)
        if self.encoder.fusion == "rank":
            return self._search_by_rank(question.modality, target, vector, k)
        return self._table.search((vector / num_spaces).astype("float32"), column_of(target), min(k, len(self)))

    def _search_by_rank(self, asked: str, target: str, vector: Float32[ndarray, " D"], k: int) -> list[Hit]:
        """One list for each space that can answer, fused by rank; each is as long as FUSED_DEPTH, or ten times k."""
        depth, num_spaces = min(max(FUSED_DEPTH, 10 * k), len(self)), len(self.encoder.spaces)
        lists = []
        for part, number in comparisons(asked, target, self.encoder.spaces):
            width = len(vector) // num_spaces
            alone = zeros_like(vector)
            alone[number * width : (number + 1) * width] = vector[number * width : (number + 1) * width]
            lists.append(self._table.search(alone, column_of(part), depth))
        return fused_hits(lists, k)

    def add(self, rows: "Sequence[IndexRow]", files: Iterable[IndexedFile] | None = None) -> None:
        """Write rows, replacing all that was indexed of their files, and acknowledge them. At best 1,000 rows or more.

        `files` says what is finished; without it, the files of the rows are, in no particular state.
        """
        counts: dict[str, int] = {}
        for row in rows:
            counts[row.path] = counts.get(row.path, 0) + 1
        finished = (
            list(files) if files is not None else [IndexedFile(path, "", count) for path, count in counts.items()]
        )
        self._writable.replace_files(rows, sorted({*counts, *(file.path for file in finished)}))
        ledger.append(self.path, finished)
        self._write_facts()

    def files(self) -> dict[str, IndexedFile]:
        """Finished files of which all rows are still in the table."""
        counts = self._writable.count_by_path()
        return {path: file for path, file in ledger.read(self.path).items() if counts[path] == file.num_rows}

    @property
    def _writable(self) -> VectorTable:
        assert isinstance(self._table, VectorTable), "opened in parallel, for searching only"
        return self._table

    def _write_facts(self) -> None:
        self.facts = {**self.facts, "num_rows": len(self), "num_bytes": self._writable.num_bytes()}
        write_facts(self.path, self.facts)
