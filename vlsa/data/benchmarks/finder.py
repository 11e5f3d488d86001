"""The media files of a folder by name, for annotated clips. The folder is listed once.

Used by placing.py, which scans what is found here. Files are opened only to compare several of one name.
"""

import filecmp
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from vlsa.data.benchmarks.requests import AnnotatedClip
from vlsa.data.benchmarks.youtube import ID_CHARACTERS, ids_with_times, names_of
from vlsa.data.media.suffixes import SOUND_SUFFIXES


@dataclass(frozen=True, slots=True)
class Found:
    """A file that may be a clip's, or several that cannot be distinguished."""

    names: tuple[str, ...]
    """Relative to the folder."""
    is_cut: bool
    """The file holds the clip alone."""


class MediaFinder:
    """Finds files by their names without ending."""

    def __init__(self, folder: Path, names: Iterable[str], *, needs_sound: bool = False) -> None:
        """needs_sound: an audio file next to a video of its name is a second choice, for silent videos."""
        self._folder, self._needs_sound = folder, needs_sound
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for name in names:
            self._by_stem[PurePosixPath(name).stem].append(name)
        self._cut_ids = {id for stem in self._by_stem for id in ids_with_times(stem)}

    def find(self, clip: AnnotatedClip) -> tuple[Found, ...]:
        """What may be the clip's file, the likeliest first: a file of the clip alone comes before the whole video."""
        by_times = any(len(video) != ID_CHARACTERS or video in self._cut_ids for video in clip.video_names)
        found = (
            Found(names, is_cut)
            for name, is_cut in names_of(clip, by_times=by_times)
            if name.rpartition("/")[2] in self._by_stem
            for names in self._choices(self._files(name), clip.suffix)
        )
        return tuple(dict.fromkeys(found))

    def _files(self, name: str) -> list[str]:
        """Files of this name; if it starts with folders, those in such folders before the others."""
        files = self._by_stem.get(name.rpartition("/")[2], [])
        inside = [file for file in files if f"/{PurePosixPath(file).with_suffix('')}".endswith(f"/{name}")]
        return inside or files

    def _choices(self, files: Sequence[str], suffix: str) -> Iterator[tuple[str, ...]]:
        """A file with the annotations' ending; else a video, which may have audio too, goes before an audio file."""
        exact = [file for file in files if suffix and PurePosixPath(file).suffix.lower() == suffix]
        sounds = [file for file in files if Path(file).suffix.lower() in SOUND_SUFFIXES]
        videos = [file for file in files if file not in sounds]
        kinds = [kind for kind in (exact, videos, sounds) if kind]
        yield from map(self._distinct, kinds if self._needs_sound else kinds[:1])

    def _distinct(self, files: Sequence[str]) -> tuple[str, ...]:
        """Files of one folder are copies of each other: the first by name. Of others, those that differ in content."""
        different: list[str] = []
        folders: set[PurePosixPath] = set()
        for file in sorted(files):
            if PurePosixPath(file).parent not in folders and not any(self._equal(file, other) for other in different):
                different.append(file)
            folders.add(PurePosixPath(file).parent)
        return tuple(different)

    def _equal(self, name: str, other: str) -> bool:
        try:
            return _equal_files(self._folder / name, self._folder / other)
        except OSError:  # scanning will report it
            return False


@lru_cache(maxsize=10_000)
def _equal_files(path: Path, other: Path) -> bool:
    return filecmp.cmp(path, other, shallow=False)


def wanted_names(clip: AnnotatedClip) -> str:
    """The first names that were searched for, for people."""
    first = next((name for name, is_cut in names_of(clip) if is_cut), "")
    names = dict.fromkeys(name for name in (first, *clip.video_names[:1]) if name)
    return " or ".join(f"{name}{clip.suffix or '.mp4'}" for name in names) + " (or another ending of media)"
