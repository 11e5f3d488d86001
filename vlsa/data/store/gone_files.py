"""Clips of media files that are not there any more, as on a drive that is not connected: they stay in the store.

A store holds what it needs of its files. So `prepare --add` and `--watch` go on without them, unless that would lose a
clip (its shard is not made yet) or hold one twice (the file is there under another name). Used by plan.py.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from vlsa.base.errors import StoreError
from vlsa.data.ingest.manifest import ClipRow
from vlsa.data.store import sources
from vlsa.data.store.shards import index_path

_LOG = logging.getLogger(__name__)
MOST_NAMED = 3


def rows_of_gone_files(recorded: Sequence[Sequence[ClipRow]], now: Sequence[ClipRow], base: str) -> list[ClipRow]:
    """The clips of a store whose files are not there; `base` is the folder that paths in the store count from.

    A clip that is not listed while its file is there is none of them: what is said of that file has changed. Folders
    may have moved since; a file is there if another clip of it is listed, wherever, or if it has moved with others.
    """
    rows = [row for group in recorded for row in group]
    today = {row.id: row.path for row in now}
    listed = {(row.path, today[row.id]) for row in rows if row.id in today}
    missing = [row for row in rows if row.id not in today]
    there: set[str] = set()
    moves: dict[Path, set[Path]] = {}
    for before, after in listed:
        there.add(before)
        old, new = _move(before, after)
        moves.setdefault(old, set()).add(new)
    for path in {row.path for row in missing} - there:
        if any(map(os.path.lexists, (path, os.path.join(base, path), *_moved(path, moves)))):
            there.add(path)
    return [row for row in missing if row.path not in there]


def _move(before: str, after: str) -> tuple[Path, Path]:
    """The folders, old and new, in which a file has the same place: (/one, /two) for /one/a/b.mp4 and /two/a/b.mp4."""
    old, new = Path(before), Path(after)
    while old.name and old.name == new.name:
        old, new = old.parent, new.parent
    return old, new


def _moved(path: str, moves: Mapping[Path, Iterable[Path]]) -> Iterator[Path]:
    """Where a file is if it has moved with a folder that it is in."""
    for old in Path(path).parents:
        yield from (new / Path(path).relative_to(old) for new in moves.get(old, ()))


def keep(
    store_path: Path, gone: Sequence[ClipRow], fresh: Sequence[ClipRow], shards: Sequence[Sequence[ClipRow]]
) -> None:
    """Say that these clips stay. Raises StoreError where one would be lost, or be held twice."""
    named, their = _counted([row.path for row in gone])
    ids = {row.id for row in gone}
    unmade = [
        number
        for number, rows in enumerate(shards)
        if not index_path(store_path, number).exists() and any(row.id in ids for row in rows)
    ]
    if unmade:
        raise StoreError(
            f"{store_path}: {named} gone before all {their} clips were made; they would be lost. Bring the files "
            "back (is their drive connected?) and run the same command again, or prepare again with --restart."
        )
    if renamed := sources.renamed(store_path, gone, fresh):
        old, new = renamed[0]
        more = f", and {len(renamed) - 1} more" if renamed[1:] else ""
        raise StoreError(
            f"{store_path}: {new} is {old} of the store under another name{more}; its clips would be in it twice. Name "
            "the file as before, choose another folder, or prepare again with --restart."
        )
    stay = "clip stays as it is" if len(gone) == 1 else "clips stay as they are"
    _LOG.warning("%s: %s gone; %s %d %s", store_path, named, their, len(gone), stay)


def _counted(paths: Sequence[str]) -> tuple[str, str]:
    """`2 files (a.mp4, b.mp4) are`, and `their`."""
    files = list(dict.fromkeys(paths))
    more = ", ..." if len(files) > MOST_NAMED else ""
    names = ", ".join(files[:MOST_NAMED])
    if len(files) == 1:
        return f"1 file ({names}) is", "its"
    return f"{len(files)} files ({names}{more}) are", "their"
