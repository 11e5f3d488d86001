"""One record of an annotation file (columns and values) as the clips that it stands for.

Reads columns.py; used by forms.py. Times are seconds of the whole video, or h:mm:ss.s.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks import values
from vlsa.data.benchmarks.columns import Columns
from vlsa.data.benchmarks.files import SPLIT_WORDS
from vlsa.data.benchmarks.requests import AnnotatedClip
from vlsa.data.benchmarks.youtube import ID_CHARACTERS, PREFIXES, stretch_key
from vlsa.data.media.suffixes import MEDIA_SUFFIXES

STRETCH = re.compile(r"(.+)_(\d+(?:\.\d+)?)_(\d+(?:\.\d+)?)")
"""ID_START_STOP; an id may hold underscores itself."""
START = re.compile(r"(.{11})_(\d{6})")
"""ID_START, for clips of a known length."""
TEXT_LITERAL = re.compile(r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\"""")
LONGEST_LITERAL = 50_000_000
Span = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Form:
    """One kind of annotation file."""

    columns: Columns
    expected: str
    """What it is, for messages."""
    delimiter: str = ""
    """Of a table; blank = comma, tab, semicolon or bar."""
    header: tuple[str, ...] = ()
    """Columns of a table whose first line does not name them."""
    clip_seconds: float | None = None
    """Clips stop so long after their start."""
    times_in_id: bool = False
    """`path` is ID_START_STOP, or ID_START if all clips have one length."""
    often_cut: bool = False
    """See `AnnotatedClip`."""
    join: str | None = None
    """All texts of a video become one, with this between them, and the whole file is the clip."""
    splits: Mapping[str, str] = field(default_factory=dict)
    """Words in the file's name that mean another split than usual."""
    several: tuple[str, ...] = ()
    """Columns that hold captions with semicolons between them."""
    may_be_numbers: bool = False
    """Ids: those of a person's own table were numbers before; those of a published one may have lost their zeros."""
    usual_split: str = ""
    """Where the file's name says none."""


def clips_of(record: Mapping[str, Any], form: Form, *, where: str, path: Path, split: str) -> Iterator[AnnotatedClip]:
    """The clips of a record. Raises ManifestError: not an id, not a time, not a text, lists of different lengths."""
    columns = form.columns
    if form.may_be_numbers:
        record = {**record, **{name: str(record[name]) for name in _numbers(record, columns)}}
    stem, suffix = _file_name(record, columns, where)
    other = (values.identifier(record[columns.name], where, columns.name),) if columns.name else ()
    if columns.split:
        split = _split(record[columns.split], where)
    for span, texts in _parts(record, form, where):
        if form.times_in_id and span is None:
            video, span = _times_of(stem, form.clip_seconds)
            names: dict[str, Any] = _names(video, "", span, form, (stem,) if span else ())
        else:
            names = _names(stem, suffix, span, form, ())
        yield AnnotatedClip(texts=texts, split=split, last_names=other, where=where, path=path, **names)


def _numbers(record: Mapping[str, Any], columns: Columns) -> list[str]:
    """The columns of ids that hold a whole number."""
    return [name for name in (columns.path, columns.name) if name and type(record[name]) is int]


def _names(video: str, suffix: str, span: Span | None, form: Form, others: tuple[str, ...]) -> dict[str, Any]:
    """Fields of a clip that say which one it is and where its file is searched for."""
    if span is None:
        bare = (video.removeprefix(prefix) for prefix in PREFIXES[1:] if video.startswith(prefix))
        videos = tuple(id for id in bare if len(id) == ID_CHARACTERS)
        return {
            "key": video,
            "suffix": suffix,
            "cut_names": (*others, video),
            "video_names": videos if not suffix else (),
        }
    return {
        "key": stretch_key(video, *span),
        "suffix": suffix,
        "span": span,
        "cut_names": others,
        "video_names": (video,),
        "cut_by_times": not suffix,
        "often_cut": form.often_cut,
    }


def _file_name(record: Mapping[str, Any], columns: Columns, where: str) -> tuple[str, str]:
    """Folders and name without ending, and the ending if it is one of media."""
    name = values.identifier(record[columns.path], where, columns.path).replace("\\", "/").removeprefix("./")
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in MEDIA_SUFFIXES:
        suffix = ""
    stem = name[: len(name) - len(suffix)].strip("/")
    folder = values.words(record[columns.folder], where, columns.folder).strip("/") if columns.folder else ""
    return f"{folder}/{stem}" if folder else stem, suffix


