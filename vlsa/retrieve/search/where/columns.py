"""What a filter can name: the facts of a file, and the columns of a metadata.csv with the kind that their values have.

A column of the table that has the name of a fact hides neither: they are then called `metadata.NAME` and `file.NAME`,
and the plain name is refused by parse.py. Feeds parse.py with columns and evaluate.py with rows.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vlsa.retrieve.search.where.expression import Columns, Kind

FILE, METADATA = "file.", "metadata."
"""Before a name that is both a fact and a column."""
_NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,2})?", re.ASCII)
"""Not 007, which is a name."""
LONGEST_NUMBER, LARGEST_INTEGER = 64, 2**53
"""Characters; and up to which integer a float is exact."""


@dataclass(frozen=True)
class FilterColumns:
    """The columns of an index that a filter can name."""

    facts: Columns
    metadata: Columns
    """Columns of metadata.csv, as they are called there."""
    mixed: Mapping[str, str] = field(default_factory=dict)
    """Of columns of texts with numbers among them, as they are called there: the first value that is none."""

    @classmethod
    def of(cls, facts: Columns, metadata: Iterable[Mapping[str, str]]) -> "FilterColumns":
        """From what is known of every file, and the rows of metadata.csv."""
        rows = [*metadata]
        kinds = column_kinds(rows)
        return cls(facts, kinds, _mixed(rows, kinds))

    @property
    def kinds(self) -> dict[str, Kind]:
        """Of every column, by the name that it has in a filter."""
        return {self.called(name, FILE): kind for name, kind in self.facts.items()} | {
            self.called(name, METADATA): kind for name, kind in self.metadata.items()
        }

    @property
    def no_numbers(self) -> dict[str, str]:
        """`mixed` by the names that columns have in a filter."""
        return {self.called(name, METADATA): value for name, value in self.mixed.items()}

    def row(self, facts: Mapping[str, object], metadata: Mapping[str, str]) -> dict[str, object]:
        """A file as evaluate.py reads it."""
        return {self.called(name, FILE): value for name, value in facts.items()} | {
            self.called(name, METADATA): float(value) if self.metadata[name] == "number" else composed(value)
            for name, value in metadata.items()
        }

    def called(self, name: str, prefix: str) -> str:
        """A fact (`FILE`) or a column (`METADATA`) as a filter names it."""
        return prefix + name if name in self.facts and name in self.metadata else name


def column_kinds(rows: Iterable[Mapping[str, str]]) -> dict[str, Kind]:
    """The columns of a table by name: a number where every value is one, else a text. A row may lack values."""
    are_numbers: dict[str, bool] = {}
    for row in rows:
        for name, value in row.items():
            are_numbers[name] = are_numbers.get(name, True) and is_number(value)
    return {name: "number" if are_numbers[name] else "text" for name in sorted(are_numbers)}


def _mixed(rows: Iterable[Mapping[str, str]], kinds: Columns) -> dict[str, str]:
    with_numbers: set[str] = set()
    others: dict[str, str] = {}
    for row in rows:
        for name, value in row.items():
            if kinds[name] == "text" and (name not in others or name not in with_numbers):
                if is_number(value):
                    with_numbers.add(name)
                else:
                    others.setdefault(name, value)
    return {name: value for name, value in others.items() if name in with_numbers}


def composed(text: str) -> str:
    """A text with composed accents (NFC), as filters compare it; names of files may have others (NFD), as of macOS."""
    return unicodedata.normalize("NFC", text)


def is_number(text: str) -> bool:
    """Whether a text is written as a number; one with zeros before it, as 007, is a name.

    So is an integer beyond 2^53, such as an id of 19 digits: as a number it would equal its neighbours.
    """
    plain = text.strip()
    if _NUMBER.fullmatch(plain) is None or len(plain) > LONGEST_NUMBER:
        return False
    return not plain.lstrip("+-").isdecimal() or abs(int(plain)) <= LARGEST_INTEGER
