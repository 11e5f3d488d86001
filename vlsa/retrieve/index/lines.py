"""Lines of the ledger for what is about to be written. Used by index.py."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from vlsa.retrieve.index.file_facts import FileFacts
from vlsa.retrieve.index.ledger import IndexedFile
from vlsa.retrieve.index.rows import IndexRow, rows_digest


def with_facts(lines: Iterable[IndexedFile], facts: Mapping[str, FileFacts]) -> list[IndexedFile]:
    """Lines that say what is written in the table of files; `facts` by path, of files that have rows."""
    return [replace(line, facts=facts[line.path].digest() if line.path in facts else "") for line in lines]


def lines_of(rows: Sequence[IndexRow]) -> list[IndexedFile]:
    """A line for each file that the rows are of."""
    by_path: dict[str, list[IndexRow]] = {}
    for row in rows:
        by_path.setdefault(row.path, []).append(row)
    counts = {path: sum(row.kind == "window" for row in found) for path, found in by_path.items()}
    return [
        IndexedFile(path=path, rows=rows_digest(found), num_windows=counts[path], num_texts=len(found) - counts[path])
        for path, found in by_path.items()
    ]
