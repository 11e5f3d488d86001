"""An index that is asked: its model, and its tables in memory.

Reads an index; feeds the commands and Python. `vlsa.Index` is this class:

    index = vlsa.Index.open("INDEX")
    index.search("a bell rings twice", k=5)
    index.ask(question_of("a dog barks", unlike=["music"], where="duration > 60"))
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.retrieve.index.facts import read_facts
from vlsa.retrieve.index.index_model import IndexModel
from vlsa.retrieve.index.remote_state import address_of
from vlsa.retrieve.search.answer import Answer
from vlsa.retrieve.search.asked import asked_vectors
from vlsa.retrieve.search.moments import Moment
from vlsa.retrieve.search.pieces import question_of
from vlsa.retrieve.search.question import Question
from vlsa.retrieve.search.tables_process import TablesProcess

if TYPE_CHECKING:
    from vlsa.retrieve.encode.encoders import Encoder
    from vlsa.retrieve.search.tables import SearchTables


class Library:
    """Answers questions about an index."""

    def __init__(self, tables: "SearchTables | TablesProcess", model: IndexModel, source: str) -> None:
        self.tables, self._model = tables, model
        self.source = source
        """The folder that paths of moments are relative to."""

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        run_path: str | Path | None = None,
        encoder: "Encoder | None" = None,
        source: str | Path | None = None,
        parallel: bool = False,
    ) -> "Library":
        """An index for searching; the model is loaded at the first question.

        The model is `encoder`, or that of `run_path`, or the one recorded in the index; `source` is where the footage
        is now, if it was moved. With `parallel`, the model is loaded at once, and the tables are read meanwhile by
        another process: for a question from a cold start. Raises SearchIndexError: missing, not an index, of another
        version, rows lost, or made by another model.
        """
        facts = read_facts(path)
        model = IndexModel(address_of(path) or Path(path), facts, None if run_path is None else str(run_path))
        if encoder is not None:
            model.accept(encoder)
        where = facts["source"] if source is None else os.path.abspath(source)
        if parallel:
            tables = TablesProcess(path, where)
            assert model.encoder
            return cls(tables, model, where)
        from vlsa.retrieve.search.tables import SearchTables

        return cls(SearchTables.open(path, where), model, where)

    @property
    def encoder(self) -> "Encoder":
        """The model that made the vectors. Raises SearchIndexError when it cannot be loaded or is another one."""
        return self._model.encoder

    def ask(self, question: Question, *, exact: bool = False) -> Answer:
        """The answer; of a large index `exact` compares all windows instead of candidates.

        Raises VlsaError for what cannot be asked or searched, MediaError for an unreadable file.
        """
        asked = asked_vectors(question, self.encoder, self.tables.stored, self.tables.occurs)
        return self.tables.answer(question, asked, exact=exact)

    def search(self, text: str | None = None, k: int = 10, **pieces: Any) -> Sequence[Moment]:
        """The k best moments for words, or for other pieces of a question (pieces.py: `like=["a.mp4"]`, ...).

        Paths are absolute. Raises as `ask` does.
        """
        found = self.ask(question_of(text, k=k, **pieces)).moments
        return [replace(moment, path=os.path.join(self.source, moment.path)) for moment in found]
