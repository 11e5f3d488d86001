"""Filters on the files of an index: the columns as people name them, and which files a filter keeps.

Reads facts of files; feeds tables.py.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from vlsa.base.errors import VlsaError
from vlsa.retrieve.index.file_facts import FileFacts
from vlsa.retrieve.search.languages import language_code, languages_meant
from vlsa.retrieve.search.where.columns import FilterColumns, composed
from vlsa.retrieve.search.where.evaluate import passes
from vlsa.retrieve.search.where.expression import All, Any, Comparison, Expression, Kind, Like, Not
from vlsa.retrieve.search.where.parse import check_filter, parse

DECIMALS = 3
"""To which numbers of files are compared, so that 30000/1001 frames a second are 29.97."""
COLUMNS: dict[str, Kind] = {
    "path": "text",
    "folder": "text",
    "name": "text",
    "duration": "number",
    "size": "number",
    "width": "number",
    "height": "number",
    "fps": "number",
    "recorded": "date",
    "modified": "date",
    "video_codec": "text",
    "audio_codec": "text",
    "has_video": "boolean",
    "has_audio": "boolean",
    "has_text": "boolean",
    "language": "text",
    "text_from": "text",
}
"""What a filter can name of every file; columns of a metadata.csv come in addition."""


@dataclass(frozen=True, kw_only=True)
class SearchedFile(FileFacts):
    """A file as a filter sees it: its facts, and those of its texts."""

    languages: tuple[str, ...] = ()
    """Of its texts in the index, in order, as `language_code` has them."""

    @classmethod
    def of_texts(cls, file: FileFacts, languages: Iterable[str | None]) -> "SearchedFile":
        """A file with texts in these languages."""
        known = {language_code(language) for language in languages if language}
        return cls(**vars(file), languages=tuple(sorted(known)))


def kept_paths(where: str, files: Sequence[SearchedFile]) -> set[str]:
    """Of the files that a filter keeps. Raises VlsaError for one that cannot be read, or is empty."""
    check_filter(where)
    columns = FilterColumns.of(COLUMNS, [file.columns for file in files])
    held = {language for file in files for language in file.languages}
    expression = _as_facts_are(parse(where, columns.kinds, columns.no_numbers), held)
    rows = {file.path: columns.row(facts_of(file), file.columns) for file in files}
    for pattern in _patterns(expression):
        _check_pattern(pattern, rows.values())
    return {path for path, row in rows.items() if passes(expression, row)}


def _patterns(expression: Expression) -> Iterator[Like]:
    """Those of a filter."""
    match expression:
        case Not(part):
            yield from _patterns(part)
        case All(parts) | Any(parts):
            for part in parts:
                yield from _patterns(part)
        case Like():
            yield expression


def _check_pattern(like: Like, rows: Iterable[Mapping[str, object]]) -> None:
    """Raises VlsaError for a pattern without our wildcards that is true of no file, and meant with some.

    With those of SQL, or as a part of the text, of which it would be true.
    """
    rows = [*rows]
    if {"*", "?"} & {*like.pattern} or any(passes(like, row) for row in rows):
        return
    is_sql = "%" in like.pattern
    meant = replace(like, pattern=like.pattern.replace("%", "*") if is_sql else f"*{like.pattern}*")
    if is_sql or (like.pattern and any(passes(meant, row) for row in rows)):
        why = "% stands for itself" if is_sql else "it is compared with the whole text"
        raise VlsaError(
            f"where: {like.column} like '{like.pattern[:80]}' is true of no file, since {why}; nothing "
            f"was searched. * is any text, and ? any one character: write {like.column} like '{meant.pattern[:80]}'."
        )


def absent_values(where: str, files: Sequence[SearchedFile]) -> list[str]:
    """A line for each text that a filter asks for by = and that no file has, with the nearest there is."""
    columns = FilterColumns.of(COLUMNS, [file.columns for file in files])
    expression = _as_facts_are(parse(where, columns.kinds), {code for file in files for code in file.languages})
    rows = [columns.row(facts_of(file), file.columns) for file in files]
    return [
        _absent(comparison, {str(value) for row in rows if (value := row.get(comparison.column)) is not None})
        for comparison in _comparisons(expression)
        if not any(passes(comparison, row) for row in rows)
    ]


def _comparisons(expression: Expression) -> Iterator[Comparison]:
    """Those by = with texts, that are not denied."""
    match expression:
        case All(parts) | Any(parts):
            for part in parts:
                yield from _comparisons(part)
        case Comparison(_, _, "=", str()):
            yield expression


def _absent(comparison: Comparison, values: Collection[str]) -> str:
    name, value = comparison.column, str(comparison.value)
    line = f"no file has {name} = '{value[:80]}'"
    if name in ("folder", "file.folder") and any(one.startswith(f"{value}/") for one in values):
        return f"{line}; those below it: {name} like '{value[:80]}/*'"
    folded = {one.casefold(): one for one in values}
    near = get_close_matches(value.casefold(), folded, 1, 0.6)
    return f"{line}; did you mean '{folded[near[0]]}'?" if near else line


def _as_facts_are(expression: Expression, languages: Collection[str]) -> Expression:
    """A filter with its values written as `facts_of` writes them; `languages` are those that the files have."""
    match expression:
        case Not(part):
            return Not(_as_facts_are(part, languages))
        case All(parts) | Any(parts):
            return type(expression)(tuple(_as_facts_are(part, languages) for part in parts))
        case Comparison("language" | "file.language", _, "=" | "!=" as operator, str(value)):
            meant = languages_meant(value, languages) or [language_code(value)]
            parts = tuple(replace(expression, value=code) for code in meant)
            return Any(parts) if operator == "=" else All(parts)
        case Comparison("language" | "file.language", _, _, str(value)):
            return replace(expression, value=language_code(value))
        case Comparison("folder" | "file.folder", _, _, str(value)):
            return replace(expression, value=_folder(value))
        case Comparison("fps" | "file.fps" | "duration" | "file.duration", _, _, float(value)):
            return replace(expression, value=round(value, DECIMALS))
    return expression


def _folder(name: str) -> str:
    """A folder as the index names it; the top one, that of the source itself, is empty there."""
    plain = name.removeprefix("./").rstrip("/")
    return "" if plain == "." else plain


def facts_of(file: SearchedFile) -> dict[str, object]:
    """What a filter can name of a file. Of several values, as of languages, a filter asks for any."""
    path = composed(file.path)
    folder, _, name = path.rpartition("/")
    return {
        "path": path,
        "folder": folder,
        "name": name,
        "duration": round(file.duration_seconds, DECIMALS),
        "size": file.size_bytes,
        "width": file.width_px,
        "height": file.height_px,
        "fps": None if file.frames_per_second is None else round(file.frames_per_second, DECIMALS),
        "recorded": file.recorded_at,
        "modified": file.modified_at,
        "video_codec": file.video_codec,
        "audio_codec": file.audio_codec,
        "has_video": file.has_video,
        "has_audio": file.has_audio,
        "has_text": file.has_text,
        "language": file.languages or None,
        "text_from": file.text_from,
    }
