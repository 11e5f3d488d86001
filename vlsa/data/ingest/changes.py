"""Changes in a folder of footage, as they happen: for commands that follow one (`--watch`). Needs watchfiles."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vlsa.base.errors import VlsaError

QUIET_MS, LONGEST_WAIT_MS = 1_000, 30_000
"""Changes are reported when nothing has changed for so long, or at the latest after so long."""
FIRST_WAIT_MS = 200
"""How often there is a set without changes, the first of which says that changes are noticed from now on."""


def changes(source: Path, out: Path, stop: Any = None) -> Iterator[set[Any]]:
    """Sets of what has changed in `source`, empty ones in between; what is written in `out` does not count.

    `stop` is an event that ends it, as Ctrl-C does (KeyboardInterrupt). Raises VlsaError where watchfiles is missing.
    """
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
    """Whether a path that was written is of the footage: not in `out`, by whatever link, and not hidden."""
    inside = os.path.join(os.path.realpath(out), "")

    def is_change(_: Any, path: str) -> bool:
        return not os.path.realpath(path).startswith(inside) and not os.path.basename(path).startswith(".")

    return is_change
