"""From the question that a client sends to the answer: ids in place of paths, notes in place of log lines.

Reads a question object (search/question.py) whose values are words and ids; feeds the routes. A path is refused: what a
part may be asked with is an upload, a file or a stretch of an index.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from vlsa.base.errors import VlsaError
from vlsa.retrieve.index import query
from vlsa.retrieve.search import asked
from vlsa.retrieve.search.answer import Answer
from vlsa.retrieve.search.asked import Asked, asked_vectors
from vlsa.retrieve.search.question import KINDS, Question
from vlsa.retrieve.search.spans import Span, parse_time
from vlsa.serve.archive.catalogue import Catalogue
from vlsa.serve.archive.encoding import Models, ServedEncoder
from vlsa.serve.archive.ids import MediaId, MomentId
from vlsa.serve.archive.open_index import Files, OpenIndex
from vlsa.serve.media.decoding import ExampleWindows
from vlsa.serve.media.task import Task
from vlsa.serve.media.uploads import Uploads

_STRETCH = re.compile(r"(?P<id>[^@]+)@(?P<start>[0-9:.,hms]{1,16})-(?P<stop>[0-9:.,hms]{1,16})", re.ASCII)
_MOMENT = re.compile(r"[^:@]+:[0-9a-f]{16}:[0-9]+-[0-9]+", re.ASCII)


@dataclass(frozen=True)
class Places:
    """Where the files that ids name are on this disk."""

    catalogue: Catalogue
    uploads: Uploads

    def question(self, value: object) -> Question:
        """The question, with places instead of ids. Raises VlsaError, UnknownIdError."""
        if isinstance(value, dict) and isinstance(value.get("parts"), list):
            value = value | {"parts": [self._part(part) for part in value["parts"]]}
        return Question.from_dict(value)

    def _part(self, part: object) -> object:
        if not isinstance(part, dict):
            return part
        named = [kind for kind in KINDS if kind != "text" and isinstance(part.get(kind), str)]
        return part | {kind: str(self.place(part[kind])) for kind in named}

    def place(self, value: str) -> Span:
        """The file, or stretch of one, that an id names. Raises UnknownIdError, VlsaError."""
        if _MOMENT.fullmatch(value):
            moment = MomentId.parse(value)
            return Span(self._file(moment.media), moment.start_seconds, moment.stop_seconds)
        found = _STRETCH.fullmatch(value)
        path = self._path(found["id"] if found else value)
        if not found:
            return Span(path)
        start, stop = parse_time(found["start"]), parse_time(found["stop"])
        if not start < stop:
            raise VlsaError(f"search: {value!r} ends before it starts; there is nothing between. Swap the times.")
        return Span(path, start, stop)

    def _path(self, id: str) -> str:
        kind, _, rest = id.partition(":")
        return str(self.uploads.get(rest).path) if kind == "upload" else self._file(MediaId.parse(id))

    def _file(self, media: MediaId) -> str:
        index, file = self.catalogue.file(media)
        return index.disk_path(file)


def as_sent(question: Question, value: Mapping[str, Any]) -> dict[str, Any]:
    """A question without its defaults, with the ids that it was sent with."""
    parts = zip(question.parts, value.get("parts") or (), strict=True)
    named = [part.as_dict() | {part.kind: sent[part.kind]} for part, sent in parts]
    return question.as_dict() | ({"parts": named} if named else {})


@dataclass(frozen=True)
class Asking:
    """What it takes to answer."""

    models: Models
    decode: Callable[[Task, str], Any]
    """Runs a task in a process that may die."""

    def answer(self, index: OpenIndex, question: Question) -> tuple[Answer, Files, list[str]]:
        """The answer, the files of that moment, and notes for who asked. Raises VlsaError."""
        with noted() as notes:
            vectors = self.vectors(index, question)
        answer, files = index.reading(lambda tables: (tables.answer(question, vectors), index.files()))
        return answer, files, [*dict.fromkeys((*notes, *answer.notes))]  # several parts may be of the same words

    def vectors(self, index: OpenIndex, question: Question) -> Sequence[Asked]:
        """The parts of a question, encoded. Raises VlsaError."""
        return asked_vectors(
            question,
            ServedEncoder(self.models.load(index), self.models),
            lambda span: index.reading(lambda tables: tables.stored(span)),
            lambda words: index.reading(lambda tables: tables.occurs(words)),
            lambda spec, span, modality: self.decode(ExampleWindows(spec, span, modality), span.path),
        )


_NOTES: ContextVar[list[str] | None] = ContextVar("notes", default=None)


@contextmanager
def noted() -> Iterator[list[str]]:
    """What the search would log in here, instead of in the log: it holds words of the question."""
    notes: list[str] = []
    before = _NOTES.set(notes)
    try:
        yield notes
    finally:
        _NOTES.reset(before)


def _take(record: logging.LogRecord) -> bool:
    """A filter of a logger: whether a line goes into the log."""
    notes = _NOTES.get()
    if notes is not None:
        notes.append(record.getMessage())
    return notes is None


for _module in (query, asked):
    logging.getLogger(_module.__name__).addFilter(_take)
