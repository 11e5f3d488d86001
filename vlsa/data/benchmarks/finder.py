"""The media files of a folder by name, for annotated clips. The folder is listed once; no file is opened.

Used by convert.py.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vlsa.data.benchmarks.requests import AnnotatedClip
from vlsa.data.media.suffixes import SOUND_SUFFIXES


@dataclass(frozen=True)
class Found:
    """Files that may be a clip's: none, one, or several that cannot be distinguished."""

    names: tuple[str, ...]
    """Relative to the folder."""
    is_cut: bool
    """The file holds the clip alone."""


class MediaFinder:
    """Finds files by their names without ending."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for name in names:
            self._by_stem[PurePosixPath(name).stem].append(name)

    def find(self, clip: AnnotatedClip) -> Found:
        """The files of the first name that any file has; a file of the clip alone comes before the whole video."""
        for is_cut, wanted in ((True, clip.cut_names), (False, clip.video_names)):
            for name in wanted:
                if files := self._files(name):
                    return Found(_choose(files), is_cut)
        return Found((), True)

    def _files(self, name: str) -> list[str]:
        """Files of this name; if it starts with folders, those in such folders before the others."""
        files = self._by_stem.get(name.rpartition("/")[2], [])
        inside = [file for file in files if f"/{PurePosixPath(file).with_suffix('')}".endswith(f"/{name}")]
        return inside or files


def wanted_names(clip: AnnotatedClip) -> str:
    """The first names that were searched for, for people."""
    names = (*clip.cut_names[:1], *clip.video_names[:1])
    return " or ".join(f"{name}.mp4" for name in names) + " (or another ending of media)"


def _choose(files: list[str]) -> tuple[str, ...]:
    """A video has video and audio: it goes before an audio file. Copies in one folder are alike: the first by name."""
    videos = [file for file in files if Path(file).suffix.lower() not in SOUND_SUFFIXES]
    best = sorted(videos or files)
    return tuple(best[:1] if len({PurePosixPath(file).parent for file in best}) == 1 else best)
