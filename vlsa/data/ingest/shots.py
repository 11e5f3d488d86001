"""The cuts of a file for scan.py: looked for once, kept by its content; and captions that go across one.

Reads media through media/scenes.py, in a process that may die of it.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from vlsa.base.errors import MediaError, StoreError
from vlsa.base.files import read_json, write_atomically
from vlsa.data.ingest.manifest import Rejection
from vlsa.data.ingest.segments import Cut
from vlsa.data.media.content_digest import content_digest
from vlsa.data.media.probe import MediaFacts
from vlsa.data.media.scenes import find_cuts

FOLDER_NAME = "scenes"
"""In a store."""
VERSION = 2
"""Goes up when other cuts would be found."""
TOLERANCE_SECONDS = 0.1
"""A caption that ends so soon after a cut, or begins so shortly before one, does not go across it."""


def kept_cuts(path: Path, facts: MediaFacts, kept: Path) -> tuple[Sequence[float], list[tuple[str, str]]]:
    """Seconds of the cuts of a file, ascending; and reason and message where they cannot be found.

    Raises StoreError where they cannot be kept.
    """
    try:
        kept_path = kept / FOLDER_NAME / f"{content_digest(path)}-{VERSION}.json"
        if (known := _read(kept_path)) is not None:
            return known, []
        cuts = [round(second, 6) for second in find_cuts(path, facts)]
    except (OSError, MediaError) as error:
        return (), [("scenes", f"{path}: without cuts, as they could not be looked for: {error}")]
    try:
        kept_path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept_path, json.dumps(cuts).encode())
    except OSError as error:
        raise StoreError(
            f"{kept_path}: cannot be written ({error.strerror}); cuts would be looked for again. Make room or fix the "
            "permissions, and run the same command again."
        ) from error
    return cuts, []


def _read(path: Path) -> list[float] | None:
    try:
        cuts = read_json(path)
    except (OSError, ValueError):
        return None
    whole = isinstance(cuts, list) and all(type(second) in (int, float) for second in cuts)
    return cuts if whole and cuts == sorted(cuts) else None


def spanned(name: str, path: Path, cuts_seconds: Sequence[float], clips: Sequence[Cut]) -> Rejection | None:
    """A note on the captions that go across a cut; they are kept as they are."""
    captions = [clip for clip in clips if clip.texts and clip.text_kind == "caption"]
    number = sum(_goes_across(clip, cuts_seconds) for clip in captions)
    if not number:
        return None
    message = f"{path}: {number} of {len(captions)} clips with captions go across a cut; they are as captioned."
    return Rejection(name, str(path), None, None, "scenes", message)


def _goes_across(clip: Cut, cuts_seconds: Sequence[float]) -> bool:
    assert clip.start_seconds is not None and clip.stop_seconds is not None
    start, stop = clip.start_seconds + TOLERANCE_SECONDS, clip.stop_seconds - TOLERANCE_SECONDS
    return any(start < second < stop for second in cuts_seconds)
