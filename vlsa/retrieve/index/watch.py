"""An index that keeps following its folder: it is brought up to date whenever something in the folder changes.

Used by `vlsa index --watch`. Needs watchfiles (extra `watch`).
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlsa.base.errors import VlsaError
from vlsa.data.ingest.changes import changes
from vlsa.retrieve.encode.protocol import Encoder
from vlsa.retrieve.index.build import build_index
from vlsa.retrieve.index.lazy_model import Model
from vlsa.retrieve.index.remote_copy import copy_of
from vlsa.retrieve.index.report import IndexSummary

_LOG = logging.getLogger(__name__)


def watch_index(
    model: Encoder | str | os.PathLike[str],
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    stop: Any = None,
    **options: Any,
) -> Iterator[IndexSummary]:
    """Bring an index up to its folder now and after each change; a summary each time that something was done.

    `options` are those of `build_index`; `restart` and `prune` hold for the first time only. `stop` is an event that
    ends it, as Ctrl-C does (KeyboardInterrupt). What goes wrong after the first time, as when a caption table is
    malformed, is reported and tried again after the next change.
    """
    loaded, is_first, copy = Model(model), True, copy_of(out)
    for changed in changes(Path(source), Path(out) if copy is None else copy.folder, stop):
        if not changed and not is_first:
            continue
        try:
            summary = build_index(loaded, source, out, **options)
        except VlsaError as error:
            if is_first:
                raise
            _LOG.warning("%s", error)
            continue
        if is_first or summary.num_files_added or summary.num_files_moved or summary.num_files_removed:
            yield summary
        is_first, options = False, options | {"restart": False, "prune": False}
