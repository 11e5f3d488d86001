"""A folder of footage by what its names and tables say, before a media file is opened. Feeds scan.py."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlsa.base.errors import ManifestError
from vlsa.data.ingest.captions import CaptionRow
from vlsa.data.ingest.listing import Listing, read_tables, unread
from vlsa.data.ingest.manifest import Rejection
from vlsa.data.ingest.sidecars import Sidecar, Sidecars
from vlsa.data.media.suffixes import MEDIA_SUFFIXES


@dataclass(frozen=True)
class Footage:
    """What is to be scanned, and which texts there are for it."""

    folder: Path
    listed: Listing
    table: Mapping[str, Sequence[CaptionRow]]
    """Rows of caption tables by the name of their file, which may be missing, or have no ending of media."""
    sidecars: Mapping[str, Sidecars]
    """Subtitle files, of one language, by the name of a media file that no table names."""
    forbidden: tuple[Rejection, ...]
    """Files outside of the folder that a table names."""

    @classmethod
    def of(cls, folder: Path, listed: Listing, allow_outside: bool) -> "Footage":
        """Raises ManifestError when there is nothing to scan, CaptionError for a table that cannot be read."""
        table = {name: rows for name, rows in read_tables(folder, listed).items() if listed.sees(name)}
        outside = [] if allow_outside else [name for name in table if os.path.isabs(name)]
        forbidden = tuple(_forbidden(name, table.pop(name)) for name in sorted(outside))
        if not listed.names and not table and not listed.unseen and not forbidden:
            raise ManifestError(
                f"{folder}: no media files in it; there is nothing to learn from. "
                f"Known endings: {', '.join(sorted(MEDIA_SUFFIXES))}."
            )
        sidecars = {name: found.first() for name, found in listed.sidecars.items() if name not in table}
        return cls(folder, listed, table, sidecars, forbidden)

    @property
    def names(self) -> list[str]:
        """Every file to scan, sorted: one that does not exist is found out, and reported, like the rest."""
        return sorted({*self.listed.names, *self.table})

    def sidecar(self, name: str) -> Sidecar | None:
        """The subtitle file of a media file, relative to the folder."""
        return next(iter(self.sidecars.get(name, Sidecars()).read), None)

    def rejections(self) -> list[Rejection]:
        """What is left out, or not read, by names alone."""
        others = [one for name, found in sorted(self.sidecars.items()) for one in unread(self.folder, name, found)]
        return [*self.listed.rejections(self.folder, self.table), *others, *self.forbidden]


def _forbidden(name: str, rows: Sequence[CaptionRow]) -> Rejection:
    where = f"{name}: line {rows[0].line_number} of a caption table names this file outside of the folder"
    message = f"{where}; it is left out. Move it, or allow it with --allow-outside."
    return Rejection(name, name, None, None, reason="not_allowed", message=message)
