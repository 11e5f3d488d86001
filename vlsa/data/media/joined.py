"""Joined recordings, opened by who knows how long a file plays but has not read its facts.

Reads a file through container.py; used for the thumbnails, sounds and conversions of the server, which cannot read a
whole film for each. Where time stamps start again (parts.py), a container claims less than its packets play, and where
they leap, more: only such a file is read whole, once in a process.
"""

import os
from functools import lru_cache

from vlsa.data.media.container import open_media
from vlsa.data.media.file_checks import check_file
from vlsa.data.media.parts import JUMP_SECONDS, RESTART_SECONDS
from vlsa.data.media.probe import MediaFacts, probe
from vlsa.data.media.suffixes import is_animation

FILES_KEPT = 256
"""Of which is remembered what they are."""


def facts_if_joined(path: str | os.PathLike[str], duration_seconds: float) -> MediaFacts | None:
    """The facts of a file that plays so long, if its time stamps start again; None for any other. Raises MediaError.

    `open_known` (probe.py) needs them to find a time in such a file.
    """
    check_file(path)
    state = os.stat(path)
    return _facts(os.fspath(path), duration_seconds, state.st_size, state.st_mtime_ns)


@lru_cache(FILES_KEPT)
def _facts(path: str, duration_seconds: float, size_bytes: int, modified_ns: int) -> MediaFacts | None:
    if is_animation(path) or not _claims_otherwise(path, duration_seconds):
        return None
    facts = probe(path)
    return facts if len(facts.shifts_seconds) > 1 else None


def _claims_otherwise(path: str, duration_seconds: float) -> bool:
    with open_media(path) as source:
        claimed_seconds = (source.container.duration or 0) / 1_000_000
    return not -RESTART_SECONDS <= claimed_seconds - duration_seconds <= JUMP_SECONDS / 2
