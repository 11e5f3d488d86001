"""INDEX/index.json: what an index is made of, checked field by field when it is read.

Written and read by index.py. It names the folder of the data, so that replacing this file replaces the whole index in
one step; that is how `vlsa index --restart` ends (`activate`).
"""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from vlsa.base.errors import SearchIndexError
from vlsa.base.files import read_json, write_atomically
from vlsa.data.store.local_copy import naming_address
from vlsa.retrieve.encode.public.names import absolute
from vlsa.retrieve.index.remote_copy import copy_of

if TYPE_CHECKING:
    from vlsa.retrieve.encode.protocol import Encoder

FORMAT, VERSION = "vlsa-index", 2
FACTS_NAME = "index.json"
PENDING_NAME = "restart.json"
"""The facts of an index that is being made to replace this one."""
DATA_PREFIX = "data-"
TABLES_NAME, LEDGER_NAME = "lance", "files.jsonl"
"""In the folder of the data: the tables (lance.py) and the list of files that are finished (ledger.py)."""
TABLE, FILES_TABLE = "clips", "files"
NAME_KEY = b"vlsa-table"
"""Of the entry of a table that names its index."""
NEEDED = {"model": dict, "source": str, "width": int, "spaces": list, "num_rows": int, "table": str, "data": str}
DATA_NAME = DATA_PREFIX + "[0-9a-f]{32}"
LONGEST_PATH = 4096
"""Characters; no file system has longer ones."""
TRANSCRIBE = "transcribe"
OPTIONAL = {"num_bytes": int, "state": str, "windows": dict, "model_files": str, "tidy": bool, "vectors": str}
OPTIONAL |= {TRANSCRIBE: dict, "merged_bytes": int, "merged_rows": int}
"""`tidy`: a run was finished, and pieces are merged as far as that pays; `merged_bytes`, `merged_rows`: what there was
when they were. `transcribe`: name and fingerprint of the model for speech that hears files without text."""
PRECISIONS = ("float32", "float16")
"""In which vectors can be stored: `vectors`, the first without it."""
WINDOWS = {"window_seconds", "step_seconds"}
EARLIER_DATA = ("lance", "files.jsonl")
"""Where versions before 2 had their data."""


def read_facts(path: str | Path, name: str = FACTS_NAME) -> dict[str, Any]:
    """The facts of an index. Raises SearchIndexError: missing, not an index, unreadable, or of another version.

    Of one on an object store: as it was last fetched. Raises StoreError where it is not reached.
    """
    if (copy := copy_of(path)) is not None:
        held = copy.latest()
        with naming_address(held.path, copy.address):
            return read_facts(held.path, name)
    path = Path(path)
    if not path.is_dir():
        raise SearchIndexError(
            f"{path}: no such folder; an index is needed. Make one with `vlsa index RUN FOLDER --out {path}`."
        )
    facts = _read(path / name)
    if facts is None or facts.get("format") != FORMAT:
        raise SearchIndexError(f"{path}: not an index (no valid index.json). Give the folder that `vlsa index` wrote.")
    if facts.get("version") != VERSION:
        raise SearchIndexError(
            f"{path}: index of version {str(facts.get('version'))[:20]}, this vlsa reads {VERSION}; its rows would be "
            "misread. Index again: the same `vlsa index` command with --restart."
        )
    if not _is_valid(facts):
        raise damaged(path)
    _check_own(path / facts["data"])
    return facts


def _check_own(data: Path) -> None:
    """Raises SearchIndexError where the data is not there, or a link: what it leads to would be written and deleted."""
    if not data.exists():
        raise SearchIndexError(
            f"{data}: not there, and index.json names it; nothing can be searched. Copy the index again, or index "
            "again with --restart."
        )
    names = ("", LEDGER_NAME, TABLES_NAME, *(f"{TABLES_NAME}/{table}.lance" for table in (TABLE, FILES_TABLE)))
    for part in (data / name for name in names):
        if part.is_symlink():
            raise SearchIndexError(
                f"{part}: a symbolic link; what it leads to may belong to something else, and would be changed. "
                "Put the folder or file itself in its place, or make a new index."
            )


