"""From a folder of media, or a clip store, to an index: restartable, every left-out clip reported with its reason.

Decodes media in worker processes (sampling.py), encodes in this one, in batches of clips of any files, and writes
index.py. A file is in the index with all its clips, or not at all. Files that have not changed since an earlier run are
skipped.
"""

import functools
import itertools
import logging
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vlsa.base.errors import SearchIndexError
from vlsa.base.files import Progress, locked_folder, write_json_lines
from vlsa.data.clip import Clip
from vlsa.data.engine.workers import Done, Heartbeat, Lost, WorkerPool
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.ingest.scan import scan
from vlsa.data.ingest.segments import segment_seconds
from vlsa.data.loading.loader import fingerprint, without_content
from vlsa.data.store.reader import ClipStore
from vlsa.retrieve.encode import encoders
from vlsa.retrieve.encode.embed import embed_clips, embed_rows
from vlsa.retrieve.encode.encoders import Encoder
from vlsa.retrieve.encode.sampling import WindowSpec, decode_rows, rejected
from vlsa.retrieve.index.facts import FACTS_NAME, read_facts, remove
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.ledger import LEDGER_NAME
from vlsa.retrieve.index.rows import index_rows
from vlsa.retrieve.index.writer import MediaFile, Writer, files_of

_LOG = logging.getLogger(__name__)
REPORT_NAME = "index_report.jsonl"
"""In the index: one line per clip, or file, that is left out."""
ROWS_PER_TASK = 16
"""Clips that a worker decodes before it hands them over."""
CLIPS_PER_BATCH = 32
"""Clips that are encoded together."""
LOCK_NAME = "index.lock"
"""In the index: locked while it is written, by vlsa 0.3 too."""

Decode = Callable[[WindowSpec, Sequence[ClipRow], Heartbeat], tuple[list[Clip], list[Rejection]]]


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

    note: str = ""
    """What the model's training data means for the answers; empty for an index that existed before."""

    def __str__(self) -> str:
        kept = (
            f"{self.index_path}: {self.num_rows:,} clips; {self.num_files_added:,} files indexed now, "
            f"{self.num_files_skipped:,} unchanged."
        )
        if not self.num_rejected:
            return f"{kept} Nothing was left out."
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.reasons.items())
        return f"{kept} Left out: {self.num_rejected} ({reasons}); see {Path(self.index_path) / REPORT_NAME}."


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

    The same call again resumes where a killed one was, and adds new and changed files. `restart` deletes the old index
    first. `num_workers` decode (None = one per core; 0 = this process). Raises SearchIndexError when OUT was made by
    another model or of another source, or when nothing could be indexed.
    """
    encoder = encoders.load(os.fspath(model)) if isinstance(model, str | os.PathLike) else model
    source_path, out_path = Path(source).absolute(), Path(out)
    _check_place(out_path)
    with _only_writer(out_path):
        if restart:
            remove(out_path)
        rows, rejections, store = _list_rows(source_path, encoder, num_workers, progress)
        note = "" if (out_path / FACTS_NAME).exists() else _training_note(encoder, store)
        index = _open_or_create(out_path, encoder, source_path)
        encoder = index.encoder  # with the sampling of the index
        files, done = files_of(rows, store), index.files()
        todo = [file for file in files if file.path not in done or done[file.path].state != file.state]
        if "sampling" not in index.facts["model"]:
            _LOG.warning(_earlier_version(index, sum(file.path in done for file in todo)))
        writer = Writer(index, todo, progress)
        if store:
            _index_store(writer, encoder, store)
        else:
            _index_media(writer, encoder, functools.partial(decode, encoder.window), num_workers)
        writer.flush()
        return replace(_finish(index, files, len(todo), rejections), note=note)


def _earlier_version(index: Index, num_again: int) -> str:
    why = "they changed, or their clips are cut or compared in another way now"
    again = f"{num_again:,} files are indexed again ({why}); " if num_again else ""
    return (
        f"{index.path}: made by vlsa 0.3: {again}only the middle window and the centre crop of a clip are encoded. "
        "To cover whole clips, index again with --restart."
    )


def _training_note(encoder: Encoder, store: ClipStore | None) -> str:
    """What is known of the model's training data, if it was not the train split of this store."""
    trained_on = encoder.about.get("training_data")
    if not trained_on or (store and trained_on in (fingerprint(store), without_content(fingerprint(store)))):
        return ""
    compared = "is not this store" if store else "cannot be compared with a folder"
    return (
        f"the training data of the model ({trained_on}) {compared}; on footage unlike it, answers are near chance. "
        "Train on footage like yours (vlsa prepare, vlsa pretrain), or start from public weights (--init)."
    )


