"""files.jsonl: a line for each media file that is finished, appended after its rows are in the table.

Written and read by index.py. A line that is damaged, or cut short by a kill, costs its file one more indexing. A file
that was removed has a last line that says so, until `rewrite` leaves both out.
"""

import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from vlsa.base.errors import SearchIndexError
from vlsa.base.files import naming, open_regular, write_atomically
from vlsa.data.ingest.manifest import Rejection
from vlsa.retrieve.index.facts import LEDGER_NAME, is_path, is_text


@dataclass(frozen=True, kw_only=True)
class IndexedFile:
    """A line of the ledger: a media file that is finished."""

    path: str
    """Relative to the source, with forward slashes; absolute for a file elsewhere, or of a store."""
    media: str = ""
    """Size, time and readability, or what a store keeps of its clips; another value = encode it again."""
    words: str = ""
    """Digest of its captions and of the size and time of its subtitle file; another value = read its text again."""
    labels: str = ""
    """Digest of its row of metadata.csv; another value = only its facts are written again."""
    content: str = ""
    """Digest of its bytes (data/media/content_digest.py); empty for clips of a store."""
    rows: str = ""
    """Digest of its rows with their vectors (rows.py)."""
    facts: str = ""
    """Digest of its row in the table of files (file_facts.py); empty without rows."""
    num_windows: int = 0
    num_texts: int = 0
    seconds: float = 0.0
    """How long it is."""
    covered_seconds: float = 0.0
    """How much of that lies in an indexed window."""
    rejections: tuple[Rejection, ...] = ()
    """What of it is left out; paths as in `path`."""

    @property
    def num_rows(self) -> int:
        return self.num_windows + self.num_texts


def append(folder: Path, files: Iterable[IndexedFile], removed: Iterable[str] = ()) -> None:
    """Acknowledge files, and the removal of others; it survives a crash from here on."""
    path = folder / LEDGER_NAME
    _drop_torn_line(path)
    with path.open("ab") as ledger, naming(path):
        ledger.writelines(_line({"path": gone, "removed": True}) for gone in removed)
        ledger.writelines(_line(asdict(file)) for file in files)
        ledger.flush()
        os.fsync(ledger.fileno())


def rewrite(folder: Path, files: Iterable[IndexedFile]) -> None:
    """Replace the ledger by one line for each of these files."""
    write_atomically(folder / LEDGER_NAME, b"".join(_line(asdict(file)) for file in files))


def _line(values: dict[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode() + b"\n"


def read(folder: Path) -> dict[str, IndexedFile]:
    """The last valid line of each file, by its path. Raises SearchIndexError when the ledger cannot be read."""
    path = folder / LEDGER_NAME
    if not path.exists():
        return {}
    _drop_torn_line(path)
    with open_regular(path) as ledger:
        files = [file for line in ledger if (file := _parse(line))]
    found = dict(files)
    return {path: file for path, file in found.items() if file is not None}


def num_lines(folder: Path) -> int:
    """How many lines the ledger has, those that later ones replace too."""
    path = folder / LEDGER_NAME
    return path.read_bytes().count(b"\n") if path.exists() else 0


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


def _parse(line: bytes) -> tuple[str, IndexedFile | None] | None:
    """The path and what is known of the file, None = it was removed; None for a line that is damaged."""
    try:
        values = json.loads(line)
        if values.get("removed") is True:
            return (values["path"], None) if is_path(values["path"]) else None
        rejections = tuple(_parse_rejection(value) for value in values.pop("rejections"))
        file = IndexedFile(**values, rejections=rejections)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    texts = (file.media, file.words, file.labels, file.content, file.rows, file.facts)
    counts, lengths = (file.num_windows, file.num_texts), (file.seconds, file.covered_seconds)
    valid = is_path(file.path) and all(isinstance(text, str) for text in texts)
    valid = valid and all(type(count) is int and count >= 0 for count in counts)
    valid = valid and all(isinstance(length, int | float) and 0 <= length < math.inf for length in lengths)
    return (file.path, file) if valid else None


def _parse_rejection(values: Any) -> Rejection:
    """Raises ValueError or TypeError for one that was not written by `append`."""
    rejection = Rejection(**values)
    for field in fields(rejection):
        value, is_time = getattr(rejection, field.name), field.name.endswith("_seconds")
        if not (value is None or isinstance(value, int | float) if is_time else is_text(value)):
            raise ValueError(field.name)
    return rejection
