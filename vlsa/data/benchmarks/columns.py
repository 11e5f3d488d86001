"""Which column of a table, or key of an object, is what: the one notion that all generic readers share.

`path=file_name,start=from,stop=to,text=caption_1,text=caption_2` as a person writes it with --columns, or as a data set
of sets.py has it. Used by records.py and clip_rows.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase

from vlsa.base.errors import ConfigError, ManifestError
from vlsa.config.overrides import nearest
from vlsa.data.benchmarks.values import named

KEY, VALUE = "@key", "@value"
"""Of an object {id: ...}: the id, and what belongs to it where that is no object itself."""
EXAMPLE = "--columns path=video,start=from,stop=to,text=caption"


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Names of columns by what they hold; blank where there is none."""

    path: str
    """A file's name, with or without folders and ending, or the id of a video."""
    text: tuple[str, ...]
    """Captions, each a text or a list of them; `caption_*` stands for all columns that begin so."""
    start: str = ""
    """Seconds, or h:mm:ss.s."""
    stop: str = ""
    span: str = ""
    """Start and stop together: [start, stop], or a list of these with a list of as many captions."""
    split: str = ""
    folder: str = ""
    """Of the file, where `path` has none."""
    name: str = ""
    """Another name of the clip: of its file, or in lists of ids."""

    @property
    def needed(self) -> tuple[str, ...]:
        """Every column that has to be there; `caption_*` as it is written."""
        single = (getattr(self, field.name) for field in fields(self) if field.name != "text")
        return tuple(name for name in (*single, *self.text) if name)

    def missing(self, found: Iterable[str]) -> list[str]:
        """Those that a record with these columns lacks."""
        known = list(found)
        return [name for name in self.needed if not any(fnmatchcase(column, name) for column in known)]

    def texts(self, found: Iterable[str]) -> list[str]:
        """The columns of captions, in the file's order within a pattern."""
        known = list(found)
        return [column for name in self.text for column in known if fnmatchcase(column, name)]


def parse_columns(text: str, path: str = "") -> Columns:
    """What a person wrote: `ROLE=COLUMN` with commas between them. Raises ConfigError.

    path: the column of files where a person need not name it.
    """
    roles = [field.name for field in fields(Columns)]
    chosen: dict[str, list[str]] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        role, equals, column = word.partition("=")
        if not equals or not column.strip():
            raise ConfigError(f"--columns {word}: not ROLE=COLUMN. Write it as {EXAMPLE}.")
        if role not in roles:
            raise ConfigError(f"--columns {word}: a column cannot be the {role!r} of a clip. {nearest(role, roles)}")
        chosen.setdefault(role, []).append(column.strip())
    twice = next((role for role, columns in chosen.items() if len(columns) > 1 and role != "text"), None)
    if path:
        chosen.setdefault("path", [path])
    lacking = next((role for role in ("path", "text") if role not in chosen), None)
    if twice:
        raise ConfigError(
            f"--columns: two columns for {twice}; which one counts is not known. Only text may have several."
        )
    if lacking:
        raise ConfigError(f"--columns {text}: no column for {lacking}; no clip is without. Write it as {EXAMPLE}.")
    one = {role: columns[0] for role, columns in chosen.items() if role != "text"}
    return Columns(text=tuple(chosen["text"]), **one)


def check_columns(columns: Columns, found: Iterable[str], where: str) -> None:
    """Raises ManifestError that names a column that is not there, and the nearest one that is."""
    known = [named(name) for name in found]
    lacking = next(iter(columns.missing(known)), None)
    if lacking is not None:
        hint = nearest(lacking, known) if known else "It has none."
        raise ManifestError(f"{where}: no column or key {lacking!r}; no clip could be made. {hint}")
