"""An index follows its source: what is new or changed is encoded, what moved goes along, what is gone is taken out.

Reads changes (changes.py), media (plan.py, encode_windows.py) and the index as it was; writes through writer.py.
After it the index holds what a new index of the source would, row by row.
"""

import functools
import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from vlsa.base.files import Progress
from vlsa.data.engine.engines import Engine
from vlsa.data.ingest.transcribe import Speech
from vlsa.data.media.content_digest import content_digest
from vlsa.retrieve.encode.protocol import Encoder
from vlsa.retrieve.encode.sampling import decode_rows
from vlsa.retrieve.index import ledger
from vlsa.retrieve.index.changes import Donors, compare, too_many
from vlsa.retrieve.index.encode_elsewhere import encode_elsewhere
from vlsa.retrieve.index.encode_windows import Decode, encode_media, encode_stored
from vlsa.retrieve.index.facts import TABLES_NAME, folder_state
from vlsa.retrieve.index.index import Index
from vlsa.retrieve.index.ledger import IndexedFile
from vlsa.retrieve.index.plan import Plan
from vlsa.retrieve.index.source import Source, SourceFile
from vlsa.retrieve.index.verify import content_by_path, difference
from vlsa.retrieve.index.writer import MediaFile, Writer

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Elsewhere:
    """Who decodes and encodes media, if it is not this machine."""

    engine: Engine
    model_name: str
    """From which each node loads the model."""


@dataclass(frozen=True)
class Updated:
    """What an update did, in files."""

    num_added: int
    num_skipped: int
    num_moved: int
    num_removed: int
    num_gone: int


def update(
    index: Index,
    source: Source,
    *,
    num_workers: int | None,
    prune: bool,
    progress: Progress | None,
    decode: Decode | None,
    speech: Speech | None = None,
    elsewhere: Elsewhere | None = None,
) -> Updated:
    """Bring an index up to its source. `speech` hears files that have no text; `elsewhere` encodes media.

    Files that are gone stay when they are more than half, unless `prune`.
    """
    known = acknowledged(index)
    changes = compare(source, known)
    labels = changes.relabelled(known)
    _relabel(index, labels, known)
    relabelled = {file.path for file in labels}
    todo = [file for file in changes.todo if file.path not in relabelled]
    contents = _contents(source, todo, known, progress)
    followed = _followed(changes.gone, known, contents.values())
    plan = Plan(index, source, index.table.snapshot(), Donors(known), num_workers, progress, speech)
    taken, new = plan.sort(todo, contents)
    writer = Writer(index, index.encoder, new, progress)
    for file in [*(one.file for one in taken), *new]:
        file.replaces = tuple(followed.get(file.content, ()))
    plan.take_over(writer, taken)
    _encode(writer, index.encoder, source, new, num_workers, decode, elsewhere)
    num_moved = sum(map(len, followed.values()))
    gone = sorted(set(changes.gone) - {path for paths in followed.values() for path in paths})
    kept = gone if too_many(len(gone), changes.num_seen) and not prune else []
    if gone and not kept:
        index.add([], [], removed=gone)
    return Updated(
        num_added=max(_num_found(index, changes.todo) - num_moved, 0),
        num_skipped=len(source.files) - len(changes.todo),
        num_moved=num_moved,
        num_removed=len(gone) - len(kept),
        num_gone=len(kept),
    )


def _num_found(index: Index, files: Sequence[SourceFile]) -> int:
    """How many of these files something can be found of: not one that cannot be read."""
    lines = ledger.read(index.data) if files else {}
    return sum(file.path in lines and lines[file.path].num_rows > 0 for file in files)


def _followed(gone: Sequence[str], known: Mapping[str, IndexedFile], contents: Iterable[str]) -> dict[str, list[str]]:
    """Paths that are gone and whose content is in a file that is to be indexed, by that content."""
    here = set(contents) - {""}
    followed: dict[str, list[str]] = {}
    for path in gone:
        if known[path].content in here:
            followed.setdefault(known[path].content, []).append(path)
    return followed


def _encode(
    writer: Writer,
    encoder: Encoder,
    source: Source,
    files: Sequence[MediaFile],
    num_workers: int | None,
    decode: Decode | None,
    elsewhere: Elsewhere | None,
) -> None:
    """Encode the windows of files, and write all that is finished."""
    for file in files:
        if file.finished:  # it has none
            writer.finish(file)
    decode_here = functools.partial(decode or decode_rows, encoder.window)
    if source.store is not None:
        encode_stored(writer, encoder, source.store)
    elif elsewhere is not None:
        encode_elsewhere(writer, encoder, elsewhere.model_name, decode_here, elsewhere.engine)
    else:
        encode_media(writer, encoder, decode_here, num_workers)
    writer.flush()


def acknowledged(index: Index) -> dict[str, IndexedFile]:
    """Files whose rows are as they were written; what else the tables hold, of a killed process or another, goes."""
    known = ledger.read(index.data)
    if index.facts.get("state") == folder_state(index.data / TABLES_NAME):
        return known
    found = content_by_path(index.table)
    bad = {path for path in found.keys() | known.keys() if difference(known.get(path), found.get(path))}
    if bad:
        _LOG.warning("%s: rows of %d files are not those that were finished; made again", index.path, len(bad))
        ledger.append(index.data, [], sorted(bad & known.keys()))
        index.discard(sorted(bad & found.keys()))
    else:
        index.write_facts()
    return {path: line for path, line in known.items() if path not in bad}


def _relabel(index: Index, files: Sequence[SourceFile], known: Mapping[str, IndexedFile]) -> None:
    """Write the facts of files of which only the row of metadata.csv is another."""
    if files:
        facts = {one.path: one for one in index.table.files()}
        lines = [replace(known[file.path], labels=file.labels) for file in files]
        index.relabel(lines, [facts[file.path].of(file) for file in files if file.path in facts])


def _contents(
    source: Source, files: Sequence[SourceFile], known: Mapping[str, IndexedFile], progress: Progress | None
) -> dict[str, str]:
    """Digest of the bytes of each file, by its path; empty for clips of a store and for files that cannot be read."""

    def content(file: SourceFile) -> str:
        line = known.get(file.path)
        if line is not None and line.media == file.media:
            return line.content
        try:
            return content_digest(source.absolute(file.path))
        except (OSError, ValueError):
            return ""

    if source.store is not None:
        return {file.path: "" for file in files}
    found: dict[str, str] = {}
    with ThreadPoolExecutor() as pool:  # they wait for the disk
        for file, digest in zip(files, pool.map(content, files), strict=True):
            found[file.path] = digest
            if progress:
                progress(len(found), len(files), f"files read: {file.path}")
    return found
