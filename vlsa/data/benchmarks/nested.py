"""Columns inside of others: `captions.text` is the key `text` of the object, or of each object, that `captions` holds.

As nested columns of Parquet, and objects in objects of JSON, are named. Used by records.py, generic.py and
webdataset.py.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from vlsa.data.benchmarks.columns import Columns


def with_nested(record: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """A record that also has the wanted columns that lie inside of others, under their names with dots."""
    roots = {name: root for name in columns.needed if name not in record and (root := _root(name, record))}
    inside = {name: _inside(record[root], name[len(root) + 1 :].split(".")) for name, root in roots.items()}
    return {**record, **inside}


def outer_names(columns: Columns, found: Iterable[str]) -> dict[str, str]:
    """The column that holds it, for each wanted one that lies inside of another."""
    names = list(found)
    return {name: root for name in columns.needed if name not in names and (root := _root(name, names))}


def _root(name: str, found: Iterable[str]) -> str:
    """The longest column that a name with dots begins with; blank if there is none."""
    return max((root for root in found if name.startswith(f"{root}.")), key=len, default="")


def _inside(value: Any, keys: list[str]) -> Any:
    """What lies in an object under these keys, of a list in each of its objects; None where it is not there."""
    if isinstance(value, list | tuple):
        return [_inside(each, keys) for each in value]
    if not keys:
        return value
    return _inside(value.get(keys[0]), keys[1:]) if isinstance(value, dict) else None
