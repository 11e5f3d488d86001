"""The tables of an index as arrays in memory, and what is found in them: the answer to an encoded question.

Reads an open index; feeds library.py, in this process or from another one (tables_process.py). No model is needed.
Up to 100,000 windows every vector is compared; with more, candidates are (candidates.py).
Axes: N windows, M texts, D width of a vector.
"""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from vlsa.base.errors import SearchIndexError, VlsaError
from vlsa.data.ingest.listing import name_form, near_name
from vlsa.retrieve.encode.unit_vectors import unit_length
from vlsa.retrieve.index.file_facts import FileFacts, file_id
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.lance_schema import RowArrays
from vlsa.retrieve.search.answer import Answer, answer, answer_of_scores, stand_outs
from vlsa.retrieve.search.asked import Asked
from vlsa.retrieve.search.candidates import MOST_EXACT
from vlsa.retrieve.search.file_filter import SearchedFile, absent_values, kept_paths
from vlsa.retrieve.search.moments import Moment
from vlsa.retrieve.search.near import asked_with, duplicate_groups, shown_in, similar, stretches
from vlsa.retrieve.search.products import Vectors, widened
from vlsa.retrieve.search.question import Question, check_number
from vlsa.retrieve.search.searched import Searched
from vlsa.retrieve.search.spans import Span, clock
from vlsa.retrieve.search.windows import Windows

_LOG = logging.getLogger(__name__)
Found = TypeVar("Found")
LIKENESS = {"both": ("video", "audio"), "video": ("video",), "audio": ("audio",)}
"""By what a stretch of an index may be compared with others."""
PRODUCTS_PER_HOUR = 5e13
"""Multiplications of two cores, roughly; for the time that is said of finding duplicates."""
MOST_NOTES = 5
FILTERS_KEPT = 16
"""Filters whose windows are remembered: a byte a window."""


