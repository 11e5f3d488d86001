"""From a folder of media, or a clip store, to an index: restartable, every left-out clip reported with its reason.

Reads media in worker processes (sampling.py), encodes in this one, writes index.py. A file is the unit of work: it is
in the index with all its clips, or not at all. Files that have not changed since an earlier run are skipped.
"""

import functools
import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from vlsa.base.errors import SearchIndexError
from vlsa.base.files import Progress, locked_folder, write_json_lines
from vlsa.data.clip import Clip
from vlsa.data.engine.workers import Beat, Done, Lost, WorkerPool
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.ingest.scan import scan
from vlsa.data.store.reader import ClipStore
from vlsa.retrieve.encode import encoders
from vlsa.retrieve.encode.embed import embed_clips, embed_rows
from vlsa.retrieve.encode.encoders import Encoder
from vlsa.retrieve.encode.sampling import WindowSpec, decode_rows, rejected
from vlsa.retrieve.index.index import Index, IndexedFile, read_facts, remove
from vlsa.retrieve.index.lance import IndexRow, index_rows

REPORT_NAME = "index_report.jsonl"
"""In the index: one line per clip, or file, that is left out."""
ROWS_PER_WRITE = 1000
SECONDS_PER_WRITE = 60.0
"""A slow machine writes earlier, so that little work is repeated after a kill."""
SHORTEST_SECONDS = 0.5
"""Shorter rests of a file are no clips of their own."""
ROWS_PER_TASK = 16
"""Clips that a worker decodes before it hands them over."""

Decode = Callable[[WindowSpec, Sequence[ClipRow], Beat], tuple[list[Clip], list[Rejection]]]


@dataclass(frozen=True)
class IndexSummary:
    """What an index holds after a run, and what was left out."""

    index_path: str
    num_rows: int
    num_files_added: int
    num_files_skipped: int
    """Files that were indexed before and have not changed."""
    num_rejected: int
    reasons: dict[str, int]
    """How many rejections of each reason, the most frequent first."""

    def __str__(self) -> str:
        kept = (
            f"{self.index_path}: {self.num_rows:,} clips; {self.num_files_added:,} files indexed now, "
            f"{self.num_files_skipped:,} unchanged."
        )
        if not self.num_rejected:
            return f"{kept} Nothing was left out."
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.reasons.items())
        return f"{kept} Left out: {self.num_rejected} ({reasons}); see {Path(self.index_path) / REPORT_NAME}."


@dataclass
class _File:
    """A file on its way into the index."""

    path: str
    state: str
    rows: list[ClipRow]
    num_waiting: int
    """Rows that are neither encoded nor rejected."""
    encoded: list[IndexRow] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


def build_index(
    model: Encoder | str | os.PathLike[str],
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    num_workers: int | None = None,
    restart: bool = False,
    progress: Progress | None = None,
    decode: Decode = decode_rows,
) -> IndexSummary:
    """Index a folder of media, or all splits of a clip store, with a model (or the run that holds it).

    The same call again goes on where a killed one was, and takes up new and changed files. `restart` throws the old
    index away. `num_workers` decode (None = one per core; 0 = this process). Raises SearchIndexError when OUT was made
    by another model or of another source, or when nothing could be indexed.
    """
    encoder = encoders.load(os.fspath(model)) if isinstance(model, str | os.PathLike) else model
    source_path, out_path = Path(source).absolute(), Path(out)
    _check_place(out_path)
    with _only_writer(out_path):
        if restart:
            remove(out_path)
        rows, rejections, store = _list_rows(source_path, encoder, num_workers, progress)
        index = _open_or_create(out_path, encoder, source_path)
        encoder = index.encoder  # with the sampling of the index
        files, done = _files_of(rows), index.files()
        todo = [file for file in files if file.path not in done or done[file.path].state != file.state]
        writer = _Writer(index, sum(len(file.rows) for file in todo), progress)
        if store:
            _index_store(writer, encoder, store, todo)
        else:
            _index_media(writer, encoder, todo, functools.partial(decode, encoder.window), num_workers)
        writer.flush()
        return _finish(index, files, len(todo), rejections)


