"""The syntax tree of a filter such as `duration > 60 and folder = 'field/2025'`, and the kinds of columns it may name.

Made by parse.py; evaluated on one row by evaluate.py and compiled for the database by sql.py. A tree holds names of
known columns and plain values only, never a piece of the text that was typed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

Kind = Literal["number", "text", "date", "boolean"]
"""What a column holds; it decides which values may stand on the other side of a comparison."""
Columns = Mapping[str, Kind]
"""The columns that a filter may name."""
Operator = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True)
class Days:
    """The days of a date, a month or a year: the first one, and the first one after it."""

    first: date
    after: date


Value = float | str | bool | Days


@dataclass(frozen=True)
class Comparison:
    """A column compared with a value of its kind."""

    column: str
    kind: Kind
    operator: Operator
    value: Value


@dataclass(frozen=True)
class Like:
    """A text column compared with a pattern: `*` is any text, `?` any one character, all else itself, in any case."""

    column: str
    pattern: str


@dataclass(frozen=True)
class Missing:
    """Whether a column holds no value."""

    column: str


@dataclass(frozen=True)
class Not:
    """True where its part is false; unknown stays unknown."""

    part: "Expression"


@dataclass(frozen=True)
class All:
    """True where all parts are."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True)
class Any:
    """True where one part is or more are."""

    parts: tuple["Expression", ...]


Expression = Comparison | Like | Missing | Not | All | Any