def damaged(path: str | Path) -> SearchIndexError:
    """The one line for facts that were not written by this library."""
    return SearchIndexError(f"{path}: index.json is damaged; nothing can be searched. Index again with --restart.")


def write_facts(path: Path, facts: dict[str, Any], name: str = FACTS_NAME) -> None:
    """Replace the facts of an index."""
    write_atomically(path / name, json.dumps(facts, indent=1).encode() + b"\n")


def check_replaceable(path: Path) -> None:
    """Raises SearchIndexError where index.json is not that of an index, of whatever version."""
    facts = _read(path / FACTS_NAME)
    if facts is not None and facts.get("format") != FORMAT:
        raise SearchIndexError(f"{path / FACTS_NAME}: not of an index; it would be lost. Choose another folder.")


def activate(path: Path) -> None:
    """Let the index that was made with PENDING_NAME take the place of the one before."""
    os.replace(path / PENDING_NAME, path / FACTS_NAME)


def remove_unused(path: Path) -> None:
    """Delete data that neither the index nor one that is to replace it names, as a killed process leaves.

    Raises SearchIndexError, and deletes nothing, where it cannot be read which data that is.
    """
    names = [FACTS_NAME, *([PENDING_NAME] if (path / PENDING_NAME).exists() else [])]
    used = {read_facts(path, name)["data"] for name in names}
    for folder in path.glob(f"{DATA_PREFIX}*"):
        if folder.name not in used and re.fullmatch(DATA_NAME, folder.name):
            shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(path / EARLIER_DATA[0], ignore_errors=True)
    (path / EARLIER_DATA[1]).unlink(missing_ok=True)


def folder_state(folder: Path) -> str:
    """Digest of the names and sizes of all files below a folder: Lance never changes a file, so it is another one
    after anything was written."""
    files = sorted((str(path.relative_to(folder)), path.stat().st_size) for path in folder.rglob("*") if path.is_file())
    return hashlib.blake2b(repr(files).encode(), digest_size=16).hexdigest()


def model_facts(encoder: "Encoder") -> dict[str, Any]:
    """What is recorded of a model; its run by its whole path, since the index may be opened from another folder."""
    model = {**encoder.about, "fingerprint": encoder.fingerprint}
    if "run" in model:
        model["run"] = absolute(model["run"])
    return model


def stamp(path: Path) -> tuple[int, int]:
    """Another value when a file was written since that is always replaced whole."""
    try:
        facts = os.stat(path)
    except OSError:
        return 0, 0
    return facts.st_mtime_ns, facts.st_ino


def _read(path: Path) -> dict[str, Any] | None:
    """The object in a file, empty for any other value; None when there is no file. Raises SearchIndexError."""
    try:
        value = read_json(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else f"not JSON: {error}"
        raise SearchIndexError(
            f"{path}: cannot be read ({why}); which vectors are in use is not known, so nothing was changed. "
            "Repair the file, or make a new index in another folder."
        ) from error
    return value if isinstance(value, dict) else {}


def _is_valid(facts: dict[str, Any]) -> bool:
    kinds = NEEDED | {name: kind for name, kind in OPTIONAL.items() if name in facts}
    if not all(type(facts.get(name)) is kind for name, kind in kinds.items()):
        return False
    model = facts["model"]
    texts = [facts["source"], model.get("fingerprint"), model.get("run", ""), facts.get("table", "")]
    texts += [facts[TRANSCRIBE].get(name) for name in ("name", "fingerprint") if TRANSCRIBE in facts]
    return (
        facts["width"] > 0
        and facts["num_rows"] >= 0
        and all(map(is_path, texts))
        and re.fullmatch(DATA_NAME, facts["data"]) is not None
        and _are_spaces(facts["spaces"], facts["width"])
        and _are_windows(facts.get("windows", {}))
        and facts.get("vectors", PRECISIONS[0]) in PRECISIONS
    )


def _are_spaces(spaces: list[Any], width: int) -> bool:
    return 0 < len(spaces) <= width and width % len(spaces) == 0 and all(map(is_text, spaces))


def _are_windows(windows: dict[str, Any]) -> bool:
    return all(isinstance(value, int | float) and value > 0 for value in windows.values()) and set(windows) <= WINDOWS


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
