"""Length and audio of the media of an import; what was found is kept until the import is finished.

An interrupted import goes on where it was: `MANIFEST_scanned.jsonl` has a line for each file that was scanned, with the
size and the time of change by which a replaced file is noticed. Used by convert.py.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlsa.base.errors import ManifestError
from vlsa.base.files import Progress, open_regular
from vlsa.data.engine.engines import LocalEngine

if TYPE_CHECKING:
    from vlsa.data.ingest.scan import ScannedFile

FILES_CHECKED_FIRST = 20
"""A set that needs audio is given up when none of so many files, spread over all, has any."""
KEPT = ("duration_seconds", "has_sound", "reason", "message")
"""What an import needs of a scanned file; its text comes from the annotations."""
FILES_AT_A_TIME = 1000
"""Scanned between two notes of what was found."""


class MediaScan:
    """Scans files of a folder by name, each once, those of an interrupted import included."""

    def __init__(self, folder: Path, notes_path: Path, num_workers: int | None, progress: Progress | None) -> None:
        self.folder, self._notes_path, self._progress = folder, notes_path, progress
        self._engine = LocalEngine(num_workers)
        self._known = dict(_read_notes(folder, notes_path))

    def names(self) -> tuple[str, ...]:
        """Media files under the folder. Raises ManifestError if it is none."""
        from vlsa.data.ingest.listing import list_media

        return list_media(self.folder).names

    def scan(self, names: list[str], *, quietly: bool = False) -> dict[str, "ScannedFile"]:
        """What is in each file. `quietly`: without progress."""
        unknown = [name for name in names if name not in self._known]
        for first in range(0, len(unknown), FILES_AT_A_TIME):
            num_before = len(names) - len(unknown) + first
            self._scan(unknown[first : first + FILES_AT_A_TIME], num_before, 0 if quietly else len(names))
        return {name: self._known[name] for name in names}

    def check_sound(self, names: list[str], hint: str) -> None:
        """Raises ManifestError when some of the files, spread over all, have no audio at all."""
        found = self.scan(names[:: max(len(names) // FILES_CHECKED_FIRST, 1)], quietly=True)
        readable = [each for each in found.values() if not each.reason]
        if readable and not any(each.has_sound for each in readable):
            raise ManifestError(
                f"{self.folder}: none of the {len(readable)} scanned files has audio, which this data set is about; "
                f"{hint}Get the videos with their audio."
            )

    def forget(self) -> None:
        """The import is finished."""
        self._notes_path.unlink(missing_ok=True)

    def _scan(self, names: list[str], num_before: int, num_names: int) -> None:
        from vlsa.data.ingest.scan import Task, scan_files

        def progress(done: int, _: int, name: str) -> None:
            if self._progress and num_names:
                self._progress(num_before + done, num_names, name)

        found = scan_files([Task(self.folder, name, has_rows=True) for name in names], self._engine, progress)
        self._known |= found
        self._note(found)

    def _note_of(self, name: str, found: "ScannedFile") -> dict[str, Any]:
        kept = {key: getattr(found, key) for key in KEPT}
        return {"name": name, "state": _state(self.folder / name), "found": kept}

    def _note(self, found: dict[str, "ScannedFile"]) -> None:
        lines = [json.dumps(self._note_of(name, each)).encode() + b"\n" for name, each in found.items()]
        self._notes_path.parent.mkdir(parents=True, exist_ok=True)
        with self._notes_path.open("ab") as file:
            file.write(b"".join(lines))


def _read_notes(folder: Path, path: Path) -> Iterator[tuple[str, "ScannedFile"]]:
    """Files that are as they were. A line that a kill cut short is left out."""
    from vlsa.data.ingest.scan import ScannedFile

    if not path.exists():
        return
    with open_regular(path) as file:
        for line in file:
            try:
                note = json.loads(line)
                facts = {key: note["found"][key] for key in KEPT}
                name, state, found = note["name"], note["state"], ScannedFile(**facts)
            except (ValueError, TypeError, KeyError):
                continue
            if state == _state(folder / name):
                yield name, found


def _state(path: Path) -> list[int] | None:
    """Size and time of change of a file; None if it is gone."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return [facts.st_size, facts.st_mtime_ns]
