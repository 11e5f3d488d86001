"""What is to be done so that an index follows its source: which files changed, which are gone, which only moved.

Pure functions of the files there are (source.py) and those in the ledger; feed build.py and update.py.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from vlsa.retrieve.index.ledger import IndexedFile
from vlsa.retrieve.index.source import Source, SourceFile


@dataclass(frozen=True)
class Changes:
    """Files that are new or in another state, and paths of the ledger that are not in the source any more."""

    todo: tuple[SourceFile, ...]
    gone: tuple[str, ...]
    num_seen: int
    """Files of the ledger in folders that can be looked into."""

    def relabelled(self, known: Mapping[str, IndexedFile]) -> list[SourceFile]:
        """Of the files to do, those of which only the row of metadata.csv is another."""
        return [file for file in self.todo if file.path in known and _same(file, known[file.path], num_states=2)]


def compare(source: Source, known: Mapping[str, IndexedFile]) -> Changes:
    """The files of a source against those of the ledger."""
    todo = (file for path, file in source.files.items() if path not in known or not _same(file, known[path], 3))
    seen = [path for path in known if path in source.files or source.sees(path)]
    return Changes(tuple(todo), tuple(path for path in seen if path not in source.files), len(seen))


def _same(file: SourceFile, line: IndexedFile, num_states: int) -> bool:
    return file.states[:num_states] == (line.media, line.words, line.labels)[:num_states]


def agrees(source: Source, known: Mapping[str, IndexedFile]) -> bool:
    """Whether a source at another place holds most of what was indexed: files of the same names and sizes."""
    here = Counter(_name_and_size(file.path, file.media) for file in source.files.values())
    there = Counter(_name_and_size(line.path, line.media) for line in known.values())
    return 2 * (here & there).total() > len(known)


def _name_and_size(path: str, media: str) -> tuple[str, str]:
    return PurePath(path).name, media.partition(" ")[0]


def too_many(gone: int, known: int) -> bool:
    """Whether so many of the known files are gone that it looks like a drive that is not there."""
    return 2 * gone > known


class Donors:
    """Which indexed file has the same content as one that is to be indexed, so that nothing is encoded anew."""

    def __init__(self, known: Mapping[str, IndexedFile]) -> None:
        self._known = known
        self._by_content = {line.content: line for line in known.values() if line.content and line.num_windows}

    def find(self, file: SourceFile, content: str) -> IndexedFile | None:
        """The file whose windows can be taken over."""
        own = self._known.get(file.path)
        if own is not None and own.media == file.media:
            return own if own.num_windows else None
        return self._by_content.get(content)
