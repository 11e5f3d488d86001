"""The maps of the indexes: made when asked for, one at a time, and kept until the index is another one.

Runs map_job.py in a process that may die; feeds routes/map.py.
"""

import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlsa.base.errors import VlsaError
from vlsa.base.files import read_json
from vlsa.data.engine.workers import Done, Lost, Started, WorkerPool
from vlsa.serve.archive.describe import without_folders
from vlsa.serve.archive.map_job import POINT, MapTask, make_map, map_key
from vlsa.serve.archive.open_index import OpenIndex


@dataclass
class MapState:
    """How far a map is that is being made, or why there is none."""

    progress: float = 0.0
    """Share that is done, 0 to 1."""
    doing: str = "waiting"
    problem: str | None = None


class Maps:
    """Starts maps, and finds those that are made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock, self._one_at_a_time = threading.Lock(), threading.Lock()
        self._states: dict[str, MapState] = {}
        """By the name of the index: being made, or failed."""

    def state(self, index: OpenIndex) -> dict[str, Any]:
        """The map of an index as it is now, in plain JSON types."""
        with self._lock:
            made = self._states.get(index.name)
        if made is not None and made.problem is None:
            return {"status": "running", "progress": round(made.progress, 3), "doing": made.doing}
        key = map_key(index.facts)
        about = self._about(index, key)
        if about is not None:
            return {"status": "ready", "state": key, "progress": 1.0, **about}
        if made is not None:
            return {"status": "failed", "progress": 0.0, "problem": made.problem}
        return {"status": "absent", "progress": 0.0}

    def start(self, index: OpenIndex) -> None:
        """Make the map of an index, unless it is there or being made."""
        with self._lock:
            known = self._states.get(index.name)
            is_running = known is not None and known.problem is None
            if is_running or self._about(index, map_key(index.facts)) is not None:
                return
            made = self._states[index.name] = MapState()
        threading.Thread(target=self._make, args=(index, made), name="map", daemon=True).start()

    def points(self, index: OpenIndex) -> Path | None:
        """The file of points of an index as it is now; None where there is none."""
        path = self._path(index, map_key(index.facts), "points")
        return path if path.exists() else None

    def _make(self, index: OpenIndex, made: MapState) -> None:
        problem: str | None = "the map was not made; the log of the server says why"
        try:
            with self._one_at_a_time:
                key = self._run(index, made)
            self._remove_others(index, key)
            problem = None
        except (VlsaError, OSError) as error:
            problem = without_folders(str(error), index)
        finally:
            with self._lock:
                made.problem = problem
                if problem is None:
                    del self._states[index.name]

    def _run(self, index: OpenIndex, made: MapState) -> str:
        """The key of the map, when it is made. Raises VlsaError, OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        task = MapTask(str(index.path), index.source, str(self._folder), index.name)
        for event in WorkerPool(make_map, [task], 1).events():
            if isinstance(event, Started):
                share, _, made.doing = event.label.partition(" ")
                made.progress = float(share)
            elif isinstance(event, Lost):
                raise VlsaError(
                    f"map of {index.name}: its process ended early ({event.message}); there is no map. "
                    "Check the free memory, and try again."
                )
            elif isinstance(event, Done):
                return str(event.value)
        raise AssertionError("a pool ends with the last task")

    def _about(self, index: OpenIndex, key: str) -> dict[str, Any] | None:
        """What was written of a map; None where there is none, or not all of it."""
        try:
            about = read_json(self._path(index, key, "json"))
            size = self._path(index, key, "points").stat().st_size
        except (OSError, ValueError):
            return None
        is_whole = isinstance(about, dict) and size == about.get("num_points", -1) * POINT.itemsize
        return about if is_whole else None

    def _path(self, index: OpenIndex, key: str, suffix: str) -> Path:
        return self._folder / f"{index.name}-{key}.{suffix}"

    def _remove_others(self, index: OpenIndex, key: str) -> None:
        """Maps of the same index as it was before."""
        for path in self._folder.glob(f"{index.name}-*"):
            if path.stem != f"{index.name}-{key}" and len(path.stem) == len(index.name) + 1 + len(key):
                with suppress(OSError):
                    path.unlink()