def _list_rows(
    source: Path, encoder: Encoder, num_workers: int | None, progress: Progress | None
) -> tuple[list[ClipRow], list[Rejection], ClipStore | None]:
    """Rows with whole paths, what was left out on the way, and the store if the source is one."""
    if not (source / "store.json").exists():
        window_seconds = encoder.window.window_seconds
        rows, rejections = scan(
            source,
            window_seconds=window_seconds,
            shortest_seconds=min(SHORTEST_SECONDS, window_seconds / 2),
            num_workers=num_workers,
            progress=progress,
        )
        return *_with_names_in_unicode(rows, rejections), None
    store = ClipStore.open(source)
    rows = [
        ClipRow(clip.id, os.path.abspath(clip.source), clip.start_seconds, clip.stop_seconds, clip.texts, clip.split)
        for clip in store.rows()
    ]
    return rows, [], store


def _with_names_in_unicode(rows: list[ClipRow], rejections: list[Rejection]) -> tuple[list[ClipRow], list[Rejection]]:
    """The table keeps Unicode only; a file whose name is other bytes is left out."""
    good = [row for row in rows if row.path.encode(errors="ignore").decode() == row.path]
    message = "its name is not UTF-8, which the index cannot keep. Rename the file."
    bad = [row for row in rows if row.path.encode(errors="ignore").decode() != row.path]
    return good, [*rejections, *(rejected(row, "file_name", f"{row.path}: {message}") for row in bad)]


def _check_place(path: Path) -> None:
    """Raises SearchIndexError for a folder of other things: what is in the way of an index would be lost."""
    if path.exists() and not path.is_dir():
        raise SearchIndexError(f"{path}: a file; an index is a folder. Name another one.")
    if (path / "index.json").exists() or not path.exists():
        return
    own = {"index.lock", "files.jsonl", "lance", REPORT_NAME}  # of a creation that was killed
    others = sorted(entry.name for entry in path.iterdir() if entry.name not in own and entry.suffix != ".partial")
    if others:
        raise SearchIndexError(
            f"{path}: not empty and not an index ({others[0]} is in it); its files could be mixed up with an index's. "
            "Name a new folder."
        )


def _open_or_create(path: Path, encoder: Encoder, source: Path) -> Index:
    if not (path / "index.json").exists():
        return Index.create(path, encoder, source=str(source))
    made_of = read_facts(path)["source"]
    if made_of != str(source):
        raise SearchIndexError(
            f"{path}: made of {made_of}, this is {source}; clips of two sources could take each other's place. "
            "Use another folder for the index, or --restart."
        )
    return Index.open(path, encoder=encoder, repair=True)


def _files_of(rows: Sequence[ClipRow]) -> list[_File]:
    """Rows by file, with the digest that tells whether a file or what is made of it has changed."""
    grouped: dict[str, list[ClipRow]] = {}
    for row in rows:
        grouped.setdefault(row.path, []).append(row)
    return [_File(path, _state(path, found), found, len(found)) for path, found in grouped.items()]


def _state(path: str, rows: Sequence[ClipRow]) -> str:
    try:
        facts = os.stat(path)
        seen = (facts.st_size, facts.st_mtime_ns)
    except OSError:
        seen = (-1, -1)
    made = [(row.id, row.start_seconds, row.stop_seconds, row.texts) for row in rows]  # the split does not matter here
    return hashlib.sha1(repr((seen, made)).encode(errors="surrogateescape")).hexdigest()


