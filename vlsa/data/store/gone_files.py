"""Clips of media files that are not there any more, as on a drive that is not connected: they stay in the store.

A store holds what it needs of its files. So `prepare --add` and `--watch` go on without them, unless that would lose a
clip (its shard is not made yet) or hold one twice (the file is there under another name). Used by plan.py.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from vlsa.base.errors import StoreError
from vlsa.data.ingest.manifest import ClipRow
from vlsa.data.store import sources
from vlsa.data.store.shards import index_path

_LOG = logging.getLogger(__name__)
MOST_NAMED = 3


def rows_of_gone_files(recorded: Sequence[Sequence[ClipRow]], now: Sequence[ClipRow], base: str) -> list[ClipRow]:
    """The clips of a store whose files are not there; `base` is the folder that paths in the store count from.

    A clip that is not listed while its file is there is none of them: what is said of that file has changed.
    """
    known = {row.id for row in now}
    missing = [row for group in recorded for row in group if row.id not in known]
    there = {path: os.path.lexists(os.path.join(base, path)) for path in {row.path for row in missing}}
    return [row for row in missing if not there[row.path]]


def keep(
    store_path: Path, gone: Sequence[ClipRow], fresh: Sequence[ClipRow], shards: Sequence[Sequence[ClipRow]]
) -> None:
    """Say that these clips stay. Raises StoreError where one would be lost, or be held twice."""
    named = _counted([row.path for row in gone])
    ids = {row.id for row in gone}
    unmade = [
        number
        for number, rows in enumerate(shards)
        if not index_path(store_path, number).exists() and any(row.id in ids for row in rows)
    ]
    if unmade:
        raise StoreError(
            f"{store_path}: {named} gone before all its clips were made; they would be lost. Bring the files back (is "
            "their drive connected?) and run the same command again, or prepare again with --restart."
        )
    if renamed := sources.renamed(store_path, gone, fresh):
        old, new = renamed[0]
        more = f", and {len(renamed) - 1} more" if renamed[1:] else ""
        raise StoreError(
            f"{store_path}: {new} is {old} of the store under another name{more}; its clips would be in it twice. Name "
            "the file as before, choose another folder, or prepare again with --restart."
        )
    _LOG.warning("%s: %s gone; the %d clips of it stay as they are", store_path, named, len(gone))


def _counted(paths: Sequence[str]) -> str:
    """`2 files (a.mp4, b.mp4) are`."""
    files = list(dict.fromkeys(paths))
    more = ", ..." if len(files) > MOST_NAMED else ""
    names = ", ".join(files[:MOST_NAMED])
    return f"{len(files)} file{'s' * (len(files) != 1)} ({names}{more}) {'are' if len(files) != 1 else 'is'}"
