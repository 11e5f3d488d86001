"""What lies in a folder of footage, by names alone: media files, caption tables, subtitle files next to media.

Opens no media (but for the first bytes of .webp, which may move, of .xml and .sub, which may be subtitles, and of names
that say nothing), so that it is fast, and imports no decoder. Feeds scan.py and the index.
"""

import difflib
import errno
import os
import unicodedata
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from vlsa.base.errors import ManifestError
from vlsa.data.ingest import left_out
from vlsa.data.ingest.captions import CaptionRow, read_caption_table
from vlsa.data.ingest.manifest import Rejection
from vlsa.data.ingest.sidecars import (
    Sidecars,
    assign_sidecars,
    holds_images,
    holds_subtitles,
    is_subtitles,
    unassigned,
)
from vlsa.data.media.suffixes import MEDIA_SUFFIXES, is_animation, seems_media

TABLE_NAMES = ("captions.csv", "captions.jsonl")
"""In small or capital letters."""
METADATA_NAME = "metadata.csv"
"""Of a table of what is known of each file (metadata.py); in small or capital letters."""
OTHER_TABLE_NAMES = tuple(f"captions.{kind}" for kind in ("tsv", "txt", "json", "xlsx", "xls", "ods", "parquet"))
"""Meant as caption tables, and not read."""
HIDDEN_FOLDERS = frozenset({"$recycle.bin", "system volume information", "#recycle", "@eadir", "__macosx"})
"""Of deleted files, thumbnails and the like: what hides them elsewhere does not here. In small letters."""
MOST_COMPARED = 1000
"""Names in which one that is like a missing one is looked for: a table may name many files that are not there."""


@dataclass(frozen=True)
class Listing:
    """What was found under a folder. Paths are relative to it, with forward slashes."""

    names: tuple[str, ...]
    """Media files, sorted, without hidden ones."""
    unseen: Mapping[str, OSError]
    """Folders that cannot be listed or entered, and links that lead nowhere, and why: what lies there is not known."""
    sidecars: Mapping[str, Sidecars]
    """Subtitle files of the media files that have any."""
    tables: tuple[str, ...] = ()
    """Caption tables, sorted: those of outer folders first."""
    repeats: Mapping[str, str] = field(default_factory=dict)
    """Links that lead to what was found under another name, or to a folder around them, and where they lead."""
    loose: tuple[str, ...] = ()
    """Subtitle files of no media file, sorted."""
    misnamed: tuple[str, ...] = ()
    """Files that begin as media do and have another ending, sorted."""
    other_tables: tuple[str, ...] = ()
    """Caption tables of kinds that are not read, sorted."""
    metadata: tuple[str, ...] = ()
    """Tables of what is known of each file, sorted: those of outer folders first."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Files with the name of a media file that are likely to hold its words and are not read, and that media file."""

    def sees(self, name: str) -> bool:
        """Whether a file would have been found if it were there."""
        return name not in self.unseen and not any(name.startswith(f"{folder}/") for folder in self.unseen)

    def rejections(self, folder: Path, captioned: Container[str] = ()) -> tuple[Rejection, ...]:
        """A line for each folder that cannot be looked into, link not followed, loose subtitle file, misnamed file.

        captioned: files that a caption table names, by whatever name.
        """
        unseen = (left_out.unseen(name, folder / name, error) for name, error in sorted(self.unseen.items()))
        repeats = (left_out.repeat(name, folder / name, to) for name, to in sorted(self.repeats.items()))
        loose = (left_out.loose(name, folder / name) for name in self.loose)
        has_text = {*self.sidecars, *(name for name in self.names if name in captioned)}
        return (
            *unseen,
            *repeats,
            *loose,
            *(left_out.table(name, folder / name, TABLE_NAMES) for name in self.other_tables),
            *(left_out.text(name, folder / name) for name, of in sorted(self.texts.items()) if of not in has_text),
            *(left_out.misnamed(name, folder / name) for name in self.misnamed if name not in captioned),
        )


