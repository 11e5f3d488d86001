"""What lies in a folder of footage, by names alone: media files, caption tables, subtitle files next to media.

Opens no media, so that it is fast, and imports no decoder. Feeds scan.py and the index.
"""

import errno
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vlsa.base.errors import ManifestError
from vlsa.data.ingest.captions import CaptionRow, read_caption_table
from vlsa.data.ingest.manifest import Rejection
from vlsa.data.ingest.sidecars import Sidecars, assign_sidecars, is_subtitles
from vlsa.data.media.suffixes import MEDIA_SUFFIXES

TABLE_NAMES = ("captions.csv", "captions.jsonl")


@dataclass(frozen=True)
class Listing:
    """What was found under a folder. Paths are relative to it, with forward slashes."""

    names: tuple[str, ...]
    """Media files, sorted, without hidden ones."""
    unseen: Mapping[str, OSError]
    """Folders that cannot be listed or entered, and why: what lies in them is not known."""
    sidecars: Mapping[str, Sidecars]
    """Subtitle files of the media files that have any."""

    def sees(self, name: str) -> bool:
        """Whether a file would have been found if it were there."""
        return not any(name.startswith(f"{folder}/") for folder in self.unseen)

    def rejections(self, folder: Path) -> tuple[Rejection, ...]:
        """A line for each folder that could not be looked into."""
        return tuple(_unseen(name, folder / name, error) for name, error in sorted(self.unseen.items()))


def list_media(folder: Path) -> Listing:
    """The media files under a folder. Raises ManifestError if it is none, or cannot be listed itself."""
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise ManifestError(f"{folder}: {what}; a folder of media files is needed. Check the path.")
    names: list[str] = []
    subtitles: list[str] = []
    errors: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=errors.append):
        inside = Path(place).relative_to(folder)
        if os.access(place, os.X_OK, effective_ids=True):
            folders[:] = [name for name in folders if not name.startswith(".")]
            names += [(inside / name).as_posix() for name in files if is_media(name)]
            subtitles += [(inside / name).as_posix() for name in files if is_subtitles(name)]
        else:
            folders.clear()
            errors.append(PermissionError(errno.EACCES, os.strerror(errno.EACCES), place))
    unseen = {Path(error.filename).relative_to(folder).as_posix(): error for error in errors}
    if "." in unseen:
        raise ManifestError(
            f"{folder}: cannot be listed ({unseen['.'].strerror}); what is in it is not known. Check the rights "
            "(chmod u+rx), or the drive."
        )
    return Listing(tuple(sorted(names)), unseen, assign_sidecars(names, subtitles))


def _unseen(name: str, path: Path, error: OSError) -> Rejection:
    message = f"{path}: this folder cannot be looked into ({error.strerror}); nothing in it is taken up. "
    if isinstance(error, PermissionError):
        return Rejection(name, str(path), None, None, reason="permission", message=f"{message}chmod u+rx it.")
    return Rejection(name, str(path), None, None, reason="unreadable", message=f"{message}Check the disk.")


def is_media(name: str) -> bool:
    """Whether a name is that of a media file, and not hidden."""
    return not name.startswith(".") and Path(name).suffix.lower() in MEDIA_SUFFIXES


def unread(folder: Path, name: str, sidecars: Sidecars) -> list[Rejection]:
    """A line for each subtitle file of a media file that is not read."""
    return [
        Rejection(name, str(folder / name), None, None, reason="sidecar", message=f"{folder / path}: not read; {why}")
        for path, why in sidecars.unread
    ]


def read_tables(folder: Path) -> dict[str, list[CaptionRow]]:
    """Caption rows by file name."""
    table: dict[str, list[CaptionRow]] = defaultdict(list)
    for name in TABLE_NAMES:
        if (folder / name).exists():
            for row in read_caption_table(folder / name):
                table[relative_name(folder, row.path)].append(row)
    return dict(table)


def relative_name(folder: Path, path: str) -> str:
    """`./a/../cat.mp4` and the file's whole path both name cat.mp4."""
    normal = Path(os.path.normpath(folder / path))
    base = Path(os.path.normpath(folder))
    return (normal.relative_to(base) if normal.is_relative_to(base) else normal).as_posix()
