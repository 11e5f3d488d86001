"""Whether the tables of an index hold what was acknowledged, row by row; used by index.py, update.py and check.py."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vlsa.retrieve.index.lance import VectorTable
from vlsa.retrieve.index.ledger import IndexedFile


@dataclass(frozen=True)
class TableContent:
    """What the tables hold of a file."""

    rows: str
    """Digest of its rows, as in the ledger."""
    num_rows: int
    facts: str
    """Digest of its row in the table of files, as in the ledger."""


def content_by_path(table: VectorTable) -> dict[str, TableContent]:
    """What the tables hold, by file. Reads all vectors."""
    digests: dict[str, list[bytes]] = {}
    for path, digest in table.digests():
        digests.setdefault(path, []).append(digest)
    facts: dict[str, list[str]] = {}
    for file in table.written_files():
        facts.setdefault(file.path, []).append(file.digest())
    return {
        path: TableContent(_joined(digests.get(path, [])), len(digests.get(path, [])), " ".join(facts.get(path, [])))
        for path in digests.keys() | facts.keys()
    }


def _joined(digests: Iterable[bytes]) -> str:
    found = sorted(digests)
    return hashlib.blake2b(b"".join(found), digest_size=16).hexdigest() if found else ""


def difference(file: IndexedFile | None, content: TableContent | None) -> str:
    """What is wrong with a file's rows, in a few words; empty if nothing is."""
    found = content or TableContent("", 0, "")
    if file is None:
        return f"{found.num_rows} rows of it are in the table, and it was never finished"
    if found.num_rows != file.num_rows:
        return f"{found.num_rows} rows of it are in the table, {file.num_rows} were written"
    if file.num_rows and found.rows != file.rows:
        return "its rows are not those that were written"
    if found.facts != file.facts:
        return "its facts (length, size, metadata) are not those that were written"
    return ""


def intact(table: VectorTable, files: Mapping[str, IndexedFile]) -> dict[str, IndexedFile]:
    """The files whose rows are in the tables as they were written."""
    found = content_by_path(table)
    return {path: file for path, file in files.items() if not difference(file, found.get(path))}
