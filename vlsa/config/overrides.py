"""Settings to and from JSON, and `--set a.b=c`; misspelt names and values of the wrong type are refused.

Reads and makes the dataclasses of config/; used by recipes, checkpoints and the command line.
"""

import dataclasses
import difflib
import json
import sys
import typing
from collections.abc import Iterable
from typing import Any, Literal, TypeVar

from vlsa.base.errors import ConfigError
from vlsa.config import require

C = TypeVar("C")
NEEDED = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
"""Type -> its name in an error."""


def to_dict(config: Any) -> dict[str, Any]:
    """Settings as plain JSON types."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Groups of settings as one level, by dotted name: {"model.encoder.width": 768, ...}."""
    leaves = {}
    for name, value in values.items():
        leaves |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return leaves


def from_dict(kind: type[C], values: dict[str, Any], where: str = "") -> C:
    """Settings from plain JSON types. Raises ConfigError for an unknown name, with the nearest known one."""
    hints = typing.get_type_hints(kind)
    arguments = {}
    for name, value in values.items():
        if name not in hints:
            known = [f"{where}{hint}" for hint in hints]
            raise ConfigError(f"{where}{name}: no such setting. {nearest(f'{where}{name}', known)}")
        arguments[name] = _convert(hints[name], value, f"{where}{name}")
    return kind(**arguments)


def override(config: C, assignments: list[str]) -> C:
    """Apply `a.b=value` strings (values as JSON, or bare words) to a copy. Raises ConfigError.

    The end of a name is enough if it is unique: objective.temperature for model.objective.temperature.
    """
    values = to_dict(config)
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        require(bool(equals), f"--set {assignment}: no '='. Write --set model.encoder.width=256.")
        _assign(values, _full_name(name.strip(), values, assignment).split("."), _parse(text))
    return from_dict(type(config), values)


def names_of(config: Any, assignments: Iterable[str]) -> set[str]:
    """The whole names of the settings that `override` would change. Raises ConfigError."""
    values = to_dict(config)
    return {_full_name(text.partition("=")[0].strip(), values, text) for text in assignments}


def _full_name(name: str, values: dict[str, Any], assignment: str) -> str:
    """The one setting with this name, or whose name ends with it. Raises ConfigError."""
    require(bool(name), f"--set {assignment}: no name before '='. Write --set model.encoder.width=256.")
    known = list(flat(values))
    ends = [full for full in known if f".{full}".endswith(f".{name}")]
    if name in known or len(ends) == 1:
        return name if name in known else ends[0]
    if ends:
        raise ConfigError(f"--set {assignment}: several settings have this name. Use one of {', '.join(ends)}.")
    inside = [full for full in known if f".{name}." in f".{full}"]
    if inside:
        raise ConfigError(f"--set {assignment}: this is a group; set one of {', '.join(inside)}.")
    tails = {".".join(full.split(".")[k:]): full for full in known for k in range(full.count(".") + 1)}
    close = difflib.get_close_matches(name, tails, n=1)
    meant = [tails[close[0]]] if close else [full for full in known if name in full]
    advice = f"Did you mean {' or '.join(meant)}?" if meant else f"Known: {', '.join(known)}."
    raise ConfigError(f"--set {assignment}: no such setting. {advice}")


def _assign(values: dict[str, Any], path: list[str], value: Any) -> None:
    for group in path[:-1]:
        values = values[group]
    values[path[-1]] = value


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # not JSON; or thousands of digits or brackets
        return {"True": True, "False": False}.get(text, text)


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: the nearest known one, or all of them."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {close[0]}?" if close else f"Known: {', '.join(known)}."


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Convert a JSON value to the annotated type. Raises ConfigError for another type."""
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint):
        require(isinstance(value, dict), f"{where}={value!r}: a group of settings is needed here.")
        return from_dict(typing.cast(type, hint), value, f"{where}.")
    if origin is Literal:
        known = typing.get_args(hint)
        require(value in known, f"{where}={value!r} is not one of {', '.join(map(repr, known))}.")
        return value
    if origin is tuple:
        return _convert_tuple(hint, value, where)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        finite = abs(value) <= sys.float_info.max  # false for a NaN too
        require(finite, f"{where}={value!r}: not a finite number; nothing could be trained with it. Give one.")
        return float(value)
    require(
        isinstance(value, hint) and (hint is bool or not isinstance(value, bool)),
        f"{where}={value!r}: {NEEDED[hint]} is needed.",
    )
    return value


def _convert_tuple(hint: Any, value: Any, where: str) -> tuple[Any, ...]:
    kinds = typing.get_args(hint)
    items = [_parse(item.strip()) for item in value.split(",")] if isinstance(value, str) else value
    require(isinstance(items, list | tuple), f"{where}={value!r}: a list is needed, as in [0.9, 0.95].")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(items)
    require(len(items) == len(kinds), f"{where}={value!r}: {len(kinds)} values are needed.")
    return tuple(_convert(kind, item, where) for kind, item in zip(kinds, items, strict=True))
