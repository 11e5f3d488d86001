"""INDEX/index.json: what an index is made of, checked field by field when it is read.

Written and read by index.py; `remove` is how `vlsa index --restart` starts again.
"""

import json
import os
from pathlib import Path
from typing import Any, TypeGuard

from vlsa.base.errors import SearchIndexError
from vlsa.base.files import read_json, write_atomically

FORMAT, VERSION = "vlsa-index", 1
FACTS_NAME = "index.json"
NEEDED = {"model": dict, "source": str, "width": int, "num_rows": int}
LONGEST_PATH = 4096
"""Characters; no file system has longer ones."""
OPTIONAL = {"table": str, "num_bytes": int}
"""Missing in an index of version 0.3."""


def read_facts(path: str | Path) -> dict[str, Any]:
    """The facts of an index. Raises SearchIndexError: missing, not an index, damaged, or of another version."""
    path = Path(path)
    if not path.is_dir():
        raise SearchIndexError(
            f"{path}: no such folder; an index is needed. Make one with `vlsa index RUN FOLDER --out {path}`."
        )
    facts = _read(path / FACTS_NAME)
    if facts.get("format") != FORMAT:
        raise SearchIndexError(f"{path}: not an index (no valid index.json). Give the folder that `vlsa index` wrote.")
    if facts.get("version") != VERSION:
        raise SearchIndexError(
            f"{path}: index of version {str(facts.get('version'))[:20]}, this vlsa reads {VERSION}; its rows would be "
            "misread. Index again into another folder, or use the vlsa that wrote it."
        )
    if not _is_valid(facts):
        raise damaged(path)
    return facts


def damaged(path: Path) -> SearchIndexError:
    """The one line for facts that were not written by this library."""
    return SearchIndexError(f"{path}: index.json is damaged; nothing can be searched. Index again with --restart.")


def write_facts(path: Path, facts: dict[str, Any]) -> None:
    """Replace the facts of an index."""
    write_atomically(path / FACTS_NAME, json.dumps(facts, indent=1).encode() + b"\n")


def remove(path: Path) -> None:
    """Delete an index, if one exists; the next creation clears its rows. Raises SearchIndexError for other files."""
    facts_path = path / FACTS_NAME
    if facts_path.exists():
        if _read(facts_path).get("format") != FORMAT:
            raise SearchIndexError(f"{facts_path}: not of an index; it would be lost. Choose another folder.")
        facts_path.unlink()


def _read(path: Path) -> dict[str, Any]:
    """The object in a file; empty when there is none."""
    try:
        value = read_json(path)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _is_valid(facts: dict[str, Any]) -> bool:
    kinds = NEEDED | {name: kind for name, kind in OPTIONAL.items() if name in facts}
    if not all(type(facts.get(name)) is kind for name, kind in kinds.items()):
        return False
    model = facts["model"]
    texts = [facts["source"], model.get("fingerprint"), model.get("run", ""), facts.get("table", "")]
    return facts["width"] > 0 and facts["num_rows"] >= 0 and all(map(is_path, texts))


def is_path(value: object) -> bool:
    """Whether a value may be the name of a file."""
    return is_text(value) and "\0" not in value and len(value) <= LONGEST_PATH


def is_text(value: object) -> TypeGuard[str]:
    """Whether a value is a text that can be written."""
    if not isinstance(value, str):
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True
