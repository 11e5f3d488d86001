"""From a folder of media, or a clip store, to an index that follows it: the same call again does what is missing.

Compares the source (source.py) with the ledger; only if something is to be done are the model, PyTorch and LanceDB
loaded (update.py). Restartable: what is finished stays, and a new index takes the place of an old one in one step.
"""

import logging
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.base.errors import ConfigError, ManifestError, SearchIndexError
from vlsa.base.files import Progress, locked_folder
from vlsa.data.media.transcripts import FOLDER_NAME as TRANSCRIPTS
from vlsa.retrieve.index import ledger
from vlsa.retrieve.index.build_options import BuildOptions
from vlsa.retrieve.index.changes import agrees, compare, too_many
from vlsa.retrieve.index.facts import (
    DATA_PREFIX,
    FACTS_NAME,
    PENDING_NAME,
    PRECISIONS,
    TABLES_NAME,
    WINDOWS,
    activate,
    check_replaceable,
    damaged,
    folder_state,
    read_facts,
    remove_unused,
)
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.lazy_model import Model
from vlsa.retrieve.index.progress_file import PROGRESS_NAME, ProgressFile
from vlsa.retrieve.index.publishing import Publisher
from vlsa.retrieve.index.remote_state import address_of
from vlsa.retrieve.index.report import REPORT_NAME, IndexSummary, all_rejections, summarize, write_report
from vlsa.retrieve.index.source import Source, check_not_empty, list_source

if TYPE_CHECKING:
    from vlsa.retrieve.encode.protocol import Encoder

_LOG = logging.getLogger(__name__)
LOCK_NAME = "index.lock"
"""In the index: locked while it is written, by vlsa 0.3 too."""


class NothingIndexed(SearchIndexError):
    """There are files, and nothing of them could be indexed."""


def build_index(
    model: "Model | Encoder | str | os.PathLike[str]",
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    **options: Any,
) -> IndexSummary:
    """Index a folder of media, or all splits of a clip store, with a model (or the run that holds it).

    The same call again resumes where a killed one was, and follows the source: new, changed, moved and removed files.
    `options` are those of BuildOptions. Raises SearchIndexError when OUT was made by another model or of another
    source, or when nothing could be indexed; ManifestError when there is no source; StoreError when OUT is an address
    that is not reached.
    """
    if (address := address_of(out)) is not None:
        with Publisher(address).held(restart=bool(options.get("restart"))) as publisher:
            there = {**options, "progress": progress, "acknowledged": publisher.publish}
            try:
                summary = build_index(model, source, publisher.folder, **there)
            except NothingIndexed:
                publisher.finish()  # the report, which says why
                raise
            publisher.finish()
        return replace(summary, index_path=publisher.address)
    chosen, root, path = BuildOptions(**options), Path(source).absolute(), Path(out)
    _check_place(path)
    exists = (path / FACTS_NAME).exists()
    if exists and not root.is_dir():
        raise ManifestError(
            f"{root}: no such folder; {path} keeps all that it has. Check the path, plug in the drive, or name the "
            "folder where the footage is now."
        )
    if exists and not chosen.restart:
        chosen = chosen.going_on(read_facts(path))
    listed = list_source(root, chosen.heard_by)
    if listed.store is not None and chosen.transcribe is not None:
        raise ConfigError(f"{root}: a store has the text it was prepared with. Use --transcribe with vlsa prepare.")
    if listed.store is not None and chosen.engine is not None:
        raise ConfigError(f"{root}: --engine with a store: its clips are decoded already. Leave it out.")
    if not exists or chosen.restart:
        check_not_empty(listed)
    model = model if isinstance(model, Model) else Model(model)
    if chosen.engine is not None and not model.name:
        raise ConfigError("engine: the model has to be named by its path, since each node loads it. Name the run.")
    make = _follow if exists and not chosen.restart else _make
    with only_writer(path), ProgressFile(path, progress) as recorded:
        return make(path, model, listed, chosen, recorded)