def list_media(folder: Path) -> Listing:
    """The media files under a folder. Links are followed, each file and folder once, by its real path.

    Raises ManifestError if it is no folder, or cannot be listed itself.
    """
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise ManifestError(f"{folder}: {what}; a folder of media files is needed. Check the path.")
    walk = _Walk(folder)
    walk.enter(folder)
    walk.follow_links()
    if "." in walk.unseen:
        raise ManifestError(
            f"{folder}: cannot be listed ({walk.unseen['.'].strerror}); what is in it is not known. Check the rights "
            "(chmod u+rx), or the drive."
        )
    images = {name for name in walk.subtitles if holds_images(folder / name)}
    sidecars = assign_sidecars(walk.names, walk.subtitles, images)
    loose = unassigned(walk.subtitles, sidecars)
    return Listing(
        tuple(sorted(walk.names)),
        walk.unseen,
        sidecars,
        _outer_first(walk.tables),
        walk.repeats,
        loose=loose,
        misnamed=tuple(sorted(walk.misnamed)),
        other_tables=tuple(sorted(walk.other_tables)),
        metadata=_outer_first(walk.metadata),
        texts=left_out.texts_of(folder, walk.names, walk.others),
    )


def _outer_first(tables: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(tables, key=lambda name: (name.count("/"), name)))


