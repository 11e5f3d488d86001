"""An annotation file, opened: which form it has, its rows, and one error for a file that is the wrong one.

Publishers' names are not relied on, since people rename files: an adapter recognises a file by its columns or keys.
Only what split a file is for may come from its name. Read by the adapters; reads pickles.py and captions.py.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vlsa.base.errors import ManifestError
from vlsa.data.benchmarks.pickles import is_pickle, read_pickle
from vlsa.data.benchmarks.requests import Request, Source
from vlsa.data.benchmarks.values import named
from vlsa.data.media.text_files import read_text, without_separator_line

SPLIT_WORDS = {
    "train": ("train", "training", "trn", "trainval"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation", "publictect"),
}
"""Words in the names of published files; `publictect` is LSMDC's own spelling."""
MOST_NAMES_SHOWN = 8


@dataclass(frozen=True, eq=False)
class AnnotationFile:
    """A file as text, or as the value that its JSON or pickle holds."""

    source: Source
    text: str = ""
    value: Any = None
    is_document: bool = False
    """JSON or pickle."""

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.source.path

    @cached_property
    def header(self) -> tuple[str, ...]:
        """Cells of the first line that is not a comment, in lower case."""
        lines = (line.strip() for line in io.StringIO(self.text, newline=None))
        first = next((line for line in lines if line and not line.startswith("#")), "")[:10_000]
        return tuple(cell.strip().lower() for cell in next(csv.reader([first], skipinitialspace=True), ()))

    def has_columns(self, *names: str) -> bool:
        """Whether a table's first line names these."""
        return not self.is_document and set(names) <= set(self.header)

    def has_keys(self, *names: str) -> bool:
        """Whether this is an object with these keys."""
        return isinstance(self.value, dict) and set(names) <= set(self.value)

    def is_list_with(self, *names: str) -> bool:
        """Whether this is a list of objects of which the first has these keys."""
        value = self.value
        return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and set(names) <= set(value[0])

    def is_id_list(self) -> bool:
        """Whether this is one word a line."""
        return not self.is_document and bool(self.text.strip()) and not re.search(r"\S[ \t,;]+\S|[<>{}]", self.text)

    @property
    def found(self) -> str:
        """What the file is, for an error."""
        if self.is_document:
            return _describe(self.value)
        if not self.text.strip():
            return "an empty file"
        return f"a first line of {_some(self.header)}"

    def known_split(self) -> str:
        """As a person asked, else by a word in the file's name; blank when neither says."""
        words = split_words(self.path.stem)
        named = [split for split, known in SPLIT_WORDS.items() if words & set(known)]
        return self.source.asked_split or (named[0] if len(named) == 1 else "")

    def split(self, advice: str = "") -> str:
        """As `known_split`. Raises ManifestError, with `advice` on what else to do, when nothing says."""
        split = self.known_split()
        if not split:
            raise ManifestError(
                f"{self.path}: the name does not say whether this is for training, validation or test; a wrong guess "
                f"would make scores worthless. Write train={self.path} (or val=, test=){advice}."
            )
        return split

    def lines(self) -> Iterator[tuple[str, str]]:
        """File:line, and the line, of those that are not blank."""
        for number, line in enumerate(self.text.split("\n"), 1):
            if line.strip():
                yield f"{self.path}:{number}", line.rstrip("\r")

    def rows(self, *, as_audioset: bool = False) -> Iterator[tuple[str, list[str]]]:
        """File:line, and the cells, of a CSV, strict on quotes. `as_audioset`: comma and space; # starts a comment."""
        reader = csv.reader(io.StringIO(self.text, newline=""), strict=True, skipinitialspace=as_audioset)
        number = 1
        try:
            for cells in reader:
                if cells and not (as_audioset and cells[0].startswith("#")):
                    yield f"{self.path}:{number}", cells
                number = reader.line_num + 1
        except csv.Error as error:
            raise ManifestError(
                f"{self.path}:{number}: not readable as CSV ({error}); captions would land in the wrong row. Check the "
                "quotes of this line, or get the file again."
            ) from error

    def records(self, *names: str) -> Iterator[tuple[str, dict[str, str]]]:
        """File:line, and the values of these columns, of a CSV with header."""
        twice = next((name for name in names if self.header.count(name) > 1), None)
        if twice:
            raise ManifestError(
                f"{self.path}:1: two columns are named {twice!r}; which one counts is not known. Rename one of them."
            )
        rows = self.rows()
        next(rows, None)
        for where, cells in rows:
            if len(cells) != len(self.header):
                raise ManifestError(
                    f"{where}: {len(cells)} values for {len(self.header)} columns ({_some(self.header)}); words would "
                    'be lost or land in the wrong column. Put "quotes" around a text with commas.'
                )
            values = dict(zip(self.header, cells, strict=True))
            yield where, {name: values[name] for name in names}


