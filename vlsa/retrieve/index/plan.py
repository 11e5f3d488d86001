"""What has to be done for each file that is new or in another state: encoded, or taken over from what is indexed.

Reads media (survey.py), text, and the index as it was; feeds update.py.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from vlsa.base.files import Progress
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.ingest.segments import Lengths, cut_windows
from vlsa.data.ingest.transcribe import Speech
from vlsa.retrieve.encode.embed import batches
from vlsa.retrieve.index.changes import Donors
from vlsa.retrieve.index.file_facts import FileFacts, file_id
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.lance import VectorTable
from vlsa.retrieve.index.ledger import IndexedFile
from vlsa.retrieve.index.report import renamed
from vlsa.retrieve.index.rows import IndexRow
from vlsa.retrieve.index.source import Source, SourceFile
from vlsa.retrieve.index.survey import Survey, SurveyTask, read_sidecars, survey
from vlsa.retrieve.index.texts import TEXT_REASONS, FileText, from_captions, from_clips, row_id, within
from vlsa.retrieve.index.transcripts import hear
from vlsa.retrieve.index.writer import MediaFile, Writer

SHORTEST_SECONDS = 0.5
"""A file without a window of that length is left out, as in a store."""
FILES_PER_READ = 64
"""Files whose rows are read together when they are taken over."""


@dataclass(frozen=True)
class TakenOver:
    """A file whose windows are in the index already, under this or another path."""

    file: MediaFile
    donor: IndexedFile
    texts_too: bool
    """Its text is that of the media itself, so it goes along."""


class Plan:
    """From files to what has to be encoded of them, and what is taken over."""

    def __init__(
        self,
        index: Index,
        source: Source,
        snapshot: VectorTable,
        donors: Donors,
        num_workers: int | None,
        progress: Progress | None,
        speech: Speech | None = None,
    ) -> None:
        self._index, self._source, self._snapshot, self._donors = index, source, snapshot, donors
        self._num_workers = os.cpu_count() or 1 if num_workers is None else num_workers
        self._progress, self._speech = progress, speech
        self._spaces = tuple(index.facts["spaces"])

    def sort(self, files: Sequence[SourceFile], contents: Mapping[str, str]) -> tuple[list[TakenOver], list[MediaFile]]:
        """Files whose windows are known, and those that have to be encoded."""
        if self._source.store is not None:
            return [], [self._stored(file) for file in files]
        donors = {file.path: self._donors.find(file, contents[file.path]) for file in files}
        facts = {one.path: one for one in self._snapshot.files()} if any(donors.values()) else {}
        taken = [
            self._known(file, donor, facts[donor.path], contents[file.path])
            for file in files
            if (donor := donors[file.path]) is not None and donor.path in facts
        ]
        unread = [one for one in taken if _needs_media(one)]
        done = {one.file.source.path for one in taken}
        new = [file for file in files if file.path not in done]
        surveys = survey(
            [self._task(file) for file in [*(one.file.source for one in unread), *new]],
            self._num_workers,
            self._progress,
        )
        for one in unread:
            self._add_cues(one.file, surveys[one.file.source.path])
        made = [self._new(file, surveys[file.path], contents[file.path]) for file in new]
        self._hear([*(one.file for one in taken), *made])
        return taken, made

    def _hear(self, files: Sequence[MediaFile]) -> None:
        """Give files without text what is said in them."""
        if self._speech is None:
            return
        heard = hear(files, self._source.root, self._speech, self._num_workers, self._progress)
        for file in files:
            if file.source.path in heard:
                texts, remarks = heard[file.source.path]
                self._add_texts(file, texts, "transcript")
                file.rejections += remarks

    def _task(self, file: SourceFile) -> SurveyTask:
        return SurveyTask(file.path, self._source.absolute(file.path), file.sidecars, bool(file.captions))

    def _known(self, file: SourceFile, donor: IndexedFile, facts: FileFacts, content: str) -> TakenOver:
        made = MediaFile(source=file, facts=facts.of(file), content=content, rejections=list(file.unread))
        texts_too = not file.captions and not file.sidecars and facts.text_from == "subtitles"
        if not texts_too:
            made.facts = replace(made.facts, text_from=None)
            self._add_words(made)
        for rejection in donor.rejections:
            if texts_too or rejection.reason not in TEXT_REASONS:
                made.rejections.append(renamed(rejection, file.path, _renamed_id(rejection, file.path)))
        return TakenOver(made, donor, texts_too)

    def _add_words(self, file: MediaFile) -> None:
        """The text of a table or a subtitle file."""
        if file.source.captions:
            self._add_texts(file, from_captions(file.source.captions, file.facts.duration_seconds), "table")
        elif file.source.sidecars:
            rate = file.facts.frames_per_second
            texts, rejections = read_sidecars(file.source.path, file.source.sidecars, rate)
            self._add_texts(file, texts, "sidecar")
            file.rejections += rejections

    def _add_cues(self, file: MediaFile, found: Survey) -> None:
        if found.facts is not None:
            self._add_texts(file, found.texts, "subtitles")
        file.rejections += found.rejections

    def _add_texts(self, file: MediaFile, texts: Iterable[FileText], text_from: str) -> None:
        file.texts, rejections = within(texts, file.source.path, file.facts.duration_seconds)
        file.rejections += rejections
        file.facts = replace(file.facts, text_from=text_from if file.texts else None)

    def _new(self, file: SourceFile, found: Survey, content: str) -> MediaFile:
        """A file that has to be encoded, or that cannot be used."""
        facts = found.facts or FileFacts(path=file.path, file_id=file_id(file.path))
        made = MediaFile(source=file, facts=facts.of(file), content=content)
        made.rejections = [*file.unread, *found.rejections]
        if found.facts is None:
            return made
        if file.captions:
            self._add_words(made)
        else:
            self._add_texts(made, found.texts, "sidecar" if file.sidecars else "subtitles")
        lengths = Lengths(
            file_seconds=facts.duration_seconds,
            shortest_seconds=SHORTEST_SECONDS,
            window_seconds=self._index.facts["windows"]["window_seconds"],
            step_seconds=self._index.facts["windows"]["step_seconds"],
        )
        path = self._source.absolute(file.path)
        for cut in cut_windows(lengths):
            row = ClipRow(row_id(facts.file_id, cut.start_seconds, cut.stop_seconds), path, cut.start_seconds,
                          cut.stop_seconds, (), "test")  # fmt: skip
            if cut.reason:
                made.rejections.append(row.rejected(cut.reason, f"{path}: {cut.message}"))
            else:
                made.windows.append(row)
        return made

    def _stored(self, file: SourceFile) -> MediaFile:
        """The clips of a store are its windows."""
        seconds = max(clip.stop_seconds for clip in file.clips)
        facts = FileFacts(path=file.path, file_id=file_id(file.path), duration_seconds=seconds)
        made = MediaFile(source=file, facts=facts, windows=list(file.clips))
        kinds = {clip.text_kind for clip in file.clips}
        self._add_texts(made, from_clips(file.clips), "transcript" if "transcript" in kinds else "table")
        return made

    def take_over(self, writer: Writer, taken: Sequence[TakenOver]) -> None:
        """Write files whose windows were in the index before, as the snapshot has them."""
        for part in batches(taken, FILES_PER_READ):
            rows: dict[str, list[IndexRow]] = {}
            for row in self._snapshot.rows(sorted({one.donor.path for one in part})):
                rows.setdefault(row.path, []).append(row)
            for one in part:
                self._copy(one, rows.get(one.donor.path, []))
                writer.finish(one.file)

    def _copy(self, one: TakenOver, rows: Sequence[IndexRow]) -> None:
        file, facts = one.file, one.file.facts
        windows, texts = ([row for row in rows if row.kind == kind] for kind in ("window", "text"))
        file.rows = [
            replace(row, id=row_id(facts.file_id, row.start_seconds, row.stop_seconds), path=facts.path)
            for row in windows
        ]
        file.text_vectors = {row.texts[0]: row.text_vector for row in texts if row.text_vector is not None}
        if one.texts_too:
            file.texts = [FileText(row.start_seconds, row.stop_seconds, row.texts[0], row.language) for row in texts]


def _needs_media(one: TakenOver) -> bool:
    """Whether the text of a file that is taken over has to be read from its media."""
    file = one.file
    from_media = not file.source.captions and not file.source.sidecars
    return from_media and not one.texts_too and file.facts.has_subtitles


def _renamed_id(rejection: Rejection, path: str) -> str:
    if rejection.start_seconds is None or rejection.stop_seconds is None or rejection.reason in TEXT_REASONS:
        return path
    return row_id(file_id(path), rejection.start_seconds, rejection.stop_seconds)
