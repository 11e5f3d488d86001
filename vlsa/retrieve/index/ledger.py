"""INDEX/files.jsonl: a line for each media file that is finished, appended after its rows are in the table.

Written and read by index.py. A line that is damaged, or cut short by a kill, costs its file one more indexing.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from vlsa.base.errors import SearchIndexError
from vlsa.base.files import naming, open_regular
from vlsa.data.ingest.manifest import Rejection
from vlsa.retrieve.index.facts import is_path, is_text

LEDGER_NAME = "files.jsonl"


@dataclass(frozen=True)
class IndexedFile:
    """A line of the ledger: a media file that is finished."""

    path: str
    state: str
    """Digest of the rows made of the file, and of its size and time, or of what a store keeps of it; another digest =
    index it again."""
    num_rows: int
    rejections: tuple[Rejection, ...] = ()


def append(index_path: Path, files: Iterable[IndexedFile]) -> None:
    """Acknowledge files; they survive a crash from here on."""
    path = index_path / LEDGER_NAME
    _drop_torn_line(path)
    with path.open("ab") as ledger, naming(path):
        ledger.writelines(json.dumps(asdict(file), ensure_ascii=False).encode() + b"\n" for file in files)
        ledger.flush()
        os.fsync(ledger.fileno())


def read(index_path: Path) -> dict[str, IndexedFile]:
    """The last valid line of each file, by its path. Raises SearchIndexError when the ledger cannot be read."""
    path = index_path / LEDGER_NAME
    if not path.exists():
        return {}
    _drop_torn_line(path)
    with open_regular(path) as ledger:
        files = [file for line in ledger if (file := _parse(line))]
    return {file.path: file for file in files}


def _drop_torn_line(path: Path) -> None:
    """Cut off a last line that a killed process did not finish."""
    if not path.exists():
        return
    try:
        with open_regular(path) as ledger:
            data = ledger.read()
    except OSError as error:
        raise SearchIndexError(
            f"{path}: cannot be read ({error.strerror}); which files are indexed is not known. "
            "Run the same `vlsa index` command with --restart."
        ) from error
    whole = data.rfind(b"\n") + 1
    if whole != len(data):
        os.truncate(path, whole)


def _parse(line: bytes) -> IndexedFile | None:
    try:
        values = json.loads(line)
        rejections = tuple(_parse_rejection(value) for value in values["rejections"])
        file = IndexedFile(values["path"], values["state"], values["num_rows"], rejections)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    valid = is_path(file.path) and isinstance(file.state, str) and type(file.num_rows) is int
    return file if valid and file.num_rows >= 0 else None


def _parse_rejection(values: Any) -> Rejection:
    """Raises ValueError or TypeError for one that was not written by `append`."""
    rejection = Rejection(**values)
    for field in fields(rejection):
        value, is_time = getattr(rejection, field.name), field.name.endswith("_seconds")
        if not (value is None or isinstance(value, int | float) if is_time else is_text(value)):
            raise ValueError(field.name)
    return rejection
