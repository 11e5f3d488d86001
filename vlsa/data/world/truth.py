"""Ground truth of made clips: the event log of each, found from the footage that a store was made from.

Reads the truth.jsonl that write.py writes next to the footage (or the name of a clip made in memory); used by figures
that are compared with the truth.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vlsa.base.errors import StoreError
from vlsa.base.files import read_json_lines
from vlsa.data.world.clips import SPLITS, world_log
from vlsa.data.world.events import AMBIENCES, COLOURS, COMBINATION, DIRECTIONS, SHAPES, ClipLog, Event, Facts
from vlsa.data.world.write import FRAMES_PER_SECOND

TRUTH_NAME = "truth.jsonl"


@dataclass(frozen=True)
class Truth:
    """The log of a clip, and the frame rate of its video."""

    log: ClipLog
    frames_per_second: int


def truths(clips: Iterable[Any]) -> dict[str, Truth]:
    """Clip id -> truth, for clips of a made world; empty for other footage.

    clips: rows of a store (id, source, frame_seconds), or of clips in memory. truth.jsonl is expected in the parent of
    the file's folder. Raises StoreError if it is damaged.
    """
    known: dict[Path, dict[str, ClipLog]] = {}
    found = {}
    for row in clips:
        source = _source(row)
        made = re.fullmatch(r"made world (\d+)|world:.*\bseed=(\d+).*", source)
        folder = Path(source).parent.parent
        if made:
            found[row.id] = _of_memory(int(made[1] or made[2]), row)
            continue
        if folder not in known:
            known[folder] = read_truth(folder / TRUTH_NAME) if (folder / TRUTH_NAME).is_file() else {}
        log = known[folder].get("/".join(Path(source).parts[-2:]))
        if log:
            found[row.id] = Truth(log, FRAMES_PER_SECOND)
    return found


def read_truth(path: Path) -> dict[str, ClipLog]:
    """Path within the world -> log. Raises StoreError for a line that is not a valid log."""
    logs: dict[str, ClipLog] = {}
    try:
        for record in read_json_lines(path):
            if record is not None:
                logs[str(record["path"])] = _log(record)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path}:{len(logs) + 1}: not an event log of a made clip ({error}); figures cannot be compared with it. "
            "Make the world again, or move that file away."
        ) from error
    return logs


def _log(record: Any) -> ClipLog:
    facts = record["facts"]
    companion = tuple(facts["companion"]) if facts["companion"] else None
    values = {name: value for name, value in record.items() if name not in ("path", "split")}
    values["facts"] = Facts(**facts | {"companion": companion})
    values["events"] = tuple(Event(**event) for event in record["events"])
    log = ClipLog(**values)
    numbers = [log.interval_seconds, log.run_up, log.pitch, log.render_seed, log.duration_seconds]
    numbers += [number for event in log.events for number in (event.seconds, event.x, event.y, event.loudness)]
    if not all(isinstance(number, int | float) and abs(number) < 2**64 for number in numbers):
        raise ValueError("a number is missing")
    known = {**COMBINATION, "direction": DIRECTIONS, "ambience": AMBIENCES}
    if any(getattr(log.facts, name) not in values for name, values in known.items()) or not (
        companion is None or (len(companion) == 2 and companion[0] in COLOURS and companion[1] in SHAPES)
    ):
        raise ValueError("a fact that no clip has")
    return log


def _source(row: Any) -> str:
    """The media file of a stored row, or the origin of a clip in memory."""
    if hasattr(row, "source"):
        return row.source
    return row.clip.source if hasattr(row, "clip") else str(getattr(row, "spec", ""))


def _of_memory(seed: int, row: Any) -> Truth:
    split, _, index = row.id.partition("/")
    assert split in SPLITS, row.id
    spacing = np.diff(row.frame_seconds)
    return Truth(world_log(seed, split, int(index))[0], round(1 / spacing.min()) if len(spacing) else FRAMES_PER_SECOND)
