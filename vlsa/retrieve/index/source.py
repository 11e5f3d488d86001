"""What an index is to be made of: the files of a folder with the state of each, or the clips of a store by file.

Looks at names, sizes and times only, so that a folder in which nothing changed is dealt with in a moment; imports
neither PyTorch nor a decoder. Feeds changes.py and update.py.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from vlsa.base.errors import ManifestError
from vlsa.data.ingest.captions import CaptionRow
from vlsa.data.ingest.listing import METADATA_NAME, Listing, list_media, read_tables, unread
from vlsa.data.ingest.manifest import ClipRow, Rejection
from vlsa.data.ingest.metadata import by_listed_name, read_metadata
from vlsa.data.ingest.sidecars import Sidecar, Sidecars
from vlsa.data.media.suffixes import MEDIA_SUFFIXES

if TYPE_CHECKING:
    from vlsa.data.store.reader import ClipStore


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file and the state it is in; equal states, and there is nothing to do."""

    path: str
    """Relative to the source, with forward slashes; absolute for a file elsewhere."""
    media: str
    words: str = ""
    labels: str = ""
    size_bytes: int | None = None
    modified_seconds: float | None = None
    sidecars: tuple[Sidecar, ...] = ()
    """Subtitle files, one a language, with absolute paths."""
    unread: tuple[Rejection, ...] = ()
    """Subtitle files that are left out."""
    captions: tuple[CaptionRow, ...] = ()
    """Its rows of the caption tables; with any, its subtitles are not read."""
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    clips: tuple[ClipRow, ...] = ()
    """Of a store: clips with absolute paths."""

    @property
    def states(self) -> tuple[str, str, str]:
        return self.media, self.words, self.labels


@dataclass(frozen=True, kw_only=True)
class Source:
    """All files of a folder or a store, and those that cannot be named."""

    root: Path
    files: Mapping[str, SourceFile]
    rejections: tuple[Rejection, ...] = ()
    listing: Listing | None = None
    """Of a folder; it may have parts that cannot be looked into."""
    store: "ClipStore | None" = None

    def sees(self, path: str) -> bool:
        """Whether a file that is not among the files is not there; else that is not known."""
        return self.listing is None or self.listing.sees(path)

    def absolute(self, path: str) -> str:
        """Where a file lies."""
        return os.path.join(self.root, path)


def list_source(root: Path, heard_by: str = "") -> Source:
    """The files of a folder of media, or of a clip store. Raises ManifestError, CaptionError, StoreError.

    `heard_by`: the fingerprint of the model that transcribes files without text, if they are.
    """
    if os.path.exists(root / "store.json"):
        return _list_store(root)
    listing = list_media(root)
    tables = read_tables(root, listing)
    names = sorted({*listing.names, *filter(listing.sees, tables)})
    metadata = by_listed_name(read_metadata(root, listing.metadata), names)
    good = [name for name in names if _is_unicode(name)]
    files = {name: _file(root, name, tables.get(name, ()), metadata.get(name, {}), listing, heard_by) for name in good}
    bad = (_bad_name(root, name) for name in names if not _is_unicode(name))
    unused = (_unused_row(root, name) for name in sorted(metadata.keys() - set(names)) if listing.sees(name))
    rejections = (*listing.rejections(root, tables), *bad, *unused)
    return Source(root=root, files=files, rejections=rejections, listing=listing)


def check_not_empty(source: Source) -> None:
    """Raises ManifestError when there is nothing to index."""
    if not source.files and not source.rejections:
        raise ManifestError(
            f"{source.root}: no media files in it; nothing could be found. "
            f"Known endings: {', '.join(sorted(MEDIA_SUFFIXES))}."
        )


def _file(
    root: Path,
    name: str,
    captions: Sequence[CaptionRow],
    metadata: Mapping[str, str],
    listing: Listing,
    heard_by: str,
) -> SourceFile:
    sidecars = Sidecars() if captions else listing.sidecars.get(name, Sidecars())
    media, size_bytes, modified_seconds = _on_disk(root / name)
    spoken = [(row.start_seconds, row.stop_seconds, row.text) for row in captions]
    return SourceFile(
        path=name,
        media=media,
        words=_words(root, spoken, sidecars) if spoken else _words(root, heard_by, sidecars),
        labels=_digest(sorted(metadata.items())) if metadata else "",
        size_bytes=size_bytes,
        modified_seconds=modified_seconds,
        sidecars=tuple(replace(one, path=os.path.join(root, one.path)) for one in sidecars.read),
        unread=tuple(unread(root, name, sidecars)),
        captions=tuple(captions),
        metadata=metadata,
    )


def _words(root: Path, spoken: Sequence[object], sidecars: Sidecars) -> str:
    """The state of what is said of a file elsewhere, or of the model that hears it."""
    read = [(one.path, one.language, _on_disk(root / one.path)[0]) for one in sidecars.read]
    return _digest(spoken, read, sidecars.unread) if spoken or read or sidecars.unread else ""


def _on_disk(path: Path) -> tuple[str, int | None, float | None]:
    """The state of a file, its size in bytes, and when it was last changed."""
    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return "missing", None, None
    readable = "" if os.access(path, os.R_OK) else " unreadable"
    return f"{facts.st_size} {facts.st_mtime_ns}{readable}", facts.st_size, facts.st_mtime


def _list_store(root: Path) -> Source:
    from vlsa.data.store.reader import ClipStore

    store = ClipStore.open(root)
    by_path: dict[str, list[tuple[ClipRow, str | None]]] = {}
    for clip in store.rows():
        path = store.media_path(clip)
        row = ClipRow(clip.id, path, clip.start_seconds, clip.stop_seconds, clip.texts, clip.split, clip.text_kind)
        by_path.setdefault(path, []).append((row, clip.content_digest))
    good = {path: rows for path, rows in by_path.items() if _is_unicode(path)}
    files = {path: _stored_file(path, rows) for path, rows in good.items()}
    bad = tuple(_bad_name(root, path) for path in by_path if path not in good)
    return Source(root=root, files=files, rejections=bad, store=store)


def _stored_file(path: str, clips: Sequence[tuple[ClipRow, str | None]]) -> SourceFile:
    """The file of some stored clips, each with the digest of its media."""
    rows, content = [row for row, _ in clips], [digest for _, digest in clips]
    media = _on_disk(Path(path))[0] if None in content else content
    made = [(row.id, row.start_seconds, row.stop_seconds, row.texts) for row in rows]  # the split does not matter here
    return SourceFile(path=path, media=_digest(media, made), clips=tuple(rows))


def _digest(*values: object) -> str:
    return hashlib.blake2b(repr(values).encode(errors="surrogateescape"), digest_size=12).hexdigest()


def _is_unicode(name: str) -> bool:
    return name.encode(errors="ignore").decode() == name


def _bad_name(root: Path, name: str) -> Rejection:
    path = os.path.join(root, name)
    message = f"{path}: its name is not UTF-8, which the index cannot keep. Rename the file."
    return Rejection(name, path, None, None, reason="file_name", message=message)


def _unused_row(root: Path, name: str) -> Rejection:
    """A row of metadata.csv that names none of the files."""
    path = os.path.join(root, name)
    message = f"{path}: in {METADATA_NAME}, but no media file here; its columns are not used. Correct the path there."
    return Rejection(name, path, None, None, reason="missing", message=message)
