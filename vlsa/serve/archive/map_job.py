"""The map of an index, made in a process of its own: read the windows, lay them out (map_layout.py), write two files.

Feeds maps.py.

    FOLDER/NAME-KEY.points     POINT for each window, in the order of the tables
    FOLDER/NAME-KEY.json       number of points, folders by their number, number of clusters
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8, UInt16

from vlsa.base.files import write_atomically
from vlsa.data.engine.workers import Heartbeat
from vlsa.retrieve.search.searched import Searched
from vlsa.serve.archive.map_layout import Layout

POINT = np.dtype(
    [("x", "<f4"), ("y", "<f4"), ("window", "<u4"), ("folder", "<u2"), ("modalities", "u1"), ("cluster", "u1")]
)
"""16 bytes. Modalities: 1 video + 2 audio + 4 text."""
MOST_FOLDERS = 1_000
"""With a number of their own; the others share the last one."""
OTHER_FOLDERS = "…"
PATIENCE_SECONDS = 3_600.0


@dataclass(frozen=True)
class MapTask:
    """What to make a map of, and the folder where it goes, which is there."""

    index_path: str
    source: str
    folder: str
    name: str


def map_key(facts: Mapping[str, Any]) -> str:
    """Another one when anything in the index is another."""
    state = [facts.get(name) for name in ("table", "state", "num_rows", "num_bytes")]
    return hashlib.blake2b(repr(state).encode(), digest_size=8).hexdigest()


def make_map(task: MapTask, beat: Heartbeat) -> str:
    """Make and write the map of an index as it is now; returns its key. Raises SearchIndexError."""
    from vlsa.retrieve.index.index import Index
    from vlsa.retrieve.search.tables import read_searched
    from vlsa.serve.archive.map_layout import lay_out

    os.nice(5)  # searches go first
    beat("0 reading", PATIENCE_SECONDS)
    index = Index.open(task.index_path, source=task.source)
    searched, _ = read_searched(index)
    key = map_key(index.facts)
    vectors = fused(searched)
    layout = lay_out(vectors, lambda share, what: beat(f"{share} {what}", PATIENCE_SECONDS))
    folders, numbers = folders_of(searched.paths)
    points = as_points(searched, layout, numbers[searched.windows.file])
    about = {"num_points": len(points), "folders": folders, "num_clusters": layout.num_clusters}
    write_atomically(Path(task.folder, f"{task.name}-{key}.points"), points.tobytes())
    write_atomically(Path(task.folder, f"{task.name}-{key}.json"), json.dumps(about).encode())
    return key


def fused(searched: Searched) -> Float32[np.ndarray, "N D"]:
    """Video and audio of each window as one vector of length 1; zeros where there is neither."""
    both = np.zeros((len(searched.windows), 1), np.float32)
    for name in ("video", "audio"):
        both = both + searched.vectors[name]
    return (both * searched.fused_scale[:, None]).astype(np.float32)


def folders_of(paths: Sequence[str]) -> tuple[list[str], UInt16[np.ndarray, " F"]]:
    """Folders, that of most files first, and the number of the folder of each file."""
    names = [path.rpartition("/")[0] for path in paths]
    ordered = [name for name, _ in sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))]
    if len(ordered) > MOST_FOLDERS:
        ordered = [*ordered[: MOST_FOLDERS - 1], OTHER_FOLDERS]
    numbers = {name: number for number, name in enumerate(ordered)}
    return ordered, np.array([numbers.get(name, len(ordered) - 1) for name in names], np.uint16)


def as_points(searched: Searched, layout: Layout, folder: UInt16[np.ndarray, " N"]) -> np.ndarray:
    """A POINT for each window."""
    points = np.zeros(len(searched.windows), POINT)
    points["x"], points["y"] = layout.places.T
    points["window"] = np.arange(len(points))
    points["folder"], points["cluster"] = folder, layout.cluster
    points["modalities"] = _modalities(searched)
    return points


def _modalities(searched: Searched) -> UInt8[np.ndarray, " N"]:
    """What each window has, as bits."""
    from vlsa.retrieve.search.texts import of_windows

    shown = of_windows(searched.text_places, np.ones(len(searched.texts)), searched.windows)
    has = (searched.present["video"], searched.present["audio"], ~np.isnan(shown))
    return sum((there.astype(np.uint8) << bit for bit, there in enumerate(has)), np.zeros(len(shown), np.uint8))
