"""Counts of files by what can be filtered: what the page shows next to each filter.

Reads facts of files; feeds the routes of search and indexes.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from vlsa.retrieve.search.file_filter import COLUMNS, SearchedFile, facts_of
from vlsa.retrieve.search.where.columns import FilterColumns

MOST_VALUES = 50
MOST_FOLDERS = 500


def facets(files: Sequence[SearchedFile]) -> dict[str, Any]:
    """Of some files: how many there are of each folder, with video, audio and text, of each language and label."""
    kinds = FilterColumns.of(COLUMNS, [file.columns for file in files]).metadata
    labels = {name: Counter(value for file in files if (value := file.columns.get(name))) for name in kinds}
    return {
        "num_files": len(files),
        "folders": folders(files),
        "has_video": sum(file.has_video for file in files),
        "has_audio": sum(file.has_audio for file in files),
        "has_text": sum(file.has_text for file in files),
        "languages": counted(Counter(language for file in files for language in file.languages)),
        "columns": {name: counted(values) for name, values in labels.items() if len(values) <= MOST_VALUES},
    }


def folders(files: Sequence[SearchedFile]) -> list[dict[str, Any]]:
    """Each folder with the number of files in it, by name."""
    counts = Counter(file.path.rpartition("/")[0] for file in files)
    return [{"name": name, "count": count} for name, count in sorted(counts.most_common(MOST_FOLDERS))]


def columns(files: Sequence[SearchedFile]) -> list[dict[str, Any]]:
    """What a filter can name: each column with its kind, its frequent values, and the range of numbers and dates."""
    known = FilterColumns.of(COLUMNS, [file.columns for file in files])
    rows = [known.row(facts_of(file), file.columns) for file in files]
    return [
        _column(name, kind, [value for row in rows for value in _values(row.get(name))])
        for name, kind in known.kinds.items()
    ]


def _values(value: Any) -> tuple[Any, ...]:
    """None, one, or several as of languages."""
    return value if isinstance(value, tuple) else () if value is None else (value,)


def _column(name: str, kind: str, values: list[Any]) -> dict[str, Any]:
    if kind == "date":
        values = [str(value)[:10] for value in values]
    counts, is_ordered = Counter(values), kind in ("number", "date")
    return {
        "name": name,
        "kind": kind,
        "values": counted(counts) if not is_ordered or len(counts) <= MOST_VALUES else [],
        "least": min(values, default=None) if is_ordered else None,
        "most": max(values, default=None) if is_ordered else None,
    }


def counted(values: Counter[Any]) -> list[dict[str, Any]]:
    """The most frequent values with their counts."""
    return [{"value": value, "count": count} for value, count in values.most_common(MOST_VALUES)]


def languages(files: Iterable[SearchedFile]) -> list[str]:
    """Of the texts."""
    return sorted({language for file in files for language in file.languages})
