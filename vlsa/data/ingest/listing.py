"""What lies in a folder of footage, by names alone: media files, caption tables, subtitle files next to media.

Opens no media, so that it is fast, and imports no decoder. Feeds scan.py and the index.
"""

import os
from collections import defaultdict
from pathlib import Path

from vlsa.base.errors import ManifestError
from vlsa.data.ingest.captions import CaptionRow, read_caption_table
from vlsa.data.media.suffixes import MEDIA_SUFFIXES

TABLE_NAMES = ("captions.csv", "captions.jsonl")
SIDECAR_SUFFIXES = (".srt", ".vtt")
"""The first that exists has the text of the media file with the same name."""


def list_media(folder: Path) -> list[str]:
    """Names of the media files under a folder, sorted, without hidden ones. Raises ManifestError if it is no folder."""
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise ManifestError(f"{folder}: {what}; a folder of media files is needed. Check the path.")
    names = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(place).relative_to(folder)
        names += [(inside / name).as_posix() for name in files if is_media(name)]
    return sorted(names)


def is_media(name: str) -> bool:
    """Whether a name is that of a media file, and not hidden."""
    return not name.startswith(".") and Path(name).suffix.lower() in MEDIA_SUFFIXES


def sidecar_of(path: Path) -> Path | None:
    """The subtitle file next to a media file; None without one."""
    return next((found for suffix in SIDECAR_SUFFIXES if (found := path.with_suffix(suffix)).exists()), None)


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
