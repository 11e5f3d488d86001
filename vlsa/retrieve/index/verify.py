"""Whether the tables of an index hold what was acknowledged, row by row; used by index.py, update.py and check.py."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from vlsa.retrieve.index.lance import VectorTable
from vlsa.retrieve.index.ledger import IndexedFile


@dataclass(frozen=True)
class TableContent:
    """What the tables hold of a file."""

    rows: str
    """Digest of its rows, as in the ledger."""
    num_rows: int
    num_facts: int
    """Rows in the table of files: 1."""


def content_by_path(table: VectorTable) -> dict[str, TableContent]:
    """What the tables hold, by file. Reads all vectors."""
    digests: dict[str, list[bytes]] = {}
    for row in table.rows():
        digests.setdefault(row.path, []).append(row.digest())
    num_facts = Counter(file.path for file in table.files())
    return {
        path: TableContent(_joined(digests.get(path, [])), len(digests.get(path, [])), num_facts[path])
        for path in digests.keys() | num_facts.keys()
    }


def _joined(digests: list[bytes]) -> str:
    return hashlib.blake2b(b"".join(sorted(digests)), digest_size=16).hexdigest() if digests else ""


def difference(file: IndexedFile | None, content: TableContent | None) -> str:
    """What is wrong with a file's rows, in a few words; empty if nothing is."""
    found = content or TableContent("", 0, 0)
    if file is None:
        return f"{found.num_rows} rows of it are in the table, and it was never finished"
    if found.num_rows != file.num_rows:
        return f"{found.num_rows} rows of it are in the table, {file.num_rows} were written"
    if file.num_rows and (found.rows != file.rows or found.num_facts != 1):
        return "its rows are not those that were written"
    return ""


def intact(table: VectorTable, files: Mapping[str, IndexedFile]) -> dict[str, IndexedFile]:
    """The files whose rows are in the tables as they were written."""
    found = content_by_path(table)
    return {path: file for path, file in files.items() if not difference(file, found.get(path))}
