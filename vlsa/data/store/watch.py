"""A store that keeps following its folder: files that are new in it are added, once they are whole.

Used by `vlsa prepare --watch`. Needs watchfiles (extra `watch`).
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vlsa.base.errors import VlsaError
from vlsa.data.ingest.changes import changes
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.store.plan import planned_ids
from vlsa.data.store.summary import PrepareSummary

_LOG = logging.getLogger(__name__)
SETTLED_SECONDS = 10.0
"""A new file is added when it has not been written to for so long: half a film would stay half in the store."""
REST = 5.0
"""After a look at the folder the next one waits this many times as long as it took."""

Listing = tuple[list[ClipRow], list[Rejection]]


def watch_store(
    list_clips: Callable[[], Listing],
    add: Callable[[list[ClipRow], list[Rejection]], PrepareSummary],
    source: Path,
    store_path: Path,
    *,
    stop: Any = None,
) -> Iterator[PrepareSummary]:
    """Add the clips of a folder to a store now, and later those of files that are new; a summary of each addition.

    `list_clips` lists the whole folder (`scan`), `add` prepares (`prepare` with add=True). `stop` is an event that ends
    it, as Ctrl-C does (KeyboardInterrupt). What goes wrong after the first time, as when a file of the store was
    replaced, is reported and tried again after the next change.
    """
    due_seconds: float | None = time.monotonic()
    is_first, pause_seconds = True, SETTLED_SECONDS
    for changed in changes(source, store_path, stop):
        if changed and due_seconds is None:
            due_seconds = time.monotonic() + pause_seconds
        if due_seconds is None or time.monotonic() < due_seconds:
            continue
        began_seconds, due_seconds = time.monotonic(), None
        try:
            (rows, rejections), is_waiting = _whole(list_clips(), store_path)
            summary = add(rows, rejections) if rows or not is_waiting else None
        except VlsaError as error:
            if is_first:
                raise
            _LOG.warning("%s", error)
            continue
        finally:
            pause_seconds = max(SETTLED_SECONDS, REST * (time.monotonic() - began_seconds))
        if is_waiting:
            due_seconds = time.monotonic() + pause_seconds
        if summary is not None and (is_first or summary.num_added):
            yield summary
        is_first = is_first and summary is None


def _whole(listing: Listing, store_path: Path) -> tuple[Listing, bool]:
    """Without the files that are new and may still be written to, and whether there are any."""
    rows, rejections = listing
    known, now_seconds = planned_ids(store_path), time.time()
    new = {row.path for row in rows if row.id not in known} | {one.path for one in rejections}
    growing = {path for path in new if _is_growing(path, now_seconds)}
    rows = [row for row in rows if row.path not in growing or row.id in known]
    return (rows, [one for one in rejections if one.path not in growing]), bool(growing)


def _is_growing(path: str, now_seconds: float) -> bool:
    try:
        return abs(now_seconds - os.stat(path).st_mtime) < SETTLED_SECONDS
    except (OSError, ValueError):
        return False