def _times_of(stem: str, clip_seconds: float | None) -> tuple[str, Span | None]:
    if match := STRETCH.fullmatch(stem):
        start, stop = float(match[2]), float(match[3])
        if start < stop <= values.LONGEST_SECONDS:
            return match[1], (start, stop)
    if clip_seconds is not None and (match := START.fullmatch(stem)):
        return match[1], (float(match[2]), float(match[2]) + clip_seconds)
    return stem, None


def _parts(record: Mapping[str, Any], form: Form, where: str) -> Iterator[tuple[Span | None, tuple[str, ...]]]:
    """Stretches of the file, and the texts of each; with `join`, the whole file and the texts in order of time."""
    columns = form.columns
    spans = _spans(record, form, where)
    texts = tuple(
        text
        for name in columns.texts(record)
        for text in values.all_words(_captions(record[name], name, form), where, name)
    )
    if spans is None or isinstance(spans, tuple):
        yield (None if form.join is not None else spans), texts
        return
    if len(spans) != len(texts):
        raise ManifestError(
            f"{where}: {len(spans)} stretches and {len(texts)} captions; which belong together is not known. Fix it."
        )
    pairs = sorted(zip(spans, texts, strict=True), key=lambda pair: pair[0][0]) if form.join is not None else None
    if pairs is None:
        yield from ((span, (text,)) for span, text in zip(spans, texts, strict=True))
    else:
        yield None, tuple(text for _, text in pairs)


def _captions(value: Any, name: str, form: Form) -> Any:
    """One caption, or a list of them."""
    if name in form.several and isinstance(value, str):
        return [part for part in value.split(";") if part.strip()]
    if not isinstance(value, str) or not value.startswith("["):
        return value
    found = _literal(value)
    is_texts = isinstance(found, list) and bool(found) and all(isinstance(text, str) for text in found)
    if is_texts and len(found) == 1:
        found = [ast.literal_eval(text) for text in TEXT_LITERAL.findall(value)]  # NumPy writes no commas between them
    return found if is_texts or form.columns.span else value


def _spans(record: Mapping[str, Any], form: Form, where: str) -> Span | list[Span] | None:
    """The stretch of a record, or several, or None for the whole file."""
    columns = form.columns
    if columns.span:
        value = _literal(record[columns.span])
        if value == [] or values.is_blank(value):
            return None
        if not isinstance(value, list | tuple):
            raise ManifestError(f"{where}: {columns.span} is not [start, stop] in seconds. Fix it.")
        several = all(isinstance(each, list | tuple) for each in value)
        return [_span(each, columns.span, where) for each in value] if several else _span(value, columns.span, where)
    start, stop = (_literal(record[name]) if name else None for name in (columns.start, columns.stop))
    if isinstance(start, list) and isinstance(stop, list):
        if len(start) != len(stop):
            raise ManifestError(f"{where}: {len(start)} starts and {len(stop)} stops; which belong together? Fix it.")
        return [_span(pair, columns.start, where) for pair in zip(start, stop, strict=True)] or None
    blank = [values.is_blank(value) for value in (start, stop)]
    if all(blank) and not (columns.start and form.clip_seconds):
        return None
    begin = 0.0 if blank[0] and not blank[1] else values.seconds(start, where, columns.start)
    if not blank[1]:
        return begin, values.seconds(stop, where, columns.stop)
    if form.clip_seconds is None:
        raise ManifestError(f"{where}: starts at {begin:g} s and has no stop. Fill it in, or leave both blank.")
    return begin, begin + form.clip_seconds


def _span(value: Any, name: str, where: str) -> Span:
    if len(value) != 2:
        raise ManifestError(f"{where}: {name} is not [start, stop] in seconds. Fix it.")
    return values.seconds(value[0], where, name), values.seconds(value[1], where, name)


def _literal(value: Any) -> Any:
    """A list that a table holds as Python writes it; anything else as it is."""
    if not (isinstance(value, str) and value.startswith("[") and len(value) <= LONGEST_LITERAL):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return value


def _split(value: Any, where: str) -> str:
    word = values.words(value, where, "split").lower()
    split = next((split for split, words in SPLIT_WORDS.items() if word in (split, *words, f"{split}s")), None)
    if split is None:
        raise ManifestError(f"{where}: split={values.shown(value)} is not one of train, val, test. Fix it.")
    return split
