"""An index that keeps following its folder: it is brought up to date whenever something in the folder changes.

Used by `vlsa index --watch`. Needs watchfiles (extra `watch`).
"""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vlsa.base.errors import VlsaError
from vlsa.retrieve.encode.protocol import Encoder
from vlsa.retrieve.index.build import build_index
from vlsa.retrieve.index.lazy_model import Model
from vlsa.retrieve.index.report import IndexSummary

_LOG = logging.getLogger(__name__)
QUIET_MS, LONGEST_WAIT_MS = 1_000, 30_000
"""A change is taken up when nothing has changed for so long, or at the latest after so long."""
FIRST_WAIT_MS = 200


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
    loaded, is_first = Model(model), True
    for changed in _changes(Path(source), Path(out), stop):
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


def _changes(source: Path, out: Path, stop: Any) -> Iterator[set[Any]]:
    """Sets of what changed, the first one empty as soon as changes are noticed. Raises VlsaError."""
    try:
        import watchfiles
    except ImportError as error:
        raise VlsaError(f"--watch: watchfiles cannot be imported ({error}). pip install '.[watch]'") from error
    return watchfiles.watch(
        source,
        watch_filter=change_filter(out),
        debounce=LONGEST_WAIT_MS,
        step=QUIET_MS,
        rust_timeout=FIRST_WAIT_MS,
        yield_on_timeout=True,
        stop_event=stop,
        raise_interrupt=True,
    )


def change_filter(out: Path) -> Callable[[Any, str], bool]:
    """Whether a path that was written is of the footage: not of the index, by whatever link, and not hidden."""
    inside = os.path.join(os.path.realpath(out), "")

    def is_change(_: Any, path: str) -> bool:
        return not os.path.realpath(path).startswith(inside) and not os.path.basename(path).startswith(".")

    return is_change
