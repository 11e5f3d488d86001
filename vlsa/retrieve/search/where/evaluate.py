"""A filter evaluated on one row in Python, with the three-valued logic of SQL.

Reads trees of parse.py. A comparison with a missing value is unknown (None). Not of unknown is unknown; "and" is false
where a part is false, else unknown where one is; "or" is true where a part is true, else unknown where one is. A row
passes where the filter is true, so neither `duration > 60` nor `not duration > 60` keeps a row without a duration.
A column may hold several texts, as a tuple: a comparison is true where it is for one of them, `!=` where for all.
"""

import operator
import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache

from vlsa.retrieve.search.where.expression import All, Any, Comparison, Days, Expression, Like, Missing, Not

_COMPARE = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def passes(expression: Expression, row: Mapping[str, object]) -> bool:
    """Whether a row is kept. A column that the row lacks, or that is None or not a number, is missing."""
    return _truth(expression, row) is True


def _truth(expression: Expression, row: Mapping[str, object]) -> bool | None:
    match expression:
        case Not(part):
            return _opposite(_truth(part, row))
        case All(parts):
            return _all(_truth(part, row) for part in parts)
        case Any(parts):
            return _opposite(_all(_opposite(_truth(part, row)) for part in parts))
        case Missing(column):
            return row.get(column) is None
        case Like(column, pattern):
            value = row.get(column)
            if isinstance(value, tuple):
                return any(matches(pattern, one) for one in value)
            return None if value is None else matches(pattern, str(value))
        case Comparison():
            return _compare(expression, row.get(expression.column))


def _opposite(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def _all(truths: object) -> bool | None:
    values = set(truths)  # type: ignore[call-overload]
    return False if False in values else None if None in values else True


def _compare(comparison: Comparison, value: object) -> bool | None:
    if value is None:
        return None
    if isinstance(comparison.value, Days):
        return _compare_days(comparison.operator, _day(value), comparison.value)
    compare = _COMPARE[comparison.operator]
    if isinstance(value, tuple):
        return (all if comparison.operator == "!=" else any)(compare(one, comparison.value) for one in value)
    return bool(compare(value, comparison.value))


def _day(value: object) -> date:
    """The day of a date, a time, or a text that starts with one."""
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])


def _compare_days(sign: str, day: date, days: Days) -> bool:
    """A day compared with a span of days: before it, within it, or after it."""
    place = (day >= days.first) + (day >= days.after)  # 0 before, 1 within, 2 after
    return bool(_COMPARE[sign](place, 1))


def matches(pattern: str, text: str) -> bool:
    """Whether a text as a whole is what a pattern says, in any case."""
    return _compiled(pattern).fullmatch(text.lower()) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    """What stands between two stars is looked for once, where it comes first: no pattern takes long."""
    first, *rest = ("".join("." if letter == "?" else re.escape(letter) for letter in part) for part in _parts(pattern))
    between, last = rest[:-1], [f".*{part}" for part in rest[-1:]]
    return re.compile("".join([first, *(f"(?>.*?{part})" for part in between), *last]), re.DOTALL)


def _parts(pattern: str) -> list[str]:
    return re.sub(r"\*+", "*", pattern.lower()).split("*")
