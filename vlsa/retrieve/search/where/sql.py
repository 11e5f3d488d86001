"""A filter compiled for the database: every name and every value is written here from the tree.

Reads trees of parse.py; feeds the table's `where`. What was typed never reaches the database: names come from the list
of known columns, numbers are printed by Python, and texts are quoted with quotation marks doubled. Times are texts in
the tables of an index (ISO 8601 in UTC), whose order is that of time, so days are compared as texts too.
"""

from collections.abc import Mapping

from vlsa.retrieve.search.where.expression import All, Any, Comparison, Days, Expression, Like, Missing, Not


def to_sql(expression: Expression, names: Mapping[str, str] | None = None) -> str:
    """The filter as a condition of SQL, for LanceDB. `names`: what a column is called there, where it differs."""
    match expression:
        case Not(part):
            return f"NOT ({to_sql(part, names)})"
        case All(parts):
            return " AND ".join(f"({to_sql(part, names)})" for part in parts)
        case Any(parts):
            return " OR ".join(f"({to_sql(part, names)})" for part in parts)
        case Missing(column):
            return f"{_name(column, names)} IS NULL"
        case Like(column, pattern):
            return f"lower({_name(column, names)}) LIKE {_text(_like(pattern.lower()))}"
        case Comparison(column, _, operator, value):
            return _comparison(_name(column, names), operator, value)


def _name(column: str, names: Mapping[str, str] | None) -> str:
    name = (names or {}).get(column, column)
    assert "`" not in name, name
    return f"`{name}`"


def _comparison(name: str, operator: str, value: float | str | bool | Days) -> str:
    if isinstance(value, Days):
        return _compare_days(name, operator, value)
    if isinstance(value, bool):
        return f"{name} {operator} {str(value).lower()}"
    return f"{name} {operator} {_text(value) if isinstance(value, str) else f'{value!r}'}"


def _compare_days(name: str, operator: str, days: Days) -> str:
    first, after = f"'{days.first.isoformat()}'", f"'{days.after.isoformat()}'"
    return {
        "=": f"({name} >= {first} AND {name} < {after})",
        "!=": f"({name} < {first} OR {name} >= {after})",
        "<": f"{name} < {first}",
        "<=": f"{name} < {after}",
        ">": f"{name} >= {after}",
        ">=": f"{name} >= {first}",
    }[operator]


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _like(pattern: str) -> str:
    """A pattern in SQL's signs: what is special there alone is escaped."""
    escaped = "".join("\\" + letter if letter in "\\%_" else letter for letter in pattern)
    return escaped.replace("*", "%").replace("?", "_")