def _make(path: Path, model: Model, source: Source, options: BuildOptions, progress: Progress | None) -> IndexSummary:
    """A new index, next to an old one if there is one, which it replaces when it is finished."""
    from vlsa.retrieve.encode.doubts import log_small_frames, log_unfinished
    from vlsa.retrieve.index.encode_windows import check_usable

    check_replaceable(path)
    pending = (path / FACTS_NAME).exists()
    windows = options.windows(model.encoder.window) if source.store is None else options.no_windows()
    index = _unfinished(path, model, source, windows, options.precision) if pending else None
    log_unfinished(model.encoder.about, "when it is finished, the index has to be made again, with --restart")
    if source.store is not None:
        log_small_frames(model.encoder, source.store)
    if index is None:
        check_usable(model.encoder)
        (path / PENDING_NAME).unlink(missing_ok=True)
        made = {"source": str(source.root), "windows": windows, "vectors": options.precision}
        index = Index.create(path, model.encoder, pending=pending, **made)
    summary = _update(index, model, source, options, progress, moved=False)
    if pending:
        activate(path)
    remove_unused(path)
    return replace(summary, note=_training_note(model.encoder, source))


def _unfinished(path: Path, model: Model, source: Source, windows: Mapping[str, float], precision: str) -> Index | None:
    """What a killed --restart of the same model, source and windows has made so far; None = begin anew."""
    made_of = str(source.root), dict(windows), precision, model.encoder.fingerprint
    try:
        facts = read_facts(path, PENDING_NAME)
        kept = facts["source"], facts.get("windows"), facts.get("vectors"), facts["model"]["fingerprint"]
        if made_of != kept:
            return None
        return Index.open(path, encoder=model.encoder, repair=True, pending=True)
    except SearchIndexError:
        return None


def _follow(path: Path, model: Model, source: Source, options: BuildOptions, progress: Progress | None) -> IndexSummary:
    """Bring an index up to its source; nothing is loaded if nothing changed.

    Nothing is removed before it is known which data the index uses.
    """
    facts = read_facts(path)
    (path / PENDING_NAME).unlink(missing_ok=True)
    remove_unused(path)
    known = ledger.read(path / facts["data"])
    moved = facts["source"] != str(source.root)
    if moved and not agrees(source, known):
        raise SearchIndexError(
            f"{path}: made of {facts['source']}, this is {source.root}, where most of its files are not; clips of two "
            "sources could take each other's place. Use another folder for the index, or --restart."
        )
    if source.store is None and set(facts.get("windows", {})) != WINDOWS:
        raise damaged(path)
    _check_settings(path, facts, options)
    if not moved and model.made(facts) and _is_current(path, facts, source, known, options):
        gone = compare(source, known).gone
        return _sum_up(path, known, source, num_files_skipped=len(source.files), num_files_gone=len(gone))
    index = Index.open(path, encoder=model.encoder, repair=True)
    return _update(index, model, source, options, progress, moved=moved)


def _is_current(
    path: Path, facts: Mapping[str, Any], source: Source, known: Mapping[str, ledger.IndexedFile], options: BuildOptions
) -> bool:
    """Whether there is nothing to do, but for files that are gone and stay."""
    changes = compare(source, known)
    stay = not changes.gone or (too_many(len(changes.gone), changes.num_seen) and not options.prune)
    return (
        not changes.todo
        and stay
        and facts.get("tidy")
        and facts.get("state") == folder_state(path / facts["data"] / TABLES_NAME)
    )


def _check_settings(path: Path, facts: Mapping[str, Any], options: BuildOptions) -> None:
    asked = {name: getattr(options, name) for name in ("window_seconds", "step_seconds", "vectors")}
    made = {"vectors": PRECISIONS[0], **facts.get("windows", {}), **facts}
    for name, value in asked.items():
        if value is not None and value != made.get(name):
            raise SearchIndexError(
                f"{path}: {_other_setting(name, made.get(name), value)} Leave it out to go on with this index, or make "
                "it anew with --restart."
            )


def _other_setting(name: str, made: Any, asked: Any) -> str:
    """What is said of a setting that is not that of the index."""
    if name == "vectors":
        return f"its vectors are {made}, --vectors asks for {asked}; an index stores all in one way."
    return f"made with {name}={made}, this asks for {asked:g}; windows of two kinds would be mixed."