def split_words(name: str) -> set[str]:
    """The words of a file's name, in lower case; trainSet is train and set."""
    return set(re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()))


def open_all(request: Request) -> list[AnnotationFile]:
    """Every file that was named."""
    return [open_file(source) for source in request.sources]


def open_file(source: Source) -> AnnotationFile:
    """Read a file whole. Raises ManifestError or CaptionError: missing, not text, not JSON, not a plain pickle."""
    path = source.path
    try:
        if is_pickle(path):
            return AnnotationFile(source, value=read_pickle(path), is_document=True)
    except OSError as error:
        raise ManifestError(
            f"{path}: cannot be read ({error.strerror}); an annotation file is needed. Check the path."
        ) from error
    text = without_separator_line(read_text(path))
    if text.lstrip()[:1] not in ("{", "["):
        return AnnotationFile(source, text=text)
    try:
        return AnnotationFile(source, value=_parse_json(text), is_document=True)
    except (ValueError, RecursionError) as error:
        raise ManifestError(
            f"{path}: starts as JSON does and is not ({str(error)[:120]}); no caption can be read from it. Get the "
            "file again."
        ) from error


def _parse_json(text: str) -> Any:
    """A document, or the list of objects that stand on a line each. Raises ValueError and RecursionError."""
    value, end = json.JSONDecoder().raw_decode(text, len(text) - len(text.lstrip()))
    if not text[end : end + 1000].strip() and not text[end:].strip():
        return value
    if not isinstance(value, dict) or not text[end:].lstrip().startswith("{"):
        raise ValueError(f"more follows after character {end:,}")
    values = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            values += [json.loads(line)] if line.strip() else []
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    return values


def wrong_file(file: AnnotationFile, name: str, expected: Sequence[str]) -> ManifestError:
    """The error for a file that has no known form of a data set."""
    return ManifestError(
        f"{file.path}: not an annotation file of {name}: found {file.found}; nothing could be read from it. Expected "
        f"{'; or '.join(expected)}."
    )


def files_by_form(
    files: Iterable[AnnotationFile], name: str, forms: dict[str, tuple[str, Any]]
) -> dict[str, list[AnnotationFile]]:
    """Files by form. `forms`: name of the form to (what to call it in messages, predicate). Raises ManifestError."""
    found: dict[str, list[AnnotationFile]] = {form: [] for form in forms}
    for file in files:
        form = next((form for form, (_, fits) in forms.items() if fits(file)), None)
        if form is None:
            raise wrong_file(file, name, [expected for expected, _ in forms.values()])
        found[form].append(file)
    return found


def read_ids(file: AnnotationFile) -> Iterator[tuple[str, str]]:
    """File:line, and the id, of a list; ids are strings, and keep their leading zeros."""
    for where, line in file.lines():
        yield where, line.strip()


def _describe(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object with the keys {_some(value)}"
    if isinstance(value, list):
        is_list = value and isinstance(value[0], list)  # no deeper: a list in a pickle may hold itself
        return f"a list of {'lists' if is_list else _describe(value[0]) if value else 'nothing'}"
    return {"str": "a text", "int": "a number", "float": "a number"}.get(type(value).__name__, type(value).__name__)


def _some(names: Iterable[Any]) -> str:
    shown = [named(name) for name, _ in zip(names, range(MOST_NAMES_SHOWN + 1), strict=False)]
    rest = ", ..." if len(shown) > MOST_NAMES_SHOWN else ""
    return repr(", ".join(shown[:MOST_NAMES_SHOWN]) + rest) if shown else "nothing"
