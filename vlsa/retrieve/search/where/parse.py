"""A filter's text to its syntax tree: `duration > 60 and (name like '*.mp4' or not has_sound)`.

    filter     = both {"or" both}                     column by column: = != < <= > >=, like, in (..), is [not] null
    both       = one {"and" one}                      a boolean column may stand alone
    one        = "not" one | "(" filter ")" | column [comparison]
    column     = a word, or a name in double quotation marks, as "camera model"

Reads tokens.py; feeds evaluate.py and sql.py. Every name is one of the known columns, and every value is of the kind of
its column, or the filter is refused. Texts stand in single quotation marks.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from difflib import get_close_matches
from types import MappingProxyType
from typing import NoReturn, cast

from vlsa.base.errors import VlsaError
from vlsa.retrieve.search.where.columns import composed, is_number
from vlsa.retrieve.search.where.expression import (
    All,
    Any,
    Columns,
    Comparison,
    Days,
    Expression,
    Kind,
    Like,
    Missing,
    Not,
    Operator,
    Value,
)
from vlsa.retrieve.search.where.tokens import KEYWORDS, Token, tokens, unreadable

DEEPEST = 50
"""Brackets and nots within one another."""
COMPARISONS = frozenset({"=", "!=", "<", "<=", ">", ">="})
EXAMPLES = {"number": "60", "text": "'field/2025'", "date": "2025-03-01", "boolean": "true"}
IN_OTHER_LANGUAGES = {
    "between": "{0} >= 1 and {0} <= 3",
    "contains": "{0} like '*part*'",
    "includes": "{0} like '*part*'",
    "startswith": "{0} like 'start*'",
    "starts": "{0} like 'start*'",
    "endswith": "{0} like '*end'",
    "ends": "{0} like '*end'",
    "ilike": "{0} like '*part*', which is for any case",
    "glob": "{0} like '*part*'",
    "matches": "{0} like '*part*'",
    "regexp": "{0} like '*part*'",
}
"""Words between a column and a value that others have, and what is written here."""
AS_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def check_filter(text: str) -> None:
    """Raises VlsaError for an empty filter, which is none: it would keep everything, or nothing."""
    if not text.strip():
        raise VlsaError("search: an empty filter; it says nothing of what to keep. Write one, or leave it out.")


def parse(text: str, columns: Columns, no_numbers: Mapping[str, str] = MappingProxyType({})) -> Expression:
    """The filter in a text. Raises VlsaError for one that cannot be read, or that names what is not there.

    `no_numbers`: what makes a column with numbers in it one of texts (columns.py).
    """
    text = composed(text)
    parser = _Parser(text, columns, no_numbers)
    expression = parser.either()
    if parser.next.kind != "end":
        unreadable(text, parser.next.position)
    return expression


class _Parser:
    """Recursive descent: a method for each line of the grammar."""

    def __init__(self, text: str, columns: Columns, no_numbers: Mapping[str, str]) -> None:
        self._text, self._columns, self._no_numbers = text, columns, no_numbers
        self._tokens, self._place, self._depth = tokens(text), 0, 0

    @property
    def next(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        token = self.next
        self._place += token.kind != "end"
        return token

    def _accept(self, kind: str, text: str) -> bool:
        fits = (self.next.kind, self.next.text) == (kind, text)
        self._place += fits
        return fits

    def _expect(self, kind: str, text: str) -> None:
        if not self._accept(kind, text):
            self._fail(f"{text!r} is missing")

    def _fail(self, what: str, advice: str = "Check the brackets, quotation marks and names") -> NoReturn:
        raise VlsaError(f"where: {what} in {self._text[:200]!r}; nothing was searched. {advice}.")

    def either(self) -> Expression:
        """Parts joined by "or"."""
        parts = self._joined("or", lambda: self._both())
        return parts[0] if len(parts) == 1 else Any(parts)

    def _both(self) -> Expression:
        parts = self._joined("and", self._one)
        return parts[0] if len(parts) == 1 else All(parts)

    def _joined(self, word: str, part: Callable[[], Expression]) -> tuple[Expression, ...]:
        parts = [part()]
        while self._accept("keyword", word):
            parts.append(part())
        return tuple(parts)

    def _one(self) -> Expression:
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail(f"more than {DEEPEST} brackets or nots within one another")
        if self._accept("keyword", "not"):
            expression: Expression = Not(self._one())
        elif self._accept("operator", "("):
            expression = self.either()
            self._expect("operator", ")")
        else:
            expression = self._condition()
        self._depth -= 1
        return expression

    def _condition(self) -> Expression:
        column = self._column()
        kind = self._columns[column]
        if self.next.kind == "operator" and self.next.text in COMPARISONS:
            return Comparison(column, kind, *self._compared(column, kind))
        if self._accept("keyword", "is"):
            negated = self._accept("keyword", "not")
            self._expect("keyword", "null")
            return Not(Missing(column)) if negated else Missing(column)
        negated = self._accept("keyword", "not")
        if self._accept("keyword", "like"):
            return _negated(negated, Like(column, self._pattern(column, kind)))
        if self._accept("keyword", "in"):
            return _negated(negated, self._members(column, kind))
        if negated or kind != "boolean":
            other = IN_OTHER_LANGUAGES.get(self.next.text.lower()) if self.next.kind == "word" else None
            advice = _example(column, kind) if other is None else f"Write {other.format(_quoted(column))}"
            self._fail(f"{column} is compared with nothing", advice)
        return Comparison(column, kind, "=", True)

    def _column(self) -> str:
        token = self._take()
        if token.kind == "keyword" and token.text in self._columns:
            self._fail(f"{token.text!r} is a word of filters", f"Write {_quoted(token.text)} for the column")
        if token.kind not in ("word", "name"):
            self._fail(f"{token.text or 'the end'!r} where the name of a column belongs")
        if token.text not in self._columns:
            self._unknown(token.text)
        return token.text

    def _unknown(self, name: str) -> NoReturn:
        both = [column for column in self._columns if column in (f"file.{name}", f"metadata.{name}")]
        if both:
            self._fail(f"{name!r} is both {' and '.join(map(_quoted, both))}", "Write one of these")
        folded = {known.casefold(): known for known in self._columns}
        near = [folded[one] for one in get_close_matches(name.casefold(), folded, 1, 0.5)]
        known = f"Known are {', '.join(map(_quoted, sorted(self._columns)))}."
        advice = f"Did you mean {_quoted(near[0])}?" if near else known
        raise VlsaError(f"where: there is no column {name[:80]!r}; nothing was searched. {advice}")

    def _compared(self, column: str, kind: Kind) -> tuple[Operator, Value]:
        operator = cast(Operator, self._take().text)
        if kind == "boolean" and operator not in ("=", "!="):
            self._fail(f"{column} is true or false, and has no order", f"Write {column} or not {column}")
        return operator, self._value(column, kind, operator)

    def _pattern(self, column: str, kind: Kind) -> str:
        if kind != "text":
            self._fail(
                f"{column} is a {kind}; like compares texts", f"Write for example {_quoted(column)} = {EXAMPLES[kind]}"
            )
        return str(self._value(column, kind, "like"))

    def _members(self, column: str, kind: Kind) -> Expression:
        self._expect("operator", "(")
        values = [self._value(column, kind)]
        while self._accept("operator", ","):
            values.append(self._value(column, kind))
        self._expect("operator", ")")
        parts = tuple(Comparison(column, kind, "=", value) for value in values)
        return parts[0] if len(parts) == 1 else Any(parts)

    def _value(self, column: str, kind: Kind, sign: str = "=") -> Value:
        token = self._take()
        value = _read_value(token, kind)
        if value is None:
            if token.kind == "name":
                advice = "Names of columns stand in double quotation marks; write a text in single ones"
                self._fail(f'"{token.text[:40]}" where a {kind} belongs', advice)
            if (token.kind, token.text) == ("keyword", "null"):
                self._fail("nothing equals null", f"Write {_quoted(column)} is null, or is not null")
            why = f" ({self._no_numbers[column][:40]!r} is no number)" if column in self._no_numbers else ""
            what = f"{column} is a {kind}{why}, {token.text[:40] or 'the end'!r} is none"
            self._fail(what, _advice(token, column, kind, sign))
        return value


def _negated(negated: bool, expression: Expression) -> Expression:
    return Not(expression) if negated else expression


def _quoted(column: str) -> str:
    """The name of a column as it has to be written."""
    is_word = re.fullmatch(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*", column) and column.lower() not in KEYWORDS
    return column if is_word else '"' + column.replace('"', '""') + '"'


def _advice(token: Token, column: str, kind: Kind, sign: str) -> str:
    """How a value that is of another kind than its column may be meant."""
    name, text = _quoted(column), token.text[:40]
    if kind == "text" and token.kind in ("word", "number", "date"):
        return f"Write {name} {sign} '{text}'"
    if kind == "number" and token.kind == "text" and is_number(text):
        return f"Write {name} {sign} {text}"
    if kind == "boolean" and (meant := AS_BOOLEANS.get(text.lower())) is not None:
        return f"Write {name}" if meant == (sign == "=") else f"Write not {name}"
    return _example(column, kind)


def _example(column: str, kind: Kind) -> str:
    return f"Write for example {_quoted(column)} = {EXAMPLES[kind]}"


def _read_value(token: Token, kind: Kind) -> Value | None:
    """The value of a kind that a token is; None where it is none."""
    if kind == "number" and token.kind == "number":
        number = float(token.text)
        return number if abs(number) < 1e300 else None
    if kind == "text" and token.kind == "text":
        return None if any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in token.text) else token.text
    if kind == "boolean" and token.kind == "keyword" and token.text in ("true", "false"):
        return token.text == "true"
    if kind == "date" and token.kind in ("date", "text", "number"):
        return _days(token.text)
    return None


def _days(text: str) -> Days | None:
    """The days of 2025-03-01, of the month 2025-03 or of the year 2025; None for what is no date."""
    parts = text.split("-")
    if not (all(part.isascii() and part.isdigit() for part in parts) and [*map(len, parts)] == [4, 2, 2][: len(parts)]):
        return None
    year, month, day = (*map(int, parts), None, None)[:3]
    try:
        last = date(year, month or 12, day or (monthrange(year, month)[1] if month else 31))
        return Days(date(year, month or 1, day or 1), last + timedelta(days=1))
    except (ValueError, OverflowError):
        return None