class _Writer:
    """Gathers finished files and writes them in large steps."""

    def __init__(self, index: Index, num_rows: int, progress: Progress | None) -> None:
        self._index, self._num_rows, self._progress = index, num_rows, progress
        self._files: list[_File] = []
        self._num_done, self._written_at = 0, time.monotonic()

    def take(self, file: _File, encoded: Sequence[IndexRow], rejections: Sequence[Rejection]) -> None:
        """Some more rows of a file; with its last one the file is finished."""
        file.encoded += encoded
        file.rejections += rejections
        file.num_waiting -= len(encoded) + len(rejections)
        assert file.num_waiting >= 0, file.path
        self._num_done += len(encoded) + len(rejections)
        if self._progress:
            self._progress(self._num_done, self._num_rows, f"indexing {Path(file.path).name}")
        if not file.num_waiting:
            self._files.append(file)
        enough = sum(len(done.encoded) for done in self._files) >= ROWS_PER_WRITE
        if enough or time.monotonic() - self._written_at > SECONDS_PER_WRITE:
            self.flush()

    def flush(self) -> None:
        """Write and acknowledge what is finished."""
        if self._files:
            lines = [
                IndexedFile(file.path, file.state, len(file.encoded), tuple(file.rejections)) for file in self._files
            ]
            self._index.add([row for file in self._files for row in file.encoded], lines)
        self._files, self._written_at = [], time.monotonic()


def _index_media(
    writer: _Writer,
    encoder: Encoder,
    files: Sequence[_File],
    decode: Callable[[Sequence[ClipRow], Beat], tuple[list[Clip], list[Rejection]]],
    num_workers: int | None,
) -> None:
    """Decode in workers, encode here; a clip that kills or holds its worker is left out and the rest is tried again."""
    by_path = {file.path: file for file in files}
    tasks = [tuple(file.rows[k : k + ROWS_PER_TASK]) for file in files for k in range(0, len(file.rows), ROWS_PER_TASK)]
    pool = WorkerPool(decode, tasks, os.cpu_count() or 1 if num_workers is None else num_workers)
    for event in pool.events():
        if isinstance(event, Done):
            clips, rejections = event.value
            file = by_path[event.task[0].path]
            rows = {row.id: row for row in file.rows}
            embeddings = embed_clips(encoder, clips)
            writer.take(file, index_rows([rows[clip.id] for clip in clips], embeddings), rejections)
        elif isinstance(event, Lost):
            blamed = [row for row in event.task if event.label in (row.id, row.path)]
            message = f"{event.task[0].path}: {event.message}. Convert the file, or leave it out."
            writer.take(by_path[event.task[0].path], [], [rejected(row, event.reason, message) for row in blamed])
            if rest := tuple(row for row in event.task if row not in blamed):
                pool.submit(rest)


def _index_store(writer: _Writer, encoder: Encoder, store: ClipStore, files: Sequence[_File]) -> None:
    for file in files:
        for k in range(0, len(file.rows), ROWS_PER_TASK):
            rows = file.rows[k : k + ROWS_PER_TASK]
            embeddings = embed_rows(encoder, store, [store[row.id] for row in rows])
            writer.take(file, index_rows(rows, embeddings), [])


def _finish(index: Index, files: Sequence[_File], num_added: int, rejections: Sequence[Rejection]) -> IndexSummary:
    """Write the report and sum up. Raises SearchIndexError when nothing is in the index."""
    ledger = index.files()
    inside = [rejection for file in files if file.path in ledger for rejection in ledger[file.path].rejections]
    report = [*rejections, *inside]
    write_json_lines(index.path / REPORT_NAME, (asdict(rejection) for rejection in report))
    if not len(index):
        first = f" (the first: {report[0].message})" if report else ""
        raise SearchIndexError(
            f"{index.path}: no clip could be indexed{first}; nothing can be searched. See {index.path / REPORT_NAME}."
        )
    reasons = dict(Counter(rejection.reason for rejection in report).most_common())
    return IndexSummary(str(index.path), len(index), num_added, len(files) - num_added, len(report), reasons)


def _only_writer(path: Path) -> AbstractContextManager[None]:
    """Hold the index for writing. Raises SearchIndexError when another process does."""
    busy = f"{path}: another process is writing this index; two would undo each other's work. Wait for it to end."
    return locked_folder(path, SearchIndexError(busy))