def _list_rows(
    source: Path, encoder: Encoder, num_workers: int | None, progress: Progress | None
) -> tuple[list[ClipRow], list[Rejection], ClipStore | None]:
    """Rows with absolute paths, what was left out, and the store if the source is one."""
    if not (source / "store.json").exists():
        window_seconds = segment_seconds(encoder.window.window_seconds)
        rows, rejections = scan(source, window_seconds=window_seconds, num_workers=num_workers, progress=progress)
        return *_with_names_in_unicode(rows, rejections), None
    store = ClipStore.open(source)
    rows = [
        ClipRow(clip.id, store.media_path(clip), clip.start_seconds, clip.stop_seconds, clip.texts, clip.split)
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
    """Raises SearchIndexError for a folder of other things: they would be lost."""
    if path.exists() and not path.is_dir():
        raise SearchIndexError(f"{path}: a file; an index is a folder. Name another one.")
    if (path / FACTS_NAME).exists() or not path.exists():
        return
    own = {LOCK_NAME, LEDGER_NAME, "lance", REPORT_NAME}  # of a creation that was killed
    others = sorted(entry.name for entry in path.iterdir() if entry.name not in own and entry.suffix != ".partial")
    if others:
        raise SearchIndexError(
            f"{path}: not empty and not an index ({others[0]} is in it); its files could be mixed up with an index's. "
            "Name a new folder."
        )


def _open_or_create(path: Path, encoder: Encoder, source: Path) -> Index:
    if not (path / FACTS_NAME).exists():
        return Index.create(path, encoder, source=str(source))
    made_of = read_facts(path)["source"]
    if made_of != str(source):
        raise SearchIndexError(
            f"{path}: made of {made_of}, this is {source}; clips of two sources could take each other's place. "
            "Use another folder for the index, or --restart."
        )
    return Index.open(path, encoder=encoder, repair=True)


def _index_media(
    writer: Writer,
    encoder: Encoder,
    decode: Callable[[Sequence[ClipRow], Heartbeat], tuple[list[Clip], list[Rejection]]],
    num_workers: int | None,
) -> None:
    """Decode in workers, encode here; a clip that kills or holds its worker is left out and the rest is tried again."""
    rows = {row.id: row for row in writer.rows}
    pool = WorkerPool(decode, _tasks(writer.rows), os.cpu_count() or 1 if num_workers is None else num_workers)
    waiting: list[Clip] = []

    def encode(num_clips: int) -> None:
        clips = [waiting.pop(0) for _ in range(num_clips)]
        writer.add(*index_rows([rows[clip.id] for clip in clips], embed_clips(encoder, clips)))

    for event in pool.events():
        if isinstance(event, Done):
            clips, rejections = event.value
            waiting += clips
            writer.add(*rejections)
            while len(waiting) >= CLIPS_PER_BATCH:
                encode(CLIPS_PER_BATCH)
        elif isinstance(event, Lost):
            blamed = [row for row in event.task if event.label in (row.id, row.path)]
            message = f"{event.task[0].path}: {event.message}. Convert the file, or leave it out."
            writer.add(*(rejected(row, event.reason, message) for row in blamed))
            if rest := tuple(row for row in event.task if row not in blamed):
                pool.submit(rest)
    encode(len(waiting))


def _tasks(rows: Sequence[ClipRow]) -> list[tuple[ClipRow, ...]]:
    """Rows of one file each, few enough that workers share a long file."""
    by_file = [list(group) for _, group in itertools.groupby(rows, key=lambda row: row.path)]
    return [tuple(group[k : k + ROWS_PER_TASK]) for group in by_file for k in range(0, len(group), ROWS_PER_TASK)]


def _index_store(writer: Writer, encoder: Encoder, store: ClipStore) -> None:
    for k in range(0, len(writer.rows), CLIPS_PER_BATCH):
        rows = writer.rows[k : k + CLIPS_PER_BATCH]
        writer.add(*index_rows(rows, embed_rows(encoder, store, [store[row.id] for row in rows])))


def _finish(index: Index, files: Sequence[MediaFile], num_added: int, rejections: Sequence[Rejection]) -> IndexSummary:
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
    return locked_folder(path, SearchIndexError(busy), LOCK_NAME)
