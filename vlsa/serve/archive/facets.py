"""Counts of files by what can be filtered: what the page shows next to each filter.

A count is the number of files that its filter keeps: a folder counts with those below it, as the page asks for it, and
a language with those that a filter means by it (languages.py). Reads facts of files; feeds the routes of search and
indexes.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vlsa.retrieve.search.file_filter import COLUMNS, SearchedFile, facts_of
from vlsa.retrieve.search.languages import languages_meant
from vlsa.retrieve.search.where.columns import FILE, METADATA, FilterColumns, composed

MOST_VALUES = 50
MOST_FOLDERS = 500
COUNTED_FACTS = ("video_codec", "audio_codec", "text_from")
"""Texts of every file that are not counted under a name of their own."""


@dataclass(frozen=True, eq=False)
class Facets:
    """Counts in an index."""

    listed: Sequence[SearchedFile]
    """All its files."""

    @cached_property
    def _known(self) -> FilterColumns:
        return FilterColumns.of(COLUMNS, [file.columns for file in self.listed])

    @cached_property
    def languages(self) -> list[str]:
        """Of the texts."""
        return sorted({language for file in self.listed for language in file.languages})

    def of(self, files: Sequence[SearchedFile]) -> dict[str, Any]:
        """Of some files: how many there are of each folder, with video, audio and text, of each language and value."""
        return {
            "num_files": len(files),
            "folders": folders(files),
            "has_video": sum(file.has_video for file in files),
            "has_audio": sum(file.has_audio for file in files),
            "has_text": sum(file.has_text for file in files),
            "languages": counted(self._by_language(files)),
            "columns": {name: counted(found) for name, found in self._texts(files) if len(found) <= MOST_VALUES},
        }

    def _texts(self, files: Sequence[SearchedFile]) -> Iterable[tuple[str, Counter[str]]]:
        """Values of columns, by the name that a filter has for them."""
        for name in COUNTED_FACTS:
            yield self._known.called(name, FILE), _count(getattr(file, name) for file in files)
        for name in self._known.metadata:
            yield self._known.called(name, METADATA), _count(composed(file.columns.get(name, "")) for file in files)

    def _by_language(self, files: Sequence[SearchedFile]) -> Counter[str]:
        meant = {language: {*languages_meant(language, self.languages)} for language in self.languages}
        found = {name: sum(not codes.isdisjoint(file.languages) for file in files) for name, codes in meant.items()}
        return Counter({name: count for name, count in found.items() if count})

    def columns(self) -> list[dict[str, Any]]:
        """What a filter can name: each column with its kind, frequent values, and the range of numbers and dates."""
        rows = [self._known.row(facts_of(file), file.columns) for file in self.listed]
        spoken = self._known.called("language", FILE)
        counts = {name: _count(row.get(name) for row in rows) for name in self._known.kinds if name != spoken}
        counts[spoken] = self._by_language(self.listed)
        return [_column(name, kind, counts[name]) for name, kind in self._known.kinds.items()]


def _count(values: Iterable[Any]) -> Counter[Any]:
    """Without those that are missing."""
    return Counter(value for value in values if value is not None and value != "")


def folders(files: Sequence[SearchedFile]) -> list[dict[str, Any]]:
    """Each folder that has files, by name, with the number of files in it and below; the top one, "", without those."""
    inside = Counter(file.path.rpartition("/")[0] for file in files)
    counts = inside.copy()
    for folder, count in inside.items():
        above = folder.rpartition("/")[0]
        while above:
            if above in inside:
                counts[above] += count
            above = above.rpartition("/")[0]
    return [{"name": name, "count": count} for name, count in sorted(counts.most_common(MOST_FOLDERS))]


def _column(name: str, kind: str, counts: Counter[Any]) -> dict[str, Any]:
    is_ordered = kind in ("number", "date")
    if kind == "date":
        counts = Counter(str(value)[:10] for value in counts.elements())
    return {
        "name": name,
        "kind": kind,
        "values": counted(counts) if not is_ordered or len(counts) <= MOST_VALUES else [],
        "least": min(counts, default=None) if is_ordered else None,
        "most": max(counts, default=None) if is_ordered else None,
    }


def counted(values: Counter[Any]) -> list[dict[str, Any]]:
    """The most frequent values with their counts."""
    return [{"value": value, "count": count} for value, count in values.most_common(MOST_VALUES)]