class _Walk:
    """Goes through a folder: first what lies in it, then what its links lead to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._links: list[Path] = []
        self._seen: set[str] = set()
        """Real paths of folders, and of files that links lead to."""
        self.names: list[str] = []
        self.tables: list[str] = []
        self.subtitles: list[str] = []
        self.misnamed: list[str] = []
        self.other_tables: list[str] = []
        self.metadata: list[str] = []
        self.others: list[str] = []
        self.unseen: dict[str, OSError] = {}
        self.repeats: dict[str, str] = {}

    def enter(self, top: Path) -> None:
        """List a folder and what lies in it; links are left for later."""
        for place, folders, files in os.walk(top, onerror=self._fail):
            folders[:] = self._new_folders(place, folders)
            if not os.access(place, os.X_OK, effective_ids=True):
                folders.clear()
                self._fail(PermissionError(errno.EACCES, os.strerror(errno.EACCES), place))
                continue
            self._seen.add(os.path.realpath(place))
            for name in files:
                self._take(Path(place, name))

    def follow_links(self) -> None:
        """Take up what links lead to, unless it was found already."""
        while self._links:
            link = min(self._links)
            self._links.remove(link)
            real = os.path.realpath(link)
            around = os.path.realpath(self._folder)
            if real in self._seen or Path(around).is_relative_to(real) or self._lies_inside(real):
                self.repeats[link.relative_to(self._folder).as_posix()] = real
            elif link.is_dir():
                self.enter(link)
            else:
                self._seen.add(real)
                self._add(link)

    def _new_folders(self, place: str, folders: list[str]) -> list[str]:
        shown = [name for name in folders if not name.startswith(".") and name.lower() not in HIDDEN_FOLDERS]
        self._links += [Path(place, name) for name in shown if os.path.islink(os.path.join(place, name))]
        new = (name for name in shown if not os.path.islink(os.path.join(place, name)))
        return [name for name in new if os.path.realpath(os.path.join(place, name)) not in self._seen]

    def _take(self, path: Path) -> None:
        if path.is_symlink() and not _has_a_use(path.name) and (error := _broken(path)):
            self._fail(error)
        elif is_media(path.name) and path.is_symlink() and os.path.exists(path):
            self._links.append(path)
        else:
            self._add(path)

    def _add(self, path: Path) -> None:
        name = path.relative_to(self._folder).as_posix()
        if path.name.lower() in TABLE_NAMES:
            self.tables.append(name)
        elif path.name.lower() == METADATA_NAME:
            self.metadata.append(name)
        elif path.name.lower() in OTHER_TABLE_NAMES:
            self.other_tables.append(name)
        elif is_media(path.name) or (not path.name.startswith(".") and is_animation(path)):
            self.names.append(name)
        elif is_subtitles(path.name) or holds_subtitles(path):
            self.subtitles.append(name)
        elif path.suffix.lower() in left_out.TEXTS:
            self.others.append(name)
        elif not path.name.startswith(".") and seems_media(path):
            self.misnamed.append(name)

    def _lies_inside(self, real: str) -> bool:
        """Whether a file is one that is taken up under its own name."""
        base = os.path.realpath(self._folder)
        return os.path.isfile(real) and Path(real).is_relative_to(base) and os.path.dirname(real) in self._seen

    def _fail(self, error: OSError) -> None:
        self.unseen[Path(error.filename).relative_to(self._folder).as_posix()] = error


def _broken(link: Path) -> OSError | None:
    """Why a link leads nowhere, if it does: it may have led to a folder, as of a drive that is not connected."""
    try:
        os.stat(link)
    except OSError as error:
        return error
    return None


def _has_a_use(name: str) -> bool:
    """Whether a file is taken up by its name; hidden ones are left alone."""
    return name.startswith(".") or name.lower() in TABLE_NAMES or is_media(name) or is_subtitles(name)


def is_media(name: str) -> bool:
    """Whether a name is that of a media file, and not hidden."""
    return not name.startswith(".") and Path(name).suffix.lower() in MEDIA_SUFFIXES


def unread(folder: Path, name: str, sidecars: Sidecars) -> list[Rejection]:
    """A line for each subtitle file of a media file that is not read."""
    return [
        Rejection(name, str(folder / name), None, None, reason="sidecar", message=f"{folder / path}: not read; {why}")
        for path, why in sidecars.unread
    ]


def read_tables(folder: Path, listing: Listing) -> dict[str, list[CaptionRow]]:
    """Caption rows by the name of their file, those of tables in sub-folders included. Raises CaptionError.

    Paths in a table count from its own folder. A path that names no file as it is written names the one whose name
    differs by the form of its accents alone (NFC or NFD), by back-slashes, or by capital letters if there is only one.
    """
    table: dict[str, list[CaptionRow]] = defaultdict(list)
    names = set(listing.names)
    forms = {name_form(name): name for name in listing.names}
    folded: dict[str, list[str]] = defaultdict(list)
    for form, name in forms.items():
        folded[form.casefold()].append(name)
    for table_name in listing.tables:
        place = folder / table_name
        for row in read_caption_table(place):
            name = relative_name(folder, os.path.join(os.path.dirname(table_name), plain_path(row.path)))
            if name not in names and not os.path.exists(folder / name):
                alike = folded.get(name_form(name).casefold(), [])
                name = forms.get(name_form(name), alike[0] if len(alike) == 1 else name)
            table[name].append(row)
    return dict(table)


def plain_path(path: str) -> str:
    """A path that a table has as an address of a file (file:///footage/my%20cat.mp4), as a path; others as they are."""
    address = urlsplit(path) if path.lower().startswith("file:") else None
    return unquote(address.path, errors="surrogateescape") if address is not None else path


def near_name(name: str, names: Sequence[str]) -> str | None:
    """The name that may be meant by one that names nothing: of the only file that is called so in another folder,
    without its ending, or nearly as it is written.

    Of a large folder only the same sub-folder is looked at, and of that only so much.
    """
    called = name_form(name).rpartition("/")[2]
    few = names if len(names) <= MOST_COMPARED else ()
    elsewhere = [other for other in few if other != name and name_form(other).rpartition("/")[2] == called]
    if len(elsewhere) == 1:
        return elsewhere[0]
    own, place = name_form(name).casefold(), os.path.dirname(name)
    others = names if len(names) <= MOST_COMPARED else [one for one in names if os.path.dirname(one) == place]
    others = [other for other in others[:MOST_COMPARED] if other != name]
    same = [other for other in others if os.path.splitext(name_form(other).casefold())[0] == own]
    return next(iter(same or difflib.get_close_matches(name, others, 1, 0.8)), None)


def name_form(name: str) -> str:
    """A name with composed accents (NFC; macOS writes NFD) and forward slashes: equal for ways to write one name."""
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def relative_name(folder: Path, path: str) -> str:
    """`./a/../cat.mp4` and the file's whole path, by links or not, all name cat.mp4; one outside has its whole path."""
    for of in (os.path.abspath, os.path.realpath):
        base, normal = Path(of(folder)), Path(of(folder / path))
        if normal.is_relative_to(base):
            return normal.relative_to(base).as_posix()
    return os.path.abspath(folder / path)