def _update(
    index: Index, model: Model, source: Source, options: BuildOptions, progress: Progress | None, *, moved: bool
) -> IndexSummary:
    """Do what is to be done. Raises NothingIndexed when nothing is in the index then."""
    from vlsa.retrieve.index.update import Elsewhere, update

    index.acknowledged = options.acknowledged
    files = model.files or index.facts.get("model_files", "")
    recorded = {"source": str(source.root), "model_files": files, **options.recorded}
    if any(index.facts.get(name, "") != value for name, value in recorded.items()):
        index.write_facts(**recorded)
    before = index.facts.get("state")
    done = update(
        index,
        source,
        num_workers=options.num_workers,
        prune=options.prune,
        progress=progress,
        decode=options.decode,
        elsewhere=None if options.engine is None else Elsewhere(options.engine, model.name),
        speech=options.speech(index.path),
    )
    known = ledger.read(index.data)
    if index.facts["state"] != before or not index.facts.get("tidy"):
        index.compact(sparingly=options.acknowledged is not None)  # it is sent to an object store
    if ledger.num_lines(index.data) > len(known):
        ledger.rewrite(index.data, known.values())
    counts = {name.replace("num_", "num_files_"): count for name, count in asdict(done).items()}
    return _sum_up(index.path, known, source, **counts)


def _sum_up(path: Path, known: Mapping[str, ledger.IndexedFile], source: Source, **counts: int) -> IndexSummary:
    """Write the report and sum up. Raises NothingIndexed when there are files and nothing of them is indexed."""
    rejections = all_rejections(known, source.rejections, str(source.root))
    write_report(path, rejections)
    summary = summarize(path, known, rejections, **counts)
    if not summary.num_rows and (source.files or rejections):
        first = f" (the first: {rejections[0].message})" if rejections else ""
        raise NothingIndexed(
            f"{path}: no clip could be indexed{first}; nothing can be searched. See {path / REPORT_NAME}."
        )
    if summary.num_files_gone:
        _LOG.warning(
            "%s: %d of %d files are gone, more than half; they stay in the index. If they were deleted and no drive "
            "is missing, take them out with --prune",
            source.root,
            summary.num_files_gone,
            len(known),
        )
    return summary


def _training_note(encoder: "Encoder", source: Source) -> str:
    """What is known of the model's training data, if it was not the train split of this store."""
    from vlsa.data.loading.loader import fingerprint, without_content

    trained_on, store = encoder.about.get("training_data"), source.store
    if not trained_on or (store and trained_on in (fingerprint(store), without_content(fingerprint(store)))):
        return ""
    known = "was not trained on this store" if store else "may have been trained on this footage or on other"
    return (
        f"the model {known}; on footage unlike that of its training, answers are near chance. Train on footage like "
        "yours (vlsa prepare, vlsa pretrain), or start from public weights (--init)."
    )


def _check_place(path: Path) -> None:
    """Raises SearchIndexError for a folder of other things: they would be lost."""
    if path.exists() and not path.is_dir():
        raise SearchIndexError(f"{path}: a file; an index is a folder. Name another one.")
    if (path / FACTS_NAME).exists() or not path.exists():
        return
    own = {
        LOCK_NAME,
        "files.jsonl",
        "lance",
        REPORT_NAME,
        PROGRESS_NAME,
        TRANSCRIPTS,
    }  # of a creation that was killed, by vlsa 0.3 too
    names = sorted(entry.name for entry in path.iterdir() if entry.suffix != ".partial")
    others = [name for name in names if name not in own and not name.startswith(DATA_PREFIX)]
    if others:
        raise SearchIndexError(
            f"{path}: not empty and not an index ({others[0]} is in it); its files could be mixed up with an index's. "
            "Name a new folder."
        )


def only_writer(path: Path) -> AbstractContextManager[None]:
    """Hold the index for writing. Raises SearchIndexError when another process does."""
    busy = f"{path}: another process is writing this index; two would undo each other's work. Wait for it to end."
    return locked_folder(path, SearchIndexError(busy), LOCK_NAME)