class SearchTables:
    """What a search reads of an index. It is read again when another process has written the index."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self._read()

    @classmethod
    def open(cls, path: str | Path, source: str | Path | None = None) -> "SearchTables":
        """Of an index on disk, without its model. Raises SearchIndexError."""
        return cls(Index.open(path, source=source or None))

    def _read(self) -> None:
        """All of it, or nothing: after an error the next question reads again."""
        self._is_read = False
        files, found = self.index.latest(lambda: (self.index.table.files(), read_searched(self.index)))
        languages, known = _languages(found[0]), {file.path for file in files}
        # a file that is being written, or whose writer was killed, has rows before it has facts
        files += [FileFacts(path=path, file_id=file_id(path)) for path in found[0].paths if path not in known]
        by_path = sorted(files, key=lambda file: file.path)
        self.files = [SearchedFile.of_texts(file, languages.get(file.path, ())) for file in by_path]
        sources = {file.path: file.text_from for file in self.files if file.text_from}
        self.searched, self._text_ids = replace(found[0], text_from=sources), found[1]
        self._kept: dict[str, Bool[np.ndarray, " N"]] = {}
        self._is_read = True

    def refresh(self) -> None:
        """Raises SearchIndexError for an index without windows."""
        if self.index.refresh() or not self._is_read:
            self._read()
        if not len(self.searched.windows):
            raise SearchIndexError(
                f"{self.index.where}: the index is empty; nothing can be found. Add footage with `vlsa index`."
            )

    def answer(self, question: Question, asked: Sequence[Asked], *, exact: bool = False) -> Answer:
        """The moments that answer. `asked`: its parts as vectors; `exact`: by all windows. Raises VlsaError."""
        self.refresh()
        words = self._words(question)
        kept = None if question.where is None else self.kept(question.where)
        found = answer(self.searched, question, asked, words=words, kept=kept, exact=exact)
        return self._noted(found, question.where, kept)

    def _noted(self, found: Answer, where: str | None, kept: Bool[np.ndarray, " N"] | None) -> Answer:
        """The answer with notes on a filter that keeps nothing."""
        if where is None or kept is None or kept.any():
            return found
        notes = absent_values(where, self.files)
        return replace(found, notes=("the filter keeps no file", *notes[:MOST_NOTES]))

    def stand_outs(self, question: Question, asked: Sequence[Asked]) -> Float64[np.ndarray, " N"]:
        """How far each window stands out; nan where it cannot be compared, or a filter leaves it out."""
        self.refresh()
        kept = None if question.where is None else self.kept(question.where)
        return stand_outs(self.searched, question, asked, kept)

    def _latest(self, find: Callable[[], Found]) -> Found:
        """What is found in the tables; once more where a writer took away the version that was read."""
        try:
            return find()
        except SearchIndexError:
            self._read()
            return find()

    def _words(self, question: Question) -> Float64[np.ndarray, " M"]:
        return self._latest(lambda: self._found_words(question))

    def _found_words(self, question: Question) -> Float64[np.ndarray, " M"]:
        """The score of the words of a question in each text; of several parts the best. nan where they do not occur."""
        scores = np.full(len(self._text_ids), np.nan)
        for part in question.parts:
            if question.finds_words(part):
                for id, score in self.index.table.find_words(part.value, max(len(self._text_ids), 1)).items():
                    if (row := self._text_ids.get(id)) is not None:  # else it was written since
                        scores[row] = np.fmax(scores[row], score)
        return scores

    def occurs(self, words: str) -> bool:
        """Whether there is a text with these words."""
        self.refresh()
        return bool(self._latest(lambda: self.index.table.find_words(words, 1)))

    def kept(self, where: str) -> Bool[np.ndarray, " N"]:
        """Which windows are of files that a filter keeps. Raises VlsaError for one that cannot be read."""
        kept = self._kept.get(where)
        if kept is None:
            paths = kept_paths(where, self.files)
            is_kept = np.array([path in paths for path in self.searched.paths], bool)
            kept = is_kept[self.searched.windows.file]
            self._kept = dict([*self._kept.items()][1 - FILTERS_KEPT :]) | {where: kept}
        return kept

    def stored(self, span: Span) -> Mapping[str, Float32[np.ndarray, "Q D"]]:
        """The vectors, by modality, that stand for a stretch (near.py). Raises VlsaError for one that is not held."""
        self.refresh()
        self._require_held(span)
        stretch, (start, stop) = self._stretch(span), (span.start_seconds or 0.0, span.stop_seconds or 0.0)
        found = {}
        for modality, vectors in self._by("both").items():
            rows = asked_with(self.searched.windows, vectors, stretch, start, stop)
            found |= {modality: unit_length(rows, len(self.searched.spaces))} if len(rows) else {}
        return found

    def _stretch(self, span: Span) -> Bool[np.ndarray, " N"]:
        """The windows of a stretch of a file, which is named as in the index or by where it is on the disk."""
        number = self._number(span.path)
        if number is None or span.start_seconds is None or span.stop_seconds is None:
            return np.zeros(len(self.searched.windows), bool)
        return shown_in(self.searched.windows, number, span.start_seconds, span.stop_seconds)

    def _require_held(self, span: Span) -> None:
        """Raises VlsaError for a stretch of a file that the index does not hold, or behind the end of one."""
        number = self._number(span.path)
        if number is None:
            near = near_name(span.path, self.searched.paths)
            advice = f"Did you mean {near}?" if near else "Name it as the index or the disk does."
            raise VlsaError(
                f"{span.path}: no such file in {self.index.where}; nothing can be compared with it. {advice}"
            )
        duration = next((file.duration_seconds for file in self.files if file.path == self.searched.paths[number]), 0.0)
        if span.start_seconds is not None and 0 < duration <= span.start_seconds:
            raise VlsaError(
                f"{span.path}: ends at {clock(duration)}; there is nothing at {clock(span.start_seconds)} to ask with. "
                "Choose a stretch within the file."
            )

    def _number(self, path: str) -> int | None:
        """Of the file of a path, whose accents may be composed or not."""
        paths = self.searched.paths
        names = os.path.normpath(path), os.path.relpath(os.path.abspath(path), self.index.source)
        if found := [paths.index(name) for name in names if name in paths]:
            return found[0]
        forms = {name_form(name) for name in names}
        return next((number for number, name in enumerate(paths) if name_form(name) in forms), None)

    def similar(self, span: Span, k: int = 10, *, by: str = "both", where: str | None = None) -> Answer:
        """The k moments that are most like a stretch of the index, by its video, audio or both. Raises VlsaError."""
        check_number("k", k)
        self.refresh()
        self._require_held(span)
        vectors = self._by(by)
        kept = None if where is None else self.kept(where)
        times = span.start_seconds or 0.0, span.stop_seconds or 0.0
        scores = similar(self.searched.windows, vectors, self._stretch(span), *times)
        return self._noted(answer_of_scores(self.searched, scores, k, kept), where, kept)

    def duplicates(self, at_least: float, *, by: str = "both") -> list[tuple[Moment, ...]]:
        """Groups of stretches that are near-duplicates: the cosine of their windows is at least so high."""
        self.refresh()
        if (num_windows := len(self.searched.windows)) > MOST_EXACT:
            hours = num_windows**2 * self.searched.vectors["video"].shape[1] / PRODUCTS_PER_HOUR
            _LOG.warning(
                "%s windows are compared with each other, which may take %.1f hours; `vlsa similar` asks for one alone",
                f"{num_windows:,}",
                hours,
            )
        vectors = np.concatenate([widened(column) for column in self._by(by).values()], axis=1)
        groups = stretches(self.searched.windows, duplicate_groups(self.searched.windows, vectors, at_least))
        return [tuple(self._place(rank, rows) for rows in group) for rank, group in enumerate(groups, 1)]

    def _by(self, by: str) -> dict[str, Vectors]:
        if by not in LIKENESS:
            raise VlsaError(f"search: by={by!r} is not there; use one of {', '.join(LIKENESS)}.")
        return {name: self.searched.vectors[name] for name in LIKENESS[by]}

    def _place(self, rank: int, rows: Sequence[int]) -> Moment:
        windows = self.searched.windows
        start, stop = float(windows.start_seconds[rows[0]]), float(windows.stop_seconds[rows[-1]])
        times = {"start_seconds": start, "stop_seconds": stop, "best_start_seconds": start, "best_stop_seconds": stop}
        path = self.searched.paths[int(windows.file[rows[0]])]
        return Moment(rank=rank, path=path, score=0.0, stand_out=0.0, **times)


def read_searched(index: Index) -> tuple[Searched, dict[str, int]]:
    """Windows, texts and vectors of an index, in the order of paths and times; and the row of each text by its id.

    A file with text and without windows (it is silent, say) has a window without vectors at each text.
    """
    windows, texts = index.table.arrays("window"), index.table.arrays("text")
    paths = tuple(sorted({*windows.paths, *texts.paths}))
    numbers = {path: number for number, path in enumerate(paths)}
    places, text_places = _places(windows, numbers), _places(texts, numbers)
    alone = np.flatnonzero(~np.isin(text_places.file, places.file))
    searched = Searched(
        paths=paths,
        windows=_joined(places, text_places, alone),
        vectors={name: np.pad(rows, ((0, len(alone)), (0, 0))) for name, rows in windows.vectors.items()}
        if len(alone)
        else windows.vectors,
        text_places=text_places,
        texts=texts.texts,
        text_vectors=texts.vectors["text_vector"],
        spaces=tuple(index.facts["spaces"]),
        languages=texts.languages,
    )
    return searched, {id: row for row, id in enumerate(texts.ids)}


def _languages(searched: Searched) -> dict[str, set[str | None]]:
    """Of the texts of each file that has any."""
    found: dict[str, set[str | None]] = {}
    for file, language in set(zip(searched.text_places.file.tolist(), searched.languages, strict=True)):
        found.setdefault(searched.paths[file], set()).add(language)
    return found


def _joined(windows: Windows, texts: Windows, rows: Int64[np.ndarray, " n"]) -> Windows:
    """Windows, and the places of these texts."""
    pairs = ((getattr(windows, name), getattr(texts, name)[rows]) for name in ("file", "start_seconds", "stop_seconds"))
    return Windows(*map(np.concatenate, pairs))


def _places(rows: RowArrays, numbers: Mapping[str, int]) -> Windows:
    of_paths = np.array([numbers[path] for path in rows.paths], np.int64)
    return Windows(of_paths[rows.file], rows.start_seconds, rows.stop_seconds)
